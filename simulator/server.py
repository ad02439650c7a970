"""One simulated server: routes, engine, faults and truth log."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import replace

import orjson

from simulator.engine.fixed_rate import FixedRateEngine
from simulator.engine.realtime_engine import RealtimeEngine
from simulator.faults.injector import Fault, FaultInjector
from simulator.ground_truth.truth_log import TruthLog, TruthRecord, now_ns
from simulator.http.exchange import ConnectionPolicy, Exchange, Request
from simulator.http.framing import ResponseHead, malformed
from simulator.replies.altered_answer import asked_beginning, asked_length, beginning_with, changed_after
from simulator.replies.encoder import Encoder
from simulator.replies.job import Answer, AnswerStyle, GenerationParams, Job, draw_length, make_answer, padded
from simulator.replies.non_streaming import NonStreamingEncoder
from simulator.replies.reply import Reply
from simulator.replies.response import RequestRefused, Response
from simulator.schedulers.sequence import Sequence
from simulator.servers.context import ServerContext, ServerSettings
from simulator.servers.family import RegisteredServer
from simulator.text.prompt import END, prefix_hashes
from simulator.text.tokens import sample_text

KEEP_ALIVE_CHECK_S = SILENT_CHECK_S = 0.25
WATCHDOG_S, TICK_S = 5.0, 0.1
"""vLLM looks at its engine so often, and at each failed request; uvicorn sees that it should exit within a tick."""
SIMULATOR_PATH = "/simulator"


class Server:
    """Receives requests, refuses or accepts them, and hands accepted ones to the engine as replies."""

    def __init__(
        self,
        registered: RegisteredServer,
        settings: ServerSettings,
        engine: RealtimeEngine | FixedRateEngine,
        log: TruthLog,
        injector: FaultInjector,
    ) -> None:
        spec = registered.spec
        self.spec = spec
        self.settings = settings
        self.engine = engine
        self.context = ServerContext(spec, settings, engine.gauges, registered.handler.histograms)
        self.port = 0
        self.note = ""
        self.profile, self.measured = "", False
        self.policy = ConnectionPolicy(
            lambda: malformed(spec.head_format), spec.idle_close_s, spec.max_body_bytes
        )
        self.handler = registered.handler(self.context)
        self._log = log
        self._injector = injector
        self._sample = sample_text(settings.seed, settings.unicode_share)
        self._lengths = random.Random(f"lengths:{settings.seed}")
        self._accepted = 0
        self._last_asked = ""
        self._unanswered: dict[int, TruthRecord] = {}
        self.on_exit: Callable[[], None] | None = None
        self._post_routes = self.handler.post_routes()
        self._get_routes, self._post_pages = self.handler.get_routes(), self.handler.post_pages()
        engine.headers_at_once = spec.headers_when == "once"
        engine.headers_at_slot = spec.headers_when == "slot"
        engine.on_step = self.context.statistics.step
        self.context.statistics.open_replies = lambda: list(engine.replies.values())
        if spec.keep_alive_comment and spec.keep_alive_s > 0:
            asyncio.get_running_loop().call_later(KEEP_ALIVE_CHECK_S, self._send_keep_alives)

    # -- routing -------------------------------------------------------------------------------

    def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        request = exchange.request
        if request.http_1_0 and self.spec.head_format.answers_http_1_0:
            exchange.answer_in_http_1_0()
        if request.path == "/metrics" and 0 < self.settings.silent_metrics_from <= self.context.open_requests:
            if exchange.open:
                asyncio.get_running_loop().call_later(SILENT_CHECK_S, self._handle_late, exchange)
            return
        if request.method == "POST" and request.path in self._post_routes:
            self._generate(exchange)
            return
        if request.method == "POST" and request.path in self._post_pages:
            response = self._page(request)
        elif request.method in ("GET", "HEAD") and request.path in self._get_routes:
            response = self._get_routes[request.path]()
        elif request.method == "GET" and request.path == SIMULATOR_PATH:
            response = Response(200, self._about())
        else:
            post = request.path in self._post_routes or request.path in self._post_pages
            get = request.path in self._get_routes
            response = self.handler.not_found("POST" if post else "GET" if get else None)
        self._respond(exchange, response)

    def _handle_late(self, exchange: Exchange) -> None:
        try:
            self.handle(exchange)
        except Exception as error:  # noqa: BLE001 - see Connection
            self.broke(exchange, error)

    def broke(self, exchange: Exchange, error: Exception) -> None:
        """The simulator itself failed: traceback to its output, 500 to the client, or the end of a stream it began."""
        facts = {"message": "simulator: an error of its own", "exception": error}
        asyncio.get_running_loop().call_exception_handler(facts)
        if exchange.bytes_out:
            exchange.close()
        else:
            self._respond(exchange, replace(self.handler.failure_response("internal error"), close=True))

    def _page(self, request: Request) -> Response:
        try:
            return self._post_pages[request.path](request)
        except RequestRefused as refused:
            return refused.response

    def _about(self) -> bytes:
        """What no real server says: that this one is simulated, by which profile, whether that was measured, and how
        many of its writes were late by more than 10 ms, of how many."""
        late, writes = self.engine.send_delay.writes
        facts = {"simulator": "chatload", "profile": self.profile, "measured": self.measured}
        return orjson.dumps(facts | {"late_writes": late, "writes": writes})

    def _respond(self, exchange: Exchange, response: Response) -> None:
        close = response.close or not exchange.request.keep_alive
        data = response.encode(self.spec.head_format, self.spec.vary, close)
        if exchange.request.method == "HEAD":
            data = data[: data.index(b"\r\n\r\n") + 4]
        exchange.send(data)
        exchange.finish(close or response.close_silently)

    def _generate(self, exchange: Exchange) -> None:
        request = exchange.request
        truth = TruthRecord(
            server=self.spec.name,
            path=request.path,
            port=self.port,
            connection=request.connection,
            received_ns=request.received_ns,
            request_id=request.headers.get("x-request-id"),
        )
        fault = self._injector.draw()
        truth.fault = fault.kind if fault else None
        try:
            if fault is not None and fault.kind in ("429", "503"):
                raise RequestRefused(
                    self.handler.fault_response(int(fault.kind), fault.arg if fault.kind == "429" else -1)
                )
            if request.too_large:
                raise RequestRefused(self.handler.too_large())
            params = self._post_routes[request.path](request)
            self.handler.admit(params, request)
            if self.context.engine_dead and self.spec.dead_engine_s is None:
                self._exit_in(TICK_S)
                raise RequestRefused(self.handler.engine_dead_response())
        except RequestRefused as refused:
            self._refuse(exchange, truth, refused.response)
            return
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            facts = {"message": f"simulator: cannot read {request.body[:200]!r}", "exception": error}
            asyncio.get_running_loop().call_exception_handler(facts)
            self._refuse(exchange, truth, self.handler.failure_response("internal error"))
            return
        truth.stream = params.stream
        truth.prompt_tokens = params.prompt_tokens
        truth.model, truth.images, truth.image_tokens = params.model, params.images, params.image_tokens
        self.context.open_requests += 1
        if fault is not None and fault.kind == "never":
            self._leave_unanswered(exchange, truth, "fault:never")
        elif fault is not None and fault.kind == "slow-headers":
            self._leave_unanswered(exchange, truth, "client_gone")
            loop = asyncio.get_running_loop()
            loop.call_later(fault.arg, self._accept_late, exchange, params, truth, fault)
        else:
            self._accept_or_break(exchange, params, truth, fault)

    def _refuse(self, exchange: Exchange, truth: TruthRecord, response: Response) -> None:
        truth.status = response.status
        truth.headers_ns = now_ns()
        if response.marks:
            truth.writes.append(truth.headers_ns)
            truth.marks.append(response.marks)
        truth.ended = f"fault:{truth.fault}" if truth.fault in ("429", "503") else "refused"
        self._respond(exchange, response)
        truth.bytes_out = exchange.bytes_out
        truth.end_ns = now_ns()
        self._log_request(truth)

    def _leave_unanswered(self, exchange: Exchange, truth: TruthRecord, ended: str) -> None:
        """Send nothing, for now; `ended` is logged if the client goes."""
        self._unanswered[id(truth)] = truth
        exchange.on_gone = lambda: self._give_up(truth, ended)

    def _give_up(self, truth: TruthRecord, ended: str) -> None:
        if self._unanswered.pop(id(truth), None) is not None:
            self.context.open_requests -= 1
            truth.ended = ended
            truth.end_ns = now_ns()
            self._log_request(truth)

    def _accept_late(
        self, exchange: Exchange, params: GenerationParams, truth: TruthRecord, fault: Fault
    ) -> None:
        if self._unanswered.pop(id(truth), None) is not None:
            self._accept_or_break(exchange, params, truth, fault)

    def _accept_or_break(
        self, exchange: Exchange, params: GenerationParams, truth: TruthRecord, fault: Fault | None
    ) -> None:
        try:
            self._accept(exchange, params, truth, fault)
        except Exception as error:  # noqa: BLE001 - see Connection
            self.context.open_requests -= 1
            self.broke(exchange, error)
            truth.status = truth.status if truth.headers_ns else 500
            truth.ended, truth.end_ns = "internal error", now_ns()
            self._log_request(truth)

    def _log_request(self, truth: TruthRecord, then: Callable[[], None] | None = None) -> None:
        self._log.add(truth, then)
        self.engine.write_truth_soon()

    # -- generating ----------------------------------------------------------------------------

    def _accept(
        self, exchange: Exchange, params: GenerationParams, truth: TruthRecord, fault: Fault | None
    ) -> None:
        wire = self.spec.streams[params.endpoint]
        style = AnswerStyle(self.spec.stop_style, wire.leading_space, wire.eos, self.settings.stop_at)
        drawn = (
            random.Random(f"greedy:{self.settings.seed}:{params.prompt}") if params.greedy else self._lengths
        )
        thoughts = self._thoughts(params, drawn)
        length = thoughts + (asked_length(params.prompt) or draw_length(drawn, *self.settings.answer_tokens))
        params.max_tokens = max(1, params.max_tokens)
        if self.settings.exact:
            params = replace(params, ignore_eos=True, stops=(), max_tokens=min(params.max_tokens, length))
        answer = make_answer(self._sample, drawn, params, length, style)
        if fault is not None and fault.kind == "changed-answer" and self.context.open_requests > 1:
            other = make_answer(self._sample, self._lengths, params, length, style)
            answer = changed_after(answer, other, fault.after)
        answer.reasoning = min(thoughts, len(answer.tokens) - answer.ends)
        answer = self._beginning_as_asked(answer, params, fault)
        if self.settings.event_bytes:
            answer = padded(answer, self.settings.event_bytes)
        job = Job(params, answer, self.handler.reply_id(params, exchange.request), int(time.time()))
        if fault is not None and fault.kind == "wrong-usage":
            job.usage_error = int(fault.arg)
        truth.reply_id = job.reply_id
        truth.status = 200
        self._accepted += 1
        self.context.statistics.accepted(params.prompt_tokens, params.max_tokens)
        texts = [token.text.strip() for token in answer.tokens[: len(answer.tokens) - answer.ends]]
        sequence = Sequence(
            seq_id=self._accepted,
            prompt_tokens=max(1, params.prompt_tokens),
            max_tokens=params.max_tokens,
            answer_tokens=_answer_tokens(answer, params, length if self.settings.exact else None),
            ignore_eos=params.ignore_eos,
            arrived_s=truth.received_ns / 1e9,
            prefix=prefix_hashes([*params.prompt_texts, *texts, END], self.engine.prefix_block),
        )
        for running in list(self.engine.replies.values()) if self.spec.interrupts else ():
            running.interrupt()
        reply = self._make_reply(exchange, job, sequence, truth, fault)
        if self.context.engine_dead and reply.open(at_once=True):
            wait_s = self.spec.dead_engine_s or 0.0
            asyncio.get_running_loop().call_later(wait_s, reply.fail, "engine-dies")
        elif not self.context.engine_dead:
            self.engine.enter(reply)

    def _beginning_as_asked(self, answer: Answer, params: GenerationParams, fault: Fault | None) -> Answer:
        """The answer with the reference that its prompt asks for; by the fault with that of another prompt."""
        asked = asked_beginning(params.prompt)
        if not asked:
            return answer
        before, self._last_asked = self._last_asked, asked
        mixed_up = fault is not None and fault.kind == "cross-talk" and before
        return beginning_with(answer, before if mixed_up else asked, params.max_tokens)

    def _thoughts(self, params: GenerationParams, drawn: random.Random) -> int:
        """How many tokens of reasoning come before this answer."""
        asked, wire = self.settings.reasoning_tokens, self.spec.streams[params.endpoint]
        if asked is None or not wire.reasoning_key or not params.thinks or params.tool is not None:
            return 0
        tokens = draw_length(drawn, *asked)
        return tokens if params.thinking_budget is None else min(tokens, params.thinking_budget)

    def _make_reply(
        self, exchange: Exchange, job: Job, sequence: Sequence, truth: TruthRecord, fault: Fault | None
    ) -> Reply:
        wire = self.spec.streams[job.params.endpoint]
        close = not exchange.request.keep_alive
        encoder: Encoder
        if job.params.stream:
            encoder = self.handler.stream_encoder(job, lambda: reply)
        else:
            encoder = NonStreamingEncoder(
                lambda finish, count: self.handler.non_streaming_response(reply, finish, count),
                lambda: self.handler.failure_response("Internal server error"),
                lambda response: response.encode(self.spec.head_format, self.spec.vary, close),
                truth,
            )
        reply = Reply(exchange, job, sequence, encoder, truth, fault)
        if self.spec.merge_power and not self.engine.has_frontend and reply.event_tokens == 1:
            reply.event_tokens = round((len(self.engine.replies) + 1) ** self.spec.merge_power)
        reply.close_after = self.spec.close_after_stream and job.params.stream
        if job.params.stream:
            extra = self.handler.stream_extra(job)
            head = ResponseHead(200, wire.content_type or None, None, extra, close)
            reply.head = lambda: head.encode(self.spec.head_format, self.spec.vary)
        reply.on_over = self._over
        reply.on_batch_failure = self._fail_batch
        reply.on_engine_death = self._fail_all
        reply.on_error = self.broke
        return reply

    def _over(self, reply: Reply) -> None:
        self.context.open_requests -= 1
        self.engine.leave(reply)
        self.context.statistics.over(reply)
        self._log_request(reply.truth, self.context.statistics.settle_one)

    def _fail_batch(self, first: Reply) -> None:
        """End every reply that was in the failed step with the server's error."""
        batch = [reply for reply in self.engine.replies.values() if reply.made and reply is not first]
        for reply in batch:
            asyncio.get_running_loop().call_soon(reply.fail, "batch-error")

    def _fail_all(self, first: Reply) -> None:
        """The engine's process has died: every open reply ends with an error, and later requests do."""
        self.context.engine_dead = True
        for reply in [each for each in self.engine.replies.values() if each is not first]:
            asyncio.get_running_loop().call_soon(reply.fail, "engine-dies")
        if self.spec.dead_engine_s is None:
            self._exit_in(WATCHDOG_S)

    def _exit_in(self, seconds: float) -> None:
        """As vLLM after the death of its engine: new connections are refused, open ones closed once answered."""
        if self.on_exit is not None:
            asyncio.get_running_loop().call_later(seconds, self.on_exit)

    def _send_keep_alives(self) -> None:
        """Send keep-alive comments to streams that were silent too long."""
        silent_since_ns = now_ns() - int(self.spec.keep_alive_s * 1e9)
        for reply in list(self.engine.replies.values()):
            if reply.job.params.stream and reply.head is None and reply.last_write_ns < silent_since_ns:
                moment = time.strftime("%Y-%m-%d %H:%M:%S.000000+00:00", time.gmtime())
                reply.comment(self.spec.keep_alive_comment.format(now=moment).encode())
        asyncio.get_running_loop().call_later(KEEP_ALIVE_CHECK_S, self._send_keep_alives)

    def shut_down(self, how: str) -> None:
        """What open streams get at SIGTERM. abort: a complete end; wait: nothing more, for as long as clients stay."""
        if how == "wait":
            self.engine.freeze()
        if how == "abort":
            for reply in list(self.engine.replies.values()):
                reply.abort("sigterm")

    def stop(self) -> dict[str, object]:
        """Break off all open replies; returns the server's line of the truth log."""
        self.engine.stop()
        for truth in list(self._unanswered.values()):
            self._give_up(truth, "fault:never" if truth.fault == "never" else "stopped")
        return {
            "server": self.spec.name,
            "port": self.port,
            "requests": self._accepted,
            **self.engine.send_delay.summary(),
        }


def _answer_tokens(answer: Answer, params: GenerationParams, exact: int | None) -> int:
    """The token at which the model would stop; beyond `max_tokens` if it would go on."""
    if exact is not None:
        return exact
    return len(answer.tokens) if answer.ends else params.max_tokens + 1
