"""All runs of a folder as a table a group: what each measured, with its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence

from chatload.analysis.capacity_levels import answer_of, interval_of
from chatload.analysis.history import PastRun, RunGroup
from chatload.loads.capacity import USERS
from chatload.model.sanitize import one_line
from chatload.model.summary import Summary
from chatload.model.verdict import MET, MISSED, CapacityResult
from chatload.model.words import plural
from chatload.render.blocks import Block, Items, Paragraph, Section, Table
from chatload.render.capacity_table import answer_sentence
from chatload.render.run_verdict import simulated
from chatload.render.text_table import ABSENT, number, range_words, share, statistic

HEAD = ("started (UTC)", "run", "turns", "failed", "TTFT p50", "p95", "TPOT p50", "tokens/s")
INTERVALS = ("started (UTC)", "run", "TTFT p50 (ms)", "TTFT p95 (ms)", "tokens/s")
HELD = ("started (UTC)", "run", "held", "95 % interval", "levels", "turns")
"""Of capacity searches: percentiles over all their levels would mean nothing."""
TOO_SMALL = "n too small"
MOST_UNLIKE = 6
"""Conditions that are named of a group; the number of further ones is told."""


def history_sections(groups: Sequence[RunGroup], left_out: Sequence[str]) -> list[Section]:
    """A section a group, and one of the folders that hold no run that can be shown."""
    sections = [
        Section(_title(place, group), [*_conditions(place, group), *_tables(group.runs)])
        for place, group in enumerate(groups)
    ]
    pictures = [Section("Pictures", [], id="pictures", text=False)] if groups else []
    damaged = [Section("Left out", [Items(left_out)])] if left_out else []
    return [*pictures, *sections, *damaged]


def history_words(groups: Sequence[RunGroup], left_out: Sequence[str]) -> str:
    """How many runs there are, in one sentence."""
    runs = sum(len(group.runs) for group in groups)
    apart = (
        f" in {plural(len(groups), 'group')} that may not be compared with each other"
        if len(groups) > 1
        else ""
    )
    out = f"; {plural(len(left_out), 'folder')} left out" if left_out else ""
    return f"{plural(runs, 'run')}{apart}{out}"


def group_name(place: int, group: RunGroup) -> str:
    """A short name of a group, for legends and titles."""
    first = group.runs[0].manifest
    words = first.scenario or "runs"
    return one_line(f"{place + 1}: {words}, {first.server.label or 'unknown server'}", 60)


def run_name(run: PastRun) -> str:
    """What a row is called: the label that the run was given, such as a commit, else its folder."""
    return one_line(run.manifest.label or run.folder.name, 20)


def _title(place: int, group: RunGroup) -> str:
    return f"Group {group_name(place, group)}: {plural(len(group.runs), 'run')}"


def _conditions(place: int, group: RunGroup) -> list[Paragraph]:
    plan = group.runs[0].manifest.plan_sentence
    said = [Paragraph(" ".join(filter(None, (one_line(plan, 400), simulated(group.runs)))))]
    if place:
        words = [f"{name} '{other}', not '{first}'" for name, first, other in group.unlike[:MOST_UNLIKE]]
        more = len(group.unlike) - MOST_UNLIKE
        words += [f"{more} more"] if more > 0 else []
        said.append(Paragraph(f"Unlike group 1: {'; '.join(words)}", note=True))
    return said


def _tables(runs: Sequence[PastRun]) -> list[Block]:
    """The figures, the intervals of those that have some, and what is to be said of single runs."""
    searches = [(one, found) for one in runs if (found := one.manifest.capacity) is not None]
    if searches:
        remarks = [f"{run_name(one)}: {_said(one, answer_sentence(found))}" for one, found in searches]
        caption = (
            "Chat users held" if searches[0][1].counts == USERS else "Arriving conversations a minute held"
        )
        return [
            Table([HELD, *(_held(one, found) for one, found in searches)], left=2, caption=caption),
            Items(remarks),
        ]
    rows = [(one, _intervals(one.summary)) for one in runs]
    known = [[*_name(one), *(words or TOO_SMALL for words in told)] for one, told in rows if any(told)]
    remarks = [f"{run_name(one)}: {words}" for one in runs if (words := _remarks(one))]
    return [
        Table([HEAD, *map(_figures, runs)], left=2, caption="Good turns, times in ms"),
        *([Table([INTERVALS, *known], left=2, caption="95 % intervals")] if known else []),
        *([] if known else [Paragraph("No run is long enough for intervals.", note=True)]),
        *([Items(remarks)] if remarks else []),
    ]


def _name(run: PastRun) -> list[str]:
    return [one_line(run.manifest.started_utc, 40)[:16].replace("T", " ") or ABSENT, run_name(run)]


def _held(run: PastRun, found: CapacityResult) -> list[str]:
    low, high = (None if end is None else f"{end:,}" for end in interval_of(found))
    answer = answer_of(found)
    known = "not found" if answer == "not found" else f"{'≥ ' if answer == 'at least' else ''}{found.users:,}"
    interval = f"{low} … {high}" if low and high else f"≥ {low}" if low else f"≤ {high}" if high else ABSENT
    return [*_name(run), known, interval, f"{len(found.levels):,}", f"{run.summary.turns:,}"]


def _figures(run: PastRun) -> list[str]:
    summary = run.summary
    ttft = summary.metric("ttft_ms")
    return [
        *_name(run),
        f"{summary.turns:,}",
        share(summary.failures, summary.turns),
        statistic(ttft, "p50"),
        statistic(ttft, "p95"),
        statistic(summary.metric("tpot_ms"), "p50"),
        number(summary.of_window.tokens_per_s),
    ]


def _intervals(summary: Summary) -> list[str]:
    """The intervals, each empty where the run is too short for it."""
    ttft = summary.metric("ttft_ms")
    found = (ttft.interval_of("p50"), ttft.interval_of("p95"), summary.of_window.tokens_interval)
    return ["" if one is None or one == (None, None) else range_words(one) for one in found]


def _remarks(run: PastRun) -> str:
    """SLOs, and what keeps the figures from being taken at face value."""
    judged = [one for one in run.summary.slo if one.verdict in (MET, MISSED)]
    met = sum(one.verdict == MET for one in judged)
    return _said(run, f"{met} of {plural(len(judged), 'SLO')} met" if judged else "")


def _said(run: PastRun, first: str) -> str:
    summary = run.summary
    words = [
        first.removesuffix("."),
        f"exit {run.manifest.exit_code}" if run.manifest.exit_code else "",
        "NOT TRUSTWORTHY" if not summary.validity.trustworthy else "",
        "not the whole run" if summary.incomplete else "",
    ]
    return ", ".join(filter(None, words))
