"""The master's measurement of its workers' clocks, by questions and answers over Locust's messages."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gevent.lock import BoundedSemaphore

from chatload.engine.clock import CLOCK, Clock
from chatload.model.hosts import ClockReading
from chatload.store.clocks import WorkerClock, clock_of_readings, worth_keeping

ROUNDS = 9
LIMIT_S = 3.0

Send = Callable[[str, dict[str, Any]], None]
"""Sends a question to the worker named."""


@functools.cache
def boot_id() -> str:
    """Names this boot of this host; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def answer(question: dict[str, Any], clock: Clock) -> dict[str, Any]:
    """A worker's answer."""
    return {**question, "answered_ns": clock.now_ns(), "boot_id": boot_id()}


class WorkerClocks:
    """What the master knows of its workers' clocks in one run."""

    def __init__(self, ask: Send, clock: Clock = CLOCK) -> None:
        self._ask, self._clock = ask, clock
        self._kept: dict[str, list[ClockReading]] = {}
        self._answers: dict[str, list[ClockReading]] = {}
        self._rounds = 0
        self._measuring = BoundedSemaphore()

    def measure(self, workers: Iterable[str], rounds: int = ROUNDS, limit_s: float = LIMIT_S) -> None:
        """Ask each worker `rounds` times, one question after another; keep the tightest round trip of each."""
        with self._measuring:
            asked = sorted(set(workers))
            self._answers, self._rounds = {worker: [] for worker in asked}, rounds
            for worker in asked:
                self._ask(worker, {"asked_ns": self._clock.now_ns()})
            all_there = lambda: all(len(found) >= rounds for found in self._answers.values())  # noqa: E731
            self._clock.wait_for(all_there, limit_s, look_s=0.002)
            for worker, found in self._answers.items():
                self._keep(worker, found)
            self._answers = {}

    def _keep(self, worker: str, found: list[ClockReading]) -> None:
        if found:
            tightest = min(found, key=lambda reading: reading.round_trip_ns)
            kept = self._kept.setdefault(worker, [])
            if worth_keeping(tightest, kept):
                kept.append(tightest)

    def on_answer(self, worker: str, message: dict[str, Any]) -> None:
        """A worker answered; ask it again until it was asked often enough."""
        now, readings = self._clock.now_ns(), self._answers.get(worker)
        if readings is None or len(readings) >= self._rounds:
            return  # an answer to a question of an earlier measurement
        asked, answered = message["asked_ns"], message["answered_ns"]
        offset, round_trip = (asked + now) // 2 - answered, now - asked
        # Same boot, same clock, unless the worker is in another time namespace.
        if message["boot_id"] and message["boot_id"] == boot_id() and abs(offset) <= round_trip:
            offset = 0
        readings.append(ClockReading(at_ns=now, offset_ns=offset, round_trip_ns=round_trip))
        if len(readings) < self._rounds:
            self._ask(worker, {"asked_ns": self._clock.now_ns()})

    def clock(self, worker: str) -> WorkerClock | None:
        """The worker's clock; None if it never said."""
        kept = self._kept.get(worker)
        return clock_of_readings(kept) if kept else None

    def offset_ns(self, worker: str) -> int | None:
        """Master − worker as measured last; None if it never said."""
        kept = self._kept.get(worker)
        return kept[-1].offset_ns if kept else None

    def readings(self) -> dict[str, list[ClockReading]]:
        """The readings of each worker, for the manifest."""
        return self._kept
