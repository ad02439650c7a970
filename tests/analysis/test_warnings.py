"""Each doubt appears when its reason does, and not otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import pytest

from chatload.analysis.summary import summarise
from chatload.analysis.warnings import CHECKS
from chatload.model.turn import Turn
from chatload.store.journal import read_run
from tests.changes import replace
from tests.runs_builder import HERE, Shape, as_failed, good_turns, manifest_of, user_lines, write_run

SMALL = Shape(users=10, turns=3, users_per_s=40.0, tokens=6, ttft_ms=40.0, first_byte_ms=15.0)
GOOD = Shape(users=10, turns=10, users_per_s=40.0, tokens=6, ttft_ms=20.0, first_byte_ms=15.0)
MANY = changed(GOOD, turns=40)
"""Enough turns for every percentile."""


def doubts(
    tmp_path: Path,
    change: Callable[[Turn], Turn] = lambda turn: turn,
    *,
    shape: Shape = GOOD,
    more: list[dict[str, Any]] | None = None,
    **manifest: Any,
) -> list[str]:
    """The doubts about good turns, 100 of them by default, with one thing changed."""
    turns = [change(turn) for turn in good_turns(shape)]
    folder = write_run(
        tmp_path, manifest_of(shape, turns, **manifest), turns, [*user_lines(turns), *(more or [])]
    )
    run = read_run(folder)
    return list(summarise(run).warnings)


def test_a_good_run_has_none(tmp_path: Path) -> None:
    assert doubts(tmp_path, shape=MANY) == []


def some(change: Callable[[Turn], Turn], every: int = 10) -> Callable[[Turn], Turn]:
    """The change for one user in `every`."""
    return lambda turn: change(turn) if turn.user % every == 0 else turn


def health(**fields: Any) -> list[dict[str, Any]]:
    return [{"kind": "health", "at_ns": 1, "hub_lag_p99_ms": 1.0, "cpu_percent": 8.0, **fields}]


def ended(**fields: Any) -> list[dict[str, Any]]:
    return [{"kind": "end", "at_ns": 1, "reason": "done", **fields}]


def planned(**fields: Any) -> dict[str, Any]:
    """A manifest's plan with this changed."""
    return {"plan": {**manifest_of(GOOD, [])["plan"], **fields}}


def served_from(host: str, **more: Any) -> dict[str, Any]:
    return {**planned(insecure=True), "server": {"asked": "vllm", "host": host, **more}}


TWO = ["127.0.0.2", "127.0.0.3"]


def sent_late(ms: float, **more: Any) -> Callable[[Turn], Turn]:
    return lambda t: replace(t, due_ns=t.due_ns - round(ms * MS), **more)


def first_byte_before(ms: float, *, event: bool = False) -> Callable[[Turn], Turn]:
    """The first byte came so long before the first token, or with the request; as one of an event, or of a comment."""

    def change(t: Turn) -> Turn:
        at_ns = max((t.sent_ns or 0) + MS, (t.first_token_ns or 0) - round(ms * MS))
        return replace(t, first_byte_ns=at_ns, first_event_ns=at_ns if event else t.first_token_ns)

    return change


def after_15_s(t: Turn) -> Turn:
    """TGI's comment after 15 s of silence, the first token 3 s later."""
    sent, later = t.sent_ns or 0, 18_000 * MS - ((t.first_token_ns or 0) - (t.sent_ns or 0))
    moved = {
        name: getattr(t, name) + later
        for name in ("first_token_ns", "first_event_ns", "last_token_ns", "end_ns")
    }
    return replace(t, **{**moved, "first_event_ns": sent + 18_000 * MS, "first_byte_ns": sent + 15_000 * MS})


def one_in_two_fails(t: Turn) -> Turn:
    """After a failure, which broke its connection, each turn opens a new one."""
    return as_failed(t, "truncated", "x") if t.turn % 2 else replace(t, new_connection=True)


def refused_now_and_then(t: Turn) -> Turn:
    """A connection that the server refused was opened by nobody."""
    failed = replace(as_failed(t, "connect", "refused"), sent_ns=None, new_connection=True)
    return failed if t.turn % 5 == 0 else replace(t, new_connection=t.turn % 5 == 1)


