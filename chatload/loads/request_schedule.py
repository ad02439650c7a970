"""The schedule of an open loop: due time and prompt of each request; the same in every process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chatload.loads.load_shape import Inputs
from chatload.loads.open_loop import OpenLoopLoad
from chatload.loads.trace import TraceRow
from chatload.prompts.block_text import prompt_of_blocks
from chatload.prompts.lengths import composed_prompt, sharegpt_lengths
from chatload.prompts.sampled_prompt import SampledPrompt
from chatload.prompts.tokens import estimate_tokens

LEAST_TOKENS = 4
"""Shortest new message of a turn, in tokens."""
MOST_DRAWN = 5000
"""Most lengths that `request_lengths` draws for generated prompts."""
AT_ONCE_TOKENS = 500_000
"""Generated prompts of up to this many tokens in all are made before the start (about 0.2 s). More of them, which may
take minutes, are made when they are due."""


@dataclass(frozen=True, slots=True)
class RequestSchedule:
    """Due times, in ns from the start of the run, and prompts: `prompts`, or generated with `lengths`.

    `rows`: those of a trace with texts, blocks or conversations. `chains`: indexes of the rows of each conversation.
    """

    dues_ns: Sequence[int]
    prompts: Sequence[SampledPrompt]
    lengths: Sequence[tuple[int, int]] = ()
    words_by: str = ""
    rows: Sequence[TraceRow] = ()
    chains: Sequence[Sequence[int]] = ()
    block_tokens: int = 0
    whole_prompts: bool = True

    def prompt(self, index: int, before: int | None = None) -> SampledPrompt:
        """The prompt of a request; `before` is the index of the turn before it in its conversation."""
        row = self.rows[index] if self.rows else None
        if row is not None and row.blocks:
            prompt_tokens, answer_tokens = self.lengths[index]
            text = prompt_of_blocks(row.blocks, self.block_tokens, prompt_tokens, self.words_by)
            return SampledPrompt(text, prompt_tokens, answer_tokens)
        if row is not None and row.text:
            return SampledPrompt(row.text, 0, row.output_tokens or 0)
        if before is not None:
            prompt_tokens, answer_tokens = self.lengths[index]
            if self.whole_prompts:
                prompt_tokens = new_tokens(self.lengths[index], self.lengths[before])
            return composed_prompt(prompt_tokens, answer_tokens, f"{self.words_by} {index}")
        if self.prompts:
            return self.prompts[index]
        return composed_prompt(*self.lengths[index], f"{self.words_by} {index}")

    def sends_history(self, index: int) -> bool:
        """Whether a turn is sent with its conversation's history; a prompt of blocks includes it."""
        return not self.rows[index].blocks

    def next_due_ns(self, index: int, begin_ns: int, end_ns: int) -> int:
        """When a later turn of a conversation is due: its delay after the end of the reply before, or at its recorded
        time, but not before that end."""
        delay_ns = self.rows[index].delay_ns
        return max(begin_ns + self.dues_ns[index], end_ns) if delay_ns is None else end_ns + delay_ns


def new_tokens(lengths: tuple[int, int], before: tuple[int, int]) -> int:
    """Tokens that a turn adds to its history: its whole prompt less that of the turn before and its answer."""
    return max(LEAST_TOKENS, lengths[0] - sum(before))


def schedule(load: OpenLoopLoad, inputs: Inputs, seed: int, words_by: str) -> RequestSchedule:
    """Due times of the trace or of the load's options; prompts of the trace, of the ShareGPT file, or generated with
    lengths of ShareGPT's distribution. `seed` draws times and lengths, `words_by` the words."""
    if inputs.trace and (load.repeats or inputs.trace[0].text):
        return _trace_schedule(load, inputs, seed, words_by)
    if inputs.trace:
        dues_ns: Sequence[int] = [row.due_ns for row in inputs.trace]
        return _composed(dues_ns, _lengths_of(inputs.trace, seed), f"trace {words_by}")
    if load.rate_steps:
        dues_ns = load.spacing.stepped(load.rate_steps, seed)
    else:
        dues_ns = load.spacing.times(load.requests, load.interval_s, seed)
    if inputs.prompts or load.prompt_tokens:  # session.py generates the texts of --prompt-tokens
        return RequestSchedule(dues_ns, inputs.prompts)
    return _composed(dues_ns, sharegpt_lengths(load.requests, seed), words_by)


def request_lengths(load: OpenLoopLoad, inputs: Inputs, seed: int) -> Sequence[tuple[int, int]]:
    """(prompt, answer) tokens of each request, from the trace, the file of prompts, or ShareGPT's distribution.

    Texts of a trace are estimated; 0 for answers of unknown length. Of generated prompts at most MOST_DRAWN: these
    have the distribution of all, as lengths are stratified.
    """
    if inputs.prompts:
        return [(one.prompt_tokens_estimate, one.output_tokens) for one in inputs.prompts]
    if not inputs.trace:
        return sharegpt_lengths(min(load.requests, MOST_DRAWN), seed)
    lengths = _lengths_of(inputs.trace, seed)
    return [
        (estimate_tokens(row.text), row.output_tokens or 0) if row.text and not row.blocks else drawn
        for row, drawn in zip(inputs.trace, lengths, strict=True)
    ]


def _trace_schedule(load: OpenLoopLoad, inputs: Inputs, seed: int, words_by: str) -> RequestSchedule:
    """The schedule of a trace with texts, blocks or conversations; prompts are made when they are due."""
    dues_ns = [row.due_ns for row in inputs.trace]
    chains = inputs.chains or [(index,) for index in range(len(dues_ns))]
    if not any(dues_ns) and load.interval_s and load.conversations:
        starts = load.spacing.times(len(chains), load.interval_s, seed)
        for chain, start_ns in zip(chains, starts, strict=True):
            dues_ns[chain[0]] = start_ns
    return RequestSchedule(
        dues_ns,
        (),
        _lengths_of(inputs.trace, seed),
        f"trace {words_by}",
        inputs.trace,
        chains,
        inputs.block_tokens,
        inputs.whole_prompts,
    )


def _lengths_of(rows: Sequence[TraceRow], seed: int) -> list[tuple[int, int]]:
    """(prompt, answer) tokens of a trace's rows; unknown ones are drawn from ShareGPT's distribution."""
    known = [(row.prompt_tokens or 0, row.output_tokens or 0) for row in rows]
    if all(prompt and answer for prompt, answer in known):
        return known
    drawn = sharegpt_lengths(len(rows), seed)
    return [(one[0] or other[0], one[1] or other[1]) for one, other in zip(known, drawn, strict=True)]


def _composed(dues_ns: Sequence[int], lengths: Sequence[tuple[int, int]], words_by: str) -> RequestSchedule:
    """A schedule with generated prompts."""
    on_demand = RequestSchedule(dues_ns, (), lengths, words_by)
    if sum(prompt_tokens for prompt_tokens, _ in lengths) > AT_ONCE_TOKENS:
        return on_demand
    return RequestSchedule(dues_ns, [on_demand.prompt(index) for index in range(len(lengths))])
