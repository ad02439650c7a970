"""Reads manifests of chatload 0.1, whose plan is one flat object without the kind of its load.

The kind is found from the keys, and the label of the server from a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from chatload.loads.plan import Plan
from chatload.model.slo import read_objectives
from chatload.options.run_options import Timeouts

_KINDS = {"conversation_turns": "capacity", "levels": "sweep", "requests": "open_loop", "turns": "chat"}
"""Kind of load by a key that only this kind has; the first key that is present decides."""
_DEFAULTS: dict[str, dict[str, float]] = {
    "capacity": {
        "first": 1,
        "most": 1,
        "rate": 1.0,
        "precision": 0.05,
        "windows": 1,
        "settle_s": 0.0,
        "measure_s": 0.0,
        "think_time_s": 0.0,
    },
    "chat": {"think_time_s": 0.0},
    "open_loop": {"interval_s": 0.0},
    "sweep": {"rounds": 1, "prompt_tokens": 1, "answer_tokens": 1},
}
"""Fields that old manifests may lack."""
_TIMEOUTS = tuple(name.removesuffix("_s") for name in Timeouts.__struct_fields__)


def manifest_of_format_1(content: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest of format 1 in the current form.

    Any: the content of a file; the caller checks each value against the type of its field.
    """
    found = {**content, "plan": _plan(content)}
    server = content.get("server")
    if isinstance(server, Mapping) and isinstance(words := server.get("words"), str):
        found["server"] = {**server, "label": words.partition(" (GET ")[0]}
    return found


def _plan(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """The plan; None if the manifest has none."""
    flat = manifest.get("plan")
    if flat is None:
        return None
    if not isinstance(flat, Mapping):
        raise msgspec.ValidationError("Expected `object`, got another kind of value - at `$.plan`")
    kind = next((kind for key, kind in _KINDS.items() if key in flat), None)
    if kind is None:
        return None
    server, words = manifest.get("server"), flat.get("slo")
    objectives, _ = read_objectives([words] if isinstance(words, str) else map(str, words or []))
    limits = {f"{name}_s": flat[f"{name}_timeout_s"] for name in _TIMEOUTS if f"{name}_timeout_s" in flat}
    return {
        **{name: value for name, value in flat.items() if name in Plan.__struct_fields__},
        "host": server.get("host", "") if isinstance(server, Mapping) else "",
        "headers": dict.fromkeys(flat.get("header_names") or [], "…"),
        "scenario": manifest.get("scenario") or "chat",
        "timeouts": limits,
        "slo": msgspec.to_builtins(objectives),
        "load": {
            **_DEFAULTS.get(kind, {}),
            **flat,
            "kind": kind,
            **({"requests": 0} if flat.get("trace") else {}),
        },
    }
