"""All kinds of servers, collected from servers/, and their error words."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from chatload.protocols import servers
from chatload.protocols.error_words import SHARED, ErrorWords
from chatload.protocols.server_kind import ServerKind


def modules_of(package: ModuleType) -> Iterator[ModuleType]:
    """Import and yield every module of a package, sorted by name."""
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


KINDS: tuple[ServerKind, ...] = tuple(
    sorted(
        (kind for module in modules_of(servers) for kind in module.SERVERS),
        key=lambda kind: (kind.order, kind.title),
    )
)
"""All kinds of servers, in the order in which they are tried."""

ERRORS: tuple[ErrorWords, ...] = (*(one for kind in KINDS for one in kind.errors), *SHARED)
"""The error words of all kinds; those of single servers come before shared ones."""
