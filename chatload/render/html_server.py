"""The part of report.html where the server speaks for itself, beside the client's view."""

from __future__ import annotations

from chatload.model.summary import Summary
from chatload.render.blocks import Block, Paragraph, Section, Table
from chatload.render.server_table import beside
from chatload.store.journal import Run


def server(run: Run, summary: Summary) -> Section | None:
    """Running, waiting and KV use by the server; turns in flight by the client. Nothing where it told nothing."""
    rows = beside(run, summary)
    if not rows or not run.turns:
        return None
    lines: list[list[object]] = [["", "the server says", "the client saw"], *map(list[object], rows)]
    note = "From the server’s own /metrics page, read now and then. It counts every client’s requests, not ours alone."
    blocks: list[Block] = [Table(lines), Paragraph(note, note=True)]
    return Section("The server’s own view", blocks, id="server")