def own_stamps(t: Turn) -> Turn:
    return replace(t, stamp_source="user")


def cut_reasoning(t: Turn) -> Turn:
    return replace(t, first_answer_ns=None, finish="length")


def reasons(some_source: str, source: str) -> Callable[[Turn], Turn]:
    """Reasoning of all replies, counted so for one user in ten, and so for the others."""
    return lambda t: replace(t, reasoning_tokens=3, reasoning_source=source if t.user % 10 else some_source)


def asked_for_tools(rounds: int) -> Callable[[Turn], Turn]:
    """Every second turn is an answer, after two rounds of calls; after so many for one user in ten."""

    def change(t: Turn) -> Turn:
        if t.turn % 2:
            return replace(t, finish="tool_calls")
        return replace(t, tool_rounds=2 if t.user % 10 else rounds, question_ns=t.sent_ns)

    return change


MS = 1_000_000
NO_ANSWER = {"change": some(cut_reasoning)}
CUT = {"change": lambda t: replace(t, finish="length")}
HELD_UP, BUSY = health(hub_lag_p99_ms=31.0), health(cpu_percent=97.0)
ESTIMATE = {"change": lambda t: replace(t, token_source="estimate")}
PACKED = {"change": lambda t: replace(t, coalesced=2)}
SWEEP = {"plan": {"users": 1, "levels": [1], "rounds": 1, "prompt_tokens": 20, "answer_tokens": 20}}
REOPENED = {"change": lambda t: replace(t, new_connection=True)}


def in_bursts(size: int, apart_ms: int, bursts: int = 4) -> Callable[[Turn], Turn]:
    """Four bursts of `size` events, 300 bytes an event."""
    gaps = ([0] * (size - 1) + [1000 * apart_ms]) * bursts

    def change(turn: Turn) -> Turn:
        first = turn.first_token_ns or 0
        return replace(
            turn, events=size * bursts, coalesced=(size - 1) * bursts, gaps_us=tuple(gaps[:-1]), reads=bursts,
            last_token_ns=first + apart_ms * (bursts - 1) * 1_000_000, tokens=size * bursts,
            end_ns=first + apart_ms * (bursts - 1) * 1_000_000, bytes=300 * size * bursts,
        )  # fmt: skip

    return change


def held_at_times(turn: Turn) -> Turn:
    return in_bursts(12, 100)(turn) if turn.user == 0 and turn.turn < 4 else in_bursts(1, 20, 12)(turn)


