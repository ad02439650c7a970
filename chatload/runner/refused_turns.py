"""A run whose first turns are all wrong requests, by the server's word: more of them tell nothing."""

from __future__ import annotations

from chatload.model.errors import INVALID_REQUEST
from chatload.model.sanitize import one_line
from chatload.model.turn import Turn

FIRST_FEW = 5
"""So many turns, or all that are planned where these are fewer, with no other among them, end the run."""


class RefusedTurns:
    """Looks at the turns of a run as they end. `words` say why it is to end; empty while it is not."""

    def __init__(self, planned: int | None) -> None:
        self._most = min(FIRST_FEW, planned or FIRST_FEW)
        self._refused = 0
        self._is_over = False
        self.words = ""

    def note(self, turn: Turn) -> None:
        """Take a turn in; nothing more is looked at after the first other one that counts."""
        if self._is_over or not turn.counts:
            return
        if turn.code != INVALID_REQUEST:
            self._is_over = True
            return
        self._refused += 1
        if self._refused >= self._most:
            self._is_over = True
            said = one_line(turn.detail or "", 240)
            first = "the first turn" if self._refused == 1 else f"the first {self._refused} turns"
            self.words = (
                f"{first} were all refused as wrong requests: the server says “{said}”: mend the scenario"
            )
            self.words = self.words.replace("the first turn were all", "the first turn was")
