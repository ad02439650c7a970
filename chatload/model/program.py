"""The command that starts chatload on this machine.

Suggestions of what to type next use `program()`. Reports and error messages always say `chatload`, since they are also
read on other machines.
"""

from __future__ import annotations

import sys
from pathlib import Path

MODULE = "python -m chatload"


def program(executable: str = sys.executable) -> str:
    """`chatload` where that command is installed beside this interpreter, else `python -m chatload`."""
    return "chatload" if Path(executable).with_name("chatload").is_file() else MODULE
