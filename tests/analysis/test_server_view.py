"""What the server says beside what we saw; each doubt appears when its reason does, and not otherwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatload.analysis.server_readings import readings_of, stretches, value
from chatload.analysis.server_warnings import front_end
from chatload.analysis.summary import summarise
from chatload.model.journal_lines import ServerLine
from chatload.model.server_view import ServerView
from chatload.model.summary import Summary, content_of, read_summary
from chatload.model.turn import Turn
from chatload.render.html import report_html
from chatload.render.markdown import summary_markdown
from chatload.render.text import report_text
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.runs_builder import START_NS, Shape, good_turns, manifest_of, user_lines, write_run

SHAPE = Shape(users=20, turns=10, tokens=20, ttft_ms=100.0, first_byte_ms=90.0)
S = 1_000_000_000
Line = dict[str, Any]


def page(turns: list[Turn], at_ns: int, outside_ms: float = 5.0) -> Line:
    """What a page tells that counts nobody's requests but ours, first tokens `outside_ms` sooner than we saw."""
    sent = [turn for turn in turns if turn.sent_ns is not None and turn.sent_ns <= at_ns]
    begun = [turn for turn in sent if turn.first_token_ns is not None and turn.first_token_ns <= at_ns]
    ended = [turn for turn in sent if turn.end_ns <= at_ns]
    first_s = [((turn.first_token_ns or 0) - (turn.sent_ns or 0)) / 1e9 - outside_ms / 1e3 for turn in begun]
    return {
        "running": len(sent) - len(ended),
        "waiting": 0,
        "ttft_s": sum(first_s),
        "first_tokens": len(begun),
        "generated_tokens": 1000 + sum(turn.tokens or 0 for turn in ended),
        "finished": 7 + len(ended),
    }


def run_with(
    folder: Path,
    change: Callable[[int, Line], Line | None] = lambda at_s, line: line,
    *,
    of_turn: Callable[[Turn], Turn] = lambda turn: turn,
    outside_ms: float = 5.0,
    **manifest: Any,
) -> Run:
    """A run whose server's page is read each 2 s, from 1 s before it to its end; `change` takes (s, line)."""
    turns = [of_turn(turn) for turn in good_turns(SHAPE)]
    last_s = (max(turn.end_ns for turn in turns) - START_NS) // S + 2
    lines = []
    for at_s in range(-1, last_s + 1, 2):
        at_ns = START_NS + at_s * S
        found = change(at_s, page(turns, at_ns, outside_ms))
        if found is not None:
            lines.append({"kind": "server", "at_ns": at_ns, "worker": "local", "took_ms": 2.0, **found})
    return read_run(
        write_run(folder, manifest_of(SHAPE, turns, **manifest), turns, [*user_lines(turns), *lines])
    )


def view_of(run: Run) -> ServerView:
    view = summarise(run).server
    assert view is not None
    return view


def doubts(run: Run) -> str:
    return " ".join(summarise(run).warnings)


def test_a_server_that_is_ours_alone_has_no_doubt(tmp_path: Path) -> None:
    run = run_with(tmp_path)
    view = view_of(run)
    assert [words for words in summarise(run).warnings if "too few for p99" not in words] == []
    assert (view.tokens, view.finished) == (view.client_tokens, view.client_finished) == (view.tokens, 200)
    assert view.first_tokens == view.client_first_tokens == 200
    assert view.front_end_ms == pytest.approx(5.0, abs=0.01)
    assert (view.unanswered, view.stale, view.longest_hole_s, view.every_s) == (0, 0, None, 2.0)
    assert view.requests_at_once is not None and view.requests_at_once <= view.client_requests_at_once


def test_the_server_s_counters_are_held_against_what_it_bills(tmp_path: Path) -> None:
    """Each reply has 80 tokens of hidden reasoning, which the server counts, too."""
    hidden = 80

    def with_hidden(turn: Turn) -> Turn:
        return replace(turn, usage_tokens=(turn.tokens or 0) + hidden)

    def counted(at_s: int, line: Line) -> Line:
        return line | {"generated_tokens": line["generated_tokens"] + hidden * (line["finished"] - 7)}

    run = run_with(tmp_path, counted, of_turn=with_hidden)
    view = view_of(run)
    assert view.tokens == view.client_tokens
    assert "Somebody else" not in doubts(run)


