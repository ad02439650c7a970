"""The floors of the house (docs/architecture.md): a module imports lower floors or its own folder, no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

import chatload

ROOT = Path(__file__).parents[1]

FLOORS = {
    "chatload": 14,
    "chatload.model": 0,
    "chatload.files": 1,
    "chatload.protocols": 1,
    "chatload.prompts": 2,
    "chatload.options": 3,
    "chatload.loads": 4,
    "chatload.store": 5,
    "chatload.engine": 5,
    "chatload.analysis": 6,
    "chatload.interop": 7,
    "chatload.render": 8,
    "chatload.runner": 9,
    "chatload.certify": 9,
    "chatload.live": 10,
    "chatload.locust_setup": 11,
    "chatload.starter": 13,
    "chatload.locust_help": 0,
    "chatload.locust_start": 10,
    "chatload.scenario": 12,
    "chatload.cli": 11,
    "chatload.__main__": 12,
    "plots": 9,
    "simulator": 0,
    "lab": 13,
}

ONLY_IN = {
    "locust": (
        "chatload.runner.locust_patches",
        "chatload.runner.locust_process",
        "chatload.runner.locust_users",
        "chatload.runner.scenario_user",
        "chatload.live",
        "chatload.locust_setup",
        "chatload.locust_start",
        "chatload.starter",
    ),
    "gevent": ("chatload.engine", "chatload.runner", "chatload.live", "chatload.locust_setup"),
    "geventhttpclient": ("chatload.engine",),
    "flask": ("chatload.live",),
    "sseclient": ("chatload.protocols",),
    "matplotlib": ("plots",),
    "numpy": ("plots",),
    "pyarrow": ("chatload.files",),
}

FORBIDDEN_NAMES = {"utils", "common", "base", "core", "helpers", "misc"}


def modules() -> list[tuple[str, Path]]:
    found = []
    for package in ("chatload", "simulator", "plots", "lab"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "baselines" in path.parts:  # locustfiles as others write them, that ours are measured against
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def room(module: str) -> str:
    """The longest entry of FLOORS that is this module or a package around it."""
    fitting = [name for name in FLOORS if module == name or module.startswith(name + ".")]
    return max(fitting, key=len)


PUBLIC = {f"chatload.{name}" for name in chatload.__all__} - {"chatload.__version__"}
"""What `from chatload import …` gives: the names of chatload.scenario."""


@cache
def import_statements(path: Path) -> Sequence[tuple[str, bool]]:
    """What a module imports, and whether it does when it is imported itself: not later, nor for types only."""
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, at_once: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend((alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found.extend((f"{node.module}.{alias.name}", at_once) for alias in node.names)
        elif isinstance(node, ast.stmt | ast.Module | ast.excepthandler | ast.match_case):
            later = isinstance(node, ast.If | ast.FunctionDef)
            for name, value in ast.iter_fields(node):
                for one in value if isinstance(value, list) else ():
                    visit(one, at_once and not (later and name == "body"))

    visit(ast.parse(path.read_text(encoding="utf-8")), True)
    return found


def imported(path: Path) -> list[str]:
    names = [name for name, _ in import_statements(path)]
    return [name.replace("chatload.", "chatload.scenario.") if name in PUBLIC else name for name in names]


def wrong_imports(module: str, names: Iterable[str]) -> Iterator[str]:
    here = room(module)
    for name in names:
        top = name.split(".")[0]
        if top in ("chatload", "simulator", "plots", "lab"):
            there = room(name)
            version = name in ("chatload", "chatload.__version__")
            if not (there == here or version or FLOORS[there] < FLOORS[here]):
                yield f"{module} imports {name}"
            if "simulator" in (module.split(".")[0], top) and here != "lab" and module.split(".")[0] != top:
                yield f"{module} imports {name}: the simulator shares no code"
        elif top in ONLY_IN and not module.startswith(ONLY_IN[top]):
            yield f"{module} imports {name}, which only {ONLY_IN[top]} may"


def test_modules_import_only_lower_floors_or_their_own_room() -> None:
    found = [words for module, path in modules() for words in wrong_imports(module, imported(path))]
    assert found == []


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("chatload.model.turn", "chatload.store.journal.Run"),
        ("chatload.render.text", "chatload.cli.report"),
        ("simulator.server", "chatload.model.turn"),
        ("chatload.analysis.summary", "simulator.server"),
        ("chatload.analysis.summary", "numpy"),
        ("chatload.render.html", "matplotlib.figure"),
    ],
)
def test_a_wrong_import_is_told(module: str, name: str) -> None:
    told = list(wrong_imports(module, ["re", name]))
    assert told and all(words.startswith(f"{module} imports {name}") for words in told)


def test_no_floor_is_missing_from_the_table() -> None:
    """The simulator's own floors stand in tests/simulator/test_floors.py."""
    tops = {".".join(m.split(".")[:2]) for m, _ in modules() if m.startswith("chatload.")}
    assert tops <= set(FLOORS), f"give {tops - set(FLOORS)} a floor"


def test_no_pit_for_everything() -> None:
    for module, _ in modules():
        assert not FORBIDDEN_NAMES & set(module.split(".")), module


def test_locustfiles_are_short_and_named_unlike_packages() -> None:
    for path in (ROOT / "locustfiles").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 60, path
        assert path.stem not in ("chatload", "simulator", "plots"), path


def test_the_page_on_architecture_tells_the_same_layers() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `([a-z_/.]+)`", page.split("## The simulator")[0], re.MULTILINE)
    told = {name.removesuffix("/").removesuffix(".py").replace("/", "."): int(layer) for layer, name in rows}
    assert told == {name: layer for name, layer in FLOORS.items() if name not in ("chatload", "simulator")}


def imports_inside(package: Path) -> dict[str, set[str]]:
    """The modules of a package, and which of the same package each imports when it is imported itself."""
    name = ".".join(package.relative_to(ROOT).parts)
    found: dict[str, set[str]] = {}
    for path in package.rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        told = {one for one, at_once in import_statements(path) if at_once}  # the others make no circle
        found[module] = {one for one in told if one.startswith(f"{name}.")}
    return {
        module: {known for one in names for known in (one, one.rpartition(".")[0]) if known in found}
        - {module}
        for module, names in found.items()
    }


@pytest.mark.parametrize(
    "package", sorted(path.parent.name for path in (ROOT / "chatload").glob("*/__init__.py"))
)
def test_no_package_has_a_circle_of_imports(package: str) -> None:
    left = imports_inside(ROOT / "chatload" / package)
    while free := [module for module, names in left.items() if not names & left.keys()]:
        for module in free:
            del left[module]
    assert not left, f"each of these imports another of them: {sorted(left)}"
