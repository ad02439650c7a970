"""The truth log: what was really sent and when, one JSON line per request (format: docs/simulator.md)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import orjson

Marks = tuple[tuple[int, str], ...]
"""The events of one write: (tokens, kind) of each."""

now_ns = time.perf_counter_ns


@dataclass(slots=True)
class TruthRecord:
    """One request as the server saw it; instants are ns of CLOCK_MONOTONIC."""

    server: str
    path: str
    port: int
    connection: int
    received_ns: int
    request_id: str | None = None
    reply_id: str | None = None
    stream: bool = False
    queued_ns: int | None = None
    admitted_ns: int | None = None
    headers_ns: int | None = None
    end_ns: int | None = None
    prompt_tokens: int | None = None
    model: str = ""
    images: int = 0
    image_tokens: int = 0
    tokens: int = 0
    reasoning_tokens: int = 0
    finish: str | None = None
    status: int | None = None
    fault: str | None = None
    ended: str | None = None
    preempted: int = 0
    bytes_out: int = 0
    writes: list[int] = field(default_factory=list)
    marks: list[Marks] = field(default_factory=list)

    def line(self) -> bytes:
        """The JSON line; each event of a write carries the write's stamp."""
        sent: list[int] = []
        tokens: list[int] = []
        kinds: list[str] = []
        for at, marks in zip(self.writes, self.marks, strict=True):
            for count, kind in marks:
                sent.append(at)
                tokens.append(count)
                kinds.append(kind)
        facts: dict[str, object] = {"kind": "request"}
        for name in self.__slots__:
            if name not in ("writes", "marks"):
                facts["bytes" if name == "bytes_out" else name] = getattr(self, name)
        facts["events"] = {"sent_ns": sent, "tokens": tokens, "kind": kinds}
        return orjson.dumps(facts, option=orjson.OPT_APPEND_NEWLINE)


class TruthLog:
    """Collects finished requests and writes them when no token is due."""

    def __init__(self, path: str | None) -> None:
        self._file: BinaryIO | None = None
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115  closed in close()
        self._pending: deque[tuple[TruthRecord, Callable[[], None] | None]] = deque()

    def add(self, truth: TruthRecord, then: Callable[[], None] | None = None) -> None:
        """Queue the line of a request that has ended; `then` is called when it is written."""
        self._pending.append((truth, then))

    @property
    def pending(self) -> int:
        """Lines not written yet."""
        return len(self._pending)

    def write_until(self, deadline_ns: int) -> None:
        """Write pending lines until the deadline, at least one."""
        lines = []
        while self._pending:
            truth, then = self._pending.popleft()
            if then is not None:
                then()
            if self._file is not None:
                lines.append(truth.line())
            if now_ns() >= deadline_ns:
                break
        if lines and self._file is not None:
            self._file.write(b"".join(lines))

    def write_server(self, line: dict[str, object]) -> None:
        """Write all pending lines, then one about a server."""
        while self._pending:
            self.write_until(1 << 62)
        if self._file is not None:
            self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        """Close the file."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
