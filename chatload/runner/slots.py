"""Turns that belong to no lasting user: those of an open loop, of a sweep, of a level. One Locust user keeps many."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import gevent.pool
import msgspec

from chatload.engine.client import ChatClient, Interrupted, TurnSpec
from chatload.model.turn import Message, Turn
from chatload.runner.behaviour import Behaviour
from chatload.runner.context_edge import ContextEdge
from chatload.runner.session import Session


class Clients:
    """Idle connections to each address, the last one used first; as many as there are turns in flight, no limit."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._idle: dict[int, list[ChatClient]] = {}

    def run_turn(
        self, spec: TurnSpec, edge: ContextEdge | None = None, turns_left: int = 1
    ) -> tuple[Turn, str]:
        """Hold one turn on an idle connection, or a new one, and put it into the journal: (turn, the answer).

        `edge` is that of its conversation; a request without one is a first message.
        """
        session, target = self._session, self._session.target
        idle = self._idle.get(target.address.group_of(spec.user))
        client = idle.pop() if idle else ChatClient(target)
        messages: tuple[Message, ...] = spec.request.messages
        edge = edge or ContextEdge(session)

        def ask(asked: tuple[Message, ...]) -> tuple[Turn, str]:
            if asked is messages:
                return client.run_turn(session.asking_for_echo(spec))
            lengths = spec.request.asked_prompt_tokens, spec.request.asked_tokens
            again = msgspec.structs.replace(
                spec, request=session.request(asked, lengths, user=spec.user, turn=spec.turn)
            )
            return client.run_turn(session.asking_for_echo(again))

        try:
            turn, reply = edge.held(ask, messages, turns_left)
        except Interrupted as stop:
            self._session.record(stop.turn, messages, "")
            raise
        self._idle.setdefault(target.address.group_of(spec.user), []).append(client)
        self._session.record(turn, messages, reply)
        edge.check()
        return turn, reply

    def close(self) -> None:
        """Close all idle connections."""
        for client in chain.from_iterable(self._idle.values()):
            client.close()
        self._idle.clear()


class SlotBehaviour(Behaviour):
    """Does all its work in one go, with a greenlet for each turn in flight. Subclasses say what the work is.

    `place` is its own among the users that share the work; numbers of users have holes where others stand beside.
    """

    def __init__(self, session: Session) -> None:
        self.place = session.new_place()
        super().__init__(session)
        self.clients = Clients(session)
        self.in_flight = gevent.pool.Group()

    def act(self) -> None:
        """The whole work; then this user is out."""
        self.work()
        self.go("done")

    def work(self) -> None:
        """What this user does."""
        raise NotImplementedError

    def spawn(self, function: Callable[..., object], *arguments: object) -> None:
        """Hold a turn, or several one after another, beside the others."""
        self.in_flight.spawn(function, *arguments)

    def hang_up(self) -> None:
        """Hang up on what is still in flight."""
        self.in_flight.kill(block=True)
        self.clients.close()
