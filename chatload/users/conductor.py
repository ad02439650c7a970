"""Starts and ends a run: in the one process of a local run, or in the master of a distributed one.

Begin: check the plan, ask the server what it is, make the run folder, tell the workers. End: when every
user is gone, or somebody stops the run; then drain the workers, close the books, judge.
"""

from __future__ import annotations

import functools
import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import gevent
import orjson
from locust.env import Environment
from locust.runners import STATE_MISSING, STATE_RUNNING, MasterRunner, Runner

from chatload.clock import now_ns, wall_offset_ns
from chatload.errors import UsageError
from chatload.pacing.ramp import RampSegment
from chatload.plan import CapacityLoad, Plan, Planner
from chatload.record.journal import FORMAT, JournalWriter
from chatload.record.manifest import conditions, write_json
from chatload.record.turn_record import from_line
from chatload.users import link
from chatload.users.audience import Audience
from chatload.users.capacity import Director, Judge
from chatload.users.clocks import Clocks
from chatload.users.connection import Address
from chatload.users.limits import allow_connections
from chatload.users.options import values_of, without_values
from chatload.users.patches import EvenRamp
from chatload.users.preflight import Server, Unfit, preflight
from chatload.users.progress import Progress
from chatload.users.roll import Roll
from chatload.users.server_metrics import ServerMetrics
from chatload.users.session import Session, Start, session_of, set_session

LOCAL_LEAD_S, WORKERS_LEAD_S = 0.1, 1.0
"""How long before the first user is due its dispatch begins: time for the word to get around."""
DRAIN_S = 10.0
_log = logging.getLogger("locust.chatload")
PROGRESS_S = 2.0
CLOCKS_S = 60.0
"""How often the workers' clocks are read while the run goes on: they drift."""

Finish = Callable[[Path, Plan], int]
"""Writes the reports of a finished run folder and returns the exit code they call for."""


