"""The web UI of a real Locust against the simulator: start, edit, reset, stop, again; one process and many."""

from __future__ import annotations

import csv
import io
import json
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from journals import agree

pytestmark = pytest.mark.e2e

GOOD = (0, 4)
"""4: a machine that is busy with other things held the generator up, and it says so."""
SMALL = {"user_count": 6, "spawn_rate": 12, "turns": 3, "think_time": "0.2"}


def is_over(state: dict[str, Any]) -> bool:
    return state["state"] == "stopped" and state["exit_code"] is not None


def test_one_run_after_another_each_clean(web: Any, simulator: Callable[..., str]) -> None:
    one = web("--host", simulator("--answer-tokens", "20:5"))
    assert one.post("/swarm", **SMALL)["success"] is True
    first = one.wait_for(is_over)
    assert (first["ended"], first["totals"]["turns"]) == ("done", 18)
    assert first["exit_code"] in GOOD
    agree(first["totals"], one.out)
    assert first["outcome"]["verdict"].startswith("18 of 18 turns good")
    assert {"summary.json", "manifest.json", "journal.jsonl"} <= set(first["files"])
    assert one.post("/swarm", **{**SMALL, "turns": 2})["success"] is True
    second = one.wait_for(lambda state: is_over(state) and state["run"] != first["run"])
    assert second["totals"]["turns"] == 12
    folder = one.out.with_name("run-2")
    agree(second["totals"], folder)
    assert second["folder"] == str(folder)
    journal = one.get("/chatload/files/journal.jsonl")[2].splitlines()
    assert sum(json.loads(line)["kind"] == "turn" for line in journal) == 12
    table = json.loads(one.get("/stats/requests")[2])["extended_stats"][0]["data"]
    assert [(row["part"], row["turns"]) for row in table] == [
        ("chat/turn\u00a01", 6),
        ("chat/turn\u00a02", 6),
        ("chat/all", 12),
    ]


def test_a_generator_that_was_held_up_says_so_once_and_still_counts_right(
    web: Any, simulator: Callable[..., str]
) -> None:
    """Stopped for 60 ms again and again, as on a machine that has no time for it."""
    one = web("--host", simulator("--answer-tokens", "20:5"))
    one.post("/swarm", **SMALL)
    while not is_over(state := one.state()):
        one.process.send_signal(signal.SIGSTOP)
        time.sleep(0.06)
        one.process.send_signal(signal.SIGCONT)
        time.sleep(0.02)
    assert (state["ended"], state["exit_code"], state["totals"]["many_marked"]) == ("done", 4, True)
    agree(state["totals"], one.out)
    assert state["outcome"]["untrusted"].startswith("NOT TRUSTWORTHY")
    assert state["outcome"]["verdict"].startswith("18 of 18 turns good")


def test_edit_reset_and_stop(web: Any, simulator: Callable[..., str]) -> None:
    one = web("--host", simulator("--answer-tokens", "10:3"))
    one.post("/swarm", **{**SMALL, "turns": 1000})
    one.wait_for(lambda state: state["totals"]["turns"] >= 12 and state["state"] == "running")
    one.post("/swarm", user_count=10, spawn_rate=20)
    one.wait_for(lambda state: any(point[7] == 10 for point in state["points"]))
    one.post("/swarm", user_count=4, spawn_rate=20)
    one.wait_for(lambda state: state["points"][-1][7] == 4)
    one.post("/swarm", user_count=8, spawn_rate=20)
    one.wait_for(lambda state: state["points"][-1][7] == 8)
    before = one.state()["totals"]["turns"]
    one.post("/stats/reset")
    after = one.wait_for(lambda state: state["totals"]["turns"] >= 5)
    assert after["totals"]["turns"] < before
    assert after["resets"] == 1
    one.post("/stop")
    over = one.wait_for(is_over)
    assert over["ended"] == "interrupted"
    summary = json.loads((one.out / "summary.json").read_text())
    assert summary["turns"] >= before + 5
    assert summary["users"] >= 14


