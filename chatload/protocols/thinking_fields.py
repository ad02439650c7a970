"""Fields of a request that say how much the model is to reason: each server has its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

ThinkingForms = Mapping[str, Callable[[object], Mapping[str, object]]]
"""How a server is told each of: "switch" (True or False), "effort" (a word), "budget" (tokens); those it takes."""
REASONING_EFFORT: ThinkingForms = {"effort": lambda effort: {"reasoning_effort": effort}}
"""OpenAI's Chat Completions."""
ENABLE_THINKING: ThinkingForms = {
    **REASONING_EFFORT,
    "switch": lambda on: {"chat_template_kwargs": {"enable_thinking": on}},
}
"""Servers that pass variables on to the chat template, in which Qwen3's and its followers' have this one."""


def thinking_fields(forms: ThinkingForms, asked: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """(the fields of a request, what the server has no form for)."""
    fields: dict[str, object] = {}
    for name, value in asked.items():
        for key, told in forms[name](value).items() if name in forms else ():
            before = fields.get(key)
            fields[key] = {**before, **told} if isinstance(before, dict) and isinstance(told, dict) else told
    return fields, [name for name in asked if name not in forms]
