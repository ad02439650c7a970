"""Code outside protocols/ asks a dialect or a server kind for what it can do, never for its name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from chatload.protocols.registry import DIALECTS, SERVERS
from chatload.protocols.server_kinds import KINDS

ROOT = Path(__file__).parents[2]
NAMES = {*DIALECTS, *SERVERS, *(kind.title for kind in KINDS)}
ALLOWED = {
    ("chatload/cli/demo.py", "vllm"),  # the two simulators that it starts
    ("chatload/cli/demo.py", "tgi"),
    ("chatload/interop/replay_schedule.py", "vllm"),  # the tool `vllm bench serve`
}
FILES = sorted(
    path
    for package in ("chatload", "plots", "locustfiles")
    for path in (ROOT / package).rglob("*.py")
    if "protocols" not in path.parts
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_name_of_a_dialect_or_server_is_written_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if not any(name in text for name in NAMES):
        return
    words = [
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    name = str(path.relative_to(ROOT))
    assert {(name, word) for word in words if word in NAMES} <= ALLOWED
