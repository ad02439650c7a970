"""Text, reasoning and endings in the other shapes that OpenAI-compatible servers send."""

from __future__ import annotations

from typing import Any

from chatload.model.turn import Usage

from .cases_openai import DONE, ROLE, THERE, WAS, chat, sse, usage
from .feeding import Case

STOP = sse(chat({}, "stop"))
_AFTER_TWO = Usage(2, 21)


def _said(*deltas: dict[str, Any], finish: str | None = None) -> bytes:
    return b"".join(sse(chat(delta, finish)) for delta in deltas)


def _message(content: Any, finish: str | None = None, **more: Any) -> bytes:
    message = {"role": "assistant", "content": content, **more}
    return sse({"id": "p", "object": "chat.completion", "choices": [
        {"index": 0, "message": message, "finish_reason": finish}]})  # fmt: skip


def _thought(key: str, *values: Any) -> Case:
    """Reasoning "Hm." under a key of its own, then the answer " was"."""
    body = b"".join(sse(chat({"content": "", key: value})) for value in values)
    return Case(f"reasoning under {key}", ROLE + body + WAS + DONE, " was", "Hm.", finish="stop")


def _part(kind: str, text: str) -> dict[str, str]:
    return {"type": kind, "text": text}


# fmt: off
SHAPES = [
    _thought("reasoning", "Hm", "."),
    _thought("reasoning_content", "Hm", "."),
    _thought("reasoning_text", "Hm", "."),
    _thought("thinking", "Hm", "."),
    _thought("thinking", {"content": "Hm"}, {"content": "."}),
    _thought("reasoning", {"text": "Hm."}),
    _thought("reasoning_content", [{"type": "text", "text": "Hm"}, "."]),
    _thought("reasoning_details", [_part("reasoning.text", "Hm")],
             [{"type": "reasoning.summary", "summary": "."}, {"type": "reasoning.encrypted", "data": "gAAA"}]),
    _thought("thinking_blocks", [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}]),
    *(_thought(key, "Hm", ".") for key in (
        "thought_content", "internal_thoughts", "analysis", "chain_of_thought", "cot", "reason", "think")),
    *(Case(f"{key} is no reasoning", ROLE + _said({"content": "", key: value}) + WAS, " was", deltas=3,
           finish="stop")
      for key, value in (("thought_signature", "c2ln"), ("reasoning_id", "rs_1"), ("block_reason", "x"),
                         ("reasoning_time", 1.5), ("is_thinking", True), ("reasoning_effort", "low"),
                         ("encrypted_reasoning", "gAAA"), ("reasoning_tokens", 7))),
    *(Case(f"reasoning in {holder}", ROLE + _said({"content": None, holder: {"reasoning_content": "Hm."}}) + WAS,
           " was", "Hm.", finish="stop") for holder in ("provider_specific_fields", "model_extra")),
    Case("reasoning beside the delta", sse({"choices": [{"delta": {}, "reasoning": "Hm.", "stop_reason": "x"}]})
         + WAS, " was", "Hm.", finish="stop"),
    Case("reasoning beside the delta once more", sse({"choices": [
         {"delta": {"reasoning": "Hm."}, "reasoning": "Hm."}]}) + WAS, " was", "Hm.", finish="stop"),
    Case("finish_reason inside the delta", THERE + sse({"choices": [{"delta": {"finish_reason": "stop"}}]}), "There",
         finish="stop"),
    Case("finish_reason beside the choices", THERE + sse({"choices": [{"delta": {}}], "finish_reason": "length"}),
         "There", finish="length"),
    Case("a finish_reason of null elsewhere", THERE + sse({"choices": [{"delta": {"finish_reason": None}}],
         "finish_reason": "null"}), "There"),
    Case("a delta that is a text", sse({"choices": [{"delta": "There"}]}) + WAS, "There was", finish="stop"),
    Case("text beside the delta once more", sse({"choices": [{"delta": {"content": "There"}, "text": "There"}]})
         + WAS, "There was", finish="stop"),
    *(Case(f"tool calls: {name}", sse(chat({"tool_calls": calls})), tool_text="f" + said) for name, calls, said in (
        ("arguments as JSON", [{"function": {"name": "f", "arguments": {"a": 1}}}], '{"a":1}'),
        ("no arguments", [{"function": {"name": "f", "arguments": {}}}], ""),
        ("one that is no list", {"function": {"name": "f", "arguments": "{}"}}, "{}"),
        ("a custom tool", [{"type": "custom", "custom": {"name": "f", "input": "ls"}}], "ls"))),
    Case("tool calls at the end once more", sse(chat({"tool_calls": [{"function": {"name": "f", "arguments": ""}}]}))
         + sse(chat({"tool_calls": [{"function": {"arguments": "{}"}}]}))
         + sse(chat({"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}, "tool_calls")),
         tool_text="f{}", deltas=3, finish="tool_calls"),
    Case("the last delta repeats the text, trimmed", _said({"content": " There"}, {"content": " was"})
         + _said({"content": "There was"}, finish="stop") + DONE, " There was", deltas=3, finish="stop"),
    Case("the text repeats the reply after its finish", _said(*({"content": f" {word}"} for word in
         ("word", "after", "word", "after"))) + STOP + _said({"content": " word after word after"}) + DONE,
         " word after word after", finish="stop"),
    Case("[DONE] in other words", THERE + STOP + b'data: "[DONE]"\n\ndata: [done]\n\ndata: DONE\n\n', "There",
         finish="stop"),
    Case("events inside events", b"data: " + THERE + b"data: " + STOP + b"data: data: [DONE]\n\n", "There",
         finish="stop"),
    Case("reasoning under several keys is one", ROLE + _said(
         {"reasoning": "Hm.", "reasoning_content": "Hm.", "reasoning_details": [_part("reasoning.text", "Hm.")]})
         + WAS, " was", "Hm.", finish="stop"),
    Case("encrypted reasoning is no text", ROLE + _said(
         {"reasoning_details": [{"type": "reasoning.encrypted", "data": "gAAA"}], "reasoning_signature": "x"})
         + WAS, " was", deltas=3, finish="stop"),
    Case("content as parts", _said({"content": [_part("text", "There")]}, {"content": [_part("text", " was")]})
         + STOP + DONE, "There was", deltas=3, finish="stop"),
    Case("content as texts", _said({"content": ["There", " was"]}) + STOP, "There was", finish="stop"),
    Case("content as an object", _said({"content": _part("output_text", "There was")}) + STOP, "There was",
         finish="stop"),
    Case("thinking parts inside content", _said(
         {"content": [{"type": "thinking", "thinking": [_part("text", "Hm")]}]},
         {"content": [{"type": "thinking", "thinking": "."}, _part("text", "There")]}) + WAS, "There was", "Hm.",
         deltas=3, finish="stop"),
    Case("parts without text", _said({"content": [{"type": "image_url", "image_url": {"url": "x"}}, None]})
         + WAS, " was", deltas=2, finish="stop"),
    Case("a number inside parts", _said({"content": [7]}), fails="bad_wire", says="content is no text"),
    Case("reasoning is a number", _said({"reasoning": 7}), fails="bad_wire", says="reasoning is no text"),
    Case("parts of parts without an end", sse(chat({"content": [[[[[[[["a"]]]]]]]]})), fails="bad_wire"),
    Case("text under text", _said({"text": "There was"}) + STOP, "There was", finish="stop"),
    Case("refusal", _said({"content": None, "refusal": "I can"}, {"refusal": "not."}) + STOP + DONE,
         "I cannot.", deltas=3, finish="stop"),
    Case("message at the end repeats the text", ROLE + THERE + _said({"content": " was"})
         + _message("There was", "stop") + DONE, "There was", deltas=4, finish="stop"),
    Case("message at the end repeats text and reasoning", _said({"reasoning": "Hm."}) + THERE
         + _message("There", "stop", reasoning_content="Hm.") + DONE, "There", "Hm.", finish="stop"),
    Case("message at the end, trimmed", _said({"content": " was"}, {"content": " a"})
         + _message("was a", "stop"), " was a", finish="stop"),
    Case("message beside an empty delta", THERE + sse({"choices": [
         {"delta": {}, "message": {"content": "There"}, "finish_reason": "stop"}]}), "There", finish="stop"),
    Case("message alone", _message("There was", "stop"), "There was", deltas=1, finish="stop"),
    Case("message grows", _message("There") + _message("There was") + _message("There was", "stop"), "There was",
         deltas=3, finish="stop"),
    Case("message step by step", _message("There") + _message(" was") + _message("", "stop"), "There was",
         deltas=3, finish="stop"),
    Case("the last delta repeats the text", _said({"content": "There"}, {"content": " was"})
         + _said({"content": "There was"}, finish="stop") + DONE, "There was", deltas=3, finish="stop"),
    Case("a delta repeats the text before the finish", _said(*({"content": f" {word}"} for word in
         ("word", "after", "word", "after"))) + _said({"content": " word after word after"}) + STOP,
         " word after word after", deltas=6, finish="stop"),
    Case("the same word again repeats nothing", _said({"content": "ha"}, {"content": "ha"})
         + _said({"content": "ha"}, finish="stop"), "hahaha", deltas=3, finish="stop"),
    *(Case(f"finish_reason {word!r} is none", _said({"content": "There"}, {"content": " was"}, finish=word)
           + DONE, "There was", deltas=2) for word in ("null", "None", "", "NULL", "nil")),
    Case("finish_reason as an object", THERE + sse({"choices": [
         {"delta": {}, "finish_reason": {"type": "stop", "matched": 2}}]}), "There", finish="stop"),
]

ENDINGS: list[tuple[str, bytes, str | None]] = [
    ("stop on reasoning, then cut", _said({"reasoning": "a"}, {"reasoning": "b"}, finish="stop"), None),
    ("stop on reasoning, then an answer that is cut",
     _said({"reasoning": "a"}, {"reasoning": "b"}, finish="stop") + THERE, None),
    ("stop on reasoning, then an answer with its end",
     _said({"reasoning": "a"}, {"reasoning": "b"}, finish="stop") + THERE + STOP, "stop"),
    ("stop on reasoning, then an answer with its end on text",
     _said({"reasoning": "a"}, {"reasoning": "b"}, finish="stop") + THERE + WAS, "stop"),
    ("one stop too early", WAS + THERE, None),
    ("one stop too early, before a row", WAS + THERE + THERE + THERE + THERE, None),
    ("one stop too early, after a row", THERE + THERE + THERE + WAS + THERE, None),
    ("stop on each event, cut", WAS + WAS + WAS, None),
    ("stop on each event, then [DONE]", WAS + WAS + WAS + DONE, "stop"),
    ("stop on each event, then usage", WAS + WAS + WAS + sse(chat(None, usage=usage(3))), "stop"),
    ("stop on each event, usage with the last",
     WAS + WAS + sse(chat({"content": "."}, "stop", usage=usage(3))), "stop"),
    ("stop and a running count on each event, cut",
     b"".join(sse(chat({"content": "."}, "stop", usage=usage(n))) for n in (1, 2, 3)), None),
    ("stop on each event, another at the end", WAS + WAS + sse(chat({}, "length")), "length"),
    ("stop on the last text and after it", THERE + WAS + STOP, "stop"),
    ("stop, and an empty text after it", THERE + WAS + sse(chat({"content": ""})), "stop"),
]
"""(name, body, the finish reason that holds)."""
# fmt: on
