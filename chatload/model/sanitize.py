"""Makes text from a server or a file safe to print. All such text goes through this file."""

from __future__ import annotations

import json
import re
import unicodedata

from chatload.model.output import without_commands

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: window title, links, clipboard
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor, screen
    r"|\x1b[ -/]*[0-~]?"
)
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""Categories that a terminal may execute or not show: controls, bidi and other formats, lone surrogates, private use,
line and paragraph separators."""

_JOINERS = "\u200c\u200d"
"""Zero-width (non-)joiner: format characters that some scripts and emoji need."""


def shown(text: str) -> str:
    """A whole text, safe for a terminal or a CI log: `plain`, and without commands to the CI system.

    Every renderer calls this last: any word may end up at the start of a line, after wrapping or an empty column.
    """
    return without_commands(plain(text))


def json_text(content: object) -> str:
    """JSON to print, in ASCII; `##`, which begins a CI command, is written with an escape."""
    return json.dumps(content, indent=2).replace("##", r"#\u0023") + "\n"


def plain(text: str) -> str:
    """The text without escape sequences; other control characters become U+FFFD, new lines stay."""
    if text.replace("\n", "").isprintable():  # nearly every text; ten times as fast as the loop below
        return text
    text = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\t", "    "))
    return "".join(c if c == "\n" or c in _JOINERS or not _hidden(c) else "\ufffd" for c in text)


def one_line(text: object, limit: int = 200) -> str:
    """`plain`, on one line, at most `limit` columns wide (cut with an ellipsis)."""
    line = " ".join(plain(str(text)).split())
    return line if columns(line) <= limit else _cut(line, limit - 1) + "…"


def printable(text: object, limit: int) -> str:
    """An untrusted text on one line: control characters become blanks, at most `limit` characters."""
    line = "".join(c if c.isprintable() else " " for c in str(text)[: 4 * limit])
    return without_commands(" ".join(line.split())[:limit])


def columns(text: str) -> int:
    """Columns that the text takes in a terminal: 2 for wide East Asian characters, 0 for combining ones."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def wrapped(text: str, width: int) -> list[str]:
    """`plain` as lines of at most `width` columns, broken at spaces where possible."""
    lines: list[str] = []
    for paragraph in plain(text).split("\n"):
        line = ""
        for word in paragraph.split(" "):
            joined = f"{line} {word}" if line else word
            if columns(joined) <= width:
                line = joined
                continue
            if line:
                lines.append(line)
            while columns(word) > width:
                head = _cut(word, width)
                lines.append(head)
                word = word[len(head) :]
            line = word
        lines.append(line)
    return lines


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def _columns_of(character: str) -> int:
    if unicodedata.combining(character) or character in _JOINERS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cut(text: str, width: int) -> str:
    used = 0
    for position, character in enumerate(text):
        used += _columns_of(character)
        if used > width:
            return text[: max(1, position)]
    return text
