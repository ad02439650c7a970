"""Every server's bytes, chunk by chunk, with ids, times and words masked: reference/protocols.md and the captures."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.client import Simulator, ask, chat, chunks

GOLDEN = Path(__file__).parent / "golden"


def masked(reply: bytes) -> str:
    """The reply with what varies replaced by names; chunk by chunk."""
    head = reply.partition(b"\r\n\r\n")[0].decode()
    lines = [head, ""] + ["[chunk] " + repr(chunk.decode())[1:-1] for chunk in chunks(reply)]
    text = "\n".join(line.replace("\r\n", "\\r\\n\n") for line in lines)
    for pattern, name in (
        (r"([dD])ate: [^\\\r\n]+", r"\1ate: DATE"),
        (r"(chatcmpl-tool-|chatcmpl-|cmpl-|req_|modelperm-|resp_|msg_|fc_)[A-Za-z0-9]+", r"\1ID"),
        (r'"id":"[0-9a-f]{32}"', '"id":"ID"'),
        (r'"created(_at)?": ?[0-9]{10}', r'"created\1":NOW'),
        (r'"created_at":"[^"]+"', '"created_at":"NOW"'),
        (r'"([a-z_]+_duration)":[0-9]+', r'"\1":NS'),
        (r'"(content|text|delta)": ?"( ?)[A-Za-z]+"', r'"\1":"\2WORD"'),
        (r'"text": ?"[A-Za-z,.]+( [A-Za-z,.]+)+"', '"text":"WORDS"'),
        (
            r'"(content|text|delta)": ?"[,.]"',
            r'"\1":" WORD"',
        ),  # which word it is depends on the requests before
        (r'"generated_text":"[^"]+"', '"generated_text":"TEXT"'),
        (
            r'"token":\{"id":[0-9]+,"text":"( ?)WORD","logprob":-[0-9.]+',
            r'"token":{"id":N,"text":"\1WORD","logprob":P',
        ),
        (r'"timings":\{[^}]*\}', '"timings":{T}'),
        (r'"(prompt|completion|total)_time": [0-9.]+', r'"\1_time": T'),
        (r"_per_sec\": [0-9.]+", '_per_sec": T'),
    ):
        text = re.sub(pattern, name, text)
    return text + "\n"


USAGE = {"stream_options": {"include_usage": True}}
CONTINUOUS = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}
HELLO = [{"role": "user", "content": "Once"}]
ASKED = {"model": "llama-2", "stream": True}
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "vllm-0.33-chat": ("vllm-0.33", "/v1/chat/completions", chat()),
    "vllm-0.33-chat-usage": ("vllm-0.33", "/v1/chat/completions", chat(**USAGE)),
    "vllm-0.33-chat-continuous": ("vllm-0.33", "/v1/chat/completions", chat(**CONTINUOUS)),
    "vllm-0.33-chat-eos": ("vllm-0.33", "/v1/chat/completions", chat(max_tokens=50)),
    "vllm-0.33-text": ("vllm-0.33", "/v1/completions", {"prompt": "Once", "max_tokens": 3, "stream": True}),
    "vllm-0.32-chat": ("vllm-0.32", "/v1/chat/completions", chat()),
    "vllm-0.32-chat-usage": ("vllm-0.32", "/v1/chat/completions", chat(**USAGE)),
    "vllm-0.32-text-usage": (
        "vllm-0.32", "/v1/completions", {"prompt": "Once", "max_tokens": 3, "stream": True, **USAGE},
    ),
    "vllm-0.1.2-chat": ("vllm-0.1.2", "/v1/chat/completions", chat()),
    "vllm-0.1.2-chat-eos": ("vllm-0.1.2", "/v1/chat/completions", chat(max_tokens=50)),
    "vllm-0.1.2-text": (
        "vllm-0.1.2", "/v1/completions", {"model": "llama-2", "prompt": "Once", "max_tokens": 2, "stream": True},
    ),
    "tgi-3.3-chat": ("tgi-3.3", "/v1/chat/completions", chat()),
    "tgi-3.3-chat-usage-eos": ("tgi-3.3", "/v1/chat/completions", chat(max_tokens=50, **USAGE)),
    "tgi-3.3-text": ("tgi-3.3", "/v1/completions", {"prompt": "Once", "max_tokens": 3, "stream": True}),
    "tgi-3.3-generate": (
        "tgi-3.3", "/generate_stream", {"inputs": "Once", "parameters": {"max_new_tokens": 50, "details": True}},
    ),
    "tgi-0.9.3-generate": ("tgi-0.9.3", "/generate_stream", {"inputs": "Once", "parameters": {"max_new_tokens": 3}}),
    "tgi-0.9.3-generate-eos": (
        "tgi-0.9.3", "/generate_stream", {"inputs": "Once", "parameters": {"max_new_tokens": 50, "details": True}},
    ),
    "llama.cpp-chat": ("llama.cpp", "/v1/chat/completions", chat()),
    "llama.cpp-chat-usage": ("llama.cpp", "/v1/chat/completions", chat(max_tokens=50, **USAGE)),
    "llama.cpp-text": ("llama.cpp", "/v1/completions", {"prompt": "Once", "max_tokens": 3, "stream": True}),
    "tabbyapi-chat": ("tabbyapi", "/v1/chat/completions", chat()),
    "tabbyapi-chat-usage": ("tabbyapi", "/v1/chat/completions", chat(**USAGE)),
    "lmdeploy-chat": ("lmdeploy", "/v1/chat/completions", chat()),
    "lmdeploy-chat-usage": ("lmdeploy", "/v1/chat/completions", chat(**USAGE)),
    "sglang-chat-usage": ("sglang", "/v1/chat/completions", chat(max_tokens=50, **USAGE)),
    "transformers-chat": ("transformers", "/v1/chat/completions", chat()),
    "vllm-0.32-responses": ("vllm-0.32", "/v1/responses", ASKED | {"input": "Once", "max_output_tokens": 3}),
    "vllm-0.32-responses-eos": ("vllm-0.32", "/v1/responses", ASKED | {"input": HELLO, "instructions": "Be brief."}),
    "vllm-0.32-messages": ("vllm-0.32", "/v1/messages", ASKED | {"messages": HELLO, "max_tokens": 3}),
    "vllm-0.32-messages-eos": ("vllm-0.32", "/v1/messages", ASKED | {"messages": HELLO, "max_tokens": 50}),
    "ollama-lines": ("ollama", "/api/chat", ASKED | {"messages": HELLO, "options": {"num_predict": 3}}),
    "ollama-lines-eos": ("ollama", "/api/chat", ASKED | {"messages": HELLO}),
    "ollama-chat-usage": ("ollama", "/v1/chat/completions", chat(**USAGE)),
    "fastchat-chat": ("fastchat", "/v1/chat/completions", chat()),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_stream_is_as_the_reference_says(everyone: Simulator, case: str) -> None:
    server, path, body = CASES[case]
    seen = masked(ask(everyone.ports[server], path, body))
    golden = GOLDEN / f"{case}.txt"
    if os.environ.get("CHATLOAD_GOLDEN") == "update":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(seen)
    assert golden.exists(), f"no golden file; the simulator sent:\n{seen}"
    assert seen == golden.read_text()


def test_native_frames_are_cumulative_and_end_with_nul(everyone: Simulator) -> None:
    body = {"prompt": "Once a \u4f60", "stream": True, "max_tokens": 4}
    reply = ask(everyone.ports["vllm-generate"], "/generate", body)
    head = reply.partition(b"\r\n\r\n")[0].lower()
    assert b"content-type" not in head
    frames = chunks(reply)
    assert len(frames) == 4
    assert all(
        frame.endswith(b'"]}\0') and frame.startswith(b'{"text": ["Once a \\u4f60') for frame in frames
    )
    assert all(later.startswith(earlier[:-4]) for earlier, later in pairwise(frames))


def test_an_eos_step_repeats_the_native_frame(everyone: Simulator) -> None:
    frames = chunks(
        ask(everyone.ports["vllm-generate"], "/generate", {"prompt": "a", "stream": True, "max_tokens": 99})
    )
    assert len(frames) == 6
    assert frames[-1] == frames[-2]
