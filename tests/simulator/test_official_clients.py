"""The official clients understand the simulator as they would the real servers; they are test-only dependencies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simulator.client import Simulator


def installed(package: str) -> Any:
    """A client's package. All of them take 2 s to import, and a test without its own is skipped."""
    reason = f"pip install {package}: this official client is not installed (tests/long_requirements.txt)"
    return pytest.importorskip(package.replace("-", "_"), reason=reason)


MESSAGES = [{"role": "user", "content": "Once upon a time,"}]


def client_of(simulator: Simulator, name: str) -> Any:
    return installed("openai").OpenAI(
        base_url=f"http://127.0.0.1:{simulator.ports[name]}/v1", api_key="none", max_retries=0
    )


@pytest.mark.parametrize(
    "name", ["vllm-0.33", "vllm-0.32", "tgi-3.3", "llama.cpp", "sglang", "lmdeploy", "fastchat", "tabbyapi"]
)
def test_openai_streams_a_chat(everyone: Simulator, name: str) -> None:
    with client_of(everyone, name) as client:
        stream = client.chat.completions.create(
            model="llama-2",
            messages=MESSAGES,
            stream=True,
            max_tokens=50,
            stream_options={"include_usage": True},
        )
        text, finish, usage = "", None, None
        for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
            usage = chunk.usage or usage
    assert finish == "stop"
    assert len(text.split()) >= 4
    if name != "fastchat":  # it has no usage in streams
        assert usage is not None
        assert usage.completion_tokens == 6
        assert usage.total_tokens == usage.prompt_tokens + 6


@pytest.mark.parametrize("limit", [3, 50])
def test_openai_streams_a_response(everyone: Simulator, limit: int) -> None:
    with client_of(everyone, "vllm-0.32") as client:
        stream = client.responses.create(
            model="llama-2", input=MESSAGES, stream=True, max_output_tokens=limit, instructions="Be brief."
        )
        events = list(stream)
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    last = events[-1].response
    assert [event.sequence_number for event in events] == [*range(len(events))]
    assert last.output_text == text != ""
    assert last.usage.output_tokens == min(limit, 6)
    assert last.status == ("incomplete" if limit == 3 else "completed")


@pytest.mark.parametrize("limit", [3, 50])
def test_anthropics_client_streams_a_message(everyone: Simulator, limit: int) -> None:
    url = f"http://127.0.0.1:{everyone.ports['vllm-0.32']}"
    with (
        installed("anthropic").Anthropic(base_url=url, api_key="none", max_retries=0) as client,
        client.messages.stream(
            model="llama-2", max_tokens=limit, messages=MESSAGES, system="Be brief."
        ) as stream,
    ):
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert message.content[0].text == text != ""
    assert message.usage.output_tokens == min(limit, 6)
    assert message.stop_reason == ("max_tokens" if limit == 3 else "end_turn")


@pytest.mark.parametrize("limit", [3, 50])
def test_ollamas_client_streams_a_chat(everyone: Simulator, limit: int) -> None:
    client = installed("ollama").Client(host=f"http://127.0.0.1:{everyone.ports['ollama']}")
    lines = list(client.chat("llama-2", messages=MESSAGES, stream=True, options={"num_predict": limit}))
    assert "".join(line.message.content for line in lines)
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert (lines[-1].eval_count, lines[-1].done_reason) == (
        min(limit, 6),
        "length" if limit == 3 else "stop",
    )
    with pytest.raises(installed("ollama").ResponseError, match="model 'other' not found"):
        client.chat("other", messages=MESSAGES)


@pytest.mark.parametrize("name", ["vllm-0.33", "vllm-0.32"])
def test_openai_is_called_for_a_tool_and_then_answered(everyone: Simulator, name: str) -> None:
    """The first tool, with arguments of its schema; not where the last message is a result, or none is wanted."""
    city = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": city}}]
    with client_of(everyone, name) as client:

        def asked(*messages: dict[str, str], **more: object) -> tuple[str, list[object], str]:
            stream = client.chat.completions.create(
                model="llama-2", messages=[*MESSAGES, *messages], tools=tools, stream=True, **more
            )
            choices = [choice for chunk in stream for choice in chunk.choices]
            text = "".join(choice.delta.content or "" for choice in choices)
            calls = [call for choice in choices for call in choice.delta.tool_calls or []]
            return text, calls, choices[-1].finish_reason

        text, calls, finish = asked()
        assert (text, finish) == ("", "tool_calls")
        assert (calls[0].function.name, calls[0].id[:14]) == ("weather", "chatcmpl-tool-")
        arguments = "".join(call.function.arguments or "" for call in calls)
        assert json.loads(arguments) == {"city": "harbor", "days": 7}
        for more in ({"tool_choice": "none"}, {"max_tokens": 2}):
            text, calls, finish = asked(**more)
            assert finish == ("length" if "max_tokens" in more else "stop")
            assert bool(calls) == ("max_tokens" in more)
        result = {"role": "tool", "tool_call_id": "1", "content": "Rain."}
        text, calls, finish = asked(result)
        assert text and not calls and finish == "stop"