def test_it_stands_in_every_form(tmp_path: Path) -> None:
    run = run_with(tmp_path)
    summary = summarise(run)
    assert read_summary(__import__("msgspec").json.encode(content_of(summary))).server == summary.server
    tokens = f"{summary.tokens:,}"
    for form in (report_text(run, summary), summary_markdown(run, summary), report_html([run], [summary])):
        assert "The server’s own view" in form
        assert form.count(tokens) >= 2, "the server's and ours"
    bare = Summary(turns=1, succeeded=1, failed={}, interrupted=0, users=1, tokens=1, stalls=summary.stalls)
    assert "own view" not in summary_markdown(run, bare)


# -- readings ----------------------------------------------------------------------------------------


def test_a_page_that_does_not_answer_is_a_hole(tmp_path: Path) -> None:
    run = run_with(tmp_path, lambda at_s, line: {"missing": "no answer"} if 4 < at_s < 16 else line)
    view = view_of(run)
    assert (view.unanswered, view.longest_hole_s) == (6, 14.0)
    assert (
        "For 14 s the server's /metrics told nothing of the run (6 times its page did not answer)"
        in doubts(run)
    )
    one, other = stretches(run, "running")
    assert (one[-1][0], other[0][0]) == (3.0, 17.0)


def test_readings_that_an_older_version_did_not_write_are_a_hole(tmp_path: Path) -> None:
    run = run_with(tmp_path, lambda at_s, line: None if 4 < at_s < 16 else line)
    assert view_of(run).longest_hole_s == 14.0
    assert len(stretches(run, "running")) == 2
    short = run_with(tmp_path / "short", lambda at_s, line: None if at_s == 5 else line)
    assert (view_of(short).longest_hole_s, len(stretches(short, "running"))) == (None, 1)


def test_a_short_hole_is_no_doubt(tmp_path: Path) -> None:
    run = run_with(tmp_path, lambda at_s, line: None if 4 < at_s < 10 else line)
    assert view_of(run).longest_hole_s == 8.0
    assert "told nothing" not in doubts(run)


def test_both_means_are_of_the_stretch_that_was_read(tmp_path: Path) -> None:
    view = view_of(run_with(tmp_path, lambda at_s, line: None if at_s < 8 else line))
    assert view.first_tokens == view.client_first_tokens
    assert 0 < view.client_first_tokens < 200


def test_a_page_that_was_written_before_the_run_and_read_in_it_tells_nothing(tmp_path: Path) -> None:
    kept: dict[str, Line] = {}

    def change(at_s: int, line: Line) -> Line:
        if at_s in (-1, 1) or at_s % 10 == 9:
            kept["page"] = line if at_s > 1 else {**line, "running": 45 + at_s}
        return kept["page"]

    at_once = view_of(run_with(tmp_path, change)).requests_at_once
    assert at_once is not None and at_once <= 20


def test_a_page_that_does_not_see_our_requests_is_old(tmp_path: Path) -> None:
    """Two requests are sent and none ends: the requests held must have changed, though no counter did."""
    turn = good_turns(Shape(users=1, turns=1))[0]
    long = [
        replace(turn, turn_id=f"{n}", user=n, sent_ns=START_NS + n * 5 * S, end_ns=START_NS + 60 * S)
        for n in (0, 1)
    ]
    line = {"kind": "server", "worker": "local", "took_ms": 2.0, "running": 0, "generated_tokens": 50}
    lines = [{**line, "at_ns": START_NS + at_s * S} for at_s in range(-1, 12, 2)]
    run = read_run(write_run(tmp_path, manifest_of(SHAPE, long), long, lines))
    assert (len(readings_of(run).during), readings_of(run).stale) == (0, 6)


def test_an_empty_page_holds_nothing() -> None:
    assert value(ServerLine(at_ns=1, missing="empty"), "running") == 0.0
    assert value(ServerLine(at_ns=1, missing="no answer"), "running") is None
    assert value(ServerLine(at_ns=1, waiting=1.0), "running") is None


