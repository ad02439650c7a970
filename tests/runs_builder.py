"""Fabricates run folders whose every number is known: fixtures of report, plots and record tests.

`python -m tests.runs_builder` writes tests/runs/ anew. Nothing here measures or asks a clock.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from chatload.model.journal_lines import encode
from chatload.model.turn import Turn
from tests.changes import replace

HERE = Path(__file__).parent / "runs"
START_NS = 5_000_000_000_000
START_UTC_NS = 1_795_000_000_000_000_000
MS = 1_000_000


@dataclass(frozen=True)
class Shape:
    """How a fabricated server answers."""

    users: int = 20
    turns: int = 5
    users_per_s: float = 10.0
    think_s: float = 2.0
    ttft_ms: float = 120.0
    first_byte_ms: float = 8.0
    gap_ms: float = 20.0
    tokens: int = 40
    tokens_per_event: int = 1
    token_source: str = "usage"
    seed: int = 1
    stamp_source: str = "kernel"
    words: str = "vLLM 0.11.0 (simulated)"
    dialect: str = "openai"
    scenario: str = "chat-100"
    text: str = "Once upon a time there was a queue, and everybody in it waited for the first token."


def good_turn(shape: Shape, user: int, turn: int, due_ns: int, draw: random.Random) -> Turn:
    """One good turn of the shape: lognormal TTFT, near-even gaps, lengths around `tokens`."""
    sent_ns = due_ns + round(draw.uniform(0.1, 0.6) * MS)
    first_byte_ns = sent_ns + round(shape.first_byte_ms * draw.uniform(0.8, 1.4) * MS)
    first_ns = max(sent_ns + round(shape.ttft_ms * draw.lognormvariate(0, 0.35) * MS), first_byte_ns)
    events = max(2, round(draw.gauss(shape.tokens, shape.tokens / 5)) // shape.tokens_per_event)
    gaps_us = tuple(round(shape.gap_ms * 1000 * draw.lognormvariate(0, 0.15)) for _ in range(events - 1))
    last_ns = first_ns + sum(gaps_us) * 1000
    several = shape.tokens_per_event > 1
    return Turn(
        turn_id=f"{shape.seed:02x}-{user:04d}-{turn:02d}",
        request_id=f"req-{shape.seed:02x}-{user}-{turn}",
        user=user,
        turn=turn,
        worker="local",
        reply_id=f"cmpl-{user}-{turn}",
        due_ns=due_ns,
        sent_ns=sent_ns,
        connected_ns=sent_ns - 50_000,
        headers_ns=first_byte_ns,
        first_byte_ns=first_byte_ns,
        first_event_ns=first_byte_ns,
        first_token_ns=first_ns,
        first_answer_ns=first_ns,
        last_token_ns=last_ns,
        end_ns=last_ns + round(0.4 * MS),
        connect_ms=0.3 if turn == 1 else None,
        new_connection=turn == 1,
        tokens=events * shape.tokens_per_event,
        token_source=shape.token_source,
        prompt_tokens=12 if shape.token_source == "usage" else None,
        events=events,
        first_event_tokens=shape.tokens_per_event,
        first_event_source="share_of_text" if several else "one_per_event",
        gaps_us=gaps_us,
        reads=events + 1,
        bytes=events * 180,
        characters=events * shape.tokens_per_event * 4,
        stamp_source=shape.stamp_source,
        ok=True,
        status=200,
        finish="stop",
        prompt_characters=17,
        prompt="Once a upon time," if user == 0 else None,
        text=shape.text if user == 0 else None,
    )


def good_turns(shape: Shape) -> list[Turn]:
    """Every turn of a run without trouble: closed loop, each turn due `think_s` after the reply before."""
    return list(_good_turns(shape))


@cache
def _good_turns(shape: Shape) -> list[Turn]:
    draw = random.Random(shape.seed)
    turns = []
    for user in range(shape.users):
        due_ns = START_NS + round(user / shape.users_per_s * 1e9)
        for number in range(1, shape.turns + 1):
            turns.append(good_turn(shape, user, number, due_ns, draw))
            due_ns = turns[-1].end_ns + round(shape.think_s * 1e9)
    return turns


def as_failed(turn: Turn, code: str, detail: str, *, status: int | None = None) -> Turn:
    """The turn, failed: refused ones have no reply, truncated ones keep what came."""
    began = code in ("truncated", "timeout_gap", "interrupted", "in_band_error", "aborted")
    kept = turn if began else replace(
        turn, first_byte_ns=None, first_event_ns=None, first_token_ns=None, first_answer_ns=None,
        last_token_ns=None, end_ns=turn.due_ns + 30 * MS, tokens=None, token_source="none", gaps_us=(), events=0,
        first_event_tokens=None, first_event_source="none", reply_id=None, characters=0, text=None,
    )  # fmt: skip
    return replace(kept, ok=False, code=code, detail=detail, status=status, finish=None)


def user_lines(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    """Arrival and departure of each user, from its turns."""
    first: dict[int, Turn] = {}
    last: dict[int, Turn] = {}
    for turn in turns:
        first.setdefault(turn.user, turn)
        last[turn.user] = turn
    lines: list[dict[str, Any]] = []
    for user, turn in first.items():
        line = {"kind": "user", "user": user, "worker": turn.worker}
        lines.append({**line, "at_ns": turn.due_ns, "event": "in"})
        lines.append({**line, "at_ns": last[user].end_ns, "event": "out", "reason": "done"})
    return lines


def health_lines(turns: list[Turn], worker: str = "local", lag_ms: float = 0.7) -> list[dict[str, Any]]:
    """One health line a second, as the load writes them."""
    until_ns = max(turn.end_ns for turn in turns)
    lines = []
    for at_ns in range(START_NS, until_ns, 1_000_000_000):
        alive = [turn for turn in turns if turn.due_ns <= at_ns < turn.end_ns]
        lines.append({
            "kind": "health", "at_ns": at_ns, "worker": worker, "hub_lag_p99_ms": lag_ms,
            "hub_lag_max_ms": lag_ms * 2, "cpu_percent": 21.5, "rss_mb": 88.0,
            "users": len({turn.user for turn in turns if turn.due_ns <= at_ns}), "in_flight": len(alive),
        })  # fmt: skip
    return lines


def manifest_of(shape: Shape, turns: list[Turn], **changes: Any) -> dict[str, Any]:
    """A manifest that says what the shape planned."""
    ended_ns = max((turn.end_ns for turn in turns), default=START_NS)
    count = shape.users * shape.turns
    host = "http://127.0.0.1:8000"
    return {
        "format": 1,
        "run_id": f"run-{shape.seed}",
        "label": "",
        "scenario": shape.scenario,
        "argv": ["locust", "--config", f"scenarios/{shape.scenario}.toml", "--host", host],
        "plan": {
            "server": "auto", "model": "llama-2", "max_tokens": 2000, "temperature": 0.6, "ask_usage": True,
            "insecure": False, "stamps": "kernel", "seed": 1, "users": shape.users,
            "users_per_s": shape.users_per_s, "ramp": "even", "turns": shape.turns, "think_time_s": shape.think_s,
            "think_first": False, "history": False, "prompt": "Once a upon time,", "prompts": "", "body": {},
            "header_names": [], "keep_text": "sample", "allow_failed": 0.0,
        },
        "plan_sentence": f"{shape.users} users over {shape.users / shape.users_per_s:g} s, {shape.turns} turns each, "
        f"{shape.think_s:g} s after each reply, {shape.dialect} at {host}: {count:,} turns, at least 10 s.",
        "server": {
            "dialect": shape.dialect, "asked": "auto", "model": "llama-2", "host": host,
            "found": {"name": shape.dialect, "version": shape.words.split()[1]}, "words": shape.words,
        },
        "versions": {"chatload": "0.1.0", "python": "3.11.7", "locust": "2.47.0"},
        "machine": {"system": "Linux 6.1", "processor": "a processor", "cores": 2, "python": "cpython"},
        "started_utc": "2026-11-22T20:00:00Z",
        "ended_utc": "2026-11-22T20:00:40Z",
        "started_ns": START_NS,
        "ended_ns": ended_ns,
        "ended": "done",
        "exit_code": 0,
        "caveats": [],
        **changes,
    }  # fmt: skip


def turn_line(turn: Turn) -> dict[str, Any]:
    """The turn as a line of a journal."""
    line: dict[str, Any] = orjson.loads(encode(turn))
    return line


def write_run(
    folder: Path, manifest: Mapping[str, Any], turns: Iterable[Turn], more: Iterable[Mapping[str, Any]] = (),
    tail: bytes = b"",
) -> Path:  # fmt: skip
    """A run folder: one journal a worker; `more` are user and health lines, `tail` bytes of a torn line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n")
    lines: dict[str, list[Mapping[str, Any]]] = {}
    for line in [*map(turn_line, turns), *more]:
        lines.setdefault(line.get("worker", "local"), []).append(line)
    for worker, kept in (lines or {"local": []}).items():
        start = {
            "kind": "start", "format": 1, "run_id": manifest["run_id"], "worker": worker, "at_ns": START_NS,
            "utc_ns": START_UTC_NS, "pid": 4242,
        }  # fmt: skip
        end = {"kind": "end", "at_ns": manifest["ended_ns"], "worker": worker, "reason": manifest["ended"],
               "ticks_missed": 0, "clock_steps": 0, "lost_lines": 0}  # fmt: skip
        data = b"".join(orjson.dumps(line) + b"\n" for line in [start, *kept, end])
        (folder / f"journal-{worker}.jsonl").write_bytes(data + tail)
    return folder


