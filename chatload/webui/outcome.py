"""What became of a finished run, in the words of its report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from chatload.report.text import verdict
from chatload.report.trust import first_words
from chatload.report.untrusted import one_line
from chatload.report.verdict_words import sentence

NOTHING: dict[str, Any] = {"verdict": "", "doubt": "", "slo": [], "caveats": []}


@dataclass(slots=True)
class Outcomes:
    """Reads a run's summary.json once it is there, and again when it was written anew."""

    _read: tuple[Path, int] | None = None
    _words: dict[str, Any] = field(default_factory=lambda: NOTHING)

    def of(self, folder: Path | None) -> dict[str, Any]:
        """{verdict: a sentence, doubt: why not to trust it, slo: [{verdict, words}], caveats: [sentence]}; empty
        while the run goes on."""
        if folder is None:
            return NOTHING
        path = folder / "summary.json"
        try:
            written = path.stat().st_mtime_ns
            if self._read != (path, written):
                self._words = _words(orjson.loads(path.read_bytes()))
                self._read = (path, written)
        except (OSError, orjson.JSONDecodeError):
            return NOTHING
        return self._words


def _words(summary: dict[str, Any]) -> dict[str, Any]:
    return {
        "verdict": one_line(verdict(summary), 400),
        "doubt": one_line(first_words(summary.get("trust")) or "", 400),
        "slo": [
            {"verdict": one["verdict"], "words": one_line(sentence(one), 300)}
            for one in summary.get("slo") or []
        ],
        "caveats": [one_line(words, 400) for words in summary.get("caveats") or []],
    }
