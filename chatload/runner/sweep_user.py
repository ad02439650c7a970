"""Fixed concurrency: levels of requests in flight, one level after another, no thinking."""

from __future__ import annotations

from chatload.engine.client import TurnSpec
from chatload.engine.clock import now_ns
from chatload.loads.sweep import SweepLoad
from chatload.model.turn import Message
from chatload.prompts.lengths import composed_prompt
from chatload.runner.chat_user import sleep_until
from chatload.runner.session import Session
from chatload.runner.slots import SlotUser


class SweepUser(SlotUser):
    """Keeps as many requests in flight as the level says. Subclass it in a locustfile; one only."""

    abstract = True

    def work(self, session: Session) -> None:
        """Every level in turn; the next one begins when the last request of this one is answered."""
        load = session.plan.load
        assert isinstance(load, SweepLoad)
        sleep_until(session.begins_ns)
        first_slot = 0
        for level in load.levels:
            for slot in range(first_slot, first_slot + level):
                self.spawn(self._keep_busy, session, load, slot, f"level {level}")
            self.in_flight.join()
            first_slot += level

    def _keep_busy(self, session: Session, load: SweepLoad, slot: int, group: str) -> None:
        """One slot: its rounds, one after another."""
        for turn in range(1, load.rounds + 1):
            seed = f"sweep {session.plan.seed} {slot} {turn}"
            prompt = composed_prompt(load.prompt_tokens, load.answer_tokens, seed)
            request = session.request((Message("user", prompt.text),), load.answer_tokens)
            self.clients.run_turn(TurnSpec(slot, turn, now_ns(), request, group))
