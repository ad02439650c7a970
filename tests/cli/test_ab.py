"""The A/B runner: who goes first in which round, what it refuses, and two small rounds against two servers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from chatload.__main__ import main
from chatload.cli.ab import order
from chatload.cli.demo import simulated_servers
from tests.ports import free_port
from tests.runs_builder import HERE

HOSTS = ["--host-a", "http://127.0.0.1:9", "--host-b", "http://127.0.0.1:9"]


def test_sides_change_who_goes_first() -> None:
    assert list(order(3)) == [(1, "a"), (1, "b"), (2, "b"), (2, "a"), (3, "a"), (3, "b")]
    places = [place for place, (_, side) in enumerate(order(4)) if side == "a"]
    assert sum(places) == sum(range(8)) / 2  # a drift that grows evenly hits both sides alike


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "--host-a"),
        ([*HOSTS, "--config", "no.toml"], "no such file"),
        ([*HOSTS, "--rounds", "0"], "--rounds 0: must be at least 1"),
    ],
)
def test_a_mistake_is_told_before_any_run(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ab", *argv]) == 2
    assert words in capsys.readouterr().err


def test_old_runs_are_not_mixed_with_new_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a" / "01").mkdir(parents=True)
    (tmp_path / "a" / "01" / "manifest.json").write_text("{}", encoding="utf-8")
    assert main(["ab", *HOSTS, "--out", str(tmp_path)]) == 2
    assert "already holds runs" in capsys.readouterr().err


def test_a_server_that_is_not_there_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the first run: `test_no_server.py` shows that Locust ends so. The recorded run is one of these."""
    held = []

    def load(arguments: Sequence[str], out: Path) -> int:
        held.append(out)
        shutil.copytree(HERE / "unreachable", out)
        return 1

    monkeypatch.setattr("chatload.cli.ab.run_load", load)
    monkeypatch.setattr("chatload.cli.ab.interrupt_on_sigterm", lambda: None)  # of this process, too
    assert main(["ab", *HOSTS, "--config", "scenarios/smoke.toml", "--out", str(tmp_path / "ab")]) == 1
    assert held == [tmp_path / "ab" / "a" / "01"]
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("ab: A at http://127.0.0.1:9 cannot be reached: stopped; what was finished is in ")


@pytest.mark.parametrize(("force", "runs", "code"), [([], 2, 2), (["--force"], 4, 0)])
def test_sides_of_other_models_end_it_after_the_first_round(
    force: list[str],
    runs: int,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    held = []

    def load(arguments: Sequence[str], out: Path) -> int:
        held.append(out)
        shutil.copytree(HERE / "vllm", out)
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        manifest["run_id"] = str(out)
        manifest["server"]["model"] = out.parent.name
        (out / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        return 0

    monkeypatch.setattr("chatload.cli.ab.run_load", load)
    monkeypatch.setattr("chatload.cli.ab.interrupt_on_sigterm", lambda: None)  # of this process, too
    argv = [*HOSTS, "--rounds", "2", "--pause", "0", "--out", str(tmp_path / "ab"), *force]
    assert main(["ab", *argv]) == code
    assert len(held) == runs
    assert ("not alike: model: A 'a', B 'b'" in capsys.readouterr().err) == (code == 2)


@pytest.mark.e2e
def test_two_rounds_against_two_servers(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pictures, most of the time of its report."""
    monkeypatch.setattr("plots.report.figures.figures", lambda runs: [])
    port = free_port(2)
    hosts = ["--host-a", f"http://127.0.0.1:{port}", "--host-b", f"http://127.0.0.1:{port + 1}"]
    small = ["--users", "10", "--spawn-rate", "50", "--turns", "1", "--max-tokens", "8"]
    out = tmp_path / "ab"
    with simulated_servers(port, tmp_path / "truth.jsonl"):
        argv = [
            "ab",
            *hosts,
            "--config",
            "scenarios/smoke.toml",
            "--rounds",
            "2",
            "--pause",
            "0",
            "--seed",
            "5",
        ]
        assert main([*argv, "--out", str(out), "--", *small]) in (0, 4)  # 4: a busy machine, which is told
    said = capfd.readouterr()
    assert "B against A:" in said.out
    assert "2 runs, 20 turns in 20 conversations" in said.out
    assert [line for line in said.err.splitlines() if line.startswith("ab: round")][1].startswith(
        "ab: round 1 of 2: B"
    )
    manifests = [
        json.loads((out / part / "manifest.json").read_text()) for part in ("a/01", "a/02", "b/01", "b/02")
    ]
    assert [one["plan"]["seed"] for one in manifests] == [5, 6, 5, 6]
    assert [one["server"]["dialect"] for one in manifests] == ["openai"] * 4
    assert manifests[0]["started_ns"] < manifests[2]["started_ns"] < manifests[3]["started_ns"]
    assert manifests[3]["started_ns"] < manifests[1]["started_ns"]
