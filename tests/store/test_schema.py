"""Every fixture fits the published schemas, and the schemas know every field we write."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from chatload.model.errors import CODES
from chatload.model.turn import Turn
from chatload.model.turn_metrics import TURN_METRICS
from chatload.render.run_files import summary_of
from chatload.store.journal import read_run
from tests.runs_builder import HERE

DOCS = Path(__file__).parents[2] / "docs"
RUNS = sorted(folder.name for folder in HERE.iterdir() if folder.is_dir())


def schema(name: str) -> Any:
    found = json.loads((DOCS / "schema" / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


@pytest.mark.parametrize("name", RUNS)
def test_journal_lines(name: str) -> None:
    validator, kinds = schema("journal-line"), set()
    for path in (HERE / name).glob("journal-*.jsonl"):
        for raw in path.read_text(encoding="utf-8").splitlines():
            try:
                line = json.loads(raw)
            except json.JSONDecodeError:
                continue
            validator.validate(line)
            kinds.add(line["kind"])
    assert kinds >= {"start", "end"}


@pytest.mark.parametrize("name", RUNS)
def test_manifest_and_summary(name: str) -> None:
    run = read_run(HERE / name)
    schema("manifest").validate(dict(run.manifest))
    schema("summary").validate(json.loads(json.dumps(summary_of(run), allow_nan=False)))


def test_schema_and_docs_know_every_field_of_a_turn() -> None:
    turn = schema("journal-line").schema["oneOf"][1]
    names = {field.name for field in fields(Turn)}
    assert set(turn["properties"]) == names | {"kind"}
    words = (DOCS / "record-format.md").read_text(encoding="utf-8")
    assert [name for name in sorted(names) if name not in words] == []


def test_schema_refuses_what_is_wrong() -> None:
    line = json.loads((HERE / "tiny" / "journal-local.jsonl").read_text(encoding="utf-8").splitlines()[1])
    for key, value in (("due_ns", "soon"), ("code", "bad luck"), ("tokens", -1), ("gaps_us", [-5])):
        assert not schema("journal-line").is_valid({**line, key: value})


def test_docs_name_every_metric_and_code() -> None:
    words = (DOCS / "metrics.md").read_text(encoding="utf-8")
    missing = [name for name in [*TURN_METRICS, *CODES, "gap_ms", "itl_ms"] if f"`{name}`" not in words]
    assert missing == []
    for code, meaning in CODES.items():
        assert f"| `{code}` | {meaning} |" in words
