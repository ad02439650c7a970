"""Samples prompts from a ShareGPT file as vLLM's benchmark_serving.py of 2023 did.

The user provides the file, a JSON list of {"id", "conversations": [{"from", "value"}, …]}; it is not part of this
project. A truncated copy is read up to its end, and the user is told so.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chatload.files.json_list import JsonList
from chatload.files.reading import MB, opened_input, shown
from chatload.model.errors import UsageError
from chatload.prompts.sampled_prompt import SampledPrompt
from chatload.prompts.tokens import estimate_tokens

LEAST_TOKENS = 4
MOST_PROMPT_TOKENS = 1024
MOST_TOKENS = 2048
"""vLLM's filters: shorter prompts or answers, longer prompts, and longer pairs are dropped."""

PERSONS = ("human", "user")

MOST_BYTES = 2048 * MB


@dataclass(frozen=True, slots=True)
class Exchange:
    """The first two messages of a conversation; `by_person`: a person wrote the first one."""

    prompt: str
    answer: str
    by_person: bool


@dataclass(frozen=True, slots=True)
class SharegptFile:
    """The content of a file: exchanges of conversations with two messages or more.

    `read` counts all conversations, `skipped` those without two messages. `truncated`: the list does not end. `words`
    says all that to the user.
    """

    conversations: tuple[Exchange, ...]
    read: int
    skipped: int
    truncated: bool
    words: str


def read_sharegpt(path: str | Path) -> SharegptFile:
    """The exchanges of a ShareGPT file. Raises UsageError if it has none."""
    scan = JsonList(MOST_BYTES)
    exchanges: list[Exchange] = []
    read = 0
    with opened_input(path, "give the dataset's JSON file", MOST_BYTES) as file:
        for item in scan.items(file):
            read += 1
            exchange = _exchange(item)
            if exchange is not None:
                exchanges.append(exchange)
    if not exchanges:
        raise UsageError(
            [
                f"{shown(path)}:1: no conversation of two messages in it: must be a JSON list of "
                '{"id": …, "conversations": [{"from": "human", "value": …}, …]}'
            ]
        )
    skipped = read - len(exchanges)
    words = (
        f"{read:,} conversations read from {Path(path).name}, {skipped:,} skipped (fewer than two messages)"
    )
    if not scan.closed:
        words += "; the file ends there: it is truncated or damaged"
    return SharegptFile(tuple(exchanges), read, skipped, not scan.closed, words)


def sample_sharegpt(
    file: SharegptFile,
    n: int,
    seed: int,
    *,
    persons_only: bool = False,
    count_tokens: Callable[[str], int] = estimate_tokens,
) -> list[SampledPrompt]:
    """n random exchanges, without replacement, of those that pass vLLM's filters.

    Tokens are counted only until n are found. `persons_only` leaves out prompts that a model wrote:
    long conversations are split in the file, and vLLM's script takes the first message whatever its role.
    Raises UsageError when fewer than n pass.
    """
    sampled: list[SampledPrompt] = []
    for place in random.Random(seed).sample(range(len(file.conversations)), len(file.conversations)):
        if len(sampled) == n:
            break
        exchange = file.conversations[place]
        if exchange.by_person or not persons_only:
            prompt_tokens, output_tokens = count_tokens(exchange.prompt), count_tokens(exchange.answer)
            if _passes(prompt_tokens, output_tokens):
                sampled.append(SampledPrompt(_utf_8(exchange.prompt), prompt_tokens, output_tokens))
    if len(sampled) < n:
        raise UsageError([f"{n:,} prompts asked, {len(sampled):,} pass vLLM's length filters: ask for fewer"])
    return sampled


def _utf_8(text: str) -> str:
    """The text without lone surrogates, which a JSON escape can express but UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def _passes(prompt_tokens: int, output_tokens: int) -> bool:
    return (
        LEAST_TOKENS <= prompt_tokens <= MOST_PROMPT_TOKENS
        and output_tokens >= LEAST_TOKENS
        and prompt_tokens + output_tokens <= MOST_TOKENS
    )


def _exchange(item: object) -> Exchange | None:
    messages = item.get("conversations") if isinstance(item, dict) else None
    if not isinstance(messages, list) or len(messages) < 2:
        return None
    first, second = messages[:2]
    if not isinstance(first, dict) or not isinstance(second, dict):
        return None
    prompt, answer = first.get("value"), second.get("value")
    if not isinstance(prompt, str) or not isinstance(answer, str):
        return None
    by_person = first.get("from") in PERSONS and second.get("from") not in (*PERSONS, "system")
    return Exchange(prompt, answer, by_person)
