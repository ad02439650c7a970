"""Reads files of conversations (JSONL): the user lines of one conversation a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from chatload.files import Mistakes, quoted, read_lines

SHIPPED_CONVERSATIONS = Path(__file__).parents[2] / "scenarios" / "prompts" / "conversations.jsonl"
"""The conversations that are used where no file is named."""


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
    mistakes.raise_all()
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
