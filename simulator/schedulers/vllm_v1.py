"""vLLM V1 (2025 on): one token budget per step for decodes and prompt pieces alike, prefix cache, recompute.

One iteration (reference: vllm/v1/core/sched/scheduler.py). Running requests first, in order: each computes the tokens
that it knows but has not computed, cut to the budget; if its blocks do not fit, the last running request is preempted
(blocks back to the pool, computed = 0, front of the queue). If none was preempted, requests are admitted from the
head of the queue while there are budget and seats: cached blocks are not computed again, the whole prompt must fit
the free blocks, a prompt longer than the budget is computed in parts.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from simulator.schedulers.interface import Occupancy, Plan, SchedulerKind
from simulator.schedulers.kv_blocks import CachedBlocks, blocks_for
from simulator.schedulers.sequence import Sequence


@dataclass(frozen=True, slots=True)
class V1Limits:
    """The options of `vllm serve` that the scheduler reads, and the size of the KV cache in blocks.

    `in_flight` 2: with async scheduling the next step is already planned when this one starts, so a request
    that arrives meanwhile waits for the one after; 1 where the engine itself launches ahead (engine/engine.py).
    """

    num_blocks: int
    block_size: int = 16
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 2048
    max_model_len: int = 4096
    long_prefill_token_threshold: int = 0
    enable_prefix_caching: bool = True
    in_flight: int = 2


@dataclass(slots=True, eq=False)
class _Slot:
    sequence: Sequence
    computed: int = 0
    blocks: list[int] = field(default_factory=list)
    named: int = 0


class VllmV1Scheduler:
    """See the module."""

    eos_before_length = True
    prefix_block = 16

    def __init__(self, limits: V1Limits) -> None:
        self.limits = limits
        self.max_model_len = limits.max_model_len
        self.pool = CachedBlocks(limits.num_blocks)
        self._slots: dict[Sequence, _Slot] = {}
        self._arrived: list[_Slot] = []  # since the running step was planned
        self._waiting: deque[_Slot] = deque()
        self._running: list[_Slot] = []
        self._preemptions = 0
        self._prefix_queries = 0
        self._prefix_hits = 0

    def add(self, sequence: Sequence) -> None:
        """See Scheduler."""
        slot = _Slot(sequence)
        self._slots[sequence] = slot
        self._arrived.append(slot)

    def remove(self, sequence: Sequence) -> bool:
        """See Scheduler."""
        slot = self._slots.pop(sequence, None)
        if slot is None:
            return False
        if slot in self._running:
            self._running.remove(slot)
        elif slot in self._waiting:
            self._waiting.remove(slot)
        else:
            self._arrived.remove(slot)
        self._free(slot)
        return True

    def plan(self) -> Plan | None:
        """See Scheduler."""
        if self.limits.in_flight < 2 or not (self._running or self._waiting):
            self._receive()
        plan = Plan()
        budget = self._continue(plan, self.limits.max_num_batched_tokens)
        if not plan.preempted:
            self._admit(plan, budget)
        self._receive()
        return None if plan.empty else plan

    def occupancy(self) -> Occupancy:
        """See Scheduler."""
        return Occupancy(
            running=len(self._running),
            waiting=len(self._waiting) + len(self._arrived),
            kv_used=self.pool.used,
            kv_total=self.pool.total,
            preemptions_total=self._preemptions,
            prefix_queries_total=self._prefix_queries,
            prefix_hits_total=self._prefix_hits,
        )

    def _receive(self) -> None:
        self._waiting.extend(self._arrived)
        self._arrived.clear()

    def _continue(self, plan: Plan, budget: int) -> int:
        """Compute the running sequences, oldest first; returns the remaining budget."""
        place, size = 0, self.limits.block_size
        while place < len(self._running) and budget > 0:
            slot = self._running[place]
            sequence = slot.sequence
            known = sequence.prompt_tokens + sequence.generated
            # Most are here for a token within their last block, which neither takes a block nor fills one.
            if (
                sequence.generated
                and slot.computed == known - 1
                and known % size
                and known < len(slot.blocks) * size
            ):
                plan.decode(sequence)
                slot.computed = known
                budget -= 1
                place += 1
                continue
            tokens = self._cut(known - slot.computed, budget)
            while not self._grow(slot, tokens):
                victim = self._running.pop()  # the last one: never one already planned, they come before
                self._preempt(victim, plan)
                if victim is slot:
                    return budget
            self._compute(slot, tokens, plan)
            budget -= tokens
            place += 1
        return budget

    def _admit(self, plan: Plan, budget: int) -> None:
        """Admit from the queue in order, while there are budget and seats."""
        size = self.limits.block_size
        while self._waiting and budget > 0 and len(self._running) < self.limits.max_num_seqs:
            slot = self._waiting[0]
            known = slot.sequence.known_tokens
            if slot.sequence.prompt_tokens >= self.max_model_len:
                self._waiting.popleft()
                del self._slots[slot.sequence]
                plan.ignored.append(slot.sequence)
                continue
            hit = self._find(slot)
            wanted = blocks_for(known, size) - len(hit) + self.pool.idle(hit)
            if wanted > self.pool.free:
                return
            self.pool.share(hit)
            slot.blocks = list(hit)
            slot.computed = len(hit) * size
            slot.named = len(hit)
            self._prefix_queries += known
            self._prefix_hits += slot.computed
            tokens = self._cut(known - slot.computed, budget)
            self._grow(slot, tokens)
            self._waiting.popleft()
            self._running.append(slot)
            self._compute(slot, tokens, plan)
            budget -= tokens

    def _cut(self, tokens: int, budget: int) -> int:
        threshold = self.limits.long_prefill_token_threshold
        return min(tokens, budget, threshold) if threshold else min(tokens, budget)

    def _find(self, slot: _Slot) -> list[int]:
        if not self.limits.enable_prefix_caching:
            return []
        # At least one token must be computed, or there is nothing to sample from.
        return self.pool.find(
            slot.sequence.prefix, (slot.sequence.known_tokens - 1) // self.limits.block_size
        )

    def _grow(self, slot: _Slot, tokens: int) -> bool:
        """Take blocks for `tokens` more; False if there are too few."""
        wanted = blocks_for(slot.computed + tokens, self.limits.block_size) - len(slot.blocks)
        if wanted > self.pool.free:
            return False
        if wanted > 0:
            slot.blocks += self.pool.take(wanted)
        return True

    def _compute(self, slot: _Slot, tokens: int, plan: Plan) -> None:
        sequence = slot.sequence
        if sequence.generated and tokens == 1 and slot.computed == sequence.known_tokens - 1:
            plan.decode(sequence)
        else:
            ends = slot.computed + tokens == sequence.known_tokens
            plan.prefill(sequence, tokens, slot.computed, ends=ends)
        slot.computed += tokens
        if self.limits.enable_prefix_caching:
            full = min(slot.computed // self.limits.block_size, len(sequence.prefix))
            for place in range(slot.named, full):
                self.pool.name(slot.blocks[place], sequence.prefix[place])
            slot.named = max(slot.named, full)

    def _preempt(self, slot: _Slot, plan: Plan) -> None:
        self._free(slot)
        self._waiting.appendleft(slot)
        self._preemptions += 1
        plan.preempted.append(slot.sequence)

    def _free(self, slot: _Slot) -> None:
        self.pool.give(slot.blocks)
        slot.blocks = []
        slot.computed = 0
        slot.named = 0


OPTIONS = ("max_num_seqs", "max_num_batched_tokens")
SWITCHES = {"no-enable-prefix-caching": "enable_prefix_caching"}
KINDS = (SchedulerKind("vllm-v1", "vllm", V1Limits, VllmV1Scheduler, OPTIONS, SWITCHES, kv_memory=True),)
