"""transformers serve 5.23.0."""

from __future__ import annotations

from simulator.servers.family import RegisteredServer
from simulator.servers.transformers.handler import TransformersHandler
from simulator.servers.transformers.wire import SPEC

SERVERS = (RegisteredServer(SPEC, TransformersHandler),)
