"""TGI 3.x: memory in single tokens with a prefix cache; with chunking, prompts and decodes share a forward.

Differences from 0.9.3 (reference: backends/v3/src/backend.rs, queue.rs; memory: radix_cache.py):
An entry takes room for input + min(max_new_tokens, 1024) - 1 tokens at admission and shares the known beginning of its
prompt. With `support_chunking` the served ratio and max_waiting_tokens are ignored: each round admits up to
max_batch_prefill_tokens less the running batch's own tokens, the last prompt cut to fit; that pass also gives the
running batch its token, and a decode follows. Without it, the loop is 0.9.3's with ratio 0.3.
A longer answer is made in pieces of 1,024 tokens: after each, the request leaves the batch and is queued anew with
what it has written as its prompt (router/src/infer/mod.rs).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from simulator.schedulers.interface import Occupancy, Plan, SchedulerKind
from simulator.schedulers.radix_cache import Allocation, RadixCache
from simulator.schedulers.sequence import Sequence
from simulator.schedulers.tgi_0_9 import OPTIONS, TgiLimits

PIECE_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Tgi3Limits(TgiLimits):
    """The launcher's options in 3.x; what it infers from the GPU at warm-up is set here by hand."""

    max_batch_total_tokens: int = 16000
    max_input_length: int = 4095
    max_total_tokens: int = 4096
    waiting_served_ratio: float = 0.3
    support_chunking: bool = True
    prefix_caching: bool = True


def answer_limit(
    prompt_tokens: int, max_new_tokens: int, max_input_length: int, max_total_tokens: int
) -> int:
    """How many tokens an answer can have of which `max_new_tokens` were asked for; 0: the request is refused.

    Each piece is validated anew, as long as the first one, so the last is not shortened and one that no longer fits
    is not begun.
    """
    piece = min(max_new_tokens, PIECE_TOKENS)
    limit = 0
    while limit < max_new_tokens:
        known = prompt_tokens + limit
        if known + piece > max_total_tokens or known > max_input_length:
            break
        limit += piece
    return limit


@dataclass(slots=True, eq=False)
class _Entry:
    """A request in the batch: `prompt_tokens` of this piece, `computed` of them, its end at `piece_end` tokens."""

    sequence: Sequence
    allocation: Allocation
    prompt_tokens: int
    piece_end: int
    computed: int = 0

    @property
    def left(self) -> int:
        """Prompt tokens still to compute."""
        return self.prompt_tokens - self.computed


