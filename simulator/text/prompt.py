"""Prompts as token texts, and hashes of their beginnings for prefix caches."""

from __future__ import annotations

from collections.abc import Iterable

END = "\x00end"


def chat_prompt(messages: Iterable[tuple[str, list[str]]], template_tokens: tuple[int, int]) -> list[str]:
    """The conversation after the chat template, as token texts, up to where the answer begins; of (role, token texts).

    tokens = template_tokens[0] + sum over messages of (template_tokens[1] + its tokens + 1) + template_tokens[1].
    Turn n + 1 begins with the texts of turn n, its answer and its end token.
    """
    texts = ["\x00begin"] * template_tokens[0]
    for role, content in messages:
        texts += [f"\x00{role}"] * template_tokens[1]
        texts += content
        texts.append(END)
    return texts + ["\x00assistant"] * template_tokens[1]


def prefix_hashes(texts: list[str], block: int) -> tuple[int, ...]:
    """names[i] = hash of the first i + 1 whole blocks of `block` tokens; none if that is 0."""
    if not block:
        return ()
    names: list[int] = []
    name = 0
    for start in range(0, len(texts) - block + 1, block):
        name = hash((name, *texts[start : start + block]))
        names.append(name)
    return tuple(names)
