"""A run in a sentence, and whether its measurement can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

from chatload.analysis.comparable import HasManifest
from chatload.analysis.held_streams import is_held
from chatload.analysis.standstill import is_notable
from chatload.model.sanitize import one_line
from chatload.model.summary import ALL_USERS_IN, WHILE_ARRIVING, Queueing, Standstill, Summary, Validity
from chatload.model.words import percent, plural
from chatload.render.capacity_table import answer_sentence
from chatload.render.text_table import number, seconds
from chatload.store.journal import Run
from chatload.store.manifest import Manifest, WorkerFacts


def headline(run: Run, summary: Summary) -> str:
    """What is said first and last of a run: the answer of a capacity search, else the run in a sentence."""
    return " ".join(filter(None, (not_trustworthy(summary.validity), answer(run, summary))))


def answer(run: Run, summary: Summary) -> str:
    """The same without a word on whether the measurement can be trusted."""
    found = run.manifest.capacity
    if found is None:
        words = verdict_of_turns(summary)
    else:
        words = " ".join(filter(None, (answer_sentence(found), queueing_words(summary))))
    stopped = "Interrupted." if run.manifest.ended == "interrupted" and summary.incomplete else ""
    return " ".join(
        filter(
            None,
            (
                simulated([run]),
                stopped,
                words,
                hang_up_words(summary),
                waiting_words(summary),
                context_words(summary),
            ),
        )
    )


def simulated(runs: Sequence[HasManifest]) -> str:
    """That servers are simulated, and by which profiles; nothing where none is."""
    found = dict.fromkeys(one.simulation for run in runs for one in run.manifest.servers)
    told = "; ".join(one_line(one.words, 120) for one in found if one is not None)
    return f"Simulated ({told})." if told else ""


def verdict_of_turns(summary: Summary) -> str:
    """What became of the turns, in a sentence."""
    held, planned = summary.turns, summary.planned_turns or 0
    planned -= summary.context.not_held if summary.context is not None and held else 0
    planned -= summary.abandoned
    good = f"{summary.succeeded:,} of {plural(held or planned, 'turn')} good"
    if 0 < held < planned:
        good = f"{summary.succeeded:,} of {plural(held, 'turn')} held good ({planned:,} were planned)"
    if not summary.succeeded:
        return f"{good}: nothing to measure."
    felt, slowest = summary.metric("felt_tokens_per_s").p50, summary.of_whole_run("felt_tokens_per_s").min
    where = {ALL_USERS_IN: " with all users in", WHILE_ARRIVING: f" {WHILE_ARRIVING}"}.get(
        summary.window.name, ""
    )
    if felt is None and is_held(summary):
        return f"{good}; {_tail(summary)}{where}; a proxy in between holds the stream: speeds are not measurable here."
    few = "p50" in summary.metric("felt_tokens_per_s").too_small
    reads = "" if few else f" and each user reads {number(felt)} tokens/s (p50)"
    measured = f"{_tail(summary)}{reads}{where}"
    longest = seconds(summary.of_whole_run("max_gap_ms").max)
    words = f"{good}; {measured}; slowest reply {number(slowest)} tokens/s; longest silence {longest}."
    words = " ".join(filter(None, (words, queueing_words(summary))))
    return (
        f"The server stood still for {standstill_words(summary)}. {words}" if is_notable(summary) else words
    )


def hang_up_words(summary: Summary) -> str:
    """How many replies users hung up on (--abandon), which the turns before leave out; else nothing."""
    return f"Hung up on as planned: {plural(summary.abandoned, 'reply')}." if summary.abandoned else ""


def context_words(summary: Summary) -> str:
    """Which turns were not held, or asked without their oldest exchanges, as the context was full; else nothing."""
    found = summary.context
    if found is None:
        return ""
    limit = f" of {found.limit:,} tokens" if found.limit is not None else ""
    words = []
    if found.not_held:
        ended = f"{plural(found.ended, 'conversation')} ended at the edge of the context{limit}"
        words.append(
            f"Not held: context full: {plural(found.not_held, 'turn')}, as {ended}; they count nowhere."
        )
    if found.trimmed:
        share = found.trimmed / max(1, summary.turns)
        words.append(
            f"{found.trimmed:,} of {plural(summary.turns, 'turn')} ({percent(share, 1)}) were asked without the oldest "
            "exchanges: context full."
        )
    return " ".join(words)


def waiting_words(summary: Summary) -> str:
    """How many turns were turned away and asked again, and how long they waited; else nothing."""
    found = summary.connections
    if not found.turns_that_waited:
        return ""
    each = seconds(1000 * found.waited_s / found.turns_that_waited)
    turns = plural(found.turns_that_waited, "turn")
    return (
        f"Turned away and asked again: {turns}, {each} of waiting each on average, which TTFT from due has in it, and "
        "TTFT has not."
    )


def queueing_words(summary: Summary) -> str:
    """That a queue makes the TTFT, what it is for, and what to change; empty where it does not."""
    return " ".join(map(_queueing, summary.queueing))


def _queueing(found: Queueing) -> str:
    by = (
        "are the wait in the server's queue"
        if found.by == "server"
        else "are the wait for room in the server's batch"
    )
    of_all = f"{seconds(found.wait_ms)} of {seconds(found.ttft_ms)} (means)"
    words = f"{_place(found)} makes the TTFT, not the model: {of_all} {by}."
    if found.room is not None and found.room.reserved:
        lower = "" if found.room.is_by_number else ", or lower --max-tokens"
        return f"{words} It runs at most {found.room.words}: raise its {found.room.limiting_option}{lower}."
    if found.kv_use is not None:
        option = (
            f": raise its {found.room.option}, or ask for shorter answers" if found.room is not None else ""
        )
        return f"{words} Its KV cache was full ({percent(found.kv_use)}){option}."
    if found.batch is not None:
        option = f": raise its {found.batch_option}" if found.batch_option else ""
        return f"{words} Its batch held {found.batch:,.0f} requests at most{option}."
    return words


def _place(found: Queueing) -> str:
    """“Queueing”, “At http://b queueing”, “At 48 users, the fewest that missed the SLOs, queueing”."""
    if not found.of:
        return "Queueing"
    at = one_line(found.at, 100)
    if found.of == "level":
        return f"At {at}, the fewest that missed the SLOs, queueing"
    if found.of == "part":
        others = f" (and in {plural(found.others, 'other part')} of the run)" if found.others else ""
        return f"In “{at}”{others} queueing"
    return f"At {at} queueing"


