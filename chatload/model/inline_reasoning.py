"""Finds reasoning that stands inside the text of a reply, and characters that are invisible."""

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
"""Opening and closing tag of a block of reasoning, which stands at the start of the text."""
_FIRST_CHARACTERS = "".join({sign[0] for sign in BLOCKS})
OPENED_BY_TEMPLATE = "</think>"
"""The closing tag of a block that the chat template opened: the text has no opening tag."""
FILLERS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    "\ufe00\ufe01\ufe02\ufe03\ufe04\ufe05\ufe06\ufe07\ufe08\ufe09\ufe0a\ufe0b\ufe0c\ufe0d\ufe0e\ufe0f"
)
"""Fillers and variation selectors: invisible, though Unicode does not put them in category Cf."""
_UNSEEN = ("Cc", "Cf")
"""Categories of controls and formats: zero-width spaces and joiners, soft hyphens, direction marks."""


def visible(text: str) -> bool:
    """Whether a text has more than whitespace, control characters, fillers and zero-width characters."""
    if text.isascii() and text.isprintable():
        return bool(text) and not text.isspace()
    return any(not c.isspace() and c not in FILLERS and category(c) not in _UNSEEN for c in text)


def answer_in(reply: str) -> str:
    """The text of a reply without the reasoning inside it, as a chat template keeps it."""
    start = reply.lstrip()
    for opening, closing in BLOCKS.items():
        if start.startswith(opening):
            return start.partition(closing)[2].lstrip()
    found = after_template_block(reply)
    return found.lstrip() if found is not None else reply if start else ""


def after_template_block(reply: str) -> str | None:
    """The text after a block of reasoning that the chat template opened; None if there is no such block."""
    before, closed, after = reply.partition(OPENED_BY_TEMPLATE)
    return after if closed and "<think>" not in before else None


class AnswerStart:
    """Finds when the answer of a reply begins: at the first visible text outside a block of reasoning."""

    def __init__(self) -> None:
        self._start = ""
        self._closing = ""
        self._seen_ns: int | None = None

    def take(self, text: str, at_ns: int) -> int | None:
        """Add the next text, received at `at_ns`. Returns when the answer began, in ns; None while it has not."""
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
        if self._start[:1] not in _FIRST_CHARACTERS:  # the usual case
            return self._seen_ns
        for opening, closing in BLOCKS.items():
            if self._start.startswith(opening):
                rest, self._start, self._closing = self._start[len(opening) :], "", closing
                return self.take(rest, at_ns)
            if opening.startswith(self._start):  # may become a tag with the next text
                return None
        return self._seen_ns
