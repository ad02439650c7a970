"""The master asks each worker what its clock says, over the line that carries everything else."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore

from chatload.engine.clock import now_ns
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


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """A worker's answer."""
    return {**question, "answered_ns": now_ns(), "boot_id": boot_id()}


class Clocks:
    """What the master knows of its workers' clocks in one run."""

    def __init__(self, ask: Send) -> None:
        self._ask = ask
        self._kept: dict[str, list[ClockReading]] = {}
        self._heard: dict[str, list[ClockReading]] = {}
        self._rounds = 0
        self._measuring = BoundedSemaphore()

    def measure(self, workers: Iterable[str], rounds: int = ROUNDS, limit_s: float = LIMIT_S) -> None:
        """Ask each worker `rounds` times, one question after another; keep the tightest round trip of each."""
        with self._measuring:
            asked = sorted(set(workers))
            self._heard, self._rounds = {worker: [] for worker in asked}, rounds
            for worker in asked:
                self._ask(worker, {"asked_ns": now_ns()})
            with gevent.Timeout(limit_s, False):
                while any(len(heard) < rounds for heard in self._heard.values()):
                    gevent.sleep(0.002)
            for worker, heard in self._heard.items():
                self._keep(worker, heard)
            self._heard = {}

    def _keep(self, worker: str, heard: list[ClockReading]) -> None:
        if heard:
            tightest = min(heard, key=lambda reading: reading.round_trip_ns)
            kept = self._kept.setdefault(worker, [])
            if worth_keeping(tightest, kept):
                kept.append(tightest)

    def heard(self, worker: str, message: dict[str, Any]) -> None:
        """A worker answered; ask it again until it was asked often enough."""
        now, readings = now_ns(), self._heard.get(worker)
        if readings is None or len(readings) >= self._rounds:
            return  # an answer to a question of an earlier measurement
        asked, answered = message["asked_ns"], message["answered_ns"]
        offset, round_trip = (asked + now) // 2 - answered, now - asked
        # Same boot, same clock, unless a time namespace stands between: then its clock is really another.
        if message["boot_id"] and message["boot_id"] == boot_id() and abs(offset) <= round_trip:
            offset = 0
        readings.append(ClockReading(at_ns=now, offset_ns=offset, round_trip_ns=round_trip))
        if len(readings) < self._rounds:
            self._ask(worker, {"asked_ns": now_ns()})

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
