"""TGI 0.9.3: prompts interrupt decodes, memory for the whole answer is reserved at admission, no preemption.

The batcher's loop (reference: router/src/infer.rs and queue.rs of the tag), one forward pass per `plan`. Idle: it
prefills as many queued requests as fit. With a running batch of b requests it checks the queue before each decode:
new requests are admitted if they fit and are at least floor(waiting_served_ratio · b), or if max_waiting_tokens passes
have gone by since the last prefill; they are prefilled alone while the batch pauses, then one decode of all follows.
First in, first out: the first request that does not fit blocks the rest. max_concurrent_requests and the length
limits belong to the router (HTTP side).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from simulator.schedulers.interface import Occupancy, Plan, SchedulerKind
from simulator.schedulers.kv_blocks import blocks_for
from simulator.schedulers.sequence import Sequence

BLOCK = 16


@dataclass(frozen=True, slots=True)
class TgiLimits:
    """The launcher's options that decide batching, with its own start-up checks."""

    max_batch_prefill_tokens: int = 4096
    max_batch_total_tokens: int = 16000
    max_input_length: int = 1024
    max_total_tokens: int = 2048
    waiting_served_ratio: float = 1.2
    max_waiting_tokens: int = 20

    def __post_init__(self) -> None:
        """ValueError where the launcher would refuse to start."""
        if self.max_input_length >= self.max_total_tokens:
            raise ValueError("`max_input_length` must be < `max_total_tokens`")
        if self.max_input_length > self.max_batch_prefill_tokens:
            raise ValueError("`max_batch_prefill_tokens` must be >= `max_input_length`")
        if self.max_batch_prefill_tokens > self.max_batch_total_tokens:
            raise ValueError("`max_batch_prefill_tokens` must be <= `max_batch_total_tokens`")
        if self.max_total_tokens > self.max_batch_total_tokens:
            raise ValueError("`max_total_tokens` must be <= `max_batch_total_tokens`")


def reserved_tokens(sequence: Sequence) -> int:
    """16 · ceil((input + max_new_tokens - 1) / 16): what a live request holds until it ends."""
    return BLOCK * blocks_for(sequence.prompt_tokens + sequence.max_tokens - 1, BLOCK)


class TgiScheduler:
    """See the module."""

    eos_before_length = False
    prefix_block = 0

    def __init__(self, limits: TgiLimits) -> None:
        self.limits = limits
        self.max_model_len = limits.max_total_tokens
        self._queue: deque[Sequence] = deque()
        self._batch: list[Sequence] = []
        self._batch_max_tokens = 0
        self._waiting_tokens = 1
        self._decode_due = False  # admitted were just prefilled: a decode of all follows, whatever waits

    def add(self, sequence: Sequence) -> None:
        """See Scheduler."""
        self._queue.append(sequence)

    def remove(self, sequence: Sequence) -> bool:
        """See Scheduler."""
        if sequence in self._batch:
            self._batch.remove(sequence)
            self._batch_max_tokens -= reserved_tokens(sequence)
            return True
        if sequence in self._queue:
            self._queue.remove(sequence)
            return True
        return False

    def plan(self) -> Plan | None:
        """A prefill of new requests, or a decode of the batch."""
        if not self._batch:
            self._waiting_tokens = 1
            self._decode_due = False
            admitted = self._next_batch(None, self.limits.max_batch_total_tokens)
            return self._prefill(admitted) if admitted else None
        if not self._decode_due:
            room = max(0, self.limits.max_batch_total_tokens - self._batch_max_tokens)
            admitted = self._next_batch(self._min_size(), room)
            if admitted:
                self._waiting_tokens = 1
                self._decode_due = True
                return self._prefill(admitted)
        self._decode_due = False
        self._waiting_tokens += 1
        plan = Plan()
        for sequence in self._batch:
            plan.decode(sequence)
        return plan

    def occupancy(self) -> Occupancy:
        """Queue, batch, and the tokens it holds; the cache has 10 blocks more than the budget."""
        return Occupancy(
            running=len(self._batch),
            waiting=len(self._queue),
            kv_used=self._batch_max_tokens // BLOCK,
            kv_total=blocks_for(self.limits.max_batch_total_tokens, BLOCK) + 10,
            batch_max_tokens=self._batch_max_tokens,
        )

    def _min_size(self) -> int | None:
        """The least number of new requests to admit; None: any number."""
        if self._waiting_tokens >= self.limits.max_waiting_tokens:
            return None
        return int(len(self._batch) * self.limits.waiting_served_ratio)

    def _next_batch(self, min_size: int | None, token_budget: int) -> list[Sequence]:
        """The requests at the head of the queue that fit; empty if fewer than `min_size`."""
        if min_size is not None and len(self._queue) < min_size:
            return []
        prefill = decode = taken = 0
        for sequence in self._queue:
            prefill += sequence.prompt_tokens
            decode += sequence.max_tokens
            if prefill > self.limits.max_batch_prefill_tokens or prefill + decode > token_budget:
                break
            taken += 1
        if min_size is not None and taken < min_size:
            return []
        return [self._queue.popleft() for _ in range(taken)]

    def _prefill(self, admitted: list[Sequence]) -> Plan:
        plan = Plan()
        for sequence in admitted:
            plan.prefill(sequence, sequence.prompt_tokens)
            self._batch.append(sequence)
            self._batch_max_tokens += reserved_tokens(sequence)
        return plan


OPTIONS = (
    "max_batch_total_tokens",
    "max_batch_prefill_tokens",
    "max_total_tokens",
    "max_input_length",
    "waiting_served_ratio",
    "max_waiting_tokens",
)
KINDS = (SchedulerKind("tgi-0.9.3", "tgi", TgiLimits, TgiScheduler, OPTIONS),)
