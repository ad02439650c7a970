"""Where the first token's time went: parts add up to the mean TTFT of the same turns, what is not told is said."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from chatload.analysis.first_token import (
    AFTER_HEADERS,
    HEADERS,
    IN_SERVER,
    OUTSIDE,
    PREFILL,
    QUEUE,
    REST,
    VALIDATION,
    over_load,
)
from chatload.analysis.summary import summarise
from chatload.model.first_token import FirstTokenTime
from chatload.model.metrics import ttft_ms
from chatload.model.turn import Turn
from chatload.protocols.metrics_page import read_page
from chatload.protocols.usage_fields import usage_of
from chatload.render.html import report_html
from chatload.render.markdown import summary_markdown
from chatload.render.text import report_text
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.runs_builder import START_NS, Shape, good_turns, manifest_of, user_lines, write_run

SHAPE = Shape(users=20, turns=10, tokens=20, ttft_ms=100.0, first_byte_ms=9.0)
S = 1_000_000_000
Line = dict[str, Any]
QUEUE_MS, PREFILL_MS, OUTSIDE_MS = 30.0, 20.0, 4.0


def page(turns: list[Turn], at_ns: int, others: int = 0) -> Line:
    """vLLM's page: queue and prefill are counted when a request ends, TTFT with its first token."""
    begun = [turn for turn in turns if turn.first_token_ns is not None and turn.first_token_ns <= at_ns]
    ended = len([turn for turn in turns if turn.end_ns <= at_ns]) + others
    return {
        "running": len(begun) - ended,
        "ttft_s": sum((ttft_ms(turn) or 0.0) - OUTSIDE_MS for turn in begun) / 1e3,
        "first_tokens": len(begun),
        "queue_s": QUEUE_MS * ended / 1e3,
        "queued": ended,
        "prefill_s": PREFILL_MS * ended / 1e3,
        "prefills": ended,
    }


def run_with(
    folder: Path,
    without: tuple[str, ...] = (),
    of_turn: Any = lambda turn: turn,
    others: Any = lambda at_s: 0,
) -> Run:
    turns = [of_turn(turn) for turn in good_turns(SHAPE)]
    last_s = (max(turn.end_ns for turn in turns) - START_NS) // S + 2
    lines = []
    for at_s in range(-1, last_s + 1, 2):
        at_ns = START_NS + at_s * S
        told = {key: one for key, one in page(turns, at_ns, others(at_s)).items() if key not in without}
        if len(told) > 0 and without != ("all",):
            lines.append({"kind": "server", "at_ns": at_ns, "worker": "local", "took_ms": 2.0, **told})
    return read_run(write_run(folder, manifest_of(SHAPE, turns), turns, [*user_lines(turns), *lines]))


def found_in(run: Run) -> FirstTokenTime:
    found = summarise(run).first_token
    assert found is not None
    return found


def test_parts_are_those_of_the_page_and_add_up(tmp_path: Path) -> None:
    run = run_with(tmp_path)
    found = found_in(run)
    assert found.part(QUEUE) == pytest.approx(QUEUE_MS, abs=0.01)
    assert found.part(PREFILL) == pytest.approx(PREFILL_MS, abs=0.01)
    assert found.part(OUTSIDE) == pytest.approx(OUTSIDE_MS, abs=0.01)
    assert found.part(IN_SERVER) == pytest.approx(
        found.ttft_ms - QUEUE_MS - PREFILL_MS - OUTSIDE_MS, abs=0.02
    )
    assert sum(one.ms for one in found.parts) == pytest.approx(found.ttft_ms, abs=0.01)
    assert found.stretch == "all users in" and not found.unknown and not found.doubt
    first_ns, last_ns = _readings_inside(run)
    same = [ttft_ms(turn) or 0.0 for turn in run.turns if first_ns < turn.end_ns <= last_ns]
    assert found.turns == len(same) and found.ttft_ms == pytest.approx(fmean(same), abs=0.001)
    assert found.headers_ms == pytest.approx(
        fmean(
            (turn.headers_ns - turn.sent_ns) / 1e6  # type: ignore[operator]
            for turn in run.turns
            if first_ns < turn.end_ns <= last_ns
        ),
        abs=0.001,
    )


def _readings_inside(run: Run) -> tuple[int, int]:
    """The first and the last reading while all users were in."""
    first = max(min(turn.due_ns for turn in run.turns if turn.user == user) for user in range(SHAPE.users))
    last = min(max(turn.end_ns for turn in run.turns if turn.user == user) for user in range(SHAPE.users))
    inside = [line.at_ns for line in run.server if first <= line.at_ns <= last]
    return inside[0], inside[-1]


