"""The documentation fits 120 columns, and its paths, links and command lines exist."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path

import pytest
import yaml

from chatload.__main__ import COMMANDS
from chatload.cli.completion import LOCUST_FLAGS
from chatload.loads.registry import SHAPES
from chatload.options.run_options import OPTIONS
from deploy.docs_site import spaced
from tests.command import chatload

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
PAGES = [*READMES, *sorted((ROOT / "docs").glob("*.md"))]
EVERYTHING = [*PAGES, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs" / "decisions").glob("*.md"))]
FOLDERS = (
    "chatload",
    "simulator",
    "plots",
    "lab",
    "tests",
    "docs",
    "scenarios",
    "locustfiles",
    "deploy",
    "examples",
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines_of(path: Path) -> Iterator[tuple[int, str, bool]]:
    """(number, line, whether it is code) of a page; code is fenced or indented by four columns after a blank line."""
    fenced = indented = False
    before = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        indented = line.startswith("    ") and (indented or not before.strip())
        yield number, line, fenced or indented
        before = line


def code_lines(path: Path) -> list[str]:
    """The command lines of a page, continued ones joined: those in code and those in backticks."""
    text = "\n".join(line for _, line, code in lines_of(path) if code).replace("\\\n", " ")
    prose = "\n".join(line for _, line, code in lines_of(path) if not code)
    return [*text.splitlines(), *re.findall(r"`([^`\n]+)`", prose)]


def test_prose_has_at_most_120_columns() -> None:
    """Rows of tables and lines of code cannot be broken."""
    long = [
        f"{name_of(path)}:{number}: {len(line)} columns"
        for path in EVERYTHING
        for number, line, code in lines_of(path)
        if len(line) > 120 and not code and not line.lstrip().startswith(("|", "!["))
    ]
    assert long == []


def test_links_lead_somewhere() -> None:
    found = [(path, link) for path in EVERYTHING for link in links_of(path, r"\]\(([^)#\s]+)[^)]*\)")]
    missing = [(name_of(path), link) for path, link in found if not (path.parent / link).exists()]
    assert missing == []


def links_of(path: Path, pattern: str) -> list[str]:
    """The links of a page that lead to files."""
    links = re.findall(pattern, path.read_text(encoding="utf-8"))
    return [link for link in links if "://" not in link]


def test_paths_of_this_project_exist() -> None:
    """A path may be given below chatload/ or below the package of the page's own table."""
    tops = (ROOT, ROOT / "chatload", ROOT / "simulator", ROOT / "tests", ROOT / "chatload" / "runner")
    missing = []
    for path in PAGES:
        words = re.findall(r"`([\w./-]+/[\w./-]*)`", path.read_text(encoding="utf-8"))
        asked = [word for word in words if word.startswith(FOLDERS) or word.endswith(".py")]
        missing += [(name_of(path), word) for word in asked if not any((top / word).exists() for top in tops)]
    assert missing == []


def test_make_targets_and_modules_exist() -> None:
    targets = set(
        re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    for line in chain.from_iterable(map(code_lines, PAGES)):
        target = re.match(r"make ([a-z][\w-]+)", line.strip())
        assert target is None or target[1] in targets, line
        module = re.search(r"python -m ((?:lab|simulator|plots|chatload)[\w.]*)", line)
        if module:
            place = ROOT.joinpath(*module[1].split("."))
            assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), line


@lru_cache
def options_of(command: str) -> set[str]:
    """The flags in the help of `python -m chatload COMMAND`, or of Locust for the command "locust"."""
    if command == "locust":
        words = [sys.executable, "-m", "locust", "--help"]
        told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    else:
        told = chatload(*command.split(), "--help").output
    return set(re.findall(r"(?<![\w-])(--?[A-Za-z][\w-]*)", told))


