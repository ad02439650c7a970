"""Warnings of what a closed loop does to its own figures: it hides standstills, its users may send in step, and its
conversations may go on without answers."""

from __future__ import annotations

from collections.abc import Iterator

from chatload.analysis.send_bunching import moves_ttft
from chatload.analysis.standstill import is_notable
from chatload.loads.chat import ChatLoad
from chatload.loads.think_time import ThinkingLoad
from chatload.loads.tool_options import ToolUse
from chatload.model.endings import TOOL_CALLS
from chatload.model.summary import Summary
from chatload.model.words import plural
from chatload.store.journal import Run

NO_ANSWER_SHARE = 0.01
"""Of the replies that a conversation went on after."""


def stood_still(run: Run, summary: Summary) -> Iterator[str]:
    """That the server stood still, and what an open loop would have seen of it."""
    found = summary.standstill
    if found is None or not is_notable(summary):
        return
    hidden, seen = found.open_loop, ""
    if hidden is not None and hidden.due > hidden.due_here:
        here = summary.of_whole_run("ttft_ms")
        p95_ms, here_ms = hidden.ttft_p95_ms or 0.0, here.p95 or 0.0
        p95 = (
            f"; with them TTFT p95 is at least {p95_ms:,.0f} ms, not {here_ms:,.0f}"
            if p95_ms > here_ms and "p95" not in here.too_small
            else ""
        )
        seen = (
            " A closed loop hides most of it: its users wait instead of sending. At the run's "
            f"{hidden.turns_per_s:.1f} turns/s an open loop would have had {plural(hidden.due, 'turn')} due meanwhile "
            f"(here {hidden.due_here:,}), which wait {hidden.mean_wait_s:.1f} s or more on average{p95}."
        )
    yield (
        f"The server stood still for {found.longest_s:.1f} s, from {found.at_s or 0.0:.1f} s of the run on: "
        f"{plural(found.open_turns, 'turn')} open at its end, and none moved.{seen}"
    )


def in_step(run: Run, summary: Summary) -> Iterator[str]:
    """That users send in step, where TTFT shows it."""
    found, load = summary.bunching, run.manifest.load
    if found is None or not moves_ttft(found) or not isinstance(load, ThinkingLoad):
        return
    others, alone = found.others, found.others_if_independent
    shown = "" if found.slowdown is None else f" (×{found.slowdown:.2f} in the crowded ones, by medians)"
    why = "A constant think time and equal answers do this: draw it, --think-time"
    cure = f"{why} 'exp {load.think_time_s or 1:g}'."
    if load.think_time_drawn != "constant":
        cure = "Think times are drawn: something before the server, or the server, lets them go together."
    yield (
        f"Users send in step: requests per {found.bin_ms:.0f} ms (one TTFT) vary {found.dispersion:.1f} times as much "
        f"as those of independent users, and a turn begins beside {others:.1f} others, not {alone:.1f}. "
        f"TTFT is that of bursts{shown}. {cure}"
    )


def cross_talk(run: Run, summary: Summary) -> Iterator[str]:
    """That replies were made for other users, or that nobody can tell."""
    found = summary.echoes
    told = found.get("own", 0) + found.get("other", 0)
    if others := found.get("other"):
        yield (
            f"CROSS-TALK: {plural(others, 'reply')} of {sum(found.values()):,} "
            "held the reference of another user. Somebody was shown what was made for somebody else: look at the "
            "failed turns before anything else."
        )
    if found and not told:
        yield "--echo-check: no reply held a reference, so nobody can tell whose they are: ask a model that repeats it."


def without_answers(run: Run, summary: Summary) -> Iterator[str]:
    """That conversations went on after replies which held no answer."""
    load = run.manifest.load
    if load is None or not load.grows:
        return
    last = {(turn.group, turn.user): turn.turn for turn in sorted(run.turns, key=lambda one: one.turn)}
    use = _tool_use(run)
    kept = [
        turn
        for turn in run.turns
        if turn.ok
        and turn.turn < last[turn.group, turn.user]
        and (use is None or turn.tool_rounds is not None)  # rounds of calls are answered by results
    ]
    bare = [turn for turn in kept if turn.first_answer_ns is None or turn.finish in TOOL_CALLS]
    if len(bare) <= NO_ANSWER_SHARE * len(kept):
        return
    called = sum(turn.finish in TOOL_CALLS for turn in bare)
    cut = sum(turn.finish == "length" for turn in bare)
    why = f" ({cut:,} were cut by the length limit within their reasoning)" if cut else ""
    why = why or (f" ({called:,} called tools, which nobody answers here)" if called else "")
    cure = "Raise --max-tokens, or switch reasoning off." if cut else "Read a reply (--keep-text)."
    yield (
        f"{len(bare):,} of {len(kept):,} good replies that a conversation went on after held no answer{why}: nothing "
        f"of them is in the prompts that followed, which are shorter than those of real users. {cure}"
    )


def fewer_rounds(run: Run, summary: Summary) -> Iterator[str]:
    """That the model did not call tools though each request of a round asked for a call."""
    use = _tool_use(run)
    if use is None or not use.required:
        return
    answers = [turn for turn in run.turns if turn.ok and turn.tool_rounds is not None]
    fewer = sum((turn.tool_rounds or 0) < use.rounds for turn in answers)
    if fewer:
        yield (
            f"{fewer:,} of {len(answers):,} answers came after fewer than {plural(use.rounds, 'tool round')}: the "
            "model called no tool though tool_choice was “required”: the load is lighter than planned. Start the "
            "server with its parser of tool calls, or plan with --tool-choice auto."
        )


def _tool_use(run: Run) -> ToolUse | None:
    load = run.manifest.load
    return load.tool_use if isinstance(load, ChatLoad) else None
