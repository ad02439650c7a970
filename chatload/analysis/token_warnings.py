"""What makes token counts doubtful, with the bounds that are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from chatload.model.metrics import tpot_ms
from chatload.model.sanitize import one_line
from chatload.model.summary import Summary
from chatload.model.token_sources import DOUBTS, LONGEST_MEAN, SHORTEST_MEAN
from chatload.model.turn import Turn
from chatload.model.words import plural
from chatload.store.journal import Run

ESTIMATED_REASONING = ("one_per_event", "share_of_text")
"""Values of `Turn.reasoning_source` that are no counts."""


def doubted_usage(run: Run, summary: Summary) -> Iterator[str]:
    """That the server's usage cannot be true, and why."""
    doubted = [turn for turn in run.turns if turn.ok and turn.usage_doubt]
    if not doubted:
        return
    why = Counter(turn.usage_doubt for turn in doubted).most_common()
    words = ", ".join(f"{DOUBTS.get(doubt, one_line(doubt, 30))}: {n:,}" for doubt, n in why)
    told = [turn.usage_tokens or 0 for turn in doubted]
    yield (
        f"The server's usage cannot be true in {_turns(len(doubted))} of {summary.succeeded:,} ({words}; tokens told: "
        f"{_range(told)}): it is not used there."
    )


def unseen_tokens(run: Run, summary: Summary) -> Iterator[str]:
    """That the server bills tokens that nobody saw arrive."""
    turns = [turn for turn in run.turns if turn.ok and (turn.billed_tokens or 0) > (turn.tokens or 0)]
    if turns:
        billed, seen = sum(turn.billed_tokens or 0 for turn in turns), sum(turn.tokens or 0 for turn in turns)
        yield (
            f"{billed - seen:,} of {billed:,} billed tokens were never sent ({_turns(len(turns))}: hidden reasoning or "
            "rejected predictions): TPOT, speeds and tokens/s are of those that a reader could see."
        )


def reasoning_tokens(run: Run, summary: Summary) -> Iterator[str]:
    """That tokens of reasoning are estimates, or were counted in several ways."""
    sources = Counter(turn.reasoning_source for turn in run.turns if turn.ok and turn.reasoning_source)
    if guessed := sum(sources[one] for one in ESTIMATED_REASONING):
        yield (
            f"Tokens of reasoning are estimated in {_turns(guessed)} of {sources.total():,} that reason, by the "
            "number of events or the share of the text, because the server counts neither per event nor in "
            "usage (reasoning_tokens): thinking share and the speeds of reasoning and answer may be off."
        )
    elif len(sources) > 1:
        words = ", ".join(f"{one_line(source, 30)} {n:,}" for source, n in sources.most_common())
        yield f"Tokens of reasoning were counted in different ways ({words}): their figures mix them."


def token_sources(run: Run, summary: Summary) -> Iterator[str]:
    """That tokens were counted in several ways, or not at all: then between which bounds they lie."""
    sources = {source: n for source, n in summary.token_sources.items() if source != "none"}
    if len(sources) > 1:
        words = ", ".join(f"{one_line(source, 30)} {n:,}" for source, n in sources.items())
        yield f"Tokens were counted in different ways ({words}): tokens/s and TPOT mix them, TTFT and E2E do not."
    good = [turn for turn in run.turns if turn.ok]
    if guessed := [turn for turn in good if turn.token_source == "estimate"]:
        yield (
            f"Tokens of {_turns(len(guessed))} are estimated as events, because the server did not count them"
            f"{' credibly' if any(turn.usage_doubt for turn in guessed) else ''}: {_bounds(guessed)}, so tokens/s may "
            f"be low. {_usage_remedy(run)}"
        )
    if cut := [turn for turn in good if turn.token_source == "characters"]:
        yield (
            f"Events of {_turns(len(cut))} hold single characters, and the server did not count tokens: 4 characters "
            f"are taken for one, and the truth is {_bounds(cut)}: tokens/s may be low or high. {_usage_remedy(run)}"
        )
    if limit := sources.get("limit", 0):
        yield f"{_turns(limit)} without a token count ended by length, so max_tokens was taken as their count."


def first_reads(run: Run, summary: Summary) -> Iterator[str]:
    """That the tokens that came first are estimated; and how often several came in one read, which TPOT leaves out."""
    good = [turn for turn in run.turns if turn.ok]
    shared = sum(
        turn.first_event_source == "share_of_text" and _first_tokens(turn) > 1 and tpot_ms(turn) is not None
        for turn in good
    )
    if shared:
        yield (
            f"In {_turns(shared)} the first event held several tokens, estimated by its share of the text: "
            "TPOT of those is good to about 8 %."
        )


def without_text(run: Run, summary: Summary) -> Iterator[str]:
    """That good replies had no text."""
    empty = summary.succeeded - summary.of_whole_run("ttft_ms").n
    if empty:
        yield (
            f"{_turns(empty)} succeeded without any text: TTFT and speeds leave them out. Read the "
            "sample reply; a prompt that does not fit may be answered so: --context-limit counts it as such."
        )


def shown_ends(run: Run, summary: Summary) -> Iterator[str]:
    """That the server sends its end token as text (TGI 3's completions)."""
    found = Counter(turn.shown_end for turn in run.turns if turn.ok and turn.shown_end)
    if found:
        ends = ", ".join(f"“{one_line(end, 30)}”" for end in found)
        replies = plural(summary.succeeded, "good reply")
        yield (
            f"{found.total():,} of {replies} end{'s'[: found.total() == 1]} with {ends}: the server sends its end "
            "token as text. It stands in the text as it came, and counts as a token that a reader sees (the first one "
            "of an empty answer)."
        )


def _first_tokens(turn: Turn) -> int:
    return turn.first_read_tokens or turn.first_event_tokens or 0


def _bounds(turns: Sequence[Turn]) -> str:
    """The bounds of their tokens together: an event has one or more, unless it is a single character."""
    low = high = 0.0
    for turn in turns:
        by_text = turn.characters / SHORTEST_MEAN
        low += turn.events if turn.token_source == "estimate" else turn.characters / LONGEST_MEAN
        high += max(turn.events, by_text)
    return f"at least {low:,.0f} and at most {high:,.0f} by the length of their text"


def _usage_remedy(run: Run) -> str:
    """Where the server was asked for its count, asking is no remedy."""
    plan = run.manifest.plan
    if plan is not None and not plan.ask_usage:
        return "It was not asked (--usage off): leave --usage on."
    return "It was asked and does not tell: use a server that reports usage."


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _turns(n: int) -> str:
    return plural(n, "turn")
