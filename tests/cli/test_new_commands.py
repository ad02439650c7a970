"""`run --help`, `options`, `init`, `simulate`, `plots` and `completion`, as far as they start no process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from chatload import __version__
from chatload.__main__ import COMMANDS
from chatload.cli import init
from chatload.cli.completion import LOCUST_FLAGS, SCRIPTS, suggestions
from chatload.cli.simulate import simulator_command
from chatload.files.packaged import LOCUSTFILES, SCENARIOS, packaged, packaged_names
from chatload.loads.registry import SHAPES
from chatload.locust_help import asks_locust_for_help
from chatload.model.program import program
from chatload.options.option import Group
from chatload.options.run_options import OPTIONS
from tests.command import chatload
from tests.runs_builder import HERE

ROOT = Path(__file__).parents[2]
ALL = {one.name for shape in SHAPES.values() for one in (*shape.options, *OPTIONS)}


def test_the_version_is_told() -> None:
    assert chatload("--version") == (0, f"chatload {__version__}\n", "")


def test_every_file_tells_the_same_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = [line for line in changelog.splitlines() if line.startswith("## ")]
    assert heads[:2] == ["## Unreleased", f"## {__version__} - {citation['date-released']}"]


def test_help_of_run_has_all_options_with_defaults_and_tells_where_locusts_are() -> None:
    code, output, _ = chatload("run", "--help")
    assert code == 0
    assert all(f"  --{name}" in output for name in ALL)
    assert all(f"\n{group.value}\n" in output for group in Group)
    assert "--think-time exp 2    (loads: capacity, visitors)" in output
    assert all(f"[{' | '.join(one.choices)}]" in " ".join(output.split()) for one in OPTIONS if one.choices)
    assert "all" not in [line.strip() for line in output.splitlines()]
    assert "locust --help" in output
    for name in [*packaged_names(SCENARIOS, ".toml"), *packaged_names(LOCUSTFILES, ".py")]:
        assert name in output


def test_options_are_told_as_json_and_markdown() -> None:
    facts = json.loads(chatload("options", "--format", "json").output)
    assert {one["name"] for one in facts} == ALL
    slo = next(one for one in facts if one["name"] == "slo")
    assert (slo["environment"], slo["several"], slo["loads"]) == ("CHATLOAD_SLO", True, [])
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert chatload("options", "--format", "markdown").output.strip() in page


def test_options_of_one_load() -> None:
    output = chatload("options", "sweep").output
    assert "--levels 1,2,4,8" in output
    assert "--think-time" not in output
    assert "(loads:" not in output


OF_SLO = {one.name for one in OPTIONS if one.group is Group.SLO}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["slo"], OF_SLO),
        (["What must hold"], OF_SLO),
        (
            ["visitors", "TIME"],
            {"think-time", "turn-timeout", "connect-timeout", "gap-timeout", "first-token-timeout"},
        ),
        (["--price", "server-c"], {"price", "server-cost"}),
    ],
)
def test_options_are_found_by_a_part_of_their_name_or_their_group(words: list[str], found: set[str]) -> None:
    done = chatload("options", "--format", "json", "--", *words)
    assert {one["name"] for one in json.loads(done.output)} == found


def test_init_makes_a_load_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my-test"
    code, output, errors = chatload("init", folder)
    assert (code, errors) == (0, "")
    assert f"cd {folder}" in output
    scenario = tomllib.loads((folder / "chat.toml").read_text(encoding="utf-8"))["tool"]["locust"]
    locustfile = (folder / scenario["locustfile"]).read_text(encoding="utf-8")
    assert "from chatload import ChatUser" in locustfile and 'with_name("prompts.jsonl")' in locustfile
    workflow = yaml.safe_load((folder / ".github/workflows/load-test.yml").read_text(encoding="utf-8"))
    assert any(
        "chatload run chat.toml" in step.get("run", "") for step in workflow["jobs"]["load-test"]["steps"]
    )
    readme = (folder / "README.md").read_text(encoding="utf-8")
    named = [row.split("`")[1] for row in readme.splitlines() if row.startswith("| `")]
    assert all((folder / name).is_file() for name in named)
    assert {path.name for path in folder.iterdir()} - {"README.md", ".gitignore", ".github"} <= set(named)


WHEEL = f"chatload-{__version__}-py3-none-any.whl"


@pytest.mark.parametrize(
    ("origin", "line", "words"),
    [
        ({}, f"chatload=={__version__}", ""),
        (
            {"url": "https://git.example/chatload.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}},
            "chatload @ git+https://git.example/chatload.git@c0ffee",
            "",
        ),
        ({"url": f"https://files.example/{WHEEL}"}, f"chatload @ https://files.example/{WHEEL}", ""),
        (
            {"url": "file:///src/my%20chatload", "dir_info": {}},
            f"./wheels/{WHEEL}",
            "-w wheels '/src/my chatload'",
        ),
        (
            {"url": f"file:///gone/{WHEEL}"},
            f"./wheels/{WHEEL}",
            f"pip wheel --no-deps -w wheels /gone/{WHEEL}",
        ),
    ],
)
def test_init_requires_the_chatload_that_made_it_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: dict[str, Any], line: str, words: str
) -> None:
    monkeypatch.setattr(init, "_origin", lambda: origin)
    assert chatload("init", tmp_path / "x")[0] == 0
    lines = (tmp_path / "x" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [one for one in lines if not one.startswith("#")] == [line]
    assert words in lines[0]
    assert not (tmp_path / "x" / "wheels").exists()


def test_init_keeps_the_wheel_it_was_installed_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / WHEEL
    wheel.write_bytes(b"zip")
    monkeypatch.setattr(init, "_origin", lambda: {"url": wheel.as_uri()})
    assert chatload("init", tmp_path / "x")[0] == 0
    assert (tmp_path / "x" / "wheels" / WHEEL).read_bytes() == b"zip"
    assert (tmp_path / "x" / "requirements.txt").read_text(encoding="utf-8").endswith(f"\n./wheels/{WHEEL}\n")


def test_init_overwrites_nothing_and_says_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "chat.toml").write_text("mine", encoding="utf-8")
    code, _, errors = chatload("init", tmp_path)
    assert code == 2
    assert errors == f"{tmp_path}: has chat.toml already: name a new folder\n"
    assert [path.name for path in tmp_path.iterdir()] == ["chat.toml"]
    code, _, errors = chatload("init", tmp_path / "chat.toml" / "x")
    assert (code, errors.count("\n")) == (2, 1)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / ".github").write_text("no folder", encoding="utf-8")
    assert chatload("init", tmp_path / "half")[0] == 2
    assert [path.name for path in (tmp_path / "half").iterdir()] == [".github"], "it can be tried again"


def test_simulate_has_defaults() -> None:
    command = simulator_command([])
    assert command[1:4] == ["-u", "-m", "simulator"]
    assert command[-2:] == ["--port-base", "8000"]
    assert "8000" not in simulator_command(["--port-base=9000"])
    assert simulator_command(["--help"])[-2:] == ["simulator", "--help"]


def test_plots_are_drawn_by_the_command(tmp_path: Path) -> None:
    run = shutil.copytree(HERE / "tiny", tmp_path / "tiny")
    code, output, errors = chatload("plots", run, "--only", "ttft_cdf", "--format", "svg")
    assert (code, errors) == (0, "")
    assert output == f"{run}/plots/ttft_cdf.svg\n"
    assert f"{program()} plots" in chatload("plots", "--nope").errors


@pytest.mark.parametrize(
    ("typed", "some"),
    [
        ([""], set(COMMANDS)),
        (["re"], {"report"}),
        (["run", ""], {"chat-100", "smoke", "chat"}),
        (["run", "--prompt"], {"--prompt", "--prompts"}),
        (["run", "chat-100", "--th"], {"--think-time", "--think-first"}),
        (["run", "chat-100", "--us"], {"--users", "--usage"}),
        (["run", "chat-100", "--history", ""], {"on", "off"}),
        (["run", "--config", "sm"], {"smoke"}),
        (["report", "--ht"], {"--html"}),
        (["report", "--format", ""], {"text", "jmeter"}),
        (["export", ""], {"jtl", "schedule"}),
        (["options", ""], set(SHAPES)),
        (["completion", ""], set(SCRIPTS)),
        (["certify", "--us"], {"--users"}),
    ],
)
def test_words_are_completed(typed: list[str], some: set[str]) -> None:
    found = suggestions(typed, COMMANDS)
    assert some <= set(found)
    assert all(one.startswith(typed[-1]) for one in found)
    assert typed[-1] or not any(one.startswith("-") for one in found)


def test_completing_starts_nothing() -> None:
    """Also for the commands that become another program, and for a word that is no command."""
    for name in COMMANDS:
        suggestions([name, ""], COMMANDS)
        suggestions([name, "--x", "-"], COMMANDS)
    assert suggestions(["nope", ""], COMMANDS) == []
    assert chatload("report", "nowhere").code == 2


@pytest.mark.e2e
def test_bash_completes(tmp_path: Path) -> None:
    """With a `chatload` that says which words it was asked about."""
    script = tmp_path / "chatload"
    script.write_text('#!/bin/sh\nprintf "%s\\n" "chat-100" "chat-100-history" "smoke"\n', encoding="utf-8")
    script.chmod(0o755)
    lines = f"""{SCRIPTS["bash"]}
