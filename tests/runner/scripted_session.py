"""A session of one process on a manual clock, whose users talk to a scripted server."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gevent

from chatload.model.journal_lines import JournalLine
from chatload.model.turn import Turn
from chatload.runner.behaviour import Behaviour
from chatload.runner.messages import Start
from chatload.runner.session import Session
from tests.engine.scripted import Script, Step, Wire, reply
from tests.manual_clock import BEGINS_NS, ManualClock
from tests.plans import planned
from tests.runner.fake_locust import HOST

STOP = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"completion_tokens":2}}\n\n'


def token(text: str) -> bytes:
    return b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % text.encode()


GOOD = reply(token("a"), token("b"), STOP, every_ms=100)
"""300 ms from sent to the end, the last token after 200."""


class Scene:
    """Connections take no time, so that instants are those of the replies. `lines` are the journal's."""

    def __init__(
        self,
        folder: Path,
        kind: str = "chat",
        *,
        replies: Sequence[Sequence[Step]] = (GOOD,) * 50,
        worker: str = "local",
        send_key: bool = False,
        **values: Any,
    ) -> None:
        self.clock = ManualClock()
        self.script = Script(self.clock, [Wire(replies, connect_ms=0.0) for _ in range(200)])
        self.lines: list[JournalLine] = []
        self.requests: list[dict[str, Any]] = []
        plan = planned(kind, {"host": HOST, "num_users": 4, **values})
        start = Start(
            run_id="r",
            folder=str(folder / "run"),
            dialect="openai",
            model="m",
            planned=plan,
            send_key=send_key,
        )
        self.session = Session(
            start,
            worker,
            lambda raw, line: self.lines.append(line),
            lambda **facts: self.requests.append(facts),
            self.clock,
        )
        target = self.session.target
        self.session.target = dataclasses.replace(target, transport=self.script, clock=self.clock)

    def close(self) -> None:
        self.session.close("done")

    def run_user(self, behaviour: Callable[[Session], Behaviour]) -> gevent.Greenlet:
        """A user who behaves so, as Locust has it: comes in, acts, pauses, until he is out."""

        def live() -> None:
            user = behaviour(self.session)
            try:
                user.come_in()
                while user.is_in:
                    user.act()
                    if user.is_in:
                        self.clock.sleep(user.pause_s())
            finally:
                user.go("stopped")

        return gevent.spawn(live)

    @property
    def turns(self) -> list[Turn]:
        return [line for line in self.lines if isinstance(line, Turn)]

    def seconds(self, of: Callable[[Turn], int | None]) -> list[float]:
        """An instant of each turn, in seconds since the beginning."""
        return [round(((of(turn) or 0) - BEGINS_NS) / 1e9, 3) for turn in self.turns]
