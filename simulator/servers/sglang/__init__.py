"""SGLang 0.5.23."""

from __future__ import annotations

from simulator.servers.family import RegisteredServer
from simulator.servers.sglang.handler import SglangHandler
from simulator.servers.sglang.wire import SPEC

SERVERS = (RegisteredServer(SPEC, SglangHandler),)