def renewed_each_10_s(before: Line) -> Callable[[int, Line], Line]:
    """lmdeploy's page: it is written at -1, 9, 19 … s; before that it tells what was left from another load."""
    kept: dict[str, Line] = {}

    def change(at_s: int, line: Line) -> Line:
        if at_s == -1 or at_s % 10 == 9:
            kept["page"] = line if at_s > 0 else {**line, **before}
        return {**kept["page"], "process_cpu_s": 3.0 + at_s / 10}

    return change


def test_an_old_page_tells_nothing(tmp_path: Path) -> None:
    run = run_with(tmp_path, renewed_each_10_s({"running": 45}))
    found = readings_of(run)
    assert [(line.at_ns - START_NS) // S for line in found.during] == [9, 19]
    assert found.stale > 5
    view = view_of(run)
    assert view.requests_at_once is not None and view.requests_at_once <= 20, "not the 45 of before the run"
    assert "Somebody else" not in doubts(run)
    assert [len(part) for part in stretches(run, "running")] == [1, 1], "no line between"


def test_a_page_that_stays_the_same_since_nothing_happened_is_not_old(tmp_path: Path) -> None:
    """The lone turn of a user is in flight for 30 s: neither counters nor gauges move."""
    turn = good_turns(Shape(users=1, turns=1))[0]
    turn = replace(turn, end_ns=turn.end_ns + 30 * S)
    line = {"kind": "server", "worker": "local", "took_ms": 2.0, "running": 1, "generated_tokens": 50}
    lines = [{**line, "at_ns": START_NS + at_s * S} for at_s in range(1, 30, 2)]
    run = read_run(write_run(tmp_path, manifest_of(SHAPE, [turn]), [turn], lines))
    assert (len(readings_of(run).during), readings_of(run).stale) == (15, 0)


def test_an_empty_page_is_zero(tmp_path: Path) -> None:
    """TGI's before its first request; its counters come one by one, each when it first counts."""

    def change(at_s: int, line: Line) -> Line:
        if at_s < 0:
            return {"missing": "empty"}
        told = {**line, "generated_tokens": line["generated_tokens"] - 1000, "finished": line["finished"] - 7}
        return {key: value for key, value in told.items() if value}

    view = view_of(run_with(tmp_path, change))
    assert (view.tokens, view.finished) == (view.client_tokens, 200)


def restarted(at_s: int, line: Line) -> Line:
    """The server was started anew 7 s into the run: its page was away, then empty, then counts from 0."""
    if at_s in (3, 5):
        return {"missing": "no answer"}
    if at_s == 7:
        return {"missing": "empty"}
    counted = ("generated_tokens", "finished", "ttft_s", "first_tokens")
    return {**line, **{name: line[name] / 100 for name in counted}} if at_s > 7 else line


def test_a_server_that_was_restarted_counts_nothing(tmp_path: Path) -> None:
    run = run_with(tmp_path, restarted)
    view = view_of(run)
    assert (view.tokens, view.ttft_ms, view.restarted_s) == (None, None, 7.0)
    words = "The server's counters had fallen 7 s into the run: it was started anew, or"
    assert words in doubts(run)
    assert "Its counters fell at 7 s" in " ".join(report_text(run, summarise(run)).split())
    whole = run_with(tmp_path / "whole")
    assert view_of(whole).restarted_s is None and "counters had fallen" not in doubts(whole)


def test_several_servers_by_turns_are_no_restart(tmp_path: Path) -> None:
    """A load balancer asks another of two servers for each page, of which one has counted 50,000 tokens more."""

    def by_turns(at_s: int, line: Line) -> Line:
        return {**line, "generated_tokens": line["generated_tokens"] + 50_000} if at_s % 4 == 1 else line

    run = run_with(tmp_path, by_turns)
    assert view_of(run).counters_fell > 1
    assert "several servers answer at its address by turns" in doubts(run)
    assert "had fallen" not in doubts(run)


@pytest.mark.parametrize(
    ("missing", "words"),
    [("no page", "it had no such page"), ("no numbers", "its page had no names that are known")],
)
def test_a_page_that_came_late_counts_from_then_on(tmp_path: Path, missing: str, words: str) -> None:
    """As the reader writes it: one line without numbers, then nothing until the page is there."""

    def late(at_s: int, line: Line) -> Line | None:
        return {"missing": missing} if at_s == -1 else None if at_s < 11 else line

    run = run_with(tmp_path, late)
    view = view_of(run)
    later = [turn for turn in run.turns if turn.end_ns > START_NS + 11 * S]
    tokens = sum(turn.tokens or 0 for turn in later)
    assert (view.since_s, view.longest_hole_s) == (11.0, 11.0)
    assert 0 < view.finished == view.client_finished == len(later) < 200
    assert view.tokens == view.client_tokens == tokens
    assert (
        f"told nothing in the first 11 s of the run ({words}): its figures are of the time from then on"
        in (doubts(run))
    )
    assert "For 11 s" not in doubts(run) and "Somebody else" not in doubts(run)
    note = " ".join(report_text(run, summarise(run)).split())
    assert "It told nothing before 11 s: counts of both sides are from there on." in note
    assert "the page did not answer" not in note


def test_the_process_of_a_restarted_page_used_no_negative_time(tmp_path: Path) -> None:
    run = run_with(
        tmp_path, lambda at_s, line: {**line, "process_cpu_s": 90.0 - at_s} if at_s in (7, 9) else line
    )
    assert view_of(run).front_end_cpu is None


def test_a_fresh_page_is_not_late(tmp_path: Path) -> None:
    """TGI's is empty before the first request: that is a reading, of zeros."""
    view = view_of(run_with(tmp_path, lambda at_s, line: {"missing": "empty"} if at_s < 0 else line))
    assert (view.since_s, view.longest_hole_s) == (None, None)


def test_the_tokens_that_a_batch_reserves_and_those_of_speculation_are_told(tmp_path: Path) -> None:
    def change(at_s: int, line: Line) -> Line:
        return {**line, "batch_tokens": 100.0 * line["running"], "drafted_tokens": 10.0 * max(0, at_s)}

    run = run_with(tmp_path, change)
    text = " ".join(report_text(run, summarise(run)).split())
    assert "tokens that its batch reserves, at most" in text and "of them by speculation" in text
    assert "reserves" not in report_text(run_with(tmp_path / "b"), summarise(run_with(tmp_path / "c")))


# -- doubts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outside_ms", "said"), [(20.0, False), (49.0, False), (60.0, True)]
)  # fmt: skip
def test_front_end(tmp_path: Path, outside_ms: float, said: bool) -> None:
    words = doubts(run_with(tmp_path, outside_ms=outside_ms))
    assert ("are spent in the server's front end" in words) == said
    assert ("60 ms are spent in the server's front end" in words) == said


