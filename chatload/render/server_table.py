"""The part of a report where the server's own numbers stand beside what the client saw."""

from __future__ import annotations

from chatload.model.sanitize import one_line
from chatload.model.server_view import ServerView
from chatload.model.summary import Summary
from chatload.model.words import percent, plural
from chatload.render.blocks import Block, Heading, Paragraph, Section, Table
from chatload.render.text_table import seconds
from chatload.store.journal import Run

Row = tuple[str, str, str]
"""(what, the server says, the client saw)."""


def server(run: Run, summary: Summary) -> Section | None:
    """Requests running and waiting, TTFT, KV cache and counters by the server; nothing where it told nothing."""
    views = [("", summary.server)] if summary.server is not None else list(summary.servers.items())
    blocks: list[Block] = []
    for host, view in views:
        rows = [*_highest(view), *_counted(view)]
        if rows:
            blocks += [Heading(one_line(host, 200))] if host else []
            blocks.append(Table([("", "the server says", "the client saw"), *rows]))
            blocks.append(Paragraph(_note(view), note=True))
    title = "The servers’ own view" if summary.server is None else "The server’s own view"
    return Section(title, blocks, id="server") if blocks else None


def _highest(view: ServerView) -> list[Row]:
    ours = f"{view.client_requests_at_once:,}"
    kv_use = percent(view.kv_use) if view.kv_use is not None else ""
    rows = [
        ("requests at once, at most", whole(view.requests_at_once), ours),
        ("in its batch, at most", whole(view.running), ""),
        ("waiting, at most", whole(view.waiting), ""),
        ("KV cache in use, at most", kv_use, ""),
        ("tokens that its batch reserves, at most", whole(view.batch_tokens), ""),
    ]
    return [row for row in rows if row[1]]


def _counted(view: ServerView) -> list[Row]:
    cached = percent(view.cached_share) if view.cached_share is not None else ""
    apart = seconds(view.front_end_ms) if view.front_end_ms is not None else ""
    cpu = percent(view.front_end_cpu) if view.front_end_cpu is not None else ""
    rows = [
        ("wait in the queue, mean", _seconds(view.queue_ms), ""),
        ("TTFT, mean", _seconds(view.ttft_ms), _seconds(view.client_ttft_ms)),
        ("TTFT outside the server’s own, mean", apart, ""),
        ("front end’s process, of a core, at most", cpu, ""),
        ("tokens generated", whole(view.tokens), f"{view.client_tokens:,}"),
        ("of them by speculation", whole(view.drafted_tokens) if view.drafted_tokens else "", ""),
        ("requests finished", whole(view.finished), f"{view.client_finished:,}"),
        ("preemptions", whole(view.preemptions), ""),
        ("prompt tokens from the prefix cache", cached, ""),
    ]
    return [row for row in rows if row[1]]


def _note(view: ServerView) -> str:
    every = f", every {view.every_s:,.1f} s" if view.every_s is not None else ""
    words = f"From the server’s own /metrics page, {plural(view.readings, 'reading')}{every}."
    words += " It counts every client’s requests, not ours alone."
    if view.since_s is not None:
        words += f" It told nothing before {view.since_s:,.0f} s: counts of both sides are from there on."
    if unanswered := view.unanswered - (view.since_s is not None):
        words += f" {plural(unanswered, 'time')} the page did not answer."
    if view.restarted_s is not None:
        fell = "fell" if view.counters_fell < 2 else f"fell {view.counters_fell:,} times, first"
        words += f" Its counters {fell} at {view.restarted_s:,.0f} s: its sums are not told."
    if view.stale:
        words += f" {plural(view.stale, 'reading')} of an old page left out."
    if view.longest_hole_s is not None:
        words += (
            f" For {view.longest_hole_s:,.0f} s nothing was read: highest figures are of the other times."
        )
    return words


def _seconds(ms: float | None) -> str:
    return "" if ms is None else seconds(ms)


def whole(value: float | None) -> str:
    """A count with its thousands; nothing where there is none."""
    return "" if value is None else f"{value:,.0f}"
