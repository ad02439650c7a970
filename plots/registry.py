"""The pictures there are: every module of this folder with a TITLE, found by name.

A new picture is one file: `TITLE`, the question that it answers; `draw(runs, figure)`; and where they are wanted
`NOTE`, its caption, `fits(runs) -> bool`, where it does not fit every run, `MOST_RUNS`, where it draws the first ones
only, and `SECTION`, the id of the section of report.html that shows it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from functools import partial

from matplotlib.figure import Figure

import plots
from chatload.store.journal import Run
from plots.picture import Picture

ORDER = (
    "capacity_curve",
    "comparison",
    "swim_lanes",
    "ttft_cdf",
    "over_time",
    "tokens_per_s",
    "gaps",
    "stall_map",
    "ttft_by_turn",
    "first_byte",
)
"""The pictures to show first; all others follow by name."""


def _found() -> Iterator[Picture]:
    for module_info in pkgutil.iter_modules(plots.__path__):
        if module_info.ispkg or module_info.name in ("__main__", "registry"):
            continue
        try:
            module = importlib.import_module(f"plots.{module_info.name}")
        except Exception as error:  # noqa: BLE001 - a picture may be anybody's; the others are drawn without it
            yield Picture(module_info.name, module_info.name, partial(_fail, error))
            continue
        if hasattr(module, "TITLE"):
            told = {"note": "NOTE", "section": "SECTION", "most_runs": "MOST_RUNS", "fits": "fits"}
            optional = {
                name: getattr(module, given) for name, given in told.items() if hasattr(module, given)
            }
            yield Picture(module_info.name, module.TITLE, module.draw, **optional)


def _fail(error: Exception, runs: Sequence[Run], figure: Figure) -> None:
    """Draws a picture whose file cannot be imported."""
    raise error


def _place(picture: Picture) -> tuple[int, str]:
    first = picture.name in ORDER
    return (ORDER.index(picture.name) if first else len(ORDER), picture.name)


PICTURES: dict[str, Picture] = {picture.name: picture for picture in sorted(_found(), key=_place)}
