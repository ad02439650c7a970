"""Reads files of conversations (JSONL): the user lines of one conversation a line."""

from __future__ import annotations

from pathlib import Path

import orjson

from chatload.files.reading import Mistakes, quoted, read_lines

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
        try:
            scripts.append(_script(row, first_seen, number))
        except _RowMistake as mistake:
            mistakes.add(str(mistake), number)
    if not first_seen and (rows > 1 or not mistakes.lines):  # no row can be read: report one mistake
        mistakes = Mistakes(path)
        mistakes.add(f"holds no conversation: write one a line in UTF-8, {_EXAMPLE}", first or None)
    mistakes.raise_all()
    return scripts


_EXAMPLE = '{"id": "tea", "turns": ["How long should green tea steep?", "And black tea?"]}'


class _RowMistake(Exception):
    """A mistake in one row, with the remedy."""


def _script(row: bytes, first_seen: dict[str, int], number: int) -> list[str]:
    """The user lines of one row; its id is added to `first_seen`. Raises _RowMistake."""
    try:
        content = orjson.loads(row)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise _RowMistake(f"not a JSON object in UTF-8: write {_EXAMPLE}")
    unknown = sorted(content.keys() - {"id", "turns"})
    if unknown:
        raise _RowMistake(f'unknown key {quoted(unknown[0])}: only "id" and "turns" are known')
    name, turns = content.get("id"), content.get("turns")
    if not isinstance(name, str) or not name:
        raise _RowMistake(f'"id" is {_json(name)}: must be a text that names the conversation')
    if name in first_seen:
        raise _RowMistake(
            f'"id" {quoted(name)} is already on line {first_seen[name]}: give each conversation its own'
        )
    first_seen[name] = number
    if not isinstance(turns, list) or not turns:
        raise _RowMistake('"turns" must be a list of at least one user line')
    for place, line in enumerate(turns, start=1):
        if not isinstance(line, str) or not line.strip():
            raise _RowMistake(f'"turns" line {place} is {_json(line)}: must be a text that is not empty')
    return turns


def _json(value: object) -> str:
    """A value as the file has it, its first 40 characters."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= 40 else f"{text[:40]}…"