def test_openai_sees_one_token_of_vllm_012(everyone: Simulator) -> None:
    """Its `[DONE]` after every step ends today's client after the first."""
    with client_of(everyone, "vllm-0.1.2") as client:
        stream = client.chat.completions.create(
            model="llama-2", messages=MESSAGES, stream=True, max_tokens=50
        )
        words = [choice.delta.content for chunk in stream for choice in chunk.choices]
    assert [word for word in words if word] and len(words) == 2


def test_openai_streams_transformers_without_done(everyone: Simulator) -> None:
    with client_of(everyone, "transformers") as client:
        stream = client.chat.completions.create(
            model="llama-2", messages=MESSAGES, stream=True, max_tokens=50
        )
        chunks = list(stream)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 6


@pytest.mark.parametrize("name", ["vllm-0.33", "tgi-3.3", "llama.cpp", "vllm-0.1.2"])
def test_openai_whole_answers_and_models(everyone: Simulator, name: str) -> None:
    with client_of(everyone, name) as client:
        answer = client.chat.completions.create(model="llama-2", messages=MESSAGES, max_tokens=4)
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage is not None and answer.usage.completion_tokens == 4
        text = client.completions.create(model="llama-2", prompt="Once", max_tokens=4)
        assert len(text.choices[0].text.split()) >= 3
        assert [model.id for model in client.models.list()] == ["llama-2"]


def test_openai_errors_are_what_they_say(everyone: Simulator) -> None:
    with client_of(everyone, "vllm-0.33") as client:
        with pytest.raises(installed("openai").NotFoundError, match="does not exist"):
            client.chat.completions.create(model="other", messages=MESSAGES, stream=True)
        with pytest.raises(installed("openai").BadRequestError, match="maximum context length"):
            client.chat.completions.create(
                model="llama-2", messages=[{"role": "user", "content": "one " * 5000}]
            )
    with client_of(everyone, "tgi-3.3") as client:
        long = [{"role": "user", "content": "one " * 5000}]  # its max_tokens may be any number
        with pytest.raises(installed("openai").APIError, match="`inputs`"):
            list(client.chat.completions.create(model="tgi", messages=long, stream=True))


@pytest.mark.parametrize("name", ["tgi-3.3", "tgi-0.9.3"])
def test_text_generation_client(everyone: Simulator, name: str) -> None:
    client = installed("text-generation").Client(f"http://127.0.0.1:{everyone.ports[name]}")
    replies = list(client.generate_stream("Once", max_new_tokens=50))
    assert len(replies) == 6
    assert replies[-1].token.special
    assert replies[-1].details.generated_tokens == 6
    shown = "".join(reply.token.text for reply in replies if not reply.token.special)
    assert replies[-1].generated_text.lstrip() == shown.lstrip()
    whole = client.generate("Once", max_new_tokens=4)
    assert whole.details.finish_reason == "length"
    assert len(whole.details.tokens) == 4
    with pytest.raises(installed("text-generation").errors.ValidationError, match="`inputs`"):
        list(client.generate_stream("one " * 5000))


@pytest.mark.parametrize("name", ["tgi-3.3", "tgi-0.9.3"])
def test_huggingface_hub_text_generation(everyone: Simulator, name: str) -> None:
    client = installed("huggingface_hub").InferenceClient(model=f"http://127.0.0.1:{everyone.ports[name]}")
    replies = list(client.text_generation("Once", max_new_tokens=50, stream=True, details=True))
    assert len(replies) == 6
    assert replies[-1].details is not None and replies[-1].details.finish_reason == "eos_token"
    assert len(client.text_generation("Once", max_new_tokens=4).split()) >= 3


def test_huggingface_hub_chat(everyone: Simulator) -> None:
    client = installed("huggingface_hub").InferenceClient(
        base_url=f"http://127.0.0.1:{everyone.ports['tgi-3.3']}"
    )
    chunks = list(client.chat_completion(MESSAGES, stream=True, max_tokens=50))
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len(chunks) == 6
