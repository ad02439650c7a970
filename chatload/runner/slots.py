"""Turns that belong to no lasting user: those of an open loop, of a sweep, of a level. One Locust user keeps many."""

from __future__ import annotations

from collections.abc import Callable

import gevent.pool
from locust import User, task
from locust.env import Environment

from chatload.engine.client import ChatClient, Interrupted, TurnSpec
from chatload.model.turn import Message, Turn
from chatload.runner.chat_user import GONE_S, must_have_started
from chatload.runner.session import Session, session_of


class Clients:
    """Idle connections, the last one used first; as many as there are turns in flight, and no limit."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._idle: list[ChatClient] = []

    def run_turn(self, spec: TurnSpec) -> tuple[Turn, str]:
        """Hold one turn on an idle connection, or a new one, and put it into the journal: (turn, the answer)."""
        client = self._idle.pop() if self._idle else ChatClient(self._session.target)
        messages: tuple[Message, ...] = spec.request.messages
        try:
            turn, reply = client.run_turn(spec)
        except Interrupted as stop:
            self._session.record(stop.turn, messages, "")
            raise
        self._idle.append(client)
        self._session.record(turn, messages, reply)
        return turn, reply

    def close(self) -> None:
        """Hang up all idle connections."""
        for client in self._idle:
            client.close()
        self._idle.clear()


class SlotUser(User):
    """A Locust user who does all its work in one task, with a greenlet for each turn in flight.

    Subclasses say what the work is in `work(session)`.
    """

    abstract = True
    has_left = False
    """Whether it is done, and only waits to be stopped."""
    session: Session | None = None
    _out = True

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.in_flight = gevent.pool.Group()

    def on_start(self) -> None:
        """Join the session, if the run could begin."""
        self.session = session_of(self.environment)
        if self.session is not None:
            self.number = self.session.new_user()
            self.clients = Clients(self.session)
            self._out = False
            self.session.user_in(self.number)

    @task
    def all_of_it(self) -> None:
        """The whole work; then this user is out."""
        if self.session is None:
            must_have_started(self)
        if self.session is not None and not self._out:
            self.work(self.session)
            self._leave("done")

    def work(self, session: Session) -> None:
        """What this user does."""
        raise NotImplementedError

    def spawn(self, function: Callable[..., object], *arguments: object) -> None:
        """Hold a turn, or several one after another, beside the others."""
        self.in_flight.spawn(function, *arguments)

    def wait_time(self) -> float:
        """Who is done waits for ever: Locust would start another in its place."""
        return GONE_S

    def on_stop(self) -> None:
        """Hang up on what is still in flight."""
        self.in_flight.kill(block=True)
        self._leave("stopped")

    def _leave(self, reason: str) -> None:
        if self.session is not None and not self._out:
            self._out = self.has_left = True
            self.clients.close()
            self.session.user_out(self.number, reason)
