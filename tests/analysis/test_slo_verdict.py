"""SLOs against runs: the right verdict where it is known, and none where n cannot tell."""

from __future__ import annotations

import random

import pytest

from chatload.analysis.goodput import conversation_goodput, conversations_of, keeps_all, tally_of
from chatload.analysis.slo_verdict import verdicts_of, worst
from chatload.analysis.summary import summarise
from chatload.model.slo import limits_of_a_turn, read_objectives
from chatload.model.turn import Turn
from chatload.model.verdict import Goodput, SloVerdict
from chatload.render.slo_words import interval_words, remark, score, sentence, value_words
from chatload.render.text import report_text
from chatload.store.journal import read_run
from tests.changes import replace
from tests.render.chats import drawn_run
from tests.runs_builder import HERE, Shape, as_failed, good_turns, manifest_of, with_gap, write_run


def judged(turns: list[Turn], words: str) -> tuple[SloVerdict, ...]:
    objectives, mistakes = read_objectives(words)
    assert not mistakes
    return verdicts_of(turns, objectives)


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
        ("p99 ttft_ms <= 101", "undecided"),
        ("max ttft_ms <= 99", "missed"),
        ("max ttft_ms <= 101", "met"),
        ("failed_share <= 5%", "met"),
        ("failed_share <= 0%", "undecided"),
        ("failed_share <= 100%", "met"),
        ("p50 decode_tokens_per_s >= 1", "met"),
        ("p50 decode_tokens_per_s >= 5000", "missed"),
        ("stalled_share <= 5%", "met"),
        ("p95 longest_stall_ms <= 1000", "met"),
    ],
)
def test_known_verdicts(words: str, verdict: str) -> None:
    assert judged(plain(100.0), words)[0].verdict == verdict


def test_undecided_says_how_many_turns_would_tell() -> None:
    found = judged(plain(100.0), "p99 ttft_ms <= 101")[0]
    assert found.turns_needed == pytest.approx(368, abs=4)  # the least n of a p99
    assert "n too small: about 3" in sentence(found)


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
    limits = limits_of_a_turn(read_objectives("ttft_ms <= 500; longest_stall_ms <= 1000; goodput >= 1%")[0])
    conversations = conversations_of(turn for held in by_user.values() for turn in held)
    assert tally_of(conversations, keeps_all(limits)).share == pytest.approx(88 / 100)
    assert conversation_goodput(conversations, limits).share == pytest.approx(7 / 10)


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


@pytest.mark.parametrize("between", [0.0, 0.3])
def test_a_percentile_verdict_is_wrong_no_more_often_than_it_says(between: float) -> None:
    """The limit is the true p95 of the law: “met” and “missed” are both wrong, each in at most 2.5 %."""
    deviation = (between**2 + 0.25**2) ** 0.5
    limit_ms = 100.0 * 2.718281828 ** (1.6448536 * deviation)
    objectives, _ = read_objectives(f"p95 ttft_ms <= {limit_ms}")
    chance, rounds = random.Random(3), 100
    told = [
        verdicts_of(drawn_run(chance, users=40, turns=6, between=between), objectives)[0].verdict
        for _ in range(rounds)
    ]
    allowed = 0.025 * rounds + 2 * (0.025 * 0.975 * rounds) ** 0.5
    assert told.count("met") <= allowed
    assert told.count("missed") <= allowed


def test_a_percentile_well_within_its_limit_is_met() -> None:
    objectives, _ = read_objectives("p95 ttft_ms <= 220; p95 ttft_ms <= 120")
    chance = random.Random(4)
    told = [[one.verdict for one in verdicts_of(drawn_run(chance), objectives)] for _ in range(10)]
    assert told == [["met", "missed"]] * 10


def test_the_worst_verdict_and_the_score() -> None:
    found = judged(plain(100.0), "p95 ttft_ms <= 101; p99 ttft_ms <= 101")
    assert (worst(found), worst(found[:1]), worst([])) == ("undecided", "met", "part")
    assert score(found) == "2 SLOs: 1 undecided, 1 met"


def test_the_plan_of_the_manifest_names_them_and_the_report_shows_them(tmp_path: object) -> None:
    shape = Shape(users=200, turns=1, tokens=6)
    manifest = manifest_of(shape, plain(100.0))
    manifest["plan"]["slo"] = ["p95 ttft_ms <= 99", "p99 ttft_ms <= 101", "ttft_ms <= 200", "goodput >= 50%"]
    folder = HERE.__class__(str(tmp_path)) / "run"
    summary = summarise(read_run(write_run(folder, manifest, plain(100.0))))
    assert [one.verdict for one in summary.slo] == ["missed", "undecided", "part", "met"]
    assert summary.goodput == Goodput(("ttft_ms <= 200",), 1.0, 1.0)
    text = report_text(read_run(folder), summary)
    assert "missed     p95 ttft_ms <= 99" in text
    assert "n too small: about" in text
    assert "Goodput: 100.0 % of the turns" in text


def test_no_turns_decide_nothing() -> None:
    found = judged([], "p95 ttft_ms <= 5; failed_share <= 1%; max ttft_ms <= 4; ttft_ms <= 3; goodput >= 9%")
    assert {one.verdict for one in found} == {"undecided", "part"}
    assert {remark(one) for one in found} == {"no turn to judge by"}
    assert {interval_words(one) for one in found} == {""}
