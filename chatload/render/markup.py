"""Markup that cannot be broken by what a server says: every text is escaped unless it is `Html` already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from chatload.model.sanitize import plain


class Html(str):
    """Text that is markup already; everything else is escaped where it enters a tag."""

    __slots__ = ()


def safe(text: object) -> Html:
    """The text as markup: controls and bidi marks shown as U+FFFD, the rest escaped."""
    if isinstance(text, Html):
        return text
    words = str(text)
    if not (words.isascii() and words.isprintable()):
        words = plain(words)
    return Html(escape(words, quote=True))


def tag(name: str, *content: object, **attributes: object) -> Html:
    """`<name …>content</name>`; `class_` stands for class, `_` for `-`; None is left out, here and there."""
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{safe(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(safe(part) for part in content if part is not None)
    return Html(f"<{name}{words}>{inner}</{name}>")


def joined(parts: Iterable[Html | None]) -> Html:
    """The parts one after another, those that are None left out."""
    return Html("\n".join(part for part in parts if part is not None))


def table(rows: Sequence[Sequence[object]], left: int = 1, *, caption: str = "") -> Html:
    """The first row as head; the first `left` columns to the left, numbers to the right. Scrolls on phones."""
    head = tag("tr", *(tag("th", cell, class_="t" if i < left else None, scope="col")
                       for i, cell in enumerate(rows[0])))  # fmt: skip
    body = [
        tag("tr", *(
            tag("th", cell, scope="row") if i == 0 and left
            else tag("td", cell, class_="t" if i < left else None)
            for i, cell in enumerate(row)
        ))
        for row in rows[1:]
    ]  # fmt: skip
    words = tag("caption", caption) if caption else None
    return tag(
        "div", tag("table", words, tag("thead", head), tag("tbody", *body)), class_="scroll", tabindex="0"
    )


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """A list of names and what they stand for."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", words)) for name, words in pairs))
