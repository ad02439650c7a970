"""Sections on the turns of a run: good ones, the server's throughput, failures, stalls, hang-ups."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatload import __version__
from chatload.analysis.arrivals import rate_stages
from chatload.analysis.generator_warnings import sends_were_late
from chatload.analysis.series import start_ns
from chatload.analysis.sweep_levels import sweep_levels
from chatload.analysis.swim_lanes import stall_spans
from chatload.model.errors import CODES
from chatload.model.metrics import Metric, View, metric, metrics_in
from chatload.model.sanitize import one_line
from chatload.model.slo import LEAST_STANDSTILL_S
from chatload.model.summary import (
    ALL_USERS_IN,
    PERCENTILES,
    WHOLE_RUN,
    Distribution,
    SlotRelease,
    Stretch,
    Summary,
)
from chatload.model.words import plural
from chatload.render.blocks import Block, Heading, Items, Paragraph, Section, Table
from chatload.render.run_verdict import standstill_words
from chatload.render.text_table import number, range_words, seconds, share, statistic
from chatload.store.journal import Run

STATISTICS = ("mean", "min", "p50", "p90", "p95", "p99", "max")
WITH_INTERVAL = ("p50", "p95", "p99")
LONGEST_STALLS = 8
HIGH_DESIGN_EFFECT = 5.0
FEW = (
    "Users share the server’s queue and batches, so turns at the same time tell the same. Independent turns that would "
    "tell as much: {}. More turns a user make it more."
)


def good_turns(run: Run, summary: Summary) -> Section | None:
    """Every metric of the good turns, with failed turns as endless, how sure the percentiles are, and the whole run."""
    told = _told(summary)
    if not told:
        return None
    window = summary.window
    n = summary.metric(told[0].key).n
    blocks: list[Block] = [_metrics(told, summary.metric)]
    told_of = _stretch_words(window)
    if told_of:
        blocks.append(Paragraph(told_of, note=True))
    if summary.with_failures and any(found.failed for found in summary.with_failures.values()):
        blocks.append(_with_failures(summary))
    blocks += _intervals(summary)
    if summary.whole_run:
        blocks.append(
            _metrics(told, summary.of_whole_run, f"The whole run ({summary.succeeded:,} good turns)")
        )
    count = f"{n:,} of {summary.succeeded:,}" if summary.whole_run else f"{summary.succeeded:,}"
    return Section(f"Good turns, {window.name} ({count})", blocks, id="turns")


def _stretch_words(window: Stretch) -> str:
    """Why the figures are not of the time with all users in, and why they have no intervals: each once."""
    note, short = window.note, window.too_short
    # Then `note` tells of its own stretch what `short` tells of the whole run.
    if note and short and window.no_interval in note and short != note:
        return f"Of the whole run, which is {short}."
    words = [f"Of the whole run: {note}."] if note else []
    return " ".join([*words, *([f"{short.capitalize()}."] if short not in note else [])])


def _metrics(told: Sequence[Metric], of: Callable[[str], Distribution], caption: str = "") -> Table:
    rows = [["", "unit", *STATISTICS]]
    for one in told:
        found = of(one.key)
        rows.append([one.label, one.unit, *(statistic(found, name) for name in STATISTICS)])
    return Table(rows, left=2, caption=caption)


def _intervals(summary: Summary) -> list[Block]:
    """How sure the percentiles are, and where the users' shared queue leaves little to be sure of."""
    if summary.window.too_short:
        return []
    rows = [["", "unit", *WITH_INTERVAL]]
    few: list[str] = []
    for one in metrics_in(View.INTERVALS):
        found = summary.metric(one.key)
        if found.interval:
            rows.append(
                [one.label, one.unit, *(range_words(found.interval_of(name)) for name in WITH_INTERVAL)]
            )
        few += [
            f"{one.label} {name} {found.n / effect:,.0f} of {found.n:,}"
            for name, effect in found.design_effect.items()
            if name in WITH_INTERVAL and effect >= HIGH_DESIGN_EFFECT
        ]
    if len(rows) == 1:
        return []
    blocks: list[Block] = [
        Table(rows, left=2, caption="95 % intervals of the percentiles, from blocks of time")
    ]
    if few:
        blocks.append(Paragraph(FEW.format("; ".join(few)), note=True))
    return blocks


def _told(summary: Summary) -> list[Metric]:
    """The metrics that tell something of this run.

    Left out: what has no value; event gaps where ITL is known; TTFT from due where no turn was sent late; TTFA where no
    reply shows reasoning.
    """
    left_out = {"gap_ms"} if summary.metric("itl_ms").n else set()
    if not sends_were_late(summary):
        left_out.add("ttft_from_due_ms")
    if not summary.metric("reasoning_ms").n:
        left_out.add("ttfa_ms")
    return [one for one in metrics_in(View.TABLE) if one.key not in left_out and summary.metric(one.key).n]


