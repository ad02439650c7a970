"""A run controller and two workers' agents, all in this process and on one manual clock, without Locust."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest

from chatload.loads.registry import SHAPES
from chatload.model.journal_lines import EndLine, decode
from chatload.runner.messages import RESEND_S
from chatload.runner.run_controller import RunController, Services
from chatload.runner.worker_agent import WorkerAgent
from tests.manual_clock import ManualClock
from tests.runner.fake_locust import SERVER, FakeConsole, FakeMaster, FakeMetrics, FakeProcess, FakeWorkers


class Cluster:
    """A run controller and two workers' agents; messages take 1 ms. The workers' clocks are the master's."""

    def __init__(self, headless: bool = True) -> None:
        self.clock = ManualClock()
        self.process, self.nodes = FakeProcess(num_users=4, out="run"), FakeWorkers(w1="ready", w2="ready")
        self.console: Any = FakeConsole()
        services = Services(
            lambda folder, plan: 0,
            lambda turns, slo: ("met", True, []),
            lambda plan, key, withheld: SERVER,
            lambda plan, emit, key, skipped: FakeMetrics(emit),  # type: ignore[arg-type, return-value]
            self.clock,
        )
        self.controller = RunController(
            self.process, self.nodes, SHAPES["chat"], services, self.console, headless=headless
        )
        self.workers: dict[str, FakeProcess] = {}
        self.masters: dict[str, FakeMaster] = {}
        self.agents: dict[str, WorkerAgent] = {}
        for name in ("w1", "w2"):
            self.workers[name], self.masters[name] = FakeProcess(num_users=2), FakeMaster(name)
            self.masters[name].on_send = self._up(name)
            self.agents[name] = WorkerAgent(self.workers[name], self.masters[name], self.clock)
        self.nodes.on_send = self._down
        self.cut_off: set[str] = set()

    def _up(self, name: str) -> Callable[[str, Any], None]:
        def send(kind: str, data: Any) -> None:
            if name not in self.cut_off:
                self.clock.later(0.001, lambda: self.nodes.says(name, kind, data))

        return send

    def _down(self, name: str, kind: str, data: Any) -> None:
        if name not in self.cut_off:
            self.clock.later(0.001, lambda: gevent.spawn(self.masters[name].says, kind, data))

    def start(self) -> Cluster:
        self.controller.supervisor.begin()
        self.clock.run(self.controller.on_test_start)
        self.nodes.states = dict.fromkeys(self.nodes.states, "running")
        self.clock.run(self.controller.on_ramp, 0, 100.0, ["w1", "w2"])
        self.clock.sleep(0.1)
        return self

    def users(self, worker: str, event: str) -> None:
        """The two users of a worker come in, or go."""
        session = self.workers[worker].session
        assert session is not None
        numbers = (
            [session.new_user(), session.new_user()]
            if event == "in"
            else [0, 2]
            if worker == "w1"
            else [1, 3]
        )
        for number in numbers:
            session.user_in(number) if event == "in" else session.user_out(number, "done")

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(Path("run/manifest.json").read_text())
        return found


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.chdir(tmp_path)
    return Cluster().start()


def test_a_distributed_run_loses_no_line_and_ends_when_all_users_are_gone(cluster: Cluster) -> None:
    for worker in ("w1", "w2"):
        cluster.users(worker, "in")
    cluster.clock.sleep(10)
    assert cluster.controller.is_on()
    for worker in ("w1", "w2"):
        cluster.users(worker, "out")
    cluster.clock.sleep(3)
    assert (cluster.controller.exit_code, cluster.manifest["ended"], cluster.manifest["problems"]) == (
        0,
        "done",
        [],
    )
    assert cluster.process.calls == ["quit", "quit"]
    kept = [decode(line) for line in Path("run/journal-master.jsonl").read_bytes().splitlines()]
    for worker in ("w1", "w2"):
        own = [decode(line) for line in Path(f"run/journal-{worker}.jsonl").read_bytes().splitlines()]
        assert [line for line in kept if line is not None and line.worker == worker] == own
        assert isinstance(own[-1], EndLine) and own[-1].lines == len(own)
        assert cluster.workers[worker].calls == ["stop"]


def test_a_worker_that_is_cut_off_for_a_while_sends_what_it_kept(cluster: Cluster) -> None:
    for worker in ("w1", "w2"):
        cluster.users(worker, "in")
    cluster.clock.sleep(2)
    cluster.cut_off, cluster.nodes.states["w2"] = {"w2"}, "missing"
    cluster.users("w2", "out")
    cluster.clock.sleep(5)
    assert len(cluster.controller.manifest.problems) == 1
    cluster.cut_off, cluster.nodes.states["w2"] = set(), "running"
    cluster.clock.sleep(RESEND_S + 1)
    cluster.users("w1", "out")
    cluster.clock.sleep(5)
    assert (cluster.controller.exit_code, cluster.manifest["problems"]) == (0, [])
    assert len(cluster.manifest["workers"]["w2"]["out_of_touch"]) == 1


def test_a_worker_that_fails_ends_the_whole_run(cluster: Cluster) -> None:
    for worker in ("w1", "w2"):
        cluster.users(worker, "in")
    cluster.clock.sleep(2)
    assert cluster.agents["w2"].supervisor.raised(ValueError("planted"))
    cluster.clock.sleep(5)
    assert (cluster.controller.exit_code, cluster.manifest["ended"]) == (2, "failed")
    assert cluster.manifest["failure"] == "worker w2: ValueError: planted"
    assert all(process.session is None for process in cluster.workers.values())


def test_all_workers_lost_is_a_run_that_is_not_whole(cluster: Cluster) -> None:
    for worker in ("w1", "w2"):
        cluster.users(worker, "in")
    cluster.clock.sleep(2)
    cluster.cut_off, cluster.nodes.states = {"w1", "w2"}, {"w1": "missing", "w2": "missing"}
    cluster.clock.sleep(5)
    assert (cluster.controller.exit_code, cluster.manifest["ended"]) == (4, "failed")
    assert cluster.manifest["failure"] == "2 of 2 workers were lost, with all their users"
    for agent in cluster.agents.values():
        cluster.clock.run(agent.finish, "the test is over")
