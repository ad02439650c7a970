"""Manifests of older formats are read as today's."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from chatload.loads.chat import ChatLoad
from chatload.store.manifest import read_manifest, write_json


@pytest.mark.parametrize(
    ("words", "label"),
    [("vLLM 0.33.0 (GET /version)", "vLLM 0.33.0"), ("openai server", "openai server"), ("", "")],
)
def test_its_server_has_a_label_and_its_load_a_kind(tmp_path: Path, words: str, label: str) -> None:
    content = {
        "format": 1,
        "plan": {"users": 3, "turns": 2, "think_time_s": 1.0},
        "server": {"host": "http://gpu:8000", "words": words},
    }
    (tmp_path / "manifest.json").write_bytes(orjson.dumps(content))
    found = read_manifest(tmp_path)
    assert (found.server.label, found.server.words) == (label, words)
    assert isinstance(found.load, ChatLoad)
    assert (found.load.users, found.load.turns) == (3, 2)


@pytest.mark.parametrize("version", [1, 2])
def test_what_has_another_name_since_format_3_is_read_by_its_old_one(tmp_path: Path, version: int) -> None:
    capacity = {"users": 4, "ladder": [{"users": 4, "verdict": "met", "passed": True, "turns": 9, "slo": []}]}
    content = {"format": version, "run_id": "a", "caveats": ["late"], "capacity": capacity}
    (tmp_path / "manifest.json").write_bytes(orjson.dumps(content))
    found = read_manifest(tmp_path)
    assert (found.run_id, found.warnings) == ("a", ["late"])
    assert found.capacity is not None and [level.users for level in found.capacity.levels] == [4]
    write_json(tmp_path / "manifest.json", found)
    written = orjson.loads((tmp_path / "manifest.json").read_bytes())
    assert written["warnings"] == ["late"] and "caveats" not in written and "levels" in written["capacity"]
