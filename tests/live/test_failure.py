"""A run that fails is said where the user looks: on our page, on Locust's, and in Locust's log."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from pages import complaints, text, until

pytestmark = pytest.mark.e2e

FAULTY = "../tests/breaking/faulty_chat"
WORDS = "The run failed: RuntimeError: planted in task"


def form(host: str) -> dict[str, str]:
    return {
        "host": host,
        "user_count": "5",
        "spawn_rate": "20",
        "turns": "5",
        "think_time": "0.1",
        "api_key_host": "none",
    }


def test_both_pages_say_that_a_run_failed_and_why(
    web: Any, simulator: Callable[..., str], browser: Any
) -> None:
    one = web(locustfile=FAULTY, FAULT="task")
    assert one.post("/swarm", **form(simulator()))["success"] is True
    state = one.wait_for(lambda state: state["exit_code"] is not None and state["state"] == "failed")
    assert (state["ended"], state["exit_code"]) == ("failed", 2)
    assert "planted in task" in state["failure"]
    log = one.log.read_text()
    assert log.count("the run failed: RuntimeError: planted in task") == 1
    assert "Traceback" not in log
    assert one.process.poll() is None, "the page stays, for another run"
    window = browser()
    window.get(one.address + "/chatload")
    until(lambda: text(window, "state") == "failed")
    assert WORDS in text(window, "problems")
    assert "failed, exit code 2" in text(window, "elapsed")
    assert complaints(window) == []
    window.get(one.address)
    until(lambda: WORDS in text(window, "chatload-notice"))


def test_a_run_of_workers_that_failed_is_followed_by_another_one(
    web: Any, simulator: Callable[..., str]
) -> None:
    one = web("--processes", "2", locustfile=FAULTY, FAULT="task")
    one.wait_for(lambda state: state["workers"] == 2)
    folders = set()
    for _ in range(2):
        answer = one.post("/swarm", **form(simulator()))
        assert answer["success"] is True, answer
        one.wait_for(lambda state: state["folder"] not in folders and state["state"] == "failed")
        one.wait_for(lambda state: state["workers"] == 2)
        folders.add(one.state()["folder"])
    assert len(folders) == 2
