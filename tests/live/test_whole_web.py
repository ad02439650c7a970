"""The web pages from start to end, by a person without a mouse too, and by the rules of axe-core (`make web-check`)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chatload.analysis.summary import summarise
from chatload.render.html import report_html
from chatload.store.journal import read_run
from plots.report.figures import figures
from tests.live.conftest import look_as
from tests.runs_builder import HERE

sys.path.insert(0, str(Path(__file__).parent))
from axe import axe_or_skip, findings, serious
from pages import complaints, fill, text, tiles, until

pytestmark = pytest.mark.e2e

TAB, ENTER, SPACE, CONTROL, NULL = "\ue004", "\ue007", " ", "\ue009", "\ue000"
LOOKS = [(1280, False), (1280, True), (390, False), (390, True)]


def press(window: Any, keys: str) -> None:
    window.switch_to.active_element.send_keys(keys)


def tab_to(window: Any, what: str) -> None:
    """Tab until what has the focus: an id, or `[name=…]`."""
    found = f"return document.activeElement === document.querySelector({what!r})"
    for _ in range(150):
        if window.execute_script(found):
            return
        press(window, TAB)
    raise AssertionError(f"{what} cannot be reached by Tab")


def typed(window: Any, name: str, value: str) -> None:
    tab_to(window, f"#start [name={name}]")
    press(window, CONTROL + "a" + NULL + value)


def test_two_workers_two_runs_by_keyboard_alone(
    web: Any, simulator: Callable[..., str], browser: Any
) -> None:
    """Start, edit users, stop, and a second run that ends by itself; nothing is clicked."""
    host = simulator("--answer-tokens", "20:5")
    one = web("--host", host, "--processes", "2")
    one.wait_for(lambda state: state["workers"] == 2)
    window = browser()
    window.get(one.address + "/chatload")
    until(lambda: window.find_element("id", "start").is_displayed())
    for name, value in {"user_count": "4", "spawn_rate": "8", "turns": "200", "think_time": "0.2"}.items():
        typed(window, name, value)
    press(window, ENTER)
    until(lambda: text(window, "state") == "running")
    until(lambda: int(tiles(window).get("Turns", "0").replace(",", "")) > 8)
    assert "of 800" in window.find_element("id", "tiles").text
    assert "tok/s" in tiles(window)["All users, as tokens arrive"]
    tab_to(window, "#edit")
    press(window, ENTER)
    tab_to(window, "#edit-form [name=user_count]")
    press(window, CONTROL + "a" + NULL + "6" + ENTER)
    until(lambda: tiles(window)["Users"] == "6")
    until(lambda: "of 1,200" in window.find_element("id", "tiles").text)
    assert "Users edited: 6 after" in text(window, "sentence")
    tab_to(window, "#stop")
    press(window, SPACE)
    until(lambda: text(window, "state") == "stopped" and "exit code" in text(window, "elapsed"), 60)
    assert "stopped by hand" in text(window, "elapsed")
    first = one.state()["folder"]
    tab_to(window, "#again")
    press(window, ENTER)
    typed(window, "turns", "2")
    press(window, ENTER)
    until(lambda: one.state()["folder"] != first)
    until(lambda: "all users are done" in text(window, "elapsed"), 60)
    assert tiles(window)["Turns"] == "8"
    assert "8 of 8 turns good" in text(window, "outcome")
    assert complaints(window) == []


@pytest.fixture
def run_of_failures(web: Any, simulator: Callable[..., str]) -> Iterator[Any]:
    """A web UI with a run that has ended, with SLOs, failures and a tail."""
    one = web("--host", simulator("--answer-tokens", "20:5", "--fault", "error:0.2"))
    one.post(
        "/swarm",
        user_count=6,
        spawn_rate=20,
        turns=4,
        think_time="0.1",
        slo="p50 ttft_ms <= 900",
        window="whole",
    )
    one.wait_for(lambda state: state["exit_code"] is not None)
    yield one


def test_axe_finds_nothing_serious_on_our_pages(run_of_failures: Any, browser: Any) -> None:
    script, one = axe_or_skip(), run_of_failures
    window = browser()
    for width, dark in LOOKS:
        look_as(window, width, dark=dark)
        look = f"{width} px, {'dark' if dark else 'light'}"
        window.get(one.address + "/chatload")
        until(lambda: text(window, "outcome"))
        assert serious(findings(window, script)) == [], f"a run that has ended, {look}"
        window.find_element("id", "again").click()
        fill(window, turns="many")
        window.find_element("id", "go").click()
        until(lambda: window.find_element("id", "refusal").text)
        assert serious(findings(window, script)) == [], f"the form with a mistake, {look}"
        assert window.execute_script("return document.documentElement.scrollWidth") <= width
        window.get(one.address + "/?tab=chatload")
        until(lambda: "chat/all" in window.find_element("tag name", "body").text)
        ours = {"include": [["#chatload-bar"], ["#chatload-charts"]]}
        assert serious(findings(window, script, ours)) == [], f"ours on Locust's page, {look}"


@pytest.mark.parametrize("names", [["troubled"], ["vllm"], ["vllm", "tgi"]])
def test_axe_finds_nothing_serious_in_reports(names: list[str], browser: Any, tmp_path: Path) -> None:
    script = axe_or_skip()
    runs = [read_run(HERE / name) for name in names]
    page = tmp_path / "report.html"
    page.write_text(report_html(runs, [summarise(run) for run in runs], figures(runs)), encoding="utf-8")
    window = browser()
    for width, dark in LOOKS:
        look_as(window, width, dark=dark)
        window.get(f"file://{page}")
        assert serious(findings(window, script)) == [], f"{names}, {width} px, {'dark' if dark else 'light'}"
