"""Recorded timelines of genuine routers, replayed in virtual time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lab.timelines.__main__ import main
from lab.timelines.event_loop import play_vllm
from lab.timelines.fit import fit
from lab.timelines.recorded import Timeline, read_timelines
from lab.timelines.replay import play

TGI = read_timelines("tgi")
VLLM = read_timelines("vllm")


@pytest.mark.parametrize("timeline", TGI, ids=lambda timeline: timeline.name)
def test_the_first_tokens_fall_within_a_step_of_the_genuine_routers(timeline: Timeline) -> None:
    found = fit(timeline, play(timeline))
    assert found.within >= 0.9
    assert abs(found.ttft_error) <= 0.03
    assert abs(found.end_error) <= 0.01


@pytest.mark.parametrize("timeline", VLLM, ids=lambda timeline: timeline.name)
def test_vllm_0_1_2_fits_in_the_mean_on_kept_and_new_connections(timeline: Timeline) -> None:
    found = fit(timeline, play_vllm(timeline))
    assert abs(found.ttft_error) <= 0.08
    assert abs(found.end_error) <= 0.03
    if "mix-0.05s" not in timeline.name:  # there preemption makes a step's difference one of many
        assert found.within >= 0.45


@pytest.mark.parametrize("name", ["mix-0.25s", "small"])
def test_a_kept_connection_is_no_new_one(name: str) -> None:
    """Taken for kept ones, new connections would be served too early."""
    (timeline,) = read_timelines(f"vllm-0.1.2-{name}-new")
    kept = dataclasses.replace(timeline, facts={**timeline.facts, "connections": "opened before"})
    assert fit(timeline, play_vllm(kept)).ttft_error < -0.1


def test_a_full_cache_shares_single_tokens_and_nothing_is_rounded_to_blocks() -> None:
    """Without the coincidences that were inferred the first 60 requests fit too: memory counted in blocks fits 34."""
    (timeline,) = read_timelines("tgi-3.3.7-mix-0.05s")
    played = play(timeline, alike=False)
    assert fit(timeline, played).within >= 0.75
    near = [abs(one.recorded.ttft_ms - one.ttft_ms) <= timeline.step_ms for one in played]
    assert all(near[:60])


def test_the_documentation_has_the_table_as_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert capsys.readouterr().out.strip() in Path("docs/simulator.md").read_text(encoding="utf-8")


def test_wrong_limits_show() -> None:
    """The fit can fail: half the memory, another ratio."""
    (full,) = read_timelines("tgi-3.3.7-mix-0.05s")
    assert fit(full, play(dataclasses.replace(full, facts={**full.facts, "kv_tokens": 12000}))).within < 0.6
    (plain,) = read_timelines("tgi-3.3.7-small-no-chunking")
    chunked = dataclasses.replace(plain, facts={**plain.facts, "shard": ""})
    assert fit(plain, play(chunked)).within < 0.6
