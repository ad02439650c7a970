"""llama-cpp-python 0.3.36: its stream. As seen in recordings: escaped text, no usage, `[DONE]` also after a cut."""

from __future__ import annotations

from simulator.replies.stream_format import StreamFormat
from simulator.servers.spec import ServerSpec
from simulator.servers.uvicorn import UVICORN

_CHUNK = (
    '{"id": "<id>", "model": <model>, "created": <created>, "object": "chat.completion.chunk", "choices": '
    '[{"index": 0, "delta": %s, "logprobs": null, "finish_reason": %s}]}'
)

SPEC = ServerSpec(
    name="llama-cpp-python",
    version="0.3.36",
    scheduler="vllm-v1",
    head_format=UVICORN,
    streams={
        "chat": StreamFormat(
            role=_CHUNK % ('{"role": "assistant"}', "null"),
            role_when="first",
            token=_CHUNK % ('{"content": "<text>"}', "null"),
            finish=_CHUNK % ("{}", '"<finish>"'),
            ascii_only=True,
            skip_blank=True,
        )
    },
    stop_style="hold-match",
    scheduler_options={"max_num_seqs": 1},
    interrupts=True,
)