def test_a_run_that_is_not_trustworthy_tells_of_no_front_end(tmp_path: Path) -> None:
    run = run_with(tmp_path, outside_ms=60.0)
    summary = summarise(run)
    validity = msgspec.structs.replace(summary.validity, trustworthy=False)
    summary = msgspec.structs.replace(summary, validity=validity)
    words = " ".join(front_end(run, summary))
    assert "lie in the load generator's own delays" in words and "Start more API" not in words


def test_a_long_way_to_the_server_is_no_front_end(tmp_path: Path) -> None:
    far = run_with(tmp_path, of_turn=lambda turn: replace(turn, connect_ms=60.0), outside_ms=80.0)
    assert "front end" not in doubts(far)


def test_a_small_part_of_a_long_wait_is_no_front_end(tmp_path: Path) -> None:
    def slow(turn: Turn) -> Turn:
        later = 900_000_000
        return replace(
            turn,
            first_token_ns=(turn.first_token_ns or 0) + later,
            last_token_ns=(turn.last_token_ns or 0) + later,
            end_ns=turn.end_ns + later,
        )

    assert "front end" not in doubts(run_with(tmp_path, of_turn=slow, outside_ms=100.0))


def test_the_front_end_is_named_with_its_signs(tmp_path: Path) -> None:
    def change(at_s: int, line: Line) -> Line:
        return {**line, "process_cpu_s": 50.0 + max(0, at_s) * 0.99}

    def whole(turn: Turn) -> Turn:
        return replace(turn, events=1, gaps_us=()) if turn.user == 0 else turn

    words = doubts(run_with(tmp_path, change, of_turn=whole, outside_ms=70.0))
    assert "(10 replies came whole in one event, its process used 99 % of a core)" in words
    assert "10 of 200 good replies came whole, in one event of 8 or more tokens" in words


