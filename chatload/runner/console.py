"""What a run says to the person at the terminal."""

from __future__ import annotations

import sys

from chatload.model import output


class Console:
    """Writes lines at once; those of `say_last`, in a headless run, only after Locust has printed its own tables."""

    def __init__(self, *, headless: bool) -> None:
        self._headless = headless
        self._kept: list[str] = []

    def say(self, line: str) -> None:
        """Write one line."""
        output.write(sys.stderr, f"{output.without_commands(line)}\n")

    def say_last(self, line: str) -> None:
        """Write one line where it does not scroll away."""
        if self._headless:
            self._kept.append(line)
        else:
            self.say(line)

    def end(self) -> None:
        """Write what was kept: Locust has nothing more to print."""
        kept, self._kept = self._kept, []
        for line in kept:
            self.say(line)
        output.settle()