def standstill_words(summary: Summary) -> str:
    """How long the server stood still, and before how many users."""
    found = summary.standstill or Standstill()
    return f"{seconds(1000 * found.longest_s)} ({plural(found.open_turns, 'turn')} open)"


def _tail(summary: Summary) -> str:
    """TTFT at the highest of p95 and p50 that n supports, else the worst one seen."""
    found = summary.metric("ttft_ms")
    for name in ("p95", "p50"):
        if name not in found.too_small:
            return f"TTFT {name} {seconds(found.statistic(name))}"
    return f"TTFT at most {seconds(found.max)}"


def not_trustworthy(validity: Validity) -> str:
    """What every report of an untrustworthy run says first; nothing of any other."""
    if validity.trustworthy:
        return ""
    reasons = "; ".join(validity.reasons)
    return f"NOT TRUSTWORTHY: {reasons}. {validity.remedy}".rstrip()


def certificate_words(manifest: Manifest) -> str:
    """What is known of the client's own error where it ran (`chatload certify`): of the worst worker."""
    workers = [each for each in manifest.workers.values() if each.machine is not None]
    places: list[Manifest | WorkerFacts] = [*workers] or [manifest]
    certified = [(each, each.certificate) for each in places if each.certificate]
    if not certified:
        return "no certificate: the client's accuracy was not measured on this machine (chatload certify)"
    p99_ms = max((made.ttft_error_ms.p99 or 0.0) for _, made in certified)
    users = min(made.load.users for _, made in certified)
    words = f"client error ≤ {p99_ms:.2g} ms at p99 of TTFT, certified at {users} users"
    if workers:
        words += f" a worker, {len(certified)} of {len(workers)} workers"
    strange = []
    if any(made.machine != each.machine for each, made in certified):
        strange.append("machine")
    if any(made.versions != each.versions for each, made in certified):
        strange.append("versions")
    if manifest.load is not None and manifest.load.users > users * len(places):
        strange.append("fewer users")
    return f"{words} (but with another: {', '.join(strange)})" if strange else words
