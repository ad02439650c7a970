"""vLLM 0.1.2's checks of sampling parameters, and its answer where a handler crashes."""

from __future__ import annotations

from simulator.replies.response import Response
from simulator.servers.openai_body import Body, is_int

# An exception in a handler: 500, and uvicorn closes the connection without saying so.
CRASH = Response(500, b"Internal Server Error", "text/plain; charset=utf-8", close_silently=True)
INTEGERS = ("n", "best_of", "top_k", "max_tokens", "logprobs")
REALS = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
SAMPLING = {*INTEGERS, *REALS, "use_beam_search", "stop", "ignore_eos"}


def sampling_error(body: Body) -> str | None:
    """The first error that 0.1.2's SamplingParams raises, in its order; None if it raises none."""
    n: int = body.get("n", 1)
    best_of: int = body["best_of"] if body.get("best_of") is not None else n
    temperature, top_p, top_k = body.get("temperature", 1.0), body.get("top_p", 1.0), body.get("top_k", -1)
    max_tokens = body.get("max_tokens", 16)
    checks = (
        (n < 1, f"n must be at least 1, got {n}."),
        (best_of < n, f"best_of must be greater than or equal to n, got n={n} and best_of={best_of}."),
        (
            not -2 <= body.get("presence_penalty", 0) <= 2,
            f"presence_penalty must be in [-2, 2], got {body.get('presence_penalty')}.",
        ),
        (
            not -2 <= body.get("frequency_penalty", 0) <= 2,
            f"frequency_penalty must be in [-2, 2], got {body.get('frequency_penalty')}.",
        ),
        (temperature < 0, f"temperature must be non-negative, got {float(temperature)}."),
        (not 0 < top_p <= 1, f"top_p must be in (0, 1], got {float(top_p)}."),
        (top_k < -1 or top_k == 0, f"top_k must be -1 (disable), or at least 1, got {top_k}."),
        (max_tokens < 1, f"max_tokens must be at least 1, got {max_tokens}."),
        (temperature < 1e-5 and best_of > 1, f"best_of must be 1 when using greedy sampling.Got {best_of}."),
        (temperature < 1e-5 and top_p < 1, "top_p must be 1 when using greedy sampling."),
        (temperature < 1e-5 and top_k != -1, "top_k must be -1 when using greedy sampling."),
    )
    return next((words for wrong, words in checks if wrong), None)


def numbers_fit(body: Body) -> bool:
    """Whether the sampling parameters that must be numbers are."""
    return all(is_int(body[name]) for name in INTEGERS if name in body) and all(
        is_int(body[name]) or isinstance(body[name], float) for name in REALS if name in body
    )
