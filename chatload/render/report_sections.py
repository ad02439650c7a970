"""The sections of the report of one run, from top to bottom, for the terminal and for report.html alike.

A section is a function of run and summary that returns a `Section`, or None where it has nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable

from chatload.model.summary import Summary
from chatload.render import jmeter_views, overview, turn_tables
from chatload.render.blocks import Section
from chatload.render.capacity_table import capacity
from chatload.render.cost_table import cost
from chatload.render.first_token_table import first_token
from chatload.render.length_table import lengths
from chatload.render.server_table import server
from chatload.render.sparkline import over_time
from chatload.store.journal import Run

SECTIONS: tuple[Callable[[Run, Summary], Section | None], ...] = (
    overview.warnings,
    overview.slos,
    capacity,
    overview.cards,
    overview.plan,
    overview.pictures,
    over_time,
    turn_tables.good_turns,
    turn_tables.system,
    first_token,
    server,
    lengths,
    cost,
    jmeter_views.aggregate_report,
    turn_tables.failures,
    turn_tables.hang_ups,
    turn_tables.stalls,
    jmeter_views.samples,
    overview.manifest,
    overview.definitions,
)


TERMINAL_ONLY = (over_time,)
"""The page has a picture in its place."""


def sections_of(run: Run, summary: Summary, *, page: bool = False) -> list[Section]:
    """The sections that have something to say, for the terminal or for report.html (`page`)."""
    asked = [section for section in SECTIONS if not (page and section in TERMINAL_ONLY)]
    return [found for section in asked if (found := section(run, summary)) is not None]
