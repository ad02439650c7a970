"""The master's questions about its workers' clocks, against workers with clocks of their own."""

from __future__ import annotations

import sys

import gevent
import pytest

from chatload.engine.clock import now_ns
from chatload.runner import worker_clocks as clocks
from chatload.runner.worker_clocks import WorkerClocks


class Worker:
    """Answers after a delay there and a delay back, by a clock that is behind by `offset_ns`."""

    def __init__(self, offset_ns: int, delays_s: list[float], boot: str = "elsewhere") -> None:
        self.offset_ns, self.delays_s, self.boot = offset_ns, delays_s, boot
        self.asked = 0

    def answer(self, master: WorkerClocks, question: dict[str, int]) -> None:
        delay_s = self.delays_s[self.asked % len(self.delays_s)]
        self.asked += 1
        gevent.sleep(delay_s)
        reply = {**question, "answered_ns": now_ns() - self.offset_ns, "boot_id": self.boot}
        master.on_answer("far", reply)


def master_of(worker: Worker | None) -> WorkerClocks:
    def ask(name: str, question: dict[str, int]) -> None:
        if worker is not None:
            gevent.spawn(worker.answer, master, question)

    master = WorkerClocks(ask)
    return master


def test_the_tightest_of_nine_round_trips_is_taken() -> None:
    worker = Worker(5_000_000_000, [0.02, 0.02, 0.0, 0.02])
    master = master_of(worker)
    master.measure(["far"])
    assert worker.asked == 9
    (reading,) = master.readings()["far"]
    assert reading.round_trip_ns < 15_000_000
    assert abs(reading.offset_ns - 5_000_000_000) <= reading.round_trip_ns / 2 + 1


def test_one_boot_is_one_clock() -> None:
    master = master_of(Worker(0, [0.0], clocks.boot_id()))
    master.measure(["far"])
    assert master.offset_ns("far") == 0


@pytest.mark.skipif(sys.platform != "linux", reason="boot ids and time namespaces are Linux's")
def test_one_boot_and_another_time_namespace_are_two_clocks() -> None:
    master = master_of(Worker(5_000_000_000, [0.0], clocks.boot_id()))
    master.measure(["far"])
    assert abs((master.offset_ns("far") or 0) - 5_000_000_000) < 50_000_000


def test_a_silent_worker_keeps_nobody_waiting() -> None:
    master = master_of(None)
    begun_ns = now_ns()
    master.measure(["far"], limit_s=0.2)
    assert (now_ns() - begun_ns) / 1e9 < 1
    assert master.offset_ns("far") is None
    assert master.clock("far") is None


def test_a_late_answer_to_an_old_question_counts_for_nothing() -> None:
    master = master_of(None)
    master.measure(["far"], limit_s=0.01)
    master.on_answer("far", {"asked_ns": 0, "answered_ns": 0, "boot_id": ""})
    assert master.readings() == {}
