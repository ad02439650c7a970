"""What a start form may name: the fields that are on it, and files of this project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chatload.live.start_request import outside_files, unknown_fields
from chatload.loads.registry import SHAPES
from chatload.options.run_options import OPTIONS

EVERYTHING = tuple(
    dict.fromkeys((*(option for shape in SHAPES.values() for option in shape.options), *OPTIONS))
)
FILES = tuple(option for option in EVERYTHING if option.names_file and option.name != "expect")
"""Options that are paths; --expect has some in its checks."""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    (made / "prompts").mkdir(parents=True)
    (made / "link").symlink_to("/etc")
    (made / "inner").symlink_to("prompts")
    (tmp_path / "disk").mkdir()
    (made / "results").symlink_to(tmp_path / "disk")
    return made


@pytest.mark.parametrize(
    ("asked", "good"),
    [
        ("", True),
        ("prompts/mine.json", True),
        ("new/deep", True),
        ("inner/x", True),
        ("results/run", True),
        ("prompts/../x", True),
        ("/given/at/start", True),
        (" prompts/x ", True),
        ("results", False),
        (".", False),
        ("/etc/passwd", False),
        ("../other", False),
        ("prompts/../../x", False),
        ("link/passwd", False),
        ("/proc/self/environ", False),
        ("~/x", True),
        ("x\0y", False),
        ("results/../../x", False),
        ("/given/at/start/../other", False),
        ("/given/at/start/below", False),
    ],
)
def test_files_of_a_form_lie_below_the_project(here: Path, asked: str, good: bool) -> None:
    for key in (one.key for one in FILES):
        lines = outside_files({key: asked}, FILES, {key: "/given/at/start"}, here)
        assert (lines == []) is good, key
        assert all(line.startswith(f"--{key.replace('_', '-')} ") and line.isprintable() for line in lines)


def test_a_folder_on_another_disk_is_told_at_once_with_every_other(here: Path) -> None:
    lines = outside_files({one.key: "/elsewhere" for one in FILES}, FILES, {}, here)
    assert [line.split()[0] for line in lines] == [f"--{one.name}" for one in FILES]


@pytest.mark.parametrize(
    ("asked", "good"), [("prompts/x", True), ("/etc/passwd", False), ("../other", False)]
)
def test_files_of_checks_lie_below_the_project_too(here: Path, asked: str, good: bool) -> None:
    (expect,) = (option for option in EVERYTHING if option.name == "expect")
    lines = outside_files({"expect": f"contains 'a'; json @{asked}"}, (expect,), {}, here)
    assert (lines == []) is good


def test_every_option_that_names_a_file_is_known() -> None:
    """An option whose help speaks of a file or folder is declared as a FileName."""
    speaking = {one.key for one in EVERYTHING if re.search(r"\b(file|folder)\b", one.help)}
    assert speaking == {one.key for one in FILES}  # the help of --expect says @FILE


def test_only_fields_of_the_form_are_taken() -> None:
    form = {
        "turns": "1",
        "host": "x",
        "html_file": "/x",
        "headers": "{}",
        "mine": "1",
        "api_key_host": "none",
    }
    lines = unknown_fields(form, (*SHAPES["chat"].options, *OPTIONS), lambda: ["mine", "headers"])
    assert [line.split(":")[0] for line in lines] == ["'headers'", "'html_file'"]
    assert unknown_fields({"trace": "x"}, (*SHAPES["open_loop"].options, *OPTIONS), list) == []
    assert len(unknown_fields({"trace": "x"}, (*SHAPES["chat"].options, *OPTIONS), list)) == 1
