"""Runs Locust, as its own script does; Ctrl-C while it is still being imported ends in a line and not in a traceback.

A program of its own: `python -P -m chatload.locust_start`, with Locust's arguments.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run it. Once it listens to Ctrl-C itself, locust_setup.py gives it back."""
    parent = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() == parent:  # and no worker that --processes has made
            os.write(2, b"chatload: interrupted before the run began\n")
        os._exit(130)

    signal.signal(signal.SIGINT, end)
    sys.argv[0] = "locust"  # its messages begin with this
    from locust.main import main as locust_main

    locust_main()


if __name__ == "__main__":
    main()
