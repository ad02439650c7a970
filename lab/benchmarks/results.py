"""The results of one measurement, and a table of many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TypeVar

from chatload.certify.client_errors import ClientAnswer, Errors, ServerAnswer, errors, spread
from chatload.render.markdown import table as markdown_table
from lab.benchmarks.harness import Cost

Measurement = TypeVar("Measurement")


@dataclass(frozen=True, slots=True)
class Result:
    """One client under one load. CPU is user + system of all its processes.

    `steady_cpu_s_per_mtoken` is over the time in which every user was in; `ttft_*` are the absolute
    errors of all requests, those of the ramp too; `reported_p99_off_ms` is the reported p99 minus the true one.
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
        """One line for the log."""
        p99, gap, steady = self.ttft_ms_p99 or 0, self.gap_mean_ms or 0, self.steady_cpu_s_per_mtoken or 0
        return (
            f"{self.answers} answers, TTFT error p99 {p99:.3f} ms, reported p99 off by {self.reported_p99_off_ms:.3f} "
            f"ms, mean gap error {gap:.5f} ms, {steady:.1f} CPU-s/Mtoken steady, {self.gross_cpu_s_per_mtoken:.1f} in "
            f"all, {self.peak_mb:.0f} MB, first request after {self.start_s:.2f} s"
        )


def joined(recorded: Mapping[str, ClientAnswer], truth: Mapping[str, ServerAnswer]) -> list[Errors]:
    """The errors of all answers in both. SystemExit when fewer than 90 % of the truth's answers are."""
    found = errors(recorded, truth)
    if len(found) < 0.9 * len(truth) or not found:
        raise SystemExit(f"only {len(found)} of {len(truth)} answers could be joined")
    return found


def result(
    recorded: Mapping[str, ClientAnswer], truth: Mapping[str, ServerAnswer], cost: Cost, users: int
) -> Result:
    """Errors and cost of one run. SystemExit when fewer than 90 % of the answers can be joined."""
    found = joined(recorded, truth)
    both = {name: truth[name] for name in recorded if name in truth}
    reported = spread([(recorded[name].first_token_ns - recorded[name].sent_ns) / 1e6 for name in both]).p99
    ttft = spread([each.ttft_ms for each in found])
    gaps = [each.gap_ms for each in found if each.gap_ms is not None]
    return replace(
        result_of_tool(reported or 0.0, truth, cost, users),
        answers=len(found),
        ttft_ms_p50=ttft.p50,
        ttft_ms_p99=ttft.p99,
        ttft_max_ms=ttft.max,
        gap_mean_ms=sum(gaps) / len(gaps) if gaps else None,
    )


def result_of_tool(
    reported_p99_ms: float, truth: Mapping[str, ServerAnswer], cost: Cost, users: int
) -> Result:
    """Cost, and the error of the p99 of TTFT, of a client that reports nothing else."""
    tokens = sum(len(answer.tokens_sent_ns) for answer in truth.values())
    true = spread([(answer.tokens_sent_ns[0] - answer.received_ns) / 1e6 for answer in truth.values()]).p99
    return Result(
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


def steady_window(truth: Mapping[str, ServerAnswer], users: int) -> tuple[int, int] | None:
    """The time in which all users were in, in ns; None of too few requests.

    The server does not know users, so: from the instant at which `users` requests had come in, to the instant at
    which `users` answers were still to end.
    """
    received = sorted(answer.received_ns for answer in truth.values())
    ended = sorted(answer.tokens_sent_ns[-1] for answer in truth.values())
    return (received[users], ended[-users]) if len(received) > 2 * users else None


def _steady(truth: Mapping[str, ServerAnswer], cost: Cost, users: int) -> float | None:
    """CPU-s per million tokens while all users were in; None if there was no such time."""
    window = steady_window(truth, users)
    if window is None:
        return None
    from_ns, until_ns = window
    tokens = sum(from_ns <= at <= until_ns for answer in truth.values() for at in answer.tokens_sent_ns)
    return cost.cpu_s(from_ns, until_ns) * 1e6 / tokens if tokens else None


Columns = Sequence[tuple[str, Callable[[Measurement], float | None], str]]
"""Of a table of measurements: title, value of a measurement, number format."""
COLUMNS: Columns[Result] = (
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


def table(rows: Mapping[str, Sequence[Result]]) -> str:
    """All columns, and each client's steady CPU divided by that of the first one in the same round."""
    first = next(iter(rows.values()))

    def relative_cpu(name: str) -> str:
        pairs = [
            (theirs.steady_cpu_s_per_mtoken, own.steady_cpu_s_per_mtoken)
            for theirs, own in zip(rows[name], first, strict=True)
        ]
        return cell([their / own if their and own else None for their, own in pairs], ".2f")

    return medians(rows, COLUMNS, ("client", "steady CPU / chatload's"), relative_cpu)


def medians(
    rows: Mapping[str, Sequence[Measurement]],
    columns: Columns[Measurement],
    heads: tuple[str, str],
    last: Callable[[str], str],
) -> str:
    """A Markdown table: medians with (min–max) of each row's measurements. `heads`: first and last column."""
    lines = [
        [
            f"{name} ({len(found)})",
            *(cell([of(one) for one in found], form) for _, of, form in columns),
            last(name),
        ]
        for name, found in rows.items()
    ]
    return "\n".join(
        markdown_table([f"{heads[0]} (n)", *(title for title, _, _ in columns), heads[1]], lines)
    )


def cell(values: Sequence[float | None], form: str) -> str:
    """A median and its range."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return "–"
    middle = format(median(known), form)
    low, high = format(known[0], form), format(known[-1], form)
    return middle if low == high else f"{middle} ({low}–{high})"
