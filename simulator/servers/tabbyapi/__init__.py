"""TabbyAPI, its head of August 2026."""

from __future__ import annotations

from simulator.servers.family import RegisteredServer
from simulator.servers.tabbyapi.handler import TabbyApiHandler
from simulator.servers.tabbyapi.wire import SPEC

SERVERS = (RegisteredServer(SPEC, TabbyApiHandler),)
