"""Cores and priorities are niceties: what this machine does not allow is said, and stops nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatload.certify import process_placement as module
from chatload.certify.process_placement import Placement

ROOT = Path(__file__).parents[2]
SMALL = ("--users", "5", "--turns", "1", "--tokens", "10", "--ramp-s", "0.5", "--think-time", "0.1")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="cores and priorities are Linux's")
WITHOUT_NICE = ("setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice")


@pytest.fixture
def sleeper() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process.pid
    process.kill()
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


def refuse(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


@LINUX
def test_two_processes_get_a_core_each(sleeper: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("one core")
    monkeypatch.setattr(module, "_realtime", lambda pid: None)
    placement = Placement()
    placement.server(sleeper)
    assert os.sched_getaffinity(sleeper) == {cores[0]}
    placement.client(sleeper)
    assert os.sched_getaffinity(sleeper) == {cores[-1]}
    assert placement.words == ""


@LINUX
def test_what_is_refused_is_said_once(sleeper: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sched_setaffinity", "sched_setscheduler", "setpriority"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    placement = Placement()
    for _ in range(2):
        placement.server(sleeper)
        placement.client(sleeper, first=True)
    assert placement.words == (
        "not done on this machine: a core each for server and client (Operation not permitted); "
        "nice −20 for the client (Operation not permitted)"
    )


def test_one_core_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
    placement = Placement()
    placement.server(os.getpid())
    assert placement.words == "not done on this machine: a core each for server and client (one core)"


def test_other_systems_have_no_cores_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    placement = Placement()
    placement.client(os.getpid())
    assert placement.words == "not done on this machine: a core each (not Linux)"


@LINUX
@pytest.mark.e2e
def test_a_process_that_is_gone_is_no_mistake() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    placement = Placement()
    placement.server(process.pid)
    placement.client(process.pid, first=True)
    assert "No such" not in placement.words


def certified(tmp_path: Path, *before: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [
        *before,
        sys.executable,
        "-m",
        "chatload",
        "certify",
        *SMALL,
        "--out",
        str(tmp_path / "c.json"),
    ]
    environment = os.environ | ({"PATH": path} if path is not None else {})
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@LINUX
@pytest.mark.e2e
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root has the right to give up")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_certify_without_the_right_to_real_time(tmp_path: Path) -> None:
    done = certified(tmp_path, *WITHOUT_NICE)
    assert done.returncode in (0, 4), done.stderr  # 4: a machine that is busy, which certify is to say
    assert "10 tokens" in done.stdout or "answers of 5 users" in done.stdout
    said = [line for line in done.stderr.splitlines() if "not done on this machine" in line]
    assert len(said) == 1
    if len(os.sched_getaffinity(0)) > 1:
        assert "real-time priority for the server (Operation not permitted)" in said[0]


@LINUX
@pytest.mark.e2e
def test_certify_without_tools_and_on_one_core(tmp_path: Path) -> None:
    core = str(min(os.sched_getaffinity(0)))
    taskset = shutil.which("taskset")
    done = certified(tmp_path, *((taskset, "-c", core) if taskset else ()), path=str(tmp_path))
    assert done.returncode in (0, 4), done.stderr
    if taskset:
        assert "(one core)" in done.stderr


@LINUX
@pytest.mark.e2e
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become nobody")
def test_benchmarks_without_rights(tmp_path: Path) -> None:
    before = WITHOUT_NICE if shutil.which("setpriv") else ()
    done = subprocess.run(
        [
            *before,
            sys.executable,
            "-m",
            "lab.benchmarks",
            "--users",
            "5",
            "--turns",
            "3",
            "--ramp-s",
            "0.5",
            "--repeat",
            "1",
            "--only",
            "epoll",
            "--python-server",
        ],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if before:
        assert done.stderr.count("not done on this machine") == 1
