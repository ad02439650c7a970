"""TabbyAPI, its head of August 2026: its streams, byte for byte."""

from __future__ import annotations

from simulator.replies.stream_format import StreamFormat
from simulator.servers.spec import ServerSpec
from simulator.servers.uvicorn import UVICORN

_TABBY = (
    '{"id": "<id>", "object": "chat.completion.chunk", "created": <now>, "choices": '
    '[{"index": 0, "delta": %s, "finish_reason": %s}], "model": <model>%s}'
)
_TABBY_TEXT = (
    '{"id": "<id>", "object": "text_completion", "created": <now>, "choices": '
    '[{"index": 0, "text": "%s", "finish_reason": %s}], "model_name": <model>%s}'
)
_TABBY_FINISH = '"<finish>", "eos_reason": "<eos_reason>"'
_TABBY_USAGE = (
    ', "usage": {"prompt_tokens": <prompt>, "prompt_time": <prompt_time>, '
    '"prompt_tokens_per_sec": <prompt_speed>, "completion_tokens": <count>, "completion_time": <answer_time>, '
    '"completion_tokens_per_sec": <answer_speed>, "total_tokens": <total>, "total_time": <total_time>}'
)


def _tabby(template: str, text: str, blank: str) -> StreamFormat:
    return StreamFormat(
        end="\r\n\r\n",
        token=template % (text, "null", ""),
        finish=template % (blank, _TABBY_FINISH, ""),
        usage=template % (blank, _TABBY_FINISH, _TABBY_USAGE),
        usage_when="replaces-finish",
        skip_blank=True,
        leading_space="text_completion" in template,
        error='{"error":{"message":"Chat completion aborted. Please check the server console.","trace":null}}',
        error_done=False,
        head_extra=("cache-control: no-store", "x-accel-buffering: no"),
    )


SPEC = ServerSpec(
    name="tabbyapi",
    version="head-2026-08",
    scheduler="vllm-v1",
    head_format=UVICORN,
    streams={
        "chat": _tabby(_TABBY, '{"content": "<text>"}', "{}"),
        "completion": _tabby(_TABBY_TEXT, "<text>", ""),
    },
    keep_alive_comment=": ping - {now}\r\n\r\n",
    keep_alive_s=15.0,
    stop_style="hold-match",
    scheduler_options={"max_num_seqs": 32},
)
