"""Who else is told of a run while it goes on, such as the live page."""

from __future__ import annotations

from typing import Any, Protocol

from chatload.model.turn import Turn


class Observer(Protocol):
    """Told in the conductor's process of each run's beginning and of every journal line of every process."""

    def begin(self, run_id: str, at_ns: int) -> None:
        """A run begins; whatever was told before belongs to another one."""

    def hear(self, line: dict[str, Any], turn: Turn | None) -> None:
        """One journal line; `turn` is the line's turn, where it is one."""