def test_a_queue_that_the_servers_ttft_leaves_out_is_no_front_end(tmp_path: Path) -> None:
    words = doubts(
        run_with(tmp_path, lambda at_s, line: {**line, "waiting": 12, "waiting_unseen": 12}, outside_ms=80)
    )
    assert "are the wait for one (at most 12 requests were seen waiting there)" in words
    assert "not in its engine" not in words


def test_our_own_lag_is_not_blamed_on_the_server(tmp_path: Path) -> None:
    def user_space(turn: Turn) -> Turn:
        return replace(turn, stamp_source="user")

    lag = {
        "kind": "health",
        "at_ns": START_NS + S,
        "worker": "local",
        "hub_lag_p99_ms": 30.0,
        "cpu_percent": 50.0,
    }
    turns = [user_space(turn) for turn in good_turns(SHAPE)]
    last_s = (max(turn.end_ns for turn in turns) - START_NS) // S + 2
    lines = [
        {
            "kind": "server",
            "at_ns": START_NS + s * S,
            "worker": "local",
            **page(turns, START_NS + s * S, 70.0),
        }
        for s in range(-1, last_s + 1, 2)
    ]
    run = read_run(write_run(tmp_path, manifest_of(SHAPE, turns), turns, [*user_lines(turns), *lines, lag]))
    assert "or in this load generator" in doubts(run)
    assert "not in its engine" not in doubts(run)


def test_somebody_elses_first_tokens_are_not_compared(tmp_path: Path) -> None:
    def change(at_s: int, line: Line) -> Line:
        more = max(0, at_s) * 2
        return {**line, "first_tokens": line["first_tokens"] + more, "ttft_s": line["ttft_s"] + more * 0.001}

    assert "front end" not in doubts(run_with(tmp_path, change, outside_ms=70.0))


@pytest.mark.parametrize(("share", "said"), [(0.01, False), (0.03, True)])
def test_more_tokens_than_ours(tmp_path: Path, share: float, said: bool) -> None:
    total = sum(turn.tokens or 0 for turn in good_turns(SHAPE))
    more = round(share * total)
    run = run_with(
        tmp_path,
        lambda at_s, line: {**line, "generated_tokens": line["generated_tokens"] + (more if at_s > 5 else 0)},
    )
    assert ("Somebody else used the server" in doubts(run)) == said
    assert (f"it generated {total + more:,} tokens, ours {total:,}" in doubts(run)) == said
    lost = dataclasses.replace(run, missing=("the journal of worker w1 has no end",))
    assert "Somebody else" not in doubts(lost), "turns of ours may be among them"


def test_tokens_of_turns_that_we_left_are_not_somebody_elses(tmp_path: Path) -> None:
    """The server may write on for a user who has gone, up to max_tokens."""

    def left(turn: Turn) -> Turn:
        return replace(turn, ok=False, code="abandoned", tokens=2) if turn.user == 0 else turn

    def written_on(at_s: int, line: Line) -> Line:
        return {**line, "generated_tokens": line["generated_tokens"] + max(0, at_s) * 30}

    run = run_with(tmp_path, written_on, of_turn=left)
    assert "tokens, ours" not in doubts(run)


@pytest.mark.parametrize(("more", "said"), [(3, False), (5, True)])
def test_more_requests_than_ours(tmp_path: Path, more: int, said: bool) -> None:
    run = run_with(
        tmp_path, lambda at_s, line: {**line, "finished": line["finished"] + (more if at_s > 5 else 0)}
    )
    assert (f"it finished {200 + more} requests, ours 200" in doubts(run)) == said


