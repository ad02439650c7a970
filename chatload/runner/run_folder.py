"""The books of one run: its folder, its manifest, and what went wrong with keeping them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from chatload.engine.clock import now_ns, wall_offset_ns
from chatload.loads.planning import Plan
from chatload.loads.ramp import RampSegment
from chatload.runner.options import without_values
from chatload.runner.preflight import Server
from chatload.runner.supervisor import Cause
from chatload.store.journal import FORMAT, JournalWriter
from chatload.store.manifest import conditions, write_json
from chatload.store.new_folder import run_folder

INSECURE = (
    "--insecure: the server's TLS certificate is not verified: whoever sits in between can read and answer"
)


class RunFolder:
    """Opened when a run begins, closed when it ends. A folder that cannot be had stops the run before its load;
    one that can no longer be written is a problem, said and kept."""

    def __init__(
        self,
        plan: Plan,
        say: Callable[[str], None],
        *,
        numbered: bool = False,
    ) -> None:
        """Takes the run's folder; UsageError where it cannot be had. `numbered`: --out is followed by a number
        where it holds a run already, as the page wants it."""
        self._say = say
        self.problems: list[str] = []
        self.written = False
        self.failure: Cause | None = None
        self.turns = 0
        began = datetime.now(UTC)
        self.folder = run_folder(plan.out, _default_folder(plan, began), numbered=numbered)
        self.manifest: dict[str, Any] = {
            **conditions(),
            "run_id": uuid4().hex,
            "label": plan.label,
            "scenario": plan.scenario,
            "argv": without_values(sys.argv, ("--headers",)),
            "plan": plan_facts(plan),
            "certificate": plan.content.certificate,
            "plan_sentence": plan.sentence(),
            "server": {"asked": plan.server, "host": plan.host},
            "started_utc": began.isoformat(timespec="milliseconds"),
            "started_ns": now_ns(),
        }
        self.write("running")

    def met(self, plan: Plan, server: Server) -> None:
        """Note, and say, whom we are about to load, and how."""
        self.manifest["server"] |= {
            "dialect": server.dialect.name,
            "model": server.model,
            "found": {"name": server.found.name, "version": server.found.version},
            "words": server.found.words if server.found.name else f"{server.dialect.name} server",
        }
        self.manifest["plan_sentence"] = plan.sentence(server.found.name)
        self.write("running")
        self._say(f"chatload: {self.manifest['plan_sentence']}")
        self._say(f"chatload: it is {server.found.words}; spoken to as {server.dialect.name}")
        self._say(f"chatload: run folder {self.folder}")
        for words in plan.content.notes:
            self.caveat(words)
        if plan.insecure and plan.host.startswith("https:"):
            self._say(f"chatload: {INSECURE}")

    def refused(self, words: str) -> None:
        """The run never began: a journal that says so, and nothing else."""
        self.manifest["refusal"] = words
        journal = JournalWriter(self.folder / "journal-local.jsonl")
        at_ns, run_id = now_ns(), self.manifest["run_id"]
        start = {"kind": "start", "format": FORMAT, "run_id": run_id, "utc_ns": at_ns + wall_offset_ns()}
        for line in (start, {"kind": "end", "reason": "unreachable"}):
            journal.write({**line, "at_ns": at_ns, "worker": "local"})
        journal.close()

    def close(self, reason: str, judge: Callable[[Path], int], least: int = 0) -> int:
        """Close them; `judge` writes the reports and gives an exit code. Returns the run's: at least `least`,
        4 where something of the run was lost, that of the failure where there was one."""
        self.manifest |= {
            "ended_utc": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "ended_ns": now_ns(),
            "turns_heard": self.turns,
            "problems": self.problems,
        }
        self.write("failed" if self.failure is not None else reason)
        judged = judge(self.folder) if self.written else 0
        code = max(least, judged, 4 if self.problems else 0)
        if self.failure is not None:
            reason, code = "failed", self.failure.exit_code
        self.manifest["exit_code"] = code
        self.write(reason)
        return code

    def failed(self, cause: Cause) -> None:
        """The run failed: so it ends, or has ended when it comes out while its users are stopped."""
        self.failure = cause
        self.manifest |= {"failure": cause.words, "failed_in": cause.where, "exit_code": cause.exit_code}
        self.write("failed")

    def write(self, ended: str) -> None:
        """Write the manifest as it stands."""
        self.manifest["ended"] = ended
        try:
            write_json(self.folder / "manifest.json", self.manifest)
            self.written = True
        except OSError as error:
            self.written = False
            self.problem(f"{self.folder}/manifest.json: cannot be written ({error.strerror})")

    def ramp(self, segment: RampSegment) -> None:
        """A ramp begins."""
        facts = {name: getattr(segment, name) for name in segment.__slots__}
        self.manifest.setdefault("ramps", []).append(facts)

    def came_late(self, worker: str) -> None:
        """A worker connected when the users were dealt out already: it has no part in the run."""
        self.manifest.setdefault("late_workers", []).append(worker)
        self._say(f"chatload: worker {worker} came after the start of the run: it gets no users in this one")

    def caveat(self, words: str) -> None:
        """Nothing is lost, but a reader should know: say it, keep it."""
        self.manifest.setdefault("caveats", []).append(words)
        self._say(f"chatload: {words}")

    def problem(self, words: str | None) -> None:
        """Something of the run is lost: say it once, keep it."""
        if words and words not in self.problems:
            self.problems.append(words)
            self._say(f"chatload: {words}")


def _default_folder(plan: Plan, began: datetime) -> Path:
    """The folder of a run that asks for none: named after time, scenario and server."""
    server = re.sub(r"[^A-Za-z0-9.-]+", "-", plan.server)
    return Path(f"results/{began:%Y%m%dT%H%M%SZ}-{plan.scenario}-{server}")


def plan_facts(plan: Plan) -> dict[str, Any]:
    """The plan for the manifest: every option as it was understood, header values left out."""
    load, limits = plan.load, plan.timeouts
    plain = ("server", "model", "max_tokens", "temperature", "ask_usage", "insecure", "stamps", "seed")
    facts: dict[str, Any] = {name: getattr(plan, name) for name in (*plain, "keep_text", "allow_failed")}
    facts |= {name: getattr(load, name) for name in load.__slots__}
    facts |= {f"{name.removesuffix('_s')}_timeout_s": getattr(limits, name) for name in limits.__slots__}
    facts |= {"body": dict(plan.body), "header_names": sorted(plan.headers)}
    return facts | {"slo": [one.words for one in plan.slo]}
