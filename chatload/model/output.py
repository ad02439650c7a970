"""Writes to our own standard output and errors, which may be closed, full, or a pipe that nobody reads any more."""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO

_CI_LINE_START = re.compile(r"^(\s*):(?=:)", re.MULTILINE)
_CI_ANYWHERE = re.compile(r"##(?=[\w.-]*\[)")


def without_commands(text: str) -> str:
    """The text with a U+FFFD in what a CI system would obey, of the same width.

    GitHub obeys `::name::` at the start of a line, blanks before it left out, and `##[name]` anywhere; Azure
    `##vso[…]`, TeamCity `##teamcity[…]`. GitLab's `section_start:` needs an escape sequence, which
    `chatload/model/sanitize.py` takes away.
    """
    return _CI_ANYWHERE.sub("#\ufffd", _CI_LINE_START.sub("\\1\ufffd", text))


def write(stream: TextIO | None, text: str) -> None:
    """Write `text` at once. What nobody can take is dropped: a run must not end for the sake of its progress line."""
    if stream is None:  # closed before Python started
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        discard(stream)


def settle() -> None:
    """Flush both streams, so that Python has nothing left to fail with when it exits."""
    for stream in (sys.stdout, sys.stderr):
        write(stream, "")


def discard(stream: TextIO) -> None:
    """From here on the stream goes nowhere: what it still buffers would fail again, at the latest at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
