"""Ollama 0.13: its own chat route in JSON lines, and OpenAI's."""

from __future__ import annotations

from simulator.servers.family import RegisteredServer
from simulator.servers.ollama.handler import OllamaHandler
from simulator.servers.ollama.wire import SPEC

SERVERS = (RegisteredServer(SPEC, OllamaHandler),)
