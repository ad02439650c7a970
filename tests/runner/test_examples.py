"""The examples, run against the simulator, and what their journals hold."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatload.cli.child_process import locust_command
from tests.command import chatload

sys.path.insert(0, str(Path(__file__).parent))
from conftest import FAILED, GOOD, ROOT, read_lines, turns_of, two_processes

pytestmark = pytest.mark.e2e
QUICK = ("--spawn-rate", "50", "--stop-timeout", "5")


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[str]]:
    """Two simulated servers of a model each."""
    processes, found = [], []
    for model in ("llama-3-8b", "llama-3-70b"):
        command = [sys.executable, "-u", "-m", "simulator", "--speak", "vllm", "--port-base", "0"]
        process = subprocess.Popen(
            [*command, "--model", model, "--answer-tokens", "12:3"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if "listening on" in line:
                found.append(line.split("listening on ")[1].split()[0])
            if "ready" in line:
                break
    yield found
    for process in processes:
        process.kill()
        process.wait(timeout=10)


def run(
    folder: Path, example: str, *arguments: str, quick: str = "", changed: tuple[str, str] = ("", "")
) -> subprocess.CompletedProcess[str]:
    """Run an example; `quick` is put at its end, such as a shorter wait; `changed` is what stands for what."""
    text = (ROOT / "examples" / example).read_text(encoding="utf-8")
    assert changed[0] in text
    text = text.replace(*changed) if changed[0] else text
    locustfile = folder / example
    locustfile.write_text(f"{text}\n{quick}\n", encoding="utf-8")
    command = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--only-summary"]
    return subprocess.run(
        [*command, "--out", str(folder / "run"), *QUICK, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def names(turns: list[dict[str, Any]]) -> Counter[str]:
    return Counter(turn.get("name", "") for turn in turns)


@pytest.mark.parametrize("processes", [pytest.param(1, marks=pytest.mark.rare), 2])
def test_the_shop_ends_with_its_shoppers_whatever_the_page_does(
    hosts: list[str], tmp_path: Path, processes: int
) -> None:
    over = two_processes() if processes == 2 else ()
    told = ("--slo", "ask: p50 ttft_ms <= 5000", "--locust-tables", "on")
    quick = "Shopper.wait_time = Api.wait_time = between(0.05, 0.1)"
    done = run(
        tmp_path, "shoe_shop.py", "--host", hosts[0], "-u", "8", "--turns", "3", *told, *over, quick=quick
    )
    assert done.returncode in (*GOOD, 1), done.stderr
    turns = turns_of(tmp_path / "run")
    assert names(turns) == {"ask": 18}, "6 shoppers, 3 turns each"
    assert sorted(Counter(turn["user"] for turn in turns).values()) == [3] * 6
    assert {turn.get("code") for turn in turns} <= {None, "too_short"}
    assert "GET      /health" in done.stderr
    assert "6 users over 0.16 s, beside 2 others: 6 Shopper (3 turns, its own wait_time)" in done.stderr


def test_users_of_a_day_come_and_go_until_it_is_over(hosts: list[str], tmp_path: Path) -> None:
    quick = 'Day.steps = ((0, 0, 50), (1, 2, 50), (2, 4, 50), (3, 1, 50))\nVisitor.think_time = "0.1"'
    done = run(tmp_path, "day_curve.py", "--host", hosts[0], quick=quick)
    assert done.returncode in GOOD, done.stderr
    turns = turns_of(tmp_path / "run")
    assert set(names(turns)) == {"first", "then"}
    assert len({turn["user"] for turn in turns}) >= 4
    assert {turn.get("code") for turn in turns} <= {None, "interrupted"}


def test_two_models_are_kept_apart_everywhere(hosts: list[str], tmp_path: Path) -> None:
    quick = f'Small.host, Large.host = "{hosts[0]}", "{hosts[1]}"'
    done = run(tmp_path, "two_models.py", "-u", "4", "--turns", "2", "--think-time", "0.1", quick=quick)
    assert done.returncode in GOOD, done.stderr
    turns = turns_of(tmp_path / "run")
    assert names(turns) == {"Small/ask": 4, "Large/ask": 4}
    assert all(turn["ok"] for turn in turns), "each model is known to its own server only"


def test_a_customer_of_the_support_bot_has_three_messages_of_a_case(hosts: list[str], tmp_path: Path) -> None:
    quick = 'Customer.think_time = "0"'
    done = run(tmp_path, "support_bot.py", "--host", hosts[0], "-u", "3", "--turns", "6", quick=quick)
    assert done.returncode in GOOD, done.stderr
    turns = turns_of(tmp_path / "run")
    assert all(turn["ok"] for turn in turns)
    for user in {turn["user"] for turn in turns}:
        own = [turn for turn in turns if turn["user"] == user]
        assert [turn["name"] for turn in own] == [f"message {number}" for number in (1, 2, 3)] * 2
        prompts = [turn["prompt_tokens"] for turn in own]
        assert prompts[0] < prompts[1] < prompts[2] > prompts[3], "a case is a conversation of its own"


def test_a_customer_gives_up_after_a_bad_answer(hosts: list[str], tmp_path: Path) -> None:
    changed = ('"password" in', '"e" in')  # which is in every answer
    quick = 'Customer.think_time = "0"'
    two = ("-u", "2", "--turns", "2")
    done = run(tmp_path, "support_bot.py", "--host", hosts[0], *two, quick=quick, changed=changed)
    assert done.returncode in FAILED, done.stderr
    turns = turns_of(tmp_path / "run")
    assert names(turns) == {"message 1": 4}
    assert {turn["code"] for turn in turns} == {"asks_for_a_password"}


def test_prompts_of_rag_are_as_long_as_their_name_says(hosts: list[str], tmp_path: Path) -> None:
    done = run(
        tmp_path, "rag.py", "--host", hosts[0], "-u", "4", "--turns", "3", "--think-time", "0",
        changed=("@task(3)", "@task(1)"),
    )  # fmt: skip
    assert done.returncode in GOOD, done.stderr
    turns = turns_of(tmp_path / "run")
    assert len(turns) == 12
    for turn in turns:
        passages = {"4 passages": 4, "16 passages": 16}[turn["name"]]
        assert turn["ok"] and 150 * passages < turn["prompt_tokens"] < 220 * passages + 100


def test_an_agent_gives_the_result_of_its_tool_and_gets_an_answer(hosts: list[str], tmp_path: Path) -> None:
    done = run(tmp_path, "agent.py", "--host", hosts[0], "-u", "2", "--turns", "4", "--think-time", "0")
    assert done.returncode in GOOD, done.stderr
    turns = turns_of(tmp_path / "run")
    for user in {turn["user"] for turn in turns}:
        own = [turn for turn in turns if turn["user"] == user]
        assert [turn["name"] for turn in own] == ["question", "result"] * 2
        assert [turn["finish"] for turn in own] == ["tool_calls", "stop"] * 2
        first, result, again, _ = (turn["prompt_tokens"] for turn in own)
        assert first < result, "the result is in the prompt"
        assert first == again, "a question begins anew"
    assert all(turn["ok"] for turn in turns)


def test_the_nightly_job_holds_its_slos_and_keeps_a_baseline(
    hosts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lines, as they stand, in the folder of a checkout; the check of the second night is of the same turns."""
    monkeypatch.chdir(tmp_path)
    examples = shutil.copytree(ROOT / "examples", tmp_path / "examples")
    bot = examples / "support_bot.py"
    bot.write_text(bot.read_text(encoding="utf-8").replace('"exp 4"', '"0.1"'), encoding="utf-8")
    workflow = yaml.safe_load((examples / "nightly.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["load-test"]["steps"]
    lines = [shlex.split(step["run"].replace("$LLM_HOST", hosts[0])) for step in steps if "run" in step]
    load, check, keep = [words[1:] for words in lines if words[0] == "chatload"]
    done = subprocess.run(
        locust_command([*load[1:], *QUICK]), capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode in GOOD, done.stderr
    assert len(turns_of(tmp_path / "results" / "nightly")) == 96
    assert "SLO message 1: p50 ttft_ms <= 500: met" in done.stderr
    if done.returncode:
        pytest.skip("the machine was too busy: such a run is no baseline")
    assert chatload(*keep).code == 0
    (kept,) = tmp_path.glob("results/baseline/*/manifest.json")
    run_id = json.loads(kept.read_bytes())["run_id"]
    for path in kept.parent.glob("*.json*"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(run_id, run_id[::-1]), encoding="utf-8")
    told = chatload(*check)
    assert told.code == 0, told.output


SPEAKING = """
from chatload import ChatUser
from locust import task


class Talker(ChatUser):
    abstract = True
    system_prompt = "You are brief."

    @task
    def ask(self):
        self.chat.ask("Which harbor is the oldest?")


class Responses(Talker):
    host, dialect = "{vllm}", "openai-responses"


class Messages(Talker):
    host, dialect = "{vllm}", "anthropic"


class Lines(Talker):
    host, dialect = "{ollama}", "ollama-native"
"""


def test_conversations_in_three_newer_dialects_are_counted_as_they_were_sent(tmp_path: Path) -> None:
    """History, token counts and first tokens by the server's own log, in one run."""
    truth, hosts = tmp_path / "truth.jsonl", {}
    command = [sys.executable, "-u", "-m", "simulator", "--speak", "vllm,ollama", "--port-base", "0"]
    process = subprocess.Popen(
        [*command, "--truth", str(truth), "--answer-tokens", "12:3", "--model", "llama-2"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "listening on" in line:
            hosts[line.split()[1].partition("-")[0]] = line.split("listening on ")[1].split()[0]
        if "ready" in line:
            break
    locustfile = tmp_path / "three.py"
    locustfile.write_text(SPEAKING.format(**hosts), encoding="utf-8")
    command = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--only-summary"]
    options = (
        "-u",
        "3",
        "--turns",
        "3",
        "--think-time",
        "0.1",
        "--out",
        str(tmp_path / "run"),
    )
    try:
        done = subprocess.run(
            [*command, *options, *QUICK], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        process.terminate()
        process.wait(timeout=10)
    assert done.returncode in GOOD, done.stderr
    turns = turns_of(tmp_path / "run")
    sent = {line["request_id"]: line for line in read_lines(truth) if "request_id" in line}
    routes = Counter(sent[turn["request_id"]]["path"] for turn in turns)
    assert routes == {"/v1/responses": 3, "/v1/messages": 3, "/api/chat": 3}
    for turn in turns:
        said = sent[turn["request_id"]]
        assert turn["token_source"] == "usage"
        assert turn["tokens"] == said["tokens"]
        assert turn["prompt_tokens"] == said["prompt_tokens"]
        assert turn["finish"] in ("stop", "length")
        events = said["events"]
        first_ns = events["sent_ns"][events["kind"].index("token")]
        assert first_ns - 1e6 < turn["first_token_ns"] < said["end_ns"], (
            "sent_ns may be stamped just after sending"
        )
        assert turn["events"] == events["kind"].count("token")
    for name in routes:
        prompts = [one["prompt_tokens"] for one in turns if sent[one["request_id"]]["path"] == name]
        assert prompts == sorted(set(prompts)), "the history grows"
