"""A run of Locust that a test starts warm is one that it would start from nothing."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import warm

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        sys.platform != "linux" or "CHATLOAD_TEST_COLD" in os.environ, reason="every start is cold"
    ),
]

TELLS_ALL = """
import json, os, resource, signal, sys, threading
import gevent, locust

loop = gevent.get_hub().loop
files = [os.path.realpath(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd")]
found = {
    "now": loop.now(), "descriptor": loop.fileno() > 0,
    "argv": sys.argv[1:], "path": sys.path, "folder": os.getcwd(), "environment": dict(os.environ),
    "parent": os.getppid(), "session": os.getsid(0) == os.getpid(), "group": os.getpgid(0) == os.getpid(),
    "files": sorted(one for one in files if not one.startswith("/proc")),
    "encodings": [sys.stdout.encoding, sys.stderr.encoding, sys.getfilesystemencoding()],
    "signals": [getattr(one, "__name__", one) for one in map(signal.getsignal, sorted(signal.valid_signals()))],
    "limit": resource.getrlimit(resource.RLIMIT_FSIZE), "threads": [one.name for one in threading.enumerate()],
}
print(json.dumps(found, default=str))
sys.exit(7)
"""


@pytest.fixture(autouse=True)
def _hangup_as_in_a_terminal() -> Iterator[None]:
    """A suite started by nohup ignores SIGHUP. A cold start inherits that, a warm one does not (tests/warm.py)."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def told(folder: Path, **how: Any) -> dict[str, Any]:
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(folder / "tells.py"), "--headless", "-u", "1"],
        cwd=folder, capture_output=True, text=True, timeout=60, **how,
    )  # fmt: skip
    assert done.returncode == 7, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    assert found.pop("now") > began, "the loop's timers begin to run when the process starts"
    return found


@pytest.mark.parametrize(
    "how",
    [
        {},
        {
            "env": {"PATH": "", "PYTHONPATH": "/nowhere:/else", "A": "ä"},
            "start_new_session": True,
            "limits": [(resource.RLIMIT_FSIZE, 5000)],
            "stdin": subprocess.DEVNULL,
        },
    ],
    ids=["plain", "all"],
)
def test_a_warm_start_is_as_a_cold_one(
    how: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tells.py").write_text(TELLS_ALL, encoding="utf-8")
    how = {**how, "env": warm.read_at_start() | how.get("env", dict(os.environ))}
    monkeypatch.delenv("CHATLOAD_TEST_COLD", raising=False)
    one, other = told(tmp_path, **how), told(tmp_path, **how)
    assert one == other, "the second start finds nothing of the first"
    assert one.pop("parent") != os.getpid(), "it is a helper that started it"
    monkeypatch.setenv("CHATLOAD_TEST_COLD", "1")
    cold = told(tmp_path, **how)
    assert cold.pop("parent") == os.getpid()
    assert cold == one


def test_a_signal_ends_it_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "sleeps.py").write_text(
        'import time\nprint("here", flush=True)\ntime.sleep(60)\n', encoding="utf-8"
    )
    command = [sys.executable, "-m", "locust", "-f", str(tmp_path / "sleeps.py")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.kill()
    assert process.communicate(timeout=10) == ("", None)
    assert process.returncode == -signal.SIGKILL


def test_what_is_read_before_our_arguments_makes_it_start_cold() -> None:
    command = [sys.executable, "-m", "locust"]
    assert (
        warm.helper_for(command, {}) is warm.helper_for(command, {"env": os.environ | {"A": "b"}}) is not None
    )
    for how in ({"env": os.environ | {"LC_ALL": "C"}}, {"preexec_fn": print}, {"pass_fds": (3,)}):
        assert warm.helper_for(command, how) is None
    assert warm.helper_for([sys.executable, "-m", "http.server"], {}) is None
