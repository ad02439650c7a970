"""vLLM with the V1 engine: 0.33 and 0.32."""

from __future__ import annotations

from simulator.servers.family import RegisteredServer
from simulator.servers.vllm.newer_routes import VllmServer
from simulator.servers.vllm.wire import VLLM_0_32, VLLM_0_33

SERVERS = (
    RegisteredServer(VLLM_0_33, VllmServer, aliases=("vllm",)),
    RegisteredServer(VLLM_0_32, VllmServer),
)
