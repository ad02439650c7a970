"""The text line of a run: its speed is of the tokens that come in, not of the turns that end."""

from __future__ import annotations

from chatload.model.journal_lines import HealthLine
from chatload.model.turn import Turn
from chatload.runner.progress import Progress
from tests.manual_clock import ManualClock


def turn(number: int, **more: object) -> Turn:
    known: dict[str, object] = {
        "due_ns": 0,
        "sent_ns": 0,
        "first_token_ns": 210_000_000,
        "end_ns": 1,
        "ok": True,
    }
    return Turn(turn_id=f"0-{number}", request_id="r", user=0, turn=number, **(known | more))  # type: ignore[arg-type]


def heard(progress: Progress, clock: ManualClock, seconds: int, *reads: int | None) -> str:
    """The line after so many seconds, in each of which the processes read so much."""
    for _ in range(seconds):
        clock.sleep(1)
        for each in reads:
            progress.add_health(HealthLine(at_ns=0, reads=each))
    return progress.line()


def test_tokens_are_told_while_they_stream_before_any_turn_ends() -> None:
    clock = ManualClock()
    progress = Progress(10, clock)
    progress.users = 2
    assert "no tokens yet" in heard(progress, clock, 4, 0, None)
    assert heard(progress, clock, 14, 60, 40) == (
        "   18 s  users 2  turns 0/10  TTFT –  about 100 tokens/s  failed 0"
    )


def test_a_read_is_worth_the_tokens_that_the_ended_replies_had_in_one() -> None:
    clock = ManualClock()
    progress = Progress(10, clock)
    progress.add(turn(1, tokens=90, reads=30))
    progress.add(turn(2, ok=False, code="truncated", tokens=5, reads=500))
    assert "TTFT –  300 tokens/s  failed truncated 1" in heard(progress, clock, 12, 100)
    assert "  0 tokens/s" in heard(progress, clock, 11, 0), "replies are open and nothing comes"


def test_a_percentile_is_said_only_of_turns_enough_for_it() -> None:
    progress = Progress(None, ManualClock())
    said = []
    for number in range(72):
        progress.add(turn(number, first_token_ns=(number + 1) * 1_000_000))
        said.append(progress.line().partition("TTFT ")[2].partition("  ")[0])
    assert (said[4], said[5], said[70], said[71]) == ("–", "p50 4 ms", "p50 36 ms", "p95 68 ms")
