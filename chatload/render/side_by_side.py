"""Two or more runs beside each other, and which of them serves its users better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from chatload.analysis.comparable import all_conditions, load_conditions, unlike
from chatload.analysis.completeness import planned_chat
from chatload.analysis.run_names import distinct_names
from chatload.model.metrics import Metric, View, metrics_in
from chatload.model.sanitize import one_line, shown
from chatload.model.summary import Distribution, Summary, Throughput
from chatload.render.text_table import ABSENT, indented, number, plural, seconds, share, statistic, table
from chatload.store.journal import Run

COLUMNS = 4
FAILED_MORE = 0.01
NAME_WIDTHS = {2: 26, 3: 17, 4: 13}
"""Columns a run's name may take, by the number of runs beside each other."""

Row = tuple[str, Callable[[Summary], str]]

COUNTS: tuple[Row, ...] = (
    ("good turns", lambda s: f"{s.succeeded:,}"),
    ("failed turns", lambda s: f"{s.failures:,}"),
    ("interrupted turns", lambda s: f"{s.interrupted:,}"),
)
OF_THE_RUN: tuple[Row, ...] = (
    ("longest silence", lambda s: seconds(s.metric("max_gap_ms").max)),
    ("replies with a stall", lambda s: share(s.stalls.replies, s.succeeded)),
    ("tokens a reply, mean", lambda s: number(s.tokens / s.succeeded if s.succeeded else None)),
    ("whole run: turns/s", lambda s: number(s.throughput.requests_per_s)),
    ("whole run: tokens/s", lambda s: number(s.throughput.tokens_per_s)),
    ("all users in: turns/s", lambda s: number((s.steady or Throughput()).requests_per_s)),
    ("all users in: tokens/s", lambda s: number((s.steady or Throughput()).tokens_per_s)),
    ("tokens counted by", lambda s: one_line(", ".join(s.token_sources) or ABSENT, 13)),
)


def rows_beside() -> list[Row]:
    """The rows of the comparison: words, and how to read them from a summary."""
    rows = list(COUNTS)
    for one in metrics_in(View.SIDE_BY_SIDE):
        for name in one.shown[View.SIDE_BY_SIDE]:
            rows.append((_head(one, name), partial(_statistic_of, one.key, name)))
            if (one.key, name) in DECIDING:
                rows.append(("  95 % interval", partial(_interval_of, one.key, name)))
    return [*rows, *OF_THE_RUN]


DECIDING = {("ttft_ms", "p95"), ("felt_tokens_per_s", "p50")}
"""What the verdict is made of: shown with its interval."""


def _head(one: Metric, name: str) -> str:
    label = one.label.removesuffix(" speed")
    if name in ("min", "mean") and one.more_is_better:
        return f"{label} {'lowest' if name == 'min' else name}"
    return f"{label} {name}, {one.unit}"


def _statistic_of(key: str, name: str, summary: Summary) -> str:
    return statistic(summary.metric(key), name)


def _interval_of(key: str, name: str, summary: Summary) -> str:
    return _interval(summary.metric(key), name)


def comparison_text(runs: Sequence[Run], summaries: Sequence[Summary]) -> str:
    """Verdict, what differs, the table, and each run's own doubts."""
    names = distinct_names(runs, NAME_WIDTHS.get(len(runs), NAME_WIDTHS[COLUMNS]))
    lines = indented(verdict(names, summaries, runs), "", "")
    lines += _conditions(runs, names)
    for start in range(0, len(runs), COLUMNS):
        stop = start + COLUMNS
        rows = [["", *names[start:stop]]]
        rows += [
            [words, *(cell(summary) for summary in summaries[start:stop])] for words, cell in rows_beside()
        ]
        lines += ["", *table(rows)]
    for name, summary in zip(names, summaries, strict=True):
        words = summary.warnings
        lines += ["", f"Doubts about {name}{'' if words else ': none found.'}"]
        lines += [line for doubt in words for line in indented(doubt, "  - ", "    ")]
    lines += ["", *indented(f"Turns were taken as independent. {_files(runs)}", "", "")]
    return shown("\n".join(lines) + "\n")


def verdict(names: Sequence[str], summaries: Sequence[Summary], runs: Sequence[Run]) -> str:
    """Which run serves its users better, by TTFT p95 and felt speed p50; alike where intervals overlap."""
    doubted = [
        name for name, summary in zip(names, summaries, strict=True) if not summary.validity.trustworthy
    ]
    if doubted:
        return f"NOT TRUSTWORTHY: {' and '.join(doubted)}. {_verdict(names, summaries, runs)}"
    return _verdict(names, summaries, runs)


