"""vLLM 0.32 (as captured) and 0.33: their streams, byte for byte."""

from __future__ import annotations

from dataclasses import replace

from simulator.replies.stream_format import StreamFormat
from simulator.servers.spec import ServerSpec
from simulator.servers.uvicorn import UVICORN

_CHAT = '{"id":"<id>","object":"chat.completion.chunk","created":<created>,"model":<model>,"choices":'
_TEXT = '{"id":"<id>","object":"text_completion","created":<created>,"model":<model>,"choices":'
_TYPED = StreamFormat(token="")
"""Head and texts only: the events are in responses.py and messages.py."""
ENGINE_DEAD = "EngineCore encountered an issue. See stack trace (above) for the root cause."
_COUNTS = '"usage":{"prompt_tokens":<prompt>,"total_tokens":<total>,"completion_tokens":<count>}'
_RUNNING = (
    ',"usage":{"prompt_tokens":<prompt>,"total_tokens":<total>,"completion_tokens":<count>,'
    '"completion_tokens_details":null}'
)


def _chat(kv: str, weights: str) -> StreamFormat:
    return StreamFormat(
        role=_CHAT
        + '[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]'
        + '<usage>,"prompt_token_ids":<prompt_ids>,"prompt_text":null}',
        role_when="first",
        token=_CHAT
        + '[{"index":0,"delta":{"content":"<text>"},"logprobs":null,"finish_reason":null,'
        + f'"token_ids":<ids>}}]<usage>{kv}}}',
        last=_CHAT
        + '[{"index":0,"delta":{"content":"<text>"},"logprobs":null,"finish_reason":"<finish>",'
        + f'"stop_reason":<stop_reason>,"token_ids":<ids>{weights}}}]<usage>{kv}<fp>}}',
        usage=_CHAT + "[]," + _COUNTS + ',"system_fingerprint":"<fingerprint>"}',
        usage_running=_RUNNING,
        reasoning_key="reasoning",
        error='{"error": {"message": <message>, "type": "InternalServerError", "param": null, "code": 500}}',
        engine_dead_words=ENGINE_DEAD,
    )


def _tools(chat: StreamFormat) -> StreamFormat:
    """A call of a tool, as in the source code (not captured): an event with its name, then pieces of the arguments."""
    delta = '"delta":{"content":"<text>"}'
    arguments = '"delta":{"tool_calls":[{"index":0,"function":{"arguments":"<text>"}}]}'
    call = '"delta":{"tool_calls":[{"id":"<tool_id>","type":"function","index":0,"function":{"name":<tool_name>}}]}'
    named = chat.token.replace(delta, call).replace("<ids>", "null").replace("<usage>", "")
    return replace(
        chat,
        role=f"{chat.role}{chat.end}{chat.prefix}{named}",
        token=chat.token.replace(delta, arguments),
        last=(chat.last or "").replace(delta, arguments),
        finish_words={"stop": "tool_calls"},
    )


def _text(kv: str, weights: str) -> StreamFormat:
    choice = (
        '[{"index":0,"text":"<text>","logprobs":null,"finish_reason":%s,"stop_reason":%s,'
        '"prompt_token_ids":null,"token_ids":<ids>' + weights + "}]<usage>" + kv
    )
    return StreamFormat(
        token=_TEXT + choice % ("null", "null") + "}",
        last=_TEXT + choice % ('"<finish>"', "<stop_reason>") + "<fp>}",
        usage=_TEXT + "[]," + _COUNTS + ',"system_fingerprint":"<fingerprint>"}',
        usage_running=_RUNNING,
        leading_space=True,
        error='{"error": {"message": <message>, "type": "InternalServerError", "param": null, "code": 500}}',
        engine_dead_words=ENGINE_DEAD,
    )


def _v1(version: str, kv: str, weights: str, fixed_rate_wire: str = "") -> ServerSpec:
    chat = _chat(kv, weights)
    return ServerSpec(
        name=f"vllm-{version.rpartition('.')[0]}",
        version=version,
        scheduler="vllm-v1",
        head_format=UVICORN,
        vary="vary: Origin",
        streams={
            "chat": chat,
            "tools": _tools(chat),
            "completion": _text(kv, weights),
            **dict.fromkeys(("responses", "responses-tools", "messages", "messages-tools"), _TYPED),
        },
        template_tokens=(27, 5),
        fixed_rate_wire=fixed_rate_wire,
    )


VLLM_0_33 = _v1("0.33.0", ',"kv_transfer_params":null', ',"weight_versions":null', "openai")
VLLM_0_32 = _v1("0.32.0", "", "")
