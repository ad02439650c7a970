"""lmdeploy 0.18.0."""

from __future__ import annotations

from simulator.servers.family import RegisteredServer
from simulator.servers.lmdeploy.handler import LmdeployHandler
from simulator.servers.lmdeploy.wire import SPEC

SERVERS = (RegisteredServer(SPEC, LmdeployHandler),)
