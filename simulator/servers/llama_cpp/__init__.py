"""llama.cpp's llama-server, b11434."""

from __future__ import annotations

from simulator.servers.family import RegisteredServer
from simulator.servers.llama_cpp.handler import LlamaCppHandler
from simulator.servers.llama_cpp.wire import SPEC

SERVERS = (RegisteredServer(SPEC, LlamaCppHandler, aliases=("llamacpp",)),)
