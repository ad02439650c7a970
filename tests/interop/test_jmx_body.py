"""Bodies of other tools: which dialect reads them, and what becomes of their fields."""

from __future__ import annotations

import pytest

from chatload.interop.jmx.body import carried_body, split_path
from chatload.protocols.registry import DIALECTS


@pytest.mark.parametrize(
    ("path", "name", "found"),
    [
        ("/v1/chat/completions", "openai", ("", "")),
        ("/llm/v1/chat/completions", "openai", ("/llm", "")),
        ("/api/generate", "tgi", ("/api", "/generate_stream")),
        ("/api/generate_stream", "tgi", ("/api", "")),
        ("/elsewhere", "openai", ("", "/v1/chat/completions")),
    ],
)
def test_the_part_of_a_path_before_the_apis_belongs_to_the_host(
    path: str, name: str, found: tuple[str, str]
) -> None:
    assert split_path(path, DIALECTS[name]) == found


@pytest.mark.parametrize("name", ["openai-completions", "vllm-generate"])
def test_the_path_tells_two_dialects_with_the_same_keys_apart(name: str) -> None:
    assert carried_body({"prompt": "Hello"}, DIALECTS[name].path).dialect.name == name


@pytest.mark.parametrize(
    ("given", "options", "body"),
    [
        ({"max_tokens": 1, "temperature": 0}, {"max-tokens": 1, "temperature": 0}, {}),
        ({"max_tokens": 0}, {"max-tokens": 0, "temperature": ""}, {"max_tokens": 0}),
        ({"max_tokens": True}, {"max-tokens": 0, "temperature": ""}, {"max_tokens": True}),
        ({"temperature": -1}, {"max-tokens": 0, "temperature": ""}, {"temperature": -1}),
    ],
)
def test_numbers_that_no_option_takes_stay_in_the_body(
    given: dict[str, object], options: dict[str, object], body: dict[str, object]
) -> None:
    carried = carried_body({"prompt": "Hello", "model": "m", **given}, "/v1/completions")
    assert carried.options == {"model": "m", **options}
    assert carried.body == body