class Conductor:
    """One per environment, local or master. A web UI may start many runs with it, one after another."""

    def __init__(
        self,
        environment: Environment,
        planner: Planner,
        servers: tuple[str, ...],
        finish: Finish,
        judge: Judge,
        *,
        headless: bool,
    ) -> None:
        self._environment = environment
        self._planner = planner
        self._servers = servers
        self._finish = finish
        self._headless = headless
        self._runner: Runner = environment.runner
        self._distributed = isinstance(self._runner, MasterRunner)
        self.plan: Plan | None = None
        self.exit_code: int | None = None
        self.progress: Progress | None = None
        self.folder: Path | None = None
        self.refusal: tuple[str, ...] = ()
        self.audience: Audience | None = None
        self._judge = judge
        self._director: Director | None = None
        self._manifest: dict[str, Any] = {}
        self._start: Start | None = None
        self._journal: JournalWriter | None = None
        self._drained: set[str] = set()
        self._workers: set[str] = set()
        self._lost: dict[str, tuple[int, str]] = {}
        self.roll = Roll()
        self._watcher: gevent.Greenlet | None = None
        self._server_metrics: ServerMetrics | None = None
        self._inbox = link.Inbox()
        self._clocks = Clocks(self._ask_clock)
        self._problems: list[str] = []
        environment.dispatcher_class = functools.partial(EvenRamp, announce=self._on_ramp, even=self._is_even)
        environment.events.test_start.add_listener(lambda **_: self._begin())
        environment.events.test_stop.add_listener(lambda **_: self.end("interrupted"))
        if self._distributed:
            self._runner.register_message(link.LINES, self._on_lines)
            self._runner.register_message(link.DRAINED, self._on_drained)
            self._runner.register_message(link.TELL_CLOCK, self._on_clock)

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The manifest of the run that goes on, or of the last one; empty before the first."""
        return self._manifest

    def plan_of(self, values: Mapping[str, Any]) -> Plan:
        """The plan these values would make; UsageError with every mistake."""
        return self._planner({**values_of(self._environment), **values}, self._servers)

    def check(self) -> Plan:
        """The plan as the options stand now; UsageError with every mistake."""
        mistakes: list[str] = []
        values = values_of(self._environment)
        if not self._headless and not values["host"]:
            values["host"] = "http://127.0.0.1"  # the web form will ask for it
        try:
            plan = self._planner(values, self._servers)
        except UsageError as error:
            mistakes += error.lines
        out = str(values.get("out") or "").strip()
        if out and self._headless and (Path(out) / "manifest.json").exists():
            mistakes.append(f"--out {out!r}: already holds a run: name a new folder, or move that one away")
        if mistakes:
            raise UsageError(mistakes)
        return plan

    # -- begin ---------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._drained.clear()
        self._problems = []
        self._lost = {}
        self._inbox = link.Inbox()
        self._clocks = Clocks(self._ask_clock)
        self.roll = Roll()
        self.exit_code = None
        self.plan = None
        self.refusal = ()
        try:
            plan = self._planner(self._run_values(), self._servers)
        except UsageError as error:
            self._refuse(error.lines, 2)
            return
        self.plan = plan
        self._make_folder(plan)
        if self.audience is not None:
            self.audience.begin(self._manifest["run_id"], self._manifest["started_ns"])
        try:
            processes = max(1, len(self._runner.clients.ready)) if self._distributed else 1
            allow_connections(-(-plan.load.users // processes))
            server = preflight(plan)
        except Unfit as error:
            self._manifest["refusal"] = str(error)
            self._refuse([str(error)], 1)
            self._note_end("unreachable")
            self._close_books("unreachable", 1)
            return
        self._announce_plan(plan, server)
        assert self.folder is not None
        values = {
            key: value for key, value in self._run_values().items() if isinstance(value, str | int | float)
        }
        self._start = Start(
            self._manifest["run_id"], str(self.folder.resolve()), server.dialect.name, server.model, values
        )
        self.progress = Progress(plan.load.turns_planned)
        if self._distributed:
            self._journal = JournalWriter(self.folder / "journal-master.jsonl")
            self._workers = {client.id for client in self._runner.clients.ready}
            self._read_clocks()
            self._write_manifest("running")
            for worker in self._workers:
                self._send(link.START, self._start_message(worker), worker)
        else:
            session = Session(self._environment, plan, self._start, "local", self._on_line)
            set_session(self._environment, session)
        self._server_metrics = ServerMetrics(Address(plan.host, plan.insecure), self._note_server)
        self._watcher = gevent.spawn(self._watch)
        if isinstance(plan.load, CapacityLoad):
            self._director = Director(
                plan, self._judge, self._order, lambda words: self.say(f"chatload: {words}")
            )
            self._climb = gevent.spawn(self._director.run)

    def _note_server(self, line: dict[str, Any]) -> None:
        """What the server said of itself, into the journal of this process."""
        session = session_of(self._environment)
        if session is not None:
            session.emit(line)
        elif self._journal is not None:
            self._journal.write({**line, "worker": "master"})

    def _order(self, order: dict[str, Any]) -> None:
        """An order for every climber, its instants in each one's own clock."""
        session = session_of(self._environment)
        if session is not None:
            session.orders.put(order)
            return
        for worker in self._workers:
            offset_ns = self._clocks.offset_ns(worker) or 0
            own = {
                name: value - offset_ns if name.endswith("_ns") else value for name, value in order.items()
            }
            self._send(link.ORDER, own, worker)

    def _run_values(self) -> dict[str, Any]:
        """Option values, with the number of users the web form asked for."""
        values = values_of(self._environment)
        values["num_users"] = self._runner.target_user_count or values.get("num_users")
        rate = getattr(self._runner, "spawn_rate", None) or values.get("spawn_rate")
        values["spawn_rate"] = rate
        return values

    def _make_folder(self, plan: Plan) -> None:
        stamp = datetime.now(UTC)
        server = re.sub(r"[^A-Za-z0-9.-]+", "-", plan.server)
        wanted = Path(plan.out or f"results/{stamp:%Y%m%dT%H%M%SZ}-{plan.scenario}-{server}")
        folder, again = wanted, 1
        while (folder / "manifest.json").exists():
            again += 1
            folder = wanted.with_name(f"{wanted.name}-{again}")
        self.folder = folder
        self._manifest = {
            **conditions(),
            "run_id": uuid4().hex,
            "label": plan.label,
            "scenario": plan.scenario,
            "argv": without_values(sys.argv, ("--headers",)),
            "plan": plan_facts(plan),
            "plan_sentence": plan.sentence(),
            "server": {"asked": plan.server, "host": plan.host},
            "started_utc": stamp.isoformat(timespec="milliseconds"),
            "started_ns": now_ns(),
        }
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            self._problem(f"{folder}: cannot be made ({error.strerror}): nothing of this run is kept")
        self._write_manifest("running")

    def _note_end(self, reason: str) -> None:
        """A journal of a run that never began: it says so, and nothing else."""
        assert self.folder is not None
        journal = JournalWriter(self.folder / "journal-local.jsonl")
        at_ns, run_id = now_ns(), self._manifest["run_id"]
        start = {"kind": "start", "format": FORMAT, "run_id": run_id, "utc_ns": at_ns + wall_offset_ns()}
        for line in (start, {"kind": "end", "reason": reason}):
            journal.write({**line, "at_ns": at_ns, "worker": "local"})
        journal.close()

    def _announce_plan(self, plan: Plan, server: Server) -> None:
        self._manifest["server"] |= {
            "dialect": server.dialect.name,
            "model": server.model,
            "found": {"name": server.found.name, "version": server.found.version},
            "words": server.found.words if server.found.name else f"{server.dialect.name} server",
        }
        self._manifest["plan_sentence"] = plan.sentence(server.found.name)
        self._write_manifest("running")
        self.say(f"chatload: {self._manifest['plan_sentence']}")
        self.say(f"chatload: it is {server.found.words}; spoken to as {server.dialect.name}")
        self.say(f"chatload: run folder {self.folder}")

    def _refuse(self, lines: Sequence[str], code: int) -> None:
        if self._headless:
            for line in lines:
                self.say(f"chatload: {line}")
        else:
            self.turn_away(lines)
        self.exit_code = code
        gevent.spawn(self._runner.quit if self._headless else self._runner.stop)

    def turn_away(self, lines: Sequence[str]) -> None:
        """Say on the page and in Locust's log why a run does not start."""
        self.refusal = tuple(lines)
        for line in lines:
            _log.error(line)

    def _start_message(self, worker: str) -> dict[str, Any]:
        assert self._start is not None
        start = self._start
        return {"run_id": start.run_id, "folder": start.folder, "dialect": start.dialect, "model": start.model,
                "values": start.values, "clock_offset_ns": self._clocks.offset_ns(worker)}  # fmt: skip

    # -- while it runs -------------------------------------------------------------------------------

    def _is_even(self) -> bool:
        return self.plan is not None and self.plan.load.ramp == "even"

    def _on_ramp(self, first_user: int, users_per_s: float, workers: Sequence[str]) -> None:
        """The dispatcher begins a ramp: fix when each of its users is due."""
        lead_s = WORKERS_LEAD_S if self._distributed else LOCAL_LEAD_S
        segment = RampSegment(first_user, now_ns() + round(lead_s * 1e9), users_per_s)
        self._manifest.setdefault("ramps", []).append(
            {"first_user": first_user, "start_ns": segment.start_ns, "users_per_s": users_per_s}
        )
        session = session_of(self._environment)
        if session is not None:
            session.place.segments.append(segment)
        elif self._distributed:
            for worker in self._workers:
                offset_ns = self._clocks.offset_ns(worker)
                start_ns = None if offset_ns is None else segment.start_ns - offset_ns
                self._send(link.RAMP, {"first_user": first_user, "start_ns": start_ns, "lead_s": lead_s,
                                       "users_per_s": users_per_s, "workers": list(workers)}, worker)  # fmt: skip

    def _send(self, kind: str, data: Any, worker: str | None = None) -> None:
        self._runner.send_message(kind, data, client_id=worker)

    def _ask_clock(self, worker: str, question: dict[str, Any]) -> None:
        self._send(link.ASK_CLOCK, question, worker)

    def _on_clock(self, environment: Environment, msg: Any) -> None:
        self._clocks.heard(msg.node_id, msg.data)

    def _read_clocks(self) -> None:
        """How far each worker's clock is from ours; into the manifest."""
        alive = {client.id for client in self._runner.clients.all if client.state != STATE_MISSING}
        self._clocks.measure(self._workers & alive)
        workers = self._manifest.setdefault("workers", {})
        for worker, readings in self._clocks.words().items():
            workers[worker] = workers.get(worker, {}) | readings
        for worker in sorted(self._workers - workers.keys()):
            self._problem(f"worker {worker} did not tell its clock: its times are its own host's")

    def _on_lines(self, environment: Environment, msg: Any) -> None:
        for raw in self._inbox.take(msg.node_id, msg.data):
            if self._journal is not None:
                self._journal.append(raw)
            line = orjson.loads(raw)
            clock = self._clocks.clock(msg.node_id)
            self._on_line(raw, clock.shifted(line) if clock else line)
        self._runner.send_message(link.ACK, {"number": msg.data["number"]}, client_id=msg.node_id)

    def _on_line(self, raw: bytes, line: dict[str, Any]) -> None:
        progress = self.progress
        if progress is None:
            return
        turn = from_line(line) if line["kind"] == "turn" else None
        if self.audience is not None:
            self.audience.hear(line, turn)
        if self._director is not None:
            self._director.hear(line, turn)
        if turn is not None:
            progress.add(turn)
        elif line["kind"] == "user":
            self.roll.note(line)
            progress.users = self.roll.present
        elif line["kind"] == "end" and line.get("lost_lines"):
            self._problem(f"worker {line['worker']} could not write {line['lost_lines']} journal lines")

    def _watch(self) -> None:
        """End the run when every user is gone; tell how it goes meanwhile."""
        beats = 0
        while True:
            gevent.sleep(0.1)
            beats += 1
            progress = self.progress
            assert progress is not None
            if self._headless and beats % round(PROGRESS_S / 0.1) == 0:
                self.say(progress.line())
            if self._distributed:
                self._look_for_lost_workers()
                if beats % round(CLOCKS_S / 0.1) == 0:
                    gevent.spawn(self._read_clocks)
            gone = self.roll.all_gone(self._runner.target_user_count)
            if gone and (self._distributed or self._runner.state == STATE_RUNNING):
                self.end("done")
                if self._headless:
                    self._runner.quit()
                else:
                    self._runner.stop()
                return

    def _look_for_lost_workers(self) -> None:
        alive = {client.id for client in self._runner.clients.all if client.state != STATE_MISSING}
        for worker in self.roll.lose(self._workers - alive):
            self._lost[worker] = (
                now_ns(),
                f"worker {worker} was lost with {len(self.roll.lost[worker])} users in: "
                "turns it had in flight are not counted",
            )
            self._problem(self._lost[worker][1])
        for worker in self.roll.find(alive & self._lost.keys()):
            from_ns, words = self._lost.pop(worker)
            self._problems.remove(words)
            gap = {"from_ns": from_ns, "to_ns": now_ns()}
            self._manifest["workers"].setdefault(worker, {}).setdefault("out_of_touch", []).append(gap)
            self.say(f"chatload: worker {worker} is back: it sends what it kept meanwhile")

    # -- end -----------------------------------------------------------------------------------------

    def end(self, reason: str) -> None:
        """Close the run; the first call decides the reason, later ones do nothing."""
        if self._start is None:
            return
        self._start = None
        if self._distributed:
            self._drain()
        if self._server_metrics is not None:
            self._server_metrics.stop()
        session = session_of(self._environment)
        if session is not None:
            session.close(reason)
            set_session(self._environment, None)
            if session.journal.problem:
                self._problem(session.journal.problem)
        if self._journal is not None:
            if self._journal.problem:
                self._problem(self._journal.problem)
            self._journal.close()
        if self._director is not None:
            self._climb.kill(block=False)
            self._manifest["capacity"] = self._director.facts
            self._director = None
        if self._watcher is not None and self._watcher is not gevent.getcurrent():
            self._watcher.kill(block=False)
        self._close_books(reason, None)

    def _drain(self) -> None:
        """Have every worker stop its users, ship its last lines and its last Locust report."""
        self._read_clocks()
        waiting = {client.id for client in self._runner.clients.all if client.state != STATE_MISSING}
        self._send(link.DRAIN, None)
        with gevent.Timeout(DRAIN_S + (self._environment.stop_timeout or 0), False):
            while waiting - self._drained:
                gevent.sleep(0.02)
        for worker in sorted(waiting - self._drained):
            self._problem(f"worker {worker} did not say it was done: its own journal may hold more")

    def _on_drained(self, environment: Environment, msg: Any) -> None:
        self._drained.add(msg.node_id)

    def _close_books(self, reason: str, code: int | None) -> None:
        self._manifest |= {
            "ended_utc": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "ended_ns": now_ns(),
            "problems": self._problems,
        }
        self._write_manifest(reason)
        assert self.folder is not None and self.plan is not None
        judged = self._finish(self.folder, self.plan) if self._manifest_written else 0
        self.exit_code = max(code or 0, judged, 4 if self._problems else 0)
        self._manifest["exit_code"] = self.exit_code
        self._write_manifest(reason)

    def _write_manifest(self, ended: str) -> None:
        assert self.folder is not None
        self._manifest["ended"] = ended
        try:
            write_json(self.folder / "manifest.json", self._manifest)
            self._manifest_written = True
        except OSError as error:
            self._manifest_written = False
            self._problem(f"{self.folder}/manifest.json: cannot be written ({error.strerror})")

    def _problem(self, words: str) -> None:
        if words not in self._problems:
            self._problems.append(words)
            self.say(f"chatload: {words}")

    def say(self, line: str) -> None:
        """One line to the person at the terminal."""
        print(line, file=sys.stderr, flush=True)


def plan_facts(plan: Plan) -> dict[str, Any]:
    """The plan for the manifest: every option as it was understood, header values left out."""
    load, limits = plan.load, plan.timeouts
    facts: dict[str, Any] = {
        name: getattr(plan, name)
        for name in (
            "server",
            "model",
            "max_tokens",
            "temperature",
            "ask_usage",
            "insecure",
            "stamps",
            "seed",
        )
    }
    facts |= {name: getattr(load, name) for name in load.__slots__}
    facts |= {f"{name.removesuffix('_s')}_timeout_s": getattr(limits, name) for name in limits.__slots__}
    facts |= {"body": dict(plan.body), "header_names": sorted(plan.headers), "keep_text": plan.keep_text}
    facts |= {"allow_failed": plan.allow_failed, "slo": [one.words for one in plan.slo]}
    return facts
