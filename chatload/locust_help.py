"""Adds to `locust --help` where chatload's options are listed.

Locust prints its help before it reads the locustfile, which would register them. gevent, which Locust has patch the
standard library first of all, calls the plug-ins of installed packages then (entry point in pyproject.toml).
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Sequence
from pathlib import Path

WORDS = "\nchatload's options (--turns, --think-time, --slo, …) are not among these. All of them: chatload options"


def tell_at_exit(event: object) -> None:
    """Called by gevent in every program that it patches: does nothing unless that is `locust --help`."""
    if asks_locust_for_help(sys.orig_argv):
        atexit.register(print, WORDS)


def asks_locust_for_help(command: Sequence[str]) -> bool:
    """Whether a command line is `locust … --help` or `python -m locust … --help`."""
    names = [Path(word).name for word in command[:4]]
    return "locust" in names and any(word in ("-h", "--help") for word in command[1:])
