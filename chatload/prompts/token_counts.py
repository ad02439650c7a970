"""Token counts of the server before a run: of each word of generated texts, and of the template around them."""

from __future__ import annotations

import random
from functools import lru_cache

import msgspec

from chatload.prompts.generated_text import phrases, sentence
from chatload.prompts.tokens import estimate_tokens_exactly

SERVER_TOKENIZER, PROBES, ESTIMATE = "tokenizer", "probes", "estimate"
"""How tokens were counted: by the server's tokenizer, by the usage of two probes, by our own estimate."""

SENTENCES = 240
FILLERS = phrases(
    "time | day | work | house | water | people | hand | place | part | group | year | week | case | "
    "point | number | name | world | fact | side | room | land | home | field | line | end | mind | "
    "body | street | door | face | level | idea | game | city | team | form | price | news | plan | "
    "road | wood | king | food | tree | paper | rock | book | night | light | sound | moon | wind | "
    "horse | ship | boat | table | garden | river | winter | summer | paint | music | window | market | "
    "island | doctor | sister | mother | father | child | friend | song | story | dinner | bread | "
    "coffee"
)
"""Common words, each one token in most tokenizers: a text begins with some of them and is padded with them."""
FIRST_WORD = "Note"
"""The first word of every generated text: a word at the beginning may have other tokens than after a space."""


class TokenCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts. Texts are composed of the words in `words` only.

    `words`: tokens of each word after a space. `first`: tokens of the first request of a conversation that are not in
    `words`, by system prompt: template, system prompt and first words. `later`: the same of a later turn, without the
    history. `method`: how they were counted; `why`: why not by a better method.
    """

    method: str
    words: dict[str, float]
    first: dict[str, float] = {}
    later: float = 0.0
    why: str = ""

    def of(self, text: str) -> float:
        """The tokens of a generated text after its first word."""
        return sum(map(self.words.__getitem__, text.split(" ")[1:]))


@lru_cache(maxsize=1)
def sentences() -> tuple[str, ...]:
    """The sentences of generated texts: the same in every run; each text has them in another order."""
    rng = random.Random("sentences")
    return tuple(sentence(rng) for _ in range(SENTENCES))


@lru_cache(maxsize=1)
def vocabulary() -> tuple[str, ...]:
    """Every word of generated texts, with the punctuation that follows it."""
    return tuple(dict.fromkeys((FIRST_WORD, *FILLERS, *" ".join(sentences()).split(" "))))


def estimated() -> dict[str, float]:
    """The estimate of every word."""
    return {word: estimate_tokens_exactly(word) for word in vocabulary()}


def common(tokens: float) -> dict[str, float]:
    """`tokens` for each of the common words, without others."""
    return dict.fromkeys((FIRST_WORD, *FILLERS), tokens)
