"""Two sides whose answers are not equally long: said, and their speed in the same tokens beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from chatload.__main__ import main
from chatload.analysis.comparison import Comparison, compare_runs
from chatload.analysis.equal_lengths import decode_in, felt_in
from chatload.analysis.summary import summarise
from chatload.model.turn import Turn
from chatload.model.verdict import DIFFER, SAME
from chatload.render.comparison_words import comparison_text
from chatload.render.side_by_side import side_by_side_text
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.runs_builder import MS, STEADY, Shape, good_turns, write_good


def even(turn: Turn) -> Turn:
    """40 tokens: the first after 100 ms, then one each 20 ms."""
    sent = turn.sent_ns or 0
    first = sent + 100 * MS
    last = first + 39 * 20 * MS
    return replace(
        turn, first_token_ns=first, last_token_ns=last, gaps_us=(20_000,) * 39, tokens=40, events=40
    )


def test_speeds_of_the_first_tokens_by_hand() -> None:
    turn = even(good_turns(Shape(users=1, turns=1))[0])
    assert felt_in(11)(turn) == pytest.approx(11 / 0.3)
    assert decode_in(11)(turn) == pytest.approx(10 / 0.2)
    assert felt_in(40)(turn) == pytest.approx(40 / 0.88)
    assert felt_in(41)(turn) is decode_in(41)(turn) is None
    assert felt_in(11)(replace(turn, token_source="estimate")) is None


@pytest.fixture
def runs(tmp_path: Path) -> Callable[..., list[Run]]:
    def made(side: str, rounds: int = 1, **changes: object) -> list[Run]:
        found = []
        for number in range(rounds):
            shape = replace(STEADY, seed=len(side) + 7 * number, **{"tokens": 30, **changes})
            write_good(tmp_path / side / f"{number}", shape)
            found.append(read_run(tmp_path / side / f"{number}"))
        return found

    return made


def compared(a: list[Run], b: list[Run]) -> tuple[Comparison, str]:
    found = compare_runs(a, b)
    return found, " ".join(comparison_text(found).split())


def test_longer_answers_at_the_same_speed_are_the_same_in_the_same_tokens(
    runs: Callable[..., list[Run]],
) -> None:
    """The whole replies of B are felt as faster only because the first token counts less in them."""
    found, words = compared(runs("a", 3), runs("bb", 3, tokens=80))
    assert found.equal_lengths is not None
    felt, decode = found.equal_lengths.effects
    assert 20 <= found.equal_lengths.tokens <= 40
    assert decode.verdict == SAME and decode.a == pytest.approx(50, rel=0.03) == pytest.approx(
        decode.b, rel=0.03
    )
    assert felt.verdict == SAME
    assert (
        "not alike: mean answer tokens: A '" in words.lower().replace("a '", "A '", 1)
        or "mean answer tokens" in words
    )
    assert f"At equal lengths: the first {found.equal_lengths.tokens} tokens of each reply" in words
    assert "are no part of the verdict" in words


def test_a_slower_server_is_slower_in_the_same_tokens(runs: Callable[..., list[Run]]) -> None:
    found, _ = compared(runs("a"), runs("bb", tokens=80, gap_ms=25.0))
    assert found.equal_lengths is not None
    _, decode = found.equal_lengths.effects
    assert decode.verdict == DIFFER and decode.effect == pytest.approx(20 / 25, rel=0.03)


@pytest.mark.parametrize("changes", [{}, {"gap_ms": 25.0}, {"tokens": 80, "token_source": "estimate"}])
def test_nothing_is_said_of_equally_long_or_uncounted_answers(
    runs: Callable[..., list[Run]], changes: dict[str, object]
) -> None:
    found, words = compared(runs("a"), runs("bb", **changes))
    assert found.equal_lengths is None and "At equal lengths" not in words


def test_answers_without_a_token_are_not_alike(runs: Callable[..., list[Run]]) -> None:
    (run,) = runs("bb")
    silent = [
        replace(turn, first_token_ns=None, last_token_ns=None, tokens=0, gaps_us=()) for turn in run.turns
    ]
    found, words = compared(runs("a"), [replace(run, turns=silent)])
    assert found.not_alike and "mean answer tokens: A" in words and "B '0.0'" in words


def test_it_stands_in_every_form(
    runs: Callable[..., list[Run]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [*runs("a"), *runs("bb", tokens=80)]
    text = side_by_side_text(both, [summarise(run) for run in both])
    assert "At equal lengths" in text
    # No verdict, but what can be told is told.
    assert main(["compare", "--json", str(tmp_path / "a" / "0"), str(tmp_path / "bb" / "0")]) == 2
    told = json.loads(capsys.readouterr().out)["equal_lengths"]
    assert told["tokens"] >= 20 and {one["metric"] for one in told["metrics"]} == {
        "felt_tokens_per_s",
        "decode_tokens_per_s",
    }
