"""Tags of the charts' SVG; every text is escaped unless it is markup already."""

from __future__ import annotations

from markupsafe import Markup, escape

from chatload.model.sanitize import plain


def safe(text: object) -> Markup:
    """The text as markup: control and bidi characters shown as U+FFFD, the rest escaped."""
    return text if isinstance(text, Markup) else escape(plain(str(text)))


def tag(name: str, *content: object, **attributes: object) -> Markup:
    """`<name …>content</name>`; `class_` stands for class, `_` for `-`; None is left out, here and there."""
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{safe(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(safe(part) for part in content if part is not None)
    return Markup(f"<{name}{words}>{inner}</{name}>")
