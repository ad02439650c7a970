"""How many chat users hold within the SLOs: levels of users, each ramped, settled, measured and drained.

The search runs in the process of the run controller (local or master) and decides; a CapacityUser in each process
keeps its share of a level's users in conversation. Orders go down as messages, finished levels come back as journal
lines, so that a search over several workers is the same search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatload.analysis.capacity_levels import level_s, measuring_s, reply_s, settling_s
from chatload.analysis.growth import Growth, level_growth, with_growth
from chatload.analysis.window import Window
from chatload.engine.clock import CLOCK, Clock
from chatload.loads.capacity import CapacityLoad
from chatload.loads.level_search import LevelSearch, Rules
from chatload.loads.plan import Plan
from chatload.loads.sweep import WARM_UP
from chatload.model.journal_lines import HealthLine, JournalLine, LevelLine
from chatload.model.slo import Objective
from chatload.model.turn import Turn
from chatload.model.verdict import MET, UNDECIDED, CapacityResult, LevelResult, SloOutcome, SloVerdict
from chatload.model.words import plural
from chatload.runner.level_progress import LevelProgress, SoFar
from chatload.runner.messages import LevelOrder

LEAD_S = 1.0
DRAIN_S = 120.0
BUSY_CPU_PERCENT, BUSY_LAG_MS, BUSY_SECONDS = 90.0, 50.0, 3
"""Beyond these, for that many seconds of a level, the load generator itself is the limit: the search ends."""
MOST_JUDGED = 500
"""Turns beyond which a level is not judged while it is measured: that would hold up its users (500: 4 ms)."""
GONE_TURNS = 5
"""Fewer turns than this that fail to connect at the end of a level do not mean that the server is gone."""

Judged = tuple[SloOutcome, bool, list[SloVerdict]]
"""(worst verdict, whether that is sure, the verdict on each SLO)."""
Judge = Callable[[Sequence[Turn], Sequence[Objective]], Judged]
"""Judges some turns."""


class CapacitySearch:
    """Tries levels until the answer is known. `order` sends an order to every process."""

    def __init__(
        self,
        plan: Plan,
        judge: Judge,
        order: Callable[[LevelOrder], None],
        say: Callable[[str], None],
        clock: Clock = CLOCK,
    ) -> None:
        assert isinstance(plan.load, CapacityLoad)
        self._plan, self._load = plan, plan.load
        self._judge, self._order, self._say, self._clock = judge, order, say, clock
        self._search = LevelSearch(
            Rules(
                self._load.first,
                self._load.most,
                self._load.precision,
                self._load.windows,
                self._load.arrives,
            )
        )
        self._measure_s, self._reply_s = self._load.measure_s, 0.0
        self._turns: list[Turn] = []
        self._measured: dict[int, list[Turn]] = {}
        self._levels = 0
        self._drained = 0
        self._busy: list[str] = []
        self._rows: dict[int, LevelResult] = {}
        self._now: LevelProgress | None = None
        self._so_far = SoFar()
        self._growth: dict[int, Growth] = {}
        self.facts = CapacityResult(counts=self._load.counts)

    def on_line(self, line: JournalLine) -> None:
        """Take a journal line in: turns, drained levels, and the load generator's health."""
        if isinstance(line, Turn):
            self._turns.append(line)
        elif isinstance(line, LevelLine):
            self._drained += 1
        elif isinstance(line, HealthLine):
            if (line.cpu_percent or 0.0) > BUSY_CPU_PERCENT:
                self._busy.append(f"{line.cpu_percent:.0f} % of a core on {line.worker}")
            elif (line.hub_lag_p99_ms or 0.0) > BUSY_LAG_MS:
                self._busy.append(f"its hub ran {line.hub_lag_p99_ms:.0f} ms late on {line.worker}")

    def run(self) -> None:
        """Search; then end the levels everywhere."""
        if self._warmed_up():
            while (users := self._search.next_users) is not None and self._try(users):
                pass
        found, facts = self._search.found, self.facts
        facts.users, facts.interval = found.users, found.interval
        facts.surely_met, facts.surely_missed = found.surely_met, found.surely_missed
        self._say(f"the search has ended: {plural(len(facts.levels), 'level')} measured")
        self._order(LevelOrder(users=0))

    @property
    def progress(self) -> str:
        """What is measured now, in words; empty before the first level and after the last."""
        if self._now is None or self.facts.users is not None:
            return ""
        words = self._now.words(self._load, self._turns, self._clock.now_ns())
        return "".join((words, self._so_far.words(self._level_so_far, self._clock.now_ns())))

    def _level_so_far(self) -> str:
        """The verdict on the turns that were due while this level was measured, those of earlier windows included."""
        now = self._now
        if now is None or now.group == WARM_UP:
            return ""
        held = [turn for turn in self._turns if turn.group == now.group and now.measured_ns <= turn.due_ns]
        turns = [*self._measured.get(now.users, ()), *held]
        if not 0 < len(turns) <= MOST_JUDGED:
            return ""
        verdict, sure, _ = self._judge(turns, self._plan.slo)
        return f"  so far {verdict}, {'surely' if sure else 'unsure'}"

    def _warmed_up(self) -> bool:
        """Warm up, gather replies for histories, see how long they take; False when nobody answered."""
        warmup_s = self._plan.warmup.seconds
        if not (self._load.history or self._load.arrives or warmup_s):
            return True
        users = self._load.first
        self._window(users, WARM_UP, warmup_s)
        return not self._nobody_answered(users, WARM_UP)

    def _try(self, users: int) -> bool:
        """One more window of a level, and the verdict of all it has; False when the generator was the limit."""
        group = self._load.level_words(users) + (
            f", window {self._levels + 1}" if users in self._measured else ""
        )
        turns = self._measured.setdefault(users, [])
        turns += self._window(users, group)
        if self._nobody_answered(users, group):  # before it is judged: this tells nothing of the level
            return False
        verdict, sure, verdicts = self._judge(turns, self._plan.slo)
        if self._load.arrives:
            verdict, sure = with_growth(verdict, sure, self._growth[users])
        passed = verdict == MET
        if len(self._busy) >= BUSY_SECONDS and not passed:
            self.facts.stopped = f"the load generator was the limit at {users:,} users ({self._busy[0]})"
        else:
            tried = self._search.measured(users, verdict if sure else UNDECIDED, passed)
            told = f"{verdict}, {'surely' if sure else 'unsure'}{_times(tried.windows)}"
            self._say(f"{self._load.level_words(users)}, {len(turns):,} turns measured: {told}")
        groups = [*(self._rows[users].groups if users in self._rows else ()), group]
        self._rows[users] = LevelResult(
            users=users,
            verdict=verdict,
            passed=passed,
            sure=sure,
            turns=len(turns),
            windows=len(groups),
            slo=verdicts,
            groups=groups,
            at_once=self._at_once(users, len(groups)),
        )
        self.facts.levels = list(self._rows.values())
        return not self.facts.stopped

    def _at_once(self, level: int, windows: int) -> tuple[float, float] | None:
        found = self._growth.get(level)
        return None if found is None else (round(found.first / windows, 2), round(found.last / windows, 2))

    def _nobody_answered(self, users: int, group: str) -> bool:
        """True, and noted, when the last turns of a level, as many as it has users, all failed to connect."""
        held = [turn for turn in self._turns if turn.group == group and turn.counts]
        last = sorted(held, key=lambda turn: turn.due_ns)[-max(users, GONE_TURNS) :]
        if not last or any(turn.code != "connect" for turn in last):
            return False
        which = "all" if len(last) == len(held) else "the last"
        self.facts.server_gone = True
        self.facts.stopped = f"the server is gone: {which} {len(last):,} turns of “{group}” failed to connect"
        return True

    def _window(self, users: int, group: str, asked_s: float = 0.0) -> list[Turn]:
        """Ramp, settle, measure and drain; the turns that were due while it was measured.

        It is measured for `asked_s`, or as long as the levels so far tell.
        """
        load = self._load
        measure_s, settle_s = asked_s or self._measure_s, load.settle_s
        if group != WARM_UP:
            measure_s = level_s(load, users, measure_s, self._reply_s)
            settle_s = settling_s(load, self._reply_s)
        start_ns = self._clock.now_ns() + round(LEAD_S * 1e9)
        end_ns = start_ns + round((load.ramp_s(users) + settle_s + measure_s) * 1e9)
        self._levels += 1
        self._turns, self._drained, self._busy = [], 0, []
        self._so_far = SoFar()
        measured_ns = end_ns - round(measure_s * 1e9)
        more = max(0, self._search.left - (group != WARM_UP))
        more_s = more * (LEAD_S + settle_s + measure_s)
        self._now = LevelProgress(self._levels, users, group, start_ns, measured_ns, end_ns, more_s)
        self._order(
            LevelOrder(
                users=users,
                level=self._levels,
                group=group,
                start_ns=start_ns,
                end_ns=end_ns,
                reply_s=self._reply_s,
            )
        )
        self._clock.sleep_until(end_ns)
        self._clock.wait_for(lambda: self._drained >= load.users, DRAIN_S, look_s=0.05)
        held = [turn for turn in self._turns if turn.group == group and measured_ns <= turn.due_ns < end_ns]
        self._measure_s = measuring_s(load.measure_s, held)
        took_s = reply_s(
            held
        )  # the least so far: replies of an overloaded level would overload the next one, too
        self._reply_s = min(self._reply_s or took_s, took_s or self._reply_s)
        if load.arrives and group != WARM_UP:
            level = [turn for turn in self._turns if turn.group == group]
            found = level_growth(level, load.conversation_turns, Window(measured_ns, end_ns))
            self._growth[users] = self._growth.get(users, Growth()) + found
        return held


def _times(windows: int) -> str:
    return "" if windows == 1 else f", all {windows} windows together"
