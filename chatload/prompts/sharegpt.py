"""Samples prompts from a ShareGPT file as vLLM's benchmark_serving.py of 2023 did.

The user provides the file, a JSON list (or JSON lines) of {"id", "conversations": [{"from", "value"}, …]}, also with
OpenAI's keys and roles; it is not part of this project. A truncated copy is read up to its end, and noted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chatload.files.datasets import dataset_files
from chatload.files.json_list import JsonList
from chatload.files.reading import BOM, MB, Mistakes, opened_input, shown
from chatload.files.records import Records
from chatload.model.errors import UsageError
from chatload.prompts.messages import MESSAGES, PERSON, SYSTEM, MessageMistake, role_of, text_of, value_of
from chatload.prompts.sampled_prompt import SampledPrompt
from chatload.prompts.tokens import estimate_tokens

LEAST_TOKENS = 4
MOST_PROMPT_TOKENS = 1024
MOST_TOKENS = 2048
"""vLLM's filters: least tokens of prompt and of answer, most of a prompt, most of both together."""

MOST_BYTES = 2048 * MB
REMEDY = "give the dataset's JSON file"


@dataclass(frozen=True, slots=True)
class Exchange:
    """The first two messages of a conversation after its system message; `by_person`: the first is the user's."""

    prompt: str
    answer: str
    by_person: bool


@dataclass(frozen=True, slots=True)
class SharegptFile:
    """The exchanges of a file, one from each conversation of two messages or more.

    `read` counts all conversations, `skipped` those without two messages. `truncated`: the list has no end. `words`:
    all that in words.
    """

    conversations: tuple[Exchange, ...]
    read: int
    skipped: int
    truncated: bool
    words: str
    systems: int = 0
    """Exchanges whose conversation begins with a system message."""
    by_models: int = 0
    """Exchanges that are not a user's message with a model's answer."""


def read_sharegpt(path: str | Path) -> SharegptFile:
    """The exchanges of a ShareGPT file. Raises UsageError if it has none."""
    found = _Items(path)
    exchanges: list[Exchange] = []
    read = systems = 0
    for item in found:
        read += 1
        messages = _messages(item)
        without = messages[_systems(messages) :]
        exchange = _exchange(without)
        if exchange is not None:
            systems += len(without) < len(messages)
            exchanges.append(exchange)
    if not exchanges:
        raise UsageError(
            [
                f"{shown(path)}:1: no conversation of two messages in it: must be a JSON list (or JSON lines) of "
                '{"id": …, "conversations": [{"from": "human", "value": …}, …]}; --prompts of chat.py reads other forms'
            ]
        )
    skipped = read - len(exchanges)
    words = (
        f"{read:,} conversations read from {Path(path).name}, {skipped:,} skipped (fewer than two messages)"
    )
    if systems:
        words += f"; {systems:,} system message{'s are' if systems > 1 else ' is'} not sent"
    by_models = sum(not one.by_person for one in exchanges)
    if by_models:
        words += f"; {by_models:,} of {len(exchanges):,} prompts are no person's with a model's answer"
    if not found.closed:
        words += "; the file ends there: it is truncated or damaged"
    return SharegptFile(tuple(exchanges), read, skipped, not found.closed, words, systems, by_models)


def sample_sharegpt(
    file: SharegptFile,
    n: int,
    seed: int,
    *,
    persons_only: bool = False,
    count_tokens: Callable[[str], int] = estimate_tokens,
) -> list[SampledPrompt]:
    """n random exchanges that pass vLLM's filters, without replacement.

    `persons_only` leaves out prompts that a model wrote: the file splits long conversations, and vLLM's script takes
    the first message whatever its role. Raises UsageError if fewer than n pass.
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
        kind = " that a person wrote" if persons_only else ""
        raise UsageError(
            [f"{n:,} prompts asked, {len(sampled):,}{kind} pass vLLM's length filters: ask for fewer"]
        )
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


class _Items:
    """The conversations of a file one by one; `closed`: False if its JSON list has no end."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self.closed = True

    def __iter__(self) -> Iterator[object]:
        if dataset_files(self._path) is not None:
            yield from (record.content for record in Records(self._path, REMEDY, Mistakes(self._path)))
            return
        with opened_input(self._path, REMEDY, MOST_BYTES) as file:
            first = file.read(64).removeprefix(BOM).lstrip()[:1]
            file.seek(0)
            if first != b"{":
                scan = JsonList(MOST_BYTES)
                yield from scan.items(file)
                self.closed = scan.closed
                return
        unread = Mistakes(self._path)
        for record in Records(self._path, REMEDY, unread):
            yield record.content
        self.closed = not unread.lines


def _messages(item: object) -> list[object]:
    """The messages of a conversation; empty if it has none."""
    if not isinstance(item, Mapping):
        return []
    return next((item[key] for key in MESSAGES if isinstance(item.get(key), list)), [])


def _systems(messages: list[object]) -> int:
    """How many system messages the conversation begins with."""
    return next((n for n, one in enumerate(messages) if role_of(one) != SYSTEM), len(messages))


def _exchange(messages: list[object]) -> Exchange | None:
    if len(messages) < 2:
        return None
    first, second = messages[:2]
    if not isinstance(first, Mapping) or not isinstance(second, Mapping):
        return None
    prompt, answer = _text(first), _text(second)
    if prompt is None or answer is None:
        return None
    by_person = role_of(first) == PERSON and role_of(second) not in (PERSON, SYSTEM)
    return Exchange(prompt, answer, by_person)


def _text(message: Mapping[str, object]) -> str | None:
    """The text of a message, parts joined; None if it has none."""
    value = value_of(message)
    try:
        return value if isinstance(value, str) else text_of(value, "")
    except MessageMistake:
        return None
