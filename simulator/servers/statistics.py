"""Sums and histograms behind /metrics. Each family says which histograms it shows, under which names."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from simulator.engine.engine import Step
from simulator.replies.reply import Reply

SAMPLING_S = 1e-6
"""What TGI says of stages that take no time here."""


@dataclass(frozen=True, slots=True)
class HistogramSpec:
    """A histogram of a /metrics page. `quantity`: see RequestStatistics; `bounds`: upper ones, inclusive."""

    name: str
    quantity: str
    bounds: tuple[float, ...]
    description: str
    labels: str = ""


@dataclass(slots=True)
class Histogram:
    """Counts per bucket, the last one without a bound, and the sum of all values."""

    spec: HistogramSpec
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.spec.bounds) + 1)

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.spec.bounds, value)] += 1
        self.total += value


class RequestStatistics:
    """Everything a server counts about its requests and steps; gauges come from the engine.

    Quantities of an ended request: `ttft_s, e2e_s, queue_s, validation_s, prefill_s, decode_s, inference_s`
    (admission to last token), `per_token_s` (decode_s per token after the first), `inference_per_token_s`,
    `gap_s` (once per gap), `prompt_tokens, answer_tokens, max_tokens, preemptions`; of a step: `step_tokens`,
    `prefill_step_s`, `decode_step_s`, `prefilled` (prompts that ended in it), `…_sampling_s`, `concat_s`; of an
    accepted one `accepted_prompt_tokens, accepted_max_tokens`. `totals` has the sum of each. `ttft_s` is counted with
    the first token, as real servers do, of the `open_replies` too.
    """

    def __init__(self, histograms: Iterable[HistogramSpec]) -> None:
        self._ended: deque[Reply] = deque()
        self.open_replies: Callable[[], Iterable[Reply]] = lambda: ()
        self._begun: set[int] = set()
        self.finished: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.prefill_steps = 0
        self.decode_steps = 0
        self.mixed_steps = 0
        self.accepted_requests = 0
        self.totals: defaultdict[str, float] = defaultdict(float)
        self.histograms = [Histogram(spec) for spec in histograms]
        self._histograms_of: defaultdict[str, list[Histogram]] = defaultdict(list)
        for histogram in self.histograms:
            self._histograms_of[histogram.spec.quantity].append(histogram)

    def step(self, step: Step, duration_s: float) -> None:
        """One engine step was planned."""
        self._add("step_tokens", step.prefill_tokens + step.decodes)
        if step.prefilled:
            self.prefill_steps += 1
            self.mixed_steps += step.joined
            self._add("prefill_step_s", duration_s)
            self._add("prefilled", len(step.prefilled))
            self._add("prefill_sampling_s", SAMPLING_S)
            if step.decodes:
                self._add("concat_s", SAMPLING_S)
        if step.decodes:
            self.decode_steps += 1
            self._add("decode_step_s", duration_s)
            self._add("decode_sampling_s", SAMPLING_S)

    def accepted(self, prompt_tokens: int, max_tokens: int) -> None:
        """A request has passed all checks."""
        self.accepted_requests += 1
        self._add("accepted_prompt_tokens", prompt_tokens)
        self._add("accepted_max_tokens", max_tokens)

    def over(self, reply: Reply) -> None:
        """One reply ended; it is counted when the server is idle, or when /metrics is read."""
        self._ended.append(reply)

    def settle_one(self) -> None:
        """Count one ended reply."""
        if self._ended:
            self._count(self._ended.popleft())

    def settle(self) -> None:
        """Count all that have ended."""
        while self._ended:
            self.settle_one()
        for reply in self.open_replies():
            stamps = () if id(reply) in self._begun else _stamps(reply)
            if stamps:
                self._begun.add(id(reply))
                self._add("ttft_s", (stamps[0] - reply.truth.received_ns) / 1e9)

    def _add(self, quantity: str, value: float) -> None:
        self.totals[quantity] += value
        for histogram in self._histograms_of.get(quantity, ()):
            histogram.add(value)

    def _count(self, reply: Reply) -> None:
        truth, begun = reply.truth, id(reply) in self._begun
        self._begun.discard(id(reply))
        if truth.ended != "complete" or truth.finish is None:
            gone = truth.ended == "client_gone"
            self.failed["dropped" if gone else "generation"] += 1
            self.finished["abort"] += not gone  # vLLM 0.32 (CPU) counts no request whose client hung up
            return
        self.finished[truth.finish if truth.finish in ("stop", "length", "abort") else "length"] += 1
        stamps = _stamps(reply)
        for quantity, value in _times(reply, stamps).items():
            if not (begun and quantity == "ttft_s"):
                self._add(quantity, value)
        for earlier, later in pairwise(stamps):
            self._add("gap_s", (later - earlier) / 1e9)
        self._add("prompt_tokens", truth.prompt_tokens or 0)
        self._add("answer_tokens", truth.tokens)
        self._add("max_tokens", reply.job.params.max_tokens)
        self._add("preemptions", truth.preempted)


def _stamps(reply: Reply) -> list[int]:
    """ns of its writes with tokens."""
    truth = reply.truth
    return [at for at, marks in zip(truth.writes, truth.marks, strict=True) if any(n for n, _ in marks)]


def _times(reply: Reply, stamps: list[int]) -> dict[str, float]:
    """The times of a complete reply; `stamps`: ns of its writes with tokens. Empty for one without tokens."""
    truth = reply.truth
    if not stamps or truth.queued_ns is None or truth.admitted_ns is None:
        return {}
    first, last = stamps[0], stamps[-1]
    inference_s = (last - truth.admitted_ns) / 1e9
    times = {
        "ttft_s": (first - truth.received_ns) / 1e9,
        "e2e_s": (last - truth.received_ns) / 1e9,
        "queue_s": (truth.admitted_ns - truth.queued_ns) / 1e9,
        "validation_s": max(0.0, (truth.queued_ns - truth.received_ns) / 1e9),
        "prefill_s": (first - truth.admitted_ns) / 1e9,
        "decode_s": (last - first) / 1e9,
        "inference_s": inference_s,
        "inference_per_token_s": inference_s / max(1, truth.tokens),
    }
    if truth.tokens > 1:
        times["per_token_s"] = (last - first) / 1e9 / (truth.tokens - 1)
    return times
