"""Several models: how they are written, and which user asks which."""

from __future__ import annotations

from collections import Counter

import pytest

from chatload.model.model_mix import MixMistake, ModelShare, mix_of, mix_words, model_for


@pytest.mark.parametrize(
    ("text", "mix"),
    [
        ("", ()),
        ("llama-3", ()),
        ("org/llama=3", ()),
        ("a=3,b=1", (("a", 3), ("b", 1))),
        (" org/a = 30 , x=y=1", (("org/a", 30), ("x=y", 1))),
    ],
)
def test_a_list_has_commas_and_weights(text: str, mix: tuple[tuple[str, int], ...]) -> None:
    assert mix_of(text) == tuple(ModelShare(*one) for one in mix)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b", "'a' has no weight"),
        ("a=3,b=0", "'b=0' has no weight"),
        ("a=3,b=1.5", "'b=1.5' has no weight"),
        ("a=3,", "'' has no weight"),
        ("a=3,=1", "'=1' has no weight"),
        ("a=10001,b=1", "from 1 to 10,000"),
        ("a=3,a=1", "'a' is given twice"),
    ],
)
def test_what_is_no_list_is_told(text: str, words: str) -> None:
    with pytest.raises(MixMistake, match=words):
        mix_of(text)


def test_each_round_of_users_has_each_model_as_often_as_it_weighs() -> None:
    mix = mix_of("a=30,b=10,c=10")
    asked = [model_for(mix, user, 7) for user in range(50)]
    for first in range(0, 50, 5):
        assert Counter(asked[first : first + 5]) == {"a": 3, "b": 1, "c": 1}
    assert len({tuple(asked[first : first + 5]) for first in range(0, 50, 5)}) > 3, "in another order"
    assert asked == [model_for(mix, user, 7) for user in range(50)]
    assert asked != [model_for(mix, user, 8) for user in range(50)]


def test_the_mix_in_words() -> None:
    assert mix_words(mix_of("a=3,b=1")) == "a (75 %) and b (25 %)"
    assert mix_words(mix_of("a=2,b=1,c=1")) == "a (50 %), b (25 %) and c (25 %)"
