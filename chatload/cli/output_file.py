"""Files that options name: "-" is standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from chatload.model.errors import UsageError
from chatload.store.manifest import write_private

STDOUT = "-"


def write_file(option: str, name: str, content: str) -> None:
    """Write a file whole or not at all, and print its name; with "-" for a name, print its content instead.

    UsageError where it cannot be written.
    """
    if name == STDOUT:
        write_stdout([content.encode()])
        return
    try:
        write_private(Path(name), content.encode())
    except OSError as error:
        raise UsageError([f"{option} {name}: cannot be written: {error.strerror}"]) from error
    sys.stdout.write(f"{name}\n")


def write_stdout(parts: Iterable[bytes]) -> None:
    """Write bytes as they are, whatever the terminal's encoding, after what was printed before."""
    sys.stdout.flush()
    sys.stdout.buffer.writelines(parts)
