"""Writes drawn lengths as a file for `--trace`, so that the load over HTTP equals the one in virtual time.

A trace gives a prompt's length in tokens as chatload estimates them. The simulator counts differently, so the
trace asks for the length for which the simulator counts the drawn number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from chatload.prompts.lengths import composed_prompt
from lab.calibration.lengths import Length
from simulator.text.tokens import count_tokens


def write_trace(
    path: Path, lengths: Sequence[Length], due_s: Sequence[float], seed: int, template_tokens: int
) -> None:
    """One line per request. `template_tokens`: what the server puts before the prompt (TGI: 1, begin of sequence).

    `seed` must be the run's --seed: it decides the prompts' words.
    """
    rows = []
    for index, (length, at_s) in enumerate(zip(lengths, due_s, strict=True)):
        asked = asked_tokens(
            length.prompt_tokens - template_tokens, length.answer_tokens, f"trace {seed} {index}"
        )
        rows.append({"due_s": at_s, "prompt_tokens": asked, "output_tokens": length.answer_tokens})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def asked_tokens(wanted: int, answer_tokens: int, words_seed: str) -> int:
    """The length to ask chatload for, so that the simulator counts `wanted` tokens, or the nearest below."""

    def counted(asked: int) -> int:
        return count_tokens(composed_prompt(asked, answer_tokens, words_seed).text)

    low, high = 1, 2 * wanted + 8
    while low < high:
        middle = (low + high + 1) // 2
        if counted(middle) <= wanted:
            low = middle
        else:
            high = middle - 1
    # Beware: prompts of 40 tokens and more begin differently, so the count is not quite monotone.
    near = range(max(1, low - 6), low + 7)
    fitting = [asked for asked in near if counted(asked) <= wanted] or [min(near, key=counted)]
    return max(fitting, key=counted)
