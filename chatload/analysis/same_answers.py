"""Whether the same prompts have the same answers under load as of an idle server."""

from __future__ import annotations

from collections.abc import Iterator

from chatload.model.summary import SameAnswers, Summary
from chatload.model.words import listed
from chatload.store.journal import Run

BATCHING = (
    "Differences may be no error: in batches of another size sums are made in another order, and a token whose chances "
    "are nearly equal falls the other way. Answers that differ from the first events on, or in most prompts, are "
    "worth reading side by side"
)


def same_answers(run: Run) -> SameAnswers | None:
    """What became of --same-answers; None without it."""
    plan = run.manifest.plan
    if plan is None or not plan.same_answers:
        return None
    compared = [line for line in run.same_answers if line.differs is not None]
    return SameAnswers(
        asked=plan.same_answers,
        compared=len(compared),
        differ=sum(line.differs is True for line in compared),
        idle_differ=sum(line.idle_differs for line in compared),
        failed=sum(line.code is not None for line in run.same_answers),
        first_events=tuple(line.event for line in compared if line.event is not None),
    )


def same_answers_words(found: SameAnswers) -> str:
    """“3 of 8 differ under load, first at event 12, 40 and 7”."""
    if not found.compared:
        return f"none of {found.asked:,} could be asked idle and under load: nothing is known"
    words = f"{found.differ:,} of {found.compared:,} differ under load"
    if found.first_events:
        words += f", first at event {listed([f'{event:,}' for event in found.first_events[:8]])}"
    words += f"; {found.idle_differ:,} differed without load"
    missing = found.asked - found.compared
    return words + (f"; {missing:,} more could not be compared" if missing else "")


def other_answers(run: Run, summary: Summary) -> Iterator[str]:
    """That answers changed under load, or that nobody can tell."""
    found = summary.same_answers
    if found is None or (found.compared and not found.differ):
        return
    if not found.compared:
        yield f"--same-answers: {same_answers_words(found)}. Let the run last longer."
    elif found.idle_differ:
        yield (
            f"--same-answers: {same_answers_words(found)}: the server does not repeat itself at temperature 0 even "
            "without load, so load need not be the cause."
        )
    else:
        yield f"--same-answers: {same_answers_words(found)}. {BATCHING}."
