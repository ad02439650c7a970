"""One run as sums: what summary.json holds."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

import msgspec

from chatload.analysis.block_interval import rate_estimate, tokens_by_block
from chatload.analysis.completeness import planned_chat, planned_turns, shortcomings
from chatload.analysis.context_use import context_use
from chatload.analysis.cost import cost_of
from chatload.analysis.distribution import describe, with_failures
from chatload.analysis.first_token import first_token_time
from chatload.analysis.forks import Forks, forks
from chatload.analysis.gap_counts import GapCounts
from chatload.analysis.held_streams import held_streams
from chatload.analysis.lengths_achieved import achieved_lengths
from chatload.analysis.quantiles import METHOD
from chatload.analysis.queueing import queueing
from chatload.analysis.same_answers import same_answers
from chatload.analysis.sample import Sample, Samples, asked_of, samples, side_by_side
from chatload.analysis.send_bunching import bunching
from chatload.analysis.server_addresses import turns_by_address
from chatload.analysis.server_view import server_view, server_views
from chatload.analysis.slo_verdict import with_slos
from chatload.analysis.slot_release import slot_release
from chatload.analysis.standstill import standstill
from chatload.analysis.throughput import throughput, whole_window
from chatload.analysis.validity import validity_of
from chatload.analysis.warnings import warnings
from chatload.model.first_token import FirstTokenTime
from chatload.model.metrics import Metric, View, metric, metrics_in, turn_metrics
from chatload.model.sanitize import one_line
from chatload.model.stalls import READER_TOKENS_PER_S, reading_underrun_ms, stalls_ms
from chatload.model.summary import (
    Connections,
    Distribution,
    GroupSummary,
    Queueing,
    Stalls,
    Summary,
    Throughput,
    WithFailures,
)
from chatload.model.turn import Turn
from chatload.store.journal import Run

WITH_FAILURES = ("ttft_ms", "e2e_ms")
"""Metrics that are also told with each failed turn as endless."""
METRIC_PARTS = 3
"""Number of parts in which the metrics of turns are computed in parallel."""
NO_NAME = "(no name)"
"""The part of turns without a name, beside others that have one."""


def summarise(run: Run, window: str = "") -> Summary:
    """The run as sums, what it lacks, and its warnings; `window`: "all-in" or "whole", empty: as the run was told."""
    with forks(len(run.turns)) as parallel:
        made = _sums(run, window, parallel)
        plan = run.manifest.plan
        if plan is not None:
            made = with_slos(made, run, plan.slo, window)
        return msgspec.structs.replace(made, warnings=tuple(warnings(run, made, parallel)))


def _sums(run: Run, window: str, parallel: Forks) -> Summary:
    """All but SLOs and warnings. The parts that take long start first, in parallel with the rest."""
    turns = run.turns
    still, bunches = parallel.begin(standstill, run), parallel.begin(bunching, run)
    found = samples(turns, run.manifest.load, asked_of(run, window))
    figures = found.figures
    good = [turn for turn in turns if turn.ok]
    gaps, metrics = _gaps(turns, found, parallel), _metrics(turns, found, parallel)
    first_token = parallel.begin(_first_token, run, figures)
    inside = figures.of(turns)
    stalls, failed_too = parallel.begin(_stalls, good), parallel.begin(_with_failures, inside)
    view = server_view(run)
    failed = Counter(turn.failure_code for turn in turns if turn.failed)
    connections = parallel.begin(_connections, run)
    of_figures, gap_metrics = gaps()
    validity = parallel.begin(validity_of, run, window, found=found, gaps_us=of_figures)
    steady = parallel.begin(_steady, turns, found)
    whole = parallel.begin(throughput, turns, whole_window(turns))
    time_to_first, queue = first_token()
    told = metrics()
    return Summary(
        run_id=run.manifest.run_id or None,
        label=one_line(run.name),
        simulation=run.manifest.simulation,
        planned_turns=planned_turns(run),
        warmup=len(run.warmup),
        same_answers=same_answers(run),
        echoes=_tally(turn.echo for turn in run.every_turn if turn.echo),
        turns=len(good) + failed.total(),
        succeeded=len(good),
        failed=dict(failed.most_common()),
        interrupted=sum(turn.code == "interrupted" and not turn.ok for turn in turns),
        abandoned=sum(turn.code == "abandoned" for turn in turns),
        context=context_use(run.every_turn),
        slot_release=slot_release(run),
        users=len({turn.user for turn in turns}),
        conversations=_complete_conversations(run, good),
        tokens=sum(turn.tokens or 0 for turn in good),
        billed_tokens=sum(turn.billed_tokens or 0 for turn in good),
        groups=_groups(turns),
        window=figures.stretch(sum(turn.counts for turn in inside)),
        finishes=_tally(turn.finish or "none" for turn in good),
        token_sources=_tally(turn.token_source for turn in good),
        first_event_sources=_tally(turn.first_event_source for turn in good),
        held=held_streams(good),
        stamp_sources=_tally(turn.stamp_source for turn in good),
        marks=_tally(mark for turn in turns for mark in turn.marks),
        server=view,
        servers=server_views(run),
        lengths=achieved_lengths(run, view),
        cost=cost_of(run, figures.window, figures.name),
        torn_lines=run.torn_lines,
        percentile_method=METHOD,
        incomplete=tuple(shortcomings(run)),
        connections=connections(),
        throughput=whole(),
        steady=steady(),
        metrics={**told[0], **gap_metrics[0]},
        whole_run={**told[1], **gap_metrics[1]},
        with_failures=failed_too(),
        stalls=stalls(),
        bunching=bunches(),
        standstill=still(),
        validity=validity(),
        first_token=time_to_first,
        queueing=queue,
    )


def _steady(turns: Sequence[Turn], found: Samples) -> Throughput | None:
    """Throughput with all users in, its tokens/s with their interval where the stretch is long enough."""
    if found.all_in is None:
        return None
    steady = throughput(turns, found.all_in)
    blocks = found.figures.blocks
    if blocks is None or found.figures.window != found.all_in:
        return steady
    rate = rate_estimate(tokens_by_block([turn for turn in turns if turn.ok], blocks), blocks)
    return msgspec.structs.replace(steady, tokens_interval=(rate.low, rate.high))


Told = dict[str, Distribution | None]


def _metrics(turns: Sequence[Turn], found: Samples, parallel: Forks) -> Callable[[], tuple[Told, Told]]:
    """Every metric of the good turns of both samples, but those of gaps.

    Of a run of which the samples are the same, the second has none. Each is computed once a turn: the figures' turns
    are some of the whole run's.
    """
    same = found.figures.name == found.whole.name
    samples = [
        one.where(turns, lambda turn: turn.ok) for one in (found.figures, *([] if same else [found.whole]))
    ]
    kept = [turn for turn in turns if turn.ok]
    count = array("q", accumulate(turn.ok for turn in turns))  # those kept up to each turn
    at = [array("q", (count[i] - 1 for i in sample.index)) for sample in samples]

    def described(metrics: Sequence[Metric]) -> list[list[Distribution]]:
        told = []
        for one in metrics:
            values = list(map(one.value if one.of is None else one.of, kept))
            told.append(
                [
                    describe(*sample.told([values[i] for i in place]), sample.blocks)
                    for sample, place in zip(samples, at, strict=True)
                ]
            )
        return told

    every = turn_metrics()
    parts = [
        (every[i::METRIC_PARTS], parallel.begin(described, every[i::METRIC_PARTS]))
        for i in range(METRIC_PARTS)
    ]

    def metrics() -> tuple[Told, Told]:
        told = {one.key: each for part, those in parts for one, each in zip(part, those(), strict=True)}
        found: list[Told] = [{one.key: told[one.key][i] for one in every} for i in range(len(samples))]
        return found[0], {} if same else found[1]

    return metrics


def _gaps(
    turns: Sequence[Turn], found: Samples, parallel: Forks
) -> Callable[[], tuple[Counter[int], tuple[Told, Told]]]:
    """(how often each gap occurs in the good turns of the figures, the metrics of gaps of both samples)."""
    part = [turn for turn in found.figures.of(turns) if turn.ok]
    half = len(part) // 2
    halves = parallel.begin(GapCounts, part[:half]), parallel.begin(GapCounts, part[half:])
    others = None
    if found.figures.name != found.whole.name:
        inside = set(found.figures.index)
        rest = [turn for i in found.whole.index if i not in inside and (turn := turns[i]).ok]
        others = parallel.begin(GapCounts, rest)

    def gaps() -> tuple[Counter[int], tuple[Told, Told]]:
        counted = halves[0]()
        counted += halves[1]()
        of_figures, told = counted.every, counted.told()
        if others is None:
            return of_figures, (told, {})
        counted += others()
        return of_figures, (told, counted.told())

    return gaps


def _described(turns: Sequence[Turn], sample: Sample, metrics: Iterable[Metric]) -> dict[str, Distribution]:
    good = sample.where(turns, lambda turn: turn.ok)
    return {one.key: describe(*good.values(turns, one.value), good.blocks) for one in metrics}


def _first_token(run: Run, figures: Sample) -> tuple[FirstTokenTime | None, tuple[Queueing, ...]]:
    first_token = first_token_time(run, figures.window, figures.name)
    return first_token, queueing(run, first_token)


def _connections(run: Run) -> Connections:
    turns = run.turns
    return Connections(
        new=sum(turn.new_connection for turn in turns),
        reused=sum(not turn.new_connection for turn in turns),
        retried=sum(turn.retried for turn in turns),
        refusals_waited_for=sum(turn.refusals for turn in turns),
        turns_that_waited=sum(turn.refusals > 0 for turn in turns),
        waited_s=round(sum(turn.waited_ms or 0.0 for turn in turns) / 1e3, 3),
        addresses=turns_by_address(run),
    )


def _with_failures(turns: Sequence[Turn]) -> dict[str, WithFailures]:
    good = [turn for turn in turns if turn.ok]
    failed = sum(turn.failed for turn in turns)
    return {key: with_failures(_values(good, metric(key).value), failed) for key in WITH_FAILURES}


def _complete_conversations(run: Run, good: Sequence[Turn]) -> int | None:
    """Users whose every planned turn succeeded; None where the load is no chat."""
    chat = planned_chat(run)
    if chat is None:
        return None
    return sum(turns >= chat[1] for turns in Counter(turn.user for turn in good).values())


def _values(turns: Iterable[Turn], of: Callable[[Turn], float | None]) -> Iterator[float]:
    return (value for value in map(of, turns) if value is not None)


def _tally(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items(), key=lambda item: (-item[1], item[0])))


def _groups(turns: Sequence[Turn]) -> dict[str, GroupSummary]:
    """The named parts of a run, each as a small run of its own: levels of a sweep in order, turns by their name."""
    parts: dict[str, list[Turn]] = {}
    names = any(turn.name for turn in turns)
    for turn in turns:
        part = turn.group or turn.name or (NO_NAME if names else "")
        if part:
            parts.setdefault(one_line(part, 40), []).append(turn)
    return {name: _group(part) for name, part in parts.items()}


def _group(turns: Sequence[Turn]) -> GroupSummary:
    good = [turn for turn in turns if turn.ok]
    sample = side_by_side(turns, lambda _: "")
    return GroupSummary(
        turns=sum(turn.counts for turn in turns),
        succeeded=len(good),
        tokens=sum(turn.tokens or 0 for turn in good),
        throughput=throughput(turns, whole_window(turns)),
        metrics=_described(turns, sample, metrics_in(View.GROUPS)),
    )


def _stalls(good: Sequence[Turn]) -> Stalls:
    """Stalls of the good replies under the default rule, and how long readers waited in total."""
    stalls = [stalls_ms(turn) for turn in good]
    hit = sum(bool(found) for found in stalls)
    return Stalls(
        count=sum(map(len, stalls)),
        replies=hit,
        share=hit / len(good) if good else None,
        longest_ms=max((max(found) for found in stalls if found), default=None),
        reading_underrun_ms=describe(
            _values(good, lambda turn: reading_underrun_ms(turn, READER_TOKENS_PER_S))
        ),
    )
