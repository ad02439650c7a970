"""The simulator's lengths as a trace file for `--trace`, so that HTTP serves what virtual time serves.

A trace says how long a prompt is; chatload writes one of about that length by its own estimate. What counts
is how many tokens the *simulator* makes of it, so the trace asks for whatever length comes out right there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from chatload.prompts.lengths import composed_prompt
from lab.calibration.lengths import Length
from simulator.text.tokens import count_tokens


def write_trace(path: Path, lengths: Sequence[Length], due_s: Sequence[float], seed: int, ahead: int) -> None:
    """One line a request. `ahead`: tokens that the server puts before the prompt (TGI: 1, begin of sequence).

    `seed` must be the run's --seed: it decides the prompts' words.
    """
    rows = []
    for index, (length, at_s) in enumerate(zip(lengths, due_s, strict=True)):
        asked = asked_tokens(length.prompt_tokens - ahead, length.answer_tokens, f"trace {seed} {index}")
        rows.append({"due_s": at_s, "prompt_tokens": asked, "output_tokens": length.answer_tokens})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def asked_tokens(wanted: int, answer_tokens: int, words_seed: str) -> int:
    """The length to ask chatload for, so that the simulator counts `wanted` tokens, never more if it can be."""

    def counted(asked: int) -> int:
        return count_tokens(composed_prompt(asked, answer_tokens, words_seed).text)

    low, high = 1, 2 * wanted + 8
    while low < high:
        middle = (low + high + 1) // 2
        if counted(middle) <= wanted:
            low = middle
        else:
            high = middle - 1
    # Beware: from 40 tokens on a prompt begins otherwise, so the count is not quite monotone.
    near = range(max(1, low - 6), low + 7)
    fitting = [asked for asked in near if counted(asked) <= wanted] or [min(near, key=counted)]
    return max(fitting, key=counted)
