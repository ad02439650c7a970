"""POST /v1/messages of vLLM 0.32, as captured: bodies, events, answers. Also of calls of tools."""

from __future__ import annotations

import json
from collections.abc import Mapping

from simulator.replies.typed_encoder import TypedFormat, event
from simulator.servers.openai_body import Body, message_text

_START = event(
    "message_start",
    '{"type":"message_start","message":{"id":"<id>","type":"message","role":"assistant","content":[],"model":<model>,'
    '"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":<prompt>,"output_tokens":0}}}',
)
_LAST = (
    event("content_block_stop", '{"type":"content_block_stop","index":0}'),
    event(
        "message_delta",
        '{"type":"message_delta","delta":{"stop_reason":<finish>,"stop_sequence":<stop_sequence>},'
        '"usage":{"input_tokens":<prompt>,"output_tokens":<count>}}',
    ),
    event("message_stop", '{"type":"message_stop"}'),
)
_ERROR = event("error", '{"type":"error","error":{"type":"internal_error","message":<message>}}')
_ERROR_WORDS = (
    "2 validation errors for ChatCompletionStreamResponse\nmodel\n  Field required [type=missing, input_value="
    "{'error': {'message': 'En...am': None, 'code': 500}}, input_type=dict]\n    For further information visit "
    "https://errors.pydantic.dev/2.14/v/missing\nchoices\n  Field required [type=missing, input_value={'error': "
    "{'message': 'En...am': None, 'code': 500}}, input_type=dict]\n    For further information visit "
    "https://errors.pydantic.dev/2.14/v/missing"
)
"""What it says of its own error event, which it cannot read."""
_REASONS = {
    "stop": '"end_turn"',
    "length": '"max_tokens"',
    "stop_string": '"stop_sequence"',
    "abort": "null",
}


_CHOICES = {"auto": "auto", "none": "none"}
"""The words for `tool_choice` on the chat route; "required" for the others."""


def _block(start: str, delta: str, reasons: Mapping[str, str]) -> TypedFormat:
    return TypedFormat(
        begin=(
            _START,
            event(
                "content_block_start", f'{{"type":"content_block_start","content_block":{start},"index":0}}'
            ),
        ),
        delta=event("content_block_delta", f'{{"type":"content_block_delta","delta":{delta},"index":0}}'),
        last=_LAST,
        error=_ERROR,
        error_words=_ERROR_WORDS,
        finish_words=reasons,
    )


TEXT = _block('{"type":"text","text":""}', '{"type":"text_delta","text":"<text>"}', _REASONS)
TOOL = _block(
    '{"type":"tool_use","id":"<call>","name":<tool_name>,"input":{}}',
    '{"type":"input_json_delta","partial_json":"<text>"}',
    {**_REASONS, "stop": '"tool_use"'},
)


def reason(finish: str, stopped: bool) -> str | None:
    """`stop_reason` of an answer that does not stream."""
    word = _REASONS["stop_string" if stopped and finish == "stop" else finish].strip('"')
    return None if word == "null" else word


def chat_body(body: Body) -> Body:
    """The body as one of a chat."""
    messages = [_message(one) for one in body["messages"] if isinstance(one, dict)]
    system = message_text(body.get("system"))
    if system:
        messages.insert(0, {"role": "system", "content": system})
    tools = body.get("tools")
    tools = [_tool(one) for one in tools if isinstance(one, dict)] if isinstance(tools, list) else None
    given = body.get("tool_choice")
    choice = _CHOICES.get(str(given.get("type")), "required") if isinstance(given, dict) else None
    stops = body.get("stop_sequences")
    return {**body, "messages": messages, "stop": stops, "tools": tools, "tool_choice": choice}


def _message(message: Mapping[str, object]) -> dict[str, object]:
    """A message with its images and calls; a result of a tool stands in a block of a user's message."""
    content = message.get("content")
    blocks = [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []
    results = [one for one in blocks if one.get("type") == "tool_result"]
    if results:
        return {"role": "tool", "content": "".join(message_text(one.get("content")) for one in results)}
    calls = [
        {"function": {"name": one.get("name"), "arguments": json.dumps(one.get("input"))}}
        for one in blocks
        if one.get("type") == "tool_use"
    ]
    parts = [_part(one) for one in blocks] if blocks else content
    return {"role": str(message.get("role", "user")), "content": parts, "tool_calls": calls}


def _part(block: Mapping[str, object]) -> Mapping[str, object]:
    source = block.get("source")
    if block.get("type") != "image" or not isinstance(source, dict):
        return block
    url = source.get("url") or f"data:{source.get('media_type')};base64,{source.get('data')}"
    return {"type": "image_url", "image_url": {"url": url}}


def _tool(tool: Mapping[str, object]) -> dict[str, object]:
    return {
        "type": "function",
        "function": {"name": tool.get("name"), "parameters": tool.get("input_schema")},
    }