def _verdict(names: Sequence[str], summaries: Sequence[Summary], runs: Sequence[Run]) -> str:
    chats = [planned_chat(run) for run in runs]
    users = {chat[0] for chat in chats if chat is not None}
    whom = plural(users.pop(), "chat user") if len(users) == 1 and None not in chats else "users"
    if any(not summary.succeeded for summary in summaries):
        empty = [name for name, s in zip(names, summaries, strict=True) if not s.succeeded]
        return f"No comparison: {' and '.join(empty)} has no good turn."
    other = {name for run in runs[1:] for name, _, _ in unlike(runs[:1], [run], load_conditions)}
    if other:
        return f"No comparison: the runs were not made under the same load ({', '.join(sorted(other))})."
    sooner = _leader([s.metric("ttft_ms") for s in summaries], "p95", least=True)
    faster = _leader([s.metric("felt_tokens_per_s") for s in summaries], "p50", least=False)
    ttft = "TTFT p95 " + " against ".join(seconds(s.metric("ttft_ms").p95) for s in summaries)
    felt = (
        "felt p50 "
        + " against ".join(number(s.metric("felt_tokens_per_s").p50) for s in summaries)
        + " tokens/s"
    )
    words = _who(names, sooner, faster, whom)
    if any(leader not in (None, -1) and _fails_more(leader, summaries) for leader in (sooner, faster)):
        words = f"Undecided which serves {whom} better: the quicker one failed more"
    return f"{words} ({ttft}; {felt}).{_failing(names, summaries)}"


def _who(names: Sequence[str], sooner: int | None, faster: int | None, whom: str) -> str:
    """The verdict in words; None stands for "no run leads beyond its interval", -1 for "n too small"."""
    if sooner == -1 or faster == -1:
        return f"Undecided which serves {whom} better, there are too few turns"
    if sooner is None and faster is None:
        return f"In these runs all serve {whom} about the same"
    if sooner is not None and faster is not None and sooner != faster:
        return f"Mixed for {whom}: {names[sooner]} answers sooner, {names[faster]} reads faster"
    if sooner is not None and faster is not None:
        return f"In these runs {names[sooner]} serves {whom} better: it answers sooner and reads faster"
    if sooner is not None:
        return f"In these runs {names[sooner]} serves {whom} better: it answers sooner; reading is about the same"
    assert faster is not None
    return f"In these runs {names[faster]} serves {whom} better: it reads faster; TTFT is about the same"


def _leader(found: Sequence[Distribution], name: str, *, least: bool) -> int | None:
    """The run whose interval lies clear of all others', on the good side; None if none does, -1 if n is too small."""
    intervals = [ends for one in found if (ends := one.interval_of(name)) is not None]
    if len(intervals) < len(found):
        return -1
    for i, mine in enumerate(intervals):
        others = [interval for j, interval in enumerate(intervals) if j != i]
        if all(mine[1] < other[0] if least else mine[0] > other[1] for other in others):
            return i
    return None


def _fails_more(leader: int | None, summaries: Sequence[Summary]) -> bool:
    """True when the leader's share of failed turns is a percent point above the least: it is quick by refusing."""
    shares = [s.failures / s.turns for s in summaries]
    return leader is not None and shares[leader] > min(shares) + FAILED_MORE


def _failing(names: Sequence[str], summaries: Sequence[Summary]) -> str:
    words = [
        f"{name} failed {share(s.failures, s.turns)} of its turns"
        for name, s in zip(names, summaries, strict=True)
        if s.failed
    ]
    return f" But {', '.join(words)}: speeds are of good turns only." if words else ""


def _interval(found: Distribution, name: str) -> str:
    interval = found.interval_of(name)
    return "n too small" if interval is None else f"{number(interval[0])}…{number(interval[1])}"


def differences(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """What was not alike, so that a difference may have another cause than the server: one line each."""
    differing = []
    conditions = [all_conditions(run.manifest) for run in runs]
    for words in dict.fromkeys(name for each in conditions for name in each):
        seen = [each.get(words) for each in conditions]
        if any(value != seen[0] for value in seen):
            told = ", ".join(
                f"{name}: {one_line(value, 60)}" for name, value in zip(names, seen, strict=True)
            )
            differing.append(f"{words} ({told})")
    return differing


def _conditions(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    differing = differences(runs, names)
    if not differing:
        return []
    lines = ["", "Not alike: a difference may come from here"]
    return lines + [line for words in differing for line in indented(words, "  - ", "    ")]


def _files(runs: Sequence[Run]) -> str:
    folders = " and ".join(one_line(run.folder, 200) for run in runs)
    return f"Each run alone: python -m chatload report followed by {folders}."