def _with_failures(summary: Summary) -> Table:
    rows = [["", "unit", *PERCENTILES]]
    for key, found in summary.with_failures.items():
        cells = (
            "endless" if found.statistic(name) is None else statistic(found, name) for name in PERCENTILES
        )
        rows.append([metric(key).label, metric(key).unit, *cells])
    return Table(rows, left=2, caption="With each failed turn as endless")


def system(run: Run, summary: Summary) -> Section | None:
    """The server as a whole, and the parts of a run where it has some."""
    if not summary.turns:
        return None
    steady = summary.window.name if summary.window.name != WHOLE_RUN else ALL_USERS_IN
    rows = [["", "unit", WHOLE_RUN, steady]]
    for words, unit, key in (
        ("length", "s", "seconds"),
        ("good turns", "1/s", "requests_per_s"),
        ("output", "tokens/s", "tokens_per_s"),
    ):
        values = (getattr(part, key, None) for part in (summary.throughput, summary.steady))
        rows.append([words, unit, *map(number, values)])
    interval = summary.steady.tokens_interval if summary.steady else None
    sure = (
        f" Output {'with ' if steady == ALL_USERS_IN else ''}{steady}, 95 %: {range_words(interval)} tokens/s."
        if interval
        else ""
    )
    whole = summary.conversations
    told = "" if whole is None else f", {plural(whole, 'complete conversation')}"
    billed = summary.billed_tokens
    beside = f" ({billed:,} billed)" if billed is not None and billed != summary.tokens else ""
    note = Paragraph(f"{plural(summary.tokens, 'token')}{beside}{told}.{sure}", note=True)
    blocks = [Table(rows, left=2), note, *_groups(summary), *sweep_table(run), *rates_table(run)]
    return Section("The server as a whole", blocks, id="system")


def _groups(summary: Summary) -> list[Table]:
    """The parts of a run, such as the levels of a sweep."""
    if not summary.groups:
        return []
    shown = [(one, name) for one in metrics_in(View.GROUPS) for name in one.shown[View.GROUPS]]
    rows = [["", "good turns", "tokens/s", *_group_heads(shown)]]
    for name, part in summary.groups.items():
        cells = (statistic(part.metrics[one.key], statistic_name) for one, statistic_name in shown)
        whole = number(part.throughput.tokens_per_s)
        rows.append([one_line(name, 40), f"{part.succeeded:,}", whole, *cells])
    return [Table(rows, caption="Parts of the run: tokens/s of all, then of one user")]


def _group_heads(shown: Sequence[tuple[Metric, str]]) -> list[str]:
    """Heads of the columns of parts: "TTFT p50, ms", then "max" where the same metric goes on."""
    heads: list[str] = []
    before = ""
    for one, name in shown:
        words = "lowest" if name == "min" else name
        if one.key != before:
            words = f"{one.label.removesuffix(' speed')} {words}" + (", ms" if one.unit == "ms" else "")
        heads.append(words)
        before = one.key
    return heads


def sweep_table(run: Run) -> list[Block]:
    """The levels of a sweep, the article's last table: tokens/s by requests in flight; nothing for any other run."""
    found = sweep_levels(run)
    if not found:
        return []
    rows = [["in flight", "held", "good turns", "tokens/s, all", "tokens/s, each", "all, times the first"]]
    first = next((level.tokens_per_s for level in found if level.tokens_per_s), None)
    for level in found:
        gain = level.tokens_per_s / first if first and level.tokens_per_s else None
        each = level.a_user if level.tokens_per_s else None
        good = f"{level.good:,} of {level.turns:,}"
        cells = [number(value) for value in (level.tokens_per_s, each, gain)]
        rows.append([f"{level.in_flight:,}", number(level.held), good, *cells])
    return [Heading("Levels: tokens/s by requests in flight"), Table(rows, left=0)]


def rates_table(run: Run) -> list[Block]:
    """The rates of arrivals, and whether those who came pile up; nothing for any other run."""
    found = rate_stages(run)
    if not found:
        return []
    rows = [["rate", "s", "arrived", "arrived/s", "done/s", "at once, first quarter", "last", "they pile up"]]
    for one in found:
        rates = [number(n / one.seconds) for n in (one.arrived, one.done)]
        at_once = ["–", "–", "the rate changes"]
        if one.growth is not None:
            piles = "yes" if one.growth.grows else "no" if one.growth.is_shown_stable else "too short to tell"
            at_once = [number(one.growth.first), number(one.growth.last), piles]
        rows.append([one.words, number(one.seconds), f"{one.arrived:,}", *rates, *at_once])
    return [Heading("Rates of arrivals"), Table(rows, left=1)]


