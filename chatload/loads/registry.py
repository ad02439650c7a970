"""All load shapes: every module of this folder that declares `SHAPE`."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Union

from chatload import loads
from chatload.loads.load_shape import Load, Shape


def _shapes() -> dict[str, Shape]:
    found = {}
    for module_info in pkgutil.iter_modules(loads.__path__):
        if module_info.name in ("registry", "plan"):  # these import this module
            continue
        shape = getattr(importlib.import_module(f"{loads.__name__}.{module_info.name}"), "SHAPE", None)
        if shape is not None:
            found[shape.kind] = shape
    return found


SHAPES = _shapes()
"""Shapes by kind."""

if TYPE_CHECKING:
    AnyLoad = Load
else:
    AnyLoad = Union[tuple(SHAPES[kind].load for kind in sorted(SHAPES))]  # noqa: UP007
    """The union of all loads, which msgspec decodes by `kind`."""
