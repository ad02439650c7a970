"""The lines of a user with their placeholders filled in."""

from __future__ import annotations

from dataclasses import dataclass

from chatload.model.turn import Message
from chatload.prompts.placeholders import Place, filled
from chatload.prompts.script import Script


@dataclass(frozen=True, slots=True)
class Filler:
    """Fills in the texts of one user; a system message is filled in as of turn 1."""

    user: int
    users: int
    seed: object

    def line(self, text: str, turn: int) -> str:
        """A line of this turn."""
        return filled(text, Place(self.user, turn, self.users, self.seed), "line")

    def system(self, text: str) -> str:
        """The user's system message."""
        return filled(text, Place(self.user, 1, self.users, self.seed), "system")

    def script(self, script: Script, first_turn: int = 1) -> Script:
        """A script whose lines are those of consecutive turns from `first_turn`."""
        lines = tuple(self.line(text, turn) for turn, text in enumerate(script.lines, start=first_turn))
        return Script(lines, self.system(script.system), script.images)


class FilledMessage:
    """Sends the same message each turn with its placeholders filled in anew, after a system message if given."""

    def __init__(self, text: str, system: str, filler: Filler) -> None:
        self._text, self._filler = text, filler
        self._system = (Message("system", filler.system(system)),) if system else ()
        self._turn = 0

    def next_messages(self) -> tuple[Message, ...]:
        """The messages of the next turn."""
        self._turn += 1
        return (*self._system, Message("user", self._filler.line(self._text, self._turn)))

    def add_reply(self, reply: str | None, between: object = ()) -> None:
        """Ignore the reply."""

    def drop_oldest(self) -> None:
        """None: there is no history."""
