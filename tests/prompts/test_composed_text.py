"""Texts of an exact number of tokens, counted by tokenizers that are no part of chatload."""

from __future__ import annotations

import re
from collections.abc import Callable
from zlib import crc32

import pytest

from chatload.prompts.composed_text import OPENING_WORDS, Composer
from chatload.prompts.generated_prompts import GeneratedConversation, GeneratedPrompts, salted
from chatload.prompts.token_counts import TokenCounts, common
from chatload.runner.word_tokens import NotCounted, check, word_tokens


def pieces_of(size: int) -> Callable[[str], list[str]]:
    """A tokenizer of pieces of words with the blank before them, as byte pairs are: up to `size` letters, one digit."""
    return re.compile(rf" ?[A-Za-z]{{1,{size}}}|[0-9]| ?[^\sA-Za-z0-9]|\s").findall


def ids_of(pieces: Callable[[str], list[str]]) -> Callable[[str], list[int]]:
    return lambda text: [crc32(piece.encode()) for piece in pieces(text)]


@pytest.mark.parametrize("size", [3, 6, 40])
def test_texts_have_exactly_the_tokens_asked_by_the_tokenizer_of_the_server(size: int) -> None:
    pieces = pieces_of(size)
    counts = TokenCounts(method="tokenizer", words=word_tokens(ids_of(pieces)))
    composer = Composer(counts)
    check(ids_of(pieces), counts, composer.text(500, "check"))
    least = () if size == 3 else (OPENING_WORDS, 7)  # of three letters, few common words are one token
    for tokens in (*least, 20, 100, 999, 5000):
        text = composer.text(tokens, f"seed {tokens}")
        assert len(pieces(text)) - len(pieces("Note")) == tokens == counts.of(text)


def test_a_tokenizer_that_joins_words_is_not_believed() -> None:
    with pytest.raises(NotCounted, match="do not begin with words"):
        word_tokens(lambda text: [crc32(text[n : n + 5].encode()) for n in range(0, len(text), 5)])
    counts = TokenCounts(method="tokenizer", words=common(1.0))
    text = Composer(counts).text(200, "s")
    with pytest.raises(NotCounted, match="200 tokens by its words has 400"):
        check(lambda text: [0] * (len(text.split()) * 2), counts, text)


def test_no_two_texts_begin_alike_and_each_is_the_same_for_its_seed() -> None:
    composer = Composer(TokenCounts(method="probes", words=common(1.0)))
    texts = [composer.text(60, f"{n}") for n in range(2000)]
    assert len({tuple(text.split()[: OPENING_WORDS + 1]) for text in texts}) == 2000
    assert texts[7] == composer.text(60, "7")
    assert [len(composer.text(n, "x").split()) - 1 for n in (0, 3, 61)] == [6, 6, 61]
    dear = Composer(TokenCounts(method="probes", words=common(1.4)))
    assert abs(dear.counts.of(dear.text(500, "x")) - 500) <= 0.7


def prompts_of(prefix: int = 0, groups: int = 1) -> GeneratedPrompts:
    counts = TokenCounts(
        method="tokenizer", words=common(1.0), first={"": 31.0, "Be terse.": 40.0}, later=12.0
    )
    return GeneratedPrompts(Composer(counts), lambda user, turn: (200, None), "words", prefix, groups)


def tokens(text: str) -> int:
    return len(text.split()) - 1


def test_the_first_line_leaves_room_for_template_system_prompt_and_prefix_later_ones_for_the_template() -> (
    None
):
    plain = GeneratedConversation(prompts_of(), 0, "", grows=True)
    (line,) = plain.next_messages()
    assert tokens(line.content) + 31 == 200
    plain.add_reply("<think>hm</think>An answer.")
    first, answer, line = plain.next_messages()
    assert (first.role, answer.content, tokens(line.content) + 12) == ("user", "An answer.", 200)
    shared = GeneratedConversation(prompts_of(prefix=100), 0, "Be terse.", grows=False)
    system, line = shared.next_messages()
    assert system.content.startswith("Be terse. Note ")
    assert tokens(system.content.removeprefix("Be terse. ")) == 99  # and its first word
    assert 40 + 99 + tokens(line.content) == 200


def test_users_of_a_group_share_a_prefix_and_nothing_else() -> None:
    prompts = prompts_of(prefix=50, groups=2)
    lines = [GeneratedConversation(prompts, user, "", grows=False).next_messages() for user in range(4)]
    systems, asks = [one[0].content for one in lines], [one[1].content for one in lines]
    assert systems[0] == systems[2] != systems[1] == systems[3]
    assert len(set(asks)) == 4
    assert prompts.single_request(5, 1, 3)[0].content == systems[1]


def test_a_failed_turn_sends_another_line_next_time_and_leaves_the_history() -> None:
    talk = GeneratedConversation(prompts_of(), 0, "", grows=True)
    first = talk.next_messages()
    talk.add_reply(None)
    again = talk.next_messages()
    assert len(again) == 1
    assert again != first
    assert tokens(again[0].content) + 31 == 200


def test_a_salt_stands_before_the_first_message_only() -> None:
    messages = GeneratedConversation(prompts_of(prefix=50), 0, "", grows=False).next_messages()
    cold = salted(messages, "Note salt")
    assert cold[0].content == f"Note salt {messages[0].content}"
    assert cold[1:] == messages[1:]
    assert salted(messages, "") == messages
