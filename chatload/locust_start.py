"""Runs Locust, as its own script does; Ctrl-C before the run ends in a line and not in a traceback.

A program of its own: `python -P -m chatload.locust_start`, with Locust's arguments. `chatload run` calls it in its own
process, which saves a start of Python.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

INTERRUPTED = 130


def main(arguments: Callable[[], Sequence[str]] | None = None) -> None:
    """Run it. Ctrl-C is handled here until Locust is set up, then as locust_setup.py says.

    `arguments` gives Locust's arguments, if they are not those of this program. It is called once Locust is imported:
    gevent must patch the standard library before other modules take names from it.
    """
    parent = os.getpid()

    def is_parent() -> bool:
        """Whether this is no worker that --processes has made."""
        return os.getpid() == parent

    def tell() -> None:
        if is_parent():
            os.write(2, b"chatload: interrupted before the run began\n")

    def end(number: int, frame: FrameType | None) -> None:
        tell()
        os._exit(INTERRUPTED)

    signal.signal(signal.SIGINT, end)
    gc.disable()  # modules stay: a third of the time of imports went into looking for garbage in them
    from chatload.runner.locust_patches.quick_import import import_locust

    import_locust()
    from locust.main import main as locust_main

    from chatload.runner.locust_patches.no_users import tell_no_users

    tell_no_users()
    if arguments is not None:
        sys.argv[1:] = arguments()
        here = Path.cwd()
        if not Path(__file__).is_relative_to(here):  # as with -P, where chatload is not found by this folder
            sys.path[:] = [one for one in sys.path if one not in ("", str(here))]
    sys.argv[0] = "locust"  # its messages begin with this
    gc.freeze()
    gc.enable()
    try:
        locust_main()
    except KeyboardInterrupt:  # it waited for its workers, or in a listener of the locustfile
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it waits for the workers that it has made
        tell()
        if is_parent():
            from chatload.runner.locust_patches.processes import end_forked_workers

            end_forked_workers()
        sys.exit(INTERRUPTED if is_parent() else 1)  # of a worker's larger code Locust complains
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done: no traceback out of what Python ends with
        gc.freeze()  # Python collects garbage several times as it ends: not in all that is there by now


if __name__ == "__main__":
    main()
