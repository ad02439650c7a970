"""How many chat users hold within the SLOs: a ladder of levels, each ramped, settled, measured and drained.

A level begins in the middle of things: its users are at all turns of their conversations, with histories made of
replies heard before. A first level, which is not counted, gathers some.

The director sits with the conductor (local or master) and decides; a climber in each process keeps its share
of a level's users talking. Orders go down as messages, finished levels come back as journal lines, so a
ladder over several workers is the same ladder.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import gevent

from chatload.engine.client import TurnSpec
from chatload.engine.clock import now_ns
from chatload.loads.level_search import Ladder, Rules, first_turn, interval_words
from chatload.loads.planning import Plan
from chatload.loads.shapes import CapacityLoad
from chatload.model.errors import NO_FAILURES
from chatload.model.slo import Objective
from chatload.model.turn import Turn
from chatload.prompts.talk import Talk
from chatload.runner.chat_user import sleep_until, talk_for
from chatload.runner.session import Session
from chatload.runner.slots import SlotUser

LEAD_S = 1.0
DRAIN_S = 120.0
BUSY_CPU_PERCENT, BUSY_LAG_MS, BUSY_SECONDS = 90.0, 50.0, 3
"""Beyond these, for that many seconds of a level, the load generator itself is the limit: the ladder ends."""
USERS_A_LEVEL = 100_000
"""User numbers are never used again: each conversation opens unlike all others, so no prompt is cached."""
REPLIES_KEPT = 200
GONE_TURNS = 5
"""Fewer turns than this at the end of a level that fail to connect may be a moment's trouble."""
WARM_UP = "warm-up"


class CapacityUser(SlotUser):
    """Keeps its share of each level's users in conversation. Subclass it in a locustfile; one a process."""

    abstract = True

    def tend(self, session: Session) -> None:
        """One order after another, until the one that ends."""
        load = session.plan.load
        assert isinstance(load, CapacityLoad)
        self._replies: deque[str] = deque(maxlen=REPLIES_KEPT)
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
            talk = talk_for(user, load, session.plan)
            begins = 1 if conversation else self._begun(talk, load, user, lane)
            for number in range(begins, load.conversation_turns + 1):
                if due_ns >= order["end_ns"]:
                    return
                sleep_until(due_ns)
                asked = TurnSpec(user, number, due_ns, session.request(talk.ask()), order["group"])
                turn, reply = self.clients.hold_and_hear(asked)
                talk.heard(reply if turn.ok else "")
                if turn.ok and reply.strip():
                    self._replies.append(reply)
                due_ns = turn.end_ns + round(load.think_time_s * 1e9)
            conversation += 1

    def _begun(self, talk: Talk, load: CapacityLoad, user: int, lane: int) -> int:
        """The turn at which a level's user begins; what came before is made of replies to others."""
        if load.history and not self._replies:
            return 1
        begins = first_turn(lane, load.conversation_turns)
        drawn = random.Random(f"replies {user}")
        for _ in range(1, begins):
            talk.ask()
            talk.heard(drawn.choice(self._replies) if load.history else "")
        return begins


Judge = Callable[[Sequence[Turn], Sequence[Objective]], tuple[str, bool, list[dict[str, Any]]]]
"""(worst verdict, whether the values themselves pass, each SLO judged) of some turns."""


