"""How long one forward takes, from its shape alone.

step_s = a + b·pad(B) + c·K                                  decodes only
step_s = a + b·B + c·K + p0 + p1·P + q·A                     with prompt tokens in it

B decoding sequences, K tokens in their KV caches, P prompt tokens computed now, A the sum over those of the
tokens each attends to; pad(B): the next captured CUDA-graph size, if the server uses graphs.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from simulator.scheduler import Plan


@dataclass(frozen=True, slots=True)
class Cost:
    """The constants of the formula above the module, in the units their names say."""

    step_ms: float  # a
    per_sequence_us: float  # b
    per_context_token_ns: float  # c
    prefill_ms: float = 0.0  # p0
    per_prefill_token_us: float = 0.0  # p1
    per_attended_token_ns: float = 0.0  # q
    graph_sizes: tuple[int, ...] = ()

    def step_s(self, plan: Plan) -> float:
        """Seconds for the forward of `plan`."""
        batch = len(plan.decoding)
        ms = self.step_ms + self.per_context_token_ns * plan.decode_context / 1e6
        if not plan.prefilling:
            return (ms + self.per_sequence_us * self.padded(batch) / 1e3) / 1e3
        ms += self.per_sequence_us * batch / 1e3 + self.prefill_ms
        ms += self.per_prefill_token_us * plan.prefill_tokens / 1e3
        return (ms + self.per_attended_token_ns * plan.prefill_context / 1e6) / 1e3

    def padded(self, batch: int) -> int:
        """The next captured graph size; the batch itself if none is as large."""
        place = bisect_left(self.graph_sizes, batch)
        return self.graph_sizes[place] if place < len(self.graph_sizes) else batch
