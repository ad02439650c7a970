"""Our own prompts: as long as ShareGPT's in every quantile that was measured there."""

from __future__ import annotations

import statistics
from functools import cache

import pytest

from chatload.analysis.quantiles import percentile
from chatload.prompts import lengths
from chatload.prompts.lengths import (
    OUTPUT_TOKENS,
    PROMPT_TOKENS,
    SHARES,
    composed_prompt,
    quantile,
    sharegpt_lengths,
)
from chatload.prompts.sampled_prompt import SampledPrompt
from chatload.prompts.tokens import estimate_tokens


@cache
def own_prompts(n: int, seed: int) -> list[SampledPrompt]:
    """n generated prompts, as an open loop makes them."""
    return [
        composed_prompt(prompt_tokens, output_tokens, f"{seed} {place}")
        for place, (prompt_tokens, output_tokens) in enumerate(sharegpt_lengths(n, seed))
    ]


@pytest.mark.parametrize(("n", "seed"), [(100, 0), (100, 1), (100, 42), (1000, 3)])
def test_lengths_keep_the_measured_quantiles_within_ten_percent(n, seed):
    """reference figures: prompt mean 236, p50 108, p95 808; output mean 217, p50 140, p95 710."""
    prompts = own_prompts(n, seed)
    prompt = sorted(estimate_tokens(one.text) for one in prompts)
    output = sorted(one.output_tokens for one in prompts)
    for measured, (mean, p50, p95) in ((prompt, (236, 108, 808)), (output, (217, 140, 710))):
        assert statistics.fmean(measured) == pytest.approx(mean, rel=0.1)
        assert percentile(measured, 0.5) == pytest.approx(p50, rel=0.1)
        assert percentile(measured, 0.95) == pytest.approx(p95, rel=0.1)


def test_lengths_pass_vllm_s_filters():
    for prompt in own_prompts(1000, 3):
        assert 4 <= prompt.prompt_tokens_estimate <= 1024
        assert prompt.output_tokens >= 4


def test_the_shortest_prompts_keep_four_tokens(monkeypatch):
    monkeypatch.setattr(lengths, "PROMPT_TOKENS", (4,) * len(SHARES))
    assert all(4 <= prompt.prompt_tokens_estimate <= 6 for prompt in own_prompts.__wrapped__(100, 5))


def test_prompt_and_answer_fit_2048_tokens_together(monkeypatch):
    """± 1: the text is cut where it comes closest to its length."""
    monkeypatch.setattr(lengths, "PROMPT_TOKENS", (900,) * len(SHARES))
    monkeypatch.setattr(lengths, "OUTPUT_TOKENS", (1500,) * len(SHARES))
    for prompt in own_prompts.__wrapped__(20, 5):
        assert prompt.prompt_tokens_estimate + prompt.output_tokens == pytest.approx(2048, abs=1)


def test_long_prompts_have_short_answers_as_measured():
    """Spearman −0.42 in the sampled file; ± 0.12 is four standard errors of 1,000."""
    prompts = own_prompts(1000, 3)
    ranks = []
    for values in ([p.prompt_tokens_estimate for p in prompts], [p.output_tokens for p in prompts]):
        order = sorted(range(len(values)), key=values.__getitem__)
        ranks.append([order_place for _, order_place in sorted(zip(order, range(len(order)), strict=True))])
    assert statistics.correlation(*ranks) == pytest.approx(-0.42, abs=0.12)


def test_same_seed_same_prompts():
    assert own_prompts(30, 4) == own_prompts.__wrapped__(30, 4)
    assert own_prompts(30, 4) != own_prompts(30, 5)


def test_the_estimate_that_is_told_is_that_of_the_text():
    assert all(p.prompt_tokens_estimate == estimate_tokens(p.text) for p in own_prompts(1000, 3)[:60])


def test_long_prompts_part_within_the_first_words():
    """Invariant: no prefix cache (blocks of 16 tokens) can serve one of these prompts from another."""
    starts = [p.text[:12] for p in own_prompts(1000, 3) if p.prompt_tokens_estimate >= 40]
    assert len(starts) > 200
    assert len(set(starts)) == len(starts)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_prompts(n):
    assert len(own_prompts(n, 1)) == n


def test_quantile_meets_the_table_and_rises_between():
    for tokens in (PROMPT_TOKENS, OUTPUT_TOKENS):
        assert tuple(quantile(tokens, share) for share in SHARES) == tokens
        curve = [quantile(tokens, step / 500) for step in range(501)]
        assert curve == sorted(curve)