def failures(run: Run, summary: Summary) -> Section | None:
    """Failed turns by code."""
    items = failure_lines(run, summary)
    return Section("Failures", [Items(items)], id="failures") if items else None


def failure_lines(run: Run, summary: Summary) -> list[str]:
    """A line for each code of failed turns, with one example in the server's words."""
    items = []
    for code, n in summary.failed.items():
        example = next(turn for turn in run.turns if turn.failed and turn.failure_code == code)
        meaning = CODES.get(code) or _named_elsewhere(run)
        detail = one_line(example.detail or "no detail", 300)
        items.append(
            f"{n:,} {one_line(code, 40)} ({share(n, summary.turns)}): {meaning}. "
            f"For example user {example.user} turn {example.turn}: {detail}"
        )
    return items


def _named_elsewhere(run: Run) -> str:
    """Who named a code that is none of this version's."""
    load, version = run.manifest.load, run.manifest.versions.get("chatload")
    if load is None or not load.names_turns:
        return "a code this version does not know"
    newer = "" if version == __version__ else ", or a code of its version of chatload"
    return f"named by the scenario itself{newer}"


def hang_ups(run: Run, summary: Summary) -> Section | None:
    """What became of the slots of replies whose users hung up."""
    found = summary.slot_release
    return (
        None if found is None else Section("Hang-ups", [Paragraph(slot_release_words(found))], id="hang-ups")
    )


def slot_release_words(found: SlotRelease) -> str:
    """How long slots of abandoned replies were kept, in a sentence or two."""
    replies = f"{plural(found.hang_ups, 'reply')} that users hung up on"
    if found.freed_s is None or found.every_s is None:
        return f"How long the server kept the slots of {replies} is not known: {found.unknown}."
    low, high = found.freed_s
    if high is None:
        after = f"more than {low:.2g} s after"
    else:
        after = f"{low:.2g} to {high:.2g} s after" if low else f"within {high:.2g} s of"
    words = (
        f"Slots of {replies} were free again {after} the hang-up (median; by the server's own count of its requests, "
        f"read every {found.every_s:.2g} s)."
    )
    if found.not_seen_freed:
        words += f" {found.not_seen_freed:,} were not seen freed before the run ended."
    return words


def standstill(summary: Summary) -> str:
    """The longest standstill, also one that the headline leaves out."""
    found = summary.standstill
    if found is None or not found.longest_s:
        return f"none of {LEAST_STANDSTILL_S:g} s"
    return f"{standstill_words(summary)}, from {found.at_s or 0.0:.1f} s on"


def stalls(run: Run, summary: Summary) -> Section | None:
    """How often the text stood still, and where it did longest."""
    if not summary.succeeded:
        return None
    found, rule, waited = summary.stalls, summary.stalls.rule, summary.stalls.reading_underrun_ms
    hit = "None"
    if found.count:
        replies = f"{plural(found.replies, 'reply')} ({share(found.replies, summary.succeeded)})"
        hit = f"{plural(found.count, 'stall')} in {replies}, the longest {seconds(found.longest_ms)}"
    reader = (
        f"After the first token a reader of {found.reader_tokens_per_s:g} tokens/s waits "
        f"{seconds(waited.mean)} in the mean, at most {seconds(waited.max)}."
    )
    limits = f"{rule.limit_s:g} s, or over {rule.factor:g} × the reply’s median gap and {rule.floor_s:g} s"
    blocks: list[Block] = [
        Paragraph(f"{hit}. {reader}"),
        Paragraph(f"Longest standstill of the server: {standstill(summary)}."),
        Paragraph(
            f"A stall is a gap over {limits}. A standstill: replies are open and none moves.", note=True
        ),
    ]
    zero = start_ns(run)
    spans = [
        (end - start, start, turn) for turn in run.turns if turn.ok for start, end in stall_spans(turn, zero)
    ]
    if spans:
        spans.sort(key=lambda span: -span[0])
        rows = [["gap", "at s", "user", "turn", "request"]]
        rows += [
            [seconds(1000 * gap), f"{at:.1f}", f"{turn.user}", f"{turn.turn}", one_line(turn.request_id, 40)]
            for gap, at, turn in spans[:LONGEST_STALLS]
        ]
        blocks.append(Table(rows, left=0, caption="The longest"))
    return Section("Stalls", blocks, id="stalls")
