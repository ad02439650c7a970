"""The part of a report where the server's own numbers stand beside what the client saw."""

from __future__ import annotations

from chatload.analysis.series import in_flight
from chatload.analysis.server_view import grown, peak, readings
from chatload.model.summary import Summary
from chatload.render.blocks import Paragraph, Section, Table
from chatload.render.text_table import seconds
from chatload.store.journal import Run


def server(run: Run, summary: Summary) -> Section | None:
    """Requests running and waiting, KV cache and counters by the server; nothing where it told nothing."""
    rows = _beside(run, summary)
    if not rows or not run.turns:
        return None
    note = "From the server’s own /metrics page, read now and then. It counts every client’s requests, not ours alone."
    table = Table([("", "the server says", "the client saw"), *rows])
    return Section("The server’s own view", [table, Paragraph(note, note=True)], id="server")


def _beside(run: Run, summary: Summary) -> list[tuple[str, str, str]]:
    """(what, the server says, the client saw): the two sides of the same thing, where the server tells."""
    queued, queue_s = grown(run, "queued"), grown(run, "queue_s")
    asked, hits = grown(run, "prefix_queries"), grown(run, "prefix_hits")
    kv_use = peak(run, "kv_use")
    tokens, preempted = grown(run, "generated_tokens"), grown(run, "preemptions")
    cached = f"{100 * hits / asked:.0f} %" if asked and hits is not None else ""
    rows = [
        ("requests at once, at most", _sum_of_peaks(run), whole(_most_in_flight(run))),
        ("in its batch, at most", whole(peak(run, "running")), ""),
        ("waiting, at most", whole(peak(run, "waiting")), ""),
        (
            "wait before the first token, mean",
            f"queue {seconds(1000 * queue_s / queued)}" if queued and queue_s is not None else "",
            f"TTFT {seconds(summary.metric('ttft_ms').mean)}" if summary.metric("ttft_ms").n else "",
        ),
        ("tokens generated", whole(tokens), whole(summary.tokens)),
        ("KV cache in use, at most", f"{100 * kv_use:.0f} %" if kv_use is not None else "", ""),
        ("preemptions", whole(preempted), ""),
        ("prompt tokens from the prefix cache", cached, ""),
    ]  # fmt: skip
    return [row for row in rows if row[1]]


def whole(value: float | None) -> str:
    """A count with its thousands; nothing where there is none."""
    return "" if value is None else f"{value:,.0f}"


def _sum_of_peaks(run: Run) -> str:
    """The most that were running and waiting at one reading."""
    both: dict[float, float] = {}
    for key in ("running", "waiting"):
        for at_s, value in readings(run, key):
            both[at_s] = both.get(at_s, 0.0) + value
    return whole(max(both.values(), default=None))


def _most_in_flight(run: Run) -> float:
    return max(in_flight(run)[1], default=0)
