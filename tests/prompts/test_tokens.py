"""The token estimate, held to counts of SmolLM2's tokenizer that were taken once by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatload.prompts.tokens import estimate_tokens, estimate_tokens_exactly

COUNTED = {
    "Roast the cauliflower first or boil it?": 9,
    "I woke at four again and lay there listening to the rain, which is pleasant enough, but not every night.": 23,
    "It says 3.5–5 bar on the side, and the pump shows 4.75.": 23,
    "def clean(rows):\n    return [row.strip().lower() for row in rows if row]\n": 22,
    "我昨天去了图书馆,借了三本书。": 25,
    "Please write to 12 Harbour Street, box 4410, before 2024-03-01.": 29,
}
"""Text of ours → tokens of SmolLM2-135M-Instruct's tokenizer."""


@pytest.mark.parametrize("text", COUNTED)
def test_estimate_is_close_to_a_real_tokenizer(text):
    assert estimate_tokens(text) == pytest.approx(COUNTED[text], rel=0.15, abs=1)


def test_no_text_has_no_tokens():
    assert estimate_tokens("") == 0


@given(texts=st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=0x2000)), max_size=8))
def test_estimates_add_up_over_spaces(texts):
    """Invariant: prompts may be composed word by word to a length."""
    assert estimate_tokens_exactly(" ".join(texts)) == pytest.approx(sum(map(estimate_tokens_exactly, texts)))
