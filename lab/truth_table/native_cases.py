"""Replies of TGI's own route and of vLLM 0.1.2's."""

from __future__ import annotations

import json

from lab.truth_table.case import TIMES, WORDS, Case, event


def tgi_event(i: int, *, last: bool = False) -> bytes:
    payload = {
        "token": {"id": 100 + i, "text": WORDS[i], "logprob": -0.5, "special": False},
        "generated_text": "".join(WORDS) if last else None,
        "details": {"finish_reason": "length", "generated_tokens": 20, "seed": None} if last else None,
    }
    return event(payload, prefix="data:")


TGI_CASES = [
    Case("TGI tokens", [(15.0, b":\n\n"), *[(TIMES[i], tgi_event(i, last=i == 19)) for i in range(20)]]),
    Case(
        "TGI overloaded",
        [(5.0, event({"error": "Model is overloaded", "error_type": "overloaded"}, prefix="data:"))],
        code="overloaded",
    ),
    Case(
        "TGI generation error in the middle",
        [
            *[(TIMES[i], tgi_event(i)) for i in range(5)],
            (300.0, event({"error": "CUDA out of memory", "error_type": "generation"}, prefix="data:")),
        ],
        code="server_error",
    ),
    Case("TGI without its last event", [(TIMES[i], tgi_event(i)) for i in range(5)], code="truncated"),
]

PROMPT = "Once a upon time,"


def frame(text: str) -> bytes:
    return json.dumps({"text": [PROMPT + text]}).encode() + b"\0"


VLLM_GENERATE_CASES = [
    Case("cumulative frames", [(TIMES[i], frame("".join(WORDS[: i + 1]))) for i in range(20)]),
    Case("a frame cut short", [(200.0, frame(" a")), (220.0, frame(" a b")[:-3])], code="truncated"),
]
