"""Every scheduler, found in the files beside this one: a module with KINDS, a tuple of SchedulerKind."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from simulator import schedulers
from simulator.schedulers.interface import SchedulerKind


@cache
def scheduler_kinds() -> Mapping[str, SchedulerKind]:
    """All of them by name."""
    modules = [
        import_module(f"{schedulers.__name__}.{each.name}") for each in iter_modules(schedulers.__path__)
    ]
    kinds: list[SchedulerKind] = [kind for module in modules for kind in getattr(module, "KINDS", ())]
    return {kind.name: kind for kind in kinds}
