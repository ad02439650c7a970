"""A worker's side of a run: begins, ramps and drains as the master says."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

import gevent
import msgspec
from locust.env import Environment
from locust.exception import RPCError
from locust.runners import STATE_RUNNING, WorkerRunner

from chatload.engine.clock import now_ns
from chatload.loads.input_files import read_certificate
from chatload.loads.ramp import RampSegment
from chatload.model.errors import UsageError
from chatload.runner import messages
from chatload.runner.closing import stop_users
from chatload.runner.journal_backup import folder_for_copy
from chatload.runner.local_users import crowd_of
from chatload.runner.messages import HostFacts
from chatload.runner.open_files import allow_as_many_as_possible
from chatload.runner.session import Session, session_of, set_session
from chatload.runner.supervisor import Cause, Supervisor
from chatload.runner.worker_clocks import answer
from chatload.store.this_host import these_versions, this_machine

DRAIN_S = 8.0
WATCH_S = 0.5


class WorkerAgent:
    """One per worker process."""

    def __init__(self, environment: Environment) -> None:
        runner = environment.runner
        assert isinstance(runner, WorkerRunner)
        allow_as_many_as_possible()
        self._environment, self._runner = environment, runner
        self._facts = _facts(str(getattr(environment.parsed_options, "certificate", "") or ""))
        self._outbox: messages.Outbox | None = None
        self._run_id: str | None = None
        self._watch: gevent.Greenlet | None = None
        self.supervisor = Supervisor(self._fail)
        runner.register_message(messages.ASK_CLOCK, self._on_ask_clock)
        runner.register_message(messages.START, self._on_start)
        runner.register_message(messages.RAMP, self._on_ramp)
        runner.register_message(messages.ACK, self._on_ack)
        runner.register_message(messages.LEVEL, self._on_level)
        runner.register_message(messages.DRAIN, self._on_drain, concurrent=True)
        environment.events.test_start.add_listener(lambda **_: self._on_test_start())

    def _on_ask_clock(self, environment: Environment, msg: Any) -> None:
        self._runner.send_message(messages.TELL_CLOCK, answer(msg.data))

    def _on_start(self, environment: Environment, msg: Any) -> None:
        self._run_id = msg.data["run_id"]
        self.supervisor.begin()
        with self.supervisor.watching():
            self._begin(messages.start_of(msg.data["start"]))

    def _begin(self, start: messages.Start) -> None:
        self._close()
        self._outbox = outbox = messages.Outbox(self._send, start.run_id)
        worker = self._runner.client_id
        folder, words = folder_for_copy(start.folder, worker)
        if words:
            print(f"chatload: {words}", file=sys.stderr, flush=True)
        start = msgspec.structs.replace(start, folder=folder, facts=self._facts)
        session = Session(self._environment, start, worker, lambda raw, line: outbox.add(raw))
        set_session(self._environment, session)
        self._watch = gevent.spawn(self._watch_users)

    def _on_test_start(self) -> None:
        """Locust is about to start users; a worker that was not told of the run has nothing for them to do.

        Where the master has refused to begin a run, it takes no notice.
        """
        if self._run_id is None:
            self._tell(None, Cause("it was never told that the run begins"))

    def _watch_users(self) -> None:
        """Tell the master when no user here can act any more, and some ended without a word."""
        while session_of(self._environment) is not None:
            gevent.sleep(WATCH_S)
            crowd = crowd_of(self._runner)
            if self._runner.worker_state == STATE_RUNNING and crowd.is_over and crowd.vanished:
                self.supervisor.fail(Cause(crowd.words))

    def _fail(self, cause: Cause) -> None:
        """This worker cannot make or hold the run: the master says so and ends it."""
        if not self._environment.parsed_options.processes:  # else the master has the same terminal
            print(f"chatload: the run failed: {cause.words}", file=sys.stderr, flush=True)
        self._tell(self._run_id, cause)

    def _tell(self, run_id: str | None, cause: Cause) -> None:
        data = {
            "run_id": run_id,
            "words": cause.words,
            "exit_code": cause.exit_code,
            "where": list(cause.where),
        }
        self._send(messages.FAILED, data)

    def _send(self, kind: str, data: Any) -> None:
        """A message to the master. Cut off for so long that no more can be queued, it is dropped: what must come is
        sent again, and the master misses this worker."""
        with suppress(RPCError):
            self._runner.send_message(kind, data)

    def _on_ramp(self, environment: Environment, msg: Any) -> None:
        session, data = session_of(self._environment), msg.data
        if session is None:
            return
        if self._runner.client_id in data["workers"]:
            session.shard.position = data["workers"].index(self._runner.client_id)
            session.shard.workers = len(data["workers"])
        start_ns = data["start_ns"]
        if start_ns is None:  # the master does not know what our clock says
            start_ns = now_ns() + round(data["lead_s"] * 1e9)
        session.ramp(RampSegment(data["first_user"], start_ns, data["users_per_s"]))

    def _on_level(self, environment: Environment, msg: Any) -> None:
        session = session_of(self._environment)
        if session is not None:
            session.levels.put(messages.level_of(msg.data))

    def _on_ack(self, environment: Environment, msg: Any) -> None:
        if self._outbox is not None:
            self._outbox.acknowledged(msg.data)

    def _on_drain(self, environment: Environment, msg: Any) -> None:
        run_id = self._outbox.run_id if self._outbox is not None else None
        if msg.data["at_once"]:
            stop_users(self._runner, self._runner.spawning_greenlet)
        self._runner.stop()
        self.finish("drained")
        self.supervisor.done()
        self._runner._send_stats()  # Locust's own last report, which its quit would give 0.5 s at most
        self._runner.send_message(messages.DRAINED, {"run_id": run_id})

    def finish(self, reason: str) -> None:
        """Ship the last lines and close; also on SIGTERM and Ctrl-C. Safe to call twice."""
        self._run_id = None
        session = session_of(self._environment)
        if session is not None:
            session.close(reason)
            set_session(self._environment, None)
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
