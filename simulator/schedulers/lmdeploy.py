"""lmdeploy's PyTorch engine (0.18): a step computes prompts or decodes, never both; no prefix cache by default.

`do_prefill_default` of lmdeploy/pytorch/engine/inputs_maker.py: where requests wait, the next step is theirs while less
than half of the seats are taken; else only when `prefill_interval` decode steps were made meanwhile, or their prompts
fill a step. Decode steps are ordered `decode_loop` at a time, and requests are looked at when these are over: measured
on an H200, a lone short prompt has its first token after 38 to 57 ms, and while others decode after 46 to 105 ms,
evenly spread; those that come while prompts are computed follow at once.
Blocks and preemption are those of simulator/schedulers/vllm_v1.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.schedulers.interface import Plan, SchedulerKind
from simulator.schedulers.vllm_v1 import V1Limits, VllmV1Scheduler


@dataclass(frozen=True, slots=True)
class LmdeployLimits:
    """The options of `lmdeploy serve api_server` that the scheduler reads, and the size of the KV cache in blocks."""

    num_blocks: int
    max_batch_size: int = 1024
    max_prefill_token_num: int = 8192
    prefill_interval: int = 16
    max_model_len: int = 4096
    decode_loop: int = 8

    @property
    def max_num_seqs(self) -> int:
        """Seats, by the name that the others have."""
        return self.max_batch_size


class LmdeployScheduler(VllmV1Scheduler):
    """See the module."""

    def __init__(self, limits: LmdeployLimits) -> None:
        super().__init__(
            V1Limits(
                limits.num_blocks,
                max_num_seqs=limits.max_batch_size,
                max_num_batched_tokens=limits.max_prefill_token_num,
                max_model_len=limits.max_model_len,
                enable_prefix_caching=False,
            )
        )
        self._interval = limits.prefill_interval
        self._loop = limits.decode_loop
        self._loop_left = 0
        self._decodes_while_waiting = 0

    def plan(self) -> Plan | None:
        """See Scheduler."""
        self._receive()
        plan = Plan()
        if not self._running:
            self._loop_left = 0
        if not self._loop_left and self._prompts_are_due():
            self._admit(plan, self.limits.max_num_batched_tokens)
        if plan.prefilling or plan.ignored:
            self._decodes_while_waiting = 0
        else:
            self._loop_left = (self._loop_left or self._loop) - 1
            self._decodes_while_waiting += bool(self._waiting)
            self._continue(plan, self.limits.max_num_batched_tokens)
        return None if plan.empty else plan

    def _prompts_are_due(self) -> bool:
        if not self._waiting:
            self._decodes_while_waiting = 0
            return False
        if any(not slot.sequence.generated for slot in self._running):
            return False  # a prompt of several pieces comes first
        tokens = sum(slot.sequence.known_tokens for slot in self._waiting)
        few = 2 * len(self._running) < self.limits.max_num_seqs
        return (
            few
            or self._decodes_while_waiting >= self._interval
            or tokens >= self.limits.max_num_batched_tokens
        )


KINDS = (
    SchedulerKind("lmdeploy", "vllm", LmdeployLimits, LmdeployScheduler, ("max_batch_size",), kv_memory=True),
)
