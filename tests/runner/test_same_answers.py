"""The same prompts asked idle and under load: what is compared, and what is said of it in both directions."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatload.analysis.same_answers import same_answers_words
from chatload.analysis.summary import summarise
from chatload.model.journal_lines import JournalLine, SameAnswerLine
from chatload.model.turn import TurnRequest
from chatload.runner.same_answers import SameAnswers, first_difference
from chatload.store.journal import read_run
from tests.engine.scripted import Step, reply, status
from tests.runner.scripted_session import STOP, Scene, token
from tests.runs_builder import Shape, good_turns, manifest_of, write_run


def said(*texts: str) -> list[Step]:
    return reply(*map(token, texts), STOP, every_ms=100)


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (("a", "b"), ("a", "b"), None),
        (("a", "b"), ("ab",), None),
        (("It", " is", " so"), ("It", " is", " no"), (3, 7)),
        (("It", " is"), ("It", " is", " so"), (3, 6)),
        (("It", " is"), ("It",), (2, 3)),
    ],
)
def test_the_first_difference_is_told_by_event_and_character(
    one: tuple[str, ...], other: tuple[str, ...], found: tuple[int, int] | None
) -> None:
    assert first_difference(one, other) == found


def test_each_prompt_is_asked_twice_idle_and_once_under_load_at_temperature_0(tmp_path: Path) -> None:
    """The first answer changes under load, the second does not, the third fails: one connection, nine requests."""
    idle = [said("a", "b")] * 6
    scene = Scene(tmp_path, replies=[*idle, said("a", "c"), said("a", "b"), [(5, status(500, b"no"))]])
    lines: list[JournalLine] = []
    request = TurnRequest(messages=(), model="m", max_tokens=64, temperature=0.0)
    same = SameAnswers(scene.session.target, 3, request, lines.append, scene.clock)
    assert scene.clock.run(same.ask_idle) == 3
    scene.clock.run(same.ask_under_load, 5.0)
    told = [
        (line.number, line.differs, line.event, line.code)
        for line in lines
        if isinstance(line, SameAnswerLine)
    ]
    assert told == [(0, True, 2, None), (1, False, None, None), (2, None, None, "http_5xx")]
    bodies = [one.partition(b"\r\n\r\n")[2] for one in scene.script.requests]
    assert len(bodies) == 9 and all(b'"temperature":0' in body for body in bodies)
    assert (bodies[0], bodies[0], bodies[2]) == (bodies[1], bodies[6], bodies[7])
    assert scene.turns == [], "they are no turns of the run"
    scene.close()


@pytest.mark.parametrize(
    ("lines", "words", "warning"),
    [
        ([(False, False), (False, False)], "0 of 2 differ under load; 0 differed without load", ""),
        (
            [(False, True), (False, False)],
            "1 of 2 differ under load, first at event 7; 0 differed",
            "may be no error",
        ),
        (
            [(True, True), (False, False)],
            "1 of 2 differ under load",
            "does not repeat itself at temperature 0",
        ),
        ([], "none of 2 could be asked", "Let the run last longer"),
    ],
)
def test_the_report_says_how_many_differ_and_what_that_may_mean(
    tmp_path: Path, lines: list[tuple[bool, bool]], words: str, warning: str
) -> None:
    shape = Shape(users=4, turns=3)
    turns = good_turns(shape)
    manifest = manifest_of(shape, turns)
    manifest["plan"]["same_answers"] = 2
    more = [
        {"kind": "same_answer", "at_ns": 1, "number": place, "idle_differs": idle, "differs": differs}
        | ({"event": 7, "character": 30} if differs else {})
        for place, (idle, differs) in enumerate(lines)
    ]
    summary = summarise(read_run(write_run(tmp_path / "run", manifest, turns, more)))
    assert summary.same_answers is not None
    assert same_answers_words(summary.same_answers).startswith(words)
    said_of_it = [one for one in summary.warnings if one.startswith("--same-answers")]
    assert [warning in one for one in said_of_it] == ([True] if warning else [])
