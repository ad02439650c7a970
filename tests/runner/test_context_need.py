"""Whether a plan's conversations will fit the context is said before the run: when some will not, and not otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatload.loads.user_classes import DECLARED, DeclaredClass
from chatload.model.context_limits import ContextLimits
from chatload.prompts.conversation import conversation_for
from chatload.prompts.tokens import estimate_tokens_exactly
from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.server_kinds import KINDS
from chatload.runner.context_need import class_sentence, context_sentence
from chatload.runner.planned_lengths import AROUND_A_MESSAGE, planned_lengths
from tests.plans import planned
from tests.runner.fake_locust import HOST

TGI = ContextLimits(prompt=1024, total=2048, source="GET /info")
TAKES = "this server takes 1,024 prompt tokens, 2,048 with the answer (GET /info): "


def told(limits: ContextLimits, kind: str = "chat", **values: Any) -> str:
    return context_sentence(
        limits, planned(kind, {"host": HOST, "num_users": 1 if kind == "sweep" else 4, **values})
    )


EXACT = {"history": "on", "prompt_tokens": "100", "answer_tokens": "100", "turns": "10"}
"""Turn k has a prompt of 100 k + 100 (k - 1) tokens: the sixth 1,100."""


def test_lengths_that_are_asked_are_added_up_turn_by_turn() -> None:
    assert told(TGI, **EXACT) == (
        f"{TAKES}turns from turn 6 on (50 % of all) will not be held, as the conversation is over "
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
    [("trim", "will be asked without their oldest exchanges"), ("fail", "(50 % of all) will fail")],
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


PROMPTS_ONLY = {"history": "on", "prompt_tokens": "300", "turns": "10"}
"""Turn k has a prompt of 300 k tokens and the answers before it."""


@pytest.mark.parametrize(
    ("max_tokens", "words"),
    [
        # 300 + 200 + 300 + 200 + 300 = 1,300 in turn 3, with answers of 200; 1,200 in turn 4 without them
        (200, "turns from turn 4 on (70 % of all), with answers as long as --max-tokens 200 allows from turn 3 on "
              "(80 % of all), will not be held"),
        (10, "turns from turn 4 on (70 % of all) will not be held"),
        (0, "turns from turn 4 on (70 % of all), or sooner as answers are added, will not be held"),
    ],
)  # fmt: skip
def test_with_prompts_of_known_length_answers_decide_on_the_turn(max_tokens: int, words: str) -> None:
    found = told(TGI, **PROMPTS_ONLY, max_tokens=str(max_tokens))
    assert found.startswith(f"{TAKES}{words}"), found


def test_a_first_message_that_will_not_fit() -> None:
    words = told(TGI, history="off", max_tokens="2040", prompt="word " * 20)
    assert words.startswith(f"{TAKES}none of the 40 requests will fit, by our estimate: give shorter ones")
    assert "the run ends after the first few of them" in words
    assert told(TGI, history="off", max_tokens="2040", prompt="word " * 20, context_full="fail").endswith(
        "will fail"
    )
    grows = told(TGI, history="on", prompt_tokens="1100")
    assert grows.startswith(f"{TAKES}none of the 4 first messages will fit")
    assert told(TGI, history="off", max_tokens="2040", prompt="word") == ""


def test_tgi_3_makes_long_answers_in_pieces_of_which_the_first_must_fit() -> None:
    (kind,) = (one for one in KINDS if one.title == "TGI")
    info = b'{"model_id":"m","max_input_tokens":4095,"max_total_tokens":4096,"version":"%s"}'
    three, two = (
        kind.context(ProbeAnswers({"/info": (200, info % version)})) for version in (b"3.3.7", b"2.4.1")
    )
    assert three is not None and two is not None
    beyond = {"history": "off", "max_tokens": "100000"}
    assert told(three, prompt="word", **beyond) == "" and "none of the 40 requests" in told(
        two, prompt="word", **beyond
    )
    assert "none of the 40 requests" in told(three, prompt="word " * 3400, **beyond)


@pytest.mark.parametrize("kind", ["capacity", "visitors"])
def test_other_loads_with_conversations(kind: str) -> None:
    more = {"slo": "p50 ttft_ms <= 500"} if kind == "capacity" else {"rate_steps": "1/s 10s"}
    assert "from turn" in told(TGI, kind, history="on", turns="10", max_tokens="200", **more)
    assert told(TGI, kind, history="on", turns="3", max_tokens="100", **more) == ""


@pytest.mark.parametrize(
    ("values", "beyond"),
    [
        ({"prompt_tokens": "1000", "answer_tokens": "1049"}, "none of the 10 requests will fit"),
        ({"prompt_tokens": "1000", "answer_tokens": "1048"}, ""),
        ({"prompt_tokens": "1025", "answer_tokens": "1"}, "none of the 10 requests will fit"),
        ({"lengths": "free", "max_tokens": "2045"}, "none of the 10 requests will fit"),
        ({"lengths": "free", "max_tokens": "16"}, ""),
        ({"lengths": "free", "max_tokens": "1600"}, " of 10 requests will not fit"),
    ],
)  # fmt: skip
def test_requests_of_an_open_loop(values: dict[str, str], beyond: str) -> None:
    found = told(TGI, "open_loop", requests=10, **values)
    assert bool(found) == bool(beyond) and beyond in found, found


TRACE = """\
{"timestamp": 0, "session_id": "a", "input_length": 500, "output_length": 300}
{"timestamp": 9, "session_id": "a", "input_length": 1000, "output_length": 100}
{"timestamp": 18, "session_id": "a", "input_length": 1200, "output_length": 100}
{"timestamp": 1, "session_id": "b", "input_length": 40, "output_length": 30}
"""


def test_conversations_and_requests_of_a_trace(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text(TRACE)
    values = {"trace": str(file), "trace_unit": "s"}
    words = told(TGI, "open_loop", **values)
    assert words.startswith(f"{TAKES}turns from turn 3 on will not be held"), words
    assert told(ContextLimits(total=1400, source="x"), "open_loop", **values) == ""
    alone = told(TGI, "open_loop", **values, trace_sessions="off")
    assert "1 of 4 requests will not fit" in alone


def test_requests_of_a_sweep() -> None:
    values = {"levels": "1,4", "rounds": 2, "prompt_tokens": "500"}
    assert "none of the 10 requests will fit" in told(TGI, "sweep", **values, answer_tokens="1600")
    assert told(TGI, "sweep", **values, answer_tokens="1500") == ""


def test_what_prompts_hold_beside_their_text_is_not_counted_and_said() -> None:
    values = {"history": "on", "turns": "10", "images": 2, "max_tokens": "300"}
    assert told(TGI, **values).endswith("(--context-full; by our estimate, images not counted)")
    assert told(ContextLimits(total=32_000, source="x"), **values) == "", (
        "how many tokens an image has is not known"
    )


@pytest.mark.parametrize(("choice", "turn"), [("required", 6), ("auto", 0)])
def test_results_of_tools_are_counted_where_the_model_must_call_them(choice: str, turn: int) -> None:
    """A question and two rounds of results of 300 tokens each: 2,048 less 100 are reached by the sixth result."""
    values = {
        "history": "on",
        "turns": "9",
        "tool_rounds": 2,
        "tool_result_tokens": 300,
        "tool_choice": choice,
    }
    found = told(ContextLimits(total=1348, source="x"), **values, max_tokens="10")
    assert (f"from turn {turn} on" in found) if turn else not found, found
    assert not found or found.endswith("(--context-full; by our estimate, tools not counted)")


def own_class(**attributes: object) -> DeclaredClass:
    return DeclaredClass("Shopper", 4, own=True, attributes=attributes)


@pytest.mark.parametrize(
    ("attributes", "beyond"),
    [
        ({"system_prompt": "word " * 30, "max_tokens": 2040}, True),
        ({"system_prompt": "word " * 2000, "max_tokens": 10}, True),
        ({"system_prompt": "word " * 30, "max_tokens": 100}, False),
        ({"max_tokens": 2049}, True),
        ({"max_tokens": 2040}, False),
        ({"max_tokens": None}, False),
        ({"max_tokens": 2049, "body": {"max_new_tokens": 5}}, False),
    ],
)  # fmt: skip
def test_of_own_classes_system_prompt_and_answer_are_known(
    attributes: dict[str, object], beyond: bool
) -> None:
    declared = lambda users, picked: (own_class(**attributes),)  # noqa: E731
    plan = planned("chat", {"host": HOST, "num_users": 4, DECLARED: declared})
    assert context_sentence(TGI, plan) == "", "nobody knows what its tasks ask"
    words = class_sentence(TGI, plan.plan, ["Shopper"])
    assert bool(words) == beyond
    assert class_sentence(TGI, plan.plan, ["Other"]) == ""
    if beyond:
        assert "system_prompt and max_tokens of Shopper come to " in words


def test_users_beside_those_of_own_classes_do_as_the_options_say() -> None:
    declared = (own_class(), DeclaredClass("ChatUsers", 2))
    values = {**EXACT, "host": HOST, "num_users": 6, DECLARED: lambda users, picked: declared}
    assert "turns from turn 6 on (50 % of all)" in context_sentence(TGI, planned("chat", values))


@pytest.mark.parametrize(
    ("title", "path", "body", "limits"),
    [
        ("TGI", "/info", b'{"model_id":"m","max_input_length":1024,"max_total_tokens":2048}', (1024, 2048)),
        ("TGI", "/info", b'{"model_id":"m","max_input_tokens":4095,"max_total_tokens":4096}', (4095, 4096)),
        ("TGI", "/info", b'{"model_id":"m"}', None),
        ("vLLM", "/v1/models", b'{"data":[{"id":"m","max_model_len":2048}]}', (None, 2048)),
        ("vLLM", "/v1/models", b'{"data":[{"id":"m"}]}', None),
        (
            "vLLM",
            "/v1/models",
            b'{"data":[{"id":"m","max_model_len":2048},{"id":"l","parent":"m"}]}',
            (None, 2048),
        ),
        ("vLLM", "/v1/models", b'{"data":[{"id":"m","max_model_len":[2]}]}', None),
        ("OpenAI-compatible", "/v1/models", b'{"data":[{"id":"m","context_window":8192}]}', (None, 8192)),
        ("OpenAI-compatible", "/v1/models", b'{"data":[{"id":"m","context_length":8},{"id":"n"}]}', None),
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


def test_of_a_server_that_is_not_known_only_prompts_are_held_against_its_context() -> None:
    (kind,) = (one for one in KINDS if one.title == "OpenAI-compatible")
    told_ = kind.context(ProbeAnswers({"/v1/models": (200, b'{"data":[{"id":"m","context_length":4096}]}')}))
    assert told_ is not None and told(told_, history="off", max_tokens="100000", prompt="word") == ""
    assert "none of the 40 requests" in told(told_, history="off", max_tokens="10", prompt="word " * 6000)


def test_lines_are_those_that_each_user_says() -> None:
    one = planned("chat", {"host": HOST, "num_users": 7, "history": "on", "turns": "16"})
    for user, talk in enumerate(planned_lengths(one).talks):
        conversation = conversation_for(user, one.plan.drawn_by, "words", one.inputs.conversations)
        said = []
        for _ in range(16):
            said.append(estimate_tokens_exactly(conversation.next_messages()[-1].content))
            conversation.add_reply("yes")
        first, *later = (step.adds for step in talk.steps)
        assert later == pytest.approx([tokens + 2 * AROUND_A_MESSAGE for tokens in said[1:]])
        assert first - AROUND_A_MESSAGE == pytest.approx(said[0], abs=12), (
            "names and places of an opening differ"
        )
