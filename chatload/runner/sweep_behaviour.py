"""Fixed concurrency: levels of requests in flight, one level after another, no thinking."""

from __future__ import annotations

from chatload.engine.client import TurnSpec
from chatload.loads.sweep import WARM_UP, SweepLoad, group_of
from chatload.runner.slots import SlotBehaviour


class SweepBehaviour(SlotBehaviour):
    """Keeps as many requests in flight as the level says; there is one such user."""

    def work(self) -> None:
        """Every level in turn; the next one begins when the last request of this one is answered."""
        load = self.session.plan.load
        assert isinstance(load, SweepLoad)
        begins_ns = self.session.begins_ns
        self.session.clock.sleep_until(begins_ns)
        first_slot = 0
        if warmup_s := self.session.plan.warmup.seconds:
            for slot in range(load.levels[0]):
                self.spawn(self._warm_up, load, slot, begins_ns + round(warmup_s * 1e9))
            self.in_flight.join()
            first_slot = load.levels[0]
        for level in load.levels:
            for slot in range(first_slot, first_slot + level):
                self.spawn(self._keep_busy, load, slot, group_of(level))
            self.in_flight.join()
            first_slot += level

    def _keep_busy(self, load: SweepLoad, slot: int, group: str) -> None:
        """One slot: its rounds, one after another."""
        for turn in range(1, load.rounds + 1):
            self._ask(load, slot, turn, group)

    def _warm_up(self, load: SweepLoad, slot: int, until_ns: int) -> None:
        """One slot of the first level, before it: requests until the warm-up is over."""
        turn = 0
        while self.session.clock.now_ns() < until_ns:
            turn += 1
            self._ask(load, slot, turn, WARM_UP)

    def _ask(self, load: SweepLoad, slot: int, turn: int, group: str) -> None:
        session = self.session
        messages = session.texts.single_request(slot, turn, slot * load.rounds + turn)
        request = session.request(messages, session.asked(slot, turn), user=slot, turn=turn)
        name = session.name_of(slot)
        self.clients.run_turn(TurnSpec(slot, turn, session.clock.now_ns(), request, group, name=name))
