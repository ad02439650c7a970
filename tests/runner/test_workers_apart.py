"""Master and workers as processes of their own: a host without our folders, one that comes late, one that goes."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import GOOD, ROOT, read_lines, turns_of

from tests.ports import answers, free_port

pytestmark = pytest.mark.e2e

BLIND = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o ro none "$0" && exec "$@"')
"""Runs a command for which a folder is another, read-only file system, as on another host."""


def may_be_blind(folder: Path) -> bool:
    done = subprocess.run([*BLIND, str(folder), "true"], capture_output=True, check=False)
    return done.returncode == 0


class Party:
    """A master and its workers, each with a log of what it said."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "master" / "run"
        (folder / "master").mkdir()
        self.port = str(free_port())
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.locustfile = ROOT / "locustfiles" / "chat.py"

    def start(self, name: str, *arguments: str, blind: Path | None = None, **more: Any) -> None:
        here = self.folder / name
        here.mkdir(exist_ok=True)
        away = (*BLIND, str(blind)) if blind else ()
        with open(here / "log", "wb") as log:
            self.processes[name] = subprocess.Popen(
                [*away, sys.executable, "-m", "locust", "-f", str(self.locustfile), *arguments],
                cwd=here, env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=log, stderr=subprocess.STDOUT, **more,
            )  # fmt: skip

    def master(self, host: str, workers: int, *arguments: str) -> None:
        self.start(
            "master", "--headless", "--only-summary", "--master", "--master-bind-port", self.port, "--expect-workers",
            str(workers), "--host", host, "--out", str(self.out), *arguments,
        )  # fmt: skip

    def worker(self, name: str, **more: Any) -> None:
        self.start(name, "--worker", "--master-port", self.port, **more)

    def said(self, name: str) -> str:
        return (self.folder / name / "log").read_text(encoding="utf-8", errors="replace")

    def wait_for_turns(self, count: int) -> None:
        journal, give_up = self.out / "journal-master.jsonl", time.monotonic() + 30
        while not journal.exists() or journal.read_bytes().count(b'"kind":"turn"') < count:
            assert time.monotonic() < give_up, self.said("master")
            time.sleep(0.05)

    def end(self, limit_s: float = 60) -> int:
        return self.processes["master"].wait(limit_s)

    def manifest(self) -> dict[str, Any]:
        found = json.loads((self.out / "manifest.json").read_text())
        assert isinstance(found, dict)
        return found

    def lost_nothing(self) -> bool:
        """No problem of the recording, and exit code 0 unless the machine was too busy to be trusted."""
        trust = json.loads((self.out / "summary.json").read_text())["validity"]
        assert not [reason for reason in trust["reasons"] if "lines" in reason]
        return not self.manifest()["problems"] and (self.end() == 0 or not trust["trustworthy"])

    def warnings(self) -> list[str]:
        """Those of the manifest, but for that of a busy machine on which the simulator is late."""
        return [words for words in self.manifest().get("warnings", []) if "was late itself" not in words]

    def places(self) -> Counter[tuple[int, int]]:
        return Counter((turn["user"], turn["turn"]) for turn in turns_of(self.out))


@pytest.fixture
def party(tmp_path: Path) -> Iterator[Party]:
    found = Party(tmp_path)
    yield found
    for process in found.processes.values():
        process.kill()
        process.wait()


def every_turn(users: int, turns: int) -> Counter[tuple[int, int]]:
    return Counter((user, turn) for user in range(users) for turn in range(1, turns + 1))


def test_a_worker_that_cannot_write_the_master_s_folder(party: Party, vllm: Any, tmp_path: Path) -> None:
    """It keeps its copy in a folder of its own and says where; nothing is lost."""
    if not may_be_blind(party.out.parent):
        pytest.skip("may not mount (unshare -rm): a folder cannot be made another host's")
    host, _, _ = vllm()
    party.worker("w1")
    party.worker("w2", blind=party.out.parent)
    party.master(host, 2, "-u", "4", "-r", "8", "--turns", "3", "--think-time", "0.2")
    assert party.end() in GOOD, party.said("master")
    assert party.places() == every_turn(4, 3)
    assert party.lost_nothing()
    assert not party.warnings()
    assert len(list(party.out.glob("journal-*.jsonl"))) == 2, "the master's, and of the worker that could"
    assert "keeps its own copy of its journal in" in party.said("w2")
    (copy,) = (tmp_path / "w2" / "results" / "run").glob("journal-*.jsonl")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert sum(line["kind"] == "turn" for line in read_lines(copy)) == 6


def test_a_worker_s_full_disk_is_a_caveat_where_the_master_has_every_line(party: Party, vllm: Any) -> None:
    host, _, _ = vllm()
    party.worker("w1")
    party.worker("w2", limits=((resource.RLIMIT_FSIZE, 4_000),))
    party.master(host, 2, "-u", "4", "-r", "8", "--turns", "6", "--think-time", "0.2")
    assert party.end() in GOOD, party.said("master")
    assert party.places() == every_turn(4, 6)
    assert party.lost_nothing()
    (caveat,) = party.warnings()
    assert "of its own copy of its journal; the master has all of them" in caveat


