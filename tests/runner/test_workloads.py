"""Workloads of docs/workloads.md: their example lines are plans, and a run of all of them is as the server logged."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chatload.loads.image_options import IMAGE_OPTIONS
from chatload.loads.tool_options import TOOL_OPTIONS
from chatload.model.errors import UsageError
from chatload.options.model_options import MODEL_OPTIONS
from chatload.protocols.registry import DIALECTS
from chatload.protocols.server_kind import DetectedServer
from chatload.runner.request_fields import request_fields
from tests.plans import plan_of

sys.path.insert(0, str(Path(__file__).parent))
from conftest import GOOD, ROOT, locust, read_lines, turns_of

PAGE = (ROOT / "docs" / "workloads.md").read_text(encoding="utf-8")
LINES = re.findall(r"^    chatload run (.+)$", PAGE, re.MULTILINE)
KINDS = {"chat": "chat", "capacity": "capacity", "arrivals": "open_loop", "batch_sweep": "sweep"}
LOCUST = {"users": "num_users"}


def values_of(line: str) -> tuple[str, dict[str, Any]]:
    """The load and the option values of `chatload run …`."""
    scenario, *words = shlex.split(line)
    with open(ROOT / "scenarios" / f"{scenario}.toml", "rb") as file:
        values: dict[str, Any] = tomllib.load(file)["tool"]["locust"]
    kind = KINDS[Path(values["locustfile"]).stem]
    values |= dict(zip((word.removeprefix("--") for word in words[::2]), words[1::2], strict=True))
    return kind, {LOCUST.get(name, name.replace("-", "_")): value for name, value in values.items()}


@pytest.mark.parametrize("line", LINES)
def test_an_example_line_is_a_plan(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    kind, values = values_of(line)
    assert plan_of(kind, values).sentence()


def test_every_option_has_an_example_line() -> None:
    ours = {f"--{one.name}" for one in (*MODEL_OPTIONS, *TOOL_OPTIONS, *IMAGE_OPTIONS)}
    assert ours - set(" ".join(LINES).split()) == set(), "or the scenario has it"


def chat(**values: str) -> Any:
    return plan_of("chat", {"host": "http://127.0.0.1:1", "num_users": 4, "spawn_rate": 2, **values})


def test_the_plan_says_what_agents_and_images_come_to() -> None:
    plan = chat(
        turns="12", tool_rounds="2", tool_latency="1.5", think_time="4", images="2", image_size="30x20"
    )
    words = "12 turns each (2 tool rounds of 1.5 s before each answer), 2 images of 30 × 20 in each message, 4 s after"
    assert words in plan.sentence()
    # 8 rounds of 1.5 s, 3 thoughts of 4 s between 4 answers, 2 s to start
    assert plan.load.bounds() == "48 turns, at least 26 s"
    assert (
        chat(turns="6", tool_rounds="1", tool_choice="auto").sentence().count("up to 1 tool round of 1 s")
        == 1
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"turns": "10", "tool_rounds": "2"},
            "--turns '10': a question with --tool-rounds 2 takes 3 turns: give 9 or 12",
        ),
        ({"turns": "1", "tool_rounds": "2"}, "give 3"),
        ({"tool_latency": "3"}, "--tool-latency '3': has no effect without --tool-rounds"),
        ({"image_size": "3x3"}, "--image-size '3x3': has no effect without --images"),
        (
            {"images": "1", "image_size": "3"},
            "--image-size '3': must be width x height in pixels such as 1024x768",
        ),
        ({"images": "1", "image_size": "9x9999"}, "each from 1 to 8,192"),
        ({"turns": "3", "tool_rounds": "2", "tools": "none.json"}, "none.json"),
    ],
)
def test_mistakes_are_told_before_the_run(values: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError) as wrong:
        chat(**values)
    assert words in " ".join(wrong.value.lines)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "no JSON"),
        ("[]", "no list of tools"),
        ('[{"type": "function"}]', "item 1: a function without a name"),
    ],
)
def test_a_file_of_tools_that_is_none(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "tools.json").write_text(content)
    with pytest.raises(UsageError) as wrong:
        chat(turns="3", tool_rounds="2", tools=str(tmp_path / "tools.json"))
    assert words in wrong.value.lines[0]


@pytest.mark.parametrize(
    ("values", "beyond"),
    [({"turns": "3", "tool_rounds": "2"}, "tools"), ({"images": "1"}, "images"), ({}, "")],
)
def test_a_dialect_of_plain_messages_gets_neither_tools_nor_images(
    values: dict[str, str], beyond: str
) -> None:
    tgi = DetectedServer("TGI", "0.9.3", "tgi", "m", "TGI 0.9.3", "GET /info")
    refusal = request_fields(chat(**values), DIALECTS["tgi"], tgi).refusal
    assert (f"takes plain messages only, no {beyond}" in refusal) == bool(beyond)
    assert not request_fields(chat(**values), DIALECTS["openai"], tgi).refusal


@pytest.mark.e2e
def test_one_run_of_all_of_them_is_what_the_server_logged(vllm: Any, tmp_path: Path) -> None:
    """Agents who reason, with images, of three models: each turn against the truth log."""
    host, truth, process = vllm(
        "--reasoning-tokens",
        "9:3",
        "--answer-tokens",
        "8",
        "--served-model-name",
        "base",
        "--lora-modules",
        "a",
        "b",
    )
    done = locust(
        "--config", "scenarios/agent.toml", "--host", host, "-u", "4", "-r", "50", "--turns", "3",
        "--tool-latency", "0.05", "--think-time", "0.05", "--tool-result-tokens", "20", "--thinking-budget", "6",
        "--images", "1", "--image-size", "56x56", "--model", "base=2,a=1,b=1", "--out", str(tmp_path / "run"),
        "--slo", "answer: p50 final_answer_ms <= 60000; base: p50 ttft_ms <= 60000",
    )  # fmt: skip
    assert done.returncode in GOOD, done.stderr
    process.terminate()
    process.wait(timeout=10)
    logged = {line["request_id"]: line for line in read_lines(truth) if line["kind"] == "request"}
    turns = turns_of(tmp_path / "run")
    assert Counter(turn["name"].partition("/")[2] for turn in turns) == {
        "round 1": 4,
        "round 2": 4,
        "answer": 4,
    }
    assert Counter(turn["name"].partition("/")[0] for turn in turns) == {"base": 6, "a": 3, "b": 3}
    for turn in turns:
        true = logged[turn["request_id"]]
        assert true["model"] == turn["name"].partition("/")[0]
        assert (turn.get("reasoning_tokens", 0), turn["tokens"]) == (true["reasoning_tokens"], true["tokens"])
        assert true["reasoning_tokens"] <= 6
        assert (turn["images"], true["images"], true["image_tokens"]) == (1, 1, 4)
        assert turn["prompt_tokens"] == true["prompt_tokens"]
    answers = [turn for turn in turns if turn["name"].endswith("answer")]
    assert all(turn["tool_rounds"] == 2 and turn["reasoning_tokens"] > 0 for turn in answers)
