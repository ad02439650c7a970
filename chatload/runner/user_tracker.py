"""Which users are in, and on which worker, as their journal lines tell it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from chatload.model.journal_lines import UserLine


class UserTracker:
    """Answers one question: is every user gone who has turns left to hold? Others go on until they are stopped."""

    def __init__(self) -> None:
        self._came: Counter[str] = Counter()
        self._endless = 0
        self._present: dict[str, set[int]] = defaultdict(set)
        self.lost: dict[str, set[int]] = {}
        self.order: Sequence[str] = ("local",)

    def assigned(self, workers: Sequence[str]) -> None:
        """Users are assigned to these workers, one after another and round again."""
        self.order = workers

    def note(self, line: UserLine) -> None:
        """Take a user's arrival or departure in."""
        worker = line.worker
        if line.endless:
            self._endless += 1 if line.event == "in" else -1
            return
        present = self.lost[worker] if worker in self.lost else self._present[worker]
        if line.event == "in":
            self._came[worker] += 1
            present.add(line.user)
        else:
            present.discard(line.user)

    def lose(self, workers: Iterable[str]) -> list[str]:
        """These workers were lost; returns those not known to be, and no longer counts their users."""
        new = [worker for worker in workers if worker not in self.lost]
        for worker in new:
            self.lost[worker] = self._present.pop(worker, set())
        return new

    def find(self, workers: Iterable[str]) -> list[str]:
        """These workers send again; returns those that were lost, and counts their users again."""
        back = [worker for worker in workers if worker in self.lost]
        for worker in back:
            self._present[worker] |= self.lost.pop(worker)
        return back

    @property
    def came(self) -> int:
        """Users who came in so far, lost ones among them, those left out who go on until they are stopped."""
        return self._came.total()

    @property
    def present(self) -> int:
        """Users who are in now."""
        return self._waited_for + self._endless

    @property
    def _waited_for(self) -> int:
        return sum(map(len, self._present.values()))

    def all_gone(self, expected: Mapping[str, int]) -> bool:
        """True when all who were expected came and went: `expected` of each worker; lost ones are left out."""
        wanted = sum(users for worker, users in expected.items() if worker not in self.lost)
        came = self.came - sum(self._came[worker] for worker in self.lost)
        return self._waited_for == 0 and self.came > 0 and came >= wanted
