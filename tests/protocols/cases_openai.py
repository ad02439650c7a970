"""Replies of servers that speak OpenAI's forms, composed here byte for byte in each server's accent."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from chatload.model.turn import Usage

from .feeding import Case

_completion = partial(Case, dialect="openai-completions")
DONE = b"data: [DONE]\n\n"
ID = "chatcmpl-5b1e0c77a9d2f304"


def sse(payload: Any, prefix: str = "data: ", end: str = "\n\n", spaced: bool = False) -> bytes:
    """One event; raw UTF-8 in it, compact or with Python's blanks."""
    separators = None if spaced else (",", ":")
    return f"{prefix}{json.dumps(payload, ensure_ascii=False, separators=separators)}{end}".encode()


def chat(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A vLLM 0.33 chat chunk; `delta` None leaves `choices` empty."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    top = {"id": ID, "object": "chat.completion.chunk", "created": 1795000000, "model": "m"}
    return {**top, "choices": [] if delta is None else [choice], **more}


def usage(completion: int, prompt: int = 21, **more: Any) -> dict[str, Any]:
    counts = {"prompt_tokens": prompt, "total_tokens": prompt + completion, "completion_tokens": completion}
    return {**counts, **more}


ROLE = sse(chat({"role": "assistant", "content": ""}, prompt_token_ids=None, prompt_text=None))
THERE = sse(chat({"content": "There"}))
WAS = sse(chat({"content": " was"}, "stop"))
PLAIN = ROLE + THERE + WAS + DONE


def _vllm_012(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    top = {"id": "cmpl-3f0c", "object": "chat.completion.chunk", "created": 1690444800, "model": "llama-2"}
    return sse({**top, "choices": choices}, spaced=True)


def _vllm_012_role() -> bytes:
    role = [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]
    return sse({"id": "cmpl-3f0c", "model": "llama-2", "choices": role}, spaced=True)


def _llama(choices: list[Any], **more: Any) -> bytes:
    top = {"created": 1795000000, "id": "chatcmpl-Qw3r", "model": "m", "object": "chat.completion.chunk"}
    return sse({"choices": choices, **top, **more})


def _llama_choice(delta: dict[str, Any], finish: str | None = None) -> list[Any]:
    return [{"finish_reason": finish, "index": 0, "delta": delta}]


_TIMINGS = {"cache_n": 26, "prompt_n": 15, "prompt_ms": 80.5, "predicted_n": 2, "predicted_ms": 240.1}


def _tgi_chat(content: str | None, finish: str | None = None, use: Any = None, **more: Any) -> dict[str, Any]:
    delta = {"role": "assistant", "content": content}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    top = {"object": "chat.completion.chunk", "id": "", "created": 1735689600, "model": "m"}
    choices = [] if content is None else [choice]
    return {**top, "system_fingerprint": "3.3.7-native", "choices": choices, "usage": use, **more}


def _tgi_14(number: int, content: str, finish: str | None = None) -> bytes:
    choice = {"index": number, "delta": {"role": "assistant", "content": content}, "finish_reason": finish}
    return sse({"id": "", "object": "text_completion", "choices": [choice]}, prefix="data:")


def _tgi_text(text: str, finish: str, **more: Any) -> bytes:
    choices = [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish}]
    return sse({"object": "text_completion", "id": "", "created": 1, "choices": choices, **more})


def _text(text: str, finish: str | None = None, **more: Any) -> bytes:
    choices = [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish, "stop_reason": None}]
    return sse({"id": "cmpl-77d0", "object": "text_completion", "choices": choices, **more})


