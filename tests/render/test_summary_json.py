"""summary.json: golden files (`make golden` writes them anew), read back as they were written, old ones readable."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatload.analysis.summary import summarise
from chatload.model.summary import NAMES_OF_FORMAT_1, Summary, content_of, read_summary
from chatload.render.run_files import keep_summary
from chatload.store.journal import read_run
from tests.changes import replace
from tests.runs_builder import HERE, TINY, good_turns, manifest_of, write_run

GOLDEN = Path(__file__).parents[1] / "golden"
RUNS = ("vllm", "tgi", "tiny", "steady", "troubled", "unreachable")


def written(summary: Summary, folder: Path, name: str = "vllm") -> bytes:
    keep_summary(replace(read_run(HERE / name), folder=folder), summary)
    return (folder / "summary.json").read_bytes()


@pytest.mark.parametrize("name", RUNS)
def test_golden(name: str, tmp_path: Path) -> None:
    path = GOLDEN / f"summary-{name}.json"
    raw = written(summarise(read_run(HERE / name)), tmp_path, name)
    if os.environ.get("CHATLOAD_GOLDEN") == "update":
        path.write_bytes(raw)
    if sys.version_info >= (3, 12):  # sum() of floats has been more exact since: their last digits differ
        assert nearly(json.loads(raw)) == nearly(json.loads(path.read_bytes()))
        return
    assert raw == path.read_bytes(), "run `make golden` if this is meant, and read its diff"


def nearly(value: Any) -> Any:
    """The same with 9 digits of every float."""
    if isinstance(value, dict):
        return {key: nearly(one) for key, one in value.items()}
    if isinstance(value, list):
        return [nearly(one) for one in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


@pytest.mark.parametrize("name", RUNS)
def test_it_is_read_back_as_it_was_written(name: str, tmp_path: Path) -> None:
    summary = summarise(read_run(HERE / name))
    assert read_summary(written(summary, tmp_path, name)) == summary


def test_parts_of_a_run_are_read_back_too(tmp_path: Path) -> None:
    turns = [replace(turn, group=f"level {turn.turn}") for turn in good_turns(TINY)]
    manifest = manifest_of(TINY, turns, plan={"users": 1, "levels": [2, 2, 2], "rounds": 1})
    summary = summarise(read_run(write_run(tmp_path / "run", manifest, turns)))
    assert len(summary.groups) == 3
    assert read_summary(written(summary, tmp_path)) == summary


def test_a_summary_of_an_older_version_lacks_keys_and_one_of_a_newer_has_more() -> None:
    content = json.loads((GOLDEN / "summary-vllm.json").read_bytes())
    later = (
        "validity",
        "slo",
        "goodput",
        "incomplete",
        "slot_release",
        "abandoned",
        "groups",
        "warnings",
        "marks",
        "itl_ms",
    )
    old = {key: value for key, value in content.items() if key not in later}
    found = read_summary(json.dumps({**old, "a_new_key": {"n": 1}}).encode())
    assert (found.turns, found.metric("ttft_ms").n, found.metric("itl_ms").n) == (100, 100, 0)
    assert (found.validity.trustworthy, found.slo, found.warnings, found.groups) == (True, (), (), {})


def test_a_summary_of_format_1_is_read_by_its_names() -> None:
    content = json.loads((GOLDEN / "summary-troubled.json").read_bytes())
    assert content["format"] == 2 and content["warnings"]
    old_names = {now: then for then, now in NAMES_OF_FORMAT_1.items()}
    old = {old_names.get(key, key): value for key, value in content.items()} | {"format": 1}
    assert {"trust", "caveats", "abandonment"} <= set(old)
    found, now = (read_summary(json.dumps(one).encode()) for one in (old, content))
    assert msgspec.structs.replace(found, format=2) == now


@pytest.mark.parametrize("raw", [b"[]", b"{", b'{"turns": 1}', b'{"turns": "many"}'])
def test_what_is_no_summary_is_refused(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_summary(raw)


def test_a_metric_of_a_wrong_type_is_refused() -> None:
    content = content_of(summarise(read_run(HERE / "tiny")))
    with pytest.raises(msgspec.ValidationError):
        read_summary(json.dumps({**content, "ttft_ms": {"n": "six"}}).encode())
