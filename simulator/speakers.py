"""Which speaker speaks for which family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.speak import Speaker
from simulator.speak_llama import LlamaSpeaker
from simulator.speak_others import (
    FastchatSpeaker,
    LmdeploySpeaker,
    SglangSpeaker,
    TabbySpeaker,
    TransformersSpeaker,
)
from simulator.speak_tgi import TgiSpeaker
from simulator.speak_vllm import VllmSpeaker
from simulator.speak_vllm_old import NativeSpeaker, OldVllmSpeaker

if TYPE_CHECKING:
    from simulator.server import Server

SPEAKERS: dict[str, type[Speaker]] = {
    "vllm-v1": VllmSpeaker,
    "vllm-0.1.2": OldVllmSpeaker,
    "vllm-generate": NativeSpeaker,
    "tgi": TgiSpeaker,
    "llama.cpp": LlamaSpeaker,
    "sglang": SglangSpeaker,
    "lmdeploy": LmdeploySpeaker,
    "tabbyapi": TabbySpeaker,
    "transformers": TransformersSpeaker,
    "fastchat": FastchatSpeaker,
}


def make_speaker(server: Server) -> Speaker:
    """The speaker of the server's family."""
    return SPEAKERS[server.wire.family](server)
