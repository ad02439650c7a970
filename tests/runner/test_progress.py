"""The progress of a run, as a line and as a live display: its speed is of tokens that come in, not of ended turns."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rich.console

from chatload.model.journal_lines import HealthLine
from chatload.model.turn import Turn
from chatload.options.progress_option import ProgressDisplay
from chatload.runner import console
from chatload.runner.console import Console, Lines, fitted
from chatload.runner.live_display import LiveDisplay, drawn
from chatload.runner.progress import Progress
from chatload.runner.progress_view import clock_words, display_lines
from tests.manual_clock import ManualClock

ROOT = Path(__file__).parents[2]


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
    assert progress.ttft("p50", recent=False) == "–", "of none there is nothing to need"
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


def test_first_tokens_of_replies_that_run_are_counted_once_and_not_of_failed_ones() -> None:
    clock = ManualClock()
    progress = Progress(10, clock)
    told = {f"0-{number}": 10.0 * number for number in range(1, 7)}
    clock.sleep(1)
    progress.add_health(HealthLine(at_ns=0, reads=60, begun=told))
    assert "turns 0/10  TTFT p50 35 ms  about 60 tokens/s" in progress.line()
    assert progress.ttft("p50", recent=True) == "35 ms"
    for number in range(1, 6):
        progress.add(turn(number, first_token_ns=number * 10_000_000))
    assert "TTFT p50 35 ms" in progress.line(), "of each only one"
    assert progress.ttft("p50", recent=True) == progress.ttft("p50", recent=False) == "35 ms"
    progress.add(turn(6, ok=False, code="truncated"))
    assert "TTFT –" in progress.line() and progress.ttft("p50", recent=True) == "n<6"


def busy_run(clock: ManualClock) -> Progress:
    """80 turns with TTFT from 1 to 80 ms, then 20 s without one, then one of 500 ms each second; 3 failed."""
    progress = Progress(200, clock)
    progress.users = 5
    for number in range(80):
        progress.add(turn(number, first_token_ns=(number + 1) * 1_000_000, tokens=30, reads=10))
    heard(progress, clock, 20, 100)
    for number in range(90, 93):
        progress.add(
            turn(number, ok=False, code="http_500" if number < 92 else "x\x1b[2J\n", first_token_ns=None)
        )
    for second in range(10):
        clock.sleep(1)
        progress.add(turn(80 + second, first_token_ns=500_000_000, tokens=30, reads=10))
        progress.add_health(HealthLine(at_ns=0, reads=20, in_flight=3, seconds=1.0))
        progress.add_health(HealthLine(at_ns=0, reads=20, in_flight=4, seconds=1.0, worker="two"))
    return progress


def test_the_display_has_the_last_10_s_beside_all() -> None:
    assert display_lines(busy_run(ManualClock())) == [
        "━━━━━━━━━━━━━━────────────────  46 %  0:30  ETA 2:03",
        "turns 93/200  users 5  open turns 7",
        "             last 10 s           all",
        "TTFT p50        500 ms         46 ms",
        "TTFT p95          n<72        500 ms",
        "arriving  120 tokens/s  240 tokens/s",
        "failed 3: http_500 2, x 1",
    ]


def test_a_search_shows_its_level_a_row_a_thing_and_no_user_of_locust_s() -> None:
    """Its one user of Locust sends the requests of all: "users 1" stood beside "12 users"."""
    progress = Progress(None, ManualClock())
    progress.users = None
    level = "window 2 (12 users): 12 of 12 users, measuring; search: 5 s or more left;  turns 53  so far met, unsure"
    assert display_lines(progress, level) == [
        "0:00",
        "turns 0  open turns 0",
        "window 2 (12 users): 12 of 12 users, measuring",
        "search: 5 s or more left",
        "turns 53  so far met, unsure",
    ]
    assert progress.line() == "    0 s  turns 0  TTFT –  no tokens yet  failed 0"


def test_lines_in_a_terminal_break_between_words_and_nowhere_else() -> None:
    line = "chatload: 8 users over 1 s, vLLM at http://127.0.0.1:8631: 96 turns"
    assert fitted(line, 40) == "chatload: 8 users over 1 s, vLLM at\n  http://127.0.0.1:8631: 96 turns"
    assert fitted(line, 10).split() == line.split(), "no address is broken"
    assert fitted(line, 0) == fitted(line, 200) == line


def test_doubts_come_when_they_arise_and_go_when_the_load_generator_has_caught_up() -> None:
    clock = ManualClock()
    progress = busy_run(clock)
    assert progress.doubts() == []
    progress.add(turn(100, marks=("late_send",)))
    assert progress.doubts() == [], "one turn is none yet"
    progress.add(turn(101, marks=("hub_lag",)))
    progress.add_health(HealthLine(at_ns=0, cpu_percent=95.0, hub_lag_p99_ms=31.0))
    assert [line for line in display_lines(progress) if line.startswith("!")] == [
        "! 2 of 95 turns may be spoiled by the load generator",
        "! the load generator takes 95 % of a core: use more --processes",
        "! the load generator runs 31 ms late: give it cores of its own",
    ]
    progress.add_health(HealthLine(at_ns=0, cpu_percent=15.0, hub_lag_p99_ms=1.0))
    assert len(progress.doubts()) == 1


def test_the_bar_follows_turns_or_run_time_whichever_is_further() -> None:
    clock = ManualClock()
    endless = Progress(None, clock)
    clock.sleep(30)
    assert (endless.done, endless.left_s) == (None, None)
    assert display_lines(endless)[:2] == ["0:30", "turns 0  users 0  open turns 0"]
    endless.run_time_s = 120
    assert (endless.done, endless.left_s) == (0.25, 90.0)
    both = Progress(4, clock)
    both.run_time_s = 60
    both.add(turn(1))
    both.add(turn(2))
    clock.sleep(15)
    assert (both.done, both.left_s) == (0.5, 45.0)
    clock.sleep(100)
    assert (both.done, both.left_s) == (1.0, 0.0), "replies that end after the time"
    assert display_lines(both)[0].endswith("1:55  ETA 0:00")
    assert (clock_words(59.6), clock_words(3725)) == ("1:00", "1:02:05")


def test_what_is_left_is_told_at_the_rate_of_the_second_half() -> None:
    """10 s without an end while users come in, then 4 turns a second, of 160 in all."""
    clock = ManualClock()
    progress = Progress(160, clock)
    told = []
    for second in range(50):
        clock.sleep(1)
        for number in range(0 if second < 10 else 4):
            progress.add(turn(10 * second + number))
        told.append(progress.left_s)
    assert told[:10] == [None] * 10
    assert [told[at] for at in (19, 29, 39, 49)] == pytest.approx([30, 20, 10, 0], abs=2)


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_row_is_wider_than_the_terminal(width: int) -> None:
    stream = io.StringIO()
    lines = display_lines(busy_run(ManualClock()))
    rich.console.Console(file=stream, width=width).print(drawn(lines))
    rows = stream.getvalue().splitlines()
    assert len(rows) == len(lines)
    assert max(map(len, rows)) <= width
    assert (rows[5].rstrip() == lines[5]) is (width >= 40)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_others_print_stands_above_the_display_which_is_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    one = Console()
    teller = one.teller(ProgressDisplay())
    assert isinstance(teller, LiveDisplay)
    progress = busy_run(ManualClock())
    teller.tell(progress, "")
    one.say("chatload: a doubt")
    teller.tell(progress, "window 1 (3 users): measuring")
    one.say_last("chatload: the answer")
    one.end()
    teller.tell(progress, "")
    assert sys.stderr is stream
    text = stream.getvalue()
    assert text.index("ETA") < text.index("chatload: a doubt\n") < text.index("window 1 (3 users)")
    assert text.endswith("chatload: the answer\n")
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1, "the cursor is back"


def test_the_last_words_wait_for_locusts_tables_only(capsys: pytest.CaptureFixture[str]) -> None:
    one = Console()
    one.say_last("chatload: the answer")
    assert capsys.readouterr().err == "chatload: the answer\n"
    one.after_tables = True
    one.say_last("chatload: the answer")
    assert capsys.readouterr().err == ""
    one.end()
    assert capsys.readouterr().err == "chatload: the answer\n"


def test_without_a_terminal_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, term, telling, kind in (
        (io.StringIO(), "xterm", ProgressDisplay(), Lines),
        (Terminal(), "dumb", ProgressDisplay(), Lines),
        (Terminal(), "xterm", ProgressDisplay(2.0, live=False), Lines),
        (Terminal(), "xterm", ProgressDisplay(live=False, off=True), type(None)),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", term)
        assert type(console.Console().teller(telling)) is kind


@pytest.mark.e2e
def test_a_run_in_a_terminal_shows_the_display_and_ends_with_the_answer(vllm: Any, tmp_path: Path) -> None:
    """The terminal gets the display, Locust's log above it, no table of Locust's, and the cursor back."""
    host, _, _ = vllm()
    ours, theirs = os.openpty()
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py", "--headless", "--host", host, "-u", "2",
         "-r", "20", "--turns", "3", "--think-time", "0.7", "--max-tokens", "8", "--out", str(out)],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=os.environ | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    read = bytearray()
    with contextlib.suppress(OSError):  # EIO: nobody has the terminal open any more
        while part := os.read(ours, 65536):
            read += part
    os.close(ours)
    assert process.wait(timeout=30) in (0, 4)  # 4: a busy machine
    text = read.decode()
    assert "open turns" in text and "arriving" in text
    assert "Aggregated" not in text
    last = text.rpartition("\x1b[?25h")[2]
    assert "6 of 6 turns good" in last
    assert "open in a browser" in last and "open turns" not in last
