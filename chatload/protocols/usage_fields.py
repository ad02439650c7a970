"""Reads the token counts of an event, under the names used by servers with OpenAI's routes."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from chatload.model.turn import Usage
from chatload.protocols.event_data import MOST_TOKENS, USUAL_KEYS, count, milliseconds

_MADE = ("output_tokens", "generated_tokens", "eval_count", "predicted_n")
_READ = ("input_tokens", "prompt_eval_count", "prompt_n")
"""Other names of completion and prompt tokens: OpenAI's Responses, TGI's details, Ollama, llama.cpp."""
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens")
"""Names of cached prompt tokens at the top level of a usage: Moonshot and Together, DeepSeek."""
_MADE_KEYS = frozenset(_MADE)
_SUMS = frozenset(("completion_tokens", "prompt_tokens", "total_tokens"))


def usage_of(event: Mapping[str, object]) -> Usage | None:
    """The counts of an event from `usage`, else from llama.cpp's `timings`; None if it has neither."""
    usage, timings = event.get("usage"), event.get("timings")
    if usage is None and timings is None:
        return None
    if isinstance(usage, dict):
        found = _usage(usage)
        times = event.get("metrics") or timings
        return _timed(found, times) if isinstance(times, dict) else found
    if isinstance(timings, dict) and (made := count(timings.get("predicted_n"))) is not None:
        fresh, cached = count(timings.get("prompt_n")), count(timings.get("cache_n"))
        prompt = None if fresh is None else fresh + (cached or 0)
        return _timed(Usage(completion_tokens=made, prompt_tokens=prompt, cached_tokens=cached), timings)
    return None


def _timed(usage: Usage, times: Mapping[str, object]) -> Usage:
    """The usage with the server's times of the request: vLLM's `metrics` (--enable-per-request-metrics), where TTFT
    begins when the request leaves the queue, or llama.cpp's `timings`."""
    queue = milliseconds(times.get("queue_time_ms"))
    prefill = milliseconds(times.get("time_to_first_token_ms", times.get("prompt_ms")))
    if queue is None and prefill is None:
        return usage
    return structs.replace(usage, queue_ms=queue, prefill_ms=prefill)


def usage_elsewhere(event: Mapping[str, object]) -> Usage | None:
    """The counts of an event at the end of a reply, if they are not in `usage`; else None.

    Groq has them under `x_groq`, some gateways in the choice, TGI in `details`, Ollama in the event itself.
    """
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if event.keys() <= USUAL_KEYS and not (isinstance(choice, dict) and "usage" in choice):
        return None
    for holder in (event.get("x_groq"), choice):
        if isinstance(holder, dict) and isinstance(usage := holder.get("usage"), dict):
            return _usage(usage)
    for usage in (event.get("details"), event):
        if isinstance(usage, dict) and not _MADE_KEYS.isdisjoint(usage) and _first(usage, _MADE) is not None:
            return _usage(usage)
    return None


def _usage(usage: Mapping[str, object]) -> Usage:
    return usual_usage(usage) or full_usage(usage)


def usual_usage(usage: Mapping[str, object]) -> Usage | None:
    """The counts of a usage with only OpenAI's three sums, if they add up; None for any other."""
    completion, prompt = usage.get("completion_tokens"), usage.get("prompt_tokens")
    if type(completion) is not int or type(prompt) is not int or not usage.keys() <= _SUMS:
        return None
    if not 0 <= completion <= MOST_TOKENS or not 0 <= prompt <= MOST_TOKENS:
        return None
    total = usage.get("total_tokens")
    return Usage(completion, prompt) if total is None or total == completion + prompt else None


def full_usage(usage: Mapping[str, object]) -> Usage:
    """The counts of a usage in any form."""
    completion, prompt = count(usage.get("completion_tokens")), count(usage.get("prompt_tokens"))
    total = count(usage.get("total_tokens"))
    if completion is None:
        prompt = _first(usage, _READ) if prompt is None else prompt
        completion = _first(usage, _MADE)
        if completion is None and total and prompt is not None and total >= prompt:
            completion = total - prompt
    total = None if total == (completion or 0) + (prompt or 0) else total
    if usage.keys() <= _SUMS:
        return Usage(completion, prompt, total_tokens=total)
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    cached = count(details.get("cached_tokens")) if isinstance(details, dict) else None
    made = usage.get("completion_tokens_details", usage.get("output_tokens_details"))
    made = made if isinstance(made, dict) else {}
    reasoning = made.get("reasoning_tokens", usage.get("reasoning_tokens"))  # SGLang has it at the top level
    rejected = [count(made[key]) for key in ("rejected_prediction_tokens", "audio_tokens") if key in made]
    return Usage(
        completion_tokens=completion,
        prompt_tokens=prompt,
        cached_tokens=_first(usage, _CACHED) if cached is None else cached,
        total_tokens=total,
        reasoning_tokens=count(reasoning) or None,
        rejected_tokens=sum(filter(None, rejected)) or None,
    )


def _first(usage: Mapping[str, object], keys: tuple[str, ...]) -> int | None:
    return next((found for key in keys if (found := count(usage.get(key))) is not None), None)
