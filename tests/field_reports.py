"""Replies from public bug reports, with their right values (tests/cases/field-reports)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engine.scripted import CLOSE, Step, chunk

FOLDER = Path(__file__).parent / "cases" / "field-reports"


@dataclass(frozen=True)
class Report:
    """One reply: `steps` are (ms after the request, body bytes); `truth` is what must be reported of it."""

    name: str
    head: bytes
    steps: tuple[tuple[float, bytes], ...]
    chunked: bool
    end: str
    truth: dict[str, Any]

    @property
    def body(self) -> bytes:
        """All of it, without HTTP framing."""
        return b"".join(data for _, data in self.steps)

    def wire(self, *, byte_by_byte: bool = False) -> list[Step]:
        """The reply as a connection's script: head, each step at its time, and the end of the message."""
        found: list[Step] = [(0.0, self.head)]
        for at_ms, data in self.steps:
            sent = chunk(data) if self.chunked else data
            pieces = [sent[i : i + 1] for i in range(len(sent))] if byte_by_byte else [sent]
            found += [(at_ms, piece) for piece in pieces]
        last_ms = max((at_ms for at_ms, _ in self.steps), default=0.0)
        if self.end in ("close", "cut"):
            found.append((last_ms, CLOSE))
        elif self.chunked:
            found.append((last_ms, b"0\r\n\r\n"))
        return found


def report(name: str) -> Report:
    """The reply of this name."""
    told = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    steps = tuple((step["at_ms"], step["data"].encode("latin-1")) for step in told["steps"])
    return Report(
        name, told["head"].encode("latin-1"), steps, told["framing"] == "chunked", told["end"], told["truth"]
    )