def test_more_requests_held_than_ours(tmp_path: Path) -> None:
    run = run_with(
        tmp_path, lambda at_s, line: {**line, "running": line["running"] + (9 if 4 < at_s < 10 else 0)}
    )
    assert "it held up to 8 requests more than ours at a time" in doubts(run)
    once = run_with(
        tmp_path / "once", lambda at_s, line: {**line, "running": line["running"] + (9 if at_s == 5 else 0)}
    )
    assert "requests more than ours" not in doubts(once)


OPEN = {
    "requests": 200,
    "interval_s": 0.1,
    "arrivals": "constant",
    "users": 1,
    "users_per_s": 1.0,
    "sharegpt": "",
}


def hits(share: float, prompt_tokens: int) -> Callable[[int, Line], Line]:
    def change(at_s: int, line: Line) -> Line:
        asked = line["first_tokens"] * prompt_tokens
        return {**line, "prefix_queries": 100 + asked, "prefix_hits": 50 + share * asked}

    return change


@pytest.mark.parametrize(
    ("share", "prompt_tokens", "said"),
    [(0.97, 110, True), (0.3, 110, False), (0.97, 40, False), (0.2, 1000, True), (0.09, 1000, False)],
)
def test_hits_in_the_prefix_cache(tmp_path: Path, share: float, prompt_tokens: int, said: bool) -> None:
    """A chat template is found in every cache: 48 tokens and 5 % are nothing to doubt."""
    run = run_with(tmp_path, hits(share, prompt_tokens), plan=OPEN)
    assert (
        f"{100 * share:.0f} % of the prompt tokens came from the server's prefix cache" in doubts(run)
    ) == said


def test_hits_of_a_page_that_came_late_are_not_judged(tmp_path: Path) -> None:
    """Later turns may repeat more than the run as a whole."""
    late = lambda at_s, line: None if at_s < 11 else hits(0.97, 110)(at_s, line)  # noqa: E731
    assert "prefix cache" not in doubts(run_with(tmp_path, late, plan=OPEN))


def test_a_growing_conversation_is_found_in_the_cache(tmp_path: Path) -> None:
    plan = {**manifest_of(SHAPE, [])["plan"], "history": True}

    def longer(turn: Turn) -> Turn:
        return replace(turn, prompt_tokens=200 * turn.turn)

    at_first = run_with(tmp_path / "a", hits(0.80, 1100), of_turn=longer, plan=plan)
    assert "prefix cache" not in doubts(at_first)
    again = run_with(tmp_path / "b", hits(0.99, 1100), of_turn=longer, plan=plan)
    assert "this scenario repeats 8" in doubts(again)
    fixed = run_with(tmp_path / "c", hits(0.99, 1100), of_turn=longer)
    assert "prefix cache;" not in doubts(fixed), "one message for all turns is repeated by design"


def test_a_system_prompt_is_found_in_the_cache(tmp_path: Path) -> None:
    """Prompts of 1,000 tokens in each turn, 90 % of them the system message: so much is repeated by every user."""
    plan = {**manifest_of(SHAPE, [])["plan"], "history": True, "turns": 1}

    def asked(system_characters: int) -> Callable[[Turn], Turn]:
        return lambda turn: replace(
            turn,
            turn=1,
            user=100 * turn.user + turn.turn,
            prompt_tokens=1000,
            prompt_characters=4000,
            system_characters=system_characters,
        )

    shared = run_with(tmp_path / "a", hits(0.90, 1000), of_turn=asked(3600), plan=plan)
    assert "prefix cache" not in doubts(shared)
    without = run_with(tmp_path / "b", hits(0.90, 1000), of_turn=asked(0), plan=plan)
    assert "this scenario repeats 0 %" in doubts(without)


def test_events_of_several_tokens(tmp_path: Path) -> None:
    merged = run_with(tmp_path, of_turn=lambda turn: replace(turn, tokens=(turn.tokens or 0) * 3))
    assert "tokens an event on average" in doubts(merged)
    guessed = run_with(
        tmp_path / "b",
        of_turn=lambda turn: replace(turn, tokens=(turn.tokens or 0) * 3, token_source="estimate"),
    )
    assert "tokens an event on average" not in doubts(guessed)
    few = run_with(
        tmp_path / "c",
        of_turn=lambda turn: replace(
            turn, tokens=(turn.tokens or 0) * 3, token_source="usage" if turn.user == 0 else "estimate"
        ),
    )
    assert "tokens an event on average" not in doubts(few), "one user of twenty tells"


