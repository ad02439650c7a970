"""SLOs against runs: the right verdict where it is known, and none where n cannot tell."""

from __future__ import annotations

import math
import random

import pytest

from chatload.analysis.block_interval import quantile_estimate
from chatload.analysis.sample import samples
from chatload.analysis.slo_verdict import level_verdict, unsure, verdicts_of, worst
from chatload.analysis.summary import summarise
from chatload.loads.chat import ChatLoad
from chatload.model.metrics import ttft_ms
from chatload.model.slo import read_objectives
from chatload.model.turn import Turn
from chatload.model.verdict import Goodput, SloVerdict
from chatload.render.slo_words import interval_words, remark, score, value_words
from chatload.render.text import report_text
from chatload.store.journal import read_run
from tests.changes import replace
from tests.render.chats import drawn_run
from tests.runs_builder import HERE, Shape, as_failed, good_turns, manifest_of, with_gap, write_run

LOAD = ChatLoad(users=6, users_per_s=10.0, turns=12, think_time_s=2.0)
"""For up to so many users; `samples` asks only that they came."""


def judged(turns: list[Turn], words: str) -> tuple[SloVerdict, ...]:
    objectives, mistakes = read_objectives(words)
    assert not mistakes
    return verdicts_of(turns, objectives, LOAD)


def chat(seed: int = 1, users: int = 20, turns: int = 12) -> list[Turn]:
    """Good turns of a closed loop that is long enough for intervals."""
    return good_turns(Shape(seed=seed, users=users, turns=turns, tokens=8))


def plain(value: float, *, users: int = 200, turns: int = 1) -> list[Turn]:
    """Good turns whose TTFT is all the same, in ms."""
    shape = Shape(users=users, turns=turns, tokens=6)
    made = []
    for turn in good_turns(shape):
        assert turn.sent_ns is not None
        first_ns = turn.sent_ns + round(value * 1e6)
        last_ns = first_ns + sum(turn.gaps_us) * 1000
        made.append(replace(turn, first_token_ns=first_ns, last_token_ns=last_ns, end_ns=last_ns))
    return made


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("p95 ttft_ms <= 101", "met"),
        ("p95 ttft_ms <= 100", "met"),
        ("p95 ttft_ms <= 99", "missed"),
        ("p99 ttft_ms <= 101", "met"),
        ("p99 ttft_ms <= 2", "missed"),
        ("max ttft_ms <= 99", "missed"),
        ("max ttft_ms <= 101", "met"),
        ("failed_share <= 5%", "met"),
        ("failed_share <= 0%", "met"),
        ("failed_share <= 100%", "met"),
        ("p50 decode_tokens_per_s >= 1", "met"),
        ("p50 decode_tokens_per_s >= 5000", "missed"),
        ("stalled_share <= 5%", "met"),
        ("p95 longest_stall_ms <= 1000", "met"),
    ],
)
def test_known_verdicts(words: str, verdict: str) -> None:
    assert judged(plain(100.0), words)[0].verdict == verdict


@pytest.mark.parametrize(
    ("words", "verdict", "sure"),
    [
        ("p50 ttft_ms <= 300", "met", True),
        ("p50 ttft_ms <= 40", "missed", True),
        ("p50 felt_tokens_per_s >= 2", "met", True),
        ("p50 felt_tokens_per_s >= 900", "missed", True),
        ("p50 ttft_ms <= 125", "met", False),
        ("p50 ttft_ms <= 119", "missed", False),
        ("p95 ttft_ms <= 9000", "met", True),
        ("failed_share <= 20%", "met", True),
        ("failed_share <= 0.5%", "met", False),
        ("goodput >= 10%; ttft_ms <= 120", "met", True),
        ("goodput >= 90%; ttft_ms <= 120", "missed", True),
        ("max ttft_ms <= 9000", "met", None),
        ("ttft_ms <= 120; goodput >= 1%", "part", None),
        ("conversation_goodput >= 1%; ttft_ms <= 9000", "met", False),
    ],
)
def test_the_value_decides_and_the_interval_says_how_sure(
    words: str, verdict: str, sure: bool | None
) -> None:
    found = judged(chat(), words)[0]
    assert (found.verdict, found.sure) == (verdict, sure), found
    assert bool(found.unsure) == (sure is False)
    assert (found in unsure([found])) == (sure is False)


