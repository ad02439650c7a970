"""Replays recorded loads of a real server on the simulator's engine, with the same send times and lengths."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.calibration.virtual_time import Demand, Playback, Served, conversations, open_loop
from simulator.engine.engine import Engine, build_engine
from simulator.engine.frontend import Frontend, FrontendCost
from simulator.engine.profiles import load_profile
from simulator.engine.step_cost import Cost

THINK_S = 2.0


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded request; `group` is its load level, interval or user, `number` its place there."""

    group: str
    number: int
    start_s: float
    prompt_tokens: int
    tokens: int
    ttft_ms: float
    e2e_ms: float

    def served(self) -> Served:
        """In the form of a simulated one, for the same summary."""
        return Served(
            key=self.number,
            sent_s=self.start_s,
            first_s=self.start_s + self.ttft_ms / 1e3,
            end_s=self.start_s + self.e2e_ms / 1e3,
            prompt_tokens=self.prompt_tokens,
            tokens=self.tokens,
            finish="length",
            stall_s=0.0,
        )


def read_rows(path: Path) -> list[Recorded]:
    """The rows of one tests/cases/h100 file."""
    with path.open(newline="", encoding="utf-8") as lines:
        return [
            Recorded(
                group=row["group"],
                number=int(row["number"]),
                start_s=float(row["start_s"]),
                prompt_tokens=int(row["prompt_tokens"]),
                tokens=int(row["tokens"]),
                ttft_ms=float(row["ttft_ms"]),
                e2e_ms=float(row["e2e_ms"]),
            )
            for row in csv.DictReader(lines)
        ]


@dataclass(frozen=True, slots=True)
class Target:
    """The engine to replay on: a profile, scheduler options, and constants that replace the profile's."""

    profile: str
    options: Mapping[str, object]
    cost: Cost | None = None
    frontend: FrontendCost | None = None

    def playback(self) -> Playback:
        """A new engine behind a new HTTP process."""
        engine = build_engine(self.profile, self.options)
        if self.cost is not None:
            seats = int(str(self.options.get("max_num_seqs", 1024)))
            engine = Engine(engine.scheduler, self.cost.with_seats(seats))
        return Playback(engine, Frontend(self.frontend or load_profile(self.profile).frontend))


def replay_open(target: Target, rows: Sequence[Recorded]) -> list[Served]:
    """Every request at its recorded send time."""
    rows = sorted(rows, key=lambda row: row.start_s)
    demands = [Demand(row.prompt_tokens, row.tokens, text=number) for number, row in enumerate(rows)]
    return open_loop(target.playback(), demands, [row.start_s for row in rows])


def replay_conversations(target: Target, rows: Sequence[Recorded], *, history: bool) -> list[Served]:
    """Every user's first turn at its recorded time, later ones 2 s after the turn before.

    `history`: each prompt begins with the prompt and answer before it, so their blocks can be cached.
    """
    users: dict[int, list[Recorded]] = {}
    for row in rows:
        users.setdefault(int(row.group), []).append(row)
    turns: list[list[Demand]] = []
    for user, recorded in sorted(users.items()):
        recorded.sort(key=lambda row: row.number)
        turns.append(
            [
                Demand(
                    row.prompt_tokens,
                    row.tokens,
                    text=user if history else user * 1000 + row.number,
                )
                for row in recorded
            ]
        )
    starts = [min(row.start_s for row in recorded) for _user, recorded in sorted(users.items())]
    return conversations(target.playback(), turns, starts, THINK_S)
