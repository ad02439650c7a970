"""All dialects and kinds of servers, found in dialects/ and servers/.

A new dialect is one file in dialects/ with `DIALECTS`; a new kind of server is one file in servers/ with `SERVER`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from chatload.protocols import dialects, servers
from chatload.protocols.dialect import Dialect
from chatload.protocols.server_kind import ServerKind


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    """Every module of a package, by name."""
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect for module in _modules(dialects) for dialect in module.DIALECTS
}

KINDS: tuple[ServerKind, ...] = tuple(
    sorted((module.SERVER for module in _modules(servers)), key=lambda kind: (kind.order, kind.title))
)
"""Every kind of server, in the order in which they are tried."""

SERVERS: dict[str, str] = {
    option: dialect
    for kind in sorted(KINDS, key=lambda kind: kind.title.lower())
    for option, dialect in kind.options.items()
}
"""The choices of --server, and the dialect of each."""

PROBE_PATHS: tuple[str, ...] = tuple(dict.fromkeys(path for kind in KINDS for path in kind.probes))
"""Paths to GET in order to recognise a server."""