def test_commands_of_chatload_exist_with_their_options() -> None:
    for line in chain.from_iterable(map(code_lines, PAGES)):
        found = re.search(
            r"(?:python -m chatload|^\s*(?:\$ |- (?:run: )?)?(?:\w+=\S+ )*chatload) "
            r"((?:export |prompts )?[^\s-]\S*)(.*)",
            line,
        )
        if not found or found[1] in (
            "COMMAND",
            "…",
            "complete",
            "simulate",
            "plots",
        ):  # the last two are other programs
            continue
        assert found[1].split()[0] in COMMANDS, line
        words = re.sub(r'"[^"]*"', "", found[2].partition("  #")[0].partition(" -- ")[0])
        known = options_of(found[1]) | set(LOCUST_FLAGS if found[1] == "run" else ())
        unknown = set(re.findall(r"(?<=\s)(--?[A-Za-z][\w-]*)", words)) - known
        assert {one for one in unknown if not one.startswith("-J")} == set(), line


@pytest.mark.e2e
def test_options_and_files_of_locust_lines_exist() -> None:
    ours = {f"--{one.name}" for shape in SHAPES.values() for one in (*shape.options, *OPTIONS)}
    for line in chain.from_iterable(map(code_lines, PAGES)):
        found = re.match(r"(?:\$ |- (?:run: )?)?(?:\w+=\S+ )*locust (-.*)", line.strip())
        if not found:
            continue
        words = re.sub(r'"[^"]*"', "", found[1].partition("  #")[0])
        assert set(re.findall(r"(?<!\S)(--?[A-Za-z][\w-]*)", words)) <= ours | options_of("locust"), line
        for name in re.findall(r"(?:scenarios|locustfiles)/[\w.-]+", words):
            assert (ROOT / name).exists() or "mine" in name, line


def test_the_readme_is_the_same_in_chinese() -> None:
    """Links, code without its comments, and the packages of the last table."""
    links, code, packages = [], [], []
    for path in READMES:
        text = path.read_text(encoding="utf-8")
        links.append(set(re.findall(r"\]\(([^)]+)\)", text)) - {one.name for one in READMES})
        fenced = "\n".join(line.partition("  #")[0] for _, line, is_code in lines_of(path) if is_code)
        code.append(re.sub(r"<[^>]+>", "<…>", fenced).split())
        table = re.split(r"\|---\|---\|\n", text)[-1]
        packages.append(re.findall(r"^\| (.+?) \|", table.replace("、", ", "), re.MULTILINE))
    assert links[0] == links[1]
    assert code[0] == code[1]
    assert packages[0] == packages[1] and "locust" in packages[0]


def nav_pages(entries: list[object]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, dict):
            for below in entry.values():
                yield from nav_pages(below)
        else:
            yield str(entry)


def test_the_site_has_the_pages_of_the_index_in_its_order() -> None:
    found = list(nav_pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert found == ["README.md", *dict.fromkeys(re.findall(r"\]\(([\w/-]+\.md)\)", index))]
    assert {path.name for path in (ROOT / "docs").glob("*.md")} == set(found) - {"decisions/README.md"}


def test_every_decision_is_in_their_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((.+)\)", index) == sorted(path.name for path in folder.glob("0*.md"))


def test_links_of_the_site_leave_docs_for_examples_only() -> None:
    found = [(path, link) for path in DOCS.rglob("*.md") for link in links_of(path, r"\]\(([^)#]+)[^)]*\)")]
    outside = [
        (name_of(path), link)
        for path, link in found
        if not (path.parent / link).resolve().is_relative_to(DOCS)
    ]
    assert [one for one in outside if not one[1].startswith("../examples/")] == []


def test_a_list_of_the_site_begins_after_a_blank_line() -> None:
    page = "so:\n- one\n  more\n- two\n\n```\nx\n- y\n```\n| a |\n| b |"
    assert spaced(page) == "so:\n\n- one\n  more\n- two\n\n```\nx\n- y\n```\n\n| a |\n| b |"
