"""Before a run: each server that cannot be loaded is told by its cause, in one line with a remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chatload.engine.api_key import ApiKey
from chatload.protocols.registry import PROBE_PATHS
from chatload.runner.no_server import Unfit
from chatload.runner.preflight import Server, preflight
from tests.plans import plan_of
from tests.runner.answering import NOT_ALLOWED, NOT_FOUND, Answering, Reply, Speaking, as_json, models

MODELS, CHAT = "/v1/models", "/v1/chat/completions"
HTML: Reply = (200, b"<html>It works!</html>", {})


@pytest.fixture
def started() -> Iterator[Callable[[Any], str]]:
    made: list[Any] = []

    def start(one: Any) -> str:
        made.append(one)
        return str(one.authority)

    yield start
    for one in made:
        one.close()


def met(authority: str, key: str = "", scheme: str = "http", path: str = "", **options: str) -> Server:
    plan = plan_of("chat", {"host": f"{scheme}://{authority}{path}", "connect_timeout": "5", **options})
    return preflight(plan, ApiKey(key).sent_in(plan.access.auth_header))


def refused(authority: str, key: str = "", **options: str) -> Unfit:
    with pytest.raises(Unfit) as caught:
        met(authority, key, **options)
    assert str(caught.value).isprintable()
    return caught.value


def to(location: str) -> Callable[[str], Reply]:
    return lambda path: (301, b"", {"location": location.format(path=path)})


CAUSES: list[tuple[str, Any, str]] = [
    ("a redirect to nowhere", to(""), "is redirected (301), but not where to: is --host right?"),
    ("a redirect", to("https://gpu.example{path}"), "write https://gpu.example in --host"),
    (
        "a login",
        to("https://sso.example/login?token=CANARY"),
        "https://sso.example/login?token=…: redirects are not",
    ),
    ("a slash", to("{path}/"), "give it with --path /v1/chat/completions/"),
    (
        "a bad gateway",
        (502, b"<html>502</html>", {}),
        "502 Bad Gateway to GET http://{0}/v1/models: the proxy (nginx)",
    ),
    ("a slow gateway", (504, b"", {}), "504 Gateway Timeout"),
    ("loading", as_json(503, error={"message": "Loading model"}), "Loading model"),
    ("a web page", HTML, "GET http://{0}/v1/models is answered with a web page"),
    ("nothing there", NOT_FOUND, "GET http://{0}/v1/models: 404, GET http://{0}/v1/chat/completions: 404"),
    ("an error", (500, b"x", {}), "GET http://{0}/v1/models: 500"),
    (
        "TLS, by nginx",
        (400, b"<h1>400</h1>The plain HTTP request was sent to HTTPS port", {}),
        "write https://",
    ),
    ("TLS, by Go", (400, b"Client sent an HTTP request to an HTTPS server.\n", {}), "write https://"),
    ("a client certificate", (400, b"No required SSL certificate was sent", {}), "--client-cert"),
]


@pytest.mark.parametrize(("answer", "words"), [row[1:] for row in CAUSES], ids=[row[0] for row in CAUSES])
def test_each_cause_is_named(started: Callable[[Any], str], answer: Any, words: str) -> None:
    authority = started(Answering(everything=answer))
    error = refused(authority)
    assert words.format(authority) in str(error)
    assert "CANARY" not in str(error)
    assert error.exit_code == 1


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "it closes the connection"),
        (b"SSH-2.0-OpenSSH_9\r\n", "SSH-2.0"),
        (b"\x15\x03\x01\x00\x02\x02", "no HTTP answer"),
    ],
)
def test_what_is_no_http_server_is_told(started: Callable[[Any], str], said: bytes, words: str) -> None:
    error = str(refused(started(Speaking(said))))
    assert words in error
    assert "is it the server's port?" in error


def test_nobody_there() -> None:
    assert str(refused("127.0.0.1:1")).startswith("http://127.0.0.1:1: Connection refused: is the server up")


@pytest.mark.parametrize("cause", ["a redirect", "a bad gateway", "loading"])
def test_these_stop_a_run_whose_server_is_named_too(started: Callable[[Any], str], cause: str) -> None:
    answer = next(row[1] for row in CAUSES if row[0] == cause)
    refused(started(Answering(everything=answer)), server="openai", model="m")


@pytest.mark.parametrize("answer", [NOT_FOUND, (500, b"", {}), HTML])
def test_a_server_that_is_named_may_have_no_list_of_models(
    started: Callable[[Any], str], answer: Reply
) -> None:
    found = met(started(Answering(everything=answer)), server="openai", model="m")
    assert (found.dialect.name, found.model, found.path) == ("openai", "m", CHAT)


def test_a_whole_route_needs_no_other_name(started: Callable[[Any], str]) -> None:
    path = "/openai/deployments/d/chat/completions"
    found = met(started(Answering()), path=f"{path}?api-version=2024-06-01")
    assert (found.dialect.name, found.path) == ("openai", f"{path}?api-version=2024-06-01")


@pytest.mark.parametrize(
    ("host_path", "answers", "path"),
    [
        ("", {"/models": models("m")}, "/chat/completions"),
        ("/gw", {"/gw/models": models("m")}, "/gw/chat/completions"),
        ("/gw", {"/gw/v1/models": models("m")}, "/gw/v1/chat/completions"),
        ("/v1beta/openai", {"/v1beta/openai/models": models("m")}, "/v1beta/openai/chat/completions"),
        ("/v2/team", {"/v2/team/v1/models": models("m")}, "/v2/team/v1/chat/completions"),
        ("/inference", {"/inference/chat/completions": NOT_ALLOWED}, "/inference/chat/completions"),
    ],
)
def test_the_models_tell_what_a_base_url_means(
    started: Callable[[Any], str], host_path: str, answers: dict[str, Reply], path: str
) -> None:
    assert met(started(Answering(answers)), path=host_path).path == path


@pytest.mark.parametrize(
    ("status", "chat", "key", "options", "goes"),
    [
        (403, NOT_FOUND, "K-123456", {"server": "openai", "model": "m"}, True),
        (401, NOT_ALLOWED, "K-123456", {"server": "openai", "model": "m"}, True),
        (401, (401, b"", {}), "K-123456", {"server": "openai", "model": "m"}, False),
        (401, NOT_ALLOWED, "", {"server": "openai", "model": "m"}, False),
        (403, NOT_FOUND, "K-123456", {"model": "m"}, False),
        (403, NOT_FOUND, "K-123456", {"server": "openai"}, False),
        (403, NOT_FOUND, "K-123456", {}, False),
    ],
)
def test_a_key_may_chat_and_not_list_models(
    started: Callable[[Any], str], status: int, chat: Reply, key: str, options: dict[str, str], goes: bool
) -> None:
    authority = started(Answering({MODELS: (status, b"{}", {}), CHAT: chat}))
    if goes:
        found = met(authority, key, **options)
        assert any(f"answered {status}" in words for words in found.notes)
        return
    error = str(refused(authority, key, **options))
    assert f"answers {status} to GET http://{authority}/v1/models" in error
    assert ("is not accepted" in error) is bool(key)
    assert "K-123456" not in error


def test_a_key_in_a_header_of_its_own(started: Callable[[Any], str]) -> None:
    authority = started(Answering({MODELS: models("m")}, key=("api-key", "K-123456")))
    assert met(authority, "K-123456", auth_header="api-key").model == "m"
    assert "sent as Authorization: Bearer …" in str(refused(authority, "K-123456"))


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (
            ("nomic-embed-text:latest", "llama3:8b", "qwen3:8b"),
            "nomic-embed-text:latest, llama3:8b and qwen3:8b",
        ),
        (("a", "b"), "has 2 models, a and b: name one with --model"),
        (("text-embedding-3-small",), "text-embedding-3-small, which by its name holds no chat"),
        (tuple(f"m{i}" for i in range(30)), "m7 and 22 more"),
    ],
)
def test_a_choice_of_models_is_asked_for(
    started: Callable[[Any], str], ids: tuple[str, ...], words: str
) -> None:
    authority = started(Answering({MODELS: models(*ids)}))
    error = refused(authority)
    assert words in str(error)
    assert "--model" in str(error)
    assert error.exit_code == 2
    assert met(authority, model=ids[0]).model == ids[0]


@pytest.mark.parametrize(
    ("listed", "options", "words"),
    [
        (("m",), {}, "model m (the only one that it lists)"),
        (("m",), {"model": "m"}, "model m (--model)"),
        (("m",), {"model": "x"}, "model x (--model), which it does not list: it lists m"),
        ((), {}, "no model is named: none is listed; if the server wants one, give --model"),
    ],
)
def test_the_model_is_told(
    started: Callable[[Any], str], listed: tuple[str, ...], options: dict[str, str], words: str
) -> None:
    assert words in met(started(Answering({MODELS: models(*listed)})), **options).notes


def test_several_names_of_one_model_are_no_choice(started: Callable[[Any], str]) -> None:
    """vLLM's --served-model-name takes several; a LoRA adapter is a model of its own."""
    two = [{"id": one, "owned_by": "vllm", "root": "/m", "parent": None} for one in ("gpt", "llama")]
    assert met(started(Answering({MODELS: as_json(data=two)}))).model == "gpt"
    lora = {"id": "lora", "owned_by": "vllm", "root": "/lora", "parent": "gpt"}
    assert "gpt and lora" in str(refused(started(Answering({MODELS: as_json(data=[*two, lora])}))))


def test_recognition_asks_nothing_that_costs(started: Callable[[Any], str]) -> None:
    """LiteLLM's /health has each model answer; SGLang's and TGI's compute a token."""
    one = Answering({MODELS: models("m")})
    met(started(one))
    assert {asked.split(" ")[0] for asked in one.asked} == {"GET"}
    assert not {"/health", "/health_generate", "/v1/health"} & {*PROBE_PATHS}
    assert {asked.partition(" ")[2] for asked in one.asked} == {*PROBE_PATHS}