BOTH_WAYS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    # check, words, a run that triggers them, a near-identical run that does not
    ("_insecure", "Made with --insecure", served_from("https://10.0.0.7"), served_from("http://10.0.0.7")),
    ("_ended_early", "stopped before its plan was done", {"ended": "interrupted"}, {"ended": "done"}),
    ("_ended_early", "still going on, or was killed", {"ended": "running"}, {"ended": "interrupted"}),
    ("_ended_early", "The run failed: no disk", {"ended": "failed", "failure": "no disk"}, {"failure": "no disk"}),
    ("_ended_early", "10 turns still ran when the run was stopped",
     {"ended": "interrupted", "change": some(lambda t: replace(t, ok=False, code="interrupted"))},
     {"ended": "interrupted", "change": some(lambda t: as_failed(t, "truncated", "x"))}),
    ("_ended_early", "they were the slow ones, so let a run end by itself",
     {"ended": "interrupted", "change": some(lambda t: replace(t, ok=False, code="interrupted"))},
     {"ended": "done", "change": some(lambda t: replace(t, ok=False, code="interrupted"))}),
    ("_ended_early", "10 turns still ran when users were stopped and count nowhere below",
     {"ended": "done", "change": some(lambda t: replace(t, ok=False, code="interrupted"))},
     {"ended": "interrupted", "change": some(lambda t: replace(t, ok=False, code="interrupted"))}),
    ("_ended_early", "times of the others are shorter",
     {"change": some(lambda t: replace(t, ok=False, code="interrupted"))},
     {"change": lambda t: replace(t, ok=False, code="http_5xx" if t.user else "interrupted")}),
    ("_ended_early", "10 of 110 planned turns were never held", planned(turns=11), planned(turns=10)),
    ("_failures", "10 of 100 turns failed", {"change": some(lambda t: as_failed(t, "http_5xx", "x", status=500))},
     {"change": some(lambda t: replace(t, ok=False, code="interrupted"))}),
    ("_lost_lines", "3 journal lines could not be written", {"more": ended(lost_lines=3)}, {"more": ended()}),
    ("_lost_lines", "clock was set 2 times", {"more": ended(clock_steps=2)}, {"more": ended(ticks_missed=2)}),
    ("slow_generator", "Sends were late: 100 of 100 by more than 20 ms, at most 41 ms", {"change": sent_late(40)},
     {"change": sent_late(19)}),
    ("slow_generator", "Sends were late", {"change": sent_late(40)}, {"change": sent_late(40, connect_ms=30.0)}),
    ("slow_generator", "Sends were late", {"change": sent_late(40)}, {"change": sent_late(40, refusals=1)}),
    ("slow_generator", "Sends were late: 10 of 100", {"change": some(sent_late(40))},
     {"change": lambda t: sent_late(40)(t) if t.user == 0 and t.turn == 1 else t}),
    ("slow_generator", "held up for 31 ms", {"more": HELD_UP}, {"more": health(hub_lag_p99_ms=9.9)}),
    ("slow_generator", "something else takes its cores", {"more": HELD_UP},
     {"more": health(hub_lag_p99_ms=31.0, cpu_percent=97.0)}),
    ("slow_generator", "used 97 % of its core", {"more": BUSY}, {"more": health(cpu_percent=89.0)}),
    ("slow_generator", "use more --processes", {"more": BUSY, "machine": {"cores": 2}},
     {"more": BUSY, "machine": {"cores": 1}}),
    ("slow_generator", "10 turns marked “hub_lag”", {"change": some(lambda t: replace(t, marks=("hub_lag",)))}, {}),
    ("slow_generator", "10 turns marked “late_send” (sent late), in the field marks of the journal's lines, so of 100 "
     "turns TTFT p50 ",
     {"change": some(sent_late(40, marks=("late_send",)))}, {"change": some(sent_late(40, marks=("slow_reader",)))}),
    ("slow_generator", "10 turns marked “hub_lag” (our own lag is inside the first token's time) and 10 marked "
     "“slow_reader”, in the field",
     {"change": some(lambda t: replace(t, marks=("slow_reader", "hub_lag")))},
     {"change": some(lambda t: replace(t, marks=("hub_lag",)))}),
    ("slow_generator", "What that makes doubtful: sends were late: 100 of 100 by more than 20 ms, at most 41 ms; "
     "10 turns marked “hub_lag” (our own lag is inside the first token's time), in the field marks of the journal's "
     "lines, so of 100 turns TTFT p50",
     {"change": lambda t: sent_late(40, marks=("hub_lag",) if t.user == 0 else ())(t), "more": HELD_UP},
     {"change": lambda t: sent_late(40, marks=("hub_lag",) if t.user == 0 else ())(t)}),
    ("slow_generator", "10 turns marked “clock_step” (the machine's clock was set meanwhile), in the field",
     {"change": some(lambda t: replace(t, marks=("clock_step",))), "more": HELD_UP}, {"more": HELD_UP}),
    ("slow_generator", "What that makes doubtful: 10 turns marked “hub_lag” (our own lag is inside the first token's "
     "time), in the field",
     {"change": some(lambda t: replace(t, marks=("hub_lag", "clock_step"))), "more": HELD_UP},
     {"change": some(lambda t: replace(t, marks=("clock_step",))), "more": HELD_UP}),
    ("slow_generator", "What that makes doubtful: all arrival times were taken in user space (TLS, or no kernel",
     {"change": own_stamps, "more": HELD_UP}, {"change": own_stamps, "more": BUSY}),
    ("first_byte", "good replies the first byte is not the first token: it came 27 ms before it (median) and was a "
     "keep-alive comment. JMeter calls it Latency (p95 1 ms, TTFT 36 ms)", {"change": first_byte_before(100)},
     {"change": first_byte_before(15)}),
    ("first_byte", "and was an event without text (in a chat stream the one with the role). JMeter calls it Latency "
     "(p50 1 ms, TTFT", {"change": first_byte_before(100, event=True), "shape": SMALL},
     {"change": first_byte_before(100), "shape": SMALL}),
    ("first_byte", "was a keep-alive comment (1) or an event without text (in a chat stream the one with the role) (",
     {"change": lambda t: first_byte_before(100, event=t.user + t.turn > 1)(t), "shape": SMALL},
     {"change": first_byte_before(100, event=True), "shape": SMALL}),
    ("first_byte", "it came 3.0 s before it (median) and was a keep-alive comment",
     {"change": after_15_s, "shape": SMALL},
     {"change": some(after_15_s, every=20), "shape": changed(GOOD, ttft_ms=10.0, users=21)}),
    ("token_sources", "counted in different ways (usage 90, per_event 10)",
     {"change": some(lambda t: replace(t, token_source="per_event"))},
     {"change": lambda t: replace(t, token_source="per_event")}),
    ("token_sources", "Tokens of 100 turns are estimated", ESTIMATE, {}),
    ("token_sources", "leave --usage on", ESTIMATE | planned(ask_usage=False), ESTIMATE | planned(ask_usage=True)),
    ("token_sources", "use a server that reports usage", ESTIMATE | planned(), ESTIMATE | planned(ask_usage=False)),
    ("token_sources", "at least 598 and at most 4,000 by the length of their text",
     {"change": lambda t: replace(t, token_source="estimate", characters=60)}, ESTIMATE),
    ("token_sources", "did not count them credibly",
     {"change": lambda t: replace(t, token_source="estimate", usage_doubt="zero", usage_tokens=0)}, ESTIMATE),
    ("token_sources", "Events of 10 turns hold single characters",
     {"change": some(lambda t: replace(t, token_source="characters", tokens=15, events=60, characters=60))},
     {"change": some(lambda t: replace(t, tokens=15, events=60, characters=60))}),
    ("token_sources", "at most 600 by the length of their text: tokens/s may be low or high",
     {"change": some(lambda t: replace(t, token_source="characters", tokens=15, events=60, characters=60))}, ESTIMATE),
    ("doubted_usage", "The server's usage cannot be true in 10 turns of 100 (0 tokens beside text: 10; tokens told: 0)",
     {"change": some(lambda t: replace(t, token_source="estimate", usage_doubt="zero", usage_tokens=0))}, ESTIMATE),
    ("unseen_tokens", "799 of 860 billed tokens were never sent (10 turns",
     {"change": some(lambda t: replace(t, usage_tokens=86))},
     {"change": some(lambda t: replace(t, usage_tokens=86, usage_doubt="too_many"))}),
    ("token_sources", "10 turns without a token count ended by length",
     {"change": some(lambda t: replace(t, token_source="limit"))},
     {"change": some(lambda t: replace(t, finish="length"))}),
    ("first_reads", "In 10 turns the first event held several tokens",
     {"change": some(lambda t: replace(t, first_event_source="share_of_text", first_event_tokens=2))},
     {"change": some(lambda t: replace(t, first_event_source="share_of_text", first_event_tokens=1))}),
    ("without_text", "10 turns succeeded without any text",
     {"change": some(lambda t: replace(t, first_token_ns=None, last_token_ns=None, tokens=0, gaps_us=()))},
     {"change": some(lambda t: as_failed(t, "truncated", "x"))}),
    ("shown_ends", "10 of 100 good replies end with “</s>”: the server sends its end token as text",
     {"change": some(lambda t: replace(t, shown_end="</s>"))},
     {"change": some(lambda t: replace(as_failed(t, "truncated", "x"), shown_end="</s>"))}),
    ("_length", "100 of 100 good replies were cut by max_tokens", CUT, {"change": lambda t: replace(t, finish="stop")}),
    ("_length", "were cut by max_tokens", CUT | planned(), CUT | planned(body={"ignore_eos": True})),
    ("_length", "were cut by max_tokens", CUT | planned(body={"ignore_eos": False}), CUT | SWEEP),
    ("_length", "Raise --max-tokens", CUT | planned(), CUT | planned(max_tokens=None)),
    ("_length", "cut by a limit of the server", CUT | planned(max_tokens=None), CUT | planned()),
    ("without_answers",
     "9 of 90 good replies that a conversation went on after held no answer (9 were cut by the length limit within "
     "their reasoning)", NO_ANSWER | planned(history=True), NO_ANSWER | planned(history=False)),
    ("without_answers", "held no answer", NO_ANSWER | planned(history=True),
     {"change": some(lambda t: replace(t, finish="length"))} | planned(history=True)),
    ("without_answers", "held no answer", NO_ANSWER | planned(history=True),
     {"change": lambda t: cut_reasoning(t) if t.turn == GOOD.turns else t} | planned(history=True)),
    ("without_answers", "held no answer (9 called tools, which nobody answers here)",
     {"change": some(lambda t: replace(t, finish="tool_calls"))} | planned(history=True),
     {"change": lambda t: replace(t, finish="tool_calls") if t.turn_id[3:] == "0001-01" else t}
     | planned(history=True)),
    ("without_answers", "held no answer", {"change": asked_for_tools(0)} | planned(history=True),
     {"change": asked_for_tools(2)} | planned(history=True, tool_use={"rounds": 2})),
    ("fewer_rounds", "5 of 50 answers came after fewer than 2 tool rounds",
     {"change": asked_for_tools(1)} | planned(tool_use={"rounds": 2}),
     {"change": asked_for_tools(2)} | planned(tool_use={"rounds": 2})),
    ("fewer_rounds", "tool_choice was “required”", {"change": asked_for_tools(1)} | planned(tool_use={"rounds": 2}),
     {"change": asked_for_tools(1)} | planned(tool_use={"rounds": 2, "required": False})),
    ("reasoning_tokens", "Tokens of reasoning are estimated in 10 turns of 100 that reason",
     {"change": reasons("share_of_text", "counted")}, {"change": reasons("counted", "counted")}),
    ("reasoning_tokens", "in different ways (counted 90, usage 10)",
     {"change": reasons("usage", "counted")}, {"change": reasons("usage", "usage")}),
    ("proxies", "(or the server) holds the stream: 100 of 100 replies came in bursts of 12 events, 100 ms apart",
     {"change": in_bursts(12, 100)}, {"change": in_bursts(3, 60)}),
    ("proxies", "TPOT, speeds, gaps and stalls are not measurable here", {"change": in_bursts(12, 100)},
     {"change": held_at_times}),
    ("proxies", "holds the stream at times: 3 of 100 replies", {"change": held_at_times},
     {"change": in_bursts(1, 20, 12)}),
    ("proxies", "unless the load generator read late (held up for 31 ms)",
     {"change": in_bursts(12, 100), "more": HELD_UP}, {"change": in_bursts(12, 100)}),
    ("packed", "came in one read with the event before", PACKED, {"change": some(PACKED["change"])}),
    ("packed", "gaps read 0. The server or a proxy sends in bursts", PACKED | {"more": health()},
     PACKED | {"more": HELD_UP}),
    ("packed", "The load generator read late (held up for 31 ms)", PACKED | {"more": HELD_UP},
     PACKED | {"more": health()}),
    ("user_space_stamps", "Arrival times of 10 turns were taken in user space",
     {"change": some(own_stamps)}, {"change": own_stamps}),
    ("user_space_stamps", "All arrival times were taken in user space",
     {"change": own_stamps}, {"change": some(own_stamps)}),
    ("user_space_stamps", "All arrival times were taken in user space",
     {"change": own_stamps, "more": BUSY}, {"change": own_stamps, "more": HELD_UP}),
    ("_connections", "90 of 90 turns after a good reply had to open a new connection", REOPENED,
     {"change": lambda t: replace(t, new_connection=t.turn == 1)}),
    ("_connections", "had to open a new connection", REOPENED, {"change": one_in_two_fails}),
    ("_connections", "had to open a new connection", REOPENED,
     {"change": lambda t: replace(t, new_connection=True, trimmed=1)}),
    ("_connections", "had to open a new connection", REOPENED, {"change": refused_now_and_then}),
    ("_connections", "10 turns went out a second time", {"change": some(lambda t: replace(t, retried=True))},
     {"change": some(lambda t: replace(t, refusals=1))}),
    ("idle_addresses", "127.0.0.3 of the 2 addresses of the server's name got no turn",
     {"change": lambda t: replace(t, address="127.0.0.2"), **served_from("http://pods", addresses=TWO)},
     {"change": lambda t: replace(t, address=TWO[t.user % 2]), **served_from("http://pods", addresses=TWO)}),
    ("_too_few", "10 turns are too few for p90, p95 and p99", {"shape": changed(SMALL, turns=1)}, {}),
    ("_too_few", "too few for p99", {"shape": changed(GOOD, turns=36)}, {"shape": MANY}),
    ("_no_steady", "no time with all users in", planned(users=11, turns=9), planned(users=10, turns=10)),
]  # fmt: skip
ELSEWHERE = {
    "stood_still": "test_standstill", "in_step": "test_send_bunching", "_missing_lines": "tests/runner",
    "_torn_lines": "below", "other_clients": "test_server_view", "cache_hits": "test_server_view",
    "front_end": "test_server_view", "whole_replies": "test_server_view", "several_tokens": "test_server_view",
    "more_than_asked": "test_token_limit",
    "holes": "test_server_view", "restarted": "test_server_view", "piled_up": "test_arrivals",
    "cache_misses": "test_lengths_achieved",
    "cross_talk": "tests/runner/test_reply_checks.py", "other_answers": "tests/runner/test_same_answers.py",
}  # fmt: skip
"""Checks that have tests of their own, in both directions."""