class CapacitySearch:
    """Tries levels until the answer is known. `order` sends an order to every climber."""

    def __init__(
        self, plan: Plan, judge: Judge, order: Callable[[dict[str, Any]], None], say: Callable[[str], None]
    ):
        assert isinstance(plan.load, CapacityLoad)
        self._plan, self._load = plan, plan.load
        self._judge, self._order, self._say = judge, order, say
        self._ladder = Ladder(
            Rules(self._load.first, self._load.most, self._load.precision, self._load.windows)
        )
        self._turns: list[Turn] = []
        self._measured: dict[int, list[Turn]] = {}
        self._levels = 0
        self._drained = 0
        self._busy: list[str] = []
        self._rows: dict[int, dict[str, Any]] = {}
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
        """Climb; then send the capacity users home."""
        if self._warmed_up():
            while (users := self._ladder.next_users) is not None and self._climb(users):
                pass
        found = self._ladder.found
        self.facts |= {
            "users": found.users,
            "surely_met": found.surely_met,
            "surely_missed": found.surely_missed,
            "interval": list(found.interval),
        }
        self._say(f"capacity: {self.sentence()}")
        self._order({"users": 0})

    def _warmed_up(self) -> bool:
        """Gather replies for the histories, where there are histories; False when nobody answered."""
        if not self._load.history:
            return True
        users = min(self._load.first, self._load.most)
        self._window(users, WARM_UP)
        return not self._nobody_answered(users, WARM_UP)

    def sentence(self) -> str:
        """The answer in words."""
        words = f"{self.facts['users']:,} chat users within the SLOs, {interval_words(*self._ladder.found.interval)}"
        if self.facts.get("stopped"):
            words += f"; stopped early: {self.facts['stopped']}"
        return words

    def _climb(self, users: int) -> bool:
        """One more window of a level, and the verdict of all it has; False when the generator was the limit."""
        group = f"{users} users" + (f", window {self._levels + 1}" if users in self._measured else "")
        turns = self._measured.setdefault(users, [])
        turns += self._window(users, group)
        if self._nobody_answered(users, group):  # before it is judged: this tells nothing of the level
            return False
        verdict, passed, judged = self._judge(turns, self._plan.slo)
        if len(self._busy) >= BUSY_SECONDS and not passed:
            self.facts["stopped"] = f"the load generator was the limit at {users:,} users ({self._busy[0]})"
        else:
            rung = self._ladder.measured(users, verdict, passed)
            self._say(f"{users:,} users, {len(turns):,} turns measured: {verdict}{_times(rung.windows)}")
        groups = [*self._rows.get(users, {"groups": []})["groups"], group]
        self._rows[users] = {
            "users": users, "verdict": verdict, "passed": passed, "turns": len(turns), "windows": len(groups),
            "slo": judged, "groups": groups,
        }  # fmt: skip
        self.facts["ladder"] = list(self._rows.values())
        return "stopped" not in self.facts

    def _nobody_answered(self, users: int, group: str) -> bool:
        """True, and noted, when the last turns of a level, as many as it has users, all failed to connect."""
        held = [turn for turn in self._turns if turn.group == group and turn.code not in NO_FAILURES]
        last = sorted(held, key=lambda turn: turn.due_ns)[-max(users, GONE_TURNS) :]
        if not last or any(turn.code != "connect" for turn in last):
            return False
        which = "all" if len(last) == len(held) else "the last"
        self.facts["server_gone"] = True
        self.facts["stopped"] = (
            f"the server is gone: {which} {len(last):,} turns of “{group}” failed to connect"
        )
        return True

    def _window(self, users: int, group: str) -> list[Turn]:
        """Ramp, settle, measure and drain; the turns that were due while it was measured."""
        load = self._load
        start_ns = now_ns() + round(LEAD_S * 1e9)
        end_ns = start_ns + round((users / load.rate + load.settle_s + load.measure_s) * 1e9)
        self._levels += 1
        self._turns, self._drained, self._busy = [], 0, []
        self._order(
            {"level": self._levels, "users": users, "group": group, "start_ns": start_ns, "end_ns": end_ns}
        )
        sleep_until(end_ns)
        with gevent.Timeout(DRAIN_S, False):
            while self._drained < load.users:
                gevent.sleep(0.05)
        window_ns = end_ns - round(load.measure_s * 1e9)
        return [turn for turn in self._turns if turn.group == group and window_ns <= turn.due_ns < end_ns]


def _times(windows: int) -> str:
    return "" if windows == 1 else f", all {windows} windows together"
