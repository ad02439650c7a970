"""The folder of one run while it goes on: its manifest, and what went wrong with keeping it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from msgspec.structs import replace

from chatload.engine.clock import CLOCK, Clock, wall_offset_ns
from chatload.loads.plan import Plan, Planned
from chatload.loads.ramp import RampSegment
from chatload.model.hosts import FoundServer, ServerFacts
from chatload.model.journal_lines import EndLine, StartLine
from chatload.model.prompt_facts import PromptFacts
from chatload.model.sanitize import one_line
from chatload.model.words import listed
from chatload.options.server_address import shown_url
from chatload.protocols.prompt_text import prompt_words
from chatload.runner.command_line import URLS, without_values
from chatload.runner.context_need import class_sentence, context_sentence
from chatload.runner.met_servers import Met
from chatload.runner.request_tokens import admission_sentence, room_sentence, with_requests
from chatload.runner.supervisor import Cause
from chatload.store.journal import JournalWriter
from chatload.store.manifest import MANIFEST, Edit, Manifest, Ramp, write_json
from chatload.store.new_folder import run_folder
from chatload.store.this_host import these_versions, this_machine

INSECURE = (
    "--insecure: the server's TLS certificate is not verified: whoever sits in between can read and answer"
)


class RunFolder:
    """Opened when a run begins, closed when it ends. A folder that cannot be had stops the run before its load;
    one that can no longer be written is a problem, said and kept."""

    def __init__(
        self,
        planned: Planned,
        say: Callable[[str], None],
        clock: Clock = CLOCK,
        *,
        numbered: bool = False,
    ) -> None:
        """Takes the run's folder; UsageError where it cannot be had. `numbered`: --out is followed by a number
        where it holds a run already, as the page wants it."""
        plan = planned.plan
        self.say, self._clock = say, clock
        self._planned, self._notes = planned, planned.inputs.notes
        self._failure: Cause | None = None
        self._sentence = ""
        self.written = False
        self.turns = 0
        began = datetime.now(UTC)
        self.folder = run_folder(plan.out, _default_folder(plan, began), numbered=numbered)
        self.manifest = Manifest(
            versions=these_versions(),
            machine=this_machine(),
            run_id=uuid4().hex,
            label=plan.label,
            scenario=plan.scenario,
            argv=without_values(sys.argv, ("--headers", "--auth-header"), URLS),
            plan=plan.for_manifest(),
            certificate=planned.certificate,
            plan_sentence=plan.sentence(),
            server=ServerFacts(asked=plan.server, host=plan.host),
            started_utc=began.isoformat(timespec="milliseconds"),
            started_ns=self._clock.now_ns(),
        )
        self.write("running")

    @property
    def problems(self) -> list[str]:
        """What of the run is lost."""
        return self.manifest.problems

    def tell(self, words: str) -> None:
        """Say something that is kept elsewhere."""
        self.say(f"chatload: {one_line(words, 400)}")

    def met(self, met: Met, prompts: PromptFacts | None = None) -> None:
        """Keep and say what the server is, what is planned, and that not all requests will run at once."""
        plan, server, found = met.plan, met.server, met.server.found
        room = with_requests(server.room, self._planned) if server.room is not None else None
        self.manifest.server = replace(_facts(met), room=room)
        self.manifest.prompts = prompts
        self.manifest.plan_sentence = plan.sentence(found.name)
        if not server.dialect.template:
            self.manifest.plan_sentence += f" {prompt_words(history=plan.load.grows)}"
        self._sentence = self.manifest.plan_sentence
        self.write("running")
        self.say(f"chatload: {self.manifest.plan_sentence}")
        recognised = f"the server is {found.words}" if found.name else "the server was not recognised"
        self.say(f"chatload: {recognised}; dialect {server.dialect.name}")
        for words in server.notes:
            self.say(f"chatload: {one_line(words, 400)}")
        if room is not None:
            for words in filter(None, (f(room, self._planned) for f in (room_sentence, admission_sentence))):
                self.tell(words)
        if server.context is not None and (words := context_sentence(server.context, self._planned)):
            self.tell(words)
        self._tell_classes(met)
        self.say(f"chatload: run folder {self.folder}")
        for words in (*self._notes, *server.doubts):
            self.warn(words)
        if plan.insecure and plan.host.startswith("https:"):
            self.say(f"chatload: {INSECURE}")

    def met_other(self, met: Met) -> None:
        """Keep and say what a server of a user class's own is."""
        facts = replace(_facts(met), room=met.server.room)
        self.manifest.other_servers.append(facts)
        self.write("running")
        asks = listed(met.classes)
        model = facts.model or "not named"
        self.say(f"chatload: {asks}: {facts.host} is {facts.words}; dialect {facts.dialect}; model {model}")
        self._tell_classes(met)
        for words in met.server.doubts:
            self.warn(words)

    def _tell_classes(self, met: Met) -> None:
        """Say which classes ask for more than their server takes."""
        limits, plan = met.server.context, self._planned.plan
        if limits is not None and (words := class_sentence(limits, plan, met.classes)):
            self.tell(words)

    def refused(self, words: str) -> None:
        """The run never began: a journal that says so, and nothing else."""
        self.manifest.refusal = words
        journal = JournalWriter(self.folder / "journal-local.jsonl")
        at_ns = self._clock.now_ns()
        journal.write(StartLine(at_ns=at_ns, utc_ns=at_ns + wall_offset_ns(), run_id=self.manifest.run_id))
        journal.write(EndLine(at_ns=at_ns, reason="unreachable"))
        journal.close()

    def failed(self, cause: Cause) -> None:
        """The run failed: so it ends, or has ended when it comes out while its users are stopped."""
        self._failure = cause
        self.manifest.failure, self.manifest.failed_in = cause.words, list(cause.where)
        self.manifest.exit_code = cause.exit_code
        self.write("failed")

    def close(self, reason: str, judge: Callable[[Path], int], least: int = 0) -> int:
        """Close it; `judge` writes the reports and gives an exit code. Returns the run's: at least `least`,
        4 where something of the run was lost, that of the failure where there was one."""
        manifest = self.manifest
        manifest.ended_utc = datetime.now(UTC).isoformat(timespec="milliseconds")
        manifest.ended_ns = self._clock.now_ns()
        manifest.turns_heard = self.turns
        self.write("failed" if self._failure is not None else reason)
        judged = judge(self.folder) if self.written else 0
        code = max(least, judged, 4 if self.problems else 0)
        if self._failure is not None:
            reason, code = "failed", self._failure.exit_code
        manifest.exit_code = code
        self.write(reason)
        return code if self.written or self._failure is not None else max(code, 4)

    def write(self, ended: str) -> None:
        """Write the manifest as it stands."""
        self.manifest.ended = ended
        try:
            write_json(self.folder / MANIFEST, self.manifest)
            self.written = True
        except OSError as error:
            self.written = False
            self.problem(f"{self.folder}/{MANIFEST}: cannot be written ({error.strerror})")

    def ramp(self, segment: RampSegment) -> None:
        """A ramp begins."""
        self.manifest.ramps.append(
            Ramp(first_user=segment.first_user, start_ns=segment.start_ns, users_per_s=segment.users_per_s)
        )

    def edited(self, users: int) -> None:
        """Somebody edited the number of users: what was planned no longer holds."""
        self.manifest.edits.append(Edit(at_ns=self._clock.now_ns(), users=users))
        self.manifest.plan_sentence = f"{self._sentence} Users edited: {self.manifest.edited}."
        self.write("running")

    def came_late(self, worker: str) -> None:
        """A worker connected when the users were assigned already: it has no part in the run."""
        self.manifest.late_workers.append(worker)
        self.say(f"chatload: worker {worker} came after the start of the run: it gets no users in this one")

    def warn(self, words: str) -> None:
        """Nothing is lost, but a reader should know: say it, keep it."""
        self.manifest.warnings.append(words)
        self.say(f"chatload: {words}")

    def problem(self, words: str | None) -> None:
        """Something of the run is lost: say it once, keep it."""
        if words and words not in self.problems:
            self.problems.append(words)
            self.say(f"chatload: {words}")


def _facts(met: Met) -> ServerFacts:
    plan, server, found = met.plan, met.server, met.server.found
    return ServerFacts(
        asked=plan.server,
        host=plan.host,
        dialect=server.dialect.name,
        model=server.model,
        path=shown_url(server.path),
        context=server.context,
        addresses=server.addresses,
        classes=met.classes,
        found=FoundServer(found.name, found.version),
        simulation=found.simulation,
        label=found.label if found.name else f"{server.dialect.name} server",
        words=found.words if found.name else f"{server.dialect.name} server",
    )


def _default_folder(plan: Plan, began: datetime) -> Path:
    """The folder of a run that asks for none: named after time, scenario and server."""
    server = re.sub(r"[^A-Za-z0-9.-]+", "-", plan.server)
    return Path(f"results/{began:%Y%m%dT%H%M%SZ}-{plan.scenario}-{server}")
