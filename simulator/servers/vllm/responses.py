"""POST /v1/responses of vLLM 0.32, as captured: bodies, events, answers. Also of calls of tools."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from simulator.replies.job import GenerationParams
from simulator.replies.typed_encoder import TypedFormat, event
from simulator.servers.openai_body import Body, message_text

_COUNTS = (
    '{"input_tokens":<prompt>,"input_tokens_details":{"cached_tokens":0,"cache_write_tokens":0,'
    '"input_tokens_per_turn":[],"cached_tokens_per_turn":[]},"output_tokens":<count>,"output_tokens_details":'
    '{"reasoning_tokens":0,"tool_output_tokens":0,"output_tokens_per_turn":[],"tool_output_tokens_per_turn":[]},'
    '"total_tokens":<total>}'
)
_RESPONSE = (
    '{"id":"<id>","created_at":<created>,"incomplete_details":%(details)s,"instructions":<instructions>,'
    '"metadata":null,"model":<model>,"object":"response","output":%(output)s,"parallel_tool_calls":true,'
    '"temperature":<temperature>,"tool_choice":<tool_choice>,"tools":<tools>,"top_p":<top_p>,"background":false,'
    '"max_output_tokens":<max_output_tokens>,"max_tool_calls":null,"previous_response_id":null,"prompt":null,'
    '"reasoning":null,"service_tier":"auto","status":"%(status)s","text":null,"top_logprobs":null,'
    '"truncation":"disabled","usage":%(usage)s,"user":null,"presence_penalty":0.0,"frequency_penalty":0.0,'
    '"kv_transfer_params":null,"ec_transfer_params":null,"input_messages":null,"output_messages":null}'
)
_BEGUN = _RESPONSE % {"details": "null", "output": "[]", "status": "in_progress", "usage": "null"}
_PART = '{"annotations":[],"text":%s,"type":"output_text","logprobs":%s}'
_MESSAGE = '{"id":"<item>","content":%s,"role":"assistant","status":"%s","type":"message","phase":null}'
_WHOLE = _MESSAGE % (f"[{_PART % ('<whole>', 'null')}]", "completed")
_CALL = (
    '{"arguments":%s,"call_id":"<call>","name":<tool_name>,"type":"function_call","id":"<item>","async":null,'
    '"caller":null,"namespace":null,"status":"%s"}'
)


def _event(kind: str, *fields: str) -> str:
    """An event; its keys are sorted but for `type`, which is the last."""
    return event(kind, "{" + ",".join((*fields, '"sequence_number":<seq>', f'"type":"{kind}"')) + "}")


def _text_event(kind: str, *before: str) -> str:
    return _event(
        kind, '"content_index":0', *before, '"item_id":"<item>"', '"logprobs":[]', '"output_index":0'
    )


ANSWER = _RESPONSE % {"details": "<details>", "output": f"[{_WHOLE}]", "status": "<finish>", "usage": _COUNTS}
"""The answer to a request that does not stream, and the response in the last event of a stream."""
_OPENING = tuple(
    _event(kind, f'"response":{_BEGUN}') for kind in ("response.created", "response.in_progress")
)
_STATUSES = {"stop": "completed", "length": "incomplete", "abort": "completed"}

TEXT = TypedFormat(
    opening=_OPENING,
    begin=(
        _event(
            "response.output_item.added", f'"item":{_MESSAGE % ("[]", "in_progress")}', '"output_index":0'
        ),
        _event(
            "response.content_part.added",
            '"content_index":0',
            '"item_id":"<item>"',
            '"output_index":0',
            f'"part":{_PART % (chr(34) * 2, "[]")}',
        ),
    ),
    delta=_text_event("response.output_text.delta", '"delta":"<text>"'),
    last=(
        event(
            "response.output_text.done",
            '{"content_index":0,"item_id":"<item>","logprobs":[],"output_index":0,"sequence_number":<seq>,'
            '"text":<whole>,"type":"response.output_text.done"}',
        ),
        event(
            "response.content_part.done",
            '{"content_index":0,"item_id":"<item>","output_index":0,'
            f'"part":{_PART % ("<whole>", "null")},"sequence_number":<seq>,"type":"response.content_part.done"}}',
        ),
        _event("response.output_item.done", f'"item":{_WHOLE}', '"output_index":0'),
        _event("response.completed", f'"response":{ANSWER}'),
    ),
    finish_words=_STATUSES,
)
TOOL_ANSWER = _RESPONSE % {
    "details": "<details>",
    "output": f"[{_CALL % ('<whole>', 'completed')}]",
    "status": "<finish>",
    "usage": _COUNTS,
}
TOOL = TypedFormat(
    opening=_OPENING,
    begin=(
        _event(
            "response.output_item.added", f'"item":{_CALL % (chr(34) * 2, "in_progress")}', '"output_index":0'
        ),
    ),
    delta=_event(
        "response.function_call_arguments.delta", '"delta":"<text>"', '"item_id":"<item>"', '"output_index":0'
    ),
    last=(
        event(
            "response.function_call_arguments.done",
            '{"arguments":<whole>,"item_id":"<item>","output_index":0,"sequence_number":<seq>,'
            '"type":"response.function_call_arguments.done","name":<tool_name>}',
        ),
        _event("response.output_item.done", f'"item":{_CALL % ("<whole>", "completed")}', '"output_index":0'),
        _event("response.completed", f'"response":{TOOL_ANSWER}'),
    ),
    finish_words=_STATUSES,
)


def chat_body(body: Body) -> Body:
    """The body as one of a chat."""
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    messages = [_message(item) for item in items if isinstance(item, dict)]
    if isinstance(body.get("instructions"), str):
        messages.insert(0, {"role": "system", "content": body["instructions"]})
    tools = body.get("tools")
    tools = [{"type": "function", "function": one} for one in tools] if isinstance(tools, list) else None
    return {**body, "messages": messages, "max_tokens": body.get("max_output_tokens"), "tools": tools}


def _message(item: Mapping[str, object]) -> dict[str, object]:
    if item.get("type") == "function_call_output":
        return {"role": "tool", "content": message_text(item.get("output"))}
    if item.get("type") == "function_call":
        return {"role": "assistant", "tool_calls": [{"function": item}]}
    return {"role": str(item.get("role", "user")), "content": item.get("content")}


def repeated(body: Body, params: GenerationParams) -> dict[str, str]:
    """What the response repeats of the request, as JSON."""
    given = body.get("tools")
    tools = [_tool(one) for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    temperature, choice = body.get("temperature"), body.get("tool_choice", "auto") if tools else "none"
    told = {
        "instructions": body.get("instructions"),
        "temperature": 1.0 if temperature is None else float(temperature),
        "top_p": float(body.get("top_p") or 1.0),
        "tools": tools,
        "tool_choice": dict(sorted(choice.items())) if isinstance(choice, dict) else choice,
        "max_output_tokens": params.max_tokens,
    }
    return {key: orjson.dumps(value).decode() for key, value in told.items()}


def _tool(tool: Mapping[str, object]) -> dict[str, object]:
    """A tool with the fields that the request left out, in vLLM's order."""
    keys = (
        "name",
        "parameters",
        "strict",
        "type",
        "allowed_callers",
        "async",
        "defer_loading",
        "description",
    )
    return {key: tool.get(key) for key in (*keys, "output_schema")}


def details(finish: str) -> bytes:
    """`incomplete_details`."""
    return b'{"reason":"max_output_tokens"}' if finish == "length" else b"null"
