"""The schedule of an open loop: when each request is due, and what it asks; the same in every process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chatload.loads.arrival_times import constant, poisson
from chatload.loads.load_shape import Inputs
from chatload.loads.open_loop import OpenLoopLoad
from chatload.loads.trace import TraceRow
from chatload.prompts.lengths import composed_prompt, own_lengths
from chatload.prompts.sampled_prompt import SampledPrompt

AT_ONCE_TOKENS = 500_000
"""Prompts of ours are composed before the start where they have no more tokens in all (some 0.2 s); else
each when its turn comes: all of a long trace would take minutes."""


@dataclass(frozen=True, slots=True)
class RequestSchedule:
    """`dues_ns` counts from the start of the run; a prompt is there, or is composed of its `lengths`."""

    dues_ns: Sequence[int]
    prompts: Sequence[SampledPrompt]
    lengths: Sequence[tuple[int, int]] = ()
    seed: str = ""

    def prompt(self, index: int) -> SampledPrompt:
        """What the request of this index asks."""
        if self.prompts:
            return self.prompts[index]
        return composed_prompt(*self.lengths[index], f"{self.seed} {index}")


def schedule(load: OpenLoopLoad, inputs: Inputs, seed: int) -> RequestSchedule:
    """By the trace, where there is one; else as the load says. Prompts: of the trace's lengths, out of the ShareGPT
    file, or our own of the same lengths as there."""
    if inputs.trace:
        dues_ns: Sequence[int] = [row.due_ns for row in inputs.trace]
        return _composed(dues_ns, _lengths_of(inputs.trace, seed), f"trace {seed}")
    if load.arrivals == "poisson" and load.interval_s:
        dues_ns = poisson(load.requests, load.interval_s, seed)
    else:
        dues_ns = constant(load.requests, load.interval_s)
    if inputs.prompts:
        return RequestSchedule(dues_ns, inputs.prompts)
    return _composed(dues_ns, own_lengths(load.requests, seed), str(seed))


def _lengths_of(rows: Sequence[TraceRow], seed: int) -> list[tuple[int, int]]:
    """(prompt, answer) tokens of a trace's rows; as ours where a row does not say."""
    told = [(row.prompt_tokens or 0, row.output_tokens or 0) for row in rows]
    if all(prompt and output for prompt, output in told):
        return told
    own = own_lengths(len(rows), seed)
    return [
        (told_p or own_p, told_o or own_o) for (told_p, told_o), (own_p, own_o) in zip(told, own, strict=True)
    ]


def _composed(dues_ns: Sequence[int], lengths: Sequence[tuple[int, int]], seed: str) -> RequestSchedule:
    """A schedule of prompts of ours, composed if there are few."""
    later = RequestSchedule(dues_ns, (), lengths, seed)
    if sum(prompt_tokens for prompt_tokens, _ in lengths) > AT_ONCE_TOKENS:
        return later
    return RequestSchedule(dues_ns, [later.prompt(index) for index in range(len(lengths))])
