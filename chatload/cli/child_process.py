"""Other programs run to their end, whatever ends us: Ctrl-C of the terminal, or a SIGTERM to us alone."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence


def run_to_end(command: Sequence[str]) -> int:
    """Run a command, its output where ours goes; its exit code. It is gone when this returns or raises."""
    process = subprocess.Popen(command)
    try:
        return process.wait()
    except KeyboardInterrupt:
        # It got the Ctrl-C of the terminal too; a SIGTERM came to us alone, so pass it on either way.
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        raise
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process that still runs: kindly, then not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
