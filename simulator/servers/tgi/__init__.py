"""Text Generation Inference 0.9.3."""

from __future__ import annotations

from simulator.servers.family import RegisteredServer
from simulator.servers.tgi.handler import TgiHandler
from simulator.servers.tgi.wire import SPEC

SERVERS = (RegisteredServer(SPEC, TgiHandler),)
