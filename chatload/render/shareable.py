"""A run as it may be given to anybody: without hosts, keys, prompts and replies (`chatload report --share`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from chatload.model.packed_turns import unpacked
from chatload.model.turn import Turn
from chatload.store.journal import Run
from chatload.store.manifest import Manifest

LEFT_OUT = ("manifest", "samples")
"""Sections of a report that a shared one lacks: all conditions, and replies in full."""
_EMPTY = frozenset(
    {
        "prompt",
        "prompts",
        "prompts_column",
        "system_prompt",
        "trace",
        "sharegpt",
        "tools",
        "expect",
        "headers",
        "access",
        "route",
        "out",
        "path",
        "power_metrics",
        "argv",
        "failed_in",
    }
)
"""Keys of the manifest whose values are left out, at any depth."""
_TEXTS = frozenset({"prompt", "system_prompt"})
"""Those of them that are texts which other words may repeat."""
_HOSTS = frozenset({"host", "addresses"})

Words = Callable[[str], str]


def shareable(run: Run) -> Run:
    """The run with other names for hosts and workers, without texts and without the server's own words on failures."""
    content = msgspec.json.decode(msgspec.json.encode(run.manifest))
    words = _without(_names(run, content))
    kept = msgspec.convert(_cleaned(content, words), Manifest)
    return replace(
        run,
        folder=Path(words(run.folder.name)),
        manifest=kept,
        turns=tuple(_turn(one, words) for one in run.turns),
        users=tuple(_line(one, words) for one in run.users),
        health=tuple(_line(one, words) for one in run.health),
        server=tuple(_line(one, words) for one in run.server),
        power=tuple(_line(one, words) for one in run.power),
        warmup=tuple(_turn(one, words) for one in run.warmup),
        ends=tuple(_line(one, words) for one in run.ends),
        missing=tuple(map(words, run.missing)),
    )


def _names(run: Run, content: Any) -> dict[str, str]:
    """What stands for each host, worker and text. Any: JSON of the manifest."""
    found: dict[str, str] = {}
    hosts = dict.fromkeys([*_values(content, _HOSTS), *(turn.address for turn in run.turns)])
    for number, host in enumerate(filter(None, hosts), 1):
        parts = urlsplit(host if "//" in host else f"//{host}")
        for form in (host, parts.netloc, parts.netloc.rpartition("@")[2], parts.hostname or ""):
            found.setdefault(
                form,
                f"{parts.scheme}://server-{number}" if form == host and parts.scheme else f"server-{number}",
            )
    workers = dict.fromkeys([*run.manifest.workers, *(turn.worker for turn in run.turns)])
    for number, worker in enumerate((one for one in workers if one != "local"), 1):
        found[worker] = f"worker-{number}"
        found.setdefault(worker.rpartition("_")[0], f"machine-{number}")
    found |= dict.fromkeys(_values(content, _TEXTS), "…")
    found[str(run.folder.resolve())] = found[str(run.folder)] = "the run folder"
    found.pop("", None)
    return found


def _values(content: Any, keys: frozenset[str]) -> Iterable[str]:
    """The texts of these keys, at any depth."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key in keys:
                yield from (
                    one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)
                )
            yield from _values(value, keys)
    elif isinstance(content, list):
        for one in content:
            yield from _values(one, keys)


def _without(names: Mapping[str, str]) -> Words:
    """Puts the other names in a text, the longest first; only whole words are names."""
    ordered = sorted(names, key=len, reverse=True)
    if not ordered:
        return lambda text: text
    pattern = re.compile(r"(?<![A-Za-z0-9])(?:" + "|".join(map(re.escape, ordered)) + r")(?![A-Za-z0-9])")
    kept: dict[str, str] = {}

    def words(text: str) -> str:
        if text not in kept:
            kept[text] = pattern.sub(lambda found: names[found[0]], text)
        return kept[text]

    return words


def _cleaned(content: Any, words: Words) -> Any:
    if isinstance(content, dict):
        return {
            words(key): _numbers(value) if key == "body" else _cleaned(value, words)
            for key, value in content.items()
            if key not in _EMPTY
        }
    if isinstance(content, list):
        return [_cleaned(one, words) for one in content]
    return words(content) if isinstance(content, str) else content


def _numbers(body: Any) -> Any:
    """The fields of a request that are numbers or switches."""
    return {key: value for key, value in body.items() if isinstance(value, int | float)}


def _turn(one: Turn, words: Words) -> Turn:
    return msgspec.structs.replace(
        unpacked(one),
        group=words(one.group),
        name=words(one.name),
        worker=words(one.worker),
        address=words(one.address),
        code=None if one.code is None else words(one.code),
        reply_id=None,
        detail=None,
        text=None,
        prompt=None,
    )


def _line(one: Any, words: Words) -> Any:
    """A line of the journal. Any: of each kind the same kind."""
    host = {"host": words(one.host)} if getattr(one, "host", "") else {}
    return msgspec.structs.replace(one, worker=words(one.worker), **host)
