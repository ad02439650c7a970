"""Runs the …_in_locust.py files in processes of their own: Locust patches the interpreter, and wants to be first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chatload.runner.locust_patches.quick_import import Postponed

HERE = Path(__file__).parent


@pytest.mark.e2e
@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*_in_locust.py")))
def test_inside_locust(name: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.in_locust",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:anyio",
            str(HERE / name),
        ],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


QUICKLY = """
import sys
from importlib import metadata
reads, read = [], metadata.entry_points
metadata.entry_points = lambda **wanted: (reads.append(wanted), read(**wanted))[1]
from chatload.runner.locust_patches.quick_import import import_locust
import_locust()
import inspect, locust.env, locust.main
assert reads == [{}], reads
assert not {"flask", "werkzeug", "jinja2"} & sys.modules.keys()
import locust.html
locust.html.mine = 1
from locust.html import render_template_from
assert sys.modules["locust.html"].mine == 1
import locust.web
assert inspect.isclass(locust.web.WebUI) and locust.web is sys.modules["locust.web"], locust.web
assert locust.main.get_html_report.__name__ == "call"
locust.web.WebUI = lambda *arguments, **named: (arguments, named)
assert locust.env.WebUI(1, two=2) == ((1,), {"two": 2})
"""
"""Locust's web UI is not imported with Locust, and the true one is had by who wants it."""


@pytest.mark.e2e
def test_locust_is_imported_without_its_web_ui() -> None:
    done = subprocess.run(
        [sys.executable, "-c", QUICKLY], cwd=HERE.parents[1], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_all_names_of_a_module_that_is_not_imported_yet_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "colorsys", Postponed("colorsys"))
    names: dict[str, object] = {}
    exec("from colorsys import *", names)
    assert callable(names["rgb_to_hsv"])
