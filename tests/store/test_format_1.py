"""Manifests that chatload 0.1 wrote are read as today's."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from chatload.loads.chat import ChatLoad
from chatload.store.manifest import read_manifest


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
