"""`python -m chatload certify`, small, and what a run makes of its certificate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import chatload

ROOT = Path(__file__).parents[2]


def certify(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chatload", "certify", *arguments],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.e2e
def test_a_certificate_and_a_run_that_names_it(tmp_path: Path) -> None:
    out, keep = tmp_path / "certificate.json", tmp_path / "keep"
    load = ("--users", "5", "--turns", "2", "--tokens", "10", "--ramp-s", "0.5", "--think-time", "0.1")
    done = certify(*load, "--out", str(out), "--keep", str(keep))
    assert done.returncode in (0, 4), done.stderr  # 4 on a machine that is too busy to be certified
    made = json.loads(out.read_text(encoding="utf-8"))
    assert made["kind"] == "certificate"
    assert made["answers"] == 10
    assert made["load"]["users"] == 5
    assert {"p50", "p99", "max"} <= made["ttft_error_ms"].keys()
    assert made["ttft_error_ms"]["p50"] < 5
    assert abs(made["gap_error_ms"]["mean"]) < 1
    assert made["cpu_s_per_million_tokens"] > 0
    assert "token sent until stamped" in done.stdout

    run = keep / "1" / "run"
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest.get("certificate") is None
    (run / "manifest.json").write_text(json.dumps({**manifest, "certificate": made}), encoding="utf-8")
    assert "certified at 5 users" in chatload("report", run).output


@pytest.mark.e2e
def test_mistakes_are_told_at_once() -> None:
    done = certify("--users", "0", "--tokens-per-s", "-1")
    assert done.returncode == 2
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["--users", "--tokens-per-s"]


@pytest.mark.e2e
def test_a_run_refuses_what_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    for name in ("other.json", "absent.json"):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "locust",
                "-f",
                "locustfiles/chat.py",
                "--headless",
                "--host",
                "http://127.0.0.1:9",
                "--certificate",
                str(tmp_path / name),
                "--out",
                str(tmp_path / "run"),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        assert "make one with chatload certify" in done.stderr
        assert not (tmp_path / "run").exists()
