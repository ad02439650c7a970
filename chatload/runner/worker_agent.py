"""A worker's side of a run: begins, ramps and drains as the master says."""

from __future__ import annotations

import sys
from typing import Any

import gevent
import msgspec

from chatload.engine.clock import CLOCK, Clock
from chatload.loads.input_files import read_certificate
from chatload.loads.ramp import RampSegment
from chatload.model.errors import UsageError
from chatload.runner import messages
from chatload.runner.journal_backup import folder_for_copy
from chatload.runner.locust_interface import Master, ThisProcess
from chatload.runner.messages import HostFacts
from chatload.runner.open_files import allow_as_many_as_possible
from chatload.runner.session import Session
from chatload.runner.supervisor import Cause, Supervisor
from chatload.runner.worker_clocks import answer
from chatload.store.this_host import these_versions, this_machine

DRAIN_S = 8.0
WATCH_S = 0.5
STOP_S = 1.5
"""How long the users of a run that failed may take to stop."""


class WorkerAgent:
    """One per worker process."""

    def __init__(self, process: ThisProcess, master: Master, clock: Clock = CLOCK) -> None:
        allow_as_many_as_possible()
        self._process, self._master, self._clock = process, master, clock
        self._facts = _facts(str(process.option_values().get("certificate") or ""))
        self._outbox: messages.Outbox | None = None
        self._run_id: str | None = None
        self._watch: gevent.Greenlet | None = None
        self.supervisor = Supervisor(self._fail)
        master.listen(messages.ASK_CLOCK, self._on_ask_clock)
        master.listen(messages.START, self._on_start)
        master.listen(messages.RAMP, self._on_ramp)
        master.listen(messages.ACK, self._on_ack)
        master.listen(messages.LEVEL, self._on_level)
        master.listen(messages.DRAIN, self._on_drain, concurrent=True)

    def _on_ask_clock(self, data: Any) -> None:
        self._master.send(messages.TELL_CLOCK, answer(data, self._clock))

    def _on_start(self, data: Any) -> None:
        self._run_id = data["run_id"]
        self.supervisor.begin()
        with self.supervisor.watching():
            self._begin(messages.start_of(data["start"]))

    def _begin(self, start: messages.Start) -> None:
        self._close()
        self._outbox = outbox = messages.Outbox(self._master.send, start.run_id, self._clock)
        worker = self._master.worker
        folder, words = folder_for_copy(start.folder, worker)
        if words:
            print(f"chatload: {words}", file=sys.stderr, flush=True)
        start = msgspec.structs.replace(start, folder=folder, facts=self._facts)
        self._process.session = Session(
            start, worker, lambda raw, line: outbox.add(raw), self._process.report_request, self._clock
        )
        self._watch = gevent.spawn(self._watch_users)
        outbox.flush()  # its first line, for which the master waits

    def on_test_start(self) -> None:
        """Locust is about to start users; a worker that was not told of the run has nothing for them to do.

        Where the master has refused to begin a run, it takes no notice.
        """
        if self._run_id is None:
            self._tell(None, Cause("it was never told that the run begins"))

    def _watch_users(self) -> None:
        """Tell the master when no user here can act any more, and some ended without a word."""
        while True:
            self._clock.sleep(WATCH_S)
            if self._process.session is None:  # its users were stopped
                return
            users = self._process.local_users()
            if self._process.is_running and users.is_over and users.vanished:
                self.supervisor.fail(Cause(users.words))

    def _fail(self, cause: Cause) -> None:
        """This worker cannot make or hold the run: the master says so and ends it."""
        if not self._master.has_same_terminal:
            print(f"chatload: the run failed: {cause.words}", file=sys.stderr, flush=True)
        self._tell(self._run_id, cause)

    def _tell(self, run_id: str | None, cause: Cause) -> None:
        data = {
            "run_id": run_id,
            "words": cause.words,
            "exit_code": cause.exit_code,
            "where": list(cause.where),
        }
        self._master.send(messages.FAILED, data)

    def _on_ramp(self, data: Any) -> None:
        session = self._process.session
        if session is None:
            return
        if self._master.worker in data["workers"]:
            session.shard.position = data["workers"].index(self._master.worker)
            session.shard.workers = len(data["workers"])
            session.shard.before = data["before"]
        start_ns = data["start_ns"]
        if start_ns is None:  # the master does not know what our clock says
            start_ns = self._clock.now_ns() + round(data["lead_s"] * 1e9)
        session.ramp(RampSegment(data["first_user"], start_ns, data["users_per_s"]))

    def _on_level(self, data: Any) -> None:
        if self._process.session is not None:
            self._process.session.levels.put(messages.level_of(data))

    def _on_ack(self, data: Any) -> None:
        if self._outbox is not None:
            self._outbox.acknowledged(data)

    def _on_drain(self, data: Any) -> None:
        run_id = self._outbox.run_id if self._outbox is not None else None
        if data["at_once"]:
            self._process.kill_users(None, STOP_S)
        self._process.stop()
        self.finish("drained")
        self.supervisor.done()
        self._master.send_last_stats()
        self._master.send(messages.DRAINED, {"run_id": run_id})

    def finish(self, reason: str) -> None:
        """Send the last lines and close; also on SIGTERM and Ctrl-C. Safe to call twice."""
        self._run_id = None
        session, self._process.session = self._process.session, None
        if session is not None:
            session.close(reason)
        if self._outbox is not None:
            self._outbox.drain(DRAIN_S)
            self._close()

    def _close(self) -> None:
        if self._watch is not None:
            self._watch.kill(block=False)
        if self._outbox is not None:
            self._outbox.close()
            self._outbox = None


def _facts(certificate: str) -> HostFacts:
    """What this host is, and how true the client is on it, if the worker was started with a certificate.

    A certificate that this host lacks keeps no run from being made: the report says that there is none.
    """
    found = None
    try:
        found = read_certificate(certificate) if certificate else None
    except UsageError as error:
        print(f"chatload: --certificate {error.lines[0]}", file=sys.stderr, flush=True)
    return HostFacts(machine=this_machine(), versions=these_versions(), certificate=found)
