"""What the server's own numbers make doubtful. Each check has its condition beside its sentence."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from chatload.analysis.expected_hits import expected_cached_share
from chatload.analysis.held_streams import is_held
from chatload.analysis.slot_release import HUNG_UP, held_beyond_ours
from chatload.model.journal_lines import NO_ANSWER, NO_NUMBERS, NO_PAGE
from chatload.model.server_view import ServerView
from chatload.model.summary import Summary
from chatload.model.token_sources import COUNTED
from chatload.model.words import percent, plural
from chatload.store.journal import Run

FRONT_END_MS, FRONT_END_SHARE = 50.0, 0.2
"""Real vLLM servers took 4 to 20 ms outside of their own TTFT (docs/metrics.md)."""
SAME_TURNS = 0.1
"""The server's histogram and ours must hold equally many first tokens, up to this share, to be of the same turns."""
SAME_TURNS_OF_OLD_PAGES = 0.5
OTHERS_SHARE = 0.02
OTHERS_TOKENS, OTHERS_REQUESTS = 16.0, 1.0
"""So much more than ours may be a rounding of its counters."""
HOLE_S = 10.0
WHOLE_SHARE, LEAST_TOKENS = 0.01, 8
SEVERAL_TOKENS = 1.5
HITS_SHARE, TEMPLATE_TOKENS = 0.05, 48
"""Beyond what the scenario repeats: this share, and what a chat template puts before each prompt."""
MISSED_SHARE = 0.2
"""So much less than the scenario repeats may be whole blocks only, and users of a group who began together."""
LAG_MS = 10.0
MISSING_WORDS = {
    NO_ANSWER: "its page did not answer",
    NO_PAGE: "it had no such page",
    NO_NUMBERS: "its page had no names that are known",
}


def front_end(run: Run, summary: Summary) -> Iterator[str]:
    """Time that first tokens spend outside what the server measures."""
    view = summary.server
    spent = None if view is None else view.front_end_ms
    if view is None or spent is None or view.client_ttft_ms is None or not _same_turns(view):
        return
    connects = [turn.connect_ms for turn in run.turns if turn.connect_ms is not None]
    trip_ms = median(connects) if connects else 0.0
    if spent - trip_ms <= FRONT_END_MS or spent <= FRONT_END_SHARE * view.client_ttft_ms:
        return
    told = f"TTFT is {view.client_ttft_ms:,.0f} ms here and {view.ttft_ms:,.0f} ms by the server's own clock (means)"
    if view.waiting_unseen is not None:
        yield (
            f"{told}: the server's begins when a request has a seat, so {spent:,.0f} ms are the wait for one (at most "
            f"{view.waiting_unseen:,.0f} requests were seen waiting there), or its front end's."
        )
        return
    if _own_lag_is_inside(run, summary):
        yield (
            f"{told}: {spent:,.0f} ms are spent in the server's front end, in a proxy before it, or in this load "
            f"generator, whose own lag is inside user-space stamps: run it on a machine of its own to tell."
        )
        return
    if not summary.validity.trustworthy:
        yield (
            f"{told}: {spent:,.0f} ms are spent in the server's front end, in a proxy before it, or lie in the load "
            f"generator's own delays: a run that is trustworthy tells."
        )
        return
    signs = []
    if view.ttft_apart_ms is not None and view.ttft_apart_ms[1] > 2 * max(view.ttft_apart_ms[0], 1.0):
        signs.append(f"it grew from {view.ttft_apart_ms[0]:,.0f} to {view.ttft_apart_ms[1]:,.0f} ms")
    if whole := _whole_replies(run):
        signs.append(f"{whole:,} replies came whole in one event")
    if view.front_end_cpu is not None and view.front_end_cpu > 0.9:
        signs.append(f"its process used {percent(view.front_end_cpu)} of a core")
    more = f" ({', '.join(signs)})" if signs else ""
    yield (
        f"{told}: {spent:,.0f} ms are spent in the server's front end (HTTP, tokenizer) or in a proxy before it, "
        f"not in its engine{more}. Start more API processes of the server; the engine is not what limits it."
    )