def test_what_a_server_does_not_tell_is_said(tmp_path: Path) -> None:
    """TGI: a queue, and no TTFT and no prefill of its own."""
    run = run_with(tmp_path, ("ttft_s", "first_tokens", "prefill_s", "prefills"))
    found = found_in(run)
    assert [one.name for one in found.parts] == [QUEUE, REST]
    assert found.part(REST) == pytest.approx(found.ttft_ms - QUEUE_MS, abs=0.02)
    assert [words.partition(":")[0] for words in found.unknown] == [
        "the server tells no prefill time",
        "the server tells no TTFT of its own",
    ]
    text = report_text(run, summarise(run))
    assert "The server tells no prefill time: it is within “the rest”." in " ".join(text.split())


def test_without_a_page_the_client_s_own_instants_are_the_parts(tmp_path: Path) -> None:
    run = run_with(tmp_path, ("all",))
    found = found_in(run)
    assert [one.name for one in found.parts] == [HEADERS, AFTER_HEADERS]
    assert sum(one.ms for one in found.parts) == pytest.approx(found.ttft_ms, abs=0.01)
    assert "the server tells none of it" in found.unknown[0]
    assert "first token’s time" not in report_text(run, summarise(run))
    assert "first token’s time" in report_html([run], [summarise(run)])


def test_the_server_s_word_on_each_request_stands_above_its_page(tmp_path: Path) -> None:
    run = run_with(tmp_path, of_turn=lambda turn: replace(turn, server_queue_ms=7.0, server_prefill_ms=11.0))
    found = found_in(run)
    assert found.part(QUEUE) == pytest.approx(7.0) and found.part(PREFILL) == pytest.approx(11.0)
    assert {one.by for one in found.parts if one.name in (QUEUE, PREFILL)} == {"server, each request"}
    half = run_with(
        tmp_path / "half",
        of_turn=lambda turn: replace(turn, server_queue_ms=7.0 if turn.user % 2 else None),
    )
    assert found_in(half).part(QUEUE) == pytest.approx(QUEUE_MS, abs=0.01)


def test_requests_of_others_are_a_doubt(tmp_path: Path) -> None:
    assert not found_in(run_with(tmp_path / "few", others=lambda at_s: at_s // 20)).doubt
    found = found_in(run_with(tmp_path / "many", others=lambda at_s: 5 * at_s))
    assert "the parts are not of the same ones" in found.doubt


def test_time_before_the_request_was_sent_stands_beside(tmp_path: Path) -> None:
    run = run_with(tmp_path, of_turn=lambda turn: replace(turn, connect_ms=2.0, tls_ms=3.0))
    found = found_in(run)
    ended = [turn for turn in run.turns if turn.sent_ns is not None]
    late = fmean(((turn.sent_ns or 0) - turn.due_ns) / 1e6 for turn in ended)
    assert found.connect_ms == 5.0
    assert found.connect_ms + found.send_ms == pytest.approx(late, abs=0.1)


def test_over_time_each_stretch_adds_up(tmp_path: Path) -> None:
    run = run_with(tmp_path)
    words, loads = over_load(run)
    assert words == "time since the first turn was due (s)" and len(loads) > 3
    for one in loads:
        assert sum(part.ms for part in one.time.parts) == pytest.approx(one.time.ttft_ms, abs=0.01)
        assert one.time.part(QUEUE) == pytest.approx(QUEUE_MS, abs=0.01)


def test_it_is_in_every_report(tmp_path: Path) -> None:
    run = run_with(tmp_path)
    summary = summarise(run)
    for report in (report_text(run, summary), summary_markdown(run, summary), report_html([run], [summary])):
        assert [
            words for words in ("first token’s time", "prefill", "in the server") if words not in report
        ] == []


@pytest.mark.parametrize(
    ("event", "queue_ms", "prefill_ms"),
    [
        ({"metrics": {"queue_time_ms": 12.3, "time_to_first_token_ms": 85.2}}, 12.3, 85.2),
        ({"metrics": {"queue_time_ms": None, "time_to_first_token_ms": None}}, None, None),
        ({"metrics": None, "timings": {"prompt_ms": 9.5}}, None, 9.5),
        ({"metrics": "fast"}, None, None),
        ({"metrics": {"queue_time_ms": -1, "time_to_first_token_ms": 1e300}}, None, None),
        ({"metrics": {"queue_time_ms": True, "time_to_first_token_ms": "7"}}, None, None),
        ({}, None, None),
    ],
)
def test_times_of_one_request(event: Line, queue_ms: float | None, prefill_ms: float | None) -> None:
    """vLLM with --enable-per-request-metrics, in the usage event; llama.cpp's timings."""
    usage = usage_of({"usage": {"completion_tokens": 5, "prompt_tokens": 7}, **event})
    assert usage is not None and (usage.queue_ms, usage.prefill_ms) == (queue_ms, prefill_ms)
    assert (usage.completion_tokens, usage.prompt_tokens) == (5, 7)


def test_pages_name_the_validation_of_tgi() -> None:
    cases = Path(__file__).parents[1] / "cases" / "metrics"
    found = read_page((cases / "tgi-3.3.7-router__metrics_loaded.txt").read_bytes())
    assert found["validation_s"] == pytest.approx(0.001451802) and found["validated"] > 0
    assert VALIDATION == "validation"
