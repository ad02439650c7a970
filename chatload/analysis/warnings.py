"""Warnings about a run, each with its remedy, in a sentence or two."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest

import msgspec

from chatload.analysis import generator_warnings, held_streams, server_warnings, token_warnings
from chatload.analysis.arrivals import piled_up
from chatload.analysis.closed_loop_warnings import (
    cross_talk,
    fewer_rounds,
    in_step,
    stood_still,
    without_answers,
)
from chatload.analysis.completeness import ended_by_time, planned_chat
from chatload.analysis.first_byte import first_byte
from chatload.analysis.forks import Forks
from chatload.analysis.quantiles import least_n
from chatload.analysis.same_answers import other_answers
from chatload.analysis.server_addresses import idle_addresses
from chatload.analysis.servers import by_host
from chatload.analysis.token_limit import more_than_asked
from chatload.model.sanitize import one_line
from chatload.model.summary import PERCENTILES, Summary
from chatload.model.turn import Turn
from chatload.model.words import listed, plural
from chatload.store.journal import Run
from chatload.store.manifest import Manifest

Check = Callable[[Run, Summary], Iterator[str]]

UNREACHABLE = "The server could not be reached: check --host, port and TLS"
PARTS = 4
"""Number of parts in which the checks are made in parallel."""
REOPENED_SHARE = 0.05
"""Share of the turns after a good reply beyond which opening connections anew is a habit of the server."""


def warnings(run: Run, summary: Summary, parallel: Forks) -> list[str]:
    """All warnings about the run, the worst first: how it ended, failures, our own faults, then the tokens."""

    def told(checks: Sequence[Check]) -> list[list[str]]:
        return [list(check(run, summary)) for check in checks]

    parts = [parallel.begin(told, CHECKS[i::PARTS]) for i in range(PARTS)]
    each = zip_longest(*(part() for part in parts), fillvalue=())
    found = [words for together in each for those in together for words in those]
    noted = [*run.manifest.problems, *run.manifest.warnings]
    return found + [one_line(words, 400) for words in noted]


def _insecure(run: Run, summary: Summary) -> Iterator[str]:
    host = run.manifest.server.host
    if run.manifest.plan is not None and run.manifest.plan.insecure and host.startswith("https:"):
        yield (
            "Made with --insecure: the server's TLS certificate was not verified, so nobody knows whose answers "
            "these are, or who read them on the way."
        )


def failure_words(manifest: Manifest) -> str:
    """That the run failed, and why."""
    return f"The run failed: {one_line(manifest.failure or 'an error ended it', 400)}"


def _ended_early(run: Run, summary: Summary) -> Iterator[str]:
    ended = run.manifest.ended
    if ended == "running":
        yield "The run has no end in its manifest: it is still going on, or was killed. Numbers are of what is there."
    elif ended == "unreachable":
        refusal = one_line(run.manifest.refusal, 400)
        yield f"The run did not begin: {refusal}" if refusal else UNREACHABLE
    elif ended == "failed":
        yield failure_words(run.manifest)
    elif ended_by_time(run):
        yield f"The run was ended by --run-time, after {run.manifest.run_time_s:,g} s, with users still in."
    elif ended == "interrupted":
        yield stop_words(run, summary)
        return
    if summary.succeeded and (words := _interrupted_words(summary, "users were")):
        yield f"{words}, so times of the others are shorter than those of all."
    if words := _never_held(run, summary):
        yield words


def stop_words(run: Run, summary: Summary) -> str:
    """That the run was stopped before its end, and what is missing for it."""
    found = ["The run was stopped before its plan was done: the last users and their ramp-down are missing."]
    if words := _interrupted_words(summary, "the run was"):
        found.append(f"{words}, so let a run end by itself before you quote it.")
    return " ".join(filter(None, [*found, _never_held(run, summary)]))


def _interrupted_words(summary: Summary, stopped: str) -> str:
    """Turns that were cut short by us, without its full stop; empty where there are none."""
    if not summary.interrupted:
        return ""
    counts, they = (
        ("counts", "it was a slow one") if summary.interrupted == 1 else ("count", "they were the slow ones")
    )
    return (
        f"{_turns(summary.interrupted)} still ran when {stopped} stopped and {counts} nowhere below; {they}"
    )


def _never_held(run: Run, summary: Summary) -> str:
    """Turns of the plan that were not begun; empty where there are none."""
    held = summary.turns + summary.interrupted + summary.abandoned
    held += summary.context.not_held if summary.context is not None else 0
    wanted = summary.planned_turns
    if not wanted or held >= wanted or run.manifest.ended == "unreachable" or run.missing:
        return ""
    return f"{wanted - held:,} of {wanted:,} planned turns were never held, so the load was lighter than planned."


def _failures(run: Run, summary: Summary) -> Iterator[str]:
    if summary.failures:
        yield (
            f"{summary.failures:,} of {_turns(summary.turns)} failed. Speeds below are of the good ones only, and a "
            "server that refuses work looks fast: the table “With each failed turn as endless” counts them as slowest."
        )


def _missing_lines(run: Run, summary: Summary) -> Iterator[str]:
    yield from (one_line(words, 300) for words in run.missing)


def _torn_lines(run: Run, summary: Summary) -> Iterator[str]:
    if run.torn_lines:
        yield (
            f"{plural(run.torn_lines, 'unreadable journal line')} skipped: a process was killed "
            "or the disk was full, and up to as many turns are missing."
        )


def _lost_lines(run: Run, summary: Summary) -> Iterator[str]:
    lost = sum(line.lost_lines for line in run.ends)
    if lost:
        yield (
            f"{plural(lost, 'journal line')} could not be written (a full disk, or a folder without "
            "permission): as many turns may be missing below."
        )
    steps = sum(line.clock_steps for line in run.ends)
    if steps:
        yield f"The machine's clock was set {steps:,} times during the run: stop its time service for a careful run."


def _length(run: Run, summary: Summary) -> Iterator[str]:
    length, good = summary.finishes.get("length", 0), summary.succeeded
    load, plan = run.manifest.load, run.manifest.plan
    asked = load is not None and load.asks_exact_lengths
    if not length or asked or (plan is not None and plan.body.get("ignore_eos") is True):
        return
    if plan is not None and plan.max_tokens is None:
        yield (
            f"{length:,} of {good:,} good replies were cut by a limit of the server (finish “length”; none was "
            "sent): their length is the limit's, not the model's. Raise it if real answers are meant."
        )
        return
    yield (
        f"{length:,} of {good:,} good replies were cut by max_tokens (finish “length”): their length is the "
        "limit's, not the model's. Raise --max-tokens if real answers are meant."
    )


def _connections(run: Run, summary: Summary) -> Iterator[str]:
    after = _after_good_replies(run)
    reopened = sum(turn.new_connection and turn.sent_ns is not None for turn in after)
    if reopened > 1 and reopened > REOPENED_SHARE * len(after):
        yield (
            f"{reopened:,} of {_turns(len(after))} after a good reply had to open a new connection: the server, or "
            "something before it, closes them after a reply. Connect time is outside TTFT; your users would feel it."
        )
    retried = summary.connections.retried
    if retried:
        yield f"{_turns(retried)} went out a second time, because the kept-alive connection had died unused."


def _after_good_replies(run: Run) -> list[Turn]:
    """Turns whose user's turn before was good: we kept its connection; after a failure we close it ourselves."""
    before: dict[tuple[str, int], Turn] = {}
    found = []
    for turn in sorted(run.turns, key=lambda one: one.due_ns):
        last = before.get((turn.group, turn.user))
        if last is not None and last.ok and not turn.trimmed:  # the refusal of the longer prompt came between
            found.append(turn)
        before[turn.group, turn.user] = turn
    return found


