"""What a family's package registers."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.servers.handler import ServerHandler
from simulator.servers.spec import ServerSpec


@dataclass(frozen=True, slots=True)
class RegisteredServer:
    """A server for `--speak`: its data, its code, and other names for it."""

    spec: ServerSpec
    handler: type[ServerHandler]
    aliases: tuple[str, ...] = ()
