"""Master, three workers and the server on hosts of their own: other addresses, other clocks, bad wires, cut links."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from hosts import Hosts, why_not

from chatload.store.journal import Run, read_run

REASON = why_not()
ASKED = "CHATLOAD_NETNS"
"""Set by `make netns`: these take a minute, and most of it is waiting."""

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not os.environ.get(ASKED), reason="`make netns` runs it"),
    pytest.mark.skipif(bool(REASON), reason=f"network namespaces: {REASON}"),
]
WORKERS = ("w1", "w2", "w3")


@dataclass
class Stage:
    """The hosts of one test and what runs on them."""

    hosts: Hosts
    folder: Path
    truth: Path
    addresses: dict[str, str] = field(default_factory=dict)
    workers: dict[str, subprocess.Popen[Any]] = field(default_factory=dict)
    master: subprocess.Popen[Any] | None = None

    def serve(self, *arguments: str) -> None:
        self.addresses["server"] = self.hosts.add("server")
        self.hosts.start(
            "server", sys.executable, "-u", "-m", "simulator", "--speak", "vllm", "--host", self.addresses["server"],
            "--port-base", "8000", "--truth", str(self.truth), *arguments,
        )  # fmt: skip
        self.hosts.wait_for("server", "ready")

    def load(
        self, *options: str, clocks_s: dict[str, int] | None = None, locustfile: str = "locustfiles/chat.py"
    ) -> None:
        """Start master and workers; the workers' hosts must be there."""
        master = self.addresses["master"] = self.hosts.add("master")
        locust = (sys.executable, "-m", "locust", "-f", locustfile)
        self.master = self.hosts.start(
            "master", *locust, "--headless", "--only-summary", "--master", "--master-bind-host", master,
            "--expect-workers", "3", "--host", f"http://{self.addresses['server']}:8000", "--out", str(self.folder),
            *options,
        )  # fmt: skip
        for name in WORKERS:
            self.workers[name] = self.hosts.start(
                name, *locust, "--worker", "--master-host", master, clock_s=(clocks_s or {}).get(name)
            )

    def wait_for_turns(self, count: int) -> None:
        journal = self.folder / "journal-master.jsonl"
        give_up = time.monotonic() + 30
        while not journal.exists() or journal.read_bytes().count(b'"kind":"turn"') < count:
            assert time.monotonic() < give_up, self.hosts.log("master").read_text()
            time.sleep(0.05)

    def end(self, limit_s: float = 45) -> int:
        """Wait for the master; its exit code."""
        assert self.master is not None
        return self.master.wait(limit_s)

    def manifest(self) -> dict[str, Any]:
        found = json.loads((self.folder / "manifest.json").read_text())
        assert isinstance(found, dict)
        return found

    def run(self) -> Run:
        return read_run(self.folder)

    def served(self) -> dict[str, dict[str, Any]]:
        lines = map(json.loads, self.truth.read_text().splitlines())
        return {line["request_id"]: line for line in lines if line.get("request_id")}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    hosts = Hosts(tmp_path)
    try:
        yield Stage(hosts, tmp_path / "run", tmp_path / "truth.jsonl")
    finally:
        hosts.close()


def places(run: Run) -> Counter[tuple[int, int]]:
    return Counter((turn.user, turn.turn) for turn in run.turns)


def test_other_clocks_delay_and_loss(stage: Stage) -> None:
    """Clocks an hour and a day ahead, 15 ms each way, one frame in 50 lost: every turn there, in one time."""
    stage.serve("--answer-tokens", "12:3")
    stage.hosts.add("w1")
    stage.hosts.add("w2", delay_ms=15)
    stage.hosts.add("w3", delay_ms=5, loss=0.02)
    stage.load(
        "--turns", "4", "--think-time", "0.3", "-u", "9", "-r", "9", clocks_s={"w2": 3_600, "w3": 86_400}
    )
    assert stage.end() == 0, stage.hosts.log("master").read_text()
    run, manifest, served = stage.run(), stage.manifest(), stage.served()
    assert places(run) == Counter((user, turn) for user in range(9) for turn in range(1, 5))
    assert {turn.request_id for turn in run.turns} == served.keys()
    assert all(turn.tokens == served[turn.request_id]["tokens"] for turn in run.turns)
    assert stage.hosts.dropped("w3") > 0
    offsets_s = sorted(facts["clock"][0]["offset_ns"] / 1e9 for facts in manifest["workers"].values())
    assert offsets_s == pytest.approx([-86_400, -3_600, 0], abs=0.01)
    assert all(facts["clock"][0]["round_trip_ns"] < 60e6 for facts in manifest["workers"].values())
    start_ns = manifest["ramps"][0]["start_ns"]
    for turn in run.turns:
        if turn.turn == 1:  # one by one across the three hosts
            assert abs(turn.due_ns - start_ns - turn.user * 1e9 / 9) < 10e6
    way_ms: dict[str, list[float]] = {}
    for turn in run.turns:
        assert turn.sent_ns is not None
        way = (served[turn.request_id]["received_ns"] - turn.sent_ns) / 1e6
        way_ms.setdefault(turn.worker, []).append(way)
    usual = sorted(statistics.median(ways) for ways in way_ms.values())
    assert usual == pytest.approx([1, 5, 15], abs=6), "the request's way to the server, over two clocks"


