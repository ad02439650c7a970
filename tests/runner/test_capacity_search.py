"""A capacity search on a clock of its own: which turns it judges, and what ends the search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import pytest

from chatload.analysis.slo_verdict import level_verdict
from chatload.model.journal_lines import HealthLine, LevelLine
from chatload.model.turn import Turn
from chatload.runner.capacity_search import CapacitySearch
from chatload.runner.messages import LevelOrder
from tests.manual_clock import ManualClock
from tests.plans import plan_of

S = 10**9
VALUES = {
    "host": "http://127.0.0.1:1",
    "num_users": 1,
    "first": "4",
    "most": "4",
    "rate": "4",
    "settle": "3",
    "measure": "5",
    "windows": "1",
    "history": "off",
    "slo": "p50 ttft_ms <= 500",
}


class Search:
    """One search of one level, played: `play(order, on_line)` is called with each order of the search."""

    def __init__(
        self,
        play: Callable[[LevelOrder, Any], None],
        *,
        passes: bool = True,
        clock: ManualClock | None = None,
        **values: str,
    ) -> None:
        self.clock = clock or ManualClock()
        self.judged: list[Sequence[Turn]] = []
        self.said: list[str] = []
        self.orders: list[LevelOrder] = []
        self._play, self._passes = play, passes
        plan = plan_of("capacity", {**VALUES, **values})
        self.search = CapacitySearch(plan, self._judge, self._order, self.said.append, self.clock)
        self.clock.run(self.search.run)

    @property
    def levels(self) -> list[int]:
        """Users of each level that was ordered, the warm-up too."""
        return [order.users for order in self.orders if order.users]

    def _judge(self, turns: Sequence[Turn], slo: Any) -> tuple[str, bool, list[dict[str, Any]]]:
        self.judged.append(list(turns))
        return ("met", True, []) if self._passes else ("missed", False, [])

    def _order(self, order: LevelOrder) -> None:
        self.orders.append(order)
        if order.users:
            self._play(order, self.search.on_line)
            drained = LevelLine(at_ns=order.end_ns, level=order.level, user=0)
            self.clock.later((order.end_ns - self.clock.now_ns()) / S, lambda: self.search.on_line(drained))


def turn(order: LevelOrder, due_ns: int, code: str | None = None, group: str | None = None) -> Turn:
    return Turn(
        turn_id=f"t{due_ns}",
        request_id="r",
        user=0,
        turn=1,
        due_ns=due_ns,
        end_ns=due_ns + S // 10,
        group=order.group if group is None else group,
        ok=code is None,
        code=code,
    )


def health(cpu_percent: float = 10.0, hub_lag_p99_ms: float = 1.0) -> HealthLine:
    return HealthLine(
        worker="local", at_ns=0, seconds=1.0, cpu_percent=cpu_percent, hub_lag_p99_ms=hub_lag_p99_ms
    )


def test_only_turns_due_while_a_level_is_measured_are_judged() -> None:
    """4 users at 4 a second, 3 s to settle, 5 s measured: only turns due in those 5 s are judged."""

    def play(order: LevelOrder, on_line: Any) -> None:
        for at_ms in range(0, 9500, 250):
            on_line(turn(order, order.start_ns + at_ms * S // 1000))
        on_line(turn(order, order.start_ns + 6 * S, group="another level"))

    search = Search(play)
    (order, _) = search.orders
    dues_s = [(one.due_ns - order.start_ns) / S for one in search.judged[0]]
    assert order.end_ns - order.start_ns == 9 * S, "ramp, settle and measure"
    assert (min(dues_s), max(dues_s)) == (4.0, 8.75), (min(dues_s), max(dues_s))
    assert len(dues_s) == 20, len(dues_s)


@pytest.mark.parametrize(("cycle_s", "measured_s"), [(0.5, 5.0), (2.0, 15.0), (4.0, 20.0)])
def test_a_level_is_measured_as_long_as_an_interval_of_its_turns_needs(
    cycle_s: float, measured_s: float
) -> None:
    """7.5 turn cycles of the level before, at least as asked (5 s) and at most 4 times as long."""

    def play(order: LevelOrder, on_line: Any) -> None:
        for number in range(20):
            on_line(turn(order, order.start_ns + round(number * cycle_s * S)))

    search = Search(play, most="8")
    first, second = search.orders[:2]
    assert first.end_ns - first.start_ns == 9 * S
    assert second.end_ns - second.start_ns == round((8 / 4 + 3 + measured_s) * S)


def test_what_is_measured_now_is_said_with_the_level_s_own_figures() -> None:
    """4 users at 2 a second, 3 s to settle, 5 s measured, after a lead of 1 s; a turn a second, one of them failed."""
    told: dict[float, str] = {}
    clock = ManualClock()

    def play(order: LevelOrder, on_line: Any) -> None:
        searching: CapacitySearch = on_line.__self__
        for at_s in range(1, 10):
            sent_ns = order.start_ns + at_s * S
            one = turn(order, sent_ns, "http_5xx" if at_s == 8 else None)
            one = msgspec.structs.replace(
                one, sent_ns=sent_ns, tokens=20, first_token_ns=sent_ns + at_s * 10**6
            )
            clock.later(1.1 + at_s, partial(on_line, one))
        on_line(turn(order, order.start_ns, group="another level"))
        for at_s in (0.5, 1.0, 1.6, 4.0, 8.0, 10.95):
            clock.later(at_s, lambda at_s=at_s: told.update({at_s: searching.progress}))  # type: ignore[misc]

    search = Search(play, clock=clock, rate="2")
    level = "window 1 (4 users): "
    assert told == {
        0.5: f"{level}0 of 4 users, starting users, 6 s left; search: 10 s or more left;  no turn yet",
        1.0: f"{level}1 of 4 users, starting users, 5 s left; search: 10 s or more left;  no turn yet",
        1.6: f"{level}2 of 4 users, starting users, 4 s left; search: 9 s or more left;  no turn yet",
        4.0: f"{level}4 of 4 users, settling, 2 s left; search: 7 s or more left;  "
        "turns 2  TTFT –  20 tokens/s  failed 0",
        8.0: f"{level}4 of 4 users, measuring, 3 s left; search: 3 s or more left;  "
        "turns 6  TTFT p50 4 ms  20 tokens/s  failed 0  so far met, surely",
        10.95: f"{level}4 of 4 users, measuring, 0 s left; search: 0 s or more left;  "
        "turns 9  TTFT p50 4 ms  20 tokens/s  failed 1  so far met, surely",
    }
    judged = [[(one.due_ns - search.orders[0].start_ns) // S for one in turns] for turns in search.judged]
    assert judged == [[5, 6], [5, 6, 7, 8, 9]], (
        "of the turns due while it was measured: so far, once in 5 s; at last"
    )
    assert search.search.progress == "", "nothing once the answer is there"


BUSY = {
    "a whole core": ([health(cpu_percent=95.0)] * 3, False, True),
    "late hub": ([health(hub_lag_p99_ms=60.0)] * 3, False, True),
    "busy for 2 s": ([health(cpu_percent=95.0)] * 2 + [health()] * 5, False, False),
    "busy and within the SLOs": ([health(cpu_percent=95.0)] * 3, True, False),
    "nearly busy": ([health(cpu_percent=89.0, hub_lag_p99_ms=49.0)] * 9, False, False),
}


@pytest.mark.parametrize("name", BUSY)
def test_a_busy_generator_at_a_level_that_failed_ends_the_search(name: str) -> None:
    lines, passes, stops = BUSY[name]

    def play(order: LevelOrder, on_line: Any) -> None:
        on_line(turn(order, order.start_ns + 5 * S))
        for line in lines:
            on_line(line)

    search = Search(play, passes=passes)
    assert bool(search.search.facts.stopped) == stops
    if stops:
        assert "the load generator was the limit at 4 users" in search.search.facts.stopped
        assert search.levels == [4], "the search went on"
    assert search.search.facts.users == (4 if passes else 0)


GONE: dict[str, tuple[list[str | None], str]] = {
    "from the start": (["connect"] * 20, "the last 5 turns"),
    "three turns in all": (["connect"] * 3, "all 3 turns"),
    "in the middle": ([None] * 10 + ["truncated"] * 4 + ["connect"] * 5, "the last 5 turns"),
    "for a moment": ([None] * 10 + ["connect"] * 4, ""),
    "busy, not gone": (["http_5xx"] * 10, ""),
    "back again": (["connect"] * 9 + [None], ""),
    "no turn": ([], ""),
}


@pytest.mark.parametrize("history", ["off", "on"])
@pytest.mark.parametrize("name", GONE)
def test_a_level_at_whose_end_nobody_could_connect_ends_the_search(name: str, history: str) -> None:
    """It is not taken for a level that missed its SLOs; with histories it may be the warm-up."""
    codes, words = GONE[name]

    def play(order: LevelOrder, on_line: Any) -> None:
        for number, code in enumerate(codes):
            on_line(turn(order, order.start_ns + number * 9 * S // len(codes), code))

    search = Search(play, passes=False, history=history)
    facts = search.search.facts
    assert facts.server_gone == bool(words)
    if words:
        assert f"the server is gone: {words}" in facts.stopped
        assert (search.judged, search.levels) == ([], [4])
    else:
        assert search.judged


@pytest.mark.parametrize(("stays", "verdict", "held"), [(False, "met", 60), (True, "missed", 0)])
def test_a_rate_at_which_conversations_pile_up_is_not_met(stays: bool, verdict: str, held: int) -> None:
    """10/s, one turn each: of 1 s, which leaves about 10 there, or until the level's end. SLOs are met."""

    def play(order: LevelOrder, on_line: Any) -> None:
        for number in range((order.end_ns - order.start_ns) * 10 // S):
            due_ns = order.start_ns + number * S // 10
            end_ns = order.end_ns + S if stays else due_ns + S
            one = msgspec.structs.replace(turn(order, due_ns), user=number, end_ns=end_ns)
            on_line(one)

    given = {
        "capacity_in": "arrivals",
        "first": "60",
        "most": "60",
        "measure": "90",
        "settle": "10",
        "turns": "1",
    }
    found = Search(play, **given, rate="10").search.facts
    level = found.levels[0]
    assert (level.verdict, level.sure, found.counts) == (verdict, True, "arrivals")
    assert (found.users == 60) == bool(held)
    assert level.at_once is not None
    assert level.at_once == ((10.0, 10.0) if held else level.at_once)
    assert (level.at_once[1] > 3 * level.at_once[0]) == (not held)


def test_a_level_of_conversations_begins_as_its_replies_before_tell() -> None:
    """A warm-up of the first level sees that replies take 2 s; a rate has no ramp."""

    def play(order: LevelOrder, on_line: Any) -> None:
        for number in range(20):
            due_ns = order.start_ns + number * S // 2
            one = msgspec.structs.replace(turn(order, due_ns), user=number, end_ns=due_ns + 2 * S)
            on_line(one)

    found = Search(play, capacity_in="arrivals", first="4", most="8", rate="10", turns="5", think_time="1")
    orders = [one for one in found.orders if one.users]
    assert [one.reply_s for one in orders[:2]] == [0.0, 2.0]
    assert (orders[0].group, orders[1].group) == ("warm-up", "4 a minute")
    assert (orders[0].end_ns - orders[0].start_ns) / S == 3 + 5
    stay_s, measured_s = (1 + 2) * 5, 4 * 5  # at most 4 × --measure; so few arrivals would need 200 s
    assert (orders[1].end_ns - orders[1].start_ns) / S == stay_s + measured_s


def searched(limit: int | None, mode: str = "end") -> CapacitySearch:
    """A server whose TTFT grows by 10 ms a user, asked by users who hold conversations of 10 turns.

    From turn 7 on a conversation does not fit a `limit`: it ends, and the next begins, or each turn fails (`mode`).
    """

    def play(order: LevelOrder, on_line: Any) -> None:
        for user in range(order.users):
            number, at_ns = user % 10, order.start_ns
            while at_ns < order.end_ns:
                number = number % 10 + 1
                beyond = limit is not None and number > limit
                ends = beyond and mode == "end"
                one = turn(order, at_ns, "context_full" if beyond else None)
                one = msgspec.structs.replace(
                    one,
                    turn_id=f"{order.level} {user} {at_ns}",
                    user=order.level * 100_000 + user,
                    sent_ns=at_ns,
                    first_token_ns=None if beyond else at_ns + order.users * 10_000_000,
                    last_token_ns=None if beyond else at_ns + S,
                    tokens=None if beyond else 20,
                    not_held=11 - number if ends else 0,
                )
                on_line(one)
                number = 0 if ends else number
                at_ns += 5_000_000 if ends else S

    clock, orders = ManualClock(), list[LevelOrder]()
    plan = plan_of("capacity", {**VALUES, "most": "200", "slo": "p95 ttft_ms <= 400; failed_share <= 1%"})
    search: CapacitySearch

    def take(order: LevelOrder) -> None:
        orders.append(order)
        if order.users:
            play(order, search.on_line)
            drained = LevelLine(at_ns=order.end_ns, level=order.level, user=0)
            clock.later((order.end_ns - clock.now_ns()) / S, lambda: search.on_line(drained))

    search = CapacitySearch(plan, level_verdict, take, lambda words: None, clock)
    clock.run(search.run)
    return search


def test_a_short_context_changes_no_capacity_but_where_its_turns_count_as_failed() -> None:
    endless, short = searched(None).facts, searched(6).facts
    assert endless.users == short.users and 36 <= (endless.users or 0) <= 40
    assert endless.interval == short.interval
    assert [one.verdict for one in short.levels] == [one.verdict for one in endless.levels]
    assert searched(6, "fail").facts.users == 0, "as it was before --context-full"
