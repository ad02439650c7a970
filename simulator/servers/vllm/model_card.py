"""A part of vLLM's list of models; 0.1.2's is the same."""

from __future__ import annotations

from typing import Any


def permission(name: str, created: int) -> dict[str, Any]:
    """The permission card that vLLM puts on each model."""
    return {
        "id": name,
        "object": "model_permission",
        "created": created,
        "allow_create_engine": False,
        "allow_sampling": True,
        "allow_logprobs": True,
        "allow_search_indices": False,
        "allow_view": True,
        "allow_fine_tuning": False,
        "organization": "*",
        "group": None,
        "is_blocking": False,
    }
