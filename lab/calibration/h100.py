"""Compares the H100 profile with its recorded loads, and fits its constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from lab.calibration.calibration_row import CalibrationRow
from lab.calibration.nelder_mead import nelder_mead
from lab.calibration.replay import Recorded, Target, read_rows, replay_conversations, replay_open
from lab.calibration.virtual_time import Served, summarise
from simulator.engine.profiles import load_profile

PROFILE = "vllm-v1@h100-llama2-7b"
# The constants the search may move; names of Cost and of FrontendCost.
COST_NAMES = (
    "step_ms",
    "per_sequence_us",
    "per_context_token_ns",
    "per_prefill_token_us",
    "host_piecewise_ms",
    "host_eager_ms",
)
FRONTEND_NAMES = ("receive_ms", "per_request_ms", "per_prompt_token_us", "per_event_us")


def load_rows(folder: Path) -> dict[str, list[Recorded]]:
    """Every recorded file of the folder, by its stem."""
    return {path.stem: read_rows(path) for path in sorted(folder.glob("*.csv"))}


def figures(rows: Mapping[str, Sequence[Recorded]], target: Target) -> list[CalibrationRow]:
    """Every figure of the recorded loads beside that of their replay."""
    found = _sweep(rows["sweep"], target)
    for name in sorted(rows):
        if name.startswith("interval"):
            seen = rows[name]
            found += _rates(name, [row.served() for row in seen], replay_open(target, seen), 0.2)
    seats = replace(target, options={**target.options, "max_num_seqs": 20})
    chat = rows["chat-256-seqs20"]
    found += _rates(
        "chat-256-seqs20",
        [row.served() for row in chat],
        replay_conversations(seats, chat, history=False),
        0.1,
    )
    history = rows["chat-history-10x128"]
    ours = replay_conversations(target, history, history=True)
    found += _rates("chat-history", [row.served() for row in history], ours, 0.2)
    for turn in range(10):
        seen = [row for row in history if row.number == turn]
        there = [row.served() for row in seen]
        here = [one for one in ours if one.key % 1000 == turn]
        found.append(
            CalibrationRow("chat-history", f"turn {turn} ms/token", _gap_ms(there), _gap_ms(here), 0.2)
        )
        a, b = summarise(there).ttft_p50_s * 1e3, summarise(here).ttft_p50_s * 1e3
        found.append(CalibrationRow("chat-history", f"turn {turn} TTFT p50 ms", a, b, 0.3))
    return found


def _sweep(rows: Sequence[Recorded], target: Target) -> list[CalibrationRow]:
    levels: dict[int, list[list[Recorded]]] = {}
    for group in dict.fromkeys(row.group for row in rows):
        levels.setdefault(int(group.split(".")[0]), []).append([row for row in rows if row.group == group])
    found: list[CalibrationRow] = []
    for level, runs in levels.items():
        there = [summarise([row.served() for row in run]) for run in runs]
        here = [summarise(replay_open(target, run)) for run in runs]
        found.append(
            CalibrationRow(
                load=f"sweep {level}",
                name="tokens/s",
                measured=sum(one.output_tokens_per_s for one in there) / len(there),
                ours=sum(one.output_tokens_per_s for one in here) / len(here),
                allowed=0.05,
            )
        )
    return found


def _rates(
    load: str, there: Sequence[Served], here: Sequence[Served], ttft_allowed: float
) -> list[CalibrationRow]:
    a, b = summarise(there), summarise(here)
    return [
        CalibrationRow(load, "requests/s", a.requests_per_s, b.requests_per_s, 0.08),
        CalibrationRow(load, "average tokens/s", a.average_speed, b.average_speed, 0.08),
        CalibrationRow(load, "TTFT p50 ms", a.ttft_p50_s * 1e3, b.ttft_p50_s * 1e3, ttft_allowed),
    ]


def _gap_ms(served: Sequence[Served]) -> float:
    return median((one.end_s - one.first_s) / (one.tokens - 1) for one in served if one.tokens > 1) * 1e3


def loss(found: Sequence[CalibrationRow]) -> float:
    """Sum of (error / allowed)^2, each at most 3^2, so that outliers do not dominate."""
    return sum(min(abs(one.error) / one.allowed, 3.0) ** 2 for one in found)


def fit(rows: Mapping[str, Sequence[Recorded]], evaluations: int) -> Target:
    """The target with the least loss; the search starts at the profile's constants."""
    profile = load_profile(PROFILE)

    def target(point: list[float]) -> Target:
        costs: dict[str, Any] = dict(zip(COST_NAMES, point, strict=False))
        waits: dict[str, Any] = dict(zip(FRONTEND_NAMES, point[len(COST_NAMES) :], strict=True))
        return Target(PROFILE, {}, replace(profile.cost, **costs), replace(profile.frontend, **waits))

    def loss_at(point: list[float]) -> float:
        return loss(figures(rows, target(point))) if min(point) >= 0 else 1e9

    start = [getattr(profile.cost, name) for name in COST_NAMES]
    start += [getattr(profile.frontend, name) for name in FRONTEND_NAMES]
    return target(nelder_mead(loss_at, start, evaluations=evaluations))
