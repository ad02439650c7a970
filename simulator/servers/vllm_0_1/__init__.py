"""vLLM 0.1.2 (July 2023): its OpenAI server and its native one."""

from __future__ import annotations

from simulator.servers.family import RegisteredServer
from simulator.servers.vllm_0_1.handler import NativeHandler, OpenAiHandler012
from simulator.servers.vllm_0_1.wire import NATIVE, OPENAI

SERVERS = (RegisteredServer(OPENAI, OpenAiHandler012), RegisteredServer(NATIVE, NativeHandler))