class Tgi3Scheduler:
    """See the module."""

    eos_before_length = False
    prefix_block = 1

    def __init__(self, limits: Tgi3Limits) -> None:
        self.limits = limits
        self.max_model_len = limits.max_total_tokens
        self.memory = RadixCache(limits.max_batch_total_tokens - 1)  # one is kept for health checks
        self._queue: deque[Sequence] = deque()
        self._batch: dict[Sequence, _Entry] = {}
        self._waiting_tokens = 1
        self._decode_due = False
        self._prefix_queries = 0
        self._prefix_hits = 0

    def add(self, sequence: Sequence) -> None:
        """See Scheduler."""
        self._queue.append(sequence)

    def remove(self, sequence: Sequence) -> bool:
        """See Scheduler; its prompt stays in the cache."""
        entry = self._batch.pop(sequence, None)
        if entry is not None:
            (self.memory.cancel if entry.left else self.memory.free)(entry.allocation)
        elif sequence in self._queue:
            self._queue.remove(sequence)
        else:
            return False
        return True

    def plan(self) -> Plan | None:
        """See Scheduler. The next piece of an answer is tokenised first, so it misses the round that follows."""
        again = [each for each, entry in self._batch.items() if each.generated >= entry.piece_end]
        for sequence in again:
            self.remove(sequence)
        plan = self._round()
        self._queue.extend(again)
        return self._round() if plan is None and again else plan

    def _round(self) -> Plan | None:
        if not self._batch:
            self._waiting_tokens = 1
            self._decode_due = False
            admitted = self._next_batch(None, self.limits.max_batch_prefill_tokens)
            return self._forward(admitted, alone=True) if admitted else None
        if not self._decode_due:
            admitted = self._next_admitted()
            if admitted:
                self._waiting_tokens = 1
                self._decode_due = True
                return self._forward(admitted, alone=not self.limits.support_chunking)
        self._decode_due = False
        self._waiting_tokens += 1
        return self._forward({}, alone=False)

    def occupancy(self) -> Occupancy:
        """Queue, batch and tokens."""
        return Occupancy(
            running=len(self._batch),
            waiting=len(self._queue),
            kv_used=self.memory.used,
            kv_total=self.memory.total,
            batch_max_tokens=self.memory.held,
            prefix_queries_total=self._prefix_queries,
            prefix_hits_total=self._prefix_hits,
        )

    def _next_admitted(self) -> dict[Sequence, int]:
        limits = self.limits
        if limits.support_chunking:
            own = sum(entry.left or 1 for entry in self._batch.values())
            return self._next_batch(None, max(0, limits.max_batch_prefill_tokens - own))
        waited = self._waiting_tokens >= limits.max_waiting_tokens
        min_size = None if waited else int(len(self._batch) * limits.waiting_served_ratio)
        return self._next_batch(min_size, limits.max_batch_prefill_tokens)

    def _next_batch(self, min_size: int | None, prefill_budget: int) -> dict[Sequence, int]:
        """Admitted sequences with the prompt tokens that each computes now; empty if fewer than `min_size`."""
        if min_size is not None and len(self._queue) < min_size:
            return {}
        budget = prefill_budget
        taken: dict[Sequence, int] = {}
        while self._queue:
            entry = self._allocate(self._queue[0])
            if entry is None:
                break
            chunk = entry.left
            if chunk > budget:
                chunk = budget if self.limits.support_chunking else 0
                if chunk <= 0:
                    self._unallocate(entry)
                    break
            sequence = self._queue.popleft()
            self._batch[sequence] = entry
            taken[sequence] = chunk
            budget -= chunk
        if min_size is not None and len(taken) < min_size:
            for sequence in reversed(taken):
                self._unallocate(self._batch.pop(sequence))
                self._queue.appendleft(sequence)
            return {}
        return taken

    def _allocate(self, sequence: Sequence) -> _Entry | None:
        """Room for prompt and reserved answer, a known beginning shared; None if there is none."""
        known = sequence.known_tokens
        piece = min(sequence.max_tokens - sequence.generated, PIECE_TOKENS)
        prefix = sequence.prefix[:known] if self.limits.prefix_caching else ()
        allocation = self.memory.allocate(known + piece - 1, prefix)
        if allocation is None:
            return None
        cached = min(
            allocation.cached, known - 1
        )  # one token must be computed, or there is nothing to sample from
        self._prefix_queries += known
        self._prefix_hits += cached
        return _Entry(sequence, allocation, known, sequence.generated + piece, cached)

    def _unallocate(self, entry: _Entry) -> None:
        self.memory.cancel(entry.allocation)
        self._prefix_queries -= entry.prompt_tokens
        self._prefix_hits -= entry.computed

    def _forward(self, chunks: dict[Sequence, int], *, alone: bool) -> Plan:
        """`chunks` of new requests and, unless `alone`, a token or the next part of its prompt for every other one."""
        plan = Plan()
        budget = self.limits.max_batch_prefill_tokens - sum(chunks.values())
        for sequence, entry in self._batch.items():
            if sequence in chunks:
                tokens = chunks[sequence]
            elif alone:
                continue
            elif not entry.left:
                plan.decode(sequence)
                budget -= 1
                continue
            else:
                tokens = min(entry.left, max(1, budget))
                budget -= tokens
            plan.prefill(sequence, tokens, entry.computed, ends=tokens == entry.left)
            entry.computed += tokens
        return plan


SWITCHES = {"no-chunking": "support_chunking", "no-prefix-caching": "prefix_caching"}
KINDS = (SchedulerKind("tgi-3", "tgi", Tgi3Limits, Tgi3Scheduler, OPTIONS, SWITCHES),)
