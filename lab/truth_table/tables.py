"""All cases, by the dialect that they are written in."""

from __future__ import annotations

from lab.truth_table.case import Case
from lab.truth_table.count_cases import COUNT_CASES
from lab.truth_table.field_cases import FIELD_CASES
from lab.truth_table.native_cases import TGI_CASES, VLLM_GENERATE_CASES
from lab.truth_table.openai_cases import OPENAI_CASES
from lab.truth_table.typed_cases import MESSAGES_CASES, OLLAMA_CASES, RESPONSES_CASES

TABLES: dict[str, tuple[Case, ...]] = {
    "openai": (*OPENAI_CASES, *COUNT_CASES, *FIELD_CASES),
    "tgi": tuple(TGI_CASES),
    "vllm-generate": tuple(VLLM_GENERATE_CASES),
    "openai-responses": tuple(RESPONSES_CASES),
    "anthropic": tuple(MESSAGES_CASES),
    "ollama-native": tuple(OLLAMA_CASES),
}
