"""Writes the generated parts of docs/: JSON schemas of the typed facts, the tables of metrics and of options.

`python -m lab.generate_docs` writes them; with `--check` it names what is out of date and exits 1.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from chatload.loads.trace_columns import ANSWERS, DUE_COLUMN, FORMS, PROMPTS, TIMES, ZERO_IS_UNKNOWN
from chatload.model.errors import CODES
from chatload.model.journal_lines import JournalLine
from chatload.model.metrics import METRICS, View, metrics_in
from chatload.model.summary import INLINE, GroupSummary, Summary
from chatload.prompts.conversation_file import LINES, SYSTEMS, TEXTS, TWO_SPEAKERS
from chatload.prompts.messages import MESSAGES
from chatload.render.option_tables import option_markdown
from chatload.store.manifest import Manifest
from lab.truth_table.page import case_table
from lab.truth_table.tables import TABLES

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- begin: {name} (generated) -->", "<!-- end: {name} -->"


def generated() -> dict[Path, str]:
    """{file: what it must hold}."""
    return {
        DOCS / "schema" / "journal-line.json": _schema(JournalLine, "One line of journal-<worker>.jsonl"),
        DOCS / "schema" / "manifest.json": _schema(Manifest, "manifest.json of a run folder"),
        DOCS / "options.md": with_part(DOCS / "options.md", "options", option_markdown()),
        DOCS / "interchange.md": with_part(DOCS / "interchange.md", "columns of traces", _trace_columns()),
        DOCS / "prompts.md": with_part(DOCS / "prompts.md", "keys of conversations", _conversation_keys()),
        DOCS / "schema" / "summary.json": _schema(Summary, "summary.json of a run folder"),
        DOCS / "truth-table.md": with_part(DOCS / "truth-table.md", "cases", case_table(TABLES["openai"])),
        DOCS / "metrics.md": with_part(
            DOCS / "metrics.md", "codes of failures", _code_table(), _metrics_page()
        ),
    }


def main(argv: Sequence[str]) -> int:
    """Write what is out of date; with --check only name it."""
    stale = {path: text for path, text in generated().items() if path.read_text(encoding="utf-8") != text}
    for path, text in stale.items():
        if "--check" in argv:
            sys.stdout.write(f"{path.relative_to(DOCS.parent)}: out of date: run make golden\n")
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if stale and "--check" in argv else 0


def _schema(of: Any, title: str) -> str:
    """The JSON schema of a type. Readers ignore keys they do not know, so none are forbidden."""
    found = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **msgspec.json.schema(of),
    }
    if of is Summary:
        for part, view in ((Summary, View.SUMMARY), (GroupSummary, View.GROUPS)):
            _put_inline(found["$defs"], part, [one.key for one in metrics_in(view)])
    _dedent(found)
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _dedent(schema: Any) -> None:
    """Take the indentation out of all descriptions, which are docstrings: Python does so itself since 3.13."""
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _dedent(value)
    if isinstance(schema, dict) and isinstance(schema.get("description"), str):
        schema["description"] = inspect.cleandoc(schema["description"])


def _put_inline(defs: dict[str, Any], part: type[Summary | GroupSummary], metrics: Sequence[str]) -> None:
    """Replace the properties `throughput` and `metrics` of a part by theirs: so they stand in summary.json."""
    known = defs[part.__name__]
    values = known["properties"].pop("metrics")["additionalProperties"]
    del known["properties"]["throughput"]
    known["properties"] |= {**defs["Throughput"]["properties"], **dict.fromkeys(metrics, values)}
    known["required"] = [name for name in known["required"] if name not in INLINE]


def _metrics_page() -> str:
    return with_part(DOCS / "metrics.md", "metrics of a turn", _metric_table())


def _code_table() -> str:
    """Every code a turn may end with that is not good."""
    rows = [f"| `{code}` | {meaning} |" for code, meaning in CODES.items()]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


def _metric_table() -> str:
    """Every metric of a turn: label and key, formula, unit, note."""
    rows = ["| metric | formula | unit | notes |", "|---|---|---|---|"]
    rows += [
        f"| {one.label} `{one.key}` | {one.formula} | {one.unit} | {one.note} |".replace("|  |", "| |")
        for one in METRICS
        if View.SUMMARY in one.shown and one.of is not None
    ]
    return "\n".join(rows)


def _conversation_keys() -> str:
    """The keys of conversations that --prompts knows."""
    rows = ["| keys, looked for in this order | are |", "|---|---|"]
    rows += [
        f"| {', '.join(f'`{name}`' for name in names)} | {words} |"
        for names, words in (
            (
                MESSAGES,
                "messages: OpenAI's `role` and `content`, ShareGPT's `from` and `value`, also in `body`",
            ),
            (LINES, "the user's lines (ours, MT-bench)"),
            (
                TWO_SPEAKERS,
                "texts that both speakers say in turn (DailyDialog, UltraChat): every other one is sent",
            ),
            (TEXTS, "one text (`instruction` with `input`: both)"),
            (SYSTEMS, "the system message, beside one of those above"),
        )
    ]
    return "\n".join(rows)


def _trace_columns() -> str:
    """The columns that --trace knows, and the forms whose columns tell the unit."""

    def names(columns: Sequence[str]) -> str:
        return ", ".join(f"`{column}`" for column in columns)

    rows = ["| column | is | known names |", "|---|---|---|"]
    rows += [
        f"| time | s after the start of the run | {names([DUE_COLUMN])} |",
        f"| time | a date and time, a Unix time or a number; the smallest is the start | {names(TIMES)}; with `_s`, "
        "`_ms`, `_us`, `_ns` after it: in that unit |",
        f"| prompt | tokens | {names(PROMPTS)} |",
        f"| answer | tokens; 0 in {names(ZERO_IS_UNKNOWN)}: not known | {names(ANSWERS)} |",
        "",
        "| form | unit | told by its columns |",
        "|---|---|---|",
    ]
    rows += [f"| {form.name} | {form.unit} | {names(sorted(form.columns))} |" for form in FORMS]
    return "\n".join(rows)


def with_part(path: Path, name: str, part: str, text: str = "") -> str:
    """The file's text (or `text`, made of it) with the part between its markers replaced."""
    begin, end = BEGIN.format(name=name), END.format(name=name)
    text = text or path.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{path}: no markers of {name!r}")
    return f"{before}{begin}\n{part}\n{end}{after}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
