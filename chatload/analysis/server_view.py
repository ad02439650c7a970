"""The server's own numbers over a run, set beside what the client saw of the same thing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

from chatload.analysis.series import in_flight, start_ns
from chatload.analysis.server_readings import Readings, grown, readings_of, value
from chatload.analysis.servers import by_host
from chatload.model.journal_lines import ServerLine
from chatload.model.metrics import ttft_ms
from chatload.model.server_view import ServerView
from chatload.store.journal import Run


def server_view(run: Run) -> ServerView | None:
    """The server's side of a run; None where its page told nothing of it, or there are several servers."""
    return None if len(by_host(run)) > 1 else _view(run)


def server_views(run: Run) -> dict[str, ServerView]:
    """The side of each server by its host, of a run of several; those that told nothing are left out."""
    parts = by_host(run)
    found = {host: _view(part) for host, part in parts.items()} if len(parts) > 1 else {}
    return {host: view for host, view in found.items() if view is not None}


def _view(run: Run) -> ServerView | None:
    if not run.server or not run.turns:
        return None
    found = readings_of(run)
    lines, during = found.counted, found.during
    hits, asked = grown(lines, "prefix_hits"), grown(lines, "prefix_queries")
    server_ms, ours = _ttft(run, lines)
    apart = [(later.at_ns - earlier.at_ns) / 1e9 for earlier, later in pairwise(during)]
    ends = max(turn.end_ns for turn in run.turns)
    zero_ns = start_ns(run)
    # Without a reading before the first request, counters begin at the first one: so do ours.
    from_ns = lines[0].at_ns if lines and not found.before else None
    counted = [turn for turn in run.every_turn if from_ns is None or turn.end_ns > from_ns]
    return ServerView(
        readings=len(during),
        unanswered=found.unanswered,
        stale=found.stale,
        every_s=round(median(apart[:-1] or apart), 3) if apart else None,  # the last one is read at the end
        longest_hole_s=round(found.longest_hole_ns(zero_ns, ends) / 1e9, 3) or None,
        missing=found.missing,
        since_s=_s_after(found.since_ns, zero_ns),
        restarted_s=_s_after(next(iter(found.fallen_ns), None), zero_ns),
        counters_fell=len(found.fallen_ns),
        requests_at_once=_peak(during, "running", "waiting"),
        client_requests_at_once=max(in_flight(run)[1], default=0),
        running=_peak(during, "running"),
        waiting=_peak(during, "waiting"),
        waiting_unseen=_peak(during, "waiting_unseen"),
        kv_use=_peak(during, "kv_use"),
        batch_tokens=_peak(during, "batch_tokens"),
        queue_ms=_mean_ms(lines, "queue_s", "queued"),
        ttft_ms=server_ms,
        client_ttft_ms=round(fmean(ours), 3) if ours else None,
        first_tokens=grown(lines, "first_tokens"),
        client_first_tokens=len(ours),
        ttft_apart_ms=_halves(run, lines),
        tokens=grown(lines, "generated_tokens"),
        drafted_tokens=grown(lines, "drafted_tokens"),
        client_tokens=sum(turn.billed_tokens or 0 for turn in counted),
        finished=grown(lines, "finished"),
        client_finished=sum(turn.counts for turn in counted),
        preemptions=grown(lines, "preemptions"),
        cached_share=hits / asked if hits is not None and asked else None,
        prompt_tokens=asked,
        front_end_cpu=_cores(found),
    )


def _s_after(at_ns: int | None, zero_ns: int) -> float | None:
    return None if at_ns is None else round((at_ns - zero_ns) / 1e9, 3)


def _peak(lines: Sequence[ServerLine], *keys: str) -> float | None:
    """The highest sum of gauges at one reading; a gauge that it does not tell is 0 beside one that it does."""
    sums = []
    for line in lines:
        told = [number for key in keys if (number := value(line, key)) is not None]
        sums += [sum(told)] if told else []
    return max(sums, default=None)


def _mean_ms(lines: Sequence[ServerLine], seconds: str, count: str) -> float | None:
    """Δ seconds / Δ count, in ms: the mean of what a histogram counted meanwhile."""
    spent, n = grown(lines, seconds), grown(lines, count)
    return round(1000 * spent / n, 3) if spent is not None and n else None


def _ttft(run: Run, lines: Sequence[ServerLine]) -> tuple[float | None, list[float]]:
    """(server's mean TTFT, the client's TTFT of each turn whose first token came in the same stretch), in ms."""
    server_ms = _mean_ms(lines, "ttft_s", "first_tokens")
    if server_ms is None:
        return None, []
    from_ns, until_ns = lines[0].at_ns, lines[-1].at_ns
    return server_ms, [
        found
        for turn in run.every_turn
        if turn.first_token_ns is not None and from_ns < turn.first_token_ns <= until_ns
        if (found := ttft_ms(turn)) is not None
    ]


def _halves(run: Run, lines: Sequence[ServerLine]) -> tuple[float, float] | None:
    """Client's mean TTFT − the server's, in ms, of the first and the second half of the readings."""
    middle = len(lines) // 2
    found = []
    for part in (lines[: middle + 1], lines[middle:]):
        server_ms, ours = _ttft(run, part) if len(part) > 1 else (None, [])
        if server_ms is None or not ours:
            return None
        found.append(round(fmean(ours) - server_ms, 3))
    return found[0], found[1]


def _cores(found: Readings) -> float | None:
    """The most processor time per s that the page's process used between two readings, in cores."""
    used = [
        (later.process_cpu_s - earlier.process_cpu_s) / ((later.at_ns - earlier.at_ns) / 1e9)
        for earlier, later in pairwise(found.during)
        if later.process_cpu_s is not None
        and earlier.process_cpu_s is not None
        and later.at_ns > earlier.at_ns
    ]
    used = [cores for cores in used if cores >= 0]  # a new process begins at 0
    return round(max(used), 3) if used else None
