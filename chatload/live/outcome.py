"""What became of a finished run, in the words of its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson

from chatload.analysis.validity import first_words
from chatload.model.sanitize import one_line
from chatload.render.capacity_table import ladder
from chatload.render.slo_words import sentence
from chatload.render.text import verdict
from chatload.render.text_table import plural
from chatload.store.manifest import Manifest

NOTHING: dict[str, Any] = {"verdict": "", "doubt": "", "slo": [], "caveats": []}


@dataclass(slots=True)
class Outcomes:
    """Reads a run's summary.json once it is there, and again when it was written anew."""

    _read: tuple[Path, int] | None = None
    _words: dict[str, Any] = field(default_factory=lambda: NOTHING)

    def of(self, folder: Path | None, capacity: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """{verdict: a sentence, doubt: why not to trust it, slo: [{verdict, words}], caveats: [sentence]}; empty
        while the run goes on. `capacity` is what a search found: its SLOs are those of its levels."""
        if folder is None:
            return NOTHING
        path = folder / "summary.json"
        try:
            written = path.stat().st_mtime_ns
            if self._read != (path, written):
                self._words = _words(orjson.loads(path.read_bytes()))
                if capacity and "users" in capacity:
                    self._words |= _found(capacity)
                self._read = (path, written)
        except (OSError, orjson.JSONDecodeError):
            return NOTHING
        return self._words


def _words(summary: dict[str, Any]) -> dict[str, Any]:
    doubt = first_words(summary.get("trust")) or ""
    return {
        "verdict": one_line(verdict(summary).removeprefix(doubt).strip(), 400),
        "doubt": one_line(doubt, 400),
        "slo": [
            {"verdict": one["verdict"], "words": one_line(sentence(one), 300)}
            for one in summary.get("slo") or []
        ],
        "caveats": [one_line(words, 400) for words in summary.get("caveats") or []],
    }


def _found(capacity: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a capacity search, and every level it tried, in order of users."""
    answer, _, sure, *_ = ladder(Manifest(capacity=dict(capacity)))
    rungs = sorted(capacity["ladder"], key=itemgetter("users"))
    return {
        "verdict": f"{answer}; {sure.strip()}.",
        "slo": [{"verdict": rung["verdict"], "words": _rung(rung)} for rung in rungs],
    }


def _rung(rung: Mapping[str, Any]) -> str:
    judged = "; ".join(one_line(sentence(one), 200) for one in rung["slo"])
    return f"{plural(rung['users'], 'user')}, {plural(rung['turns'], 'turn')}: {judged}"
