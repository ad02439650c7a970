"""The options of lengths and shared beginnings: which of them fit together, in every load shape."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, stdev

import pytest

from chatload.loads.plan import Planned, make_plan
from chatload.loads.registry import SHAPES
from chatload.loads.turn_lengths import turn_lengths
from chatload.model.errors import UsageError

VALUES = {"host": "http://127.0.0.1:1", "slo": "p95 ttft_ms <= 500"}
ALL = sorted(SHAPES)


def planned(kind: str, **values: object) -> Planned:
    slo = {"slo": ""} if kind == "sweep" else {}
    return make_plan(SHAPES[kind], {**VALUES, **slo, **values})


def refused(kind: str, **values: object) -> str:
    with pytest.raises(UsageError) as mistake:
        planned(kind, **values)
    return "\n".join(mistake.value.lines)


@pytest.mark.parametrize("kind", ALL)
def test_every_load_takes_lengths_and_says_them(kind: str) -> None:
    found = planned(
        kind,
        prompt_tokens="512±64",
        answer_tokens="1..9",
        shared_prefix_tokens=100,
        prefix_groups=3,
        cache="cold",
    )
    load = found.plan.load
    assert (load.generates_texts, load.asks_exact_lengths) == (True, True)
    assert (
        ", prompts of 512±64 tokens (normal), answers of 1 to 9 tokens (uniform), 3 shared beginnings of 100 tokens, "
        "a cold prefix cache"
    ) in found.plan.sentence()
    drawn = load.turn_lengths(1, ())
    assert drawn.of(0, 1) == load.turn_lengths(1, ()).of(0, 1) != load.turn_lengths(2, ()).of(0, 1)


@pytest.mark.parametrize("kind", ALL)
def test_a_file_has_pairs_of_both_lengths(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("Input Length,output_tokens\n100,5\n200,7\n")
    found = planned(kind, prompt_tokens=f"@{file}")
    assert found.inputs.pairs == ((100, 5), (200, 7))
    assert found.plan.load.asks_exact_lengths
    assert found.plan.load.turn_lengths(1, found.inputs.pairs).of(1, 1) == (200, 7)
    assert "leave it out" in refused(kind, prompt_tokens=f"@{file}", answer_tokens="7")
    file.write_text('{"isl": 100, "osl": 5}\n{"prompt_tokens": 0, "output_tokens": 5}\n{"isl": 4}\n')
    words = refused(kind, prompt_tokens=f"@{file}")
    assert "pairs.csv:2: prompt_tokens '0': must be a whole number from 1" in words
    assert "pairs.csv:3: has no column output_tokens" in words
    assert "No such file" in refused(kind, prompt_tokens="@/nowhere/pairs.csv")


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (
            "chat",
            {"answer_tokens": "@f"},
            "--answer-tokens '@f': a file of pairs is named by --prompt-tokens",
        ),
        ("chat", {"prompt_tokens": "0"}, "--prompt-tokens '0': must be a whole number from 1 to 1,000,000"),
        (
            "chat",
            {"answer_tokens": "5", "max_tokens": "7"},
            "--max-tokens '7': has no effect with --answer-tokens",
        ),
        ("chat", {"prompt_tokens": "5", "prompt": "Hi"}, "--prompt 'Hi': has no effect with --prompt-tokens"),
        ("chat", {"prefix_groups": "5"}, "--prefix-groups '5': has no effect without --shared-prefix-tokens"),
        (
            "chat",
            {"prompt_tokens": "100", "shared_prefix_tokens": "100"},
            "--shared-prefix-tokens '100': is part of --prompt-tokens 100: must be shorter",
        ),
        ("open_loop", {"cache": "warm"}, "--cache 'warm': turns share no beginning"),
        ("open_loop", {"prompt_tokens": "5", "lengths": "free"}, "--lengths 'free': has no effect"),
        ("sweep", {"prompt_tokens": ""}, "--prompt-tokens '': a sweep needs a length"),
        ("chat", {"system_prompt": "@/nowhere/x"}, "--system-prompt /nowhere/x: No such file"),
    ],
)
def test_what_does_not_fit_together_is_said(kind: str, values: dict[str, object], words: str) -> None:
    assert words in refused(kind, **values)


def test_a_system_prompt_of_a_file_is_its_text(tmp_path: Path) -> None:
    file = tmp_path / "system.txt"
    file.write_text("\ufeffYou sell shoes.\n")
    found = planned("chat", system_prompt=f"@{file}")
    assert found.plan.load.system_prompts(found.inputs) == ("You sell shoes.",)
    file.write_bytes(b"\xff\xfe")
    assert "--system-prompt" in refused("chat", system_prompt=f"@{file}")


def test_what_a_warm_cache_is_warmed_with() -> None:
    assert planned("chat", cache="warm").plan.load.fixed_prompt, "one message for all turns is one"
    assert planned("chat", cache="warm", prompt_tokens="50", system_prompt="Be terse.")
    assert "share no beginning" in refused("chat", cache="warm", prompt_tokens="50")


@pytest.mark.parametrize(
    ("text", "mean", "spread"),
    [("512±64", 512, 64), ("100..900", 500, 231.2), ("lognormal(512, 300)", 512, 300), ("7", 7, 0)],
)
def test_drawn_lengths_have_the_mean_and_standard_deviation_asked(
    text: str, mean: float, spread: float
) -> None:
    """3,000 draws: the mean within 3 standard errors, the spread within 8 %, the same again for the same seed."""
    lengths = turn_lengths(text, "", (), 1, 1)
    drawn = [lengths.of(user, 1)[0] or 0 for user in range(3000)]
    assert abs(fmean(drawn) - mean) <= 3 * spread / 3000**0.5
    assert stdev(drawn) == pytest.approx(spread, rel=0.08)
    assert drawn == [turn_lengths(text, "", (), 1, 1).of(user, 1)[0] for user in range(3000)]


def test_uniform_lengths_are_equally_likely_no_length_is_below_one_and_pairs_go_round() -> None:
    ends, wide = turn_lengths("3..5", "", (), 1, 1), turn_lengths("5±50", "4", (), 1, 1)
    drawn = [ends.of(user, 1)[0] for user in range(3000)]
    assert all(900 < drawn.count(length) < 1100 for length in (3, 4, 5))
    assert min(wide.of(user, 1)[0] or 0 for user in range(200)) == 1
    assert wide.of(0, 1)[1] == 4
    pairs = turn_lengths("@f", "", [(10, 1), (20, 2), (30, 3)], 1, 2)
    assert [pairs.of(0, 1), pairs.of(1, 1), pairs.of(0, 2), pairs.of(1, 2)] == [
        (10, 1),
        (20, 2),
        (30, 3),
        (10, 1),
    ]
    assert turn_lengths("", "", (), 1, 1).of(0, 1) == (None, None)
