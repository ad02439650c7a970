"""Times in which the server stood still: found where they are, told where they matter, gateable."""

from __future__ import annotations

import random
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest

from chatload.analysis.quantiles import percentile
from chatload.analysis.slo_verdict import verdicts_of
from chatload.analysis.standstill import Span, is_notable, longest_standstill, open_loop_view
from chatload.analysis.summary import summarise
from chatload.model.metrics import ttft_ms
from chatload.model.slo import read_objectives
from chatload.model.summary import Summary, content_of
from chatload.model.turn import Turn
from chatload.render.html import report_html
from chatload.render.markdown import summary_markdown
from chatload.render.slo_words import sentence
from chatload.render.text import report_text
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.runs_builder import MS, START_NS, Shape, good_turns, manifest_of, user_lines, write_run

S = 1_000 * MS
SHAPE = Shape(users=20, turns=6, think_s=1.0)


def stood_still(turns: list[Turn], from_ns: int, length_ns: int) -> list[Turn]:
    """What users would have recorded had the server stood still then: whatever came later comes so much later.

    Users of a closed loop wait meanwhile, so that their later turns are due later too.
    """

    def later(at_ns: int | None) -> int | None:
        return at_ns if at_ns is None or at_ns < from_ns else at_ns + length_ns

    made = []
    for turn in turns:
        gaps = []
        if turn.first_token_ns is not None:
            at = [turn.first_token_ns + us * 1000 for us in accumulate(turn.gaps_us, initial=0)]
            moved = [later(each) or 0 for each in at]
            gaps = [(b - a) // 1000 for a, b in pairwise(moved)]
        waits_for_reply = turn.turn > 1 and any(
            one.user == turn.user and one.turn == turn.turn - 1 and one.end_ns >= from_ns for one in turns
        )
        due_ns = turn.due_ns + length_ns if waits_for_reply else turn.due_ns
        sent_ns = due_ns + ((turn.sent_ns or 0) - turn.due_ns)
        made.append(
            replace(
                turn,
                due_ns=due_ns,
                sent_ns=sent_ns,
                headers_ns=later(turn.headers_ns),
                first_byte_ns=later(turn.first_byte_ns),
                first_event_ns=later(turn.first_event_ns),
                first_token_ns=later(turn.first_token_ns),
                last_token_ns=later(turn.last_token_ns),
                end_ns=later(turn.end_ns),
                gaps_us=tuple(gaps),
            )
        )
    return made


def run_of(folder: Path, turns: list[Turn], **changes: Any) -> tuple[Run, Summary]:
    run = read_run(write_run(folder, manifest_of(SHAPE, turns, **changes), turns, user_lines(turns)))
    return run, summarise(run)


@pytest.fixture
def hung(tmp_path: Path) -> tuple[Run, Summary]:
    """A chat whose server stood still for 5 s, 4 s after its start."""
    return run_of(tmp_path / "hung", stood_still(good_turns(SHAPE), START_NS + 4 * S, 5 * S))


def slow(turns: list[Turn]) -> Span | None:
    """The longest standstill by looking at every instant: slow, and by the words of its definition."""
    marks = sorted(
        {turn.sent_ns or 0 for turn in turns}
        | {at for turn in turns for at in _instants(turn)}
        | {turn.end_ns for turn in turns}
    )
    moved = {at for turn in turns for at in _instants(turn)}
    best, since = None, None
    for a, b in pairwise(marks):
        is_open = any((turn.sent_ns or 0) <= a and b <= turn.end_ns for turn in turns)
        since = a if is_open and (since is None or a in moved) else since if is_open else None
        if since is not None and (best is None or b - since > best.length_ns):
            best = Span(since, b)
    return best if best is not None and best.length_ns >= 100 * MS else None


def _instants(turn: Turn) -> set[int]:
    tokens = (
        [turn.first_token_ns + us * 1000 for us in accumulate(turn.gaps_us, initial=0)]
        if turn.first_token_ns
        else []
    )
    end = [turn.end_ns] if turn.ok or turn.code not in ("timeout_first", "interrupted") else []
    return {
        at
        for at in (turn.headers_ns, turn.first_byte_ns, turn.first_event_ns, *tokens, *end)
        if at is not None
    }


@pytest.mark.parametrize("seed", range(30))
def test_it_is_the_longest_time_in_which_turns_are_open_and_none_moves(seed: int) -> None:
    drawn = random.Random(seed)
    turns = []
    for user in range(drawn.randint(1, 6)):
        at = drawn.randrange(0, 3000)
        gaps = tuple(drawn.choice((20, 90, 100, 130, 700)) * 1000 for _ in range(drawn.randrange(0, 8)))
        first = at + drawn.choice((30, 99, 100, 400))
        fails = drawn.random() < 0.3
        turns.append(
            Turn(
                turn_id=f"{user}",
                request_id="",
                user=user,
                turn=1,
                due_ns=at * MS,
                sent_ns=at * MS,
                headers_ns=(at + 10) * MS if drawn.random() < 0.5 else None,
                first_token_ns=None if fails else first * MS,
                gaps_us=() if fails else gaps,
                end_ns=(first * MS + (0 if fails else sum(gaps) * 1000)) + drawn.randrange(0, 300) * MS,
                ok=not fails,
                code=drawn.choice(("timeout_first", "interrupted", "http_5xx")) if fails else None,
            )
        )
    found, by_looking = longest_standstill(turns), slow(turns)
    assert (found and found.length_ns) == (by_looking and by_looking.length_ns)


@pytest.mark.parametrize(("ok", "still_ms"), [(True, None), (False, 1000)])
def test_a_finish_event_that_comes_late_is_no_standstill_of_a_good_reply(
    ok: bool, still_ms: int | None
) -> None:
    """Tokens until 0.4 s, the end at 1.4 s."""
    one = Turn(
        turn_id="t", request_id="", user=0, turn=1, due_ns=0, sent_ns=0, first_token_ns=20 * MS,
        gaps_us=(20_000,) * 19, last_token_ns=400 * MS, end_ns=1400 * MS, ok=ok, code=None if ok else "truncated",
    )  # fmt: skip
    found = longest_standstill([one])
    assert (found and found.length_ns) == (still_ms and still_ms * MS)


def test_a_server_that_stood_still_is_found_and_said_everywhere(hung: tuple[Run, Summary]) -> None:
    run, summary = hung
    found = summary.standstill
    assert found is not None
    assert found.longest_s == pytest.approx(5.0, abs=0.1)
    assert found.at_s == pytest.approx(4.0, abs=0.1)
    assert found.open_turns == sum(
        (turn.sent_ns or 0) < START_NS + 9 * S <= turn.end_ns for turn in run.turns
    )
    said = "The server stood still for 5.0"
    assert report_text(run, summary).startswith(said)
    assert said in report_html([run], [summary])
    assert said in summary_markdown(run, summary)
    assert "Longest standstill of the server: 5.0" in summary_markdown(run, summary)
    assert content_of(summary)["standstill"]["longest_s"] == found.longest_s  # type: ignore[index]
    assert any(
        words.startswith(said) and "A closed loop hides most of it" in words for words in summary.warnings
    )


def test_what_an_open_loop_would_have_seen_is_bounded(hung: tuple[Run, Summary]) -> None:
    """By hand: rate outside, turns due meanwhile, their waits, and the percentile with them."""
    run, summary = hung
    found = summary.standstill
    assert found is not None
    assert found.open_loop is not None
    view = found.open_loop
    still = longest_standstill(run.turns)
    assert still is not None
    assert view == open_loop_view(run.turns, still)
    assert view.due == int(view.turns_per_s * found.longest_s)
    assert view.mean_wait_s == pytest.approx(found.longest_s / 2)
    assert view.due > 3 * view.due_here
    waits = [(place + 0.5) / view.due * found.longest_s * 1e3 for place in range(view.due)]
    others = [ttft_ms(turn) or 0.0 for turn in run.turns if not still.from_ns <= turn.due_ns < still.until_ns]
    assert view.ttft_p95_ms == pytest.approx(percentile(sorted([*others, *waits]), 0.95))
    (words,) = [words for words in summary.warnings if "stood still" in words]
    assert f"would have had {view.due} turns due meanwhile (here {view.due_here})" in words


def test_its_percentile_is_said_where_the_closed_loop_s_is_less(tmp_path: Path) -> None:
    """Most users were met while they read or thought: their TTFT saw nothing of it."""
    _, late = run_of(tmp_path / "late", stood_still(good_turns(SHAPE), START_NS + 11 * S, 5 * S))
    (words,) = [words for words in late.warnings if "stood still" in words]
    assert late.standstill is not None
    assert late.standstill.open_loop is not None
    assert (late.standstill.open_loop.ttft_p95_ms or 0) > (late.metric("ttft_ms").p95 or 0)
    assert "with them TTFT p95 is at least 4," in words


def test_an_open_loop_hides_nothing(tmp_path: Path) -> None:
    turns = stood_still(good_turns(SHAPE), START_NS + 4 * S, 5 * S)
    plan = {"users": 1, "requests": 120, "interval_s": 0.1}
    _, summary = run_of(tmp_path, turns, plan=plan)
    assert summary.standstill is not None
    assert summary.standstill.longest_s == pytest.approx(5.0, abs=0.1)
    assert summary.standstill.open_loop is None
    (words,) = [words for words in summary.warnings if "stood still" in words]
    assert "closed loop" not in words


def test_a_good_run_says_nothing_of_it_but_the_figure(tmp_path: Path) -> None:
    run, summary = run_of(tmp_path, good_turns(SHAPE))
    assert not is_notable(summary)
    assert "stood still" not in report_text(run, summary)
    assert "Longest standstill of the server: " in report_text(run, summary)
    assert not any("stood still" in words for words in summary.warnings)


def test_one_slow_user_of_an_idle_server_is_no_news(tmp_path: Path) -> None:
    """Each wait is a standstill of the definition; it is no more than this run's TTFT."""
    shape = Shape(users=1, turns=12, ttft_ms=2500.0)
    turns = good_turns(shape)
    run = read_run(write_run(tmp_path, manifest_of(shape, turns), turns, user_lines(turns)))
    summary = summarise(run)
    assert summary.standstill is not None
    assert summary.standstill.longest_s > 2.0
    assert not is_notable(summary)


@pytest.mark.parametrize(("limit", "verdict"), [("1", "missed"), ("4.8", "missed"), ("5.2 s", "met")])
def test_it_can_be_asked_for(limit: str, verdict: str, hung: tuple[Run, Summary]) -> None:
    objectives, mistakes = read_objectives(f"standstill_s <= {limit}")
    assert mistakes == []
    (found,) = verdicts_of(hung[0].turns, objectives)
    assert found.verdict == verdict
    assert sentence(found).endswith("a fact of this run, no estimate")
    assert "measured 5.0" in sentence(found)


def test_without_a_turn_nothing_is_met() -> None:
    objectives, _ = read_objectives("standstill_s <= 1")
    assert verdicts_of([], objectives)[0].verdict == "undecided"


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        ("standstill_s >= 1", "less standstill_s is better"),
        ("p95 standstill_s <= 1", "is one number"),
        ("standstill_s <= 0.05", "must be 0.1 s or more"),
        ("standstill_s <= 500 ms", "a number in s"),
    ],
)
def test_what_cannot_be_asked(words: str, mistake: str) -> None:
    assert mistake in read_objectives(words)[1][0]
