"""Finds scenarios and locustfiles by path or by name, and makes Locust's arguments that work in any folder."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chatload.files.packaged import LOCUSTFILES, SCENARIOS, packaged, packaged_names
from chatload.loads.registry import SHAPES
from chatload.model.errors import UsageError
from chatload.model.nearest import did_you_mean
from chatload.options.option import Option
from chatload.options.run_options import OPTIONS

SCENARIO_SUFFIXES = (".toml", ".conf", ".ini", ".cfg")
CONFIG_FLAGS = ("--config",)
LOCUSTFILE_FLAGS = ("-f", "--locustfile")
READ_BY_LOCUST = ("locustfile.py", "locust.conf", "pyproject.toml", str(Path.home() / ".locust.conf"))
"""Files that Locust reads where none is named."""


def locust_arguments(argv: Sequence[str]) -> list[str]:
    """The arguments of Locust for those of `chatload run`: [SCENARIO or LOCUSTFILE, then] options of Locust and ours.

    Scenarios and locustfiles are found by path, else by name among those of chatload. A scenario's locustfile and
    files may be relative to the working directory, or to the scenario's folder or the one above. UsageError where
    something is not found.
    """
    what, rest = (argv[0], list(argv[1:])) if argv and not argv[0].startswith("-") else ("", list(argv))
    config, rest = _taken(rest, CONFIG_FLAGS)
    locustfile, rest = _taken(rest, LOCUSTFILE_FLAGS)
    if what:
        path = _named(what)
        if path is not None and path.suffix in SCENARIO_SUFFIXES:
            config = config or str(path)
        else:
            locustfile = locustfile or (str(path) if path is not None else what)
    if not (config or locustfile):
        if not _is_found_by_locust():
            raise UsageError([f"name a scenario or a locustfile first: {_choices()}"])
        return rest
    found: list[str] = []
    if config:
        scenario = scenario_file(config)
        found += ["--config", str(scenario)]
        values = _values(scenario)
        found += _paths_of(scenario, values, rest, locustfile=not locustfile)
        found += _quiet(values, rest)
    if locustfile:
        found += ["-f", ",".join(_locustfile(one) for one in locustfile.split(","))]
        found += [] if config else _brief(rest)
    return [*found, *rest]


def _is_found_by_locust() -> bool:
    """Whether a locustfile may be named where Locust itself looks."""
    return "LOCUST_LOCUSTFILE" in os.environ or any(Path(name).is_file() for name in READ_BY_LOCUST)


def scenario_file(name: str, option: str = "") -> Path:
    """The scenario of this path or name. UsageError, which begins with `option`, where there is none."""
    path = Path(name)
    if path.is_file():
        return path
    found = _packaged(name, SCENARIOS, ".toml")
    if found is None:
        raise UsageError(
            [
                f"{option} {name!r}: no such file{_near(name, SCENARIOS)}: name a scenario by its path, or one of "
                f"{_names(SCENARIOS)}".strip()
            ]
        )
    return found


def _named(what: str) -> Path | None:
    """The scenario or locustfile of this path or name; None for a list of locustfiles and for an address."""
    if "," in what or "://" in what:
        return None
    if Path(what).exists():
        return Path(what)
    found = _packaged(what, SCENARIOS, ".toml") or _packaged(what, LOCUSTFILES, ".py")
    if found is None:
        near = _near(what, SCENARIOS, LOCUSTFILES)
        raise UsageError([f"{what!r}: no such scenario or locustfile{near}: name a file, or {_choices()}"])
    return found


def _locustfile(name: str) -> str:
    """The path of a locustfile, or the name as it is, for Locust to say what is wrong with it."""
    found = None if Path(name).exists() else _packaged(name, LOCUSTFILES, ".py")
    return name if found is None else str(found)


def _packaged(name: str, folder: str, suffix: str) -> Path | None:
    """A file of chatload's own: by name, with its suffix or not, and with its folder or not."""
    path = Path(name)
    if path.suffix == suffix:
        path = path.with_suffix("")
    if str(path.parent) not in (".", folder):
        return None
    found = packaged(folder) / f"{path.name}{suffix}"
    return found if found.is_file() else None


