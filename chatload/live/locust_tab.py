"""The rows of our tab on Locust's own page, whose table takes texts and numbers and sorts rows by `name`."""

from __future__ import annotations

from collections.abc import Sequence

from chatload.live.live_table import Row, Value, columns


def tab_columns() -> list[dict[str, str]]:
    """The columns, in the form that Locust's page takes."""
    named = [("part", "Scenario / part")]
    for one in columns():
        title = one.title[0].upper() + one.title[1:]
        named.append((one.key, f"{title} ({one.unit})" if one.unit else title))
    return [{"key": key, "title": title} for key, title in named]


def tab_rows(table: Sequence[Row]) -> list[Row]:
    """Rows of `LiveRun.table` for Locust's page: rounded, a dash for None, `name` a number that keeps the order."""
    return [
        {
            **{key: _shown(value) for key, value in row.items()},
            "part": str(row["name"]).replace(" ", "\u00a0"),  # never broken over two lines
            "name": f"{place:04d}",
        }
        for place, row in enumerate(table)
    ]


def _shown(value: Value) -> Value:
    if value is None:
        return "–"
    return round(value, 1) if isinstance(value, float) else value