def test_the_interval_is_that_of_the_rule() -> None:
    """Oracle: blocks of time of the turns due with all users in."""
    turns, found = chat(), judged(chat(), "p50 ttft_ms <= 122; failed_share <= 5%")
    figures = samples(turns, LOAD).figures
    values, block = figures.values(turns, ttft_ms)
    assert figures.blocks is not None
    told = quantile_estimate(values, block, figures.blocks, 0.5)
    assert (found[0].value, found[0].interval, found[0].window) == (
        told.value, (told.low, told.high), "all users in",
    )  # fmt: skip
    assert (found[0].turns, found[1].turns, found[1].window) == (len(figures.index), 240, "whole run")
    assert len(figures.index) < 240


def test_what_is_not_sure_says_what_would_make_it_so() -> None:
    near, end, none = judged(chat(), "p50 ttft_ms <= 126; p95 ttft_ms <= 260; failed_share <= 1%")
    assert near.interval is not None and near.value is not None and near.interval[1] is not None
    factor = (math.log(near.interval[1] / near.value) / math.log(126 / near.value)) ** 2
    assert near.unsure == (
        f"the interval holds the limit: about {math.ceil(12 * factor)} turns a user (now 12) would tell"
    )
    assert end.sure, "its upper end is known here"
    short = judged(chat(turns=4), "p95 ttft_ms <= 260")[0]
    assert (short.verdict, short.sure, short.interval) == ("met", False, None)
    assert short.unsure.startswith("too short for an interval: ")
    assert short.unsure.endswith("(5 turn cycles): hold more turns a user")
    (lacking,) = judged(chat(users=6, turns=14), "p95 ttft_ms <= 260")
    assert lacking.interval is not None and lacking.interval[1] is None
    assert lacking.unsure.startswith("too few turns for an upper end of the interval: about ")
    assert interval_words(lacking).startswith("≥ ")
    assert "the interval holds the limit: about " in none.unsure


def test_a_closer_limit_takes_a_longer_run() -> None:
    needed = [
        int(
            judged(chat(), f"p50 ttft_ms <= {limit}")[0].unsure.split("about ")[1].split()[0].replace(",", "")
        )
        for limit in (126, 128, 130)
    ]
    assert needed == sorted(needed, reverse=True) and needed[0] > needed[-1] > 12


def test_a_percentile_of_too_few_turns_decides_and_is_not_shown() -> None:
    for n, shown in ((71, "n<72"), (72, "100 ms")):
        (found,) = judged(plain(100.0, users=n), "p95 ttft_ms <= 50")
        assert (found.verdict, value_words(found)) == ("missed", shown)
    (found,) = judged(plain(100.0, users=5), "max ttft_ms <= 50")
    assert value_words(found) == "100 ms", "the worst turn is a fact"


def test_the_window_can_be_the_whole_run() -> None:
    objectives, _ = read_objectives("p95 ttft_ms <= 200")
    (found,) = verdicts_of(chat(), objectives, LOAD, "whole")
    assert (found.window, found.turns) == ("whole run", 240)


def test_a_level_of_a_search_is_decided_however_small() -> None:
    """56 turns of no failure cannot prove 1 %; that alone leaves no level unsure."""
    objectives, _ = read_objectives("failed_share <= 1%; p50 ttft_ms <= 400")
    turns = [replace(turn, group="8 users") for turn in chat(users=8, turns=12)]
    assert level_verdict(turns, objectives)[:2] == ("met", True)
    one = [as_failed(turns[0], "http_5xx", ""), *turns[1:]]
    assert level_verdict(one, objectives)[:2] == ("missed", False)
    slow, _ = read_objectives("failed_share <= 1%; p50 ttft_ms <= 10")
    assert level_verdict(turns, slow)[:2] == ("missed", True)
    both, _ = read_objectives("p50 ttft_ms <= 10; p95 ttft_ms <= 199")
    told = level_verdict(turns, both)
    assert [one.sure for one in told[2] if one.verdict == "missed"].count(True) >= 1
    assert told[:2] == ("missed", True), "one that is surely missed is enough"
    assert level_verdict(chat(users=8, turns=3), objectives)[:2] == ("met", False), (
        "too short for an interval"
    )
    assert level_verdict([], objectives)[0] == "missed", "nobody answered"


def test_failed_turns_are_endless_and_slow_to_the_last_token() -> None:
    turns = [as_failed(turn, "http_5xx", "") if turn.user % 5 == 0 else turn for turn in plain(100.0)]
    p95, p50, speed, most = judged(
        turns, "p95 ttft_ms <= 9999; p50 ttft_ms <= 101; p5 felt_tokens_per_s >= 0.01; max ttft_ms <= 9999"
    )
    assert (p95.verdict, p95.value) == ("missed", None)
    assert (p50.verdict, p50.value) == ("met", 100.0)
    assert (speed.verdict, speed.value) == ("missed", None)
    assert (most.verdict, most.value) == ("missed", None)
    assert value_words(p95) == "endless"
    assert value_words(speed) == "a failed turn"