def whole_replies(run: Run, summary: Summary) -> Iterator[str]:
    """Replies of many tokens in one event."""
    whole = _whole_replies(run)
    if whole > 1 and whole > WHOLE_SHARE * summary.succeeded and not is_held(summary):  # else said already
        yield (
            f"{whole:,} of {summary.succeeded:,} good replies came whole, in one event of {LEAST_TOKENS} or more "
            "tokens: the server or a proxy held them back. Their TTFT is their E2E, and they have no TPOT."
        )


def several_tokens(run: Run, summary: Summary) -> Iterator[str]:
    """Events that hold more than one token on average, where most turns tell; whole replies are said apart."""
    turns = [turn for turn in run.turns if turn.ok and turn.token_source == "usage" and turn.events > 1]
    events = sum(turn.events for turn in turns)
    tokens = sum(turn.tokens or 0 for turn in turns)
    if len(turns) > summary.succeeded / 2 and tokens / events > SEVERAL_TOKENS and not is_held(summary):
        most = max((turn.tokens or 0) / turn.events for turn in turns)
        yield (
            f"The server sent {tokens / events:.1f} tokens an event on average (up to {most:.1f} in a reply): gaps are "
            "between events, and text moves in jumps; TPOT is taken over all of a reply."
        )


def holes(run: Run, summary: Summary) -> Iterator[str]:
    """A time in which the page did not answer or was not renewed."""
    view = summary.server
    if view is None:
        return
    since_s = view.since_s if view.since_s is not None else 0.0
    if since_s >= HOLE_S:
        why = f" ({MISSING_WORDS[view.missing]})" if view.missing in MISSING_WORDS else ""
        yield (
            f"The server's /metrics told nothing in the first {since_s:,.0f} s of the run{why}: its figures are of the "
            "time from then on."
        )
    if view.longest_hole_s is None or view.longest_hole_s < max(HOLE_S, since_s + 1.0):
        return
    if view.unanswered:
        why = f"{plural(view.unanswered, 'time')} {MISSING_WORDS.get(view.missing, view.missing)}"
    elif view.stale:
        why = f"{view.stale:,} readings repeat an old page"
    else:
        why = "no reading is in the journal"
    yield (
        f"For {view.longest_hole_s:,.0f} s the server's /metrics told nothing of the run ({why}): its highest figures "
        "are of the other times only."
    )


def restarted(run: Run, summary: Summary) -> Iterator[str]:
    """Counters of the server's page that fell."""
    view = summary.server
    if view is None or view.restarted_s is None:
        return
    if view.counters_fell > 1:
        yield (
            f"The server's counters fell {view.counters_fell:,} times, first {view.restarted_s:,.0f} s into the run: "
            "several servers answer at its address by turns (a load balancer), or it is started anew each time. What "
            "they counted over the run is not told, and requests, queue and cache are those of one server at a time."
        )
        return
    yield (
        f"The server's counters had fallen {view.restarted_s:,.0f} s into the run: it was started anew, or another "
        "server answers at its address since. What they counted over the run is not told, and turns of before and "
        "after are in the same figures."
    )


def other_clients(run: Run, summary: Summary) -> Iterator[str]:
    """More tokens, requests or requests held than ours can account for."""
    view = summary.server
    # A page that is old counts what was before the run; of missing workers the turns are not known.
    if view is None or view.stale or run.missing:
        return
    signs = []
    most = _most_tokens(run)
    if view.tokens is not None and most is not None and _beyond(view.tokens, most, OTHERS_TOKENS):
        signs.append(f"it generated {view.tokens:,.0f} tokens, ours {view.client_tokens:,}")
    asked = sum(turn.sent_ns is not None for turn in run.every_turn)
    asked += len(run.same_answers)
    asked += sum(turn.retried + turn.refusals for turn in run.every_turn)
    if view.finished is not None and _beyond(view.finished, asked, OTHERS_REQUESTS):
        signs.append(f"it finished {view.finished:,.0f} requests, ours {asked:,}")
    if not any(turn.code in HUNG_UP for turn in run.every_turn) and (more := held_beyond_ours(run)):
        signs.append(f"it held up to {more:,} requests more than ours at a time")
    if signs:
        yield (
            f"Somebody else used the server during the run: {'; '.join(signs)}. All its figures are of both loads: "
            "run it alone."
        )


