"""A chat user: comes in when due, holds its turns, thinks after each reply, and is then gone."""

from __future__ import annotations

import random

import gevent
from locust import User, task

from chatload.engine.client import ChatClient, Interrupted, TurnSpec
from chatload.engine.clock import now_ns
from chatload.loads.capacity import CapacityLoad
from chatload.loads.chat import ChatLoad
from chatload.loads.load_shape import Inputs
from chatload.model.errors import UsageError
from chatload.prompts.conversation import Conversation, RepeatedMessage, conversation_for
from chatload.runner.session import Session, session_of

GONE_S = 1e7
"""How long a user who is done stays idle. It must not end: Locust would start another in its place."""


class ChatUser(User):
    """Holds one conversation of `--turns` turns over one keep-alive connection. Subclass it in a locustfile."""

    abstract = True
    has_left = False
    """Whether it is done, and only waits to be stopped."""
    _session: Session | None = None
    _out = True

    def on_start(self) -> None:
        """Wait until this user is due."""
        session = session_of(self.environment)
        self._session = session
        self._turn = 0
        if session is None:
            return
        self._number = session.new_user()
        self._client = ChatClient(session.target)
        load = session.plan.load
        assert isinstance(load, ChatLoad)
        self._load = load
        self._conversation = conversation_of_user(
            self._number, load, session.planned.inputs, session.plan.seed
        )
        self._due_ns = session.due_ns(self._number) + (
            round(load.think_time_s * 1e9) if load.think_first else 0
        )
        sleep_until(self._due_ns)
        self._out = False
        session.user_in(self._number)

    @task
    def hold_turn(self) -> None:
        """Ask, listen to the whole reply, note what became of it."""
        session = self._session
        if session is None:
            must_have_started(self)
        if session is None or self._out:
            return
        if self._turn >= self._load.turns:  # only after an error of ours, which Locust has logged
            return
        self._turn += 1
        messages = self._conversation.next_messages()
        spec = TurnSpec(
            self._number,
            self._turn,
            self._due_ns,
            session.request(messages),
            hang_up_after=self._load.abandon_tokens if self._gives_up() else 0,
        )
        try:
            turn, reply = self._client.run_turn(spec)
        except Interrupted as stop:
            session.record(stop.turn, messages, "")
            raise
        self._conversation.add_reply(reply if turn.ok else "")
        session.record(turn, messages, reply)
        self._due_ns = turn.end_ns + round(self._load.think_time_s * 1e9)
        if self._turn >= self._load.turns:
            self._leave("done")

    def _gives_up(self) -> bool:
        """Whether this user hangs up in the middle of this turn; drawn by the seed, user and turn."""
        if not self._load.abandon_share:
            return False
        assert self._session is not None
        drawn = random.Random(f"{self._session.plan.seed} {self._number} {self._turn}").random()
        return drawn < self._load.abandon_share

    def wait_time(self) -> float:
        """s until the next turn is due."""
        return GONE_S if self._out else max(0.0, (self._due_ns - now_ns()) / 1e9)

    def on_stop(self) -> None:
        """The run stops this user, whatever it is doing."""
        self._leave("stopped")

    def _leave(self, reason: str) -> None:
        if self._session is not None and not self._out:
            self._out = self.has_left = True
            self._client.close()
            self._session.user_out(self._number, reason)


def conversation_of_user(user: int, load: ChatLoad | CapacityLoad, inputs: Inputs, seed: int) -> Conversation:
    """What `user` will say: the same line again and again, or a conversation that grows."""
    if not load.history:
        return RepeatedMessage(load.prompt)
    return conversation_for(user, seed, inputs.conversations)


def must_have_started(user: User) -> None:
    """UsageError where a run is on, and the user's class forgot to call our `on_start`."""
    if session_of(user.environment) is not None:
        raise UsageError([f"{type(user).__name__}.on_start: call super().on_start() in it"])


def sleep_until(at_ns: int) -> None:
    """Sleep until the instant; at once if it is over."""
    gevent.sleep(max(0.0, (at_ns - now_ns()) / 1e9))
