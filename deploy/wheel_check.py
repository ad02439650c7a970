"""Builds the wheel, installs it into a clean environment, and uses it as a newcomer would, in an empty folder.

`python -m deploy.wheel_check [--python PYTHON]` (`make wheel-check`): needs a package index; about 4 minutes. The test
suite builds the wheel with `build_wheel` too, and tries less of it.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOT_TRUSTED = 4
PARTS = (
    "chatload", "simulator", "plots", "locustfiles", "scenarios", "setup.py", "pyproject.toml", "MANIFEST.in",
    "requirements.txt", "README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md",
)  # fmt: skip
"""What of the checkout a package is built of."""
READY_S = 120.0  # for a busy machine


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, made in `folder` from a copy, without a package index."""
    source = folder / "source"
    source.mkdir(parents=True)
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PARTS],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in names:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    lines = f"from setuptools.build_meta import build_wheel; build_wheel({str(folder)!r})"
    done = subprocess.run(
        [sys.executable, "-c", lines], cwd=source, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"the wheel was not built:\n{done.stdout}{done.stderr}")
    return next(folder.glob("*.whl"))


class Installed:
    """An environment with the wheel, and an empty folder to work in."""

    def __init__(self, commands: Path, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.commands, self.folder = commands, folder
        self.environment = dict(os.environ if environment is None else environment)

    def chatload(self, *words: str, codes: Sequence[int] = (0,)) -> str:
        """The output of a command; SystemExit with it where the exit code is not among `codes`."""
        began = time.monotonic()
        done = subprocess.run(
            [self.commands / "chatload", *words],
            cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        if done.returncode not in codes:
            raise SystemExit(f"chatload {' '.join(words)}: exit code {done.returncode}\n{done.stdout}")
        print(f"{time.monotonic() - began:6.1f} s  chatload {' '.join(words)}", flush=True)
        return done.stdout

    @contextmanager
    def started(self, *words: str) -> Iterator[Path]:
        """A command that goes on while the block lasts; gives its log."""
        log = self.folder / f"{words[0]}.log"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [self.commands / "chatload", *words],
                cwd=self.folder, env=self.environment, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            yield log
        finally:
            process.terminate()
            process.wait(timeout=30)

    def runs(self) -> list[Path]:
        """The run folders in results/, oldest first."""
        return sorted(path.parent for path in self.folder.glob("results/*/manifest.json"))


@contextmanager
def simulated(installed: Installed) -> Iterator[str]:
    """A simulated server of the installed package; gives its address."""
    with installed.started("simulate", "--port-base", "0", "--answer-tokens", "12") as log:
        give_up = time.monotonic() + READY_S
        while "simulator: ready" not in log.read_text(encoding="utf-8"):
            if time.monotonic() > give_up:
                raise SystemExit(f"the simulator did not start:\n{log.read_text(encoding='utf-8')}")
            time.sleep(0.05)
        yield log.read_text(encoding="utf-8").split("listening on ")[1].split()[0]


def main(argv: Sequence[str]) -> int:
    """Try everything; SystemExit with the words of what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the clean environment")
    python = parser.parse_args(argv).python
    with tempfile.TemporaryDirectory(prefix="chatload-wheel-") as scratch:
        place = Path(scratch)
        wheel = build_wheel(place / "build")
        subprocess.run([python, "-m", "venv", place / "venv"], check=True)
        pip = [place / "venv/bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, wheel], check=True)
        work = place / "empty"
        work.mkdir()
        hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        try_all(Installed(place / "venv/bin", work, environment))
    print("the wheel works")
    return 0


def try_all(installed: Installed) -> None:
    """Every command that works on its own, in an empty folder. A busy machine may make runs doubtful (exit code 4)."""
    print(installed.chatload("--version").strip())
    installed.chatload("init", "my-test")
    held = (0, NOT_TRUSTED)
    quick = ("--users", "4", "--spawn-rate", "4", "--turns", "2", "--think-time", "0.1")
    with simulated(installed) as host:
        installed.chatload("run", "my-test/chat.toml", "--host", host, codes=held)
        installed.chatload("run", "chat-100-history", "--host", host, *quick, codes=held)
        installed.chatload(
            "run", "arrivals-at-once", "--host", host, "--requests", "20", "--lengths", "free", codes=held
        )
        web_page(installed, host)
    first, second, *_ = map(str, installed.runs())
    installed.chatload("report", first)
    installed.chatload("report", first, second, "--html", "both.html")
    installed.chatload("compare", first, second, "--force", codes=held)
    installed.chatload("plots", first)
    installed.chatload("export", "jtl", first)
    installed.chatload("certify", "--users", "5", "--turns", "2", codes=held)
    installed.chatload("demo", "--config", "smoke", codes=held)
    if not list(installed.folder.glob("results/demo-*/plots/*.png")):
        raise SystemExit("the demo drew no pictures")


def web_page(installed: Installed, host: str) -> None:
    """The web UI with its live page and the page's script."""
    port = free_port()
    with installed.started("run", "chat", "--host", host, "--web-port", str(port)):
        for path, words in (
            ("/", b"ocust"),
            ("/chatload", b"<html"),
            ("/chatload/assets/live.js", b"function"),
        ):
            if words not in fetched(f"http://127.0.0.1:{port}{path}"):
                raise SystemExit(f"{path}: {words!r} is not in it")
            print(f"          GET {path}", flush=True)


def free_port() -> int:
    """A port of the kernel's choice."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def fetched(address: str) -> bytes:
    """The body at an address, waiting for its server to start."""
    give_up = time.monotonic() + READY_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{address}: {error}") from error
        except OSError as error:
            if time.monotonic() > give_up:
                raise SystemExit(f"{address}: {error}") from error
            time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
