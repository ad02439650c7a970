"""Request fields for how much the model reasons, which differ between servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

ThinkingForms = Mapping[str, Callable[[object], Mapping[str, object]]]
"""Functions from a value to request fields, by what is set: "switch" (bool), "effort" (a word), "budget" (tokens).

A server's forms lack what it has no field for."""
REASONING_EFFORT: ThinkingForms = {"effort": lambda effort: {"reasoning_effort": effort}}
"""OpenAI's Chat Completions."""
ENABLE_THINKING: ThinkingForms = {
    **REASONING_EFFORT,
    "switch": lambda on: {"chat_template_kwargs": {"enable_thinking": on}},
}
"""For servers that pass variables to the chat template; those of Qwen3 and similar models have this variable."""


def thinking_fields(forms: ThinkingForms, asked: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """(request fields for the values in `asked`, keys of `asked` that `forms` lacks). Nested objects are merged."""
    fields: dict[str, object] = {}
    for name in filter(forms.__contains__, asked):
        for key, new in forms[name](asked[name]).items():
            old = fields.get(key)
            fields[key] = {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else new
    return fields, [name for name in asked if name not in forms]
