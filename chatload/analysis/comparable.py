"""The conditions under which runs were made, and which of them differ between runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Protocol

import msgspec

from chatload.loads.chat import ChatLoad
from chatload.model.model_mix import mix_words
from chatload.model.sanitize import one_line
from chatload.model.words import listed
from chatload.options.server_address import Route
from chatload.store.manifest import Manifest

Conditions = dict[str, object]
"""name → value; a condition that the manifest does not hold is left out."""

_ASKED = ("max_tokens", "temperature", "body")
"""Fields of the plan that belong to the load, beside the load itself."""
_FILES = ("prompts", "trace", "sharegpt")
"""Fields that hold a path. Only its last part is compared: another machine keeps the file in another folder."""
_OF_USERS = ("users", "users_per_s")
"""Fields that tell the load only where Locust's users are the chat users: a search or a sweep has one of them."""
_NAMES = {"users_per_s": "users per second", "rate": "users per second of a level"}
_MEASURING = (
    "ask_usage",
    "stamps",
    "keep_text",
    "timeouts",
    "waits_on_429",
    "context_full",
    "insecure",
    "headers",
)
"""Fields of the plan that say how the load was measured."""


class HasManifest(Protocol):
    """A run, or what is left of one."""

    @property
    def manifest(self) -> Manifest:
        """Its manifest."""


def load_conditions(manifest: Manifest) -> Conditions:
    """The load. Runs under different loads cannot be compared."""
    plan = manifest.plan
    if plan is None:
        return {}
    found: Conditions = {"kind of load": str(plan.load.__struct_config__.tag).replace("_", " ")}
    for name, value in msgspec.structs.asdict(plan.load).items():
        if name == "classes" or (name in _OF_USERS and not plan.load.own_users):
            continue
        shown = PurePath(value).name if name in _FILES else value
        found[_NAMES.get(name, name.removesuffix("_s").replace("_", " "))] = shown
    for one in plan.load.classes if isinstance(plan.load, ChatLoad) else ():
        own = msgspec.structs.replace(one, host="", route=Route())  # where it is may differ
        found[f"user class {one.name}"] = msgspec.json.encode(own).decode()
    found |= {name.replace("_", " "): getattr(plan, name) for name in _ASKED}
    found["reasoning"] = plan.thinking.words or "as it is"
    return found | {"run time": manifest.run_time_s, "users edited": manifest.edited or "no"}


def model_of(manifest: Manifest) -> Conditions:
    """The model that was asked, without the folder or owner before its name: servers tell it with or without."""
    if manifest.plan is not None and manifest.plan.models:
        return {"model": mix_words(manifest.plan.models)}
    names = [one.model.rstrip("/").rsplit("/", 1)[-1].lower() for one in manifest.servers]
    return _all_of("model", names)


def dialect_of(manifest: Manifest) -> Conditions:
    """The form of the requests, which is what one may want to compare."""
    return _all_of("dialect", [one.dialect for one in manifest.servers])


def served_conditions(manifest: Manifest) -> Conditions:
    """Model and kind of server: equal for a run and its baseline, and what `compare` compares."""
    kinds = [(one.found.name if one.found is not None else "") or one.dialect for one in manifest.servers]
    return model_of(manifest) | _all_of("kind of server", kinds)


def _all_of(condition: str, values: Sequence[str]) -> Conditions:
    """A condition of all servers of a run."""
    found = sorted({one for one in values if one})
    return {condition: listed(found)} if found else {}


def measuring_conditions(manifest: Manifest) -> Conditions:
    """How it was measured, and on what."""
    found: Conditions = {"scenario": manifest.scenario}
    if manifest.plan is not None:
        found |= {name.replace("_", " "): getattr(manifest.plan, name) for name in _MEASURING}
        found["seed"] = manifest.plan.drawn_by
    return found | {
        "processor": manifest.machine.processor,
        "cores": manifest.machine.cores,
        "locust": manifest.versions.get("locust"),
        "chatload": manifest.versions.get("chatload"),
    }


def unlike(
    sides: Sequence[Sequence[HasManifest]], of: Callable[[Manifest], Conditions]
) -> list[tuple[str, tuple[str, ...]]]:
    """(condition, its value on each side) of each that differs. A condition that a side lacks is left out."""
    found = [[of(run.manifest) for run in runs] for runs in sides]
    differing = []
    for name in dict.fromkeys(name for side in found for each in side for name in each):
        told = [sorted({_words(each[name]) for each in side if name in each}) for side in found]
        if all(told) and any(values != told[0] for values in told):
            differing.append((name, tuple(one_line(" or ".join(values), 80) for values in told)))
    return differing


def _words(value: object) -> str:
    """A value as text; a number is the same as whole number or with a point."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return f"{value:,g}" if abs(value) < 1e6 else str(value)
    return "" if value is None else str(value)