COMP_WORDS=({script} run chat); COMP_CWORD=2; _chatload; echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["chat-100", "chat-100-history"]


@pytest.mark.parametrize(
    ("command", "asks"),
    [
        ("/v/bin/python /v/bin/locust --help", True),
        ("/v/bin/python /v/bin/locust -f locustfiles/chat.py -h", True),
        ("/v/bin/python -m locust -f locustfiles/chat.py --help", True),
        ("/v/bin/python -m locust -f locustfiles/chat.py", False),
        ("/v/bin/python -m gunicorn --help", False),
        ("/v/bin/python", False),
    ],
)
def test_help_of_locust_is_told_from_other_programs(command: str, asks: bool) -> None:
    assert asks_locust_for_help(command.split()) is asks


@pytest.mark.e2e
def test_locust_has_the_options_that_are_completed_for_it() -> None:
    words = [sys.executable, "-m", "locust", "--help"]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert [one for one in LOCUST_FLAGS if one not in told] == ["--headful"]  # which its help leaves out


@pytest.mark.parametrize("out", ["file/x.json", ".", "no-rights/x.json"])
def test_a_certificate_that_cannot_be_written_is_refused_before_the_measurement(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("chatload.cli.certify.os.access", lambda place, mode: "no-rights" not in str(place))
    monkeypatch.setattr("chatload.cli.certify.measure", None)  # not called
    code, _, errors = chatload("certify", "--out", tmp_path / out)
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.startswith(f"--out {tmp_path / out}: cannot be written: ")


def test_run_is_locust_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one in place of Locust, which would patch the process of the tests."""
    seen: list[str] = []
    stand_ins = {
        "locust": SimpleNamespace(),
        "locust.main": SimpleNamespace(main=lambda: seen.extend(sys.argv)),
        "chatload.runner.locust_patches.no_users": SimpleNamespace(tell_no_users=lambda: None),
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setitem(sys.modules, name, stand_in)
    close = os.close
    monkeypatch.setattr("chatload.locust_start.signal.signal", lambda number, handler: None)
    monkeypatch.setattr("sys.argv", ["chatload", "run"])
    monkeypatch.setattr("sys.path", [*sys.path])
    assert chatload("run", "chat", "--users", "3").code == 0
    assert seen == ["locust", "-f", str(packaged(LOCUSTFILES) / "chat.py"), "--users", "3"]
    assert os.close is close


def test_ctrl_c_ends_a_command_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(argv: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(COMMANDS, "report", stopped)
    done = chatload("report", "run")
    assert (done.code, done.output, done.errors) == (130, "", f"{program()} report: interrupted\n")


WAITS = """
import os, signal, sys, types
sys.modules["locust.main"] = types.SimpleNamespace(main=lambda: os.kill(os.getpid(), signal.SIGINT))
from chatload.locust_start import main
main()
"""


@pytest.mark.e2e
def test_ctrl_c_while_locust_is_imported_ends_in_a_line() -> None:
    done = subprocess.run([sys.executable, "-c", WAITS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "chatload: interrupted before the run began\n")
