"""B against A on simulated conversations whose truth is known: false alarms, power, and what “same” promises.

Stated n: with 100 conversations of 10 turns a side, a 5 % change of speed is found in at least 90 % of cases; for
TTFT p50, which differs more from user to user (15 %) and turn to turn (25 %), with 800 conversations of 5 turns.
More rounds of the same simulation: docs/ab.md.
"""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest

from chatload.analysis.bootstrap import Quantile, Ranked, draws
from chatload.analysis.effects import Effect, Side, effects, overall
from chatload.analysis.goodput import conversations_of
from tests.render.chats import drawn_run

RESAMPLES = 100


def side(chance: random.Random, rounds: int = 1, drift: float = 0.0, **law: float) -> Side:
    held = []
    for _ in range(rounds):
        slower = law.get("slower", 1.0) * 2.718281828 ** chance.gauss(0, drift)
        held.append(tuple(conversations_of(drawn_run(chance, **{**law, "slower": slower}))))  # type: ignore[arg-type]
    return Side(tuple(held))


def compared(simulations: int, a: dict[str, float], b: dict[str, float], seed: int) -> list[list[Effect]]:
    chance = random.Random(seed)
    return [
        effects(side(chance, **a), side(chance, **b), 0.05, resamples=RESAMPLES, seed=number)  # type: ignore[arg-type]
        for number in range(simulations)
    ]


def alarms(found: list[list[Effect]]) -> int:
    return sum(any(one.verdict in ("better", "worse") for one in told) for told in found)


@pytest.mark.parametrize(
    "law", [{"users": 40, "turns": 5}, {"users": 100, "turns": 1}, {"users": 12, "turns": 5}], ids=str
)
def test_a_against_itself_raises_at_most_5_percent_false_alarms(law: dict[str, float]) -> None:
    """In any of the seven metrics."""
    assert alarms(compared(100, law, law, seed=21)) <= 5


def test_what_drifts_between_rounds_is_no_effect() -> None:
    law = {"users": 15, "turns": 4, "rounds": 4, "drift": 0.04}
    assert alarms(compared(80, law, law, seed=22)) <= 4


@pytest.fixture(scope="module")
def five_percent() -> list[list[Effect]]:
    return compared(30, {}, {"slower": 1.05}, seed=23)


def test_a_5_percent_change_is_found_at_the_stated_n(five_percent: list[list[Effect]]) -> None:
    told = Counter((one.metric, one.verdict) for found in five_percent for one in found)
    for metric in ("tpot_ms_p50", "decode_tokens_per_s_p50", "felt_tokens_per_s_p50"):
        assert told[metric, "worse"] >= 0.9 * len(five_percent)
    assert [overall(found) for found in five_percent].count("worse") >= 0.9 * len(five_percent)
    assert not [key for key in told if key[1] == "better"]


def test_same_is_said_of_a_change_of_the_margin_in_at_most_5_percent(
    five_percent: list[list[Effect]],
) -> None:
    for metric in ("ttft_ms_p50", "tpot_ms_p50", "decode_tokens_per_s_p50"):
        told = [one.verdict for found in five_percent for one in found if one.metric == metric]
        assert told.count("same") <= 0.05 * len(told)


def test_same_is_said_of_the_same_at_the_stated_n() -> None:
    found = compared(10, {}, {}, seed=24)
    told = [one.verdict for one_by_one in found for one in one_by_one if one.metric == "tpot_ms_p50"]
    assert told.count("same") >= 0.9 * len(told)


def test_a_5_percent_change_of_ttft_is_found_at_its_stated_n() -> None:
    law = {"users": 800, "turns": 5}
    found = compared(12, law, {**law, "slower": 1.05}, seed=25)
    told = [one.verdict for one_by_one in found for one in one_by_one if one.metric == "ttft_ms_p50"]
    assert told.count("worse") >= 0.9 * len(told)


def test_failures_are_told_as_points_and_quick_refusals_do_not_hide() -> None:
    chance = random.Random(5)
    found = effects(side(chance), side(chance, failing=0.3), 0.05, resamples=RESAMPLES)[-1]
    assert found.metric == "failed_share"
    assert found.verdict == "worse"
    assert found.interval is not None
    assert found.interval[0] < 0.3 < found.interval[1]


def effect(metric: str, verdict: str, a: float = 1.0, b: float = 1.0) -> Effect:
    return Effect(metric, metric, "", a, b, 1.0, None, verdict)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ttft", "speed", "failed", "whole"),
    [
        ("better", "undecided", "same", "better"),
        ("worse", "same", "same", "worse"),
        ("better", "worse", "undecided", "mixed"),
        ("better", "better", "undecided", "undecided"),
        ("worse", "worse", "undecided", "undecided"),
        ("better", "same", "worse", "mixed"),
        ("same", "same", "better", "better"),
        ("same", "same", "same", "same"),
        ("same", "undecided", "same", "undecided"),
    ],
)
def test_nothing_is_better_or_worse_while_the_failed_turns_are_undecided(
    ttft: str, speed: str, failed: str, whole: str
) -> None:
    found = [
        effect("ttft_ms_p50", ttft),
        effect("tpot_ms_p50", speed),
        effect("failed_share", failed, 0.1, 0.2),
    ]
    assert overall(found) == whole
    turned = {"better": "worse", "worse": "better"}
    back = [effect(one.metric, turned.get(one.verdict, one.verdict), 0.2, 0.1) for one in found]
    assert overall(back) == turned.get(whole, whole)


def test_that_none_failed_decides_nothing() -> None:
    none = effect("failed_share", "undecided", 0.0, 0.0)
    assert overall([effect("ttft_ms_p50", "better"), none]) == "better"
    assert overall([effect("ttft_ms_p50", "same"), none]) == "same"


def test_too_few_conversations_or_turns_decide_nothing() -> None:
    chance = random.Random(6)
    few = effects(side(chance, users=9), side(chance, users=100, slower=3), 0.05, resamples=RESAMPLES)
    assert {one.verdict for one in few if one.unit != "%"} == {"undecided"}
    assert "9 conversations, 10 needed" in few[0].remark
    p95 = effects(
        side(chance, users=12, turns=2), side(chance, users=12, turns=2), 0.05, resamples=RESAMPLES
    )[1]
    assert "24 turns, 72 needed" in p95.remark
    assert overall(effects(Side(()), Side(()), 0.05, resamples=2)) == "undecided"


def test_1000_turns_and_2000_resamples_take_seconds() -> None:
    chance = random.Random(7)
    sides = side(chance), side(chance)
    began = time.process_time()
    effects(*sides, 0.05, resamples=2000)
    assert time.process_time() - began < 10.0


def test_quantile_of_a_resample_is_that_of_the_values_drawn_out() -> None:
    """Against the plain way: write every value as often as its conversation was drawn, sort, take the least."""
    chance = random.Random(8)
    conversations = [[chance.lognormvariate(0, 1) for _ in range(chance.randint(0, 9))] for _ in range(200)]
    ranked = Ranked.of(conversations)
    for p in (0.05, 0.5, 0.95, 0.999):
        quantile = Quantile(ranked, p, len(conversations))
        for weights in draws([120, 80], 30, seed=3):
            assert sum(weights[:120]) == 120
            drawn = sorted(
                value for n, values in zip(weights, conversations, strict=True) for value in values * n
            )
            rank = next(i for i in range(1, len(drawn) + 1) if i >= p * len(drawn) - 1e-9)
            assert quantile.of(weights) == drawn[rank - 1]
    assert Quantile(Ranked.of([[]]), 0.5, 1).of([1]) is None