def test_the_reading_at_the_end_does_not_shorten_the_interval(tmp_path: Path) -> None:
    """Three readings, the last of them right after the one before, as a run's end takes it."""
    run = run_with(tmp_path, lambda at_s, line: line if at_s in (1, 3) else None)
    closing = replace(run.server[-1], at_ns=run.server[-1].at_ns + 30_000_000)
    view = view_of(replace(run, server=[*run.server, closing]))
    assert (view.readings, view.every_s) == (3, 2.0)


@pytest.mark.parametrize("sharegpt", ["talks.json", ""])
def test_who_is_blamed_for_hits_in_the_prefix_cache(tmp_path: Path, sharegpt: str) -> None:
    """Prompts of a file are the same in each run, whatever the seed; generated ones only with the same seed."""
    run = run_with(tmp_path, hits(0.97, 110), plan={**OPEN, "sharegpt": sharegpt})
    assert ("the prompts of --sharegpt are the same in each run" in doubts(run)) == bool(sharegpt)
    assert ("another --load-seed" in doubts(run)) == bool(sharegpt)
    assert ("leave out --seed" in doubts(run)) != bool(sharegpt)


A, B = "http://a:1", "http://b:2"


def two_servers(folder: Path, others_at_b: int = 0) -> Run:
    """Users 0 to 9 are of class One at A, the rest of class Two at B; each page counts its own, B's some more."""
    turns = good_turns(SHAPE)
    parts = {A: [turn for turn in turns if turn.user < 10], B: [turn for turn in turns if turn.user >= 10]}
    lines = [
        {**page(part, at_ns), "kind": "server", "at_ns": at_ns, "host": host}
        for host, part in parts.items()
        for at_ns in range(START_NS - S, max(turn.end_ns for turn in turns) + 3 * S, 2 * S)
    ]
    for line in lines[-1:]:
        line["finished"] += others_at_b
    users = [
        {**line, "user_class": "One" if line["user"] < 10 else "Two"} if line["event"] == "in" else line
        for line in user_lines(turns)
    ]
    facts = {"dialect": "openai", "model": "m", "label": "vLLM", "words": "vLLM 1"}
    servers = {
        "server": {**facts, "host": A, "classes": ["One"]},
        "other_servers": [{**facts, "host": B, "classes": ["Two"], "model": "n", "dialect": "tgi"}],
    }
    write_run(folder, manifest_of(SHAPE, turns, **servers), turns, [*users, *lines])
    return read_run(folder)


def test_each_of_several_servers_is_held_against_its_own_turns(tmp_path: Path) -> None:
    run = two_servers(tmp_path)
    summary = summarise(run)
    assert summary.server is None
    assert list(summary.servers) == [A, B]
    for view, is_of in (
        (summary.servers[A], lambda user: user < 10),
        (summary.servers[B], lambda user: user >= 10),
    ):
        tokens = sum(turn.tokens or 0 for turn in run.turns if is_of(turn.user))
        found = (view.finished, view.client_finished, view.tokens, view.client_tokens)
        assert found == (100, 100, tokens, tokens)
    assert not any("Somebody else" in words for words in summary.warnings)
    words = " ".join(report_text(run, summary).split())
    assert f"Server of One vLLM 1 at {A}, dialect openai Model of One m" in words
    assert f"Server of Two vLLM 1 at {B}, dialect tgi Model of Two n" in words
    own_view = words[words.index("The servers’ own view") :]
    assert own_view.index(A) < own_view.index(B)
    assert f"**{A}**" in summary_markdown(run, summary)


def test_of_several_servers_that_one_is_named_which_others_used(tmp_path: Path) -> None:
    summary = summarise(two_servers(tmp_path, others_at_b=50))
    found = [words for words in summary.warnings if "Somebody else" in words]
    assert len(found) == 1 and found[0].startswith(f"{B}: Somebody else used the server")