def test_a_scenario_of_one_s_own_over_three_hosts(stage: Stage) -> None:
    """Users beside it take places among the workers: the numbers of its own users have holes, and nobody's is twice."""
    stage.serve("--answer-tokens", "12:3", "--model", "llama-3-8b")
    for name in WORKERS:
        stage.hosts.add(name, delay_ms=3)
    stage.load("--turns", "3", "-u", "12", "-r", "12", locustfile="examples/shoe_shop.py")
    assert stage.end(120) in (0, 1, 4), stage.hosts.log("master").read_text()
    run, served = stage.run(), stage.served()
    assert run.manifest.plan_sentence.startswith("9 users over 1 s, beside 3 others: 9 Shopper (3 turns, ")
    assert sorted(Counter(turn.user for turn in run.turns).values()) == [3] * 9
    assert max(places(run).values()) == 1
    assert {turn.request_id for turn in run.turns} == served.keys()
    assert len({turn.worker for turn in run.turns}) > 1
    assert {turn.name for turn in run.turns} == {"ask"}


def test_a_link_cut_for_seven_seconds_loses_nothing(stage: Stage) -> None:
    """One worker is out of touch with master and server; its replies stand still, then everything goes on."""
    stage.serve("--answer-tokens", "20:3")
    for name in WORKERS:
        stage.hosts.add(name)
    stage.load("--turns", "10", "--think-time", "0.5", "-u", "6", "-r", "12")
    stage.wait_for_turns(12)
    stage.hosts.cut("w2")
    time.sleep(6.5)
    stage.hosts.mend("w2")
    assert stage.end() == 0, stage.hosts.log("master").read_text()
    run, manifest, served = stage.run(), stage.manifest(), stage.served()
    assert places(run) == Counter((user, turn) for user in range(6) for turn in range(1, 11))
    assert {turn.request_id for turn in run.turns if turn.ok} == {
        request_id for request_id, line in served.items() if line["ended"] == "complete"
    }
    gaps = [gap for facts in manifest["workers"].values() for gap in facts.get("out_of_touch", [])]
    assert len(gaps) == 1, "the master noticed, and says so"
    master = [json.loads(line) for line in (stage.folder / "journal-master.jsonl").read_bytes().splitlines()]
    assert len([line for line in master if line["kind"] == "turn"]) == 60, "each line came over, once"


def test_a_link_cut_for_good_is_told_and_the_others_finish(stage: Stage) -> None:
    """The master ends without the lost worker, says so, exits 4; that worker's own journal holds the rest."""
    stage.serve("--answer-tokens", "12:3")
    for name in WORKERS:
        stage.hosts.add(name)
    stage.load(
        "--turns", "12", "--think-time", "0.4", "-u", "6", "-r", "12", "--connect-timeout", "1",
        "--first-token-timeout", "2", "--gap-timeout", "2",
    )  # fmt: skip
    stage.wait_for_turns(12)
    stage.hosts.cut("w3")
    assert stage.end() == 4, stage.hosts.log("master").read_text()
    problems = stage.manifest()["problems"]
    assert any("was lost with 2 users in" in problem for problem in problems)
    assert "was lost" in stage.hosts.log("master").read_text()
    stage.workers["w3"].send_signal(signal.SIGTERM)
    stage.workers["w3"].wait(30)
    run, served = stage.run(), stage.served()
    by_worker = Counter(turn.worker for turn in run.turns if turn.ok)
    assert sorted(by_worker.values())[1:] == [24, 24], "the others held all their turns"
    assert not [place for place, count in places(run).items() if count > 1]
    known = {turn.request_id for turn in run.turns}
    assert served.keys() <= known, "what the server answered is in a journal"
    assert {turn.code for turn in run.turns if not turn.ok} <= {
        "timeout_first", "timeout_gap", "deadline", "connect", "interrupted", "truncated",
    }  # fmt: skip
