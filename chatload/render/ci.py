"""What GitHub is told besides the exit code: annotations, and the job's summary page."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TextIO

from chatload.analysis.exit_code import failed_words
from chatload.analysis.gate import Gate
from chatload.model import output
from chatload.model.sanitize import one_line
from chatload.model.verdict import MET, WORSE
from chatload.render.comparison_words import effect_words, forced, unusable_words
from chatload.render.slo_words import sentence


def annotate(lines: Iterable[tuple[str, str, str]], stream: TextIO) -> None:
    """GitHub's annotations, (level, title, words) each, where GITHUB_ACTIONS says we run there."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    for level, title, words in lines:
        output.write(stream, f"::{level} title={_escaped(title, ':,')}::{_escaped(one_line(words, 1000))}\n")


def notices(found: Gate) -> list[tuple[str, str, str]]:
    """What went wrong, as annotations: errors for what fails, warnings for what is not sure or was forced."""
    compared = found.comparison
    told = [("warning", "compared by force", words) for words in (forced(compared) if compared else ())]
    told += [("error", "not to be trusted", unusable_words(run, why)) for run, why in found.unusable]
    told += [
        ("warning" if found.passes(one) else "error", f"SLO {one.verdict}", sentence(one))
        for one in found.slo
        if one.verdict != MET or one.sure is False
    ]
    if found.too_many_failed:
        told.append(("error", "failed turns", failed_words(found.summary)))
    worse = [one for one in found.effects if one.verdict == WORSE]
    return told + [("error", "worse than the baseline", effect_words(one)) for one in worse]


def add_to_job_summary(markdown: str) -> None:
    """Append to the job's summary page, where GitHub names its file."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(markdown)
    except OSError as error:
        output.write(sys.stderr, f"{path}: not written: {error.strerror}\n")


def _escaped(words: str, more: str = "") -> str:
    """Percent-encoded as GitHub's workflow commands want it."""
    words = words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    for character in more:
        words = words.replace(character, f"%{ord(character):02X}")
    return words