@pytest.mark.parametrize(
    ("check", "words", "so", "nearly"), BOTH_WAYS, ids=[f"{c}-{w[:30]}" for c, w, *_ in BOTH_WAYS]
)
def test_a_doubt_appears_with_its_reason_and_not_without(
    tmp_path: Path, check: str, words: str, so: dict[str, Any], nearly: dict[str, Any]
) -> None:
    assert words in " ".join(doubts(tmp_path / "so", **so))
    assert words not in " ".join(doubts(tmp_path / "nearly", **nearly))


def test_every_check_is_tried_both_ways() -> None:
    assert {check for check, *_ in BOTH_WAYS} | {*ELSEWHERE} == {check.__name__ for check in CHECKS}


def test_one_warning_says_all_of_a_slow_load_generator_and_what_to_do(tmp_path: Path) -> None:
    found = doubts(tmp_path, sent_late(40, stamp_source="user"), shape=MANY, more=HELD_UP)
    assert len(found) == 1 and "was held up for 31 ms" in found[0] and "run again." in found[0]
    spoiled = sent_late(40, marks=("late_send", "hub_lag"), stamp_source="user")
    (words,) = doubts(tmp_path / "spoiled", spoiled, shape=MANY, more=HELD_UP)
    assert "run again." not in words, (
        "of a run that is not trustworthy the remedy is said before all warnings"
    )
    for fact in (
        "sends were late: 400",
        "400 turns marked “hub_lag”",
        "400 marked “late_send”",
        "all arrival times",
    ):
        assert fact in words


def test_notes_of_the_manifest_are_warnings_and_the_unverified_server_is_the_first(tmp_path: Path) -> None:
    found = doubts(
        tmp_path, **served_from("https://10.0.0.7"), problems=["a disk was full"], caveats=["A word."]
    )
    assert found[0].startswith("Made with --insecure: the server's TLS certificate was not verified")
    assert found[-2:] == ["a disk was full", "A word."]


def test_too_few_turns_and_torn_lines() -> None:
    run = read_run(HERE / "tiny")
    assert "6 turns are too few for p90, p95 and p99" in " ".join(summarise(run).warnings)
    run = read_run(HERE / "troubled")
    assert "2 unreadable journal lines skipped" in " ".join(summarise(run).warnings)


def test_unreachable_says_why() -> None:
    run = read_run(HERE / "unreachable")
    assert list(summarise(run).warnings) == [
        "The run did not begin: http://127.0.0.1:1: connection refused: is the server running on this port?"
    ]
