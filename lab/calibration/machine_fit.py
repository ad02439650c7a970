"""Fits a profile to the recorded loads of a machine: rates, medians and tails of those that are `fitted`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from lab.calibration.distributions import SHARES, LoadFit, fit_of
from lab.calibration.pattern_search import Point, pattern_search
from lab.calibration.recorded_loads import Machine
from lab.calibration.replay import Target
from simulator.engine.frontend import FrontendCost
from simulator.engine.host_noise import HostNoise
from simulator.engine.profiles import load_profile
from simulator.engine.step_cost import Cost

ALLOWED = {
    "TTFT": (0.12, 0.15, 0.3),
    "TPOT": (0.05, 0.1, 0.2),
    "longest gap": (0.25, 0.25, 0.5),
}
"""Errors that count as 1, of each figure at SHARES, as natural logarithms of ours / recorded."""
RATE_ALLOWED = 0.03
MERGED_ALLOWED = math.log(2)
FEW_MERGED = 0.005
"""What is compared of the tokens an event: how much more than one, and this besides, as light loads have none."""
FAR = 3.0
"""Errors far beyond this count no more than it, lest a load that nothing fits rules the search."""
MANY = 250
"""Requests from which two seeds of the noise are enough for the search."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A constant that the search may move: of which part of a Target, its name, and the usual size of it.

    One that is 0 in a profile is no part of that server's model, and stays 0.
    """

    part: str
    name: str
    size: float


VARIABLES = (
    Variable("cost", "step_ms", 5.0),
    Variable("cost", "per_sequence_us", 20.0),
    Variable("cost", "per_context_token_ns", 150.0),
    Variable("cost", "per_prefill_token_us", 20.0),
    Variable("cost", "host_full_ms", 2.5),
    Variable("cost", "host_piecewise_ms", 9.0),
    Variable("cost", "host_eager_ms", 25.0),
    Variable("cost", "host_prompt_ms", 3.0),
    Variable("cost", "client_launch_us", 50.0),
    Variable("frontend", "receive_ms", 1.0),
    Variable("frontend", "per_request_ms", 2.0),
    Variable("frontend", "per_prompt_token_us", 3.0),
    Variable("frontend", "per_event_us", 100.0),
    Variable("frontend", "client_event_us", 30.0),
    Variable("noise", "step_sd_ms", 0.3),
    Variable("noise", "stalls_per_s", 0.5),
    Variable("noise", "stall_ms", 10.0),
    Variable("noise", "prompt_jitter_ms", 4.0),
    Variable("noise", "prompt_delay_share", 0.05),
    Variable("noise", "prompt_delay_ms", 4.0),
    Variable("noise", "prompt_stalls_per_s", 0.1),
    Variable("noise", "prompt_stall_ms", 25.0),
)


def residuals_of(fit: LoadFit) -> list[float]:
    """Errors of a load's figures at the shares that its number of requests supports, in units of what is allowed."""
    rate = math.log(fit.rate[1] / fit.rate[0]) / RATE_ALLOWED
    found = [rate, _merged(fit.tokens_per_event[1]) - _merged(fit.tokens_per_event[0])]
    for one in fit.distributions:
        for share, allowed in zip(SHARES, ALLOWED[one.name], strict=True):
            if one.supports(share) and not one.load.is_event(one.name, share):
                found.append(math.log(1 + one.error(share)) / allowed)
    return found


def _merged(tokens_per_event: float) -> float:
    return math.log(tokens_per_event - 1 + FEW_MERGED) / MERGED_ALLOWED


def distance_of(fit: LoadFit) -> float:
    """The mean of the squares of a load's errors, each r² / (1 + (r / FAR)²)."""
    squares = [each * each / (1 + (each / FAR) ** 2) for each in residuals_of(fit)]
    return sum(squares) / len(squares)


def fit_machine(
    machine: Machine,
    minutes: float,
    *,
    processes: int = 1,
    say: Callable[[str], None] = lambda line: None,
    variables: Sequence[Variable] = VARIABLES,
) -> Target:
    """The target with the least distance to the fitted loads, summed; begins at the profile, ends after `minutes`."""
    profile = load_profile(machine.profile)
    start_at = Target(machine.profile, {}, profile.cost, profile.frontend, profile.noise)
    variables = [one for one in variables if getattr(getattr(start_at, one.part), one.name)]
    loads = sorted((load for load in machine.loads if load.fitted), key=lambda load: len(machine.rows(load)))

    def target(point: Point) -> Target:
        parts: dict[str, dict[str, Any]] = {}
        for variable, value in zip(variables, point, strict=True):
            parts.setdefault(variable.part, {})[variable.name] = value
        return replace(
            start_at, **{part: replace(getattr(start_at, part), **of) for part, of in parts.items()}
        )

    def distance(point: Point, enough: float) -> float:
        total = 0.0
        for load in loads:
            seeds = (0, 1) if len(machine.rows(load)) >= MANY else (0, 1, 2)
            total += distance_of(fit_of(machine, load, target(point), seeds))
            if total > enough:
                break
        return total

    def tell(line: str, best: Point) -> None:
        constants = (f"{one.name} {value:.4g}" for one, value in zip(variables, best, strict=True))
        say(f"{line}: {', '.join(constants)}")

    return target(
        pattern_search(
            distance,
            tuple(float(getattr(getattr(start_at, one.part), one.name)) for one in variables),
            sizes=tuple(one.size for one in variables),
            until_s=time.monotonic() + 60 * minutes,
            processes=processes,
            say=tell,
        )
    )


def constant_lines(*parts: Cost | FrontendCost | HostNoise | None) -> list[str]:
    """Lines for profiles.toml."""
    lines = []
    for part in parts:
        for field in fields(part) if part is not None else ():
            value = getattr(part, field.name)
            if value and not isinstance(value, bool):
                lines.append(f"{field.name} = {value:.4g}")
    return lines
