"""The messages between master and workers: journal lines go to the master and are acknowledged, orders to workers.

Everything travels over Locust's own messages (ZeroMQ, msgpack). A worker keeps what was not acknowledged
and sends it again; the master takes each batch once, by its number. Of an earlier run
it takes nothing: one master may hold many runs, and a slow worker's last lines come late.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import gevent
import msgpack
import msgspec

from chatload.engine.clock import CLOCK, Clock
from chatload.loads.plan import Planned
from chatload.model.certificate import Certificate
from chatload.model.hosts import Machine
from chatload.prompts.token_counts import TokenCounts

FLUSH_S = 0.5
RESEND_S = 5.0

START, RAMP, DRAIN = "chatload_start", "chatload_ramp", "chatload_drain"
LEVEL = "chatload_level"
LINES, ACK, DRAINED = "chatload_lines", "chatload_ack", "chatload_drained"
ASK_CLOCK, TELL_CLOCK = "chatload_ask_clock", "chatload_tell_clock"
FAILED = "chatload_failed"
"""A worker cannot make or hold the run: {run_id, words, exit_code, where}."""
STRANGE = (
    AttributeError,
    IndexError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
    msgpack.UnpackException,
)
"""What reading a message raises that no worker sends."""


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is, for the first line of its journal."""

    machine: Machine | None = None
    versions: dict[str, str] | None = None
    certificate: Certificate | None = None


class OtherServer(msgspec.Struct, frozen=True, kw_only=True):
    """What every process must know of a server beside the run's own; fields as in `Start`."""

    dialect: str
    model: str
    send_key: bool = False
    counting: dict[str, object] = {}
    refuses: tuple[str, ...] = ()
    path: str = ""
    skipped: tuple[str, ...] = ()
    cuts_prompts: bool = False


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What every process must know before its first user starts; the master sends it to its workers.

    `clock_offset_ns` is the master's clock - this process's; None where the master could not tell.
    `counting` are fields of each request, `refuses` fields that none may have (runner/request_fields.py).
    `path` is the whole path of the chat route, `skipped` are addresses of the server's name that did not answer.
    `send_key` says whether the server may be sent the API key: each process has its own (engine/api_key.py).
    `cuts_prompts`: it leaves out the beginning of a prompt that does not fit, without a word.
    `others` are the servers beside it, by `Plan.server_key`. `counts` are what is known of the
    run's own server's tokens.
    """

    run_id: str
    folder: str
    dialect: str
    model: str
    planned: Planned
    clock_offset_ns: int | None = 0
    send_key: bool = False
    counting: dict[str, object] = {}
    refuses: tuple[str, ...] = ()
    path: str = ""
    skipped: tuple[str, ...] = ()
    cuts_prompts: bool = False
    facts: HostFacts = HostFacts()
    others: dict[str, OtherServer] = {}
    counts: TokenCounts | None = None


class LevelOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A level of a capacity search, for every process; `users` 0 ends the search.

    `reply_s`: how long replies took in the fastest level so far; of conversations that arrive.
    """

    users: int
    level: int = 0
    group: str = ""
    start_ns: int = 0
    end_ns: int = 0
    reply_s: float = 0.0


def packed(message: msgspec.Struct) -> bytes:
    """A message as bytes."""
    return msgspec.msgpack.encode(message)


def start_of(data: bytes) -> Start:
    """The start message of its bytes. msgspec.DecodeError where it is none, of another version for one."""
    return msgspec.msgpack.decode(data, type=Start)


def level_of(data: bytes) -> LevelOrder:
    """The level order of its bytes."""
    return msgspec.msgpack.decode(data, type=LevelOrder)


class Outbox:
    """A worker's unacknowledged journal lines."""

    def __init__(self, send: Callable[[str, Any], None], run_id: str, clock: Clock = CLOCK) -> None:
        self._send, self._clock = send, clock
        self.run_id = run_id
        self._pending: list[bytes] = []
        self._unacknowledged: OrderedDict[int, list[bytes]] = OrderedDict()
        self._number = 0
        self._flusher = gevent.spawn(self._flush_often)

    def add(self, raw: bytes) -> None:
        """Queue one line."""
        self._pending.append(raw)

    def flush(self) -> None:
        """Send what is queued as one batch."""
        if self._pending:
            self._number += 1
            batch, self._pending = self._pending, []
            self._unacknowledged[self._number] = batch
            self._send_batch(self._number, batch)

    def acknowledged(self, ack: Mapping[str, Any]) -> None:
        """The master has the batch that `ack` names."""
        if ack["run_id"] == self.run_id:
            self._unacknowledged.pop(ack["number"], None)

    def drain(self, limit_s: float) -> bool:
        """Send all, wait until the master has it; False if it did not say so in time."""
        self.flush()
        return self._clock.wait_for(lambda: not self._unacknowledged, limit_s)

    def close(self) -> None:
        """Send no more."""
        self._flusher.kill(block=False)

    def _flush_often(self) -> None:
        since_resend_s = 0.0
        while True:
            self._clock.sleep(FLUSH_S)
            since_resend_s += FLUSH_S
            if since_resend_s >= RESEND_S:
                since_resend_s = 0.0
                for number, batch in list(self._unacknowledged.items()):
                    self._send_batch(number, batch)
            self.flush()

    def _send_batch(self, number: int, batch: list[bytes]) -> None:
        self._send(LINES, {"run_id": self.run_id, "number": number, "lines": batch})


class Inbox:
    """The master's side of one run: each batch of each worker once."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._seen: set[tuple[str, int]] = set()

    def take(self, worker: str, message: dict[str, Any]) -> list[bytes]:
        """The lines of a batch; none if it was taken before, or is of another run."""
        key = (worker, message["number"])
        if key in self._seen or message["run_id"] != self._run_id:
            return []
        self._seen.add(key)
        return [line if isinstance(line, bytes) else line.encode() for line in message["lines"]]