def write_good(folder: Path, shape: Shape, **changes: Any) -> Path:
    """A run without trouble."""
    turns = good_turns(shape)
    return write_run(
        folder, manifest_of(shape, turns, **changes), turns, [*user_lines(turns), *health_lines(turns)]
    )


VLLM = Shape()
TGI = Shape(
    seed=2, ttft_ms=260.0, first_byte_ms=250.0, gap_ms=15.0, token_source="one_per_event",
    words="TGI 3.3.4 (simulated)", dialect="tgi",
)  # fmt: skip
TINY = Shape(seed=3, users=2, turns=3, tokens=8, users_per_s=2.0, scenario="smoke")
STEADY = Shape(seed=6, turns=12, tokens=12)
"""Long enough for intervals: all users are in for more than 5 turn cycles."""
HOSTILE = "\x1b[2J\x1b]0;owned\x07$\\frac{1}{0}$ <script>alert(1)</script> \u202egnp.exe\x00"


def troubled(folder: Path) -> Path:
    """Two workers, one duplicate turn, a torn tail, failures, estimates, stalls, a stop, hostile words."""
    shape = Shape(seed=4, token_source="estimate", stamp_source="user", tokens_per_event=3, words=HOSTILE)
    turns = [replace(turn, worker=f"w{turn.user % 2}") for turn in good_turns(shape)]
    for position in range(0, 100, 9):
        code, detail, status = (
            ("truncated", "connection reset by peer after 812 bytes", 200),
            ("http_429", "429: slow down", 429),
            ("in_band_error", f"server said {HOSTILE}", 200),
        )[position // 9 % 3]
        turns[position] = as_failed(turns[position], code, detail, status=status)
    turns[99] = as_failed(turns[99], "interrupted", "the run was stopped")
    turns[55] = with_gap(turns[55], 4, 2_500_000)
    turns[0] = replace(turns[0], text=HOSTILE)
    turns[11] = replace(turns[11], finish="length", token_source="usage", marks=("late_send",), retried=True)
    turns[12] = replace(
        turns[12], coalesced=12, text=f"{HOSTILE}\nsecond line of the answer", prompt="Say it."
    )
    health = health_lines(turns, "w0", lag_ms=31.0)
    manifest = manifest_of(
        shape, turns, ended="interrupted", exit_code=1, caveats=["3 reports of w1 came late."]
    )
    write_run(folder, manifest, turns, [*user_lines(turns), *health], b'{"kind":"turn","turn_id":"04-')
    with open(folder / "journal-w1.jsonl", "ab") as journal:
        journal.write(b"\n" + encode(turns[2]) + b"\n")
    return folder


def with_gap(turn: Turn, position: int, gap_us: int) -> Turn:
    """The turn with one gap stretched, everything after it later."""
    gaps = [*turn.gaps_us]
    more_ns = (gap_us - gaps[position]) * 1000
    gaps[position] = gap_us
    assert turn.last_token_ns is not None
    return replace(
        turn, gaps_us=tuple(gaps), last_token_ns=turn.last_token_ns + more_ns, end_ns=turn.end_ns + more_ns
    )


def unreachable(folder: Path) -> Path:
    """A run whose server was not there: no turn at all."""
    manifest = manifest_of(TINY, [], ended="unreachable", exit_code=1)
    manifest["server"] = {"asked": "auto", "host": "http://127.0.0.1:1"}
    manifest["refusal"] = "http://127.0.0.1:1: connection refused: is the server running on this port?"
    return write_run(folder, manifest, [])


def write_all(root: Path = HERE) -> None:
    """All fixtures of tests/runs."""
    shutil.rmtree(root, ignore_errors=True)
    write_good(root / "vllm", VLLM)
    write_good(root / "tgi", TGI, label="TGI 3")
    write_good(root / "tiny", TINY)
    write_good(root / "steady", STEADY)
    write_good(root / "slower", replace(STEADY, seed=7, gap_ms=STEADY.gap_ms * 1.25))
    troubled(root / "troubled")
    unreachable(root / "unreachable")


if __name__ == "__main__":
    write_all()
