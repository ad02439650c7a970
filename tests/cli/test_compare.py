"""`compare`: words, JSON, and what it warns of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatload.__main__ import main
from chatload.analysis.comparison import compare_runs
from chatload.cli.compare import runs_below
from chatload.model.hosts import Simulation
from chatload.model.sanitize import columns
from chatload.model.turn import Turn
from chatload.model.verdict import BETTER, CANNOT_TELL, DIFFER, SAME, WORSE, Effect
from chatload.render.comparison_words import better_side, comparison_text
from chatload.store.journal import Run, read_run
from tests.changes import replace
from tests.runs_builder import (
    HERE,
    STEADY,
    TINY,
    Shape,
    as_failed,
    good_turns,
    manifest_of,
    user_lines,
    write_good,
    write_run,
)

VLLM, TGI = HERE / "vllm", HERE / "tgi"


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Two sides of three rounds each; B reads a fifth slower."""
    for number in (1, 2, 3):
        write_good(tmp_path / "a" / f"{number:02}", replace(STEADY, seed=number))
        write_good(tmp_path / "b" / f"{number:02}", replace(STEADY, seed=10 + number, gap_ms=24.0))
    return tmp_path / "a", tmp_path / "b"


def test_the_slower_server_is_worse(sides: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *map(str, sides)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("B against A: worse.")
    assert "3 runs, 720 turns in 60 conversations" in out
    assert [line for line in out.split("\n") if columns(line) > 80] == []


def test_json_carries_every_metric(sides: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--json", "--margin", "10%", *map(str, sides)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["margin"]) == ("worse", 0.1)
    tpot = next(one for one in found["metrics"] if one["metric"] == "tpot_ms_p50")
    assert tpot["interval"][0] < 1.2 < tpot["interval"][1]
    assert tpot["verdict"] == "worse"
    assert [one["metric"] for one in found["metrics"]] == [
        "ttft_ms_p50",
        "ttft_ms_p95",
        "tpot_ms_p50",
        "felt_tokens_per_s_p50",
        "system_tokens_per_s",
        "failed_share",
    ]
    assert found["window"] == "all users in"


def test_a_run_against_itself_is_the_same_or_undecided() -> None:
    run = read_run(HERE / "steady")
    told = {one.metric: one for one in compare_runs([run], [run]).effects}
    assert told["tpot_ms_p50"].verdict == "the same"
    assert told["tpot_ms_p50"].effect == pytest.approx(1.0)
    assert {one.verdict for one in told.values()} == {"the same", "cannot tell"}


def of(run: Run, simulation: Simulation | None) -> Run:
    """The run as if of this server."""
    server = msgspec.structs.replace(run.manifest.server, simulation=simulation)
    return replace(run, manifest=msgspec.structs.replace(run.manifest, server=server))


DEMO, OTHER = Simulation("vllm-v1@demo"), Simulation("tgi-3@demo")
H100, A4090 = Simulation("vllm-v1@h100-llama2-7b", True), Simulation("tgi-3@4090-llama2-7b", True)


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        (DEMO, OTHER, "the simulated tgi-3@demo and vllm-v1@demo"),
        (DEMO, H100, "the simulated vllm-v1@demo"),
        (None, DEMO, "the simulated vllm-v1@demo"),
        (H100, A4090, ""),
        (None, H100, ""),
        (DEMO, DEMO, ""),
        (None, None, ""),
    ],
)
def test_servers_without_a_machine_are_not_better_than_others(
    a: Simulation | None, b: Simulation | None, says: str
) -> None:
    """B reads a quarter slower: they differ, but where nothing real stands behind either of two servers."""
    one, other = read_run(HERE / "steady"), read_run(HERE / "slower")
    found = compare_runs([of(one, a)], [of(other, b)], force=True)
    assert found.verdict == (CANNOT_TELL if says else DIFFER)
    assert (found.effects == ()) == bool(says)
    assert says in found.refused
    words = " ".join(comparison_text(found).split())
    assert ("no comparison: no real machine stands behind" in words) == bool(says)
    assert ("verdicts are right together" in words) != bool(says)


def test_b_against_a_is_a_against_b_turned_round() -> None:
    a, b = read_run(HERE / "steady"), read_run(HERE / "slower")
    there = compare_runs([a], [b]).effects
    back = compare_runs([b], [a]).effects
    assert [one.verdict for one in there] == [one.verdict for one in back]
    assert "differ" in {one.verdict for one in there}
    assert there[0].effect == pytest.approx(1 / (back[0].effect or 1.0))


