"""llama-cpp-python 0.3.36, its own server."""

from __future__ import annotations

from simulator.servers.family import RegisteredServer
from simulator.servers.llama_cpp_python.handler import LlamaCppPythonHandler
from simulator.servers.llama_cpp_python.wire import SPEC

SERVERS = (RegisteredServer(SPEC, LlamaCppPythonHandler),)
