"""One process's part of a run: what its users share, and the journal that their finished turns are written to."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import gevent.queue
import msgspec

from chatload.engine.api_key import NO_KEY, api_key
from chatload.engine.begun_replies import begun
from chatload.engine.client import TurnSpec
from chatload.engine.clock import CLOCK, Clock, wall_offset_ns
from chatload.engine.health import HealthReporter
from chatload.engine.reader import Reader
from chatload.engine.target import FoundRoute, Target, target_for
from chatload.engine.tracing import tracing
from chatload.loads.chat import ChatLoad
from chatload.loads.conversation_options import ConversationLoad
from chatload.loads.open_loop import OpenLoopLoad
from chatload.loads.plan import Planned
from chatload.loads.ramp import RampSegment, due_ns, global_user, with_unused_numbers
from chatload.loads.request_schedule import schedule
from chatload.loads.user_classes import UserClass
from chatload.model.errors import NO_FAILURES, TurnError, UsageError, cause
from chatload.model.journal_lines import EndLine, HealthLine, JournalLine, StartLine, UserLine, encode
from chatload.model.metrics import decode_tokens_per_s, e2e_ms, ttft_ms, whole_ms
from chatload.model.model_mix import model_for
from chatload.model.sanitize import one_line
from chatload.model.token_sources import shown_end
from chatload.model.turn import Message, Turn, TurnRequest
from chatload.prompts.filled_lines import Filler
from chatload.prompts.generated_prompts import NOTHING_ASKED, AskedTokens, salted
from chatload.prompts.message_forms import images_of
from chatload.prompts.placeholders import Place, filled_body, placeholders_in_body
from chatload.protocols.registry import DIALECTS
from chatload.runner.echo_check import with_echo, with_reference
from chatload.runner.messages import OtherServer, Start
from chatload.runner.open_files import make_room
from chatload.runner.reply_checks import ReplyChecks
from chatload.runner.run_texts import salt_of, texts_of
from chatload.store.journal import JournalWriter

SAMPLE_USERS, SAMPLE_FAILURES = 3, 5
MOST_NAME = 120
"""Characters of a turn's name."""
WARMED = " (warm-up)"
"""What the names of turns of a warm-up end in, in Locust's own table."""
_MORE = attrgetter("more")

Deliver = Callable[[bytes, JournalLine], None]
"""Passes a journal line on: to the master, or to who listens in this process."""


@dataclass(slots=True)
class Shard:
    """Which of the run's users are this process's: every `workers`-th, from `position` on.

    `before` are the users of processes before it, where each has a part of one load.
    """

    position: int = 0
    workers: int = 1
    before: int = 0
    segments: list[RampSegment] = field(default_factory=list)