def _too_few(run: Run, summary: Summary) -> Iterator[str]:
    n, names = summary.metric("ttft_ms").n, summary.metric("ttft_ms").too_small
    if names:
        needs = ", ".join(f"{name} {least_n(PERCENTILES[name])}" for name in names)
        yield (
            f"{_turns(n)} {'is' if n == 1 else 'are'} too few for {listed(names)} (needed: {needs}): "
            "shown as n<…; hold more turns."
        )


def _no_steady(run: Run, summary: Summary) -> Iterator[str]:
    if summary.steady is None and summary.turns and planned_chat(run) is not None:
        yield "There was no time with all users in, so there are no steady figures: hold more turns, or ramp faster."


def of_each_server(check: Check) -> Check:
    """The check of what a server tells; of several, of each with its own turns, its host before the sentence."""

    @functools.wraps(check)
    def checked(run: Run, summary: Summary) -> Iterator[str]:
        if not summary.servers:
            yield from check(run, summary)
            return
        parts = by_host(run)
        for host, view in summary.servers.items():
            seen = msgspec.structs.replace(summary, server=view)
            yield from (f"{one_line(host, 200)}: {words}" for words in check(parts[host], seen))

    return checked


CHECKS: tuple[Check, ...] = (
    _insecure,
    cross_talk,
    _ended_early,
    _failures,
    other_answers,
    piled_up,
    stood_still,
    _missing_lines,
    _torn_lines,
    _lost_lines,
    idle_addresses,
    of_each_server(server_warnings.other_clients),
    of_each_server(server_warnings.cache_hits),
    server_warnings.cache_misses,
    of_each_server(server_warnings.front_end),
    generator_warnings.slow_generator,
    held_streams.proxies,
    first_byte,
    token_warnings.doubted_usage,
    token_warnings.unseen_tokens,
    token_warnings.token_sources,
    token_warnings.reasoning_tokens,
    token_warnings.first_reads,
    token_warnings.without_text,
    token_warnings.shown_ends,
    more_than_asked,
    _length,
    without_answers,
    fewer_rounds,
    server_warnings.whole_replies,
    server_warnings.several_tokens,
    generator_warnings.packed,
    generator_warnings.user_space_stamps,
    _connections,
    in_step,
    of_each_server(server_warnings.holes),
    of_each_server(server_warnings.restarted),
    _too_few,
    _no_steady,
)
"""The checks, worst first: each looks at run and summary and yields its sentences, or nothing."""


def _turns(n: int) -> str:
    return plural(n, "turn")
