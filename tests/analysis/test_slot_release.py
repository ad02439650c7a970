"""How long a slot is kept after a hang-up: a server whose every slot is known, read now and then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatload.analysis.slot_release import slot_release
from chatload.analysis.summary import summarise
from chatload.model.turn import Turn
from chatload.render.html import report_html
from chatload.render.text import report_text
from chatload.render.turn_tables import slot_release_words
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.runs_builder import Shape, good_turns, manifest_of, user_lines, write_run

SHAPE = Shape(users=12, turns=6, tokens=60, think_s=1.0)
EVERY_NS = 500_000_000
TOOK_NS = 5_000_000


def turns_of(share: int) -> list[Turn]:
    """Every `share`-th turn is abandoned in the middle; with 0 none is."""
    turns = []
    for place, turn in enumerate(good_turns(SHAPE)):
        if share and place % share == 0 and turn.first_token_ns is not None:
            end_ns = (turn.first_token_ns + turn.end_ns) // 2
            turn = replace(
                turn, ok=False, code="abandoned", end_ns=end_ns, last_token_ns=end_ns, gaps_us=(), events=1
            )
        turns.append(turn)
    return turns


def server_lines(turns: list[Turn], kept_ns: int, others: int = 0, **more: Any) -> list[dict[str, Any]]:
    """What the page says: requests are held from sent to end, abandoned ones `kept_ns` longer."""
    held = [(turn.sent_ns or 0, turn.end_ns + (kept_ns if turn.code == "abandoned" else 0)) for turn in turns]
    first, last = min(at for at, _ in held), max(turn.end_ns for turn in turns)
    lines = []
    for at_ns in range(first, last + EVERY_NS, EVERY_NS):
        running = sum(begin <= at_ns - TOOK_NS // 2 < end for begin, end in held) + others
        line = {
            "kind": "server",
            "worker": "local",
            "at_ns": at_ns,
            "took_ms": TOOK_NS / 1e6,
            "running": running,
        }
        lines.append({**line, **more})
    return lines


def run_of(folder: Path, turns: list[Turn], lines: list[dict[str, Any]]) -> Run:
    return read_run(write_run(folder, manifest_of(SHAPE, turns), turns, [*user_lines(turns), *lines]))


@pytest.mark.parametrize("kept_s", [0.0, 0.02, 0.3, 1.0, 2.5])
def test_the_truth_lies_between_the_bounds(kept_s: float, tmp_path: Path) -> None:
    turns = turns_of(5)
    found = slot_release(run_of(tmp_path, turns, server_lines(turns, round(kept_s * 1e9))))
    assert found is not None
    low, high = found.freed_s
    assert low <= kept_s <= high
    assert high - low <= 2 * EVERY_NS / 1e9
    assert (found.hang_ups, found.every_s, found.unknown) == (15, 0.5, None)
    assert slot_release_words(found).startswith("Slots of 15 replies that users hung up on were free again ")


def test_slots_that_are_never_freed(tmp_path: Path) -> None:
    turns = turns_of(5)
    found = slot_release(run_of(tmp_path, turns, server_lines(turns, 10**15)))
    assert found is not None
    low, high = found.freed_s
    assert low > 5
    assert high is None
    assert found.not_seen_freed == 15
    assert "were free again more than" in slot_release_words(found)
    assert "15 were not seen freed before the run ended" in slot_release_words(found)


@pytest.mark.parametrize(
    ("others", "more", "why"),
    [
        (3, {}, "somebody else used the server, too"),
        (-2, {}, "its metrics count fewer requests than were in flight"),
        (0, {"running": None, "kv_use": 0.5}, "its metrics do not show how many requests it holds"),
    ],
)
def test_why_it_is_not_known(others: int, more: dict[str, Any], why: str, tmp_path: Path) -> None:
    turns = turns_of(5)
    found = slot_release(run_of(tmp_path, turns, server_lines(turns, 0, others, **more)))
    assert found is not None
    assert (found.unknown, found.freed_s) == (why, None)
    assert slot_release_words(found).endswith(f"is not known: {why}.")


def test_reports_say_it_where_somebody_hung_up_and_only_there(tmp_path: Path) -> None:
    for share in (0, 5):
        turns = turns_of(share)
        run = run_of(tmp_path / str(share), turns, server_lines(turns, 0))
        summary = summarise(run)
        for report in (report_text(run, summary), report_html([run], [summary])):
            assert ("Hang-ups" in report) == bool(share)
            assert ("that users hung up on" in " ".join(report.split())) == bool(share)
        assert (summary.slot_release is None) == (not share)
