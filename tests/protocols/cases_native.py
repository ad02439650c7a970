"""Replies in TGI's own form and in that of vLLM 0.1.2's POST /generate, composed here byte for byte."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from chatload.model.turn import Usage

from .cases_openai import sse
from .feeding import Case

_tgi = partial(Case, dialect="tgi")
_generate = partial(Case, dialect="vllm-generate")
PROMPT = "Once upon a time,"


def token(
    text: str, special: bool = False, end: Any = None, details: Any = None, **first: Any
) -> dict[str, Any]:
    one = {"id": 727, "text": text, "logprob": -0.34375, "special": special}
    return {**first, "token": one, "generated_text": end, "details": details}


def old(event: dict[str, Any]) -> bytes:
    """TGI up to 2.0: no space after the colon."""
    return sse(event, prefix="data:")


def frame(*texts: str, prompt: str = PROMPT) -> bytes:
    return json.dumps({"text": [prompt + text for text in texts]}).encode() + b"\0"


_EOS = {"finish_reason": "eos_token", "generated_tokens": 3, "seed": None}
_THERE = old(token(" there"))
_OVERLOADED = {"error": "Model is overloaded", "error_type": "overloaded"}

# fmt: off
TGI = [
    _tgi("TGI 0.9.3", b":\n\n" + _THERE + old(token("")) + old(token("</s>", True, " there was", _EOS)),
         " there", deltas=3, tokens=(1, 1, 1), finish="eos_token", usage=Usage(3)),
    _tgi("TGI 3.x",
         sse(token(" there", index=1)) + sse(token("</s>", True, " there", {
             "finish_reason": "eos_token", "generated_tokens": 2, "seed": None, "input_length": 5}, index=2)),
         " there", deltas=2, tokens=(1, 1), finish="eos_token", usage=Usage(2, 5)),
    _tgi("TGI without details", _THERE + old(token(" was", end=" there was")), " there was",
         finish="end", tokens=(1, 1)),
    _tgi("TGI: empty generated_text is an end", old(token("</s>", True, "", _EOS)), finish="eos_token",
         usage=Usage(3), tokens=(1,)),
    _tgi("TGI: special first token", old(token("<s>", True)) + _THERE, " there", tokens=(1, 1)),
    _tgi("TGI: no end", _THERE + _THERE, " there there", deltas=2),
    _tgi("TGI: CRLF", (_THERE + old(token(" was", end="x"))).replace(b"\n", b"\r\n"), " there was",
         finish="end"),
    _tgi("TGI: keep-alive between tokens", _THERE + b":\n\n:\n\n" + old(token(" was", end="x")),
         " there was", finish="end", deltas=2),
    _tgi("TGI overloaded", old(_OVERLOADED), deltas=0, fails="overloaded", says="Model is overloaded"),
    _tgi("TGI validation",
         old({"error": "Input validation error: `temperature` must be strictly positive",
              "error_type": "validation"}), fails="invalid_request", says="strictly positive"),
    _tgi("TGI generation", _THERE + old({"error": "Request failed during generation: Server error: "
                                                "CUDA out of memory", "error_type": "generation"}), " there",
         fails="server_error", says="out of memory"),
    _tgi("TGI incomplete", _THERE + sse({"error": "Incomplete generation stream",
                                                "error_type": "incomplete_generation_stream"}), " there",
         fails="server_error", says="Incomplete"),
    _tgi("TGI: an OpenAI event", sse({"choices": []}), fails="bad_wire"),
    _tgi("TGI cut", _THERE + _THERE[:-3], " there", deltas=1, fails="truncated"),
]

VLLM_GENERATE = [
    _generate("cumulative frames", frame(" there") + frame(" there was") + frame(" there was 你"),
         " there was 你", deltas=4, finish="end"),
    _generate("a frame repeated", frame(" there") + frame(" there") + frame(" there was"),
         " there was", deltas=4, finish="end"),
    _generate("several tokens in a frame", frame(" there was a river"), " there was a river",
         deltas=2, finish="end"),
    _generate("a stop string is cut off",
         frame(" a river") + frame(" a river small") + frame(" a river "), " a river small", finish="end"),
    _generate("a stop string is cut off, then repeated",
         frame(" a riv") + frame(" a") + frame(" a"), " a riv", finish="end"),
    _generate("cut off and back again", frame(" a riv") + frame(" a") + frame(" a river"), " a river",
              finish="end"),
    _generate("U+FFFD is repaired", frame("a\ufffd") + frame("a\ufffd") + frame("a你") + frame("a你b"),
         "a你b", deltas=5, finish="end"),
    _generate("U+FFFD stays", frame("a\ufffd"), "a\ufffd", finish="end"),
    _generate("U+FFFD repaired under later text", frame("a\ufffdb") + frame("a你bc"), "a\ufffdbc",
         finish="end"),
    _generate("two candidates", frame(" x", " y") + frame(" x1", " y1"), " x1", finish="end"),
    _generate("only the prompt", frame(""), "", deltas=2, finish="end"),
    _generate("no frame at all", b"", deltas=0),
    _generate("a blank tail", frame(" there") + b"\n", " there", finish="end"),
    _generate("cut inside a frame", frame(" there") + frame(" there was")[:-1], " there", deltas=1,
         fails="truncated"),
    _generate("another prompt", frame(" there", prompt="Twice"), fails="bad_wire", says="prompt"),
    _generate("no JSON in a frame", frame(" there") + b"<html>\0", " there", fails="bad_wire"),
    _generate("no text in a frame", b'{"texts": []}\0', fails="bad_wire"),
    _generate("a worker's error", frame(" a") + b'{"text": "out of memory", "error_code": 50002}\0',
         " a", fails="server_error", says="out of memory"),
    _generate("an SSE body", b'data: {"choices":[]}\n\n', fails="truncated"),
]