def _tabby(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return sse({"id": "chatcmpl-6f1c", "choices": [choice], **more}, end="\r\n\r\n", spaced=True)


def _bare(delta: dict[str, Any], **more: Any) -> bytes:
    return sse({"id": "req-1", "choices": [{"delta": delta, "index": 0, **more}], "system_fingerprint": ""})


def _error(words: Any, spaced: bool = False) -> bytes:
    return sse({"error": words}, spaced=spaced)


_BOOM = {"message": "Internal server error", "type": "InternalServerError", "param": None, "code": 500}
_AFTER_TWO = Usage(2, 21)

# fmt: off
VLLM = [
    Case("role event first", PLAIN, "There was", deltas=3, finish="stop", reply_id=ID),
    Case("usage event", ROLE + THERE + WAS + sse(chat(None, usage=usage(2))) + DONE, "There was",
         deltas=4, tokens=(None,) * 4, finish="stop", usage=_AFTER_TWO),
    Case("usage null until the end",
         sse(chat({"content": "There"}, usage=None))
         + sse(chat({"content": " was"}, "length", usage=usage(2)))
         + DONE, "There was", tokens=(None, None), finish="length", usage=_AFTER_TWO),
    Case("continuous usage, 4 tokens in an event",
         sse(chat({"role": "assistant", "content": ""}, usage=usage(0)))
         + sse(chat({"content": "There"}, usage=usage(1)))
         + sse(chat({"content": " was a river, "}, usage=usage(5)))
         + sse(chat({"content": ""}, "stop", usage=usage(6)))
         + sse(chat(None, usage=usage(6, prompt_tokens_details={"cached_tokens": 16}))) + DONE,
         "There was a river, ", tokens=(0, 1, 4, 1, None), finish="stop", usage=Usage(6, 21, 16)),
    Case("cached tokens beside the sums, as Moonshot and Together tell them",
         sse(chat({"content": "There was"}, "stop", usage=usage(2, cached_tokens=16))) + DONE,
         "There was", tokens=(2,), finish="stop", usage=Usage(2, 21, 16)),
    Case("cached tokens beside the sums, as DeepSeek tells them",
         sse(chat({"content": "There was"}, "stop",
                  usage=usage(2, prompt_cache_hit_tokens=16, prompt_cache_miss_tokens=5))) + DONE,
         "There was", tokens=(2,), finish="stop", usage=Usage(2, 21, 16)),
    Case("one event is the whole reply", sse(chat({"content": "There was"}, "stop", usage=usage(2))),
         "There was", tokens=(2,), finish="stop", usage=_AFTER_TWO),
    Case("reasoning before content",
         ROLE + sse(chat({"reasoning": "Hm"})) + sse(chat({"reasoning": ".", "reasoning_content": "."}))
         + sse(chat({"reasoning_content": " Well."})) + WAS
         + DONE, " was", "Hm. Well.", deltas=5, finish="stop"),
    Case("tool call",
         ROLE + sse(chat({"tool_calls": [{"index": 0, "id": "c1", "type": "function",
                                          "function": {"name": "look", "arguments": ""}}]}))
         + sse(chat({"tool_calls": [{"index": 0, "function": {"arguments": "{\"at\":1}"}}]}))
         + sse(chat({}, "tool_calls")) + DONE, tool_text='look{"at":1}', finish="tool_calls"),
    Case("error, then [DONE]", ROLE + THERE + _error(_BOOM) + DONE, "There", deltas=2,
         fails="server_error", says="Internal server error"),
    Case("error with blanks in the JSON", THERE + _error(_BOOM, True) + DONE, "There",
         fails="server_error", says="Internal server error"),
    Case("no finish, no [DONE]", ROLE + THERE, "There", deltas=2),
    Case("[DONE] is no success", ROLE + THERE + DONE, "There", deltas=2),
    Case("finish, but no [DONE]", ROLE + THERE + WAS, "There was", finish="stop"),
    Case("abort, then a tidy [DONE]", ROLE + THERE + sse(chat({"content": ""}, "abort")) + DONE,
         "There", finish="abort"),
    Case("empty-content event", ROLE + sse(chat({"content": ""})) + WAS + DONE, " was", deltas=3,
         finish="stop"),
    Case("comments before the first token", b": ping\n\n: keep-alive\n\n" + PLAIN, "There was",
         deltas=3, finish="stop"),
    Case("comments in the middle", ROLE + b":\n\n" + THERE + b": ping - 1\n\n" + WAS + DONE,
         "There was", deltas=3, finish="stop"),
    Case("data: without a space", PLAIN.replace(b"data: ", b"data:"), "There was", finish="stop"),
    Case("CRLF", PLAIN.replace(b"\n", b"\r\n"), "There was", deltas=3, finish="stop"),
    Case("CR", PLAIN.replace(b"\n", b"\r"), "There was", deltas=3, finish="stop"),
    Case("LF and CRLF mixed", ROLE + THERE.replace(b"\n\n", b"\n\r\n") + WAS.replace(b"\n", b"\r\n"),
         "There was", deltas=3, finish="stop"),
    Case("BOM", b"\xef\xbb\xbf" + PLAIN, "There was", deltas=3, finish="stop"),
    Case("other fields", b"event: message\nid: 7\nretry: 10\nfoo: bar\n" + PLAIN, "There was",
         deltas=3, finish="stop"),
    Case("data over two lines",
         b'data: {"choices":[{"delta":\ndata: {"content":"ab"},"finish_reason":"stop"}]}\n\n', "ab",
         deltas=1, finish="stop"),
    Case("multi-byte characters", sse(chat({"content": "你好 🌊 é\u2028\u0085"}, "stop")) + DONE,
         "你好 🌊 é\u2028\u0085", finish="stop"),
    Case("blank lines at the end", PLAIN + b"\n\r\n\n", "There was", finish="stop"),
    Case("a comment at the end", PLAIN + b": bye\n", "There was", finish="stop"),
    Case("cut inside an event", ROLE + THERE + WAS[:-20], "There", deltas=2, fails="truncated"),
    Case("last event without its blank line", ROLE + THERE + WAS[:-1], "There was", deltas=3, finish="stop"),
    Case("last event without any line end", ROLE + THERE + WAS[:-2], "There was", deltas=3, finish="stop"),
    Case("last event without its blank line, CRLF", (ROLE + THERE + WAS).replace(b"\n", b"\r\n")[:-2],
         "There was", deltas=3, finish="stop"),
    Case("[DONE] without its blank line", PLAIN[:-1], "There was", deltas=3, finish="stop"),
    Case("last event without the end of its JSON", ROLE + THERE + WAS[:-3], "There", deltas=2,
         fails="truncated"),
    Case("a single line end after each event", PLAIN.replace(b"\n\n", b"\n"), deltas=0, fails="bad_wire",
         says="a single line end after each event"),
    Case("a single line end after each event but the last", PLAIN.replace(b"\n\n", b"\n") + b"\n",
         deltas=0, fails="bad_wire", says="a single line end after each event"),
    Case("cut inside a comment", PLAIN + b": pi", "There was", finish="stop"),
    Case("not UTF-8", THERE + b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n' + WAS, "There",
         deltas=1, fails="bad_wire"),
    Case("not UTF-8 in a comment", THERE + b": \xff\n\n" + WAS, "There", deltas=1, fails="bad_wire"),
    Case("no JSON", THERE + b"data: <html>busy</html>\n\n", "There", fails="bad_wire", says="<html>"),
    Case("JSON, but no object", THERE + b"data: [1]\n\n", "There", fails="bad_wire"),
    Case("content is a number", THERE + sse(chat({"content": 7})), "There", fails="bad_wire"),
    Case("choices is an object", THERE + sse({"choices": {}}), "There", fails="bad_wire"),
    Case("no event stream at all", b'{"object":"chat.completion","choices":[]}', fails="bad_wire",
         says="chat.completion"),
    Case("NaN in logprobs", b'data: {"choices":[{"delta":{"content":"a"},"logprobs":NaN}]}\n\n', "a"),
    Case("half a surrogate pair", b'data: {"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n', "a?"),
    Case("error null is no error", sse(chat({"content": "a"}, "stop", error=None)), "a",
         finish="stop"),
    Case("empty body", b"", deltas=0),
    _completion("completions",
         _text(" there") + _text(" was", "stop") + sse({"id": "cmpl-77d0", "choices": [], "usage": usage(2)})
         + DONE, " there was", deltas=3, finish="stop", usage=_AFTER_TWO, reply_id="cmpl-77d0"),
]

OTHERS = [
    Case("vLLM 0.1.2: [DONE] after every event",
         _vllm_012_role() + _vllm_012({"role": None, "content": "There"}) + DONE
         + _vllm_012({"role": None, "content": " was a"}) + DONE + _vllm_012({"role": None, "content": ""})
         + _vllm_012({"role": None, "content": ""}, "stop") + DONE,
         "There was a", deltas=5, finish="stop", reply_id="cmpl-3f0c"),
    _completion("vLLM 0.1.2 completions",
         sse({"id": "cmpl-90ab", "choices": [{"index": 0, "text": " there", "finish_reason": None}]},
             spaced=True)
         + DONE + sse({"id": "cmpl-90ab", "choices": [{"index": 0, "text": "", "finish_reason": "length"}]},
                      spaced=True) + DONE, " there", deltas=2, finish="length"),
    Case("TGI 3.3 chat", sse(_tgi_chat("There")) + sse(_tgi_chat("", "stop"))
         + sse(_tgi_chat(None, use=usage(2, 12)))
         + DONE, "There", deltas=3, tokens=(None,) * 3, finish="stop",
         usage=Usage(2, 12)),
    Case("TGI 2.3 chat: usage inside the finish event",
         sse(_tgi_chat("There")) + sse(_tgi_chat(" was", "length", usage(2, 12))) + DONE, "There was",
         tokens=(None, None), finish="length", usage=Usage(2, 12)),
    *(Case(f"a finish by length that is called {word}",
           sse(_tgi_chat("There")) + sse(_tgi_chat(" was", word, usage(2, 12))) + DONE, "There was",
           tokens=(None, None), finish=finish, usage=Usage(2, 12))
      for word, finish in (("MAX_TOKENS", "length"), ("model_length", "length"), ("FINISH_REASON_LENGTH", "length"),
                           ("max_tool_calls", "max_tool_calls"))),
    Case("TGI 1.4.0 chat: index is the number of the token",
         _tgi_14(1, "There") + _tgi_14(2, " was") + _tgi_14(3, "", "eos_token"), "There was", deltas=3,
         finish="eos_token"),
    _completion("TGI completions: finish_reason is empty, not null",
         _tgi_text(" there", "") + _tgi_text(" was", "stop", usage=usage(2, 5)) + DONE, " there was",
         tokens=(None, None), finish="stop", usage=Usage(2, 5)),
    _completion("TGI completions that only says empty", _tgi_text(" there", "") + DONE, " there"),
    Case("TGI chat overloaded",
         _error({"message": "Model is overloaded", "http_status_code": 422}) + DONE, deltas=0,
         fails="overloaded", says="Model is overloaded"),
    Case("TGI chat with status 429", _error({"message": "wait", "http_status_code": 429}) + DONE,
         fails="overloaded"),
    Case("llama.cpp: role and first token in one write",
         _llama(_llama_choice({"role": "assistant", "content": None}))
         + _llama(_llama_choice({"content": "There"}))
         + _llama(_llama_choice({"content": " was"})) + _llama(_llama_choice({}, "stop"))
         + _llama([], usage={**usage(2, 41), "prompt_tokens_details": {"cached_tokens": 26}},
                  timings=_TIMINGS) + DONE,
         "There was", deltas=5, finish="stop", usage=Usage(2, 41, 26, prefill_ms=80.5), reply_id="chatcmpl-Qw3r"),
    Case("llama.cpp: timings on the finish event",
         _llama(_llama_choice({"content": "There"})) + _llama(_llama_choice({"content": " was"}))
         + _llama(_llama_choice({}, "length"), timings=_TIMINGS) + DONE, "There was", tokens=(None,) * 3,
         finish="length", usage=Usage(2, 41, 26, prefill_ms=80.5)),
    Case("llama.cpp: timings in every event",
         _llama(_llama_choice({"content": "There"}), timings={"predicted_n": 1, "prompt_n": 3})
         + _llama(_llama_choice({"content": " was"}, "stop"), timings={"predicted_n": 2, "prompt_n": 3})
         + DONE,
         "There was", tokens=(1, 1), finish="stop", usage=Usage(2, 3)),
    Case("llama.cpp error, no [DONE]", _llama(_llama_choice({"content": "There"}))
         + _error({"code": 500, "message": "slot lost", "type": "server_error"}), "There",
         fails="server_error", says="slot lost"),
    Case("SGLang",
         _bare({"reasoning_content": None, "role": "assistant", "content": ""}, finish_reason=None,
               matched_stop=None)
         + _bare({"reasoning_content": None, "content": "There"}, finish_reason=None)
         + _bare({"reasoning_content": None}, finish_reason="stop", matched_stop=2)
         + sse({"id": "req-1", "choices": [], "usage": usage(2, reasoning_tokens=0)}) + DONE,
         "There", deltas=4, finish="stop", usage=_AFTER_TWO),
    Case("SGLang: queue full inside 200",
         _error({"object": "error", "message": "The request queue is full.", "type": "x", "code": 503},
                True) + DONE,
         fails="overloaded", says="queue is full"),
    Case("lmdeploy: null keys dropped, escapes",
         b'data: {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", '
         b'"content": "There"}}]}\n\n'
         b'data: {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": " \\u4f60"}, '
         b'"finish_reason": "stop"}], "usage": null}\n\n' + sse({"choices": [], "usage": usage(2)}) + DONE,
         "There 你", deltas=3, finish="stop", usage=_AFTER_TWO),
    Case("lmdeploy: flat error",
         sse({"message": "no", "type": "x", "code": 400, "param": None, "object": "error"}) + DONE,
         fails="invalid_request", says="no"),
    Case("lmdeploy: finish_reason error", _bare({"content": "a"}, finish_reason="error") + DONE, "a",
         finish="error"),
    Case("TabbyAPI: CRLF, ping, usage event with a choice",
         _tabby({"content": "There"}) + b": ping - 2026-11-22 18:30:00.123456+00:00\r\n\r\n"
         + _tabby({}, "stop", usage={**usage(2), "completion_time": 0.5}) + b"data: [DONE]\r\n\r\n", "There",
         deltas=2, tokens=(None, None), finish="stop", usage=_AFTER_TWO),
    Case("TabbyAPI error", _tabby({"content": "There"})
         + sse({"error": {"message": "Chat completion aborted.", "trace": None}}, end="\r\n\r\n"), "There",
         fails="in_band_error", says="aborted"),
    Case("transformers: several events in a write, no [DONE]",
         _bare({"role": "assistant"}) + _bare({"content": "There"}) + _bare({"content": " was"})
         + sse({"id": "req-1", "choices": [{"delta": {}, "finish_reason": "length", "index": 0}],
                "usage": usage(2, 12)}), "There was", deltas=4, finish="length", usage=Usage(2, 12),
         reply_id="req-1"),
    Case("transformers: an error that is no JSON",
         _bare({"content": "There"}) + b'data: {"error": "no "tensor" here"}\n\n', "There",
         fails="in_band_error", says='no "tensor" here'),
    Case("FastChat: error_code without error",
         _bare({"content": "There"}) + sse({"text": "**NETWORK ERROR**", "error_code": 50001})
         + DONE, "There",
         fails="server_error", says="NETWORK ERROR"),
    Case("FastChat: error_code 0 is none", sse({**chat({"content": "a"}, "stop"), "error_code": 0}), "a",
         finish="stop"),
    Case("FastChat: rate limit", sse({"object": "error", "message": "slow down", "code": 42901}),
         fails="overloaded"),
]
