"""Options of every load shape for the lengths of prompts and answers, in tokens, and for shared prefixes."""

from __future__ import annotations

from dataclasses import dataclass

from chatload.options.distribution import Distribution, read_distribution
from chatload.options.option import Choice, Group, Integer, InvalidValue, Option, Text
from chatload.options.ranges import MOST_TOKENS, Range, whole

MOST_GROUPS = 10_000
"""Most shared prefixes; --cache warm sends each once."""


@dataclass(frozen=True, slots=True)
class PairFile:
    """A file with pairs of prompt and answer lengths."""

    path: str


Lengths = Distribution | PairFile


@dataclass(frozen=True, kw_only=True)
class LengthOption(Option[Lengths | None]):
    """Lengths in tokens: "512", "512±64", "100..900", "lognormal(512, 300)", or empty; with `file` also "@FILE"."""

    limits: Range
    file: bool = False

    def parse(self, text: str) -> Lengths | None:
        """The lengths; None for an empty text."""
        if text.startswith("@"):
            if not self.file:
                raise InvalidValue("a file of pairs is named by --prompt-tokens: leave this out")
            return PairFile(self.file_in(text))
        return read_distribution(text, self.limits) if text else None

    def file_in(self, text: str) -> str:
        """The path after @."""
        return text[1:] if self.file and text.startswith("@") else ""


class TextOrFile(Text):
    """A text, or @FILE for the text in a file."""

    def file_in(self, text: str) -> str:
        """The path after @."""
        return text[1:] if text.startswith("@") else ""


PROMPT_TOKENS = LengthOption(
    name="prompt-tokens",
    default="",
    limits=whole(1, MOST_TOKENS),
    file=True,
    group=Group.PROMPTS,
    label="Prompt length (tokens)",
    help="tokens of a conversation's first prompt by the server's count, and of what each later turn adds: 512, "
    "512±64, 100..900, 'lognormal(512, 300)' (mean, sd), @FILE of pairs; empty: prompts as the other options say",
)
ANSWER_TOKENS = LengthOption(
    name="answer-tokens",
    default="",
    limits=whole(1, MOST_TOKENS),
    group=Group.PROMPTS,
    label="Answer length (tokens)",
    help="tokens of each answer: as prompt-tokens, without @FILE (max-tokens, with ignore_eos where the server has "
    "it); empty: up to max-tokens",
)
SHARED_PREFIX_TOKENS = Integer(
    name="shared-prefix-tokens",
    default="0",
    range=whole(0, MOST_TOKENS),
    group=Group.PROMPTS,
    label="Shared beginning of prompts (tokens)",
    help="tokens of a generated text in the system message that users of a group share, part of prompt-tokens",
)
PREFIX_GROUPS = Integer(
    name="prefix-groups",
    default="1",
    range=whole(1, MOST_GROUPS),
    group=Group.PROMPTS,
    label="Different shared beginnings",
    help="how many different texts shared-prefix-tokens makes; users take them in turn",
)
CACHE = Choice(
    name="cache",
    default="as-is",
    choices=("as-is", "cold", "warm"),
    group=Group.PROMPTS,
    label="Prefix cache of the server",
    help="cold: every prompt begins with words that no other run has; warm: each shared beginning is sent once before "
    "the run; as-is: neither",
)
LENGTH_OPTIONS: tuple[Option[object], ...] = (
    PROMPT_TOKENS,
    ANSWER_TOKENS,
    SHARED_PREFIX_TOKENS,
    PREFIX_GROUPS,
    CACHE,
)
