"""Keeps one process's share of each level of a capacity search in conversation (runner/capacity_search.py).

A level begins in the middle of things: its users are at all turns of their conversations, in the middle of a think
time, with histories made of replies to earlier ones. A first level, which is not counted, gathers some.
"""

from __future__ import annotations

import random
from collections import deque

from chatload.engine.client import TurnSpec
from chatload.loads.capacity import CapacityLoad
from chatload.loads.level_arrivals import level_arrivals
from chatload.loads.level_search import first_turn
from chatload.loads.think_time import phase_s
from chatload.model.inline_reasoning import answer_in
from chatload.model.journal_lines import LevelLine
from chatload.prompts.conversation import Conversation
from chatload.runner.chat_behaviour import conversation_of_user, reply_kept
from chatload.runner.context_edge import ContextEdge
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
            if self._load.arrives:
                self._bring(order)
            for slot in range(self.place, 0 if self._load.arrives else order.users, self._load.users):
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
            begins = 1
            if not conversations:
                begins = self._begun(conversation, user, first_turn(slot, load.conversation_turns))
            due_ns = self._hold(order, conversation, user, begins, due_ns)
            conversations += 1

    def _hold(
        self, order: LevelOrder, conversation: Conversation, user: int, begins: int, due_ns: int
    ) -> int:
        """The turns of a conversation from a turn on, until the level ends; when the next one would be due."""
        session, load = self.session, self._load
        edge = ContextEdge(session, conversation)
        for number in range(begins, load.conversation_turns + 1):
            if due_ns >= order.end_ns:
                break
            session.clock.sleep_until(due_ns)
            messages, asked = conversation.next_messages(), session.asked(user, number)
            request = session.request(messages, asked, user=user, turn=number)
            spec = TurnSpec(user, number, due_ns, request, order.group, name=session.name_of(user))
            turn, reply = self.clients.run_turn(spec, edge, 1 + load.conversation_turns - number)
            if edge.is_over:
                return turn.end_ns  # it has thought before the turn that was not held
            conversation.add_reply(reply_kept(turn, reply))
            if turn.ok and answer_in(reply):
                self._replies.append(reply)
            due_ns = turn.end_ns + round(load.think_s(session.plan.drawn_by, user, number) * 1e9)
        return due_ns

    def _bring(self, order: LevelOrder) -> None:
        """This process's share of the visitors of a level: those who come, and those who are in the middle by then."""
        load, drawn_by = self._load, f"{self.session.plan.drawn_by} {order.level}"
        arrivals = level_arrivals(
            load, order.users, (order.end_ns - order.start_ns) / 1e9, drawn_by, order.reply_s
        )
        for number, (at_s, begins) in enumerate(arrivals):
            if number % load.users == self.place:
                due_ns = order.start_ns + round(at_s * 1e9)
                self.session.clock.sleep_until(due_ns)
                self.spawn(self._visit, order, number, due_ns, begins)

    def _visit(self, order: LevelOrder, number: int, due_ns: int, begins: int) -> None:
        """One visitor: its conversation from a turn on, until it ends or the level does."""
        user = order.level * USERS_A_LEVEL + number
        conversation = conversation_of_user(user, self._load, self.session)
        if begins > 1:
            begins = self._begun(conversation, user, begins)
        self._hold(order, conversation, user, begins, due_ns)

    def _begun(self, conversation: Conversation, user: int, begins: int) -> int:
        """The turn at which a level's user begins; the history before it is made of replies to others."""
        if self._load.history and not self._replies:
            return 1
        drawn = random.Random(f"replies {user}")
        for _ in range(1, begins):
            conversation.next_messages()
            conversation.add_reply(drawn.choice(self._replies) if self._load.history else "")
        return begins
