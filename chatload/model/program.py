"""What a person types to start chatload here.

Commands to type next are printed by `program()`. Reports and mistakes say `chatload`, also where `python -m chatload`
is typed: they are read on other machines, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

MODULE = "python -m chatload"


def program(executable: str = sys.executable) -> str:
    """`chatload` where that command is installed beside this interpreter, else `python -m chatload`."""
    return "chatload" if Path(executable).with_name("chatload").is_file() else MODULE
