"""A user of a scenario of its own: its tasks say what it sends and when, this is how its turns are held and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from chatload.engine.answer import Answer
from chatload.engine.client import ChatClient, Interrupted, TurnSpec
from chatload.loads.user_classes import UserClass
from chatload.model.turn import Delta, Message, Turn, TurnRequest
from chatload.prompts.conversation import Conversation
from chatload.prompts.placeholders import filled, filled_body, needs_filling, placeholders_in_body
from chatload.runner.behaviour import Behaviour
from chatload.runner.context_edge import ContextEdge
from chatload.runner.replies import Reply
from chatload.runner.session import Session


class ScenarioBehaviour(Behaviour):
    """Comes in when due and holds turns when it is asked to; done after those of its class.

    A turn is due when its task asks for it; where the process woke the user late, so much earlier. It is recorded when
    the task ends or the next turn begins: until then the scenario may say that it failed.
    """

    def __init__(self, session: Session, user_class: UserClass) -> None:
        super().__init__(session)
        self.user_class = user_class
        self.is_endless = not user_class.turns
        self.class_name = user_class.name
        self.server = session.server_of(user_class)
        several = session.plan.models and not user_class.model
        self.model = session.model_of(self.number) if several else user_class.model or self.server.model
        self.told_model = self.model if several else ""
        self._row: tuple[str, str, str] = ("", "", session.row_name(user_class, "", ""))
        self.target = session.target_of(user_class)
        self._thinks = user_class.thinks
        self._fills_body = bool(placeholders_in_body(user_class.body))
        self._idle: list[ChatClient] = []
        self._open: list[ChatClient] = []
        self._held: list[tuple[Reply, Sequence[Message]]] = []
        self._turn = 0
        self._late_ns = 0
        self._last_end_ns = 0

    @property
    def is_done(self) -> bool:
        """Whether it has held all turns of its class."""
        return 0 < self.user_class.turns <= self._turn

    @property
    def asked_tokens(self) -> int | None:
        """The length of the next answer that --answer-tokens asks; None where it asks none."""
        return self.session.asked(self.number, self._turn + 1)[1]

    @property
    def system_prompt(self) -> str:
        """The class's, with its placeholders filled in: once a user."""
        text = self.user_class.system_prompt
        return filled(text, self.session.place(self.number, 1), "system") if needs_filling(text) else text

    @property
    def body(self) -> Mapping[str, Any]:
        """The class's JSON fields of the next turn, with their placeholders filled in. Any: the user's own JSON."""
        own = self.user_class.body
        return filled_body(own, self.session.place(self.number, self._turn + 1)) if self._fills_body else own

    def row_name(self, name: str, model: str) -> str:
        """The name of a turn's row; most are that of the turn before."""
        if self._row[:2] != (name, model):
            self._row = (name, model, self.session.row_name(self.user_class, name, model))
        return self._row[2]

    def come_in(self) -> None:
        """Wait until this user is due."""
        self._wait_until(self.session.due_ns(self.number))
        super().come_in()

    def hold(
        self,
        request: TurnRequest,
        name: str,
        on_delta: Callable[[Delta], None] | None,
        *,
        keeps_body: bool,
        history: Conversation | None = None,
    ) -> Reply:
        """Hold a turn: send the request and read the whole reply.

        `history` is the conversation, of which --context-full trim leaves out the oldest exchanges.
        """
        self.record()
        self._turn += 1
        due_ns, self._late_ns = self.session.clock.now_ns() - self._late_ns, 0
        spec = TurnSpec(
            self.number, self._turn, due_ns, request, name=name, on_delta=on_delta, keeps_body=keeps_body
        )
        client = self._idle.pop() if self._idle else ChatClient(self.target)
        self._open.append(client)
        edge = ContextEdge(self.session, history)

        def ask(messages: tuple[Message, ...]) -> tuple[Turn, Answer]:
            asked = msgspec.structs.replace(request, messages=messages)
            return client.exchange(self.session.asking_for_echo(msgspec.structs.replace(spec, request=asked)))

        try:
            turn, answer = edge.held(ask, tuple(request.messages), 1)
        except Interrupted as stop:
            self.session.record(stop.turn, request.messages, "")
            raise
        finally:
            self._open.remove(client)
        self._idle.append(client)
        self._last_end_ns = turn.end_ns
        turn = self.session.checked(turn, answer.text)
        reply = Reply(turn, answer)
        self._held.append((reply, request.messages))
        if edge.has_mistake:
            self.record()
            edge.check()
        return reply

    def record(self) -> None:
        """Put the turns that were held into the journal, as they stand."""
        held, self._held = self._held, []
        for reply, messages in held:
            reply.record(partial(self._write, messages, reply.text))

    def _write(self, messages: Sequence[Message], text: str, turn: Turn) -> None:
        self.session.record(turn, tuple(messages), text, is_checked=True)

    def pause(self, seconds: float | None) -> None:
        """Sleep so long; None: think after the last reply, as the class or the options say."""
        if seconds is not None:
            self._wait_until(self.session.clock.now_ns() + round(seconds * 1e9))
            return
        seed = f"think {self.session.plan.drawn_by} {self.number} {self._turn}"
        since_ns = self._last_end_ns or self.session.clock.now_ns()
        self._wait_until(since_ns + round(self._thinks.drawn(seed) * 1e9))

    def _wait_until(self, at_ns: int) -> None:
        """Sleep until then. How late it was is no part of what the scenario does next."""
        clock = self.session.clock
        at_ns = max(at_ns, clock.now_ns())
        clock.sleep_until(at_ns)
        self._late_ns = max(0, clock.now_ns() - at_ns)

    def go(self, reason: str) -> None:
        """Record what was held, hang up and go."""
        self.record()
        super().go(reason)

    def hang_up(self) -> None:
        """Close the connections."""
        for client in (*self._idle, *self._open):
            client.close()
        self._idle.clear()