def cache_hits(run: Run, summary: Summary) -> Iterator[str]:
    """More of the prompts found in the server's prefix cache than the scenario repeats."""
    view = summary.server
    expected = expected_cached_share(run)
    share, prompt_tokens = cached_share(run, view)
    turns = sum(turn.counts for turn in run.every_turn)
    if share is None or expected is None or not prompt_tokens:
        return
    if view is not None and (view.preemptions or view.since_s is not None):
        return  # a preempted request finds its own prompt in the cache; later turns repeat more than all
    facts = run.manifest.prompts
    known = facts is not None and facts.knows_template  # then it is in `expected`
    template = 0.0 if known else TEMPLATE_TOKENS * turns / prompt_tokens
    if share > expected + HITS_SHARE + template:
        load = run.manifest.load
        file = load.same_in_each_run if load is not None else ""
        seen = (
            f"{file} are the same in each run: the server had seen them"
            if file
            else "the server had seen these prompts"
        )
        cure = "draw others with another --load-seed" if file else "leave out --seed"
        yield (
            f"{percent(share)} of the prompt tokens came from the server's prefix cache; this scenario repeats "
            f"{percent(expected)}: {seen} before, so TTFT is too low. Restart it, or {cure}."
        )


def cache_misses(run: Run, summary: Summary) -> Iterator[str]:
    """Far less of the prompts found in the prefix cache than a scenario repeats that asks for shared beginnings."""
    load, found = run.manifest.load, summary.lengths
    if load is None or found is None or not (load.shared_prefix_tokens or load.cache == "warm"):
        return
    expected, share = found.repeated_share, found.cached_share
    if expected is not None and share is not None and share < expected - MISSED_SHARE:
        yield (
            f"This scenario repeats {percent(expected)} of its prompt tokens, and {percent(share)} came from the "
            "server's prefix cache: it is switched off or too small for the shared beginnings, or several servers "
            "share the load. TTFT is that of prompts computed anew."
        )


def cached_share(run: Run, view: ServerView | None) -> tuple[float | None, float]:
    """(share of prompt tokens from a prefix cache, prompt tokens): by the server's page, else by the replies' usage."""
    if view is not None and view.cached_share is not None and view.prompt_tokens:
        return view.cached_share, view.prompt_tokens
    told = [turn for turn in run.every_turn if turn.cached_tokens is not None and turn.prompt_tokens]
    asked = sum(turn.prompt_tokens or 0 for turn in told)
    return (sum(turn.cached_tokens or 0 for turn in told) / asked, float(asked)) if asked else (None, 0.0)


def _same_turns(view: ServerView) -> bool:
    """Whether the server's mean is of our turns: nobody else's are in it, and few of ours are not."""
    most = SAME_TURNS_OF_OLD_PAGES if view.stale else SAME_TURNS
    return abs((view.first_tokens or 0.0) - view.client_first_tokens) <= most * view.client_first_tokens


def _beyond(theirs: float, ours: float, rounding: float) -> bool:
    return theirs > (1 + OTHERS_SHARE) * ours and theirs - ours > rounding


def _most_tokens(run: Run) -> float | None:
    """The most tokens that our turns can have been answered with; None where it cannot be bounded.

    A turn that did not end well may have been answered in full, unseen.
    """
    limit = run.manifest.plan.max_tokens if run.manifest.plan is not None else None
    most = float(sum(line.tokens for line in run.same_answers))
    for turn in run.every_turn:
        if turn.ok and turn.token_source in COUNTED:
            most += turn.billed_tokens or 0
        elif turn.sent_ns is not None:
            if limit is None:
                return None
            most += limit
    return most


def _whole_replies(run: Run) -> int:
    return sum(turn.ok and turn.events == 1 and (turn.tokens or 0) >= LEAST_TOKENS for turn in run.turns)


def _own_lag_is_inside(run: Run, summary: Summary) -> bool:
    lag = max((line.hub_lag_p99_ms or 0.0 for line in run.health), default=0.0)
    return lag > LAG_MS and any(source != "kernel" for source in summary.stamp_sources)
