"""Visitors: each arrives when due, however many are there, holds its conversation and goes.

Each Locust user brings every n-th visitor, each in a greenlet of its own.
"""

from __future__ import annotations

from chatload.engine.client import TurnSpec
from chatload.loads.arrival_times import split
from chatload.loads.visitors import VisitorsLoad
from chatload.runner.chat_behaviour import conversation_of_user, reply_kept
from chatload.runner.context_edge import ContextEdge
from chatload.runner.slots import SlotBehaviour


class VisitorsBehaviour(SlotBehaviour):
    """Brings its share of the visitors; one such user a process is enough."""

    def work(self) -> None:
        """Bring each visitor of this user's share when it is due; done when the last one is gone."""
        session, load = self.session, self.session.plan.load
        assert isinstance(load, VisitorsLoad)
        begin_ns = session.begins_ns
        dues_ns = load.spacing.stepped(load.rate_steps, session.plan.drawn_by)
        for visitor in split(range(len(dues_ns)), self.place, load.users):
            due_ns = begin_ns + dues_ns[visitor]
            session.clock.sleep_until(due_ns)
            self.spawn(self._visit, load, visitor, due_ns, begin_ns)
        self.in_flight.join()

    def _visit(self, load: VisitorsLoad, visitor: int, due_ns: int, begin_ns: int) -> None:
        """One visitor: its turns, one after another."""
        session = self.session
        conversation = conversation_of_user(visitor, load, session)
        edge = ContextEdge(session, conversation)
        for number in range(1, load.turns + 1):
            session.clock.sleep_until(due_ns)
            asked = session.asked(visitor, number)
            request = session.request(conversation.next_messages(), asked, user=visitor, turn=number)
            group = load.group_at(due_ns - begin_ns)
            spec = TurnSpec(visitor, number, due_ns, request, group, name=session.name_of(visitor))
            turn, reply = self.clients.run_turn(spec, edge, 1 + load.turns - number)
            if edge.is_over:
                return
            conversation.add_reply(reply_kept(turn, reply))
            due_ns = turn.end_ns + round(load.think_s(session.plan.drawn_by, visitor, number) * 1e9)
