"""Tracks the choices of a reply to a request with `n`, which ends when all of them have ended."""

from __future__ import annotations

from chatload.model.endings import ending_code
from chatload.model.turn import Delta
from chatload.protocols.message_text import finish_of


class SeveralChoices:
    """Receives the choices of each event of one reply."""

    def __init__(self) -> None:
        self._begun: set[object] = set()
        self._ended: set[object] = set()
        self._bad: str | None = None
        self._finished = False  # a finish reason was returned and not revoked

    def checked(self, choices: object, delta: Delta) -> Delta:
        """The delta with a finish reason once all choices have ended, revoked by "" if another one begins later.

        The first bad reason of any choice is used, else the last one.
        """
        for choice in choices if isinstance(choices, list) else ():
            index = choice.get("index") if isinstance(choice, dict) else None
            if not isinstance(index, int):
                continue
            self._begun.add(index)
            reason = finish_of(choice.get("finish_reason"))
            if reason is not None:
                self._ended.add(index)
                self._bad = self._bad or (reason if ending_code(reason) else None)
        if self._begun - self._ended:
            finish, self._finished = "" if self._finished else None, False
            return delta._replace(finish=finish)
        if delta.finish is None:
            return delta
        self._finished = True
        return delta._replace(finish=self._bad or delta.finish)
