"""Every server we speak as, as data: one ServerWire per server and version (reference/protocols.md 9.8)."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.heads import HeadStyle
from simulator.template import StreamWire


@dataclass(frozen=True, slots=True)
class ServerWire:
    """One server and version. `headers_when`: once | first-token | slot (when the engine takes the request).

    `comment`, `comment_s`: the keep-alive comment sent after so many seconds without an event.
    `blocking`: engine steps run inside the event loop (simulator/publish.py). `stop_style`: simulator/job.py.
    `ahead`: what the chat template adds to a prompt, in tokens: (per conversation, per message).
    """

    name: str
    family: str
    version: str
    scheduler: str
    heads: HeadStyle
    streams: dict[str, StreamWire] = field(hash=False)
    vary: str = ""
    idle_close_s: float | None = 5.0
    close_after_stream: bool = False
    headers_when: str = "once"
    comment: str = ""
    comment_s: float = 0.0
    blocking: bool = False
    stop_style: str = "hold-fixed"
    max_body_bytes: int = 64 << 20
    ahead: tuple[int, int] = (4, 4)
    knobs: dict[str, object] = field(default_factory=dict, hash=False)


def wires() -> dict[str, ServerWire]:
    """All of them by name; the aliases `vllm` and `tgi` mean the newest."""
    from simulator import wires_others, wires_tgi, wires_vllm

    found = {wire.name: wire for wire in (*wires_vllm.SERVERS, *wires_tgi.SERVERS, *wires_others.SERVERS)}
    return {**found, **{alias: found[name] for alias, name in ALIASES.items()}}


ALIASES = {"vllm": "vllm-0.33", "tgi": "tgi-3.3", "llamacpp": "llama.cpp"}
