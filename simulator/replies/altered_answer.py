"""Answers that are not just made up: they begin as the prompt asks, or change in the middle."""

from __future__ import annotations

import re

from simulator.replies.job import Answer
from simulator.text.tokens import Token, make_token, token_texts

_ASKED = re.compile(r"[Bb]egin your answer with this reference, unchanged: (\S{1,200})")


_LENGTH = re.compile(r"\[\[len=(\d{1,6}|max)\]\]")
ENDLESS = 10_000_000


def asked_length(prompt: str) -> int | None:
    """The tokens that `[[len=N]]` in a prompt asks for, its end included; `[[len=max]]`: as many as there can be."""
    found = _LENGTH.findall(prompt)
    return None if not found else ENDLESS if found[-1] == "max" else int(found[-1])


def asked_beginning(prompt: str) -> str:
    """What the last message of a prompt asks the answer to begin with; empty where it asks for nothing."""
    found = _ASKED.findall(prompt)
    return found[-1] if found else ""


def beginning_with(answer: Answer, text: str, max_tokens: int) -> Answer:
    """The answer, whose first tokens are those of the text; as long as it was where it is long enough."""
    begins = [make_token(piece, 1000 + place, -0.0625) for place, piece in enumerate(token_texts(text))]
    if len(answer.tokens) > len(begins):
        tokens, shown = _with_space(answer.tokens[len(begins) :]), _with_space(answer.shown[len(begins) :])
    else:
        tokens, shown = (
            answer.tokens[-answer.ends :] * answer.ends,
            answer.shown[-answer.ends :] * answer.ends,
        )
    whole = [*begins, *tokens]
    return Answer(
        whole[:max_tokens],
        [*begins, *shown][:max_tokens],
        answer.stop,
        answer.ends and len(whole) <= max_tokens,
    )


def changed_after(answer: Answer, other: Answer, count: int) -> Answer:
    """The answer, which after `count` tokens goes on as the other one; as long as it was."""
    last = len(answer.tokens) - answer.ends
    words = [
        token for token in other.tokens[: len(other.tokens) - other.ends] if token.text
    ] or answer.tokens[:1]

    def changed(tokens: list[Token]) -> list[Token]:
        return [
            words[place % len(words)] if count <= place < last else token
            for place, token in enumerate(tokens)
        ]

    return Answer(changed(answer.tokens), changed(answer.shown), answer.stop, answer.ends)


def _with_space(tokens: list[Token]) -> list[Token]:
    """The tokens, the first of which begins with a space if it shows anything."""
    first = tokens[0]
    if not first.text or first.text.startswith(" "):
        return tokens
    return [make_token(f" {first.text}", first.token_id, first.logprob), *tokens[1:]]
