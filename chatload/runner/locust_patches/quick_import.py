"""Imports Locust without what only its web UI and its HTML report need: Flask, Werkzeug, Jinja2, a third of the time.

Beware: this module is imported before gevent patches the standard library, so it imports little.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

POSTPONED = {"locust.web": ("WebUI",), "locust.html": ("get_html_report", "process_html_filename")}
"""Modules of Locust that are imported when they are used, and what its other modules take from them at their import."""


class Postponed(ModuleType):
    """Has the place of a module until somebody wants something of it: then that module is imported."""

    def __getattr__(self, name: str) -> Any:  # Any: whatever the module has
        if name == "__all__":  # `from locust.web import *`
            return [one for one in vars(_imported(self.__name__)) if not one.startswith("_")]
        if name.startswith("__"):  # what the import system asks of every module
            raise AttributeError(name)
        return getattr(_imported(self.__name__), name)

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:  # a locustfile changes the module, which has to be there for it
            setattr(_imported(self.__name__), name, value)


def _imported(name: str) -> ModuleType:
    if isinstance(sys.modules.get(name), Postponed):
        del sys.modules[name]
    return importlib.import_module(name)


def _caller(module: str, name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(_imported(module), name)(*arguments, **named)

    return call


def import_locust() -> None:
    """Import `locust.main`, unless it is imported already."""
    if "locust" in sys.modules:
        return
    stubs = {name: Postponed(name) for name in POSTPONED}
    for name, stub in stubs.items():
        vars(stub).update({one: _caller(name, one) for one in POSTPONED[name]})
    sys.modules.update(stubs)
    with _entry_points_read_once():
        import locust.main
    for name, stub in stubs.items():
        if sys.modules[name] is stub:
            setattr(locust, name.rpartition(".")[2], stub)
            for one in POSTPONED[name]:  # who takes them from here on gets the true ones
                delattr(stub, one)


@contextmanager
def _entry_points_read_once() -> Iterator[None]:
    """gevent asks 25 times for its plugins when it patches the standard library; each time all packages are read."""
    from importlib import metadata

    read: Callable[..., Any] = metadata.entry_points
    found = read()
    metadata.entry_points = lambda **wanted: found.select(**wanted)
    try:
        yield
    finally:
        metadata.entry_points = read
