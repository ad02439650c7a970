"""The pictures there are: every module of this folder with a TITLE, found by name.

A new picture is one file: `TITLE`, the question that it answers, `draw(runs, figure)`, and, where it does not fit
every run, `fits(runs) -> bool`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

import plots
from chatload.store.journal import Run

Draw = Callable[[Sequence[Run], Figure], None]
ORDER = (
    "ttft_cdf",
    "first_byte",
    "swim_lanes",
    "over_time",
    "tokens_per_s",
    "gaps",
    "stall_map",
    "ttft_by_turn",
)
"""The pictures to show first; all others follow by name."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: the question that it answers, what draws it, and of which runs it says anything."""

    name: str
    title: str
    draw: Draw
    fits: Callable[[Sequence[Run]], bool]


def _found() -> Iterator[Picture]:
    for module_info in pkgutil.iter_modules(plots.__path__):
        if module_info.name.startswith("_") or module_info.name == "registry":
            continue
        module = importlib.import_module(f"plots.{module_info.name}")
        if hasattr(module, "TITLE"):
            yield Picture(
                module_info.name, module.TITLE, module.draw, getattr(module, "fits", lambda runs: True)
            )


def _place(picture: Picture) -> tuple[int, str]:
    first = picture.name in ORDER
    return (ORDER.index(picture.name) if first else len(ORDER), picture.name)


PICTURES: dict[str, Picture] = {picture.name: picture for picture in sorted(_found(), key=_place)}
