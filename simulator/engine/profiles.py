"""Engine profiles, named SCHEDULER@HARDWARE (vllm-0.1.2@4090-llama2-7b); their constants are in profiles.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from simulator.engine.frontend import FrontendCost
from simulator.engine.host_noise import HostNoise
from simulator.engine.step_cost import Cost
from simulator.schedulers.interface import Scheduler
from simulator.schedulers.registry import scheduler_kinds

# Options from which the number of KV blocks is computed; no scheduler sees them.
MEMORY_OPTIONS: dict[str, object] = {"gpu_memory_utilization": 0.9, "num_gpu_blocks_override": 0}


@dataclass(frozen=True, slots=True)
class Profile:
    """A scheduler on some hardware: step costs, defaults of the scheduler's options, memory for KV blocks.

    `measured`: the costs are fitted to measurements of a real machine.
    KV blocks = floor((gpu_gib * gpu_memory_utilization - fixed_gib) * 1024 / block_mib).
    """

    name: str
    scheduler: str
    cost: Cost
    frontend: FrontendCost
    noise: HostNoise
    defaults: Mapping[str, object]
    gpu_gib: float
    fixed_gib: float
    block_mib: float
    measured: bool

    def num_blocks(self, gpu_memory_utilization: float) -> int:
        """See the class; never below 1."""
        room_gib = self.gpu_gib * gpu_memory_utilization - self.fixed_gib
        return max(1, int(room_gib * 1024 / self.block_mib + 1e-6))


@cache
def _document() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "profiles.toml").read_text(encoding="utf-8"))


def profile_names() -> list[str]:
    """All pairs of scheduler and hardware with known costs."""
    return [f"{s}@{h}" for h, table in _document().items() for s in scheduler_kinds() if _costs(s, table)]


def _costs(scheduler: str, hardware: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for key in (scheduler, scheduler_kinds()[scheduler].cost_family, "any"):
        if key in hardware:
            found: Mapping[str, Any] = hardware[key]
            return found
    return None


def without_client(cost: Cost, frontend: FrontendCost) -> tuple[Cost, FrontendCost]:
    """The same where the client takes no processor time from the server."""
    return replace(cost, client_launch_us=0.0), replace(frontend, client_event_us=0.0)


def load_profile(name: str, *, client_apart: bool = False) -> Profile:
    """The profile of that name; ValueError with the list if there is none. `client_apart`: see without_client."""
    scheduler, _, place = name.partition("@")
    hardware = _document().get(place)
    costs = _costs(scheduler, hardware) if hardware and scheduler in scheduler_kinds() else None
    if hardware is None or costs is None:
        raise ValueError(f"no profile {name!r}: there are {', '.join(profile_names())}")
    cost = Cost(**{f.name: costs[f.name] for f in fields(Cost) if f.name in costs})
    frontend = FrontendCost(**{f.name: costs[f.name] for f in fields(FrontendCost) if f.name in costs})
    if client_apart:
        cost, frontend = without_client(cost, frontend)
    noise = {f.name: float(costs[f.name]) for f in fields(HostNoise) if f.name in costs}
    return Profile(
        name=name,
        scheduler=scheduler,
        cost=cost,
        frontend=frontend,
        noise=HostNoise(**noise),
        defaults={**hardware.get("options", {}).get(scheduler, {})},
        gpu_gib=float(hardware["gpu_gib"]),
        fixed_gib=float(costs.get("fixed_gib", hardware["fixed_gib"])),
        block_mib=float(hardware["block_mib"]),
        measured=bool(hardware["measured"]),
    )


def blocks_event_loop(profile: str) -> bool:
    """Whether the server takes engine steps inside of its HTTP event loop."""
    return scheduler_kinds()[load_profile(profile).scheduler].blocks_event_loop


def scheduler_option_names() -> tuple[str, ...]:
    """The options of all schedulers that the command line has, each once."""
    kinds = scheduler_kinds().values()
    names = [name for kind in kinds for name in (*kind.options, *(MEMORY_OPTIONS if kind.kv_memory else ()))]
    return tuple(dict.fromkeys(names))


def scheduler_switches() -> dict[str, str]:
    """The options of all schedulers that take no value: name -> the option that it turns off."""
    return {name: off for kind in scheduler_kinds().values() for name, off in kind.switches.items()}


def option_defaults(profile: Profile) -> dict[str, object]:
    """Every option of the profile's scheduler and its default."""
    kind = scheduler_kinds()[profile.scheduler]
    known = {f.name: f.default for f in fields(kind.limits) if f.name != "num_blocks"}
    if kind.kv_memory:
        known |= MEMORY_OPTIONS
    return {**known, **profile.defaults}


def build_scheduler(profile: Profile, options: Mapping[str, object]) -> Scheduler:
    """The profile's scheduler with these options; names may have dashes, values may be text.

    ValueError that lists every mistake.
    """
    values = option_defaults(profile)
    problems: list[str] = []
    for key, value in options.items():
        name = key.lstrip("-").replace("-", "_")
        if name not in values:
            problems.append(f"{key}: unknown option; {profile.scheduler} has {', '.join(sorted(values))}")
            continue
        try:
            values[name] = _as_type_of(values[name], value)
        except ValueError as error:
            problems.append(f"{key} = {value!r}: {error}")
    if problems:
        raise ValueError("; ".join(problems))
    kind = scheduler_kinds()[profile.scheduler]
    if "gpu_memory_utilization" in values:
        override = values.pop("num_gpu_blocks_override")
        utilization = values.pop("gpu_memory_utilization")
        values["num_blocks"] = override or profile.num_blocks(float(str(utilization)))
    return kind.build(kind.limits(**values))


def _as_type_of(default: object, value: object) -> object:
    """`value` in the type of the default; ValueError if it cannot be converted."""
    text = str(value).strip()
    if isinstance(default, bool):
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError("must be true or false")
        return text.lower() in ("true", "1")
    try:
        number = float(text) if isinstance(default, float) else int(text)
    except ValueError:
        raise ValueError(
            "must be a number" if isinstance(default, float) else "must be a whole number"
        ) from None
    if number < 0:
        raise ValueError("must be 0 or more")
    return number
