"""The roll: which users are in, and on which worker, as their journal lines tell it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any


class Roll:
    """Answers one question: has everybody who could still speak gone?"""

    def __init__(self) -> None:
        self.came = 0
        self._present: dict[str, set[int]] = defaultdict(set)
        self.lost: dict[str, set[int]] = {}

    def note(self, line: Mapping[str, Any]) -> None:
        """Take a `user` line in."""
        worker = str(line["worker"])
        present = self.lost[worker] if worker in self.lost else self._present[worker]
        if line["event"] == "in":
            self.came += 1
            present.add(line["user"])
        else:
            present.discard(line["user"])

    def lose(self, workers: Iterable[str]) -> list[str]:
        """These workers are gone without a word; returns those not known to be, and strikes their users off."""
        new = [worker for worker in workers if worker not in self.lost]
        for worker in new:
            self.lost[worker] = self._present.pop(worker, set())
        return new

    def find(self, workers: Iterable[str]) -> list[str]:
        """These workers speak; returns those that were lost, and enters their users again."""
        back = [worker for worker in workers if worker in self.lost]
        for worker in back:
            self._present[worker] |= self.lost.pop(worker)
        return back

    @property
    def present(self) -> int:
        """Users who are in now."""
        return sum(map(len, self._present.values()))

    def all_gone(self, expected: int) -> bool:
        """True when all who were expected came and went; a lost worker's users are expected no more."""
        return self.present == 0 and self.came > 0 and (self.came >= expected or bool(self.lost))
