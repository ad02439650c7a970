"""What holds for the whole suite, however it was started: signals as a terminal has them, and a random order if asked.

CHATLOAD_TEST_SEED=7 runs the files, and the tests of each file, in the order of that seed (`make test-random`).
"""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import warm
from tests.long import LONG, ONLY_LONG, is_slow, size

pytest_plugins = ["tests.cpu_time", "tests.side_by_side"]
# Each of some hundred processes would compile chatload anew: a tenth of the time of the whole suite.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

TESTS = Path(__file__).parent
SEED = "CHATLOAD_TEST_SEED"
LOCUST_FIRST = "locust" in sys.modules
"""This is the process of an …_in_locust.py file."""


PROCESSES = {
    "browser",
    "dropping",
    "everyone",
    "party",
    "simulate",
    "simulator",
    "servers",
    "sleeper",
    "vllm",
    "web",
}
"""Fixtures that start processes: who uses one is `e2e`."""
_now: list[pytest.Item] = []
"""The test that runs."""


def pytest_configure() -> None:
    """Begin clean. A background job of a script inherits an ignored Ctrl-C, and hands it on to all that it starts."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    remove_summaries(Path(__file__).parent / "runs")
    settings.register_profile(
        "busy machine", deadline=None, max_examples=size(100, 25)
    )  # an example may wait 200 ms for a core
    settings.load_profile("busy machine")


def remove_summaries(runs: Path) -> None:
    """`report` leaves one beside each recorded run that it reads; one of another version of the code is no use."""
    for summary in runs.glob("*/summary.json"):
        summary.unlink(missing_ok=True)


class Popen(warm.Popen):
    """The quick tests start no processes, or they would not be quick.

    An audit hook would say so too, but it is asked some ten million times in a run of all tests: 2 s.
    """

    def __init__(self, command: Sequence[str], **how: Any) -> None:
        if _now and not LOCUST_FIRST and _now[0].get_closest_marker("e2e") is None:
            raise AssertionError(f"a test that starts a process is marked e2e: {command}")
        super().__init__(command, **how)


subprocess.Popen = Popen  # type: ignore[misc]


def pytest_runtest_logstart() -> None:
    _now.clear()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    _now[:] = [item]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files of whole runs first; those of ONLY_LONG are left out, except in `make test-long` and where one is named."""
    for item in items:
        if not PROCESSES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("e2e")
        if is_slow(item.path):
            item.add_marker("slow")
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.together("chromium"))  # whose start takes 2 s of CPU
    named = any(one.split("::")[0].endswith(".py") for one in config.args)
    left = [] if LONG or named else only_long(items)
    config.hook.pytest_deselected(items=left)
    out = set(map(id, left))
    items[:] = in_order([item for item in items if id(item) not in out])


def only_long(items: list[pytest.Item]) -> list[pytest.Item]:
    """The whole runs that `make test` leaves out."""
    files = {TESTS / one for one in ONLY_LONG}
    return [
        item
        for item in items
        if item.get_closest_marker("e2e") and (item.path in files or item.get_closest_marker("rare"))
    ]


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Whole runs first: a long file that is begun last would keep one of the processes alone at the end."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    groups = list(files.values())
    if seed := os.environ.get(SEED):
        draw = random.Random(seed)
        draw.shuffle(groups)
        for group in groups:
            draw.shuffle(group)
    else:
        groups.sort(key=lambda group: not any(item.get_closest_marker("e2e") for item in group))
    return [item for group in groups for item in group]


def pytest_report_header() -> str | None:
    """How to see the same order again."""
    seed = os.environ.get(SEED)
    return f"random order: {SEED}={seed}" if seed else None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The slow files are not even imported where none of their tests would run."""
    fast = "not slow" in config.option.markexpr
    return True if fast and collection_path.is_relative_to(TESTS) and is_slow(collection_path) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Nothing that is collected is garbage: looking for some takes a tenth of the time."""
    gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Locust patches the whole process when it is imported: tests start it apart."""
    gc.enable()
    if session.config.option.processes > 1 and any(item.get_closest_marker("e2e") for item in session.items):
        warm.begin_helpers()
    if "locust" in sys.modules and not LOCUST_FIRST:
        raise pytest.UsageError(
            "a test module imports locust: move what needs it into a file that a child runs"
        )