def test_a_worker_that_comes_after_the_start_gets_no_users(party: Party, vllm: Any) -> None:
    """Locust would move users over to it, and so stop and start conversations in the middle."""
    host, _, _ = vllm()
    party.worker("w1")
    party.master(host, 1, "-u", "10", "-r", "20", "--turns", "8", "--think-time", "0.3")
    party.wait_for_turns(12)
    party.worker("w2")
    assert party.end() in GOOD, party.said("master")
    assert "w2" not in party.processes or party.processes["w2"].wait(20) == 0
    assert "came after the start of the run: it gets no users in this one" in party.said("master")
    assert party.places() == every_turn(10, 8)
    assert all(turn["ok"] for turn in turns_of(party.out))
    assert len({turn["worker"] for turn in turns_of(party.out)}) == 1
    assert party.lost_nothing()
    assert len(party.manifest()["ramps"]) == 1


def test_a_worker_that_comes_while_users_still_come_in_gets_none(party: Party, vllm: Any) -> None:
    host, _, _ = vllm()
    party.worker("w1")
    party.master(host, 1, "-u", "8", "-r", "2", "--turns", "4", "--think-time", "0.3")
    party.wait_for_turns(2)
    party.worker("w2")
    assert party.end() in GOOD, party.said("master")
    assert "came after the start of the run" in party.said("master")
    assert party.places() == every_turn(8, 4)
    assert all(turn["ok"] for turn in turns_of(party.out))
    assert party.lost_nothing()


def test_a_worker_that_is_stopped_does_not_hand_its_users_on(party: Party, vllm: Any) -> None:
    """SIGTERM to one of two: the other holds its own users' turns, no more; what the first finished is there."""
    host, truth_log, server = vllm()
    for name in ("w1", "w2"):
        party.worker(name)
    party.master(host, 2, "-u", "6", "-r", "12", "--turns", "10", "--think-time", "0.3")
    party.wait_for_turns(12)
    party.processes["w2"].send_signal(signal.SIGTERM)
    assert party.end() == 4, party.said("master")
    turns = turns_of(party.out)
    by_worker = Counter(turn["worker"] for turn in turns)
    assert max(by_worker.values()) == 30
    assert "was stopped: the turns its users still had to hold are missing" in party.said("master")
    assert set(party.places()) <= set(every_turn(6, 10)), "users beyond the plan"
    assert max(party.places().values()) == 1
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=10)
    served = {line["request_id"] for line in read_lines(truth_log) if line.get("request_id")}
    assert served == {turn["request_id"] for turn in turns}


def test_the_users_of_a_worker_that_is_long_gone_do_not_come_back(
    party: Party, vllm: Any, tmp_path: Path
) -> None:
    """A minute after a worker fell silent (here 2 s) Locust would start all its users again on the others."""
    host, _, _ = vllm()
    hasty = tmp_path / "hasty.py"
    chat = (ROOT / "locustfiles" / "chat.py").read_text(encoding="utf-8")
    hasty.write_text(f"{chat}\nimport locust.runners\nlocust.runners.HEARTBEAT_DEAD_INTERNAL = -3\n")
    party.locustfile = hasty
    for name in ("w1", "w2"):
        party.worker(name)
    party.master(host, 2, "-u", "6", "-r", "12", "--turns", "16", "--think-time", "0.4")
    party.wait_for_turns(12)
    party.processes["w2"].kill()
    assert party.end() == 4, party.said("master")
    by_worker = Counter(turn["worker"] for turn in turns_of(party.out))
    assert max(by_worker.values()) == 48
    assert max(party.places().values()) == 1
    assert {user for user, _ in party.places()} <= set(range(6))
    assert len(party.manifest()["ramps"]) == 1


def test_who_came_late_takes_part_in_the_next_run(party: Party, vllm: Any) -> None:
    host, _, _ = vllm()
    port = free_port()
    party.worker("w1")
    party.start(
        "master", "--master", "--master-bind-port", party.port, "--web-port", str(port), "--host", host, "--out",
        str(party.out), "--turns", "6", "--think-time", "0.3",
    )  # fmt: skip

    def swarm() -> None:
        data = b"user_count=4&spawn_rate=8"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/swarm", data, timeout=30) as answer:
            assert json.loads(answer.read())["success"]

    def until(true: Callable[[], bool]) -> None:
        give_up = time.monotonic() + 40
        while not true():
            assert time.monotonic() < give_up, party.said("master")
            time.sleep(0.1)

    until(lambda: "1 workers connected" in party.said("master"))
    until(lambda: answers(port))
    swarm()
    party.wait_for_turns(4)
    party.worker("w2")
    until(lambda: "came after the start of the run" in party.said("master"))
    until(lambda: (party.out / "summary.json").exists() and party.manifest()["ended"] == "done")
    assert party.places() == every_turn(4, 6)
    until(lambda: party.said("master").count("workers connected") >= 4)  # both, ready again
    swarm()
    party.out = party.out.with_name("run-2")
    until(lambda: (party.out / "summary.json").exists() and party.manifest()["ended"] == "done")
    assert party.places() == every_turn(4, 6)
    assert len({turn["worker"] for turn in turns_of(party.out)}) == 2
