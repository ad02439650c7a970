"""One server and version as data: HTTP heads, streams, connection habits, scheduler."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.http.framing import HeadFormat
from simulator.replies.stream_format import StreamFormat


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """One server and version. `headers_when`: once | first-token | slot (when the engine takes the request).

    `streams`: endpoint -> its stream; endpoints are "chat", "completion" and "generate" (native).
    `comment`, `comment_s`: the keep-alive comment sent after so many seconds without an event.
    `stop_style`: what a stream shows while a stop string may be coming (replies/job.py).
    `ahead`: tokens that the chat template adds to a prompt: (per conversation, per message).
    `knobs`: defaults of the scheduler's options that differ from the scheduler's own.
    """

    name: str
    version: str
    scheduler: str
    head_format: HeadFormat
    streams: dict[str, StreamFormat] = field(hash=False)
    vary: str = ""
    idle_close_s: float | None = 5.0
    close_after_stream: bool = False
    headers_when: str = "once"
    comment: str = ""
    comment_s: float = 0.0
    stop_style: str = "hold-fixed"
    max_body_bytes: int = 64 << 20
    ahead: tuple[int, int] = (4, 4)
    knobs: dict[str, object] = field(default_factory=dict, hash=False)
