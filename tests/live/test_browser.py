"""The pages as a person meets them, in a headless Chromium: start, look, stop, download; and a hostile server."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chatload.analysis.quantities import ONE_USER, OUTPUT, TTFT, USERS_IN_FLIGHT
from chatload.options.option import Group

sys.path.insert(0, str(Path(__file__).parent))
from journals import agree
from pages import click, complaints, fill, text, tiles, until

pytestmark = pytest.mark.e2e


def test_twenty_users_from_start_to_stop(
    web: Any, simulator: Callable[..., str], browser: Any, tmp_path: Path
) -> None:
    """Fill the form, start 20 users, see numbers move, stop, find them in the journal, download it."""
    one = web()
    window = browser()
    window.get(one.address + "/chatload")
    until(lambda: window.find_element("id", "start").is_displayed())
    fill(
        window,
        host=simulator("--answer-tokens", "30:10"),
        user_count="20",
        spawn_rate="10",
        turns="500",
        think_time="0.3",
        history="on",
        label='"><b>mine',
        slo="p50 ttft_ms <= 20000",
    )
    click(window, "go")
    until(lambda: text(window, "state") == "running")
    until(lambda: "SLOs so far" in text(window, "slo") and "met so far" in text(window, "slo"))
    first = int(
        until(
            lambda: (
                tiles(window).get("Turns", "0").replace(",", "") not in ("", "0") and tiles(window)["Turns"]
            )
        )
    )
    until(lambda: int(tiles(window)["Turns"].replace(",", "")) > first + 20)
    assert tiles(window)["Users"] == "20"
    hover(window)
    said = window.execute_script(
        "return [...document.querySelectorAll('figcaption')].map((c) => c.textContent)"
    )
    for caption, one_of in zip(said, (TTFT, OUTPUT, ONE_USER, USERS_IN_FLIGHT), strict=False):
        assert caption.lower().startswith(f"{one_of.title} {one_of.unit}".lower())
    click(window, "stop")
    until(lambda: text(window, "state") == "stopped" and "exit code" in text(window, "elapsed"))
    until(lambda: text(window, "outcome"))
    assert not window.find_element("id", "slo").is_displayed(), "the verdict is there, and says it better"
    totals = one.state()["totals"]
    agree(totals, one.out)
    shown = tiles(window)
    assert int(shown["Turns"].replace(",", "")) == totals["turns"]
    assert float(shown["TTFT p50"].split()[0]) == pytest.approx(totals["ttft_ms_p50"], rel=0.01)
    rows = window.execute_script(
        "return [...document.querySelectorAll('#rows tr')].map((r) => r.children.length)"
    )
    assert set(rows) == {13}
    window.find_element("link text", "Journal").click()
    journal = tmp_path / "downloads" / "journal.jsonl"
    until(journal.exists)
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    assert (
        sum(line["kind"] == "turn" and line.get("ok", False) for line in lines)
        == totals["turns"] - totals["failed"]
    )
    if (one.out / "report.html").exists():
        window.get(one.address + "/chatload/files/report.html")
        assert "turns held good" in window.execute_script("return document.body.textContent")
    assert complaints(window) == []


def hover(window: Any) -> None:
    """A chart under the pointer tells its values; so it does under the arrow keys."""
    chart = window.find_element("css selector", "#charts svg")
    box = chart.rect
    window.execute_script("window.scrollTo(0, arguments[0])", box["y"] - 100)
    tip = window.find_element("css selector", "#charts .tip")

    def shown() -> bool:
        at = window.execute_script(  # each time anew: what is above the chart may have grown
            "const b = arguments[0].getBoundingClientRect(); return [b.left + b.width / 2, b.top + 60]", chart
        )
        window.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": at[0], "y": at[1]})
        return bool(tip.is_displayed())

    until(shown)
    assert "p95" in tip.text
    near = tip.rect
    assert box["x"] <= near["x"] <= box["x"] + box["width"]
    assert box["y"] < near["y"] < box["y"] + box["height"]
    window.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": 2, "y": 2})
    until(lambda: not tip.is_displayed())
    chart.send_keys("\ue012")  # arrow left
    until(tip.is_displayed)


def test_a_wrong_option_is_told_where_it_was_typed(web: Any, browser: Any) -> None:
    one = web("--host", "http://127.0.0.1:9")
    window = browser(390, 844, dark=True)
    window.get(one.address + "/chatload")
    until(lambda: window.find_element("id", "start").is_displayed())
    fill(window, turns="many", gap_timeout="-1")
    click(window, "go")
    said = until(lambda: window.find_element("id", "refusal").text)
    assert "--turns 'many'" in said
    assert "--gap-timeout '-1'" in said
    assert window.find_element("id", "start").is_displayed()
    assert window.execute_script("return document.documentElement.scrollWidth") <= 390
    assert complaints(window) == []


def test_locust_s_own_page_starts_a_run_and_has_our_tab_and_the_way_to_ours(
    web: Any, simulator: Callable[..., str], browser: Any
) -> None:
    one = web("--host", simulator("--answer-tokens", "10:2"), "--think-time", "0.1")
    window = browser()
    window.get(one.address)
    until(lambda: window.find_elements("css selector", ".chatload-group"))
    heads = window.execute_script(
        "return [...document.querySelectorAll('.chatload-group')].map((h) => h.textContent)"
    )
    assert heads == [group.value for group in Group]
    named = "return [...document.querySelectorAll('.chatload-help')].find((p) => p.textContent.includes('--turns'))"
    assert window.execute_script(
        named + ".id === document.querySelector('[name^=\"Turns each\"]').getAttribute('aria-describedby')"
    )
    window.find_element("xpath", "//*[.='Custom parameters']").click()
    system, prompts = (
        window.find_element("css selector", found)
        for found in ("[name='System prompt']", ".chatload-group [data-title=Prompts]")
    )
    assert (system.is_displayed(), prompts.get_attribute("aria-expanded")) == (False, "false"), (
        "only Load is open"
    )
    prompts.send_keys("\ue007")  # Enter
    until(system.is_displayed)
    assert prompts.get_attribute("aria-expanded") == "true"
    fields = {"userCount": "4", "spawnRate": "8", "Turns each user holds": "many"}
    for name, value in fields.items():
        type_into(window, name, value)
    start = window.find_element("css selector", "form button[type=submit]")
    start.click()
    until(lambda: "--turns 'many'" in text(window, "chatload-notice"))
    assert "--turns 'many'" in start.find_element("xpath", "ancestor::form").text
    type_into(window, "Turns each user holds", "2")
    start.click()
    one.wait_for(lambda state: state["exit_code"] is not None)
    until(lambda: "8 of 8 turns good" in text(window, "chatload-outcome"))
    window.get(one.address + "/?tab=chatload")
    until(lambda: "chat/all" in window.find_element("tag name", "body").text)
    captions = "return [...document.getElementById('chatload-charts').shadowRoot.querySelectorAll('figcaption')].length"
    assert until(lambda: window.execute_script(captions)) == 4
    window.find_element("partial link text", "tokens/s live").click()
    until(lambda: tiles(window).get("Turns") == "8")
    assert complaints(window) == []


def type_into(window: Any, name: str, value: str) -> None:
    """Replace what a field of Locust's form holds."""
    field = window.find_element("css selector", f'form input[name="{name}"]')
    window.execute_script("arguments[0].scrollIntoView({ block: 'center' })", field)
    until(field.is_displayed)
    field.send_keys("\ue009" + "a")  # control
    field.send_keys("\ue000" + value)


@pytest.fixture
def nasty() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("nasty_server.py"))], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.kill()
    process.wait()


def test_a_hostile_server_changes_no_page(web: Any, browser: Any, nasty: str) -> None:
    """Its model, version, errors and replies are all scripts: none of them runs, on no page."""
    one = web("--host", nasty, "--server", "openai", "--keep-text", "all")
    one.post("/swarm", user_count=3, spawn_rate=9, turns=3, think_time="0.1")
    state = one.wait_for(lambda state: state["exit_code"] is not None)
    assert state["failures"] == {"http_5xx": 3}
    assert "<img" in state["model"]
    window = browser()
    pages = ["/chatload", "/", "/?tab=chatload", "/?tab=failures"]
    pages += [f"/chatload/files/{name}" for name in state["files"] if name == "report.html"]
    for page in pages:
        window.get(one.address + page)
        time.sleep(1.5)
        assert window.execute_script("return window.hacked === undefined"), page
        assert (
            window.execute_script("return document.querySelectorAll('img[src=x], [onerror]').length") == 0
        ), page
        assert complaints(window) == [], page
