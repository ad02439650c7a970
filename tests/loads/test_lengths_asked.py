"""The options of lengths and shared beginnings: which of them fit together, in every load shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatload.loads.plan import Planned, make_plan
from chatload.loads.registry import SHAPES
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
    assert (load.composes, load.asks_exact_lengths) == (True, True)
    assert (
        ", prompts of 512 ± 64 (normal) tokens, answers of 1 to 9 (uniform) tokens, 3 shared beginnings of 100 tokens, "
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
        ("chat", {"prompt_tokens": "0"}, "--prompt-tokens '0': must be 512, 512±64"),
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
    assert found.plan.load.systems(found.inputs) == ("You sell shoes.",)
    file.write_bytes(b"\xff\xfe")
    assert "--system-prompt" in refused("chat", system_prompt=f"@{file}")


def test_what_a_warm_cache_is_warmed_with() -> None:
    assert planned("chat", cache="warm").plan.load.fixed_prompt, "one message for all turns is one"
    assert planned("chat", cache="warm", prompt_tokens="50", system_prompt="Be terse.")
    assert "share no beginning" in refused("chat", cache="warm", prompt_tokens="50")
