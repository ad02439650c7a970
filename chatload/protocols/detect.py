"""Recognises a server by its answers to GET requests for registry.PROBE_PATHS, which the caller makes."""

from __future__ import annotations

from collections.abc import Mapping

from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.registry import KINDS, PROBE_PATHS
from chatload.protocols.server_kind import DetectedServer


def recognise(answers: Mapping[str, tuple[int, bytes]]) -> DetectedServer:
    """The server behind `answers`: (status, body) by path, paths without an answer left out."""
    asked = ProbeAnswers(answers)
    for kind in KINDS:
        found = kind.recognise(asked)
        if found is not None:
            return found
    seen = ", ".join(f"GET {path}: {asked.status(path) or 'no answer'}" for path in PROBE_PATHS)
    return DetectedServer("", "", None, "", "server not recognised", seen)


def speaks(found: DetectedServer, dialect: str) -> bool | None:
    """Whether the server speaks a dialect; None when its answers do not tell."""
    for kind in KINDS:
        if kind.title == found.name:
            return kind.speaks(found.version, dialect)
    return None
