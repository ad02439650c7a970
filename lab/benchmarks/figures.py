"""The figures of one measurement, and a table of many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from chatload.certify.truth import Errors, Heard, Served, errors, spread
from lab.benchmarks.rig import Cost


@dataclass(frozen=True, slots=True)
class Figures:
    """One client under one load. CPU is user + system of all its processes.

    `steady_cpu_s_per_mtoken` is over the time in which every user was in; `ttft_*` are the sizes of the
    errors of all requests, the ramp included; `reported_p99_off_ms` is the reported p99 minus the true one.
    """

    answers: int
    ttft_ms_p50: float | None
    ttft_ms_p99: float | None
    ttft_max_ms: float | None
    reported_p99_off_ms: float
    gap_mean_ms: float | None
    steady_cpu_s_per_mtoken: float | None
    gross_cpu_s_per_mtoken: float
    peak_mb: float
    start_s: float

    def sentence(self) -> str:
        """For the log."""
        p99, gap, steady = self.ttft_ms_p99 or 0, self.gap_mean_ms or 0, self.steady_cpu_s_per_mtoken or 0
        return (
            f"{self.answers} answers, TTFT error p99 {p99:.3f} ms, reported p99 off by {self.reported_p99_off_ms:.3f} "
            f"ms, mean gap error {gap:.5f} ms, {steady:.1f} CPU-s/Mtoken steady, {self.gross_cpu_s_per_mtoken:.1f} in "
            f"all, {self.peak_mb:.0f} MB, first request after {self.start_s:.2f} s"
        )


def joined(said: Mapping[str, Heard], truth: Mapping[str, Served]) -> list[Errors]:
    """The error of each answer that is known to both. SystemExit when hardly any is."""
    found = errors(said, truth)
    if len(found) < 0.9 * len(truth) or not found:
        raise SystemExit(f"only {len(found)} of {len(truth)} answers could be joined")
    return found


def figures(said: Mapping[str, Heard], truth: Mapping[str, Served], cost: Cost, users: int) -> Figures:
    """Join and sum. SystemExit when hardly any answer is known to both."""
    found = joined(said, truth)
    both = {name: truth[name] for name in said if name in truth}
    reported = spread([(said[name].first_token_ns - said[name].sent_ns) / 1e6 for name in both])["p99"]
    ttft = spread([each.ttft_ms for each in found])
    gaps = [each.gap_ms for each in found if each.gap_ms is not None]
    return replace(
        figures_of_peer(reported or 0.0, truth, cost, users),
        answers=len(found),
        ttft_ms_p50=ttft["p50"],
        ttft_ms_p99=ttft["p99"],
        ttft_max_ms=ttft["max"],
        gap_mean_ms=sum(gaps) / len(gaps) if gaps else None,
    )


def figures_of_peer(reported_p99_ms: float, truth: Mapping[str, Served], cost: Cost, users: int) -> Figures:
    """What can be said of a client that tells no more than its p99 of TTFT."""
    tokens = sum(len(answer.tokens_sent_ns) for answer in truth.values())
    true = spread([(answer.tokens_sent_ns[0] - answer.received_ns) / 1e6 for answer in truth.values()])["p99"]
    return Figures(
        answers=len(truth),
        ttft_ms_p50=None,
        ttft_ms_p99=None,
        ttft_max_ms=None,
        reported_p99_off_ms=reported_p99_ms - (true or 0.0),
        gap_mean_ms=None,
        steady_cpu_s_per_mtoken=_steady(truth, cost, users),
        gross_cpu_s_per_mtoken=cost.total_s() * 1e6 / tokens,
        peak_mb=cost.peak_mb(),
        start_s=(min(answer.received_ns for answer in truth.values()) - cost.samples[0][0]) / 1e9,
    )


def steady_window(truth: Mapping[str, Served], users: int) -> tuple[int, int] | None:
    """From the `users`-th first request on until the first user's last answer, in ns; None of too few requests.

    Users are not known to the server, so: from when as many requests as users came in, to when as many
    answers as users were left to end.
    """
    received = sorted(answer.received_ns for answer in truth.values())
    ended = sorted(answer.tokens_sent_ns[-1] for answer in truth.values())
    return (received[users], ended[-users]) if len(received) > 2 * users else None


def _steady(truth: Mapping[str, Served], cost: Cost, users: int) -> float | None:
    """CPU-s per million tokens while every user was in."""
    window = steady_window(truth, users)
    if window is None:
        return None
    from_ns, until_ns = window
    tokens = sum(from_ns <= at <= until_ns for answer in truth.values() for at in answer.tokens_sent_ns)
    return cost.cpu_s(from_ns, until_ns) * 1e6 / tokens if tokens else None


COLUMNS: tuple[tuple[str, Callable[[Figures], float | None], str], ...] = (
    ("TTFT error p50 ms", lambda row: row.ttft_ms_p50, ".3f"),
    ("p99", lambda row: row.ttft_ms_p99, ".3f"),
    ("max", lambda row: row.ttft_max_ms, ".2f"),
    ("reported p99 off ms", lambda row: row.reported_p99_off_ms, ".3f"),
    ("mean gap error ms", lambda row: row.gap_mean_ms, ".5f"),
    ("steady CPU-s/Mtoken", lambda row: row.steady_cpu_s_per_mtoken, ".1f"),
    ("in all", lambda row: row.gross_cpu_s_per_mtoken, ".1f"),
    ("peak MB", lambda row: row.peak_mb, ".0f"),
    ("start s", lambda row: row.start_s, ".2f"),
)


def table(rows: Mapping[str, Sequence[Figures]]) -> str:
    """Markdown: medians with (min–max), and each client's steady CPU as a multiple of the first one's."""
    first = next(iter(rows.values()))
    heads = ["client (n)", *(title for title, _, _ in COLUMNS), "steady CPU, times ours"]
    lines = []
    for name, found in rows.items():
        cells = [f"{name} ({len(found)})"]
        cells += [cell([of(row) for row in found], form) for _, of, form in COLUMNS]
        pairs = [
            (theirs.steady_cpu_s_per_mtoken, own.steady_cpu_s_per_mtoken)
            for theirs, own in zip(found, first, strict=True)
        ]
        cells.append(cell([their / own if their and own else None for their, own in pairs], ".2f"))
        lines.append(cells)
    return markdown(heads, lines)


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows))


def cell(values: Sequence[float | None], form: str) -> str:
    """A median and its range."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return "–"
    middle = format(median(known), form)
    low, high = format(known[0], form), format(known[-1], form)
    return middle if low == high else f"{middle} ({low}–{high})"
