"""One simulated server: its routes, its engine, its log."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from simulator.cumulative import CumulativeEncoder
from simulator.engine import Sequence
from simulator.events import SseEncoder
from simulator.exchange import Exchange, Manners
from simulator.faults import Fault, FaultDice
from simulator.heads import Head, malformed
from simulator.job import Answer, Ask, Job, make_answer, padded
from simulator.metronome import Metronome
from simulator.player import Player
from simulator.prompts_read import END, block_names
from simulator.reply import Encoder, Reply
from simulator.speak import Refused, Whole
from simulator.speakers import make_speaker
from simulator.stats import Stats
from simulator.truth import Truth, TruthLog, now_ns
from simulator.whole import WholeEncoder
from simulator.wires import ServerWire
from simulator.words import Story

SWEEP_S = 0.25


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says about every server."""

    model: str
    max_model_len: int
    answer_tokens: tuple[float, float] = (100.0, 60.0)
    max_concurrent_requests: int = 128
    seed: int = 0
    unicode_share: float = 0.0
    exact: bool = False
    event_bytes: int = 0
    gauges: Mapping[str, object] = field(default_factory=dict)


class Server:
    """Routes requests to its speaker, faults and player."""

    def __init__(
        self, wire: ServerWire, settings: Settings, player: Player | Metronome, log: TruthLog, dice: FaultDice
    ) -> None:
        self.wire = wire
        self.settings = settings
        self.player = player
        self.port = 0
        self.note = ""
        self.open_requests = 0
        self.started_s = int(time.time())
        self.stats = Stats()
        self.manners = Manners(lambda: malformed(wire.heads), wire.idle_close_s, wire.max_body_bytes)
        self.speaker = make_speaker(self)
        self._log = log
        self._dice = dice
        self._story = Story(settings.seed, settings.unicode_share)
        self._ids = random.Random(f"ids:{settings.seed}")
        self._lengths = random.Random(f"lengths:{settings.seed}")
        self._made = 0
        self._unanswered: dict[int, Truth] = {}
        self._generations = self.speaker.generations()
        self._pages = self.speaker.pages()
        player.headers_at_once = wire.headers_when == "once"
        player.headers_at_slot = wire.headers_when == "slot"
        player.on_step = self.stats.step
        if wire.comment and wire.comment_s > 0:
            asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def hex_id(self, digits: int) -> str:
        """A seeded random id."""
        return f"{self._ids.getrandbits(digits * 4):0{digits}x}"

    # -- routing -------------------------------------------------------------------------------

    def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        request = exchange.request
        if request.method == "POST" and request.path in self._generations:
            self._generate(exchange)
            return
        if request.method in ("GET", "HEAD") and request.path in self._pages:
            whole = self._pages[request.path]()
        else:
            allowed = "POST" if request.path in self._generations else None
            if request.path in self._pages and request.method not in ("GET", "HEAD"):
                allowed = "GET"
            whole = self.speaker.missing(request.method, request.path, allowed)
        self._respond(exchange, whole)

    def _respond(self, exchange: Exchange, whole: Whole) -> None:
        close = whole.close or not exchange.request.keep_alive
        data = whole.encode(self, close)
        if exchange.request.method == "HEAD":
            data = data[: data.index(b"\r\n\r\n") + 4]
        exchange.send(data)
        exchange.finish(close or whole.close_silently)

    def _generate(self, exchange: Exchange) -> None:
        request = exchange.request
        truth = Truth(
            server=self.wire.name,
            path=request.path,
            port=self.port,
            connection=request.connection,
            received_ns=request.received_ns,
            request_id=request.headers.get("x-request-id"),
        )
        fault = self._dice.draw()
        truth.fault = fault.kind if fault else None
        try:
            if fault is not None and fault.kind in ("429", "503"):
                raise Refused(self.speaker.struck(int(fault.kind), fault.arg if fault.kind == "429" else -1))
            if request.too_large:
                raise Refused(self.speaker.too_large())
            ask = self._generations[request.path](request)
            self.speaker.admit(ask, request)
        except Refused as refused:
            self._refuse(exchange, truth, refused.whole)
            return
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            facts = {"message": f"simulator: no reader for {request.body[:200]!r}", "exception": error}
            asyncio.get_running_loop().call_exception_handler(facts)
            self._refuse(exchange, truth, self.speaker.failed("internal error"))
            return
        truth.stream = ask.stream
        truth.prompt_tokens = ask.prompt_tokens
        self.open_requests += 1
        if fault is not None and fault.kind == "never":
            self._never(exchange, truth)
        elif fault is not None and fault.kind == "slow-headers":
            exchange.on_gone = lambda: self._give_up(truth, "client_gone")
            self._unanswered[id(truth)] = truth
            loop = asyncio.get_running_loop()
            loop.call_later(fault.arg, self._accept_late, exchange, ask, truth, fault)
        else:
            self._accept(exchange, ask, truth, fault)

    def _refuse(self, exchange: Exchange, truth: Truth, whole: Whole) -> None:
        truth.status = whole.status
        truth.headers_ns = now_ns()
        if whole.marks:
            truth.writes.append(truth.headers_ns)
            truth.marks.append(whole.marks)
        truth.ended = f"fault:{truth.fault}" if truth.fault in ("429", "503") else "refused"
        self._respond(exchange, whole)
        truth.bytes_out = exchange.bytes_out
        truth.end_ns = now_ns()
        self._log_one(truth)

    def _never(self, exchange: Exchange, truth: Truth) -> None:
        self._unanswered[id(truth)] = truth
        exchange.on_gone = lambda: self._give_up(truth, "fault:never")

    def _give_up(self, truth: Truth, ended: str) -> None:
        if self._unanswered.pop(id(truth), None) is not None:
            self.open_requests -= 1
            truth.ended = ended
            truth.end_ns = now_ns()
            self._log_one(truth)

    def _accept_late(self, exchange: Exchange, ask: Ask, truth: Truth, fault: Fault) -> None:
        if self._unanswered.pop(id(truth), None) is not None:
            self._accept(exchange, ask, truth, fault)

    def _log_one(self, truth: Truth, then: Callable[[], None] | None = None) -> None:
        self._log.add(truth, then)
        self.player.write_truth_soon()

    # -- generating ----------------------------------------------------------------------------

    def _accept(self, exchange: Exchange, ask: Ask, truth: Truth, fault: Fault | None) -> None:
        wire = self.wire.streams[ask.endpoint]
        style = (self.wire.stop_style, wire.leading_space, wire.eos)
        length = self._draw_length()
        ask.max_tokens = max(1, ask.max_tokens)
        if self.settings.exact:
            ask = replace(ask, ignore_eos=True, stops=(), max_tokens=min(ask.max_tokens, length))
        answer = make_answer(self._story, self._lengths, ask, length, style)
        if self.settings.event_bytes:
            answer = padded(answer, self.settings.event_bytes)
        job = Job(ask, answer, self.speaker.reply_id(ask, exchange.request), int(time.time()))
        if fault is not None and fault.kind == "wrong-usage":
            job.usage_error = int(fault.arg)
        truth.reply_id = job.reply_id
        truth.status = 200
        self._made += 1
        cached = self.wire.scheduler in ("vllm-v1", "tgi-3")
        texts = [token.text.strip() for token in answer.tokens[: len(answer.tokens) - answer.ends]]
        sequence = Sequence(
            seq_id=self._made,
            prompt_tokens=max(1, ask.prompt_tokens),
            max_tokens=ask.max_tokens,
            answer_tokens=_answer_tokens(answer, ask, length if self.settings.exact else None),
            ignore_eos=ask.ignore_eos,
            arrived_s=truth.received_ns / 1e9,
            prefix=block_names(ask.prompt_texts, [*texts, END]) if cached else (),
        )
        self.player.enter(self._make_reply(exchange, job, sequence, truth, fault))

    def _make_reply(
        self, exchange: Exchange, job: Job, sequence: Sequence, truth: Truth, fault: Fault | None
    ) -> Reply:
        wire = self.wire.streams[job.ask.endpoint]
        close = not exchange.request.keep_alive
        encoder: Encoder
        if not job.ask.stream:
            encoder = WholeEncoder(self, lambda: reply, close)
        elif job.ask.endpoint == "generate" and self.wire.family == "vllm-generate":
            encoder = CumulativeEncoder(job)
        else:
            constants = self.speaker.constants(job)
            encoder = SseEncoder(wire, job, constants, lambda f, n: self.speaker.finals(reply, f, n))
        reply = Reply(exchange, job, sequence, encoder, truth, fault)
        reply.close_after = self.wire.close_after_stream and job.ask.stream
        if job.ask.stream:
            extra = self.speaker.stream_extra(job)
            head = Head(200, wire.content_type or None, None, extra, close)
            reply.head = lambda: head.encode(self.wire.heads, self.wire.vary)
        reply.on_over = self._over
        reply.on_batch_failure = self._fail_batch
        return reply

    def _over(self, reply: Reply) -> None:
        self.open_requests -= 1
        self.player.leave(reply)
        self.stats.over(reply)
        self._log_one(reply.truth, self.stats.settle_one)

    def _fail_batch(self, first: Reply) -> None:
        """A failed step fails everyone who was in it."""
        batch = [reply for reply in self.player.replies.values() if reply.made and reply is not first]
        for reply in batch:
            asyncio.get_running_loop().call_soon(reply.fail, "batch-error")

    def _draw_length(self) -> int:
        """A log-normal answer length with the wanted mean and standard deviation."""
        return draw_length(self._lengths, *self.settings.answer_tokens)

    def _sweep(self) -> None:
        """Keep-alive comments for streams that were silent too long."""
        horizon_ns = now_ns() - int(self.wire.comment_s * 1e9)
        for reply in list(self.player.replies.values()):
            if reply.job.ask.stream and reply.head is None and reply.last_write_ns < horizon_ns:
                moment = time.strftime("%Y-%m-%d %H:%M:%S.000000+00:00", time.gmtime())
                reply.comment(self.wire.comment.format(now=moment).encode())
        asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def stop(self) -> dict[str, object]:
        """Break off everything that is open; how late this server was."""
        self.player.stop()
        for truth in list(self._unanswered.values()):
            self._give_up(truth, "fault:never" if truth.fault == "never" else "stopped")
        return {
            "server": self.wire.name,
            "port": self.port,
            "requests": self._made,
            **self.player.lateness.summary(),
        }


def _answer_tokens(answer: Answer, ask: Ask, exact: int | None) -> int:
    """The token at which the model would stop; beyond `max_tokens` if it would talk on."""
    if exact is not None:
        return exact
    return len(answer.tokens) if answer.ends else ask.max_tokens + 1


def draw_length(rng: random.Random, mean: float, spread: float) -> int:
    """A log-normal whole number with this mean and standard deviation, at least 1; spread 0: always the mean."""
    if spread <= 0:
        return max(1, round(mean))
    variance = math.log(1 + (spread / mean) ** 2)
    return max(1, round(rng.lognormvariate(math.log(mean) - variance / 2, math.sqrt(variance))))
