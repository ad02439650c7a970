"""Locust writes its --csv files each second, also after it has closed them: while it waits for its workers to end."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from locust.stats import StatsCSVFileWriter


def install() -> None:
    """Apply the patch."""
    if not hasattr(StatsCSVFileWriter.stats_writer, "__wrapped__"):
        StatsCSVFileWriter.stats_writer = _until_closed(StatsCSVFileWriter.stats_writer)


def _until_closed(write: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(write)
    def stats_writer(writer: Any) -> None:  # Any: Locust has no types
        try:
            write(writer)
        except ValueError:  # of a closed file
            if not writer.requests_csv_filehandle.closed:
                raise

    return stats_writer
