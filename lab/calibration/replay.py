"""Replays recorded loads of a real server on the simulator's engine, with the same send times and lengths."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from lab.calibration.virtual_time import Demand, Playback, Served, conversations, open_loop
from simulator.engine.engine import Engine, build_engine
from simulator.engine.frontend import Frontend, FrontendCost
from simulator.engine.host_noise import HostNoise
from simulator.engine.profiles import load_profile, without_client
from simulator.engine.step_cost import Cost

THINK_S = 2.0
BLANK_SHARE = 0.0045
"""Of the tokens that random weights write: halves of characters, mostly. So many have no event in light loads."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded request; `group` is its load level, interval, user, or level.user, `number` its place there.

    `gap_max_ms`: the longest gap between two of its `events` with text; None where it was not recorded.
    """

    group: str
    number: int
    start_s: float
    prompt_tokens: int
    tokens: int
    ttft_ms: float
    e2e_ms: float
    gap_max_ms: float | None
    events: int

    @property
    def blanks(self) -> int:
        """Tokens that show no text; other tokens without an event share one, as the HTTP process was at its limit."""
        return min(self.tokens - self.events, ceil(BLANK_SHARE * self.tokens))

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
            stall_s=(self.gap_max_ms or 0.0) / 1e3,
            events=self.events,
        )


def read_rows(path: Path) -> list[Recorded]:
    """The rows of a file of recorded requests (tests/cases/h100)."""
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
                gap_max_ms=float(row["gap_max_ms"]) if row["gap_max_ms"] else None,
                events=int(row["events"]),
            )
            for row in csv.DictReader(lines)
        ]


@dataclass(frozen=True, slots=True)
class Target:
    """The engine to replay on: a profile, scheduler options, and constants that replace the profile's.

    `client_apart`: the client takes no processor time from the server.
    """

    profile: str
    options: Mapping[str, object]
    cost: Cost | None = None
    frontend: FrontendCost | None = None
    noise: HostNoise | None = None
    seed: int = 0
    client_apart: bool = False

    def playback(self) -> Playback:
        """A new engine behind a new HTTP process."""
        profile = load_profile(self.profile)
        scheduler = build_engine(self.profile, self.options).scheduler
        seats = getattr(getattr(scheduler, "limits", None), "max_num_seqs", 0)
        cost = (self.cost or profile.cost).with_seats(seats)
        frontend = self.frontend or profile.frontend
        if self.client_apart:
            cost, frontend = without_client(cost, frontend)
        noise = profile.noise if self.noise is None else self.noise
        engine = Engine(scheduler, cost, noise, self.seed)
        return Playback(engine, Frontend(frontend, self.seed))


WARM_S = 1000.0
"""So long before a load the same prompts are sent, where they were cached."""


def replay_open(target: Target, rows: Sequence[Recorded], *, cached: bool = False) -> list[Served]:
    """Every request at its recorded send time; `cached`: the server has had the same prompts before."""
    rows = sorted(rows, key=lambda row: row.start_s)
    demands = [
        Demand(row.prompt_tokens, row.tokens, text=number, blanks=row.blanks)
        for number, row in enumerate(rows)
    ]
    due_s = [row.start_s for row in rows]
    if not cached:
        return open_loop(target.playback(), demands, due_s)
    served = open_loop(target.playback(), demands * 2, [*due_s, *(at_s + WARM_S for at_s in due_s)])
    return [one for one in served if one.key >= len(rows)]


def replay_conversations(
    target: Target, rows: Sequence[Recorded], *, history: bool, answers_found: bool = True
) -> list[Served]:
    """Every user's first turn at its recorded time, later ones 2 s after the turn before.

    `history`: each prompt begins with the prompt and answer before it, whose blocks can be cached. Not
    `answers_found`: an answer becomes other tokens when it comes back as text, and only prompts are found again.
    """
    users: dict[int, list[Recorded]] = {}
    for row in rows:
        users.setdefault(int(row.group.split(".")[-1]), []).append(row)
    turns: list[list[Demand]] = []
    for user, recorded in sorted(users.items()):
        recorded.sort(key=lambda row: row.number)
        turns.append(
            [
                Demand(
                    row.prompt_tokens,
                    row.tokens,
                    text=user if history else user * 1000 + row.number,
                    blanks=row.blanks,
                    earlier=tuple(other.prompt_tokens for other in recorded[:place])
                    if not answers_found
                    else None,
                )
                for place, row in enumerate(recorded)
            ]
        )
    starts = [min(row.start_s for row in recorded) for _user, recorded in sorted(users.items())]
    return conversations(target.playback(), turns, starts, THINK_S)
