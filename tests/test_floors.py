"""The floors of the house (docs/architecture.md): a module imports lower floors or its own folder, no other."""

from __future__ import annotations

import ast
import re
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
    "chatload.locust_start": 0,
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


def imported(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name.replace("chatload.", "chatload.scenario.") if name in PUBLIC else name for name in names]


@pytest.mark.parametrize(
    ("module", "path"), modules(), ids=lambda value: str(value) if isinstance(value, str) else ""
)
def test_a_module_imports_only_lower_floors_or_its_own_room(module: str, path: Path) -> None:
    here = room(module)
    for name in imported(path):
        top = name.split(".")[0]
        if top in ("chatload", "simulator", "plots", "lab"):
            there = room(name)
            version = name in ("chatload", "chatload.__version__")
            assert there == here or version or FLOORS[there] < FLOORS[here], f"{module} imports {name}"
            if "simulator" in (module.split(".")[0], top) and here != "lab":
                assert module.split(".")[0] == top, f"{module} imports {name}: the simulator shares no code"
        elif top in ONLY_IN:
            assert module.startswith(ONLY_IN[top]), f"{module} imports {name}, which only {ONLY_IN[top]} may"


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
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in list(ast.walk(tree)):  # what is imported for types only, or later, makes no circle
            if isinstance(node, ast.If | ast.FunctionDef):
                node.body = [ast.Pass()]
        told = {
            f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
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
