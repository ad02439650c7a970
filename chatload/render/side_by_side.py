"""Two or more runs beside each other, and which of them serves its users better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from chatload.analysis.comparable import all_conditions, load_conditions, unlike
from chatload.analysis.run_names import distinct_names
from chatload.analysis.summary import planned_chat
from chatload.analysis.validity import first_words
from chatload.analysis.warnings import caveats
from chatload.model.metrics import Metric, View, metrics_in
from chatload.model.sanitize import one_line, shown
from chatload.render.text_table import ABSENT, indented, number, plural, seconds, share, statistic, table
from chatload.store.journal import Run

Summary = Mapping[str, Any]
COLUMNS = 4
FAILED_MORE = 0.01
NAME_WIDTHS = {2: 26, 3: 17, 4: 13}
"""Columns a run's name may take, by the number of runs beside each other."""

Row = tuple[str, Callable[[Summary], str]]

COUNTS: tuple[Row, ...] = (
    ("good turns", lambda s: f"{s['succeeded']:,}"),
    ("failed turns", lambda s: f"{sum(s['failed'].values()):,}"),
    ("interrupted turns", lambda s: f"{s['interrupted']:,}"),
)
OF_THE_RUN: tuple[Row, ...] = (
    ("longest silence", lambda s: seconds(s["max_gap_ms"]["max"])),
    ("replies with a stall", lambda s: share(s["stalls"]["replies"], s["succeeded"])),
    ("tokens a reply, mean", lambda s: number(s["tokens"] / s["succeeded"] if s["succeeded"] else None)),
    ("whole run: turns/s", lambda s: number(s["requests_per_s"])),
    ("whole run: tokens/s", lambda s: number(s["tokens_per_s"])),
    ("all users in: turns/s", lambda s: number((s["steady"] or {}).get("requests_per_s"))),
    ("all users in: tokens/s", lambda s: number((s["steady"] or {}).get("tokens_per_s"))),
    ("tokens counted by", lambda s: one_line(", ".join(s["token_sources"]) or ABSENT, 13)),
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
    return statistic(summary[key], name)


def _interval_of(key: str, name: str, summary: Summary) -> str:
    return _interval(summary[key], name)


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
    for run, name, summary in zip(runs, names, summaries, strict=True):
        words = caveats(run, summary)
        lines += ["", f"Doubts about {name}{'' if words else ': none found.'}"]
        lines += [line for doubt in words for line in indented(doubt, "  - ", "    ")]
    lines += ["", *indented(f"Turns were taken as independent. {_files(runs)}", "", "")]
    return shown("\n".join(lines) + "\n")


def verdict(names: Sequence[str], summaries: Sequence[Summary], runs: Sequence[Run]) -> str:
    """Which run serves its users better, by TTFT p95 and felt speed p50; alike where intervals overlap."""
    doubted = [
        name
        for name, summary in zip(names, summaries, strict=True)
        if first_words(summary.get("trust")) is not None
    ]
    if doubted:
        return f"NOT TRUSTWORTHY: {' and '.join(doubted)}. {_verdict(names, summaries, runs)}"
    return _verdict(names, summaries, runs)


def _verdict(names: Sequence[str], summaries: Sequence[Summary], runs: Sequence[Run]) -> str:
    chats = [planned_chat(run) for run in runs]
    users = {chat[0] for chat in chats if chat is not None}
    whom = plural(users.pop(), "chat user") if len(users) == 1 and None not in chats else "users"
    if any(not summary["succeeded"] for summary in summaries):
        empty = [name for name, s in zip(names, summaries, strict=True) if not s["succeeded"]]
        return f"No comparison: {' and '.join(empty)} has no good turn."
    other = {name for run in runs[1:] for name, _, _ in unlike(runs[:1], [run], load_conditions)}
    if other:
        return f"No comparison: the runs were not made under the same load ({', '.join(sorted(other))})."
    sooner = _leader([s["ttft_ms"] for s in summaries], "p95", least=True)
    faster = _leader([s["felt_tokens_per_s"] for s in summaries], "p50", least=False)
    ttft = "TTFT p95 " + " against ".join(seconds(s["ttft_ms"]["p95"]) for s in summaries)
    felt = (
        "felt p50 " + " against ".join(number(s["felt_tokens_per_s"]["p50"]) for s in summaries) + " tokens/s"
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


def _leader(found: Sequence[Summary], name: str, *, least: bool) -> int | None:
    """The run whose interval lies clear of all others', on the good side; None if none does, -1 if n is too small."""
    intervals = [one["interval"].get(name) for one in found]
    if any(interval is None for interval in intervals):
        return -1
    for i, mine in enumerate(intervals):
        others = [interval for j, interval in enumerate(intervals) if j != i]
        if all(mine[1] < other[0] if least else mine[0] > other[1] for other in others):
            return i
    return None


def _fails_more(leader: int | None, summaries: Sequence[Summary]) -> bool:
    """True when the leader's share of failed turns is a percent point above the least: it is quick by refusing."""
    shares = [sum(s["failed"].values()) / s["turns"] for s in summaries]
    return leader is not None and shares[leader] > min(shares) + FAILED_MORE


def _failing(names: Sequence[str], summaries: Sequence[Summary]) -> str:
    words = [
        f"{name} failed {share(sum(s['failed'].values()), s['turns'])} of its turns"
        for name, s in zip(names, summaries, strict=True)
        if s["failed"]
    ]
    return f" But {', '.join(words)}: speeds are of good turns only." if words else ""


def _interval(found: Summary, name: str) -> str:
    interval = found["interval"].get(name)
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
