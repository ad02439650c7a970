"""The choices of a reply to a request with `n`: it has ended when all of them have."""

from __future__ import annotations

from chatload.model.endings import ending_code
from chatload.model.turn import Delta
from chatload.protocols.message_text import finish_of


class SeveralChoices:
    """Fed with the choices of each event of one reply, decoded in full."""

    def __init__(self) -> None:
        self._begun: set[object] = set()
        self._ended: set[object] = set()
        self._bad: str | None = None
        self._told = False

    def checked(self, choices: object, delta: Delta) -> Delta:
        """The delta with a finish reason once all choices have ended, taken back by "" if another one begins then.

        A bad reason outweighs good ones.
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
            finish, self._told = "" if self._told else None, False
            return delta._replace(finish=finish)
        if delta.finish is None:
            return delta
        self._told = True
        return delta._replace(finish=self._bad or delta.finish)
