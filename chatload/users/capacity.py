"""How many chat users hold within the SLOs: a ladder of levels, each ramped, settled, measured and drained.

The director sits with the conductor (local or master) and decides; a climber in each process keeps its share
of a level's users talking. Orders go down as messages, finished levels come back as journal lines, so a
ladder over several workers is the same ladder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gevent

from chatload.clock import now_ns
from chatload.pacing.capacity import Rung, capacity, next_users
from chatload.plan import CapacityLoad, Plan
from chatload.slo import Objective
from chatload.turn import Turn
from chatload.users.chat import sleep_until, talk_for
from chatload.users.client import Asked
from chatload.users.lanes import Tender
from chatload.users.session import Session

LEAD_S = 1.0
DRAIN_S = 120.0
BUSY_CPU_PERCENT, BUSY_LAG_MS, BUSY_SECONDS = 90.0, 50.0, 3
"""Beyond these, for that many seconds of a level, the load generator itself is the limit: the ladder ends."""
USERS_A_LEVEL = 100_000
"""User numbers are never used again: each conversation opens unlike all others, so no prompt is cached."""


class Climber(Tender):
    """Keeps its share of each level's users in conversation. Subclass it in a locustfile; one a process."""

    abstract = True

    def tend(self, session: Session) -> None:
        """One order after another, until the one that ends."""
        load = session.plan.load
        assert isinstance(load, CapacityLoad)
        while True:
            order = session.orders.get()
            if not order["users"]:
                return
            for lane in range(self.number, order["users"], load.users):
                self.spawn(self._converse, session, load, order, lane)
            self.in_flight.join()
            session.emit({"kind": "level", "at_ns": now_ns(), "level": order["level"], "user": self.number})

    def _converse(self, session: Session, load: CapacityLoad, order: dict[str, Any], lane: int) -> None:
        """One user of the level: conversation after conversation, until the level ends."""
        due_ns = order["start_ns"] + round(lane * 1e9 / load.rate)
        conversation = 0
        while due_ns < order["end_ns"]:
            user = order["level"] * USERS_A_LEVEL + conversation * order["users"] + lane
            talk = talk_for(user, load, session.plan.seed)
            for number in range(1, load.conversation_turns + 1):
                if due_ns >= order["end_ns"]:
                    return
                sleep_until(due_ns)
                asked = Asked(user, number, due_ns, session.request(talk.ask()), order["group"])
                turn, reply = self.clients.hold_and_hear(asked)
                talk.heard(reply if turn.ok else "")
                due_ns = turn.end_ns + round(load.think_time_s * 1e9)
            conversation += 1


Judge = Callable[[Sequence[Turn], Sequence[Objective]], tuple[str, bool, list[dict[str, Any]]]]
"""(worst verdict, whether the values themselves pass, each SLO judged) of some turns."""


class Director:
    """Tries levels until the answer is known. `order` sends an order to every climber."""

    def __init__(
        self, plan: Plan, judge: Judge, order: Callable[[dict[str, Any]], None], say: Callable[[str], None]
    ):
        assert isinstance(plan.load, CapacityLoad)
        self._plan, self._load = plan, plan.load
        self._judge, self._order, self._say = judge, order, say
        self._turns: list[Turn] = []
        self._drained = 0
        self._busy: list[str] = []
        self.facts: dict[str, Any] = {"ladder": []}

    def hear(self, line: dict[str, Any], turn: Turn | None) -> None:
        """Take a journal line in: turns, drained levels, and how the generator fares."""
        if turn is not None:
            self._turns.append(turn)
        elif line["kind"] == "level":
            self._drained += 1
        elif line["kind"] == "health":
            if line["cpu_percent"] > BUSY_CPU_PERCENT:
                self._busy.append(f"{line['cpu_percent']:.0f} % of a core on {line['worker']}")
            elif line["hub_lag_p99_ms"] > BUSY_LAG_MS:
                self._busy.append(f"its hub ran {line['hub_lag_p99_ms']:.0f} ms late on {line['worker']}")

    def run(self) -> None:
        """Climb; then send the climbers home."""
        load = self._load
        ladder: list[Rung] = []
        while True:
            users = next_users(ladder, first=load.first, most=load.most, precision=load.precision)
            if users is None:
                break
            rung = self._climb(len(ladder) + 1, users)
            if rung is None:
                break
            ladder.append(rung)
        found = capacity(ladder)
        self.facts |= {
            "users": found.users,
            "surely_met": found.surely_met,
            "surely_missed": found.surely_missed,
        }
        self._say(f"capacity: {self.sentence()}")
        self._order({"users": 0})

    def sentence(self) -> str:
        """The answer in words."""
        facts = self.facts
        low, high = facts["surely_met"] or 0, facts["surely_missed"]
        between = f"surely {low:,} or more" + (
            f", surely fewer than {high:,}" if high else ", no upper bound found"
        )
        words = f"{facts['users']:,} chat users within the SLOs ({between})"
        if facts.get("stopped"):
            words += f"; stopped early: {facts['stopped']}"
        return words

    def _climb(self, level: int, users: int) -> Rung | None:
        """One level, from its order to its verdict; None when the generator was the limit."""
        load = self._load
        start_ns = now_ns() + round(LEAD_S * 1e9)
        end_ns = start_ns + round((users / load.rate + load.settle_s + load.measure_s) * 1e9)
        group = f"{users} users" if level == 1 else f"{users} users, level {level}"
        self._turns, self._drained, self._busy = [], 0, []
        self._order({"level": level, "users": users, "group": group, "start_ns": start_ns, "end_ns": end_ns})
        sleep_until(end_ns)
        with gevent.Timeout(DRAIN_S, False):
            while self._drained < load.users:
                gevent.sleep(0.05)
        window_ns = end_ns - round(load.measure_s * 1e9)
        measured = [turn for turn in self._turns if turn.group == group and window_ns <= turn.due_ns < end_ns]
        verdict, passed, judged = self._judge(measured, self._plan.slo)
        fact = {"users": users, "verdict": verdict, "passed": passed, "turns": len(measured), "slo": judged}
        self.facts["ladder"].append({**fact, "group": group})
        self._say(f"level {level}: {users:,} users, {len(measured):,} turns measured: {verdict}")
        if len(self._busy) >= BUSY_SECONDS and not passed:
            self.facts["stopped"] = f"the load generator was the limit at {users:,} users ({self._busy[0]})"
            return None
        return Rung(users, verdict, passed)
