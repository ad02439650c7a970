"""Conversations that grow: a script of user lines, and the server's own replies in between."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from chatload.files import Mistakes, quoted, read_lines
from chatload.model.turn import Message
from chatload.prompts.opening import opening_of

FOLLOW_UPS = (
    "Can you say more about the second point?",
    "Could you give me an example of that?",
    "Why is that?",
    "What would you do in my place?",
    "Is there a simpler way to put it?",
    "What is the most common mistake here?",
    "Please sum up what we have so far in three sentences.",
    "And if that does not work?",
    "Which part of this matters most?",
    "How sure are you about that?",
    "What should I do first?",
    "Can you turn that into a short list?",
    "Is there anything I have forgotten to ask?",
    "How would you explain this to a child of ten?",
    "What are the arguments against it?",
    "Thanks. What would be a good next step?",
)
"""What a user says once the script is used up: lines that fit after any reply (docs/prompts.md)."""

OWN_CONVERSATIONS = Path(__file__).parents[2] / "scenarios" / "prompts" / "conversations.jsonl"
"""What users talk of where no file is named."""


class Conversation:
    """A talk that remembers: each `ask` is the whole history and the next user line.

    A line belongs to the history only once its reply has come. After a failed or empty reply the
    line is withdrawn and asked again next time: roles always alternate, and no line is skipped.
    """

    def __init__(self, lines: Sequence[str], first_follow_up: int = 0) -> None:
        self._lines = lines
        self._first_follow_up = first_follow_up
        self._history: list[Message] = []
        self._asked: Message | None = None

    def ask(self) -> tuple[Message, ...]:
        """The history so far and the user's next line."""
        self._asked = Message("user", self._line(len(self._history) // 2))
        return (*self._history, self._asked)

    def heard(self, reply: str) -> None:
        """The reply joins the history; a blank one withdraws the line that was asked."""
        if self._asked is not None and reply.strip():
            self._history += (self._asked, Message("assistant", reply))
        self._asked = None

    def _line(self, turn: int) -> str:
        if turn < len(self._lines):
            return self._lines[turn]
        return FOLLOW_UPS[(self._first_follow_up + turn - len(self._lines)) % len(FOLLOW_UPS)]


def conversation_for(user: int, seed: int, lines: Sequence[Sequence[str]]) -> Conversation:
    """The conversation of `user`: scripts are dealt out in seeded order, each equally often.

    The first line opens with a sentence no other user of the run says. Why: users outnumber scripts,
    and a server with a prefix cache (vLLM V1, SGLang, llama.cpp) would answer the second user of a
    script without computing the prompt. People who chat share no prompts, so neither do these users.
    """
    if not lines:
        raise ValueError("no scripts to pick from")
    script = lines[_order(len(lines), seed)[user % len(lines)]]
    first_follow_up = random.Random(f"follow-ups {seed} {user}").randrange(len(FOLLOW_UPS))
    return Conversation([f"{opening_of(user, seed)} {script[0]}", *script[1:]], first_follow_up)


@lru_cache(maxsize=2)
def _order(n: int, seed: int) -> Sequence[int]:
    """The order in which n scripts are dealt out."""
    order = list(range(n))
    random.Random(f"scripts {seed}").shuffle(order)
    return order


def load_conversations(path: str | Path) -> list[list[str]]:
    """The scripts of a JSONL file: one {"id": …, "turns": [user line, …]} a line, blank lines skipped.

    Raises UsageError naming file and line of every mistake.
    """
    mistakes = Mistakes(path)
    scripts: list[list[str]] = []
    first_seen: dict[str, int] = {}
    rows = first = 0
    for number, row in read_lines(path, "give a file of conversations (JSONL)", mistakes):
        if row.isspace():
            continue
        rows, first = rows + 1, first or number
        read = _object(row)
        wrong = _mistake(read, first_seen, number)
        if wrong:
            mistakes.add(wrong, number)
        elif read is not None:
            scripts.append(list(read["turns"]))
    if not first_seen and (
        rows > 1 or not mistakes.lines
    ):  # nothing of it is a conversation: one line says so
        mistakes = Mistakes(path)
        mistakes.add(f"holds no conversation: write one a line in UTF-8, {_EXAMPLE}", first or None)
    mistakes.tell()
    return scripts


_EXAMPLE = '{"id": "tea", "turns": ["How long should green tea steep?", "And black tea?"]}'


def _object(row: bytes) -> dict[str, Any] | None:
    try:
        content = orjson.loads(row)
    except orjson.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None


def _mistake(content: dict[str, Any] | None, first_seen: dict[str, int], number: int) -> str | None:
    """What is wrong with one row, and the remedy; None when it is good (and its id is noted)."""
    if content is None:
        return f"not a JSON object in UTF-8: write {_EXAMPLE}"
    unknown = sorted(content.keys() - {"id", "turns"})
    if unknown:
        return f'unknown key {quoted(unknown[0])}: only "id" and "turns" are known'
    name, turns = content.get("id"), content.get("turns")
    if not isinstance(name, str) or not name:
        return f'"id" is {_json(name)}: must be a text that names the conversation'
    if name in first_seen:
        return f'"id" {quoted(name)} is already on line {first_seen[name]}: give each conversation its own'
    first_seen[name] = number
    if not isinstance(turns, list) or not turns:
        return '"turns" must be a list of at least one user line'
    for place, line in enumerate(turns, start=1):
        if not isinstance(line, str) or not line.strip():
            return f'"turns" line {place} is {_json(line)}: must be a text that is not empty'
    return None


def _json(value: object) -> str:
    """A value as the file has it, its first 40 characters."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= 40 else f"{text[:40]}…"
