"""Keeps one process's share of each level of a capacity search in conversation (runner/capacity_search.py).

A level begins in the middle of things: its users are at all turns of their conversations, in the middle of a think
time, with histories made of replies to earlier ones. A first level, which is not counted, gathers some.
"""

from __future__ import annotations

import random
from collections import deque

from chatload.engine.client import TurnSpec
from chatload.loads.capacity import CapacityLoad
from chatload.loads.level_search import first_turn
from chatload.loads.think_time import phase_s
from chatload.model.inline_reasoning import answer_in
from chatload.model.journal_lines import LevelLine
from chatload.prompts.conversation import Conversation
from chatload.runner.chat_behaviour import conversation_of_user, reply_kept
from chatload.runner.messages import LevelOrder
from chatload.runner.session import Session
from chatload.runner.slots import SlotBehaviour

USERS_A_LEVEL = 100_000
"""User numbers are never used again: each conversation opens unlike all others, so no prompt is cached."""
REPLIES_KEPT = 200


class CapacityBehaviour(SlotBehaviour):
    """Keeps its share of each level's users in conversation; there is one such user a process."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        load = session.plan.load
        assert isinstance(load, CapacityLoad)
        self._load = load
        self._replies: deque[str] = deque(maxlen=REPLIES_KEPT)

    def work(self) -> None:
        """One level after another, until the order that ends the search."""
        session = self.session
        while True:
            order: LevelOrder = session.levels.get()
            if not order.users:
                return
            for slot in range(self.place, order.users, self._load.users):
                self.spawn(self._converse, order, slot)
            self.in_flight.join()
            at_ns = session.clock.now_ns()
            session.emit(LevelLine(worker=session.worker, at_ns=at_ns, level=order.level, user=self.number))

    def _converse(self, order: LevelOrder, slot: int) -> None:
        """One user of the level: conversation after conversation, until the level ends."""
        session, load = self.session, self._load
        phase = phase_s(load.think_time, f"{session.plan.drawn_by} {order.level} {slot}")
        due_ns = order.start_ns + round((slot / load.rate + phase) * 1e9)
        conversations = 0
        while due_ns < order.end_ns:
            user = order.level * USERS_A_LEVEL + conversations * order.users + slot
            conversation = conversation_of_user(user, load, session)
            begins = 1 if conversations else self._begun(conversation, user, slot)
            for number in range(begins, load.conversation_turns + 1):
                if due_ns >= order.end_ns:
                    return
                session.clock.sleep_until(due_ns)
                request = session.request(conversation.next_messages(), session.asked(user, number))
                turn, reply = self.clients.run_turn(TurnSpec(user, number, due_ns, request, order.group))
                conversation.add_reply(reply_kept(turn, reply))
                if turn.ok and answer_in(reply):
                    self._replies.append(reply)
                due_ns = turn.end_ns + round(load.think_s(session.plan.drawn_by, user, number) * 1e9)
            conversations += 1

    def _begun(self, conversation: Conversation, user: int, slot: int) -> int:
        """The turn at which a level's user begins; the history before it is made of replies to others."""
        if self._load.history and not self._replies:
            return 1
        begins = first_turn(slot, self._load.conversation_turns)
        drawn = random.Random(f"replies {user}")
        for _ in range(1, begins):
            conversation.next_messages()
            conversation.add_reply(drawn.choice(self._replies) if self._load.history else "")
        return begins
