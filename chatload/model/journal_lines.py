"""The lines of a journal: one struct per kind (docs/record-format.md).

`Turn` (model/turn.py) is a line too. Readers ignore unknown keys and kinds.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from chatload.model.certificate import Certificate
from chatload.model.hosts import Machine
from chatload.model.structs import always
from chatload.model.turn import Turn

FORMAT = 3
"""Version of manifest and journal. History: 1 (2026-11-22) first; 2 (2026-11-29) the plan has a tagged load."""


NO_ANSWER, NO_PAGE, NO_NUMBERS, EMPTY = "no answer", "no page", "no numbers", "empty"
"""Why a reading of the server's /metrics page has no numbers: no answer, or the status of a busy server; another status
than 200; a page without any known name; a page of 0 bytes, such as TGI's before its first request."""


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """The fields of every line except turns: when it was written, in ns of the run's clock, and by which process."""

    at_ns: int
    worker: str = always("local")


class StartLine(Line, frozen=True, kw_only=True, tag="start"):
    """A process begins its part of a run. `utc_ns` is the Unix time at `at_ns`, which maps the run's clock to UTC.

    `clock_offset_ns` is the master's clock − this worker's when the run began; None where unknown.
    """

    utc_ns: int
    format: int = always(FORMAT)
    run_id: str = always("")
    clock_offset_ns: int | None = always(None)
    pid: int | None = None
    machine: Machine | None = None
    versions: dict[str, str] | None = None
    certificate: Certificate | None = None


class UserLine(Line, frozen=True, kw_only=True, tag="user"):
    """A user started ("in") or left ("out", with `reason` "done" or "stopped").

    `endless`: its number of turns is not limited. `user_class` is the class of a custom scenario, given at "in".
    """

    user: int
    event: Literal["in", "out"]
    reason: str = ""
    endless: bool = False
    user_class: str = ""


class HealthLine(Line, frozen=True, kw_only=True, tag="health"):
    """The state of one load generator process over the last `seconds`, in which it made `reads` reads of replies.

    `begun`: TTFT in ms by turn id, of replies that have their first token and are not finished. Not with --warmup.
    """

    seconds: float | None = None
    cpu_percent: float | None = None
    rss_mb: float | None = None
    users: int | None = None
    in_flight: int | None = None
    reads: int | None = None
    begun: dict[str, float] = {}
    hub_lag_p50_ms: float | None = None
    hub_lag_p99_ms: float | None = None
    hub_lag_max_ms: float | None = None
    lagging_ms: float | None = None
    looks_missed: int | None = None
    longest_look_ms: float | None = None
    coalesced: int | None = None
    late_sends: int | None = None
    spoiled: int | None = None


class ServerLine(Line, frozen=True, kw_only=True, tag="server"):
    """One reading of the server's /metrics page; None for each number that the page does not have.

    `host` is the server's, where the run has several. `missing` is why a reading has no numbers (NO_ANSWER …).
    `batch_tokens` are the tokens that the running batch reserves, `drafted_tokens` those that one step generated
    beyond its first (speculative decoding). `waiting` counts requests in all queues, `waiting_unseen` those in a queue
    that the server's own TTFT leaves out. `process_cpu_s` is the processor time of the process that serves the page.
    """

    host: str = ""
    took_ms: float | None = None
    missing: str = ""
    running: float | None = None
    waiting: float | None = None
    waiting_unseen: float | None = None
    kv_use: float | None = None
    batch_tokens: float | None = None
    preemptions: float | None = None
    queue_s: float | None = None
    queued: float | None = None
    ttft_s: float | None = None
    first_tokens: float | None = None
    prefill_s: float | None = None
    prefills: float | None = None
    validation_s: float | None = None
    validated: float | None = None
    generated_tokens: float | None = None
    drafted_tokens: float | None = None
    finished: float | None = None
    prefix_hits: float | None = None
    prefix_queries: float | None = None
    process_cpu_s: float | None = None


class SameAnswerLine(Line, frozen=True, kw_only=True, tag="same_answer"):
    """A prompt that was sent to the idle server and again under load, at temperature 0 (--same-answers).

    `differs`: the answer under load differs, first at `event` and `character`, both from 1; None where the turn failed,
    with `code`. `idle_differs`: the idle server's two answers differ from each other.
    """

    number: int
    idle_differs: bool = False
    differs: bool | None = None
    event: int | None = None
    character: int | None = None
    tokens: int = 0
    code: str | None = None


class PowerLine(Line, frozen=True, kw_only=True, tag="power"):
    """One reading of the page of --power-metrics: `watts` of all its `gpus` together.

    `missing` is why a reading has none: "no answer", or "no power" on the page.
    """

    watts: float | None = None
    gpus: int = 0
    missing: str = ""


class LevelLine(Line, frozen=True, kw_only=True, tag="level"):
    """A process has drained its share of a capacity search's level."""

    level: int
    user: int


class EndLine(Line, frozen=True, kw_only=True, tag="end"):
    """A process ends its part of a run. `lines` counts the lines it wrote, including this one.

    `lost_lines` could not be written; `copy_lost_lines` are missing only from a worker's own copy.
    """

    reason: str = always("")
    ticks_missed: int = 0
    clock_steps: int = 0
    lost_lines: int = 0
    copy_lost_lines: int = 0
    lines: int | None = None


JournalLine = (
    Turn | StartLine | UserLine | HealthLine | ServerLine | PowerLine | SameAnswerLine | LevelLine | EndLine
)
LINE_KINDS: tuple[type[msgspec.Struct], ...] = get_args(JournalLine)


class _AnyKind(msgspec.Struct):
    kind: str


_DECODER = msgspec.json.Decoder(JournalLine)
_ANY_KIND = msgspec.json.Decoder(_AnyKind)
_ENCODER = msgspec.json.Encoder()
_KINDS = frozenset(str(one.__struct_config__.tag) for one in LINE_KINDS)


def encode(line: JournalLine) -> bytes:
    """The line as JSON, without a newline."""
    return _ENCODER.encode(line)


def decode(raw: bytes) -> JournalLine | None:
    """The line of a JSON text; None for an unknown kind. Raises msgspec.DecodeError if it is not a valid line."""
    try:
        line: JournalLine = _DECODER.decode(raw)
        return line
    except msgspec.ValidationError:
        if _ANY_KIND.decode(raw).kind not in _KINDS:
            return None
        raise
