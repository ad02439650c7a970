"""The join of what was said with what was: hand-made logs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatload.certify.client_errors import ClientAnswer, ServerAnswer, errors, server_answers, spread
from chatload.model.certificate import ErrorSpread

MS = 1_000_000


def test_the_error_of_ttft_is_the_sum_of_its_causes() -> None:
    said = {"a": ClientAnswer(sent_ns=0, first_token_ns=103 * MS, last_token_ns=203 * MS, gaps=4)}
    was = {"a": ServerAnswer(1 * MS, (101 * MS, 126 * MS, 151 * MS, 176 * MS, 201 * MS))}
    (found,) = errors(said, was)
    assert (found.request_ms, found.arrival_ms, found.ttft_ms) == (1.0, 2.0, 3.0)
    assert (found.last_ms, found.gap_ms, found.speed_percent) == (2.0, 0.0, 0.0)


def test_a_stretched_reply() -> None:
    said = {"a": ClientAnswer(sent_ns=0, first_token_ns=100 * MS, last_token_ns=210 * MS, gaps=4)}
    (found,) = errors(said, {"a": ServerAnswer(0, tuple(ms * MS for ms in (100, 125, 150, 175, 200)))})
    assert found.gap_ms == 2.5
    assert found.speed_percent == pytest.approx(-100 / 11)


def test_a_single_token_has_no_gap() -> None:
    (found,) = errors({"a": ClientAnswer(0, 5, 5, 0)}, {"a": ServerAnswer(0, (4,))})
    assert (found.gap_ms, found.speed_percent) == (None, None)


def test_answers_that_only_one_side_knows_are_left_out() -> None:
    assert errors({"a": ClientAnswer(0, 1, 2, 1)}, {"b": ServerAnswer(0, (1,))}) == []


def line(**changes: Any) -> str:
    events = {"sent_ns": [10, 10, 20], "tokens": [0, 1, 1], "kind": ["role", "token", "token"]}
    known = {"kind": "request", "request_id": "a", "ended": "complete", "received_ns": 1, "events": events}
    return json.dumps(known | changes)


def test_the_truth_log_is_read_for_complete_answers_and_token_events(tmp_path: Path) -> None:
    log = tmp_path / "truth.jsonl"
    unknown = [line(request_id="b", ended="client_gone"), line(request_id=None), '{"kind":"server"}']
    log.write_text("\n".join([line(), *unknown]) + "\n", encoding="utf-8")
    assert server_answers(log) == {"a": ServerAnswer(1, (10, 20))}


def test_percentiles_are_of_sizes_and_the_mean_keeps_its_sign() -> None:
    assert spread([-3.0, 1.0]) == ErrorSpread(n=2, mean=-1.0, p50=2.0, p99=2.98, max=3.0)
    assert spread([]).p99 is None
