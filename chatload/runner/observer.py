"""What is told of a run while it goes on: the live page, the metrics page."""

from __future__ import annotations

from typing import Protocol

from chatload.model.journal_lines import JournalLine


class Observer(Protocol):
    """Told in the run controller's process of each run's beginning and of every journal line of every process."""

    def begin(self, run_id: str, at_ns: int) -> None:
        """A run begins; whatever was told before belongs to another one."""

    def on_line(self, line: JournalLine) -> None:
        """One journal line, its instants in this process's clock."""