def test_four_workers_are_one_run(web: Any, simulator: Callable[..., str]) -> None:
    """--processes 4: live counts equal the merged journals, quantiles within 1 %, twice."""
    one = web("--host", simulator("--answer-tokens", "20:5"), "--processes", "4")
    one.wait_for(lambda state: state["workers"] == 4)
    form = {**SMALL, "user_count": 12, "turns": 4}
    for folder in (one.out, one.out.with_name("run-2")):
        before = one.state()["run"]
        assert one.post("/swarm", **form)["success"] is True
        over = one.wait_for(lambda state, before=before: is_over(state) and state["run"] != before, 60)
        assert over["totals"]["turns"] == 48
        assert over["problems"] == []
        agree(over["totals"], folder)
        scraped = one.get("/chatload/metrics")[2]
        assert b'chatload_turns_total{code="ok",' in scraped
        turns = [line for line in scraped.splitlines() if line.startswith(b"chatload_turns_total{")]
        assert [float(line.split()[-1]) for line in turns] == [48]
        assert len({path.name for path in folder.glob("journal-*.jsonl")}) == 5


def test_what_does_not_start_says_why_on_the_page_and_in_the_log(web: Any) -> None:
    one = web("--host", "http://127.0.0.1:9")
    answer = one.post("/swarm", **{**SMALL, "turns": "many"})
    assert answer["mistakes"] == ["--turns 'many': must be a whole number from 0 to 1,000,000"]
    assert not one.out.exists()
    assert one.post("/swarm", **SMALL)["success"] is True
    refused = one.wait_for(lambda state: bool(state["refusal"]) and "many" not in state["refusal"][0])
    assert "is the server up" in refused["refusal"][0]
    one.wait_for(lambda state: state["state"] in ("stopped", "ready"))
    log = one.get("/logs")[2].decode()
    assert "--turns 'many'" in log
    assert "is the server up" in log


def test_a_start_can_be_taken_back_while_the_server_is_asked(web: Any) -> None:
    """A server that lets everybody in and says nothing: stopped before it began, and the page is free again."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        one = web("--host", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert one.post("/swarm", **SMALL)["success"] is True
        one.wait_for(lambda state: state["state"] == "asking")
        one.post("/stop")
        state = one.wait_for(is_over)
    assert (state["ended"], state["exit_code"]) == ("unreachable", 1)
    assert (
        "stopped while the server was asked" in json.loads((one.out / "manifest.json").read_text())["refusal"]
    )


@pytest.mark.parametrize(("host", "code"), [("", 0), ("http://127.0.0.1:9", 1)])
def test_autoquit_quits_when_the_run_is_over(
    web: Any, simulator: Callable[..., str], host: str, code: int
) -> None:
    """Without --run-time: by itself, with the run's exit code; also where nobody answers."""
    host = host or simulator("--answer-tokens", "5:1")
    one = web(
        "--host", host, "--autostart", "--autoquit", "3", "-u", "2", "--turns", "2", "--think-time", "0"
    )
    ended = one.process.wait(timeout=30)
    assert ended in (code, 4)
    assert json.loads((one.out / "manifest.json").read_text())["exit_code"] == ended


def test_under_a_base_path_and_no_secret_anywhere(web: Any, simulator: Callable[..., str]) -> None:
    host = simulator("--answer-tokens", "5:1")
    one = web(
        "--host",
        host,
        "--web-base-path",
        "/lab",
        "--headers",
        '{"X-Team": "CANARY2"}',
        base_path="/lab",
        CHATLOAD_API_KEY="CANARY1",
    )
    one.post("/swarm", **{**SMALL, "turns": 1})
    state = one.wait_for(is_over)
    paths = [
        "/",
        "/chatload",
        "/chatload/live.json",
        "/stats/requests",
        "/logs",
        "/stats/report",
        "/exceptions",
    ]
    for path in [*paths, *(f"/chatload/files/{name}" for name in state["files"])]:
        status, _, body = one.get(path)
        assert status == 200, path
        assert b"CANARY" not in body, path
    assert b"CANARY" not in one.log.read_bytes()


def test_locust_rows_are_off_by_default_and_add_two_a_good_turn(
    web: Any, simulator: Callable[..., str]
) -> None:
    one = web("--host", simulator("--answer-tokens", "8:2"))
    kinds = []
    for rows in ("off", "on"):
        before = one.state()["run"]
        one.post("/swarm", **{**SMALL, "turns": 2, "locust_rows": rows})
        one.wait_for(lambda state, before=before: is_over(state) and state["run"] != before)
        table = list(csv.DictReader(io.StringIO(one.get("/stats/requests/csv")[2].decode())))
        kinds.append({row["Type"]: int(row["Request Count"]) for row in table})
    assert kinds == [{"CHAT": 12, "": 12}, {"CHAT": 12, "SPEED": 12, "TTFT": 12, "": 36}]
