"""Lengths asked and counted, and what a scenario repeats: of turns whose numbers are made up, by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pytest

from chatload.analysis.expected_hits import expected_cached_share
from chatload.analysis.lengths_achieved import achieved_lengths
from chatload.analysis.server_warnings import cache_misses
from chatload.loads.plan import make_plan
from chatload.loads.registry import SHAPES
from chatload.model.achieved_lengths import AchievedLengths
from chatload.model.prompt_facts import PromptFacts
from chatload.model.summary import Stalls, Summary
from chatload.model.turn import Turn
from chatload.store.journal import Run
from chatload.store.manifest import Manifest

VALUES = {"host": "http://127.0.0.1:1", "slo": "p95 ttft_ms <= 500"}


@dataclass
class OfTurns:
    """What the analysis reads of a run."""

    manifest: Manifest
    turns: list[Turn] = field(default_factory=list)
    server: list[Any] = field(default_factory=list)

    @property
    def every_turn(self) -> list[Turn]:
        """Those of a warm-up too: there is none."""
        return self.turns


def run_of(kind: str, turns: list[Turn], **values: object) -> Run:
    values = {**VALUES, **({"slo": ""} if kind == "sweep" else {}), **values}
    return cast(Run, OfTurns(Manifest(plan=make_plan(SHAPES[kind], values).plan), turns))


def turn(user: int, number: int, prompt: int | None, asked: int | None = None, **fields: Any) -> Turn:
    """A good turn of 10 tokens, sent at second user + number."""
    at_ns = (user + number) * 10**9
    made = Turn(
        turn_id=f"{user}-{number}",
        request_id="r",
        user=user,
        turn=number,
        due_ns=at_ns,
        sent_ns=at_ns,
        end_ns=at_ns + 10,
        tokens=10,
        prompt_tokens=prompt,
        asked_prompt_tokens=asked,
        asked_tokens=10,
        ok=True,
        prompt_characters=1000,
    )
    return msgspec.structs.replace(made, **fields)


def test_asked_lengths_stand_beside_those_that_the_server_counted() -> None:
    turns = [turn(0, 1, 100, 100), turn(1, 1, 102, 100), turn(2, 1, 101, 100), turn(3, 1, None, 100)]
    found = achieved_lengths(run_of("chat", turns, prompt_tokens="100", answer_tokens="10"), None)
    assert found is not None
    assert found.prompts is not None
    assert found.answers is not None
    prompts, answers = found.prompts, found.answers
    assert (prompts.n, prompts.asked_mean, prompts.counted_mean) == (3, 100, 101)
    assert prompts.within_1_percent == pytest.approx(2 / 3)
    assert (answers.n, answers.within_1_percent, found.added) == (4, 1.0, None)
    assert achieved_lengths(run_of("chat", turns), None) is None


def test_later_turns_are_held_against_what_they_add() -> None:
    """User 0: 100, then 50 more after 10 of the answer; its third turn failed, so the fourth adds to the second."""
    failed = turn(0, 3, None, 50, ok=False, code="http_5xx")
    turns = [turn(0, 1, 100, 100), turn(0, 2, 160, 50), failed, turn(0, 4, 219, 50), turn(1, 2, 300, 50)]
    found = achieved_lengths(run_of("chat", turns, prompt_tokens="100", history="on"), None)
    assert found is not None
    assert found.prompts is not None
    assert found.added is not None
    assert (found.prompts.n, found.added.n) == (1, 2), "user 1 began in the middle"
    assert (found.added.counted_mean, found.added.within_1_percent) == (49.5, 0.5)


def test_a_first_turn_that_failed_leaves_the_next_one_the_first() -> None:
    turns = [turn(0, 1, None, 100, ok=False, code="http_5xx"), turn(0, 2, 100, 100)]
    found = achieved_lengths(run_of("chat", turns, prompt_tokens="100", history="on"), None)
    assert found is not None
    assert found.prompts is not None
    assert (found.prompts.n, found.added) == (1, None)


@pytest.mark.parametrize(
    ("kind", "cache", "share"),
    [("chat", "as-is", 0.3), ("chat", "warm", 0.6), ("open_loop", "as-is", 0.3), ("sweep", "cold", 0.3)],
)
def test_prefixes_are_repeated_by_all_but_the_first_of_a_group(kind: str, cache: str, share: float) -> None:
    """Four prompts, two of each group, of which 60 % are the prefix."""
    turns = [turn(user, 1, 1000, 1000, system_characters=600) for user in range(4)]
    run = run_of(
        kind,
        turns,
        prompt_tokens="1000",
        shared_prefix_tokens=600,
        prefix_groups=2,
        cache=cache,
        **({"rounds": 1} if kind == "sweep" else {}),
    )
    assert expected_cached_share(run) == pytest.approx(share)


def test_generated_prompts_without_a_prefix_repeat_nothing_and_histories_all_of_it() -> None:
    alone = [turn(user, number, 1000) for user in range(2) for number in (1, 2)]
    assert expected_cached_share(run_of("chat", alone, prompt_tokens="1000")) == 0
    assert expected_cached_share(run_of("open_loop", alone)) == 0
    assert expected_cached_share(run_of("chat", alone)) is None, "one message for all turns"
    assert expected_cached_share(run_of("capacity", alone, prompt_tokens="1000", history="on")) is None
    grown = [turn(0, 1, 1000), turn(0, 2, 1510)]
    assert expected_cached_share(run_of("chat", grown, prompt_tokens="1000", history="on")) == pytest.approx(
        1010 / 2510
    )


def test_the_template_that_every_prompt_begins_with_is_repeated() -> None:
    """45 tokens, 39 of them around the words; with a prefix of 60 % of the words, that too from the second on."""
    alone = [turn(user, 1, 45) for user in range(2)]
    run = run_of("sweep", alone, prompt_tokens="45")
    run.manifest.prompts = PromptFacts(counted_by="tokenizer", template_tokens=39.0)
    assert expected_cached_share(run) == pytest.approx(39 / 45)
    shared = [turn(user, 1, 139, system_characters=600) for user in range(2)]
    run = run_of("sweep", shared, prompt_tokens="139", shared_prefix_tokens=60)
    run.manifest.prompts = PromptFacts(counted_by="tokenizer", template_tokens=39.0)
    assert expected_cached_share(run) == pytest.approx((39 + 99) / 278)


@pytest.mark.parametrize(("cached", "said"), [(0.05, True), (0.45, False), (None, False)])
def test_far_fewer_hits_than_the_scenario_repeats_are_a_warning(cached: float | None, said: bool) -> None:
    run = run_of("chat", [], prompt_tokens="1000", shared_prefix_tokens=600)
    lengths = AchievedLengths(repeated_share=0.6, cached_share=cached)
    stalls = Stalls(count=0, replies=0, share=None, longest_ms=None, reading_underrun_ms=None)  # type: ignore[arg-type]
    summary = Summary(
        turns=0, succeeded=0, failed={}, interrupted=0, users=0, tokens=0, stalls=stalls, lengths=lengths
    )
    assert bool(list(cache_misses(run, summary))) == said
    assert not list(cache_misses(run_of("chat", []), summary)), "nothing was asked"
