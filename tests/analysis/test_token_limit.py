"""Replies with more tokens than asked: a fact of the turn, and a doubt of the report with its cause where known."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatload.analysis.comparison import compare_runs
from chatload.analysis.summary import summarise
from chatload.model.token_sources import exceeded_limit
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.runs_builder import Shape, good_turns, manifest_of, user_lines, write_run

SHAPE = Shape(users=30, turns=10)
PIECES = ": TGI works in pieces of 1,024, and makes the last one whole. "


@pytest.mark.parametrize(
    ("limit", "extra", "tokens", "source", "told"),
    [
        (1100, {}, 2048, "usage", 1100),
        (1100, {}, 1101, "per_event", 1100),
        (1100, {}, 1100, "usage", None),
        (None, {}, 2048, "usage", None),
        (1100, {"max_tokens": 4000}, 2048, "usage", None),
        (1100, {"parameters": {"max_new_tokens": 4000}}, 2048, "usage", None),
        (1100, {}, 2048, "estimate", None),
        (1100, {}, None, "none", None),
    ],
)
def test_the_limit_is_kept_where_it_was_exceeded(
    limit: int | None, extra: dict[str, object], tokens: int | None, source: str, told: int | None
) -> None:
    assert exceeded_limit(limit, extra, {"tokens": tokens, "token_source": source}) == told


def run_with(
    folder: Path, tokens: int, server: tuple[str, str] = ("TGI", "3.3.6-dev0"), replies: int = 41
) -> Run:
    """`replies` of 300 have so many tokens where 1,100 were asked."""
    turns = [
        replace(turn, tokens=tokens, max_tokens=1100) if number < replies and tokens > 1100 else turn
        for number, turn in enumerate(good_turns(SHAPE))
    ]
    name, version = server
    manifest = manifest_of(
        SHAPE, turns, server={"host": "http://gpu", "found": {"name": name, "version": version}}
    )
    return read_run(write_run(folder, manifest, turns, user_lines(turns)))


@pytest.mark.parametrize(
    ("tokens", "server", "words"),
    [
        (
            2048,
            ("TGI", "3.3.6-dev0"),
            f"41 of 300 replies have more tokens than asked: up to 2,048 of 1,100{PIECES}",
        ),
        (
            2000,
            ("TGI", "3.3.6-dev0"),
            "41 of 300 replies have more tokens than asked: up to 2,000 of 1,100. ",
        ),
        (2048, ("TGI", "2.4.0"), "up to 2,048 of 1,100. "),
        (2048, ("vLLM", "0.30"), "up to 2,048 of 1,100. "),
        (1101, ("TGI", "3.3.7"), ""),
        (1100, ("TGI", "3.3.7"), ""),
    ],
)
def test_a_report_doubts_it(tmp_path: Path, tokens: int, server: tuple[str, str], words: str) -> None:
    told = [
        one
        for one in summarise(run_with(tmp_path, tokens, server)).warnings
        if "more tokens than asked" in one
    ]
    assert len(told) == bool(words) and all(words in one for one in told)


def test_one_reply_is_one(tmp_path: Path) -> None:
    told = summarise(run_with(tmp_path, 2048, replies=1)).warnings
    assert any(one.startswith("1 of 300 replies has more tokens than asked") for one in told)


def test_a_comparison_names_the_side(tmp_path: Path) -> None:
    found = compare_runs([run_with(tmp_path / "a", 1100)], [run_with(tmp_path / "b", 2048)], force=True)
    told = [one for one in found.warnings if "more tokens than asked" in one]
    assert told == [
        f"B: 41 of 300 replies have more tokens than asked: up to 2,048 of 1,100{PIECES}".rstrip()
    ]
