"""Reasoning inside the text of a reply, as models write it whose server does not set it apart; and what nobody sees."""

from __future__ import annotations

from unicodedata import category

_NAMES = ("think", "thinking", "thought", "thoughts", "reasoning", "seed:think")
BLOCKS = {f"<{name}>": f"</{name}>" for name in _NAMES} | {
    "[THINK]": "[/THINK]",  # Mistral
    "◁think▷": "◁/think▷",  # Kimi
    "<|START_THINKING|>": "<|END_THINKING|>",  # Cohere
    "<|begin_of_thought|>": "<|end_of_thought|>",  # Sky-T1
    "<|channel|>analysis<|message|>": "<|channel|>final<|message|>",  # gpt-oss
}
"""The signs at the beginning and the end of a block of reasoning. It stands at the start of the text."""
_FIRST_CHARACTERS = "".join({sign[0] for sign in BLOCKS})
OPENED_BY_TEMPLATE = "</think>"
"""Where a chat template opens the block, only its end is in the text."""
FILLERS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    "\ufe00\ufe01\ufe02\ufe03\ufe04\ufe05\ufe06\ufe07\ufe08\ufe09\ufe0a\ufe0b\ufe0c\ufe0d\ufe0e\ufe0f"
)
"""Fillers and variation selectors, which show nothing though Unicode does not count them among formats."""
_UNSEEN = ("Cc", "Cf")
"""Categories of controls and formats: zero-width spaces and joiners, soft hyphens, marks of direction."""


def visible(text: str) -> bool:
    """Whether a reader sees anything of a text: not of blanks, controls, fillers and characters without width."""
    if text.isascii() and text.isprintable():
        return bool(text) and not text.isspace()
    return any(not c.isspace() and c not in FILLERS and category(c) not in _UNSEEN for c in text)


def answer_in(reply: str) -> str:
    """The text of a reply that a chat template keeps: without the reasoning inside it."""
    start = reply.lstrip()
    for opening, closing in BLOCKS.items():
        if start.startswith(opening):
            return start.partition(closing)[2].lstrip()
    found = after_template_block(reply)
    return found.lstrip() if found is not None else reply if start else ""


def after_template_block(reply: str) -> str | None:
    """What comes after a block of reasoning that the chat template opened; None where there is none."""
    before, closed, after = reply.partition(OPENED_BY_TEMPLATE)
    return after if closed and "<think>" not in before else None


class AnswerStart:
    """Finds when the answer of a reply begins: with its first visible text that is no block of reasoning."""

    def __init__(self) -> None:
        self._start = ""
        self._closing = ""
        self._seen_ns: int | None = None

    def take(self, text: str, at_ns: int) -> int | None:
        """Take the next text in; the instant at which the answer began, None while it has not."""
        if self._closing:
            self._start += text
            _, closed, after = self._start.partition(self._closing)
            if not closed:
                self._start = self._start[-len(self._closing) :]
                return None
            self._start, self._closing, self._seen_ns = "", "", None
            return at_ns if visible(after) else None
        if not visible(text) and not self._start:
            return None
        self._start = (self._start + text).lstrip()
        self._seen_ns = at_ns if self._seen_ns is None else self._seen_ns
        if self._start[:1] not in _FIRST_CHARACTERS:  # the usual answer
            return self._seen_ns
        for opening, closing in BLOCKS.items():
            if self._start.startswith(opening):
                rest, self._start, self._closing = self._start[len(opening) :], "", closing
                return self.take(rest, at_ns)
            if opening.startswith(self._start):  # the next text tells
                return None
        return self._seen_ns
