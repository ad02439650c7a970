"""TGI 3.x: blocks from an allocator with a prefix cache; with chunking, prompts and decodes share a forward.

Differences from 0.9.3 (reference: backends/v3/src/backend.rs, queue.rs, block_allocator.rs, radix.rs):
An entry takes blocks for input + min(max_new_tokens, 1024) - 1 tokens at admission and shares those of a cached prompt
prefix. With `support_chunking` the served ratio and max_waiting_tokens are ignored: each round admits up to
max_batch_prefill_tokens less the running batch's own tokens, the last prompt cut to fit; that pass also gives the
running batch its token, and a decode follows. Without it, the loop is 0.9.3's with ratio 0.3.
Not simulated: answers longer than the 1,024 reserved tokens take no further blocks here, and prefixes are shared in
units of 16 tokens, where TGI's radix tree shares single tokens.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from simulator.schedulers.interface import Occupancy, Plan, SchedulerKind
from simulator.schedulers.kv_blocks import CachedBlocks, blocks_for
from simulator.schedulers.sequence import Sequence
from simulator.schedulers.tgi_0_9 import OPTIONS, TgiLimits

BLOCK = 16
RESERVED_ANSWER_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Tgi3Limits(TgiLimits):
    """The launcher's options in 3.x; what it infers from the GPU at warm-up is set here by hand."""

    max_batch_total_tokens: int = 16000
    max_input_length: int = 4095
    max_total_tokens: int = 4096
    waiting_served_ratio: float = 0.3
    support_chunking: bool = True
    prefix_caching: bool = True


@dataclass(slots=True, eq=False)
class _Entry:
    sequence: Sequence
    blocks: list[int] = field(default_factory=list)
    computed: int = 0

    @property
    def left(self) -> int:
        """Prompt tokens still to compute."""
        return self.sequence.prompt_tokens - self.computed


class Tgi3Scheduler:
    """See the module."""

    eos_before_length = False

    def __init__(self, limits: Tgi3Limits) -> None:
        self.limits = limits
        self.max_model_len = limits.max_total_tokens
        self.pool = CachedBlocks(blocks_for(limits.max_batch_total_tokens, BLOCK))
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
        """See Scheduler; its prompt's blocks stay in the cache."""
        entry = self._batch.pop(sequence, None)
        if entry is None:
            if sequence not in self._queue:
                return False
            self._queue.remove(sequence)
            return True
        if self.limits.prefix_caching and not entry.left:
            for block, content in zip(
                entry.blocks[: sequence.prompt_tokens // BLOCK], sequence.prefix, strict=False
            ):
                self.pool.name(block, content)
        self.pool.give(entry.blocks)
        return True

    def plan(self) -> Plan | None:
        """See Scheduler."""
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
        """Queue, batch and blocks."""
        return Occupancy(
            running=len(self._batch),
            waiting=len(self._queue),
            kv_used=self.pool.used,
            kv_total=self.pool.total,
            batch_max_tokens=BLOCK * sum(len(entry.blocks) for entry in self._batch.values()),
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
        budget = BLOCK * blocks_for(prefill_budget, BLOCK)
        taken: dict[Sequence, int] = {}
        while self._queue:
            entry = self._allocate(self._queue[0])
            if entry is None:
                break
            chunk = entry.left
            if chunk > budget:
                chunk = budget if self.limits.support_chunking else 0
                if not chunk:
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
        """Blocks for prompt and reserved answer, known ones shared; None if they do not fit."""
        answer = min(sequence.max_tokens, RESERVED_ANSWER_TOKENS)
        blocks = blocks_for(sequence.prompt_tokens + answer - 1, BLOCK)
        hit: list[int] = []
        if self.limits.prefix_caching:
            hit = self.pool.find(sequence.prefix, (sequence.prompt_tokens - 1) // BLOCK)
        if blocks - len(hit) + self.pool.idle(hit) > self.pool.free:
            return None
        self.pool.share(hit)
        self._prefix_queries += sequence.prompt_tokens
        self._prefix_hits += len(hit) * BLOCK
        return _Entry(sequence, hit + self.pool.take(blocks - len(hit)), len(hit) * BLOCK)

    def _unallocate(self, entry: _Entry) -> None:
        self.pool.give(entry.blocks)
        self._prefix_queries -= entry.sequence.prompt_tokens
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


KINDS = (SchedulerKind("tgi-3", "tgi", Tgi3Limits, Tgi3Scheduler, OPTIONS, prefix_caching=True),)