def test_what_is_not_alike_is_warned_of(tmp_path: Path) -> None:
    a = write_good(tmp_path / "a", TINY)
    b = write_good(
        tmp_path / "b", Shape(seed=9, token_source="estimate", users=30), exit_code=4, ended="interrupted"
    )
    text = " ".join(comparison_text(compare_runs(runs_below(a), runs_below(b), force=True)).split())
    for words in ("NOT TRUSTWORTHY: the measurement of b;", "Not alike: scenario (smoke against chat-100)",
                  "FORCED, not alike: users: A '2', B '30'", "Tokens are counted differently",
                  "did not end by the plan", "1 run a side"):  # fmt: skip
        assert words in text
    assert "too short for an interval" in text


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([str(VLLM)], "the following arguments are required: B"),
        ([str(VLLM), "nowhere"], "nowhere: not a run folder"),
        ([str(VLLM), str(HERE.parent)], "holds no run"),
        ([str(VLLM), str(TGI), "--margin", "5"], "'5': must be a share such as 5%"),
        ([str(VLLM), str(TGI), "--margin", "x%"], "must be a share"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *argv]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_runs_under_another_load_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(VLLM), str(HERE / "tiny")]) == 2
    said = capsys.readouterr().err.splitlines()
    assert "not alike: users: A '20', B '2'" in said
    assert said[-1].endswith("or add --force")
    assert main(["compare", str(VLLM), str(HERE / "tiny"), "--force"]) == 0
    assert capsys.readouterr().out.startswith("FORCED, not alike:")
    assert main(["compare", str(VLLM), str(HERE / "tiny"), "--force", "--json"]) == 0
    assert "FORCED, not alike: users: A '20', B '2'" in json.loads(capsys.readouterr().out)["forced"]


def test_another_server_is_what_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(VLLM), str(TGI)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Not alike: dialect: A 'openai', B 'tgi'.")
    assert "FORCED" not in out


def with_turns(folder: Path, change: Callable[[Turn], Turn], **manifest: object) -> Path:
    shape = Shape(users=20, turns=5, tokens=8)
    turns = [change(turn) for turn in good_turns(shape)]
    own = {"run_id": folder.name, **manifest}
    return write_run(folder, manifest_of(shape, turns, **own), turns, user_lines(turns))


