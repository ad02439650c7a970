"""Replies of OpenAI's Responses, Anthropic's Messages and Ollama's own route, composed here byte for byte."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from chatload.model.turn import Usage

from .cases_openai import sse
from .feeding import Case

_responses = partial(Case, dialect="openai-responses")
_messages = partial(Case, dialect="anthropic")
_ollama = partial(Case, dialect="ollama-native")


def typed(kind: str, **fields: Any) -> bytes:
    """An event with its type before and within its data."""
    return f"event: {kind}\n".encode() + sse({"type": kind, **fields})


def line(**fields: Any) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def told(kind: str, **fields: Any) -> bytes:
    return typed(f"response.{kind}", **fields)


def text(delta: str) -> bytes:
    return told("output_text.delta", item_id="m", delta=delta)


_MESSAGE = {"type": "message", "role": "assistant"}
_ITEM = {**_MESSAGE, "content": [{"type": "output_text", "text": "Hi you"}]}
_COUNTS = {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8,
           "input_tokens_details": {"cached_tokens": 4}, "output_tokens_details": {"reasoning_tokens": 1}}  # fmt: skip
_USED = Usage(3, 5, 4, None, 1)


def end(kind: str = "completed", status: str = "", **more: Any) -> bytes:
    response = {"id": "r", "status": status or kind, "output": [_ITEM], "usage": _COUNTS, **more}
    return told(kind, response=response)


_BEGIN = told("created", response={"id": "r", "error": None, "status": "in_progress"})
_BEGUN = (
    _BEGIN
    + told("output_item.added", output_index=0, item={**_MESSAGE, "content": []})
    + told("content_part.added", item_id="m", part={"type": "output_text", "text": ""})
)
_TWICE = (
    told("output_text.done", item_id="m", text="Hi you")
    + told("content_part.done", item_id="m", part={"type": "output_text", "text": "Hi you"})
    + told("output_item.done", output_index=0, item=_ITEM)
)
_SAID = _BEGUN + text("Hi") + text(" you")
_CALL = {"type": "function_call", "name": "f", "call_id": "c"}

# fmt: off
RESPONSES = [
    _responses("a chat in OpenAI's form", sse({"choices": [{"delta": {"content": "a"}}]}), fails="bad_wire",
          says="an event of OpenAI's chat, not of this route"),
    _responses("all of it comes four times", _SAID + _TWICE + end(), "Hi you", deltas=9, finish="stop",
               usage=_USED),
    _responses("without event lines", (_BEGUN + text("Hi") + end()).replace(b"event: ", b": "), "Hi you",
               finish="stop", usage=_USED),
    _responses("CRLF", (_SAID + end()).replace(b"\n", b"\r\n"), "Hi you", finish="stop", usage=_USED),
    _responses("a last event without its blank line", (_SAID + end())[:-2], "Hi you", finish="stop", usage=_USED),
    _responses("[DONE] at the end", _SAID + end() + b"data: [DONE]\n\n", "Hi you", finish="stop", usage=_USED),
    _responses("the text only as a whole", _BEGUN + _TWICE + end(), "Hi you", finish="stop", usage=_USED),
    _responses("the text only in the last event", _BEGIN + end(), "Hi you", finish="stop", usage=_USED),
    _responses("a limit, incomplete", _SAID + end("incomplete", incomplete_details={"reason": "max_output_tokens"}),
               "Hi you", finish="length", usage=_USED),
    _responses("a limit, called completed by vLLM",
               _SAID + end(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
               "Hi you", finish="length", usage=_USED),
    _responses("a content filter", _SAID + end("incomplete", incomplete_details={"reason": "content_filter"}),
               "Hi you", finish="content_filter", usage=_USED),
    _responses("a refusal", _BEGIN + told("refusal.delta", delta="I can") + told("refusal.delta", delta="not")
               + told("refusal.done", refusal="I cannot")
               + end(output=[{**_MESSAGE, "content": [{"type": "refusal", "refusal": "I cannot"}]}]),
               "I cannot", finish="stop", usage=_USED),
    _responses("reasoning and its summary",
               _BEGIN + told("reasoning_text.delta", delta="So") + told("reasoning_text.done", text="So")
               + told("reasoning_summary_part.added", summary_index=0)
               + told("reasoning_summary_text.delta", delta=" in short")
               + told("output_item.done", item={"type": "reasoning", "summary": [{"text": " in short"}],
                                                "content": [{"text": "So"}], "encrypted_content": "x9"})
               + text("Hi you") + end(), "Hi you", reasoning="So in short", finish="stop", usage=_USED),
    _responses("two calls of one tool",
               _BEGIN + told("output_item.added", item={**_CALL, "arguments": ""})
               + told("function_call_arguments.delta", delta='{"a"')
               + told("function_call_arguments.delta", delta=":1}")
               + told("function_call_arguments.done", arguments='{"a":1}')
               + told("output_item.done", item={**_CALL, "arguments": '{"a":1}'})
               + told("output_item.added", item={**_CALL, "arguments": ""})
               + told("function_call_arguments.delta", delta="{}")
               + end(output=[{**_CALL, "arguments": '{"a":1}'}, {**_CALL, "arguments": "{}"}]),
               tool_text='f{"a":1}f{}', finish="tool_calls", usage=_USED),
    _responses("events nobody knows", _BEGIN + told("output_text.annotation.added", annotation={}) + text("Hi")
               + told("audio.delta", delta="AAAA") + told("web_search_call.completed", status="completed")
               + end(output=[]), "Hi", finish="stop", usage=_USED),
    _responses("pings and comments", _BEGIN + b": ping\n\n" + text("Hi") + b"event: ping\ndata: {}\n\n"
               + end(output=[]), "Hi", finish="stop", usage=_USED),
    _responses("no usage", _SAID + told("completed", response={"id": "r", "status": "completed", "usage": None}),
               "Hi you", finish="stop"),
    _responses("no end", _SAID, "Hi you"),
    _responses("cut", _SAID + end()[:-9], "Hi you", fails="truncated"),
    _responses("failed", _BEGUN + text("Hi") + end("failed", output=[], error={
        "code": "server_error", "message": "The model failed."}), "Hi", fails="server_error",
               says="The model failed."),
    _responses("failed, told beside", _BEGUN + told("failed", error={"message": "It broke."}), fails="in_band_error",
               says="It broke."),
    _responses("failed without a reason", _BEGUN + text("Hi") + end("failed", output=[]), "Hi", finish="failed",
               usage=_USED),
    _responses("rate limit", _BEGIN + end("failed", output=[], error={
        "code": "rate_limit_exceeded", "message": "Slow down"}), fails="overloaded", says="Slow down"),
    _responses("an error event", _BEGUN + text("Hi") + typed(
        "error", code="ERR_SOMETHING", message="Something went wrong", param=None), "Hi",
               fails="in_band_error", says="Something went wrong"),
    _responses("an error event of vLLM", _BEGUN + text("Hi") + sse({"error": {
        "message": "EngineCore died", "type": "InternalServerError", "code": 500}}), "Hi",
               fails="server_error", says="EngineCore died"),
    _responses("a text that is none", _BEGIN + told("output_text.delta", delta=7), fails="bad_wire"),
]


def block(kind: str, **fields: Any) -> bytes:
    return typed("content_block_delta", index=0, delta={"type": kind, **fields})


def start(kind: str, **fields: Any) -> bytes:
    return typed("content_block_start", index=0, content_block={"type": kind, **fields})


_STOP = typed("content_block_stop", index=0)
_START = typed("message_start", message={"id": "msg_1", "content": [], "stop_reason": None,
                                         "usage": {"input_tokens": 5, "cache_read_input_tokens": 4,
                                                   "output_tokens": 1}})
_PING = b"event: ping\ndata: {\"type\": \"ping\"}\n\n"


def reason(word: str | None, **usage: int) -> bytes:
    return typed("message_delta", delta={"stop_reason": word, "stop_sequence": None}, usage=usage)


_OVER = typed("message_stop")
_HELLO = start("text", text="") + block("text_delta", text="Hi") + block("text_delta", text=" you")
_READ = Usage(None, 9, 4)
_BOTH = Usage(3, 9, 4)

ANTHROPIC = [
    _messages("a chat in OpenAI's form", sse({"choices": [{"delta": {"content": "a"}}]}), fails="bad_wire",
          says="an event of OpenAI's chat, not of this route"),
    _messages("a reply", _START + _PING + _HELLO + _STOP + reason("end_turn", output_tokens=3) + _OVER, "Hi you",
              deltas=7, finish="stop", usage=_BOTH),
    _messages("pings in between", _START + _HELLO + _PING + _PING + reason("end_turn", output_tokens=3) + _OVER,
              "Hi you", finish="stop", usage=_BOTH),
    _messages("CRLF", (_START + _PING + _HELLO + reason("end_turn", output_tokens=3) + _OVER).replace(b"\n", b"\r\n"),
              "Hi you", finish="stop", usage=_BOTH),
    _messages("a limit", _START + _HELLO + reason("max_tokens", output_tokens=3) + _OVER, "Hi you", finish="length",
              usage=_BOTH),
    _messages("a stop sequence", _START + _HELLO + reason("stop_sequence", output_tokens=3) + _OVER, "Hi you",
              finish="stop", usage=_BOTH),
    _messages("a refusal", _START + _HELLO + reason("refusal", output_tokens=3) + _OVER, "Hi you",
              finish="content_filter", usage=_BOTH),
    _messages("a reason nobody knows", _START + _HELLO + reason("pause_turn", output_tokens=3) + _OVER, "Hi you",
              finish="pause_turn", usage=_BOTH),
    _messages("usage that adds up", _START + _HELLO + reason(None, output_tokens=2)
              + reason("end_turn", output_tokens=3, input_tokens=6, cache_creation_input_tokens=1) + _OVER,
              "Hi you", finish="stop", usage=Usage(3, 11, 4)),
    _messages("a reason of null", _START + _HELLO + reason(None, output_tokens=3) + _OVER, "Hi you", usage=_BOTH),
    _messages("no reason but the end", _START + _HELLO + _OVER, "Hi you", finish="stop", usage=_READ),
    _messages("no end at all", _START + _HELLO, "Hi you", usage=_READ),
    _messages("thinking, signed and encrypted",
              _START + start("thinking", thinking="", signature="") + block("thinking_delta", thinking="So")
              + block("signature_delta", signature="EqQBCg") + _STOP + start("redacted_thinking", data="EmwKAhgB")
              + _STOP + _HELLO + reason("end_turn", output_tokens=3) + _OVER, "Hi you", reasoning="So",
              finish="stop", usage=_BOTH),
    _messages("a tool", _START + start("tool_use", id="toolu_1", name="f", input={})
              + block("input_json_delta", partial_json="") + block("input_json_delta", partial_json='{"a":')
              + block("input_json_delta", partial_json="1}") + _STOP + reason("tool_use", output_tokens=3) + _OVER,
              tool_text='f{"a":1}', finish="tool_calls", usage=_BOTH),
    _messages("a tool at once", _START + start("tool_use", id="t", name="f", input={"a": 1}) + _STOP
              + reason("tool_use", output_tokens=3) + _OVER, tool_text='f{"a":1}', finish="tool_calls", usage=_BOTH),
    _messages("a block at once", _START + start("text", text="Hi") + _STOP + reason("end_turn", output_tokens=3),
              "Hi", finish="stop", usage=_BOTH),
    _messages("events and pieces nobody knows", _START + start("web_search_tool_result", content=[]) + _STOP
              + _HELLO + block("citations_delta", citation={}) + typed("vendor_event", status="ok")
              + reason("end_turn", output_tokens=3) + _OVER, "Hi you", finish="stop", usage=_BOTH),
    _messages("overloaded", _START + _HELLO + typed("error", error={
        "type": "overloaded_error", "message": "Overloaded"}), "Hi you", usage=_READ, fails="overloaded",
              says="Overloaded"),
    _messages("an error of the server", _START + _HELLO + typed("error", error={
        "type": "api_error", "message": "Internal server error"}), "Hi you", usage=_READ, fails="server_error",
              says="Internal server error"),
    _messages("cut", _START + _HELLO[:-4], "Hi", usage=_READ, fails="truncated"),
    _messages("a text that is none", block("text_delta", text=[]), fails="bad_wire"),
    _messages("JSON in place of a stream", b'{"type":"error","error":{"type":"not_found_error","message":"model: x"}}',
              fails="invalid_request", says="model: x"),
]


def said(done: bool = False, **message: Any) -> bytes:
    at = "2026-11-29T08:00:00.123456Z"
    return line(model="m", created_at=at, message={"role": "assistant", **message}, done=done)


def last(word: str | None = "stop", **message: Any) -> bytes:
    counts = {"total_duration": 9, "load_duration": 1, "prompt_eval_count": 5, "prompt_eval_duration": 2,
              "eval_count": 3, "eval_duration": 6}
    named = {} if word is None else {"done_reason": word}
    return line(model="m", message={"role": "assistant", "content": "", **message}, done=True, **named, **counts)


_TWO = said(content="Hi") + said(content=" you")
_COUNTED = Usage(3, 5)

OLLAMA = [
    _ollama("a reply", _TWO + last(), "Hi you", deltas=3, finish="stop", usage=_COUNTED),
    _ollama("without a last line end", (_TWO + last())[:-1], "Hi you", finish="stop", usage=_COUNTED),
    _ollama("CRLF and blank lines", (_TWO + b"\n" + last()).replace(b"\n", b"\r\n"), "Hi you", finish="stop",
            usage=_COUNTED),
    _ollama("of 2023, without a reason", _TWO + last(None), "Hi you", finish="end", usage=_COUNTED),
    _ollama("a limit", _TWO + last("length"), "Hi you", finish="length", usage=_COUNTED),
    _ollama("text in the last line", said(content="Hi") + last(content=" you"), "Hi you", finish="stop",
            usage=_COUNTED),
    _ollama("a prompt that was cached counts nothing", _TWO + line(message={"content": ""}, done=True, eval_count=3),
            "Hi you", finish="end", usage=Usage(3)),
    _ollama("thinking", said(content="", thinking="So") + _TWO + last(), "Hi you", reasoning="So", finish="stop",
            usage=_COUNTED),
    _ollama("a tool", said(content="", tool_calls=[{"id": "c", "function": {"index": 0, "name": "f",
                                                                           "arguments": {"a": 1}}}]) + last(),
            tool_text='f{"a":1}', finish="tool_calls", usage=_COUNTED),
    _ollama("log probabilities", said(content="Hi") [:-2] + b',"logprobs":[{"token":"H"},{"token":"i"}]}\n' + last(),
            "Hi", tokens=(2, None), finish="stop", usage=_COUNTED),
    _ollama("no end", _TWO, "Hi you"),
    _ollama("cut", _TWO + last()[:-9], "Hi you", fails="truncated"),
    _ollama("an error in the middle", _TWO + line(error="an error was encountered while running the model"),
            "Hi you", fails="in_band_error", says="while running the model"),
    _ollama("server-sent events", b"data: " + said(content="Hi") + b"\n", fails="bad_wire", says="JSON"),
    _ollama("a page", b"<html>It works!</html>\n", fails="bad_wire"),
    _ollama("a line that says nothing", line(status="pulling manifest"), fails="bad_wire"),
    _ollama("a text that is none", said(content=7), fails="bad_wire"),
]
