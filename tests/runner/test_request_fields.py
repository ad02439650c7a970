"""Which fields requests have by the server that was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chatload.loads.plan import Plan
from chatload.model.errors import UsageError
from chatload.protocols.registry import DIALECTS, kind_of
from chatload.protocols.server_kind import RUNNING_USAGE, DetectedServer, ServerKind
from chatload.runner import request_fields as module
from chatload.runner.request_fields import request_fields
from tests.plans import plan_of

OPENAI = DIALECTS["openai"]


def chat(**values: str) -> Plan:
    return plan_of("chat", {"host": "http://127.0.0.1:1", **values})


def found(name: str, version: str = "") -> DetectedServer:
    return DetectedServer(name, version, "openai", "m", f"{name} {version}", "GET /version")


UNKNOWN = found("OpenAI-compatible")


@pytest.mark.parametrize(
    ("server", "counting"),
    [
        (found("vLLM", "0.33.0"), RUNNING_USAGE),
        (found("vLLM", "0.6.4.post1+cu124"), RUNNING_USAGE),
        (found("vLLM", "0.5.5"), {}),
        (found("vLLM", "dev"), {}),
        (found("SGLang", "0.5.23"), RUNNING_USAGE),
        (found("lmdeploy"), {"return_token_ids": True}),
        (found("TGI", "3.3.7"), {}),
        (found("llama.cpp", "b11434"), {}),
        (UNKNOWN, {}),
    ],
    ids=lambda value: value.label if isinstance(value, DetectedServer) else "",
)
def test_exact_counts_are_asked_for_where_a_server_gives_them(
    server: DetectedServer, counting: dict[str, Any]
) -> None:
    assert request_fields(chat(), OPENAI, server).counting == counting
    assert request_fields(chat(usage="off"), OPENAI, server).counting == {}
    for other in ("openai-responses", "anthropic"):  # whose requests have no such fields
        assert request_fields(chat(), DIALECTS[other], server).counting == {}


def test_the_option_names_a_server_that_was_not_recognised() -> None:
    for server in (UNKNOWN, DetectedServer("", "", None, "", "server not recognised", "")):
        kind = kind_of(server, "lmdeploy")
        assert kind is not None
        assert kind.title == "lmdeploy"
    told = kind_of(found("vLLM", "0.33.0"), "lmdeploy")
    assert told is not None
    assert told.title == "vLLM", "what it is outranks what it was called"
    assert kind_of(DetectedServer("", "", None, "", "", ""), "auto") is None


@pytest.fixture
def picky(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = ServerKind(
        "picky", 1, {}, lambda _: None, lambda *_: True, refuses=frozenset({"ignore_eos", "top_k"})
    )
    as_found: Callable[..., ServerKind] = lambda *_: kind  # noqa: E731
    monkeypatch.setattr(module, "kind_of", as_found)


@pytest.mark.usefixtures("picky")
def test_what_a_server_refuses_is_left_out_or_refused_before_the_run() -> None:
    left_out = request_fields(chat(), OPENAI, UNKNOWN)
    assert left_out.refuses == {"ignore_eos", "top_k"}
    assert (left_out.refusal, left_out.doubt) == ("", "")
    one = request_fields(chat(body='{"ignore_eos": true}'), OPENAI, UNKNOWN)
    assert one.refusal.endswith("is picky: --body holds ignore_eos, which it refuses (422): leave it out")
    both = request_fields(chat(body='{"ignore_eos": true, "top_k": 3}'), OPENAI, UNKNOWN)
    assert "holds ignore_eos and top_k, which it refuses (422): leave them out" in both.refusal


def test_transformers_serve_gets_no_ignore_eos_and_the_report_says_what_that_means() -> None:
    sweep = plan_of("sweep", {"host": "http://127.0.0.1:1"})
    asked = request_fields(sweep, OPENAI, found("transformers serve"))
    assert asked.refuses == {"ignore_eos"}
    assert asked.doubt.startswith("transformers serve cannot be asked for answers of an exact length")
    assert request_fields(sweep, OPENAI, found("vLLM", "0.33.0")).doubt == ""


@pytest.mark.parametrize(
    ("server", "asked", "fields"),
    [
        (found("vLLM", "0.5.5"), {"thinking": "off"}, {"chat_template_kwargs": {"enable_thinking": False}}),
        (
            found("vLLM", "0.5.5"),
            {"reasoning_effort": "low", "thinking_budget": "500"},
            {"reasoning_effort": "low", "thinking_token_budget": 500},
        ),
        (
            found("SGLang"),
            {"thinking": "on", "thinking_budget": "0", "usage": "off"},
            {"chat_template_kwargs": {"enable_thinking": True, "thinking_budget": 0}},
        ),
        (found("llama.cpp"), {"thinking_budget": "9"}, {"thinking_budget_tokens": 9}),
        (UNKNOWN, {"reasoning_effort": "none"}, {"reasoning_effort": "none"}),
    ],
)
def test_how_much_is_reasoned_is_asked_in_the_server_s_own_form(
    server: DetectedServer, asked: dict[str, str], fields: dict[str, Any]
) -> None:
    assert request_fields(chat(**asked), OPENAI, server).counting == fields


@pytest.mark.parametrize(
    ("dialect", "asked", "fields"),
    [
        ("anthropic", {"thinking": "off"}, {"thinking": {"type": "disabled"}}),
        (
            "anthropic",
            {"thinking": "on", "thinking_budget": "2000"},
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        ),
        ("openai-responses", {"reasoning_effort": "high"}, {"reasoning": {"effort": "high"}}),
        ("ollama-native", {"thinking": "on"}, {"think": True}),
        ("ollama-native", {"reasoning_effort": "none"}, {"think": False}),
    ],
)
def test_other_routes_have_other_forms(dialect: str, asked: dict[str, str], fields: dict[str, Any]) -> None:
    assert request_fields(chat(**asked), DIALECTS[dialect], UNKNOWN).counting == fields


def test_what_a_server_has_no_form_for_ends_the_run_before_it_begins() -> None:
    words = request_fields(chat(thinking="on", thinking_budget="5"), OPENAI, UNKNOWN).refusal
    assert words.endswith("it has no form of --thinking and --thinking-budget: send what it takes by --body")
    native = request_fields(chat(reasoning_effort="low"), DIALECTS["tgi"], found("TGI")).refusal
    assert native.startswith("http://127.0.0.1:1 is TGI: it has no form of --reasoning-effort")
    vllm = found("vLLM", "0.33.0")
    twice = chat(thinking="on", body='{"chat_template_kwargs": {"x": 1}}')
    assert request_fields(twice, OPENAI, vllm).refusal.startswith("--body holds chat_template_kwargs")
    with pytest.raises(UsageError, match="--thinking 'off': a budget or an effort asks for reasoning"):
        chat(thinking="off", thinking_budget="7")
