"""Converts a CSV Data Set with a column of prompts to the option --prompts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from chatload.files.reading import shown
from chatload.files.records import (
    DELIMITERS,
    first_lines,
    first_row,
    likeliest_delimiter,
    possible_delimiters,
)
from chatload.interop.jmx.tree import Node
from chatload.interop.jmx.variables import Variables
from chatload.model.errors import UsageError

_ALONE = re.compile(r"\$\{(?:__escapeJson\(\$\{)?(\w+)(?:\}\))?\}")


@dataclass(slots=True)
class PromptColumn:
    """The options that read prompts from the file of a data set."""

    node: Node
    options: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)


def prompt_column(
    prompt: str, scope: tuple[Node, ...], variables: Variables, plan: Path
) -> PromptColumn | None:
    """The column, if the prompt consists of one variable that a CSV Data Set in scope defines; else None."""
    alone = _ALONE.fullmatch(prompt.strip())
    if alone is None:
        return None
    for node in scope:
        if node.kind != "CSVDataSet":
            continue
        sign = variables.resolve(node.setting("delimiter")) or ","
        delimiter = "\t" if sign == "\\t" else sign
        named = [name.strip() for name in variables.resolve(node.setting("variableNames")).split(",")]
        written = variables.resolve(node.setting("filename"))
        file = plan.parent / written  # JMeter looks beside the plan
        head = first_row(file, delimiter[:1]) if "${" not in written else None
        names = named if any(named) else head
        if names is None or alone[1] not in names:
            continue
        found = _column(node, str(file), names.index(alone[1]), head, named=any(named))
        _same_columns(found, file, delimiter, plan)
        return found
    return None


def _same_columns(found: PromptColumn, file: Path, delimiter: str, plan: Path) -> None:
    """UsageError if chatload would split the file's lines into other columns than JMeter.

    A .txt file of one column needs no --prompts-column: each of its lines is a prompt.
    """
    lines = first_lines(file)
    if not lines:
        return
    ours = (
        possible_delimiters(lines)
        if found.options.get("prompts-column", "1").isdecimal()
        else [likeliest_delimiter(lines[0])]
    )
    if ours == [delimiter] or (delimiter == "," and ours == []):
        return
    if not any(delimiter in line for line in lines):
        if file.suffix.lower() == ".txt":
            found.options.pop("prompts-column", None)
            return
        if not ours and not any(sign in line for line in lines for sign in DELIMITERS):
            return
    raise UsageError(
        [
            f"{plan}: {found.node.kind} {found.node.name[:80]!r}: {shown(file)} is divided by {delimiter[:5]!r}, and "
            'chatload could take another sign: save the column as JSON lines, {"prompt": "…"}, disable the data set, '
            "and set prompts in the scenario"
        ]
    )


def _column(node: Node, file: str, place: int, head: list[str] | None, *, named: bool) -> PromptColumn:
    found = PromptColumn(node, {"prompts": file})
    skips = node.on("ignoreFirstLine")
    if not named and head is not None:
        found.options["prompts-column"] = head[place]
    elif skips and head is not None and place < len(head):
        found.options["prompts-column"] = head[place].strip()
    elif skips:
        found.losses.append(
            f"{file!r} is not there, so the name of its column {place + 1} is not known: give --prompts-column"
        )
    else:
        found.options["prompts-column"] = str(place + 1)
    if head is None:
        found.losses.append(f"{file[:80]!r} is not there: put it there, or change prompts")
    found.notes.append("the lines are sent in the order of the file, one each turn, as its threads take them")
    if node.properties.get("recycle") == "false":
        found.losses.append("no recycle on EOF: the file is read from its start again")
    if node.setting("shareMode") not in ("", "shareMode.all"):
        found.losses.append(
            f"sharing mode {node.setting('shareMode')[:30]!r}: all users take lines of the file in turn"
        )
    return found
