"""Each doubt appears when its reason does, and not otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatload.analysis.summary import summarise
from chatload.model.turn import Turn
from chatload.store.journal import read_run
from tests.changes import replace
from tests.runs_builder import HERE, Shape, as_failed, good_turns, manifest_of, user_lines, write_run

GOOD = Shape(users=10, turns=40, users_per_s=40.0, tokens=6, ttft_ms=20.0, first_byte_ms=15.0)


def doubts(
    tmp_path: Path,
    change: Callable[[Turn], Turn] = lambda turn: turn,
    *,
    more: list[dict[str, Any]] | None = None,
    **manifest: Any,
) -> list[str]:
    """The doubts about 400 good turns with one thing changed."""
    turns = [change(turn) for turn in good_turns(GOOD)]
    folder = write_run(
        tmp_path, manifest_of(GOOD, turns, **manifest), turns, [*user_lines(turns), *(more or [])]
    )
    run = read_run(folder)
    return list(summarise(run).warnings)


def test_a_good_run_has_none(tmp_path: Path) -> None:
    assert doubts(tmp_path) == []


def test_an_unverified_server_is_said_first(tmp_path: Path) -> None:
    plan = {**manifest_of(GOOD, []).get("plan", {}), "insecure": True}
    server = {"asked": "vllm", "host": "https://10.0.0.7"}
    found = doubts(
        tmp_path / "https", plan=plan, server=server, problems=["a disk was full"], ended="running"
    )
    assert found[0].startswith("Made with --insecure: the server's TLS certificate was not verified")
    assert doubts(tmp_path / "http", plan=plan, server={**server, "host": "http://10.0.0.7"}) == []


def test_answers_that_were_to_be_so_long_were_not_cut(tmp_path: Path) -> None:
    plan = {"users": 1, "levels": [1], "rounds": 1, "prompt_tokens": 20, "answer_tokens": 20}
    assert not any(
        "max_tokens" in words for words in doubts(tmp_path, lambda t: replace(t, finish="length"), plan=plan)
    )


def some(change: Callable[[Turn], Turn], every: int = 10) -> Callable[[Turn], Turn]:
    """The change for one user in `every`."""
    return lambda turn: change(turn) if turn.user % every == 0 else turn


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (some(lambda t: replace(t, token_source="per_event")), "counted in different ways (usage 360, per_event 40)"),
        (lambda t: replace(t, token_source="estimate"), "Tokens of 400 turns are estimated"),
        (some(lambda t: replace(t, token_source="limit")), "40 turns without a token count ended by length"),
        (some(lambda t: replace(t, first_event_source="share_of_text", first_event_tokens=2)), "In 40 turns the"),
        (some(lambda t: replace(t, finish="length")), "40 of 400 good replies were cut by max_tokens"),
        (some(lambda t: as_failed(t, "http_5xx", "x", status=500)), "40 of 400 turns failed"),
        (lambda t: replace(t, due_ns=t.due_ns - 40_000_000), "Sends were late: p99 4"),
        (lambda t: replace(t, coalesced=2), "came in one read with the event before"),
        (some(lambda t: replace(t, marks=("hub_lag",))), "40 turns marked “hub_lag”"),
        (some(lambda t: replace(t, stamp_source="user")), "Arrival times of 40 turns were taken in user space"),
        (lambda t: replace(t, stamp_source="user"), "All arrival times were taken in user space"),
        (some(lambda t: replace(t, ok=False, code="interrupted")), "40 turns still ran when the run was stopped"),
        (lambda t: replace(t, first_byte_ns=(t.sent_ns or 0) + 1_000_000), "The first byte is not the first token"),
        (lambda t: replace(t, new_connection=True), "400 of 400 turns had to open a new connection"),
        (some(lambda t: replace(t, retried=True)), "40 turns went out a second time"),
        (some(lambda t: replace(t, first_token_ns=None, last_token_ns=None, tokens=0, gaps_us=())), "without any text"),
    ],
)  # fmt: skip
def test_doubt_about_turns(tmp_path: Path, change: Callable[[Turn], Turn], words: str) -> None:
    assert words in " ".join(doubts(tmp_path, change))


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"ended": "interrupted"}, "stopped before its plan was done"),
        ({"ended": "running"}, "still going on, or was killed"),
        ({"problems": ["journal-w1.jsonl: disk full"]}, "journal-w1.jsonl: disk full"),
        ({"caveats": ["TLS was not verified."]}, "TLS was not verified."),
        ({"plan": {"users": 10, "turns": 44}}, "40 of 440 planned turns were never held"),
        ({"plan": {"users": 11, "turns": 36}}, "no time with all users in"),
    ],
)
def test_doubt_about_the_run(tmp_path: Path, manifest: dict[str, Any], words: str) -> None:
    assert words in " ".join(doubts(tmp_path, **manifest))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"kind": "health", "at_ns": 1, "hub_lag_p99_ms": 31.0, "cpu_percent": 5.0}, "held up for 31 ms"),
        ({"kind": "health", "at_ns": 1, "hub_lag_p99_ms": 1.0, "cpu_percent": 97.0}, "used 97 % of its core"),
        (
            {"kind": "end", "at_ns": 1, "reason": "done", "lost_lines": 3},
            "3 journal lines could not be written",
        ),
        ({"kind": "end", "at_ns": 1, "reason": "done", "clock_steps": 2}, "clock was set 2 times"),
    ],
)
def test_doubt_about_the_generator(tmp_path: Path, line: dict[str, Any], words: str) -> None:
    assert words in " ".join(doubts(tmp_path, more=[line]))


def test_too_few_turns_and_torn_lines() -> None:
    run = read_run(HERE / "tiny")
    assert "6 turns are too few for p90, p95 and p99" in " ".join(summarise(run).warnings)
    run = read_run(HERE / "troubled")
    assert "2 unreadable journal lines skipped" in " ".join(summarise(run).warnings)


def test_unreachable_says_why() -> None:
    run = read_run(HERE / "unreachable")
    assert list(summarise(run).warnings) == [
        "The server could not be reached: http://127.0.0.1:1: connection refused: is the server running on this port?"
    ]
