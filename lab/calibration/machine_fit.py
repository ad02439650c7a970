"""Fits a profile to the recorded loads of a machine: rates, medians and tails of those that are `fitted`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from lab.calibration.distributions import LoadFit, fit_of
from lab.calibration.least_squares import least_squares
from lab.calibration.recorded_loads import Machine
from lab.calibration.replay import Target
from simulator.engine.frontend import FrontendCost
from simulator.engine.host_noise import HostNoise
from simulator.engine.profiles import load_profile
from simulator.engine.step_cost import Cost

ALLOWED = {
    ("TTFT", 0.5): 0.12,
    ("TTFT", 0.95): 0.15,
    ("TPOT", 0.5): 0.06,
    ("TPOT", 0.95): 0.10,
    ("longest gap", 0.5): 0.25,
    ("longest gap", 0.95): 0.25,
}
"""Relative errors that count as 1, by figure and quantile."""
RATE_ALLOWED = 0.05
ENOUGH = 20
"""Requests for a 95th percentile to be fitted."""
MANY = 250
"""Requests from which one seed of the noise is enough."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A constant that the search may move: of which part of a Target, its name, and a size for one that is 0."""

    part: str
    name: str
    size: float


VARIABLES = (
    Variable("cost", "step_ms", 5.0),
    Variable("cost", "per_sequence_us", 20.0),
    Variable("cost", "per_context_token_ns", 150.0),
    Variable("cost", "per_prefill_token_us", 20.0),
    Variable("cost", "host_piecewise_ms", 9.0),
    Variable("cost", "host_eager_ms", 25.0),
    Variable("frontend", "receive_ms", 2.0),
    Variable("frontend", "per_request_ms", 1.0),
    Variable("frontend", "per_prompt_token_us", 5.0),
    Variable("frontend", "per_event_us", 50.0),
    Variable("frontend", "send_ms", 2.0),
    Variable("noise", "step_sd_ms", 0.3),
    Variable("noise", "stalls_per_s", 0.5),
    Variable("noise", "stall_ms", 10.0),
    Variable("noise", "prompt_jitter_ms", 4.0),
    Variable("noise", "prompt_stalls_per_s", 0.1),
    Variable("noise", "prompt_stall_ms", 25.0),
)


def residuals_of(fit: LoadFit) -> list[float]:
    """Errors of a load's figures, in units of what is allowed; beyond 3 they count less, lest one rule the fit."""
    found = [fit.rate_error / RATE_ALLOWED]
    for one in fit.distributions:
        for (name, share), allowed in ALLOWED.items():
            if one.name == name and (share == 0.5 or one.n >= ENOUGH):
                found.append(one.error(share) / allowed)
    return [each / (1 + (each / 3) ** 2) ** 0.5 for each in found]


def fit_machine(machine: Machine, evaluations: int, variables: Sequence[Variable] = VARIABLES) -> Target:
    """The target with the least sum of squares over the fitted loads; the search starts at the profile's constants."""
    profile = load_profile(machine.profile)
    start_at = Target(machine.profile, {}, profile.cost, profile.frontend, profile.noise)
    loads = [load for load in machine.loads if load.fitted]
    seeds = {load.name: (0,) if len(machine.rows(load)) >= MANY else (0, 1) for load in loads}

    def target(point: Sequence[float]) -> Target:
        parts: dict[str, dict[str, Any]] = {}
        for variable, value in zip(variables, point, strict=True):
            parts.setdefault(variable.part, {})[variable.name] = value
        return replace(
            start_at, **{part: replace(getattr(start_at, part), **of) for part, of in parts.items()}
        )

    def residuals(point: Sequence[float]) -> list[float]:
        here = target(point)
        return [
            each for load in loads for each in residuals_of(fit_of(machine, load, here, seeds[load.name]))
        ]

    start = [float(getattr(getattr(start_at, one.part), one.name)) for one in variables]
    sizes = [value or one.size for value, one in zip(start, variables, strict=True)]
    return target(least_squares(residuals, start, sizes=sizes, evaluations=evaluations))


def constant_lines(*parts: Cost | FrontendCost | HostNoise | None) -> list[str]:
    """Lines for profiles.toml."""
    lines = []
    for part in parts:
        for field in fields(part) if part is not None else ():
            value = getattr(part, field.name)
            if value and not isinstance(value, bool):
                lines.append(f"{field.name} = {value:.4g}")
    return lines
