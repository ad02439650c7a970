"""What the host adds to the steps of an engine, drawn by a seed: no step of a real server takes twice the same time.

  every step            |N(0, step_sd_ms)|; with probability stalls_per_s · its duration besides U(0, 2 · stall_ms)
  a step with prompts   U(0, prompt_jitter_ms); a prompt_delay_share of them Exp(mean prompt_delay_ms) besides; and
                        U(0, 2 · prompt_stall_ms) if one of the prompt_stalls_per_s has come since the last such step
Where passes are launched ahead (engine/engine.py) it is added to the launch, and does not show where the GPU is busy
for longer.
Measured on an H100: of 100 prompts, one every 0.5 s, 8 had their first token 20 to 60 ms later than the others, and who
was answered meanwhile saw a gap as long; of 100 prompts, one every 0.05 s, none had. Two answers of three have a gap
10 ms longer than a step. On an H200 the longest gap of a stream that saw 1 prompt join is 9 to 10 ms, of one that saw
5 it is 12, of one that saw 45 it is 13 to 17 in the middle: few launches are delayed, by some ms.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HostNoise:
    """The constants of the module's formulas; all 0: none."""

    step_sd_ms: float = 0.0
    stalls_per_s: float = 0.0
    stall_ms: float = 0.0
    prompt_jitter_ms: float = 0.0
    prompt_delay_share: float = 0.0
    prompt_delay_ms: float = 0.0
    prompt_stalls_per_s: float = 0.0
    prompt_stall_ms: float = 0.0


QUIET = HostNoise()


@dataclass(slots=True)
class NoiseSource:
    """Draws for one engine; the same for the same seed."""

    noise: HostNoise
    seed: int = 0
    _since_prompts_s: float = 0.0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def extra_s(self, step_s: float, *, prompts: bool) -> float:
        """What a step of this cost takes besides, in s; `prompts`: it computes some."""
        noise = self.noise
        if noise == QUIET:
            return 0.0
        extra_ms = abs(self._random.gauss(0.0, noise.step_sd_ms))
        if self._random.random() < noise.stalls_per_s * step_s:
            extra_ms += self._random.uniform(0.0, 2 * noise.stall_ms)
        self._since_prompts_s += step_s
        if prompts:
            extra_ms += self._random.uniform(0.0, noise.prompt_jitter_ms)
            if noise.prompt_delay_share and self._random.random() < noise.prompt_delay_share:
                extra_ms += self._random.expovariate(1 / noise.prompt_delay_ms)
            if self._random.random() < 1 - math.exp(-noise.prompt_stalls_per_s * self._since_prompts_s):
                extra_ms += self._random.uniform(0.0, 2 * noise.prompt_stall_ms)
            self._since_prompts_s = 0.0
        return extra_ms / 1e3
