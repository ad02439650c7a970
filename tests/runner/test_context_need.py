"""Whether a plan's conversations will fit the context is said before the run: when some will not, and not otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from chatload.model.context_limits import ContextLimits
from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.server_kinds import KINDS
from chatload.runner.context_need import context_sentence
from tests.plans import planned
from tests.runner.fake_locust import HOST

TGI = ContextLimits(prompt=1024, total=2048, source="GET /info")
TAKES = "this server takes 1,024 prompt tokens, 2,048 with the answer (GET /info): "


def told(limits: ContextLimits, kind: str = "chat", **values: Any) -> str:
    return context_sentence(limits, planned(kind, {"host": HOST, "num_users": 4, **values}))


EXACT = {"history": "on", "prompt_tokens": "100", "answer_tokens": "100", "turns": "10"}
"""Turn k has a prompt of 100 k + 100 (k - 1) tokens: the sixth 1,100."""


def test_lengths_that_are_asked_are_added_up_turn_by_turn() -> None:
    assert told(TGI, **EXACT) == (
        f"{TAKES}turns from turn 6 on (50% of all) will not be held, as the conversation is over "
        "(--context-full; by our estimate)"
    )
    assert told(TGI, **{**EXACT, "turns": "5"}) == ""
    assert told(ContextLimits(prompt=4096, total=8192, source="x"), **EXACT) == ""
    assert "from turn 5 on" in told(ContextLimits(total=999, source="x"), **EXACT), (
        "prompt and answer together"
    )
    assert "from turn 6 on" in told(ContextLimits(total=999, reserved=False, source="x"), **EXACT)


@pytest.mark.parametrize(
    ("mode", "words"),
    [("trim", "will be asked without their oldest exchanges"), ("fail", "(50% of all) will fail")],
)
def test_what_follows_is_what_the_plan_says(mode: str, words: str) -> None:
    assert words in told(TGI, **EXACT, context_full=mode)


def test_answers_of_unknown_length_may_be_as_long_as_max_tokens() -> None:
    long = told(TGI, history="on", turns="10", max_tokens="200")
    assert ": with answers as long as --max-tokens 200 allows, turns from turn " in long
    assert told(TGI, history="on", turns="10", max_tokens="20") == ""
    assert told(TGI, history="on", turns="10", max_tokens="0") == "", "nobody knows how long answers are"
    assert told(TGI, history="off", turns="10", max_tokens="200") == "", "nothing grows"
    assert "from turn" in told(TGI, history="on", turns="0", max_tokens="20"), "without an end"


def test_a_first_message_that_will_not_fit() -> None:
    words = told(TGI, history="off", max_tokens="2040", prompt="word " * 20)
    assert words.startswith(f"{TAKES}first messages of conversations will not fit, by our estimate")


@pytest.mark.parametrize("kind", ["capacity", "visitors"])
def test_other_loads_with_conversations(kind: str) -> None:
    more = {"slo": "p50 ttft_ms <= 500"} if kind == "capacity" else {"rate_steps": "1/s 10s"}
    assert "from turn" in told(TGI, kind, history="on", turns="10", max_tokens="200", **more)
    assert told(TGI, kind, history="on", turns="3", max_tokens="100", **more) == ""


@pytest.mark.parametrize(
    ("title", "path", "body", "limits"),
    [
        ("TGI", "/info", b'{"model_id":"m","max_input_length":1024,"max_total_tokens":2048}', (1024, 2048)),
        ("TGI", "/info", b'{"model_id":"m","max_input_tokens":4095,"max_total_tokens":4096}', (4095, 4096)),
        ("TGI", "/info", b'{"model_id":"m"}', None),
        ("vLLM", "/v1/models", b'{"data":[{"id":"m","max_model_len":2048}]}', (None, 2048)),
        ("vLLM", "/v1/models", b'{"data":[{"id":"m"}]}', None),
        ("SGLang", "/v1/models", b'{"data":[{"id":"m","max_model_len":4096}]}', (None, 4096)),
        ("llama.cpp", "/props", b'{"default_generation_settings":{"n_ctx":1024}}', (None, 1024)),
        ("llama.cpp", "/props", b'{"default_generation_settings":{"n_ctx":"many"}}', None),
        ("Ollama", "/api/version", b'{"version":"0.5"}', None),
    ],
)
def test_servers_tell_their_limits(
    title: str, path: str, body: bytes, limits: tuple[int | None, int] | None
) -> None:
    (kind,) = (one for one in KINDS if one.title == title)
    found = kind.context(ProbeAnswers({path: (200, body)}))
    assert (None if found is None else (found.prompt, found.total)) == limits
