"""Every fixture fits the published schemas, and the schemas know every field we write."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from chatload.analysis.summary import summarise
from chatload.model.errors import CODES
from chatload.model.metrics import View, metrics_in
from chatload.model.summary import content_of
from chatload.model.turn import Turn
from chatload.store.journal import read_run
from lab.generate_docs import generated
from tests.long import size
from tests.runs_builder import HERE

DOCS = Path(__file__).parents[2] / "docs"
RUNS = sorted(folder.name for folder in HERE.iterdir() if folder.is_dir())


@cache
def schema(name: str) -> Any:
    found = json.loads((DOCS / "schema" / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


@pytest.mark.parametrize("name", RUNS)
def test_journal_lines(name: str) -> None:
    """Five lines of each kind, code and set of fields; all lines in `make test-long`."""
    validator, forms = schema("journal-line"), Counter[tuple[str, ...]]()
    for path in (HERE / name).glob("journal-*.jsonl"):
        for raw in path.read_text(encoding="utf-8").splitlines():
            try:
                line = json.loads(raw)
            except json.JSONDecodeError:
                continue
            form = (
                line["kind"],
                str(line.get("code")),
                *(f"{key}: {type(line[key])}" for key in sorted(line)),
            )
            forms[form] += 1
            if forms[form] <= size(1_000_000, 5):
                validator.validate(line)
    assert {kind for kind, *_ in forms} >= {"start", "end"}


@pytest.mark.parametrize("name", RUNS)
def test_manifest_and_summary(name: str) -> None:
    run = read_run(HERE / name)
    schema("manifest").validate(json.loads(msgspec.json.encode(run.manifest)))
    schema("summary").validate(json.loads(json.dumps(content_of(summarise(run)), allow_nan=False)))


def test_schema_and_docs_know_every_field_of_a_turn() -> None:
    turn = schema("journal-line").schema["$defs"]["Turn"]
    names = set(Turn.__struct_fields__)
    assert set(turn["properties"]) == names | {"kind"}
    words = (DOCS / "record-format.md").read_text(encoding="utf-8")
    assert [name for name in sorted(names) if name not in words] == []


def test_schema_refuses_what_is_wrong() -> None:
    line = json.loads((HERE / "tiny" / "journal-local.jsonl").read_text(encoding="utf-8").splitlines()[1])
    for key, value in (("due_ns", "soon"), ("code", 5), ("tokens", "many"), ("gaps_us", ["x"])):
        assert not schema("journal-line").is_valid({**line, key: value})


def test_docs_name_every_metric_and_code() -> None:
    words = (DOCS / "metrics.md").read_text(encoding="utf-8")
    missing = [
        name for name in [*(one.key for one in metrics_in(View.SUMMARY)), *CODES] if f"`{name}`" not in words
    ]
    assert missing == []
    for code, meaning in CODES.items():
        assert f"| `{code}` | {meaning} |" in words


def test_generated_docs_are_up_to_date() -> None:
    stale = [path.name for path, text in generated().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run make golden"