def _paths_of(
    scenario: Path, values: Mapping[str, Any], argv: Sequence[str], *, locustfile: bool
) -> list[str]:
    """Arguments that replace the relative paths of a scenario which are not below the working directory."""
    found: list[str] = []
    name = values.get("locustfile")
    if locustfile and name is None and values and not _is_found_by_locust():
        raise UsageError(
            [f"{scenario}: names no locustfile: one of {_names(LOCUSTFILES)}, or a file of yours"]
        )
    if locustfile and isinstance(name, str):
        path = _beside(scenario, name) or _packaged(name, LOCUSTFILES, ".py")
        if path is None and "," not in name and "://" not in name:
            raise UsageError([f"{scenario}: locustfile {name!r}: no such file here or beside the scenario"])
        found += ["-f", str(path or name)]
    for option in _file_options():
        value = values.get(option.name, values.get(option.key))
        named = option.file_in(value) if isinstance(value, str) else ""
        if named and not _gives(argv, f"--{option.name}") and not Path(named).exists():
            path = _beside(scenario, named)
            found += [f"--{option.name}", value.replace(named, str(path))] if path is not None else []
    return found


def _quiet(values: Mapping[str, Any], argv: Sequence[str]) -> list[str]:
    """The argument that leaves out Locust's own notes of a headless run, beside which ours tell the same."""
    headless = values.get("headless") is True or _gives(argv, "--headless")
    asked = any(_gives(argv, name) for name in ("--headful", "--loglevel", "-L", "--master", "--worker"))
    return ["--loglevel", "WARNING"] if headless and not asked and "loglevel" not in values else []


def _brief(argv: Sequence[str]) -> list[str]:
    """Arguments for a headless run without a scenario: our line of progress, and Locust's table at the end only."""
    quiet = _quiet({}, argv)
    return [*quiet, *([] if _gives(argv, "--only-summary") else ["--only-summary"])] if quiet else []


def _gives(argv: Sequence[str], option: str) -> bool:
    return any(word.partition("=")[0] == option for word in argv)


def _file_options() -> Iterator[Option[object]]:
    """The options that may name a file which is read."""
    options = dict.fromkeys((*OPTIONS, *(one for shape in SHAPES.values() for one in shape.options)))
    return (one for one in options if one.name != "out")


def _beside(scenario: Path, name: str) -> Path | None:
    """The file of this name in the working directory, the scenario's folder or the folder above."""
    places = (Path(), scenario.parent, scenario.absolute().parent.parent)
    return next((place / name for place in places if (place / name).exists()), None)


def _values(scenario: Path) -> Mapping[str, Any]:
    """What a TOML scenario holds for Locust; nothing for Locust's other forms. UsageError where it is no TOML."""
    if scenario.suffix != ".toml":
        return {}
    try:
        text = scenario.read_text(encoding="utf-8")
        if text.startswith("\ufeff"):  # as Windows' editors write it
            raise UsageError(
                [f"{scenario}: begins with a byte order mark: save it as UTF-8 without one (no BOM)"]
            )
        found = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise UsageError([f"{scenario}: cannot be read as TOML: {error}"]) from error
    tool = found.get("tool")
    values = tool.get("locust") if isinstance(tool, dict) else None
    if not isinstance(values, dict):
        raise UsageError(
            [f"{scenario}: holds no [tool.locust]: Locust reads a scenario's options from that table"]
        )
    return values


def _taken(argv: Sequence[str], flags: Sequence[str]) -> tuple[str, list[str]]:
    """The last value of a flag, and the arguments without it."""
    value, rest = "", []
    words = iter(argv)
    for word in words:
        name, equals, given = word.partition("=")
        if name in flags and equals:
            value = given
        elif word in flags:
            value = next(words, "")
        else:
            rest.append(word)
    return value, rest


def _near(name: str, *folders: str) -> str:
    """“ (did you mean chat-100?)”: the likeliest of chatload's own names; empty where none is like it."""
    names = [
        one for folder in folders for one in packaged_names(folder, ".toml" if folder == SCENARIOS else ".py")
    ]
    return did_you_mean(Path(name).stem, names, 0.7)


def _choices() -> str:
    return f"a scenario ({_names(SCENARIOS)}) or a locustfile ({_names(LOCUSTFILES)}) of chatload"


def _names(folder: str) -> str:
    return ", ".join(packaged_names(folder, ".toml" if folder == SCENARIOS else ".py"))
