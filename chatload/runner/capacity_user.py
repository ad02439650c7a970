"""Keeps one process's share of each level of a capacity search in conversation (runner/capacity_search.py).

A level begins in the middle of things: its users are at all turns of their conversations, with histories made of
replies heard before. A first level, which is not counted, gathers some.
"""

from __future__ import annotations

import random
from collections import deque

from chatload.engine.client import TurnSpec
from chatload.engine.clock import now_ns
from chatload.loads.capacity import CapacityLoad
from chatload.loads.level_search import first_turn
from chatload.model.journal_lines import LevelLine
from chatload.prompts.conversation import Conversation
from chatload.runner.chat_user import conversation_of_user, sleep_until
from chatload.runner.messages import LevelOrder
from chatload.runner.session import Session
from chatload.runner.slots import SlotUser

USERS_A_LEVEL = 100_000
"""User numbers are never used again: each conversation opens unlike all others, so no prompt is cached."""
REPLIES_KEPT = 200


class CapacityUser(SlotUser):
    """Keeps its share of each level's users in conversation. Subclass it in a locustfile; one a process."""

    abstract = True

    def work(self, session: Session) -> None:
        """One level after another, until the order that ends the search."""
        load = session.plan.load
        assert isinstance(load, CapacityLoad)
        self._replies: deque[str] = deque(maxlen=REPLIES_KEPT)
        while True:
            order: LevelOrder = session.levels.get()
            if not order.users:
                return
            for slot in range(self.number, order.users, load.users):
                self.spawn(self._converse, session, load, order, slot)
            self.in_flight.join()
            session.emit(
                LevelLine(worker=session.worker, at_ns=now_ns(), level=order.level, user=self.number)
            )

    def _converse(self, session: Session, load: CapacityLoad, order: LevelOrder, slot: int) -> None:
        """One user of the level: conversation after conversation, until the level ends."""
        due_ns = order.start_ns + round(slot * 1e9 / load.rate)
        conversations = 0
        while due_ns < order.end_ns:
            user = order.level * USERS_A_LEVEL + conversations * order.users + slot
            conversation = conversation_of_user(user, load, session.planned.inputs, session.plan.seed)
            begins = 1 if conversations else self._begun(conversation, load, user, slot)
            for number in range(begins, load.conversation_turns + 1):
                if due_ns >= order.end_ns:
                    return
                sleep_until(due_ns)
                spec = TurnSpec(
                    user, number, due_ns, session.request(conversation.next_messages()), order.group
                )
                turn, reply = self.clients.run_turn(spec)
                conversation.add_reply(reply if turn.ok else "")
                if turn.ok and reply.strip():
                    self._replies.append(reply)
                due_ns = turn.end_ns + round(load.think_time_s * 1e9)
            conversations += 1

    def _begun(self, conversation: Conversation, load: CapacityLoad, user: int, slot: int) -> int:
        """The turn at which a level's user begins; what came before is made of replies to others."""
        if load.history and not self._replies:
            return 1
        begins = first_turn(slot, load.conversation_turns)
        drawn = random.Random(f"replies {user}")
        for _ in range(1, begins):
            conversation.next_messages()
            conversation.add_reply(drawn.choice(self._replies) if load.history else "")
        return begins