@pytest.mark.parametrize(("long", "code"), [(80, 0), (10, 2)])
def test_one_good_turn_tells_no_other_lengths_than_those_of_the_other_side(
    tmp_path: Path, long: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answers of 8 and `long` tokens, against the one of 20 that a failing server gave."""
    a = with_turns(tmp_path / "a", lambda turn: replace(turn, tokens=long if turn.turn % 2 else 8))
    b = with_turns(
        tmp_path / "b",
        lambda turn: (
            replace(turn, tokens=20)
            if turn.user == 0 and turn.turn == 1
            else as_failed(turn, "http_5xx", "HTTP 500", status=500)
        ),
    )
    assert main(["compare", str(a), str(b)]) == code
    told = capsys.readouterr()
    assert ("mean answer tokens" in told.err) == bool(code)


@pytest.mark.parametrize(
    ("prompt", "said", "code"),
    [(43, "", 0), (44, "Not alike: mean prompt tokens: A '43.0', B '44.0'.", 0),
     (46, "not alike: mean prompt tokens: A '43.0', B '46.0'", 2), (6, "not alike: mean prompt tokens", 2)],
)  # fmt: skip
def test_prompts_of_other_lengths(
    tmp_path: Path, prompt: int, said: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same message was 43 tokens on vLLM and 6 on TGI's native route, which applies no template."""
    a = with_turns(tmp_path / "a", lambda turn: replace(turn, prompt_tokens=43))
    b = with_turns(tmp_path / "b", lambda turn: replace(turn, prompt_tokens=prompt))
    assert main(["compare", str(a), str(b)]) == code
    told = capsys.readouterr()
    assert (told.err if code else told.out).startswith(said)
    assert ("prompt tokens" in told.out + told.err) == bool(said)
    assert main(["compare", str(a), str(b), "--force"]) == 0
    assert ("FORCED" in capsys.readouterr().out) == bool(code)
    assert main(["report", str(a), str(b)]) == 0
    assert ("no comparison: the runs were not made alike" in capsys.readouterr().out) == bool(code)
    assert main(["report", str(a), str(b), "--force"]) == 0
    assert "no comparison" not in capsys.readouterr().out


def test_a_side_that_tells_no_prompt_tokens_is_not_unlike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = with_turns(tmp_path / "a", lambda turn: replace(turn, prompt_tokens=43))
    b = with_turns(tmp_path / "b", lambda turn: replace(turn, prompt_tokens=None))
    assert main(["compare", str(a), str(b)]) == 0
    assert "prompt tokens" not in capsys.readouterr().out


@pytest.mark.parametrize(("spread", "code"), [(0, 2), (38, 0)])
def test_answers_of_other_lengths(tmp_path: Path, spread: int, code: int) -> None:
    """Drawn lengths differ by chance: the same 7 % apart tell nothing where lengths are spread widely."""

    def answer(turn: Turn, more: int) -> Turn:
        drawn = 40 + more + (spread if (7 * turn.user + turn.turn) % 2 else -spread) * (turn.user % 3)
        return replace(turn, tokens=max(2, drawn))

    a = with_turns(tmp_path / "a", lambda turn: answer(turn, 0))
    b = with_turns(tmp_path / "b", lambda turn: answer(turn, 3))
    assert main(["compare", str(a), str(b)]) == code


@pytest.mark.parametrize(("cached", "code"), [(0, 0), (1, 0), (6, 2)])
def test_prompts_that_one_server_knew(tmp_path: Path, cached: int, code: int) -> None:
    a = with_turns(tmp_path / "a", lambda turn: replace(turn, prompt_tokens=100, cached_tokens=0))
    b = with_turns(tmp_path / "b", lambda turn: replace(turn, prompt_tokens=100, cached_tokens=cached))
    assert main(["compare", str(a), str(b)]) == code


@pytest.mark.parametrize(
    ("model", "code"),
    [("Llama-2-7b-chat-hf", 0), ("someone/llama-2-7b-chat-hf", 0), ("llama-2-13b", 2), ("", 0)],
)
def test_another_model_is_no_comparison(
    tmp_path: Path, model: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def served(name: str) -> dict[str, object]:
        return {"dialect": "openai", "model": name, "host": "http://127.0.0.1:8000"}

    a = with_turns(tmp_path / "a", lambda turn: turn, server=served("meta-llama/Llama-2-7b-chat-hf"))
    b = with_turns(tmp_path / "b", lambda turn: turn, server=served(model))
    assert main(["compare", str(a), str(b)]) == code
    told = capsys.readouterr()
    assert ("not alike: model: A 'llama-2-7b-chat-hf', B 'llama-2-13b'" in told.err) == bool(code)


def test_a_run_is_not_compared_with_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Named twice, by another path, as a copy, on both sides, or among the baselines; two runs are compared."""
    shape = Shape(users=5, turns=4, tokens=8)
    runs = [
        str(write_good(tmp_path / "kept" / name, replace(shape, seed=at))) for at, name in enumerate("ab")
    ]
    copy = shutil.copytree(runs[0], tmp_path / "copy")
    again = (
        [runs[0], runs[0]],
        [runs[0], f"{runs[1]}/../a"],
        [runs[0], str(copy)],
        [str(tmp_path / "kept"), runs[1]],
    )
    for sides in again:
        assert main(["compare", *sides]) == 2
        assert ": is the same run as " in capsys.readouterr().err
    assert main(["check", runs[1], "--baseline", str(tmp_path / "kept")]) == 2
    assert main(["report", runs[0], str(copy)]) == 2
    capsys.readouterr()
    assert main(["report", "--csv", runs[0], str(copy)]) == 0, "nothing is compared"
    for argv in (["compare", *runs], ["check", runs[1], "--baseline", runs[0]], ["report", *runs]):
        assert main(argv) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("unit", "a", "b", "verdict", "side"),
    [
        ("ms", 10.0, 20.0, DIFFER, "a"),
        ("ms", 20.0, 10.0, BETTER, "b"),
        ("tokens/s", 10.0, 20.0, DIFFER, "b"),
        ("tokens/s", 20.0, 10.0, WORSE, "a"),
        ("%", 0.0, 0.1, DIFFER, "a"),
        ("ms", 10.0, 20.0, CANNOT_TELL, ""),
        ("ms", 10.0, 10.1, SAME, ""),
        ("ms", None, None, WORSE, ""),
    ],
)
def test_the_better_side_is_marked_where_they_differ_for_certain(
    unit: str, a: float | None, b: float | None, verdict: Any, side: str
) -> None:
    assert better_side(Effect("m", "m", unit, a, b, None, None, verdict)) == side