class Session:
    """Made when a run starts, closed when it ends."""

    def __init__(
        self,
        start: Start,
        worker: str,
        deliver: Deliver,
        report_request: Callable[..., None],
        clock: Clock = CLOCK,
    ) -> None:
        """`report_request` puts a request into Locust's statistics: the arguments of its `request` event."""
        self.planned: Planned = start.planned
        self.plan = plan = start.planned.plan
        self.start = start
        self.words_by = plan.words_by(start.run_id)
        load = plan.load
        self._fills_body = bool(placeholders_in_body(plan.body))
        self.texts = texts_of(start.planned, start.counts, start.run_id)
        self.salt = salt_of(start.planned, self.texts, start.run_id)
        self.schedule = (
            schedule(load, start.planned.inputs, plan.drawn_by, self.words_by)
            if isinstance(load, OpenLoopLoad)
            else None
        )
        self._checks = ReplyChecks(plan.expect) if plan.expect else None
        self.shard = Shard()
        self._made_ns = clock.now_ns()
        self.levels: Any = gevent.queue.Queue()
        self.journal = JournalWriter(Path(start.folder) / f"journal-{worker}.jsonl")
        # A worker's journal is a copy of what the master has; the run can do without it.
        if self.journal.problem is not None and worker == "local":
            raise UsageError([f"{self.journal.path.parent}: {self.journal.problem}"])
        self.worker = worker
        self.clock = clock
        self._deliver, self._report_request = deliver, report_request
        hosts = (plan.host, *plan.load.hosts)
        self._reader = Reader(
            kernel_stamps=plan.stamps == "kernel" and not any(one.startswith("https:") for one in hosts),
            polls=plan.load.pauses,
        )
        key = api_key().sent_in(plan.access.auth_header) if start.send_key else NO_KEY
        route = FoundRoute(start.path, start.skipped, start.run_id)
        self._tracing = tracing()
        target = target_for(plan, DIALECTS[start.dialect], self._reader, worker, key, route)
        self.target: Target = replace(target, tracing=self._tracing)
        exact = self.target.dialect.exact_length
        self.exact_length = {name: value for name, value in exact.items() if name not in start.refuses}
        self._targets: dict[str, Target] = {}
        self._users = 0
        self._present = 0
        self._finished_reads = self._told_reads = 0
        self._ended = 0  # turns since the last health line
        self._lines = 0
        self._kept_failures = 0
        make_room(load.least_connections)
        # A full collection over Locust's heap stops the loop for tens of ms: keep it out of measured time.
        gc.collect()
        gc.freeze()
        self._gc_before = gc.get_threshold()
        gc.set_threshold(200_000, 50, 1000)
        self._emit_start()
        self._health = HealthReporter(self._emit_health, clock)

    def _emit_start(self) -> None:
        at_ns, facts = self.clock.now_ns(), self.start.facts
        self.emit(
            StartLine(
                worker=self.worker,
                at_ns=at_ns,
                utc_ns=at_ns + wall_offset_ns(),
                run_id=self.start.run_id,
                clock_offset_ns=self.start.clock_offset_ns,
                machine=facts.machine,
                versions=facts.versions,
                certificate=facts.certificate,
            )
        )

    def _emit_health(self, at_ns: int, seconds: float, cpu_percent: float, rss_mb: float | None) -> None:
        ended, self._ended = self._ended, 0
        line = HealthLine(
            worker=self.worker,
            at_ns=at_ns,
            seconds=seconds,
            cpu_percent=cpu_percent,
            rss_mb=rss_mb,
            users=self._present,
            in_flight=len(self._reader.open_streams),
            reads=self._new_reads(),
            begun={} if self.plan.warmup else begun(self._reader.open_streams, ended),
        )
        self.emit(self._reader.quality.health(line))

    def _new_reads(self) -> int:
        """How many reads of replies came in since it was asked last, those of open replies too."""
        streaming = sum(one.raw_reads + len(one.unframed) for one in self._reader.open_streams)
        reads = max(
            self._finished_reads + streaming, self._told_reads
        )  # a turn just ended may not be recorded yet
        new, self._told_reads = reads - self._told_reads, reads
        return new

    def new_user(self) -> int:
        """The run-wide number of the next user of this process, from 0."""
        local, self._users = self._users, self._users + 1
        return global_user(local, self.shard.position, self.shard.workers)

    def new_place(self) -> int:
        """The place of the next user of this process among all of the run, without holes, from 0."""
        return self.shard.before + self._users

    @property
    def begins_ns(self) -> int:
        """When the ramp begins; now, if none was told."""
        return self.shard.segments[0].start_ns if self.shard.segments else self.clock.now_ns()

    def ramp(self, segment: RampSegment) -> None:
        """A ramp begins: the run's first, or another because somebody edited the number of users."""
        shard = self.shard
        shard.segments.append(with_unused_numbers(segment, self._users, shard.position, shard.workers))

    def due_ns(self, user: int) -> int:
        """When `user` is due to come in; now, where Locust's own ramp decides."""
        load = self.plan.load
        alone = not (isinstance(load, ChatLoad) and load.others)  # else Locust's users have other numbers
        even = load.ramp == "even" and alone and self.shard.segments
        return due_ns(self.shard.segments, user) if even else self.clock.now_ns()

    def asked(self, user: int, turn: int) -> AskedTokens:
        """(prompt, answer) tokens that were asked of a turn; None where nothing was."""
        return self.texts.asked(user, turn)

    def model_of(self, user: int) -> str:
        """The model that a user asks, where the run has several; else the run's."""
        mix = self.plan.models
        return model_for(mix, user, self.plan.drawn_by) if mix else self.start.model

    def name_of(self, user: int, name: str = "") -> str:
        """The name of a user's turn: the model where there are several, and its own name."""
        return "/".join(filter(None, (self.model_of(user) if self.plan.models else "", name)))

    def request(
        self,
        messages: tuple[Message, ...],
        asked: AskedTokens = NOTHING_ASKED,
        *,
        user: int = 0,
        turn: int = 1,
    ) -> TurnRequest:
        """The request of a turn of `user`; where a length of its answer is asked, one of just that length.

        Where the dialect cannot ask for that, the length is a limit, not a promise.
        """
        plan, (prompt_tokens, exact_tokens) = self.plan, asked
        exact = {} if exact_tokens is None else self.exact_length
        body = filled_body(plan.body, self.place(user, turn)) if self._fills_body else plan.body
        images, image_bytes = images_of(messages) if any(map(_MORE, messages)) else (0, 0)
        return TurnRequest(
            messages=salted(messages, self.salt) if self.salt else messages,
            asked_prompt_tokens=prompt_tokens,
            asked_tokens=exact_tokens,
            model=self.model_of(user),
            max_tokens=plan.max_tokens if exact_tokens is None else exact_tokens,
            temperature=plan.temperature,
            ask_usage=plan.ask_usage,
            extra={**self.start.counting, **exact, **body},
            images=images,
            image_bytes=image_bytes,
        )

    def place(self, user: int, turn: int) -> Place:
        """Whose text it is that placeholders are filled in."""
        return Place(user, turn, self.plan.load.users, self.words_by)

    def filler(self, user: int) -> Filler | None:
        """What fills the placeholders of a user's lines in; None where they have none."""
        load = self.plan.load
        if not (isinstance(load, ConversationLoad) and load.placeholders):
            return None
        return Filler(user, load.users, self.words_by)

    def target_of(self, user_class: UserClass) -> Target:
        """The server as users of this class see it, with the headers of the class; one for all of them."""
        if user_class.name not in self._targets:
            self._targets[user_class.name] = self._new_target(user_class)
        return self._targets[user_class.name]

    def _new_target(self, user_class: UserClass) -> Target:
        server_key = self.plan.server_key(user_class)
        if not server_key and user_class.headers == self.plan.headers:
            return self.target
        told = self.server_of(user_class)
        plan, target = self.plan.for_user_class(user_class), self.target
        key = api_key().sent_in(plan.access.auth_header) if told.send_key else NO_KEY
        route = FoundRoute(told.path, told.skipped, self.start.run_id)
        own = target_for(plan, DIALECTS[told.dialect], self._reader, self.worker, key, route)
        if not server_key:
            return replace(target, head=own.head)
        return replace(own, transport=target.transport, clock=target.clock, tracing=target.tracing)

    def server_of(self, user_class: UserClass) -> Start | OtherServer:
        """What is known of the server of a class."""
        return self.start.others.get(self.plan.server_key(user_class), self.start)

    def row_name(self, user_class: UserClass, name: str, model: str) -> str:
        """The name of a turn: of class, model and its own name those that tell turns apart."""
        load = self.plan.load
        several = isinstance(load, ChatLoad) and len(load.classes) > 1
        parts = (user_class.name if several else "", model if model != user_class.model else "", name)
        return one_line("/".join(filter(None, parts)), MOST_NAME)

    def user_in(self, user: int, *, endless: bool = False, user_class: str = "") -> None:
        """A user came in; an endless one has no number of turns."""
        self._present += 1
        line = UserLine(
            worker=self.worker,
            at_ns=self.clock.now_ns(),
            user=user,
            event="in",
            endless=endless,
            user_class=user_class,
        )
        self.emit(line)

    def user_out(self, user: int, reason: str, *, endless: bool = False) -> None:
        """A user is gone: "done" with its turns, or "stopped"."""
        self._present -= 1
        line = UserLine(
            worker=self.worker,
            at_ns=self.clock.now_ns(),
            user=user,
            event="out",
            reason=reason,
            endless=endless,
        )
        self.emit(line)

    def record(self, turn: Turn, asked: tuple[Message, ...], reply: str, *, is_checked: bool = False) -> None:
        """Put a turn into the journal, and a finished one into Locust's statistics: one event a turn."""
        if not is_checked:
            turn = self.checked(turn, reply)
        if end := shown_end(reply):
            turn = msgspec.structs.replace(turn, shown_end=end)
        if self._keeps_text(turn):
            kept = self.target.key.hidden(reply)
            turn = msgspec.structs.replace(turn, prompt=asked[-1].content, text=kept)
        if self.plan.warmup:
            since_s = (turn.due_ns - (self.begins_ns if self.shard.segments else self._made_ns)) / 1e9
            if self.plan.load.is_warmup(turn, since_s, self.plan.warmup):
                turn = msgspec.structs.replace(turn, warmup=True)
        self.emit(turn)
        if self._tracing is not None:
            self._tracing.end(turn)
        self._finished_reads += turn.reads
        self._ended += 1
        if not turn.counts:
            return
        whole = e2e_ms(turn) if turn.ok and turn.last_token_ns else whole_ms(turn) or 0.0
        name = f"{turn.name or self.plan.turn_name}{WARMED if turn.warmup else ''}"
        self._tell_locust(turn, "CHAT", name, whole)
        if self.plan.locust_rows and turn.ok and not turn.warmup:
            self._tell_locust(turn, "TTFT", f"{name} (ms)", ttft_ms(turn))
            self._tell_locust(turn, "SPEED", f"{name} (tokens/s, decode)", decode_tokens_per_s(turn))

    def checked(self, turn: Turn, reply: str) -> Turn:
        """The turn, failed where its reply is not what the plan expects, or was made for another user."""
        if self.plan.echo_check and not turn.echo and turn.code not in NO_FAILURES:
            turn = with_echo(turn, reply, self.start.run_id)
        return turn if self._checks is None else self._checks.checked(turn, reply)

    def asking_for_echo(self, spec: TurnSpec) -> TurnSpec:
        """The turn, whose last message asks for its reference, where the plan looks for those."""
        return with_reference(spec, self.start.run_id) if self.plan.echo_check else spec

    def _tell_locust(self, turn: Turn, kind: str, name: str, value: float | None) -> None:
        """One event of Locust's; `value` is what it takes for a response time."""
        if value is None:
            return
        self._report_request(
            request_type=kind,
            name=name,
            response_time=value,
            response_length=turn.bytes if kind == "CHAT" else 0,
            exception=None if turn.code is None else TurnError(turn.code, cause(turn.detail or "")),
            context={},
            start_time=(turn.due_ns + self._reader.wall_offset_ns) / 1e9,
            url=None,
        )

    def _keeps_text(self, turn: Turn) -> bool:
        if self.plan.keep_text == "sample":
            if not turn.ok and self._kept_failures < SAMPLE_FAILURES:
                self._kept_failures += 1
                return True
            return turn.turn == 1 and turn.user < SAMPLE_USERS
        return self.plan.keep_text == "all"

    def emit(self, line: JournalLine) -> None:
        """Write one journal line here and pass it on."""
        raw = encode(line)
        self._lines += 1
        self.journal.append(raw)
        self._deliver(raw, line)

    def close(self, reason: str) -> None:
        """End this process's part; users must be gone."""
        self._health.stop()
        lost = self.journal.lost_lines
        # A worker's journal is a copy: what it lost is lost only if the master has it not (worker_registry.py).
        local = self.worker == "local"
        self.emit(
            EndLine(
                worker=self.worker,
                at_ns=self.clock.now_ns(),
                reason=reason,
                ticks_missed=self._reader.quality.poll_log.missed,
                clock_steps=len(self._reader.quality.steps),
                lost_lines=lost if local else 0,
                copy_lost_lines=0 if local else lost,
                lines=self._lines + 1,
            )
        )
        if self._tracing is not None:
            self._tracing.close()
        self._reader.close()
        self.journal.close()
        gc.set_threshold(*self._gc_before)
        gc.unfreeze()
