"""One server and version as data: HTTP heads, streams, connection handling, scheduler."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.http.framing import HeadFormat
from simulator.replies.stream_format import StreamFormat


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """One server and version.

    `streams`: endpoint -> its stream; endpoints are "chat", "tools" (a chat reply that calls one),
    "completion" and "generate" (native).
    `headers_when`: once | first-token | slot (when the engine takes the request).
    `keep_alive_comment`: sent after `keep_alive_s` without an event.
    `stop_style`: what a stream shows while a stop string may be coming. hold-fixed: all but as many characters as
    the longest stop string could still take; hold-match: all but what could begin one; cut-late: everything, and
    only the complete answer is cut; keep: everything, the stop string too.
    `template_tokens`: tokens that the chat template adds to a prompt: (per conversation, per message).
    `scheduler_options`: defaults that differ from the scheduler's own.
    `merge_power`: an event has (number of open streams) ** this tokens, as seen in measurements of the server.
    Not used with a profile that has an HTTP process (engine/frontend.py): there it follows from the time of an event.
    `interrupts`: a request breaks off the stream of the one before it, with `[DONE]` and without a finish reason.
    `dead_engine_s`: after the engine's death a stream begins, and holds an error after so long; None: HTTP 500.
    `fixed_rate_wire`: the value of `--wire` that sends these streams on a fixed schedule; "": none.
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
    keep_alive_comment: str = ""
    keep_alive_s: float = 0.0
    stop_style: str = "hold-fixed"
    max_body_bytes: int = 64 << 20
    template_tokens: tuple[int, int] = (4, 4)
    scheduler_options: dict[str, object] = field(default_factory=dict, hash=False)
    fixed_rate_wire: str = ""
    dead_engine_s: float | None = None
    interrupts: bool = False
    merge_power: float = 0.0
