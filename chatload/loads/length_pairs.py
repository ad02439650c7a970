"""Reads a file of pairs of lengths: prompt and answer of a turn, in tokens."""

from __future__ import annotations

from collections.abc import Mapping

from chatload.files.columns import plain
from chatload.files.reading import Mistakes, quoted
from chatload.files.records import Record, Records
from chatload.loads.trace_columns import ANSWERS, PROMPTS
from chatload.loads.turn_lengths import Pair
from chatload.options.ranges import MOST_TOKENS, whole

REMEDY = "give a file of pairs (CSV with a header, JSON lines or a JSON list)"
_EXAMPLE = '{"prompt_tokens": 512, "output_tokens": 128} or [512, 128]'
_TOKENS = whole(1, MOST_TOKENS)


class _PairMistake(Exception):
    """A mistake in one record."""


def load_pairs(path: str) -> tuple[Pair, ...]:
    """(prompt, answer) tokens of every record, columns as in traces. UsageError with the place of every mistake."""
    mistakes = Mistakes(path)
    pairs: list[Pair] = []
    for record in Records(path, REMEDY, mistakes):
        try:
            pairs.append(_pair(record))
        except _PairMistake as mistake:
            mistakes.add(str(mistake), record.line, record.item)
    if not pairs and not mistakes.lines:
        mistakes.add(f"holds no pair: write one a line, {_EXAMPLE}")
    mistakes.raise_all()
    return tuple(pairs)


def _pair(record: Record) -> Pair:
    content = record.content
    if record.problem:
        raise _PairMistake(f"{record.problem}: write {_EXAMPLE}")
    if isinstance(content, list) and len(content) == 2:
        return _tokens("the first number", content[0]), _tokens("the second number", content[1])
    if not isinstance(content, Mapping):
        raise _PairMistake(f"no pair of lengths: write {_EXAMPLE}")
    names = {plain(name): name for name in content}
    return _column(content, names, PROMPTS), _column(content, names, ANSWERS)


def _column(content: Mapping[str, object], names: Mapping[str, str], known: tuple[str, ...]) -> int:
    name = next((names[one] for one in known if one in names), None)
    if name is None:
        raise _PairMistake(f"has no column {known[0]} (or {known[1]}, {known[2]}, …)")
    return _tokens(name, content[name])


def _tokens(name: str, value: object) -> int:
    found = _TOKENS.read(value)
    if found is None:
        raise _PairMistake(f"{name} {quoted(value)}: must be {_TOKENS.words}")
    return int(found)
