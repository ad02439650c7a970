"""Reads the options of lengths and shared prefixes for any load shape, and checks them together."""

from __future__ import annotations

from typing import TypedDict

from chatload.loads.input_files import read_file, read_pairs
from chatload.loads.turn_lengths import Pair
from chatload.options.distribution import Distribution
from chatload.options.length_options import (
    ANSWER_TOKENS,
    CACHE,
    PREFIX_GROUPS,
    PROMPT_TOKENS,
    SHARED_PREFIX_TOKENS,
    Lengths,
    PairFile,
)
from chatload.options.option import Option
from chatload.options.option_reader import OptionReader
from chatload.options.run_options import MAX_TOKENS


class LengthFields(TypedDict):
    """Fields of `Load` that options of lengths set."""

    prompt_tokens: int | str
    answer_tokens: int | str
    shared_prefix_tokens: int
    prefix_groups: int
    cache: str


def length_fields(
    reader: OptionReader,
    prompt: Option[Lengths | None] = PROMPT_TOKENS,
    answer: Option[Lengths | None] = ANSWER_TOKENS,
) -> LengthFields:
    """The `LengthFields` of the option values; `prompt` and `answer` are the options with the shape's defaults."""
    prompts, answers = reader.get(prompt), reader.get(answer)
    pairs = isinstance(prompts, PairFile)
    if pairs:
        remedy = "with --prompt-tokens @FILE, which has both lengths: leave it out"
        reader.refuse_unused(answer, remedy, prompt)
    if answers is not None or pairs:
        reader.refuse_unused(MAX_TOKENS, "with --answer-tokens: set that, or leave it out", answer)
    prefix = reader.get(SHARED_PREFIX_TOKENS)
    if not prefix:
        reader.refuse_unused(PREFIX_GROUPS, "without --shared-prefix-tokens: set that, or leave it out")
    elif isinstance(prompts, Distribution) and prompts.law == "constant" and prompts.mean <= prefix:
        remedy = f"is part of --prompt-tokens {prompts.mean:g}: must be shorter"
        reader.add_mistake(SHARED_PREFIX_TOKENS, reader.text(SHARED_PREFIX_TOKENS), remedy)
    return {
        "prompt_tokens": "" if prompts is None else reader.text(prompt),
        "answer_tokens": "" if answers is None or pairs else reader.text(answer),
        "shared_prefix_tokens": prefix,
        "prefix_groups": reader.get(PREFIX_GROUPS),
        "cache": reader.get(CACHE),
    }


def length_pairs(reader: OptionReader, prompt: Option[Lengths | None] = PROMPT_TOKENS) -> tuple[Pair, ...]:
    """The pairs of the file that --prompt-tokens names; empty if it names none."""
    return read_file(reader, prompt, prompt.file_in(reader.text(prompt)), read_pairs) or ()
