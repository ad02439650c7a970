"""What became of a finished run, in the words of its report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from chatload.analysis.capacity_levels import levels_of
from chatload.model.sanitize import one_line
from chatload.model.summary import Summary, read_summary
from chatload.model.verdict import CapacityResult, LevelResult
from chatload.model.words import plural
from chatload.render.capacity_table import answer_sentence
from chatload.render.run_files import SUMMARY
from chatload.render.run_verdict import not_trustworthy, verdict_of_turns
from chatload.render.slo_words import sentence

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict, why not to trust it, a row an SLO or a level, and warnings; empty while the run goes on."""

    verdict: str = ""
    untrusted: str = ""
    slo: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Outcomes:
    """Reads a run's summary.json once it is there, and again when it was written anew."""

    _read: tuple[Path, int] | None = None
    _outcome: Outcome = field(default_factory=Outcome)

    def of(self, folder: Path | None, capacity: CapacityResult | None = None) -> Outcome:
        """The outcome of a run. `capacity` is what a search found: its SLOs are those of its levels."""
        if folder is None:
            return Outcome()
        path = folder / SUMMARY
        try:
            written = path.stat().st_mtime_ns
            if self._read != (path, written):
                self._outcome = _outcome(read_summary(path.read_bytes()), capacity)
                self._read = (path, written)
        except (OSError, msgspec.DecodeError):
            return Outcome()
        return self._outcome


def _outcome(summary: Summary, capacity: CapacityResult | None) -> Outcome:
    words = verdict_of_turns(summary)
    rows = [_row(one.verdict, one_line(sentence(one), 1000)) for one in summary.slo]
    if capacity is not None and capacity.users is not None:
        words = answer_sentence(capacity)
        rows = [_row(level.verdict, _level_words(level)) for level in levels_of(capacity)]
    return Outcome(
        one_line(words, 400),
        one_line(not_trustworthy(summary.validity), 400),
        rows,
        [one_line(words, 400) for words in summary.warnings],
    )


def _row(verdict: str, words: str) -> Row:
    return {"verdict": verdict, "words": words}


def _level_words(level: LevelResult) -> str:
    told = "; ".join(one_line(sentence(one), 1000) for one in level.slo)
    return f"{plural(level.users, 'user')}, {plural(level.turns, 'turn')}: {told}"
