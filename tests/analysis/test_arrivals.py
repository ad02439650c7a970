"""Arrivals by rate: whether those who come pile up, in both directions, and what no figure counts."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatload.analysis.arrivals import rate_stages
from chatload.analysis.growth import Growth, growth, telling_s, with_growth
from chatload.analysis.summary import summarise
from chatload.analysis.window import Window
from chatload.loads.plan import Plan
from chatload.model.turn import Turn
from chatload.render.text import report_text
from chatload.store.journal import Run, read_run
from tests.long import size
from tests.plans import plan_of
from tests.runs_builder import START_NS, Shape, good_turns, manifest_of, turn_line, write_run

S = 1_000_000_000


def queue(rate: float, service_s: float, servers: int, seconds: float, seed: int) -> list[tuple[int, int]]:
    """Stays in a queue of Poisson arrivals and exponential service: stable where rate · service < servers."""
    drawn = random.Random(seed)
    free, stays, now = [0.0] * servers, [], 0.0
    while (now := now + drawn.expovariate(rate)) < seconds:
        place = min(range(servers), key=free.__getitem__)
        free[place] = max(now, free[place]) + drawn.expovariate(1 / service_s)
        stays.append((round(now * S), round(free[place] * S)))
    return stays


TRIES = size(100, 40)


@pytest.mark.parametrize(("per_s", "stay_s"), [(0.3, 35.0), (1.0, 35.0), (5.0, 10.0)])
def test_windows_as_long_as_that_show_a_stable_system_to_be_one(per_s: float, stay_s: float) -> None:
    """Independent stays; half as long, chance leaves most of them undecided."""
    length_s = telling_s(per_s, stay_s, 4)
    shown = {
        part: sum(
            sum(
                (_independent(per_s, stay_s, part * length_s, seed + i) for i in range(4)), Growth()
            ).is_shown_stable
            for seed in range(0, 4 * TRIES, 4)
        )
        for part in (0.5, 1.0)
    }
    assert shown[1.0] > 0.75 * TRIES and shown[0.5] < 0.6 * TRIES, shown


def _independent(per_s: float, stay_s: float, length_s: float, seed: int) -> Growth:
    drawn = random.Random(seed)
    stays, now = [], -8 * stay_s
    while (now := now + drawn.expovariate(per_s)) < length_s:
        stays.append((round(now * S), round((now + drawn.expovariate(1 / stay_s)) * S)))
    return growth(stays, Window(0, round(length_s * S)))


def test_present_and_arrived_are_those_of_the_quarters() -> None:
    """Window 0 … 8 s: one is there all the time, one comes at 1 s for 3 s, two come at 6 s and stay."""
    stays = [(-S, 20 * S), (S, 4 * S), (6 * S, 20 * S), (6 * S, 20 * S)]
    found = growth(stays, Window(0, 8 * S))
    assert (found.first, found.last, found.arrived) == (1.5, 3.0, 3.0)
    assert found + found == Growth(3.0, 6.0, 6.0)
    assert growth(stays, Window(0, 0)) == Growth()


@pytest.mark.parametrize("seed", range(size(20, 6)))
def test_a_queue_beyond_its_servers_grows_and_one_within_them_is_shown_stable(seed: int) -> None:
    """8 servers of 1 s: 12/s are too many, 4/s are not, over 200 s after 50 s."""
    window = Window(50 * S, 250 * S)
    over, within = (growth(queue(rate, 1.0, 8, 300, seed), window) for rate in (12.0, 4.0))
    assert over.grows and not over.is_shown_stable
    assert within.is_shown_stable and not within.grows


def test_a_stable_queue_is_called_growing_as_seldom_as_it_says() -> None:
    """At most 5 of 100 stable windows, with a half for chance."""
    grows = [
        growth(queue(4.0, 1.0, 8, 120, seed), Window(20 * S, 100 * S)).grows for seed in range(size(200, 80))
    ]
    assert sum(grows) <= size(15, 6)


def test_a_short_window_shows_nothing() -> None:
    found = growth(queue(4.0, 1.0, 8, 30, 1), Window(10 * S, 14 * S))
    assert not found.grows and not found.is_shown_stable
    assert with_growth("met", True, found) == ("met", False)
    assert with_growth("met", True, Growth(10, 40, 50)) == ("missed", True)
    assert with_growth("met", True, Growth(10, 22, 50)) == ("missed", False)
    assert with_growth("met", False, Growth(10, 10, 500)) == ("met", False)
    assert with_growth("met", True, Growth(10, 10, 500)) == ("met", True)
    assert with_growth("missed", False, Growth(10, 40, 50)) == ("missed", False)


@pytest.fixture
def run_of(tmp_path: Path) -> Callable[..., Run]:
    def make(kind: str, turns: list[Turn], /, **values: Any) -> Run:
        plan: Plan = plan_of(kind, {"host": "http://gpu", **values})
        manifest = manifest_of(Shape(), turns, format=3)
        manifest["plan"] = msgspec.to_builtins(plan)
        return read_run(write_run(tmp_path / "run", manifest, turns))

    return make


def held(user: int, turn: int, due_s: float, length_s: float) -> Turn:
    due_ns = START_NS + round(due_s * S)
    end_ns = due_ns + round(length_s * S)
    return Turn(
        turn_id=f"{user}-{turn}",
        request_id="r",
        user=user,
        turn=turn,
        due_ns=due_ns,
        sent_ns=due_ns,
        first_token_ns=due_ns + S // 10,
        last_token_ns=end_ns,
        end_ns=end_ns,
        tokens=10,
        token_source="usage",
        ok=True,
    )


def test_a_rate_that_is_too_much_is_said_and_one_that_is_not(run_of: Callable[..., Run]) -> None:
    """1/s for 100 s with replies of 1 s, then 2/s with replies that take ever longer."""
    turns = [held(user, 1, user, 1.0) for user in range(100)]
    turns += [held(100 + i, 1, 100 + i / 2, 1.0 + i / 4) for i in range(200)]
    run = run_of("open_loop", turns, rate_steps="1/s 100s, 2/s 100s")
    first, second = rate_stages(run)
    assert (first.words, first.seconds, first.arrived, first.done) == ("1/s", 100.0, 100, 99)
    assert first.growth is not None and first.growth.is_shown_stable
    assert second.growth is not None and second.growth.grows
    summary = summarise(run)
    (warning,) = [words for words in summary.warnings if "pile up" in words]
    assert warning.startswith("At 2/s requests pile up: ")
    text = report_text(run, summary)
    assert "they pile up" in text and " yes" in text


@pytest.mark.parametrize(("longer_s", "verdict"), [(0.0, "met"), (2.0, "undecided")])
def test_an_slo_is_not_met_where_visitors_pile_up(
    run_of: Callable[..., Run], longer_s: float, verdict: str
) -> None:
    """Visitors of one turn, 1/s: each stays 1 s, and `longer_s` more for each that came before."""
    turns = [held(user, 1, user, 1.0 + user * longer_s) for user in range(400)]
    turns += [held(user, 2, user + 1.5 + user * longer_s, 1.0) for user in range(400)]
    run = run_of(
        "visitors", turns, rate_steps="1/s 400s", arrivals="constant", turns="2", slo="p95 ttft_ms <= 500"
    )
    (slo,) = summarise(run).slo
    assert (slo.verdict, slo.value) == (verdict, 100.0)
    assert ("pile up" in slo.unsure) == (verdict == "undecided")


def test_no_figure_counts_the_warm_up(tmp_path: Path) -> None:
    """With the first two turns of each user marked, every sum is that of the run without them."""
    shape = Shape(turns=12, tokens=12, seed=6)
    turns = good_turns(shape)
    manifest = manifest_of(shape, turns)
    warm = [{**turn_line(turn), "warmup": True} for turn in turns if turn.turn <= 2]
    rest = [turn for turn in turns if turn.turn > 2]
    with_warmup = read_run(write_run(tmp_path / "warm", manifest, rest, warm))
    alone = read_run(write_run(tmp_path / "alone", manifest, rest))
    assert len(with_warmup.warmup) == 40 and with_warmup.turns == alone.turns
    a, b = summarise(with_warmup), summarise(alone)
    assert (a.metrics, a.steady, a.throughput, a.turns) == (b.metrics, b.steady, b.throughput, b.turns)
    assert (a.planned_turns, a.warmup, b.warmup) == (200, 40, 0)
    assert not a.incomplete and b.incomplete, "the warm-up was held, its turns are not missing"
    assert "40 turns, left out of every figure" in report_text(with_warmup, a)
    assert sorted(turn.turn_id for turn in with_warmup.every_turn) == sorted(turn.turn_id for turn in turns)


def test_a_run_of_nothing_but_warm_up_measured_nothing(tmp_path: Path) -> None:
    shape = Shape(users=2, turns=1)
    turns = good_turns(shape)
    warm = [{**turn_line(turn), "warmup": True} for turn in turns]
    run = read_run(write_run(tmp_path / "warm", manifest_of(shape, turns), [], warm))
    assert summarise(run).incomplete == ("Every turn was of the warm-up: nothing was measured.",)
