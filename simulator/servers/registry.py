"""Every server that can be simulated, found in the folders beside this file.

A family is a package here whose `__init__` has SERVERS, a tuple of RegisteredServer. Adding a folder adds its
servers to `--speak`; nothing else lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from simulator import servers
from simulator.servers.family import RegisteredServer


@cache
def registered_servers() -> Mapping[str, RegisteredServer]:
    """All of them by name and by alias; ValueError where two claim one name."""
    found: dict[str, RegisteredServer] = {}
    for module in iter_modules(servers.__path__):
        if not module.ispkg:
            continue
        family: tuple[RegisteredServer, ...] = import_module(f"{servers.__name__}.{module.name}").SERVERS
        for server in family:
            for name in (server.spec.name, *server.aliases):
                if name in found:
                    raise ValueError(f"two simulated servers are called {name!r}; one is in {module.name}/")
                found[name] = server
    return found


def fixed_rate_wires() -> Mapping[str, str]:
    """`--wire` of the fixed-rate server -> the server whose streams it sends."""
    specs = [server.spec for server in registered_servers().values()]
    return {spec.fixed_rate_wire: spec.name for spec in specs if spec.fixed_rate_wire}
