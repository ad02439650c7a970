"""The files of tests/cases/timelines: when requests were sent to a genuine server, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.engine.step_cost import Cost

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "cases" / "timelines"


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request: seconds from the burst's start, tokens, and ms from sending to first token and end."""

    sent_s: float
    prompt_tokens: int
    max_tokens: int
    ttft_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """One file: the server, its flags, the cost of its steps, and bursts of requests, in order of sending.

    `begin_alike`: pairs of requests of a burst (their places) whose prompts begin with the same word. The texts were
    not recorded: these were inferred from the times, and `fit` says what comes out without them.
    """

    name: str
    server: str
    cost: Cost
    facts: Mapping[str, Any]
    bursts: tuple[tuple[RecordedRequest, ...], ...]
    begin_alike: tuple[tuple[int, int], ...] = ()

    @property
    def step_ms(self) -> float:
        """A decode of one request."""
        return self.cost.step_ms


@dataclass(frozen=True, slots=True)
class Played:
    """A recorded request and what the simulator made of it, in ms from sending."""

    recorded: RecordedRequest
    ttft_ms: float
    end_ms: float


def read_timeline(path: Path) -> Timeline:
    """One file."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Timeline(
        name=path.stem,
        server=document["server"],
        cost=_cost(document["cost_ms"]),
        facts=document,
        bursts=tuple(_requests(burst) for burst in document["bursts"]),
        begin_alike=tuple((first, second) for first, second in document.get("begin_alike", ())),
    )


def read_timelines(start: str = "") -> list[Timeline]:
    """Every file whose name begins so."""
    return [read_timeline(path) for path in sorted(FOLDER.glob(f"{start}*.json"))]


def _cost(tables: Mapping[str, Mapping[str, float]]) -> Cost:
    """TGI's table gives the whole step with a prompt, vLLM's what a prompt adds to it."""
    decode = tables["decode"]
    whole, added = tables.get("prefill_alone_or_mixed_adds"), tables.get("prompts_in_the_step_add")
    prompt = added or whole or {}
    return Cost(
        step_ms=decode["step"],
        per_sequence_us=decode["per_request"] * 1e3,
        per_context_token_ns=decode["per_context_token"] * 1e6,
        prefill_ms=prompt["step"] - (0.0 if added else decode["step"]),
        per_prefill_token_us=prompt["per_prompt_token"] * 1e3,
    )


def _requests(burst: Mapping[str, Sequence[float]]) -> tuple[RecordedRequest, ...]:
    names = ("sent_s", "prompt_tokens", "max_tokens", "ttft_ms", "end_ms")
    return tuple(
        RecordedRequest(sent_s, int(prompt), int(tokens), ttft_ms, end_ms)
        for sent_s, prompt, tokens, ttft_ms, end_ms in zip(*(burst[name] for name in names), strict=True)
    )
