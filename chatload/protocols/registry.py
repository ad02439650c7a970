"""All dialects and kinds of servers, collected from dialects/ and servers/.

A new dialect is one file in dialects/ with `DIALECTS`; a new kind of server is one file in servers/ with `SERVERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from chatload.protocols import dialects
from chatload.protocols.dialect import Dialect
from chatload.protocols.probe_answers import SIMULATOR_PATH, ProbeAnswers
from chatload.protocols.server_kind import DetectedServer, ServerKind
from chatload.protocols.server_kinds import KINDS, modules_of
from chatload.protocols.servers.openai_compatible import TITLE as ANY_TITLE

_FOUND: list[Dialect] = [dialect for module in modules_of(dialects) for dialect in module.DIALECTS]
DIALECTS: dict[str, Dialect] = {one.name: one for one in sorted(_FOUND, key=lambda one: one.order)}

PROMPT_KEYS: frozenset[str] = frozenset(dialect.prompt_key for dialect in DIALECTS.values())
"""Fields of a request body that hold the prompt or the messages."""

SERVERS: dict[str, str] = {
    option: dialect
    for kind in sorted(KINDS, key=lambda kind: kind.title.lower())
    for option, dialect in kind.options.items()
}
"""The choices of --server, and the dialect of each."""

BY_VERSION: dict[str, str] = {kind.by_version: kind.title for kind in KINDS if kind.by_version}
"""Choices of --server whose dialect depends on the server's version, with the title of their kind."""

KIND_PATHS: tuple[str, ...] = tuple(dict.fromkeys(path for kind in KINDS for path in kind.probes))
"""Paths whose answers identify the kind of server."""

PROBE_PATHS: tuple[str, ...] = (*KIND_PATHS, SIMULATOR_PATH)
"""Paths to GET in order to recognise a server."""


def recognise(answers: Mapping[str, tuple[int, bytes]]) -> DetectedServer:
    """The server with these `answers` to GET of PROBE_PATHS: (status, body) by path, without unanswered paths."""
    probed = ProbeAnswers(answers)
    for kind in KINDS:
        found = kind.recognise(probed)
        if found is not None:
            return replace(found, simulation=probed.simulation)
    seen = ", ".join(f"GET {path}: {probed.status(path) or 'no answer'}" for path in KIND_PATHS)
    return DetectedServer("", "", None, "", "server not recognised", seen)


def kind_of(found: DetectedServer, option: str = "auto") -> ServerKind | None:
    """The kind of a server: as recognised, else the only kind that has this choice of --server; None if unknown."""
    by_option = [kind for kind in KINDS if option in kind.options]
    named = by_option[0] if len(by_option) == 1 else None
    for kind in KINDS:
        if kind.title == found.name and not (named is not None and kind.title == ANY_TITLE):
            return kind
    return named


def speaks(found: DetectedServer, dialect: str) -> bool | None:
    """Whether the server supports a dialect; None if unknown."""
    for kind in KINDS:
        if kind.title == found.name:
            return kind.speaks(found.version, dialect)
    return None
