"""When the answer begins, however its text is cut into events."""

from __future__ import annotations

import pytest

from chatload.model.inline_reasoning import AnswerStart, answer_in, visible

ANSWERS = [
    ("Yes.", 0),
    (" \n\u200bYes.", 3),
    ("<think>hm</think>\n\nYes.", 19),
    ("\n<think>\nhm <b>\n</think>Yes.", 24),
    ("<thinking>a</think>b</thinking> c", 32),
    ("[THINK]hm[/THINK]Yes", 17),
    ("<reasoning>hm</reasoning>Yes", 25),
    ("◁think▷hm◁/think▷Yes", 17),
    ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes", 84),
    ("<thin is no sign", 0),
    ("<b>bold</b>", 0),
    ("< 5", 0),
]
"""(text, index of the character with which its answer begins)."""


def begins(texts: list[str]) -> int | None:
    """The index of the text with which the answer begins."""
    start = AnswerStart()
    return next((at for number, one in enumerate(texts) if (at := start.take(one, number)) is not None), None)


@pytest.mark.parametrize(("text", "first"), ANSWERS)
def test_an_answer_begins_with_its_first_character(text: str, first: int) -> None:
    assert begins(list(text)) == first
    assert begins([text]) == 0
    for at in range(1, len(text)):
        assert begins([text[:at], text[at:]]) == int(first >= at), at
    assert visible(text[first])


@pytest.mark.parametrize(
    "text",
    [
        "\x00",
        "\u200e",
        "\u3164",
        "\u2800",
        "\ufe0f",
        "\u2066",
        "",
        " ",
        "<think>",
        "<think>hm",
        "<think>hm</think>",
        "<think>hm</think> \n",
        "\u200b",
    ],
)
def test_without_an_answer_none_begins(text: str) -> None:
    assert begins(list(text)) is None
    assert not visible(answer_in(text))
