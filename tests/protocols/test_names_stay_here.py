"""Code outside protocols/ asks a dialect or a server kind for what it can do, never for its name."""

from __future__ import annotations

import ast
from pathlib import Path

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


def names_in(text: str) -> set[str]:
    """The names of dialects and servers that are constants of a source."""
    if not any(name in text for name in NAMES):
        return set()
    return {
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES
    }


def test_no_name_of_a_dialect_or_server_is_written_elsewhere() -> None:
    found = {
        (str(path.relative_to(ROOT)), name)
        for path in FILES
        for name in names_in(path.read_text(encoding="utf-8"))
    }
    assert found == ALLOWED


def test_a_name_is_found_where_it_is_a_constant() -> None:
    source = 'vllm = 1  # "vllm"\nif server == "tgi" or server.startswith("vllm is"): pass'
    assert names_in(source) == {"tgi"}
