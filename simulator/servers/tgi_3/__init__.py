"""Text Generation Inference 3.3: 0.9.3's native routes and OpenAI routes beside them."""

from __future__ import annotations

from simulator.servers.family import RegisteredServer
from simulator.servers.tgi_3.handler import Tgi3Handler
from simulator.servers.tgi_3.wire import SPEC

SERVERS = (RegisteredServer(SPEC, Tgi3Handler, aliases=("tgi",)),)
