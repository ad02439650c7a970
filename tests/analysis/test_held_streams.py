"""No gate passes by what a proxy hides."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatload.analysis.exit_code import code_of
from chatload.analysis.gate import gate
from chatload.analysis.goodput import keeps_all
from chatload.analysis.held_streams import held_words
from chatload.analysis.slo_verdict import NOT_MEASURABLE
from chatload.analysis.summary import summarise
from chatload.model.summary import HeldStreams, Summary
from chatload.model.turn import Turn
from chatload.render.junit import junit_xml
from chatload.render.run_verdict import headline
from chatload.render.text import report_text
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.runs_builder import Shape, good_turns, manifest_of, user_lines, write_run

SHAPE = Shape(users=10, turns=6, users_per_s=40.0, tokens=24, ttft_ms=40.0, first_byte_ms=15.0)
HIDDEN = (
    "p50 tpot_ms <= 1000", "p50 decode_tokens_per_s >= 1", "p50 felt_tokens_per_s >= 1", "p50 max_gap_ms <= 9000",
    "max longest_stall_ms <= 9000", "reading_underrun_ms <= 90000; goodput >= 1%", "stalled_share <= 99%",
)  # fmt: skip


def run_of(folder: Path, slo: str, held_users: int) -> tuple[Run, Summary]:
    """A run with replies of `held_users` held: three bursts of eight, 160 ms apart."""
    gaps = ([0] * 7 + [160_000]) * 3
    turns = [
        replace(
            turn,
            events=24,
            coalesced=21,
            gaps_us=tuple(gaps[:-1]),
            last_token_ns=(turn.first_token_ns or 0) + 320_000_000,
            end_ns=(turn.first_token_ns or 0) + 320_000_000,
        )
        if turn.user < held_users
        else turn
        for turn in good_turns(SHAPE)
    ]
    manifest = manifest_of(SHAPE, turns)
    manifest["plan"]["slo"] = slo.split("; ")
    run = read_run(write_run(folder, manifest, turns, user_lines(turns)))
    return run, summarise(run)


@pytest.mark.parametrize("slo", HIDDEN)
def test_an_slo_on_what_is_hidden_is_not_passed(tmp_path: Path, slo: str) -> None:
    run, summary = run_of(tmp_path, slo, 10)
    verdict = summary.slo[-1]
    assert (verdict.verdict, verdict.unsure, verdict.turns) == ("undecided", NOT_MEASURABLE, 0)
    assert code_of(run, summary) == (4, f"Not measurable here: {verdict.slo}.")
    found = gate(run, summary)
    assert (found.code, found.passes(verdict)) == (4, False)
    assert "not measurable here" in junit_xml(found)


@pytest.mark.parametrize(("held_users", "code"), [(0, 0), (1, 0), (2, 4)])
def test_more_than_a_tenth_of_held_replies_decides(tmp_path: Path, held_users: int, code: int) -> None:
    assert code_of(*run_of(tmp_path, "p50 tpot_ms <= 1000", held_users))[0] == code


def test_a_held_turn_is_neither_good_nor_bad(tmp_path: Path) -> None:
    """Six of sixty: goodput is that of the others."""
    run, summary = run_of(tmp_path, "p95 ttft_ms <= 500; p95 tpot_ms <= 0.001", 1)
    assert summary.goodput is not None
    assert summary.goodput.turns == 0.0
    held_turn = next(turn for turn in run.turns if turn.user == 0)
    plan = run.manifest.plan
    assert plan is not None
    assert keeps_all(plan.slo)(held_turn) is None
    assert keeps_all(plan.slo[:1])(held_turn) is True


def test_what_a_proxy_does_not_hide_is_decided(tmp_path: Path) -> None:
    run, summary = run_of(tmp_path, "p50 ttft_ms <= 500; p50 e2e_ms <= 9000; failed_share <= 1%", 10)
    assert {one.verdict for one in summary.slo} == {"met"}
    assert code_of(run, summary)[0] == 0


def test_no_sentence_says_that_they_hold(tmp_path: Path) -> None:
    run, summary = run_of(tmp_path, "p50 ttft_ms <= 500", 10)
    words = " ".join(report_text(run, summary).split())
    assert "a proxy in between holds the stream: speeds are not measurable here" in headline(run, summary)
    assert "proxy_buffering off" in words
    assert "http-no-delay" in words
    assert "hold," not in words.replace("holds", "")
    for key in ("tpot_ms", "decode_tokens_per_s", "felt_tokens_per_s", "max_gap_ms", "gap_ms"):
        assert summary.metric(key).n == 0


def in_one_event(turn: Turn) -> Turn:
    """The turn as a gateway that does not stream sends it."""
    at_ns = turn.first_token_ns
    return replace(
        turn, events=1, coalesced=0, gaps_us=(), last_token_ns=at_ns, end_ns=at_ns, first_event_tokens=turn.tokens,
        first_event_source="share_of_text",
    )  # fmt: skip


def test_replies_in_one_event_are_held_and_no_sentence_claims_their_tpot(tmp_path: Path) -> None:
    turns = [in_one_event(turn) for turn in good_turns(SHAPE)]
    run = read_run(write_run(tmp_path, manifest_of(SHAPE, turns), turns, user_lines(turns)))
    summary = summarise(run)
    words = " ".join(summary.warnings)
    assert "60 of 60 replies came in bursts of 1 event," in words
    assert "TPOT of those" not in words
    assert "came whole" not in words, "it is said once"
    assert summary.metric("felt_tokens_per_s").n == summary.metric("tpot_ms").n == 0
    assert summary.metric("ttft_ms").n == 60


@pytest.mark.parametrize(("apart_ms", "said"), [(160.0, True), (None, False)])
def test_a_reply_in_one_burst_tells_no_size_of_a_buffer(apart_ms: float | None, said: bool) -> None:
    found = HeldStreams(replies=2, judged=35, events=20, bytes=7992, apart_ms=apart_ms, span=None)
    assert ("as a buffer of 8,192" in held_words(found)) == said
