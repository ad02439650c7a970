"""What the command line tells of a run beside its options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from chatload.options.server_address import shown_url

URLS = ("--host", "-H", "--path")
"""Options whose values may have a query."""


def without_values(argv: Sequence[str], options: Sequence[str], urls: Sequence[str] = ()) -> list[str]:
    """The command line with the values of `options` left out: they may hold what is nobody's business.

    Of the values of `urls` the values of their queries are.
    """
    kept: list[str] = []
    for word in argv:
        name, equals, _ = word.partition("=")
        if name in options and equals:
            kept.append(f"{name}=…")
        elif name in urls and equals:
            kept.append(f"{name}={shown_url(word.partition('=')[2])}")
        elif kept and kept[-1] in urls:
            kept.append(shown_url(word))
        else:
            kept.append("…" if kept and kept[-1] in options else word)
    return kept


def given_options(argv: Sequence[str]) -> frozenset[str]:
    """The keys of the long options on the command line."""
    names = (word[2:].partition("=")[0] for word in argv if word.startswith("--"))
    return frozenset(name.replace("-", "_") for name in names)


def scenario_name(argv: Sequence[str], environ: Mapping[str, str], locustfile: str) -> str:
    """The scenario file's stem where one was named (--config), else the locustfile's."""
    chosen = environ.get("LOCUST_CONFIG", "")
    for index, word in enumerate(argv):
        if word == "--config" and index + 1 < len(argv):
            chosen = argv[index + 1]
        elif word.startswith("--config="):
            chosen = word.split("=", 1)[1]
    return Path(chosen or locustfile).stem
