"""The duration of one forward pass, computed from its shape.

step_ms = max(host, a + b·pad(B) + c·K + [p0 + p1·P + q·A])        [..] only with prompt tokens in the step

B decoding sequences, K tokens in their KV caches; P prompt tokens computed now, A the sum over those of the
tokens each attends to. `host` is the CPU time to launch the kernels:
  no CUDA graphs (vLLM 0.1.x, TGI)                    eager
  decodes only, pad(B) captured as a full graph       full
  any mix of at most `graph_limit` tokens             piecewise (attention is launched by hand)
  more tokens                                         eager
  prompts in the step                                 + prompt (their requests enter the batch)
                                                      + client_launch · B, with a client on the same host
vLLM V1 captures sizes up to min(512, 2·max_num_seqs), full graphs up to max_num_seqs: so with
`--max-num-seqs 20` steps take the piecewise time from 17 users on (the next captured size is 24), and the eager
time for any prompt of more than 40 tokens. Measured on an H100: 6.7 -> 10.2 ms a step, and +24 ms a prompt.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace

from simulator.schedulers.interface import Plan

# vLLM V1's default capture sizes: 1, 2, 4, then every 8th to 256, every 16th to 512.
CAPTURE_SIZES: tuple[int, ...] = (1, 2, 4, *range(8, 257, 8), *range(272, 513, 16))


@dataclass(frozen=True, slots=True)
class Cost:
    """The constants of the module's formula, in the units of their names."""

    step_ms: float  # a
    per_sequence_us: float  # b
    per_context_token_ns: float  # c
    prefill_ms: float = 0.0  # p0
    per_prefill_token_us: float = 0.0  # p1
    per_attended_token_ns: float = 0.0  # q
    host_full_ms: float = 0.0
    host_piecewise_ms: float = 0.0
    host_eager_ms: float = 0.0
    host_prompt_ms: float = 0.0
    client_launch_us: float = 0.0
    graphs: bool = False
    graph_limit: int = 0
    full_graph_limit: int = 0

    def with_seats(self, max_num_seqs: int) -> Cost:
        """The cost with the graph limits that vLLM V1 derives from max_num_seqs; unchanged without graphs."""
        if not self.graphs:
            return self
        largest = [size for size in CAPTURE_SIZES if size <= min(512, 2 * max_num_seqs)]
        full = [size for size in largest if size <= max_num_seqs]
        return replace(
            self, graph_limit=largest[-1] if largest else 0, full_graph_limit=full[-1] if full else 0
        )

    def step_s(self, plan: Plan) -> float:
        """Seconds for the forward pass of `plan`, launched and computed."""
        return max(self.host_s(plan), self.gpu_s(plan))

    def host_s(self, plan: Plan) -> float:
        """Seconds to launch it."""
        batch = len(plan.decoding)
        if plan.prefilling:
            host_ms = self._mixed_host_ms(batch + plan.prefill_tokens) + self.host_prompt_ms
            return (host_ms + self.client_launch_us * batch / 1e3) / 1e3
        return (self.host_full_ms if batch <= self.full_graph_limit else self._mixed_host_ms(batch)) / 1e3

    def gpu_s(self, plan: Plan) -> float:
        """Seconds to compute it."""
        batch = len(plan.decoding)
        if plan.prefilling:
            prefill_ms = self.prefill_ms + self.per_prefill_token_us * plan.prefill_tokens / 1e3
            prefill_ms += self.per_attended_token_ns * plan.prefill_context / 1e6
            rows = batch
        else:
            prefill_ms = 0.0
            rows = self.padded(batch)
        gpu_ms = self.step_ms + self.per_sequence_us * rows / 1e3 + prefill_ms
        return (gpu_ms + self.per_context_token_ns * plan.decode_context / 1e6) / 1e3

    def padded(self, batch: int) -> int:
        """The captured size that a decode of `batch` sequences runs as; `batch` itself beyond the largest one."""
        if batch > self.graph_limit:
            return batch
        return CAPTURE_SIZES[bisect_left(CAPTURE_SIZES, batch)]

    def _mixed_host_ms(self, tokens: int) -> float:
        return self.host_piecewise_ms if tokens <= self.graph_limit else self.host_eager_ms
