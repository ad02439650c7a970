"""The part of report.html where the server speaks for itself, beside the client's view."""

from __future__ import annotations

from chatload.analysis import pictures, series
from chatload.analysis.server_view import readings
from chatload.model.summary import Summary
from chatload.render.axis import Axis, from_zero
from chatload.render.blocks import Block, Figure, Paragraph, Section, Table
from chatload.render.html_charts import steps_s
from chatload.render.server_table import beside
from chatload.render.svg import Chart
from chatload.store.journal import Run


def server(run: Run, summary: Summary) -> Section | None:
    """Running, waiting and KV use by the server; turns in flight by the client. Nothing where it told nothing."""
    rows = beside(run, summary)
    if not rows or not run.turns:
        return None
    lines: list[list[object]] = [["", "the server says", "the client saw"], *map(list[object], rows)]
    note = "From the server’s own /metrics page, read now and then. It counts every client’s requests, not ours alone."
    blocks: list[Block] = [Table(lines), Paragraph(note, note=True), *_chart(run)]
    return Section("The server’s own view", blocks, id="server")


def _chart(run: Run) -> list[Block]:
    running, waiting, kv_use = (readings(run, key) for key in ("running", "waiting", "kv_use"))
    if len(running) < 2 and len(waiting) < 2:
        return []
    flying = steps_s(run, *series.in_flight(run))
    x = Axis("time since the first turn was due, s", 0.0, series.length_s(run))
    chart = Chart(
        x, from_zero("requests", [n for found in (running, waiting, flying) for _, n in found]), 190
    )
    chart.area(flying, "f6", steps=True)
    chart.line(running, "s0")
    chart.line(waiting, "s1")
    keys = [("line s0", "running, says the server"), ("line s1", "waiting, says the server"),
            ("area f6", "turns in flight, saw the client")]  # fmt: skip
    charts = [chart.html("requests by the server and by the client")]
    if len(kv_use) > 1:
        full = Chart(x, Axis("KV cache in use, %", 0.0, 100.0), 120)
        full.area([(at, 100 * share) for at, share in kv_use], "f2")
        full.line([(at, 100 * share) for at, share in kv_use], "s2")
        charts.append(full.html("KV cache in use"))
    note = "Between two readings the line is a guess. In flight beyond running and waiting: on the way, or parsed."
    return [Figure(pictures.SERVER, note, keys, charts)]
