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


def sections_of(run: Run, summary: Summary) -> list[Section]:
    """The sections that have something to say."""
    return [found for section in SECTIONS if (found := section(run, summary)) is not None]
