"""Counters and histograms behind /metrics, named by what they count; each family gives them its real names."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from itertools import pairwise

from simulator.engine.engine import Step
from simulator.replies.reply import Reply

# What an ended reply adds to: name -> seconds or tokens.
TIMES = ("ttft_s", "e2e_s", "queue_s", "prefill_s", "decode_s", "inference_s", "per_token_s")


class Histogram:
    """Counts per bucket (upper bounds inclusive), sum and count; buckets are chosen when it is shown."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """One observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


SECONDS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
)  # fmt: skip
PER_TOKEN = (
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
    20.0,
    40.0,
    80.0,
)
LONG = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
)  # fmt: skip
TOKENS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0)
STEP_TOKENS = (1.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0)
PREEMPTIONS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0)
TGI_SECONDS = tuple(1e-4 * 1.5**k for k in range(35))


class RequestStatistics:
    """Everything a server counts about its requests; gauges come from the engine."""

    def __init__(self) -> None:
        self._ended: deque[Reply] = deque()
        self.finished: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.accepted = 0
        self.prefill_steps = 0
        self.decode_steps = 0
        self.concats = 0
        bounds = {
            **dict.fromkeys(TIMES, LONG),
            "ttft_s": SECONDS,
            "per_token_s": PER_TOKEN,
            "gap_s": PER_TOKEN,
            "prompt_tokens": TOKENS,
            "answer_tokens": TOKENS,
            "max_tokens": TOKENS,
            "step_tokens": STEP_TOKENS,
            "preemptions": PREEMPTIONS,
            "prefill_step_s": TGI_SECONDS,
            "decode_step_s": TGI_SECONDS,
            "duration_s": TGI_SECONDS,
            "tgi_queue_s": TGI_SECONDS,
            "tgi_inference_s": TGI_SECONDS,
            "tgi_per_token_s": TGI_SECONDS,
            "validation_s": TGI_SECONDS,
        }
        self.histograms = {name: Histogram(bound) for name, bound in bounds.items()}

    def step(self, step: Step, duration_s: float) -> None:
        """One engine step was planned."""
        self.histograms["step_tokens"].add(step.prefill_tokens + step.decodes)
        if step.prefilled:
            self.prefill_steps += 1
            self.concats += bool(step.decodes)
            self.histograms["prefill_step_s"].add(duration_s)
        if step.decodes:
            self.decode_steps += 1
            self.histograms["decode_step_s"].add(duration_s)

    def over(self, reply: Reply) -> None:
        """One reply ended; it is counted when there is time, or when somebody looks."""
        self._ended.append(reply)

    def settle_one(self) -> None:
        """Count one ended reply."""
        if self._ended:
            self._count(self._ended.popleft())

    def settle(self) -> None:
        """Count all that have ended."""
        while self._ended:
            self.settle_one()

    def _count(self, reply: Reply) -> None:
        truth = reply.truth
        if truth.ended != "complete" or truth.finish is None:
            self.failed["dropped" if truth.ended == "client_gone" else "generation"] += 1
            self.finished["abort"] += 1
            return
        self.finished[truth.finish if truth.finish in ("stop", "length", "abort") else "length"] += 1
        times = _times(reply)
        add = self.histograms
        for name, value in times.items():
            add[name].add(value)
        for earlier, later in pairwise(_token_stamps(reply)):
            add["gap_s"].add((later - earlier) / 1e9)
        add["prompt_tokens"].add(truth.prompt_tokens or 0)
        add["answer_tokens"].add(truth.tokens)
        add["max_tokens"].add(reply.job.params.max_tokens)
        add["preemptions"].add(truth.preempted)


def _token_stamps(reply: Reply) -> list[int]:
    return [
        at
        for at, marks in zip(reply.truth.writes, reply.truth.marks, strict=True)
        if any(n for n, _ in marks)
    ]


def _times(reply: Reply) -> dict[str, float]:
    truth = reply.truth
    stamps = _token_stamps(reply)
    if not stamps or truth.queued_ns is None or truth.admitted_ns is None:
        return {}
    first, last = stamps[0], stamps[-1]
    queue_s = (truth.admitted_ns - truth.queued_ns) / 1e9
    inference_s = (last - truth.admitted_ns) / 1e9
    e2e_s = (last - truth.received_ns) / 1e9
    times = {
        "ttft_s": (first - truth.received_ns) / 1e9,
        "e2e_s": e2e_s,
        "queue_s": queue_s,
        "prefill_s": (first - truth.admitted_ns) / 1e9,
        "decode_s": (last - first) / 1e9,
        "inference_s": inference_s,
        "duration_s": e2e_s,
        "validation_s": max(0.0, (truth.queued_ns - truth.received_ns) / 1e9),
        "tgi_queue_s": queue_s,
        "tgi_inference_s": inference_s,
        "tgi_per_token_s": inference_s / max(1, truth.tokens),
    }
    if truth.tokens > 1:
        times["per_token_s"] = (last - first) / 1e9 / (truth.tokens - 1)
    return times
