"""Think times: how they are written, their laws, and that a seed repeats them."""

from __future__ import annotations

from statistics import fmean, pstdev

import msgspec
import pytest

from chatload.loads.capacity import CapacityLoad
from chatload.loads.chat import ChatLoad
from chatload.loads.registry import SHAPES
from chatload.loads.think_time import THINK_TIME, phase_s, thinking
from chatload.model.errors import UsageError
from chatload.options.distribution import Distribution, exponential, read_distribution
from chatload.options.option import InvalidValue
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import whole
from tests.long import size
from tests.plans import plan_of

N = size(20_000, 10_000)


def drawn(think: Distribution, n: int = N) -> list[float]:
    return [think.drawn(f"seed {number}") for number in range(n)]


@pytest.mark.parametrize(
    ("text", "words", "think"),
    [
        ("2", "2 s", Distribution(2.0, "constant", 2.0)),
        ("0", "0 s", Distribution(0.0, "constant", 0.0)),
        ("exp 2", "2 s (exponential)", Distribution(2.0, "exponential", 0.05)),
        ("EXP  0.2", "0.2 s (exponential)", Distribution(0.2, "exponential", 0.02)),
        ("1..3", "1 to 3 s (uniform)", Distribution(2.0, "uniform", 1.0)),
        ("0.5 .. 1", "0.5 to 1 s (uniform)", Distribution(0.75, "uniform", 0.5)),
        ("2±0.5", "2±0.5 s (normal)", Distribution(2.0, "normal", 0.05, 0.5)),
        ("normal 2+-0.5", "2±0.5 s (normal)", Distribution(2.0, "normal", 0.05, 0.5)),
        ("lognormal 2±1", "2±1 s (lognormal)", Distribution(2.0, "lognormal", 0.05, 1.0)),
        ("lognormal(2, 1)", "2±1 s (lognormal)", Distribution(2.0, "lognormal", 0.05, 1.0)),
        (
            "lognormal 2 4 at most 9 at least 1",
            "2±4 s (lognormal, at least 1, at most 9)",
            Distribution(2.0, "lognormal", 1.0, 4.0, 9.0),
        ),
        ("exp 2 at most 5", "2 s (exponential, at most 5)", Distribution(2.0, "exponential", 0.05, most=5.0)),
    ],
)
def test_a_think_time_is_a_number_or_drawn(text: str, words: str, think: Distribution) -> None:
    assert THINK_TIME.parse(text) == think
    assert think.words("s") == words
    assert THINK_TIME.parse(think.text) == think


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "-1",
        "exp",
        "exp2",
        "exp -2",
        "exp nan",
        "1..",
        "..3",
        "1..2..3",
        "1e9",
        "2±",
        "lognormal",
        "2±x",
        "2,5",
        "2 5",
        "(2, 5)",
    ],
)
def test_everything_else_is_a_mistake(text: str) -> None:
    with pytest.raises(InvalidValue, match="a number from 0 to 86,400 such as 2, or drawn: 'exp 2'"):
        THINK_TIME.parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3..1", r"1\.\.3"),
        ("2 at most 3", "go with exp, normal and lognormal only"),
        ("exp 2 at most 3 at most 4", "has “at most” twice"),
        ("exp 1 at least 2", "its mean is below its least"),
        ("2±0", "must be more than 0"),
        ("lognormal 0±1", "must be more than 0"),
        ("2±1 at least 3 at most 3", "must be more than its least"),
        ("2±0.1 at least 3", "too little to draw from"),
    ],
)
def test_a_law_that_cannot_be_drawn_says_why(text: str, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        THINK_TIME.parse(text)


@pytest.mark.parametrize(
    ("text", "mean", "spread", "median"),
    [
        ("2±0.5", 2.0, 0.5, 2.0),
        ("lognormal 2±1 at least 0", 2.0, 1.0, 2.0 / 1.25**0.5),
        ("lognormal 20±40 at least 0", 20.0, 40.0, 20.0 / 5**0.5),
    ],
)
def test_normal_and_lognormal_ones_have_their_mean_spread_and_median(
    text: str, mean: float, spread: float, median: float
) -> None:
    """A lognormal median is mean / sqrt(1 + (spread / mean)²)."""
    law = THINK_TIME.parse(text)
    n = size(200_000, 50_000)
    times = [law.at((place + 0.5) / n) for place in range(n)]
    assert fmean(times) == pytest.approx(mean, rel=0.002)
    assert pstdev(times) == pytest.approx(spread, rel=0.03)
    assert law.at(0.5) == pytest.approx(median, rel=1e-3)
    assert law.average == pytest.approx(mean, rel=0.02)


def test_what_lies_beyond_the_ends_is_drawn_anew() -> None:
    """exp(1) cut at ln 2 keeps its lower half: mean = 1 − ln 2; nothing gathers at the end."""
    half = Distribution(1.0, "exponential", 0.0, most=0.6931471805599453)
    times = drawn(half)
    assert max(times) < 0.69315
    assert fmean(times) == pytest.approx(1 - 0.693147, rel=0.03)
    assert half.average == pytest.approx(1 - 0.693147, rel=1e-3)
    assert sum(time > 0.69 for time in times) / N < 0.01
    assert min(drawn(THINK_TIME.parse("2±2 at least 1"))) >= 1.0


def test_lengths_in_tokens_are_written_the_same_way() -> None:
    law = read_distribution("lognormal 100±50 at most 400", whole(1, 4096))
    assert (law.least, law.most, law.text) == (1.0, 400.0, "lognormal 100±50 at least 1 at most 400")
    with pytest.raises(InvalidValue, match="a whole number from 1 to 4,096 such as 2"):
        read_distribution("exp 0.5", whole(1, 4096))


def test_an_exponential_one_has_its_mean_its_spread_and_its_least() -> None:
    """least + Exp(mean − least): the standard deviation is mean − least."""
    times = drawn(exponential(2.0))
    assert fmean(times) == pytest.approx(2.0, rel=0.03)
    assert pstdev(times) == pytest.approx(1.95, rel=0.03)
    assert 0.05 <= min(times) < 0.051
    below_the_mean = sum(time < 2.0 for time in times) / N
    assert below_the_mean == pytest.approx(1 - 1 / 2.718281828, abs=0.015)


def test_a_uniform_one_is_as_often_in_each_quarter() -> None:
    times = drawn(Distribution(2.0, "uniform", 1.0))
    assert min(times) >= 1.0
    assert max(times) <= 3.0
    for quarter in range(4):
        assert sum(quarter / 2 <= time - 1 < quarter / 2 + 0.5 for time in times) / N == pytest.approx(
            0.25, abs=0.02
        )


def test_a_seed_repeats_them_and_users_and_turns_differ() -> None:
    load = ChatLoad(turns=3, **thinking(exponential(2.0)))
    times = [load.think_s(1, user, turn) for user in range(50) for turn in range(3)]
    assert times == [load.think_s(1, user, turn) for user in range(50) for turn in range(3)]
    assert len(set(times)) == 150
    assert times != [load.think_s(2, user, turn) for user in range(50) for turn in range(3)]


def test_a_phase_is_a_share_of_a_think_time() -> None:
    constant = Distribution(2.0, "constant", 2.0)
    phases = [phase_s(constant, f"{number}") for number in range(N)]
    assert min(phases) >= 0.0
    assert max(phases) < 2.0
    assert fmean(phases) == pytest.approx(1.0, rel=0.03)


def test_the_end_of_a_turn_may_be_noticed_late_only_where_nobody_answers_at_once() -> None:
    def pauses(text: str) -> bool:
        return ChatLoad(turns=1, **thinking(THINK_TIME.parse(text))).pauses

    assert (pauses("2"), pauses("exp 2"), pauses("1..3")) == (True, True, True)
    assert (pauses("0.01"), pauses("exp 0.1"), pauses("0..3")) == (False, False, False)


def test_the_plan_says_it() -> None:
    load = ChatLoad(users=100, users_per_s=10.0, turns=10, **thinking(exponential(2.0)))
    assert load.sentence() == "100 users over 10 s, 10 turns each, 2 s (exponential) after each reply"
    assert load.bounds() == "1,000 turns, at least 28 s on average"
    constant = ChatLoad(users=100, users_per_s=10.0, turns=10, think_time_s=2.0)
    assert constant.sentence().endswith("2 s after each reply")
    assert constant.bounds() == "1,000 turns, at least 28 s"


def test_a_capacity_search_draws_them_by_default_and_a_chat_does_not() -> None:
    capacity, _ = SHAPES["capacity"].read(OptionReader({"slo": "p95 ttft_ms <= 500"}))
    chat, _ = SHAPES["chat"].read(OptionReader({}))
    assert isinstance(capacity, CapacityLoad)
    assert isinstance(chat, ChatLoad)
    assert capacity.think_time == exponential(2.0)
    assert "2 s (exponential) after each reply" in capacity.sentence()
    assert chat.think_time == Distribution(2.0, "constant", 2.0)


WARMUPS: list[tuple[str, dict[str, str], str]] = [
    ("chat", {"turns": "2", "warmup": "2 turns"}, "each user holds 2 turns in all: none would count"),
    ("sweep", {"rounds": "2", "warmup": "2 turns"}, "each level has 2 --rounds in all: none would count"),
    ("open_loop", {"requests": "5", "warmup": "5 turns"}, "there are 5 requests in all: none would count"),
    ("capacity", {"warmup": "1 turn"}, "in a capacity search give a time, such as 30s"),
    (
        "visitors",
        {"warmup": "1 turn"},
        "with visitors give a time, such as 30s: long enough for the first ones",
    ),
    ("visitors", {"rate_steps": "1/s 60s", "warmup": "1m"}, "no visitor arrives later: none would count"),
    ("chat", {"warmup": "soon"}, "must be a time such as 30s"),
    ("chat", {"warmup": "0 turns"}, "or '2 turns'"),
]


@pytest.mark.parametrize(("kind", "values", "words"), WARMUPS)
def test_a_warm_up_that_leaves_nothing_is_a_mistake(kind: str, values: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan_of(kind, {"host": "http://gpu", "slo": "failed_share <= 1%", **values})


def test_the_plan_says_what_its_warm_up_is() -> None:
    plan = plan_of("chat", {"host": "http://gpu", "turns": "3", "warmup": "1 turn"})
    assert plan.sentence().endswith("Warm-up, counted nowhere: the first 1 turn.")
    assert plan_of("chat", {"host": "http://gpu", "warmup": "2m"}).warmup.words == "the first 120 s"


def test_a_manifest_keeps_it_and_an_older_one_has_a_constant_one() -> None:
    load = ChatLoad(turns=3, **thinking(Distribution(2.0, "uniform", 1.0)))
    assert msgspec.json.decode(msgspec.json.encode(load), type=ChatLoad).think_time == Distribution(
        2.0, "uniform", 1.0
    )
    older = msgspec.json.decode(b'{"kind": "chat", "turns": 3, "think_time_s": 2.0}', type=ChatLoad)
    assert older.think_time == Distribution(2.0, "constant", 2.0)
