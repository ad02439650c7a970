"""vLLM 0.1.2 and 0.1.3 (summer 2023): first come first served, prompt-only reservation, recompute preemption.

0.1.2 computes prompts and decodes in one forward pass. In an iteration each running sequence, oldest first, needs one
free block to go on (even if its last block has room); if there is none, the newest running one loses all its blocks
and returns to the front of the queue with its text. Then the queue is admitted in order until one does not fit (blocks
with 1 % left free, tokens, seats) or was preempted in this iteration. 0.1.3 (PR #658) admits from the queue first, and
a step with prompts has no decodes.

Not simulated: several answers per request (n, best_of, beam). Only those are swapped to the CPU instead of computed
again, so `swap_space` is accepted and changes nothing.
Reference: vllm/core/scheduler.py and block_manager.py of those tags.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from simulator.schedulers.interface import Occupancy, Plan, SchedulerKind
from simulator.schedulers.kv_blocks import BlockCount, blocks_for
from simulator.schedulers.sequence import Sequence


@dataclass(frozen=True, slots=True)
class V0Limits:
    """The options of `vllm.entrypoints.api_server` that the scheduler reads, and the KV cache in blocks.

    `max_position_embeddings`: the model's; max_seq_len is the smaller of it and max_num_batched_tokens.
    """

    num_blocks: int
    block_size: int = 16
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 2560
    max_position_embeddings: int = 4096
    swap_space: float = 4.0
    watermark: float = 0.01


@dataclass(slots=True, eq=False)
class _Slot:
    sequence: Sequence
    blocks: int = 0


class Vllm012Scheduler:
    """0.1.2: see the module."""

    eos_before_length = False
    prefix_block = 0

    def __init__(self, limits: V0Limits) -> None:
        self.limits = limits
        self.max_model_len = min(limits.max_num_batched_tokens, limits.max_position_embeddings)
        self.pool = BlockCount(limits.num_blocks)
        self._watermark_blocks = int(limits.watermark * limits.num_blocks)
        self._seats = min(limits.max_num_seqs, limits.max_num_batched_tokens)
        self._slots: dict[Sequence, _Slot] = {}
        self._waiting: deque[_Slot] = deque()
        self._running: list[_Slot] = []
        self._preemptions = 0

    def add(self, sequence: Sequence) -> None:
        """See Scheduler."""
        slot = _Slot(sequence)
        self._slots[sequence] = slot
        self._waiting.append(slot)

    def remove(self, sequence: Sequence) -> bool:
        """See Scheduler."""
        slot = self._slots.pop(sequence, None)
        if slot is None:
            return False
        if slot in self._running:
            self._running.remove(slot)
        else:
            self._waiting.remove(slot)
        self._free(slot)
        return True

    def plan(self) -> Plan | None:
        """One iteration, prompts and decodes together."""
        plan = Plan()
        self._continue(plan)
        self._admit(plan, batched=len(self._running))
        return None if plan.empty else plan

    def occupancy(self) -> Occupancy:
        """See Scheduler; these versions have no /metrics."""
        return Occupancy(
            running=len(self._running),
            waiting=len(self._waiting),
            kv_used=self.pool.used,
            kv_total=self.pool.total,
            preemptions_total=self._preemptions,
        )

    def _continue(self, plan: Plan) -> None:
        """Decode the running sequences, oldest first, as long as there are blocks."""
        left = (
            self._running
        )  # in order of arrival: the newest is preempted, and returns to the front of the queue
        kept: list[_Slot] = []
        place = 0
        while place < len(left):
            slot = left[place]
            while self.pool.free < 1:
                victim = left.pop()
                self._preempt(victim, plan)
                if victim is slot:
                    break
            else:
                missing = blocks_for(slot.sequence.known_tokens, self.limits.block_size) - slot.blocks
                if missing:
                    self.pool.take(missing)
                    slot.blocks += missing
                kept.append(slot)
                plan.decode(slot.sequence)
                place += 1
        self._running = kept

    def _admit(self, plan: Plan, batched: int) -> None:
        """Admit from the queue in order, until one does not fit."""
        while self._waiting:
            slot = self._waiting[0]
            if slot.sequence in plan.preempted:
                return
            tokens = slot.sequence.known_tokens
            if self._too_long(tokens):
                self._waiting.popleft()
                del self._slots[slot.sequence]
                plan.ignored.append(slot.sequence)
                return
            blocks = blocks_for(tokens, self.limits.block_size)
            if self.pool.free - blocks < self._watermark_blocks:
                return
            if batched + tokens > self.limits.max_num_batched_tokens or len(self._running) + 1 > self._seats:
                return
            self._waiting.popleft()
            self.pool.take(blocks)
            slot.blocks = blocks
            batched += tokens
            self._running.append(slot)
            plan.prefill(slot.sequence, tokens)

    def _too_long(self, tokens: int) -> bool:
        return tokens >= self.max_model_len

    def _preempt(self, slot: _Slot, plan: Plan) -> None:
        self._free(slot)
        self._waiting.appendleft(slot)
        self._preemptions += 1
        plan.preempted.append(slot.sequence)

    def _free(self, slot: _Slot) -> None:
        self.pool.give(slot.blocks)
        slot.blocks = 0


class Vllm013Scheduler(Vllm012Scheduler):
    """0.1.3: a step is either prompts or decodes, prompts first."""

    def __init__(self, limits: V0Limits) -> None:
        super().__init__(limits)
        self.max_model_len = limits.max_position_embeddings
        self._prompt_limit = min(limits.max_position_embeddings, limits.max_num_batched_tokens)

    def plan(self) -> Plan | None:
        """One iteration: the queue's prompts if any fit, else one token for everyone running."""
        plan = Plan()
        self._admit(plan, batched=0)
        if not plan.prefilling:
            self._continue(plan)
        return None if plan.empty else plan

    def _too_long(self, tokens: int) -> bool:
        return tokens > self._prompt_limit


# No background loop before 0.1.5: engine steps run inside the HTTP event loop.
OPTIONS = ("max_num_seqs", "max_num_batched_tokens", "swap_space")
KINDS = tuple(
    SchedulerKind(name, "vllm", V0Limits, scheduler, OPTIONS, kv_memory=True, blocks_event_loop=True)
    for name, scheduler in (("vllm-0.1.2", Vllm012Scheduler), ("vllm-0.1.3", Vllm013Scheduler))
)