def test_what_we_hung_up_on_ourselves_counts_nowhere() -> None:
    turns = plain(100.0)
    stopped = [as_failed(turn, "interrupted", "") for turn in turns[:50]]
    found = judged([*stopped, *turns[50:]], "failed_share <= 5%; max ttft_ms <= 101")
    assert [one.verdict for one in found] == ["met", "met"]
    assert found[0].turns == 150


def test_goodput_by_hand() -> None:
    """10 users of 10 turns: one user's every turn too slow, one turn of another failed, one turn stalled."""
    turns = plain(100.0, users=10, turns=10)
    by_user = {user: [turn for turn in turns if turn.user == user] for user in range(10)}
    by_user[0] = [replace(turn, sent_ns=(turn.sent_ns or 0) - 900_000_000) for turn in by_user[0]]
    by_user[1][3] = as_failed(by_user[1][3], "truncated", "")
    by_user[2][3] = with_gap(by_user[2][3], 1, 3_000_000)
    found = judged(
        [turn for held in by_user.values() for turn in held],
        "ttft_ms <= 500; longest_stall_ms <= 1000; goodput >= 1%; conversation_goodput >= 1%",
    )
    assert [one.value for one in found[2:]] == [pytest.approx(74 / 85), pytest.approx(7 / 10)]
    assert (found[2].turns, found[2].window) == (85, "all users in")
    assert (found[3].turns, found[3].window) == (10, "whole run")


def test_a_reply_broken_off_in_a_gap_has_stalled() -> None:
    turns = plain(100.0)
    broken = [as_failed(turn, "timeout_gap", "") for turn in turns[:40]]
    refused = [as_failed(turn, "http_429", "") for turn in turns[40:80]]
    found = judged([*broken, *refused, *turns[80:]], "stalled_share <= 1%")[0]
    assert (found.value, found.turns, found.verdict) == (40 / 160, 160, "missed")


def test_reading_underrun_of_a_fast_reader() -> None:
    turns = plain(100.0)  # 50 tokens/s
    slow, fast = judged(turns, "p90 reading_underrun_ms <= 1; p90 reading_underrun_ms@1000 <= 1")
    assert (slow.verdict, fast.verdict) == ("met", "missed")


def test_a_percentile_well_within_its_limit_is_met() -> None:
    objectives, _ = read_objectives("p95 ttft_ms <= 220; p95 ttft_ms <= 120")
    chance = random.Random(4)
    told = [[one.verdict for one in verdicts_of(drawn_run(chance), objectives)] for _ in range(10)]
    assert told == [["met", "missed"]] * 10


def test_the_worst_verdict_and_the_score() -> None:
    found = judged(chat(), "p50 ttft_ms <= 300; p50 ttft_ms <= 119; p95 ttfa_ms <= 9")
    assert (worst(found), worst(found[:1]), worst([])) == ("missed", "met", "part")
    assert score(found) == "3 SLOs: 2 missed, 1 met (1 unsure)"
    silent = [replace(turn, first_answer_ns=None) for turn in chat()]
    assert worst(judged(silent, "p50 ttft_ms <= 300; p95 ttfa_ms <= 9")) == "undecided"


def test_the_plan_of_the_manifest_names_them_and_the_report_shows_them(tmp_path: object) -> None:
    shape = Shape(users=200, turns=1, tokens=6)
    manifest = manifest_of(shape, plain(100.0))
    manifest["plan"]["slo"] = ["p95 ttft_ms <= 99", "p99 ttft_ms <= 101", "ttft_ms <= 200", "goodput >= 50%"]
    folder = HERE.__class__(str(tmp_path)) / "run"
    summary = summarise(read_run(write_run(folder, manifest, plain(100.0))))
    assert [one.verdict for one in summary.slo] == ["missed", "met", "part", "met"]
    assert summary.goodput == Goodput(("ttft_ms <= 200",), 1.0, 1.0, "whole run")
    text = report_text(read_run(folder), summary)
    assert "missed  unsure  p95 ttft_ms <= 99" in text or "p95 ttft_ms <= 99" in text
    assert "Goodput: 100.0 % of the turns (whole run)" in text


def test_no_turns_decide_nothing() -> None:
    found = judged([], "p95 ttft_ms <= 5; failed_share <= 1%; max ttft_ms <= 4; ttft_ms <= 3; goodput >= 9%")
    assert {one.verdict for one in found} == {"undecided", "part"}
    assert {remark(one) for one in found} == {"no turn to judge by"}
    assert {interval_words(one) for one in found} == {""}
