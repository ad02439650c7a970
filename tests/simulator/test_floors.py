"""The simulator's packages import only lower floors or their own package, and no modules import in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from simulator.schedulers.registry import scheduler_kinds
from simulator.servers.registry import registered_servers

ROOT = Path(__file__).parents[2]
SIMULATOR = ROOT / "simulator"

# A family that is listed may be built upon by other families; all others stand one floor above these.
FLOORS = {
    "simulator.text": 0,
    "simulator.http": 0,
    "simulator.ground_truth": 0,
    "simulator.schedulers": 0,
    "simulator.faults": 1,
    "simulator.replies": 2,
    "simulator.engine": 3,
    "simulator.servers": 4,
    "simulator.servers.vllm": 5,
    "simulator.servers.tgi": 5,
    "simulator": 7,
}
FAMILY_FLOOR = 6


def modules() -> dict[str, Path]:
    """Every module of the simulator by its name."""
    found = {}
    for path in sorted(SIMULATOR.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def parsed(source: str) -> Sequence[ast.AST]:
    """Every node of a source."""
    return [*ast.walk(ast.parse(source))]


def imports(source: str, known: Iterable[str]) -> set[str]:
    """The modules of `known` that a source imports, imports inside functions too."""
    names: set[str] = set()
    for node in parsed(source):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, "relative import"
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & set(known)
            names |= inside or {node.module}
    return {name for name in names if name in known}


def room_and_floor(module: str) -> tuple[str, int]:
    """The package that a module belongs to, and that package's floor."""
    parts = module.split(".")
    family = ".".join(parts[:3])
    if family.startswith("simulator.servers.") and (ROOT / family.replace(".", "/")).is_dir():
        return family, FLOORS.get(family, FAMILY_FLOOR)
    room = max((name for name in FLOORS if f"{module}.".startswith(f"{name}.")), key=len)
    return room, FLOORS[room]


def wrong_imports(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Every import of a package that does not stand lower."""
    wrong = []
    for module, names in graph.items():
        here, floor = room_and_floor(module)
        for name in names:
            there, lower = room_and_floor(name)
            if there != here and lower >= floor:
                wrong.append(f"{module} imports {name}")
    return wrong


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """One circle of imports, [] if there is none. A package's `__init__` counts as a module of its own."""
    done: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        path.append(module)
        for name in sorted(graph[module]):
            found = visit(name)
            if found:
                return found
        path.pop()
        done.add(module)
        return []

    for module in graph:
        found = visit(module)
        if found:
            return found
    return []


@cache
def import_graph() -> Mapping[str, set[str]]:
    known = modules()
    return {name: imports(path.read_text(encoding="utf-8"), known) - {name} for name, path in known.items()}


def test_every_module_imports_only_lower_floors() -> None:
    assert wrong_imports(import_graph()) == []


def test_no_modules_import_in_a_circle() -> None:
    assert circle(import_graph()) == []


def test_every_package_has_a_floor() -> None:
    packages = {f"simulator.{path.parent.name}" for path in SIMULATOR.glob("*/__init__.py")}
    assert packages == {name for name in FLOORS if name.count(".") == 1}


def test_the_simulator_imports_nothing_else_of_this_project() -> None:
    for name, path in modules().items():
        for node in parsed(path.read_text(encoding="utf-8")):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for each in names:
                assert each.split(".")[0] not in ("chatload", "lab", "plots"), name


def test_no_server_is_named_outside_its_folder() -> None:
    """Servers differ by what their folders declare, never by a comparison with a name elsewhere."""
    names = {
        *registered_servers(),
        *scheduler_kinds(),
        *(kind.cost_family for kind in scheduler_kinds().values()),
    }
    for module, path in modules().items():
        if module.startswith("simulator.schedulers.") or room_and_floor(module)[1] in (5, FAMILY_FLOOR):
            continue
        for node in parsed(path.read_text(encoding="utf-8")):
            assert not (isinstance(node, ast.Constant) and node.value in names), f"{module}:{node.lineno}"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("simulator.http.listener", "simulator.replies.reply"),
        ("simulator.schedulers.tgi_3", "simulator.engine.engine"),
        ("simulator.servers.handler", "simulator.servers.vllm.handler"),
        ("simulator.servers.vllm.handler", "simulator.servers.tgi.handler"),
        ("simulator.servers.sglang.handler", "simulator.servers.lmdeploy.handler"),
        ("simulator.servers.handler", "simulator.server"),
    ],
)
def test_a_wrong_import_is_found(module: str, name: str) -> None:
    assert wrong_imports({**import_graph(), module: {name}}) == [f"{module} imports {name}"]


def test_a_circle_is_found_across_modules_and_inside_functions() -> None:
    known = {"a", "b", "c"}
    sources = {"a": "from b import x", "b": "def f():\n    import c", "c": "from a import y"}
    graph = {name: imports(source, known) for name, source in sources.items()}
    assert circle(graph) == ["a", "b", "c", "a"]
    assert circle({**graph, "c": set()}) == []
