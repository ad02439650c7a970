"""Open loop: requests that arrive when they are due, whether or not earlier ones are answered.

Each Locust user sends every n-th request of the schedule, each in a greenlet of its own. A late request is
counted (due and sent are both kept), never skipped, and never waits for a free connection. The turns of a trace's
conversation are held one after another; other conversations do not wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatload.engine.client import TurnSpec
from chatload.loads.arrival_times import split
from chatload.loads.open_loop import OpenLoopLoad
from chatload.loads.request_schedule import RequestSchedule
from chatload.model.turn import Message
from chatload.prompts.conversation import TracedHistory
from chatload.prompts.generated_prompts import AskedTokens
from chatload.runner.context_edge import ContextEdge
from chatload.runner.slots import SlotBehaviour


class OpenLoopBehaviour(SlotBehaviour):
    """Sends its share of the schedule; one such user a process is enough."""

    def work(self) -> None:
        """Send every request of this user's share when it is due; done when all are answered."""
        session = self.session
        load, schedule = session.plan.load, session.schedule
        assert isinstance(load, OpenLoopLoad) and schedule is not None
        begin_ns = session.begins_ns
        share = schedule.chains or [(index,) for index in range(len(schedule.dues_ns))]
        for chain in split(share, self.place, load.users):
            index = chain[0]
            due_ns = begin_ns + schedule.dues_ns[index]
            if len(chain) > 1:
                session.clock.sleep_until(due_ns)
                self.spawn(self._converse, schedule, load, chain, due_ns)
                continue
            messages, asked = self._asks(load, schedule, index)
            request = session.request(messages, asked, user=index)
            session.clock.sleep_until(due_ns)
            self.spawn(
                self.clients.run_turn,
                TurnSpec(
                    index,
                    1,
                    due_ns,
                    request,
                    load.group_at(schedule.dues_ns[index]),
                    name=session.name_of(index),
                ),
            )
        self.in_flight.join()

    def _asks(
        self, load: OpenLoopLoad, schedule: RequestSchedule, index: int
    ) -> tuple[tuple[Message, ...], AskedTokens]:
        """The messages of a request of the schedule, and the lengths asked."""
        session = self.session
        asked, texts = session.asked(index, 1), session.texts
        if load.prompt_tokens:
            return texts.single_request(index, 1, index), asked
        prompt, prefix = schedule.prompt(index), texts.prefix(texts.group_of(index))
        if load.exact_lengths and asked[1] is None:
            asked = (None, prompt.output_tokens or None)
        asks = Message("user", prompt.text)
        return (Message("system", prefix), asks) if prefix else (asks,), asked

    def _converse(
        self, schedule: RequestSchedule, load: OpenLoopLoad, chain: Sequence[int], due_ns: int
    ) -> None:
        """Hold a conversation of the trace, turn after turn, with the replies to it; its user is its first request."""
        session, before = self.session, None
        prefix = session.texts.prefix(session.texts.group_of(chain[0]))
        history = TracedHistory(prefix)
        edge = ContextEdge(session, history)
        for number, index in enumerate(chain, start=1):
            prompt = schedule.prompt(index, before)
            asked = session.asked(chain[0], number)
            if load.exact_lengths and asked[1] is None:
                asked = (None, prompt.output_tokens or None)
            messages = history.messages_with(prompt.text, with_history=schedule.sends_history(index))
            request = session.request(messages, asked, user=chain[0])
            session.clock.sleep_until(due_ns)
            spec = TurnSpec(chain[0], number, due_ns, request, name=session.name_of(chain[0]))
            turn, reply = self.clients.run_turn(spec, edge, 1 + len(chain) - number)
            if edge.is_over:
                return
            history.add_reply(reply if turn.ok else None)
            before = index
            if number < len(chain):
                due_ns = schedule.next_due_ns(chain[number], session.begins_ns, turn.end_ns)
