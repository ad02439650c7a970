"""Writes to standard output and standard error, which may be closed, full, or a pipe without a reader."""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO

_CI_LINE_START = re.compile(r"^(\s*):(?=:)", re.MULTILINE)
_CI_ANYWHERE = re.compile(r"##(?=[\w.-]*\[)")


def without_commands(text: str) -> str:
    """The text with one character of each CI command replaced by U+FFFD, so that no CI system executes it.

    GitHub executes `::name::` at the start of a line, after optional blanks, and `##[name]` anywhere; Azure
    `##vso[…]`, TeamCity `##teamcity[…]`. GitLab's `section_start:` needs an escape sequence, which
    `chatload/model/sanitize.py` removes.
    """
    return _CI_ANYWHERE.sub("#\ufffd", _CI_LINE_START.sub("\\1\ufffd", text))


def write(stream: TextIO | None, text: str) -> None:
    """Write and flush `text`. If that fails, the stream is discarded: a progress line must not end a run."""
    if stream is None:  # closed before Python started
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        discard(stream)


def settle() -> None:
    """Flush both streams, so that Python does not fail to flush them when it exits."""
    for stream in (sys.stdout, sys.stderr):
        write(stream, "")


def discard(stream: TextIO) -> None:
    """Redirect the stream to /dev/null: flushing its buffer would fail again, at the latest at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
