"""Arrivals, sweep and capacity search from Locust's web UI: Locust's users only tend them, so nobody asks for users."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from journals import agree
from pages import click, complaints, fill, text, tiles, until

pytestmark = pytest.mark.e2e

SLO = "p95 ttft_ms <= 2000"


def is_over(state: dict[str, Any]) -> bool:
    return state["state"] == "stopped" and state["exit_code"] is not None


def names(state: dict[str, Any]) -> list[str]:
    return [row["name"].partition("/")[2] for row in state["rows"]]


def open_form(one: Any, window: Any) -> None:
    window.get(one.address + "/chatload")
    until(lambda: window.find_element("id", "start").is_displayed())
    assert not window.find_elements("css selector", "#start [name=user_count], #start [name=spawn_rate]")


def test_arrivals_from_form_to_stop_and_once_more(
    web: Any, simulator: Callable[..., str], browser: Any
) -> None:
    one = web("--host", simulator("--answer-tokens", "10:3"), locustfile="arrivals")
    window = browser()
    open_form(one, window)
    fill(window, requests="2000", interval="0.05", lengths="free", run_time="soon")
    click(window, "go")
    until(lambda: "--run-time" in text(window, "refusal"))
    until(lambda: one.state()["state"] == "ready")
    assert "--run-time" in text(window, "refusal")
    fill(window, run_time="10m")
    click(window, "go")
    until(lambda: text(window, "state") == "running")
    until(lambda: int(tiles(window).get("Turns", "0")) > 20)
    assert (text(window, "refusal"), "Users" in tiles(window)) == ("", False)
    assert not window.find_element("id", "edit").is_displayed()
    refused = one.post("/swarm", user_count=5, spawn_rate=1)
    assert (refused["success"], "cannot be edited" in refused["message"]) == (False, True)
    before = one.state()["totals"]["turns"]
    click(window, "reset")
    assert one.wait_for(lambda state: state["resets"] == 1)["totals"]["turns"] < before
    click(window, "stop")
    stopped = one.wait_for(is_over)
    assert (stopped["ended"], stopped["target_users"]) == ("interrupted", 1)
    until(lambda: window.find_element("id", "again").is_displayed())
    click(window, "again")
    fill(window, requests="30", interval="0", run_time="")
    click(window, "go")
    over = one.wait_for(lambda state: is_over(state) and state["run"] != stopped["run"])
    assert (over["ended"], over["totals"]["turns"], names(over)) == ("done", 30, ["all"])
    agree(over["totals"], one.out.with_name("run-2"))
    until(lambda: text(window, "elapsed").startswith("completed, exit code"))
    assert complaints(window) == []


def test_a_sweep_takes_no_users_from_locust_s_form_either(web: Any, simulator: Callable[..., str]) -> None:
    one = web("--host", simulator(), locustfile="batch_sweep")
    for folder, levels in ((one.out, "1,3"), (one.out.with_name("run-2"), "2")):
        before = one.state()["run"]
        form = {"user_count": 10, "spawn_rate": 1, "levels": levels, "rounds": 1, "answer_tokens": 20}
        assert one.post("/swarm", **form)["success"] is True
        over = one.wait_for(lambda state, before=before: is_over(state) and state["run"] != before)
        assert over["ended"] == "done"
        agree(over["totals"], folder)
        assert names(over) == (["level 1", "level 3", "all"] if levels == "1,3" else ["all"])
        assert not any("max_tokens" in words for words in over["outcome"]["warnings"])


def test_a_capacity_search_asks_for_its_slo_and_tells_what_it_found(
    web: Any, simulator: Callable[..., str], browser: Any
) -> None:
    one = web("--host", simulator("--answer-tokens", "5:1"), locustfile="capacity")
    window = browser(390, 844, dark=True)
    open_form(one, window)
    small = {
        "first": "2",
        "most": "4",
        "rate": "50",
        "settle": "0",
        "measure": "1.5",
        "think_time": "0.1",
        "windows": "1",
    }
    fill(window, **small)
    click(window, "go")
    until(lambda: "a capacity search needs SLOs" in text(window, "refusal"))
    fill(window, slo=SLO)
    click(window, "go")
    found = one.wait_for(is_over)
    assert names(found) == ["2 users", "4 users", "all"]
    until(
        lambda: (
            "Capacity: at least 4 chat users within the SLOs, stopped at --most" in text(window, "outcome")
        )
    )
    assert "2 users" in text(window, "outcome")
    assert window.execute_script("return document.documentElement.scrollWidth") <= 390
    until(lambda: window.find_element("id", "again").is_displayed())
    click(window, "again")
    fill(window, first="1", measure="60")
    click(window, "go")
    second = one.wait_for(lambda state: state["run"] != found["run"] and state["totals"]["turns"] > 2)
    assert names(second) == ["all"]
    until(lambda: "Window 1 (1 users): 1 of 1 user, measuring" in text(window, "level"))
    until(lambda: "TTFT p95" in text(window, "level"))
    click(window, "stop")
    over = one.wait_for(is_over)
    assert over["level"] == ""
    assert (over["ended"], over["outcome"]["verdict"].startswith("Capacity")) == ("interrupted", False)
    assert complaints(window) == []


def test_a_capacity_search_has_a_climber_in_each_worker(web: Any, simulator: Callable[..., str]) -> None:
    one = web("--host", simulator("--answer-tokens", "5:1"), "--processes", "2", locustfile="capacity")
    one.wait_for(lambda state: state["workers"] == 2)
    form = {
        "first": 4,
        "most": 4,
        "rate": 50,
        "settle": 0,
        "measure": 1,
        "think_time": 0.1,
        "windows": 1,
        "slo": SLO,
    }
    assert one.post("/swarm", user_count=1, spawn_rate=1, **form)["success"] is True
    over = one.wait_for(is_over, 60)
    assert (over["ended"], over["problems"]) == ("done", [])
    capacity = json.loads((one.out / "manifest.json").read_text())["capacity"]
    assert [level["users"] for level in capacity["levels"]] == [4]
    lines = map(json.loads, (one.out / "journal-master.jsonl").read_text().splitlines())
    assert len({line["worker"] for line in lines if line["kind"] == "turn"}) == 2
