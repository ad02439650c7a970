"""`chatload prompts describe FILE…`: what files of prompts, datasets and traces hold, and what is left out of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chatload.files.columns import plain
from chatload.files.reading import Mistakes
from chatload.files.records import Records
from chatload.loads.trace import read_trace
from chatload.loads.trace_columns import TIME_UNITS, UNITS
from chatload.loads.trace_description import of_trace
from chatload.loads.trace_sessions import TURNS
from chatload.model.errors import UsageError
from chatload.model.sanitize import json_text, one_line
from chatload.options.command_parser import Parser
from chatload.prompts.conversation_file import load_conversations
from chatload.prompts.description import Description, Lengths, of_conversations
from chatload.render.blocks import Facts, Items, Section, Table
from chatload.render.text import text_of
from chatload.render.text_table import number

AUTO, PROMPTS, TRACE = "auto", "prompts", "trace"
FIRST_CHARACTERS = 200


def prompts(argv: Sequence[str]) -> int:
    """Run `chatload prompts`; returns the exit code."""
    parser = Parser("prompts", description="Look into files of prompts before a run.")
    forms = parser.add_subparsers(dest="what", required=True, metavar="WHAT", parser_class=Parser)
    describe = forms.add_parser(
        "describe", help="conversations, turns, lengths, and what is left out and why"
    )
    describe.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        type=Path,
        help="what --prompts or --trace names: a file, or a dataset's folder",
    )
    describe.add_argument(
        "--as",
        choices=(AUTO, PROMPTS, TRACE),
        default=AUTO,
        dest="kind",
        help="how to read it; auto: a trace where its rows have times and no prompts, or turns with delays",
    )
    describe.add_argument("--prompts-column", default="", metavar="NAME", help="as the option of a run")
    describe.add_argument(
        "--trace-unit", choices=("auto", *UNITS), default="auto", help="as the option of a run"
    )
    describe.add_argument("--format", choices=("text", "json"), default="text")
    chosen = parser.parse_args(argv)
    unit = "" if chosen.trace_unit == "auto" else chosen.trace_unit
    found: list[Description] = []
    mistakes: list[str] = []
    for path in chosen.files:
        try:
            found.append(_described(path, chosen.kind, chosen.prompts_column, unit))
        except UsageError as error:
            mistakes += error.lines
    if mistakes:
        raise UsageError(mistakes)
    if chosen.format == "json":
        contents = msgspec.to_builtins(found)
        sys.stdout.write(json_text(contents[0] if len(contents) == 1 else contents))
    else:
        sys.stdout.write("\n".join(map(description_text, found)))
    return 0


def _described(path: Path, kind: str, column: str, unit: str) -> Description:
    """What a file holds. UsageError where it cannot be read."""
    if (kind_of(path) if kind == AUTO else kind) == TRACE:
        return of_trace(str(path), read_trace(path, unit))
    file = load_conversations(path, column)
    return of_conversations(str(path), file.scripts, file.notes)


def kind_of(path: Path) -> str:
    """Whether the first record of a file is one of a trace: it has a time and no prompt, or turns with delays."""
    first = next(iter(Records(path, "give a file", Mistakes(path))), None)
    content = first.content if first is not None else None
    if not isinstance(content, dict):
        return PROMPTS
    turns = content.get(TURNS)
    objects = [one for one in turns if isinstance(one, dict)] if isinstance(turns, list) else []
    if any({"delay", "timestamp"} & one.keys() for one in objects):
        return TRACE
    texts = {"messages", "conversations", "conversation", "prompt", "turns"} & content.keys()
    return TRACE if not texts and any(plain(str(name)) in TIME_UNITS for name in content) else PROMPTS


def description_text(found: Description) -> str:
    """A description for the terminal."""
    pairs = [
        ("Read as", found.kind),
        ("Conversations", f"{found.conversations:,}"),
        ("Turns", f"{found.turns:,}"),
    ]
    if found.system_messages:
        pairs.append(("System messages", f"{found.system_messages:,}"))
    if found.images:
        pairs.append(("Images", f"{found.images:,}, whose tokens are not estimated"))
    if found.seconds is not None:
        rate = f", {number(found.requests_per_s)} requests/s" if found.requests_per_s else ""
        pairs.append(("Length", f"{number(found.seconds)} s{rate}"))
    if found.first:
        pairs.append(("First prompt", one_line(found.first, FIRST_CHARACTERS)))
    estimate = ", estimated" if found.estimated else ""
    rows = [
        _row(words, one)
        for words, one in (
            ("turns of a conversation", found.turns_each),
            (f"prompt, tokens{estimate}", found.prompt_tokens),
            ("answer, tokens", found.answer_tokens),
            ("time after a reply, s", found.think_s),
        )
        if one is not None
    ]
    heads = ["", "n", "min", "mean", "p50", "p95", "p99", "max"]
    sections = [Section("What it holds", [Facts(pairs), *([Table([heads, *rows])] if rows else [])])]
    if found.notes:
        notes = [words.partition(": ")[2] or words for words in found.notes]
        sections.append(Section("Left out, and how it is read", [Items(notes)]))
    return text_of([one_line(found.file, 200)], sections)


def _row(words: str, one: Lengths) -> list[str]:
    return [words, f"{one.n:,}", *map(number, (one.min, one.mean, one.p50, one.p95, one.p99, one.max))]
