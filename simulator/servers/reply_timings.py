"""llama.cpp's `timings` of a reply; TabbyAPI's usage is computed from them too."""

from __future__ import annotations

from simulator.replies.reply import Reply


def timings_of(reply: Reply, count: int) -> dict[str, float]:
    """Prompt: from admission to the first token; predicted: from the first token to the last."""
    truth = reply.truth
    begun = truth.admitted_ns or truth.received_ns
    first = reply.first_token_ns or reply.due_ns
    prompt_ms, answer_ms = (first - begun) / 1e6, max(0.001, (reply.due_ns - first) / 1e6)
    prompt_n = max(1, truth.prompt_tokens or 0)
    return {
        "cache_n": 0,
        "prompt_n": prompt_n,
        "prompt_ms": round(prompt_ms, 3),
        "prompt_per_token_ms": prompt_ms / prompt_n,
        "prompt_per_second": 1e3 * prompt_n / max(prompt_ms, 1e-3),
        "predicted_n": count,
        "predicted_ms": round(answer_ms, 3),
        "predicted_per_token_ms": answer_ms / max(1, count),
        "predicted_per_second": 1e3 * count / answer_ms,
    }
