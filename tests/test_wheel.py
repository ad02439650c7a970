"""The wheel, installed elsewhere, has all it needs. `make wheel-check` tries more of it, in a clean environment."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

from chatload import __version__
from deploy.wheel_check import ROOT, Installed, build_wheel, simulated

pytestmark = pytest.mark.e2e
HELD = (0, 4)
"""Exit codes of a run whose turns are good; 4 on a busy machine."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in a folder on PYTHONPATH, with this environment's packages, and an empty folder to work in.

    Unpacked, with the script that an installer makes of its entry point: pip would take 3 s (`make wheel-check`).
    """
    place = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    (told,) = place.glob("*.dist-info/entry_points.txt")
    points = ConfigParser()
    points.read(told, encoding="utf-8")
    module, _, function = points["console_scripts"]["chatload"].partition(":")
    script = place / "bin" / "chatload"
    script.parent.mkdir()
    lines = f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
    script.write_text(lines, encoding="utf-8")
    script.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(place)}
    return Installed(place / "bin", tmp_path_factory.mktemp("empty"), environment)


def files_of(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_file_of_the_packages_is_in_it(wheel: Path) -> None:
    """Data files too; what is not in a package of its own is in `chatload/`."""
    found = files_of(wheel)
    told = subprocess.run(
        ["git", "ls-files", "chatload", "simulator", "plots", "scenarios", "locustfiles"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    moved = [f"chatload/{name}" if name.startswith(("scenarios", "locustfiles")) else name for name in told]
    assert [
        name for name in moved if (ROOT / name.removeprefix("chatload/")).exists() and name not in found
    ] == []
    tops = {name.partition("/")[0] for name in found}
    assert tops == {"chatload", "simulator", "plots", f"chatload-{__version__}.dist-info"}


def test_a_newcomer_gets_a_report_in_an_empty_folder(installed: Installed) -> None:
    """Also with files in that folder which have the names of our packages."""
    assert installed.chatload("--version") == f"chatload {__version__}\n"
    installed.chatload("init", ".")
    for name in ("plots.py", "simulator_notes.py"):
        (installed.folder / name).write_text(
            "raise SystemExit('this is not of chatload')\n", encoding="utf-8"
        )
    load = ("--users", "2", "--spawn-rate", "50", "--turns", "2", "--think-time", "0", "--max-tokens", "6")
    with simulated(installed) as host:
        told = installed.chatload(
            "run", "chat.toml", "--host", host, "--out", "results/run", *load, codes=HELD
        )
    assert "4 of 4 turns good" in told
    assert "locust.main" not in told  # Locust's own notes
    assert "4 of 4 turns good" in installed.chatload("report", "results/run")
    assert (installed.folder / "results" / "run" / "report.html").stat().st_size > 10_000
    drawn = installed.chatload("plots", "results/run", "--only", "ttft_cdf", "--format", "svg")
    assert drawn.split() == ["results/run/plots/ttft_cdf.svg"]


def test_locusts_help_tells_where_our_options_are(installed: Installed) -> None:
    """It is printed before the locustfile is read, so an entry point of the installed package says it."""
    words = [sys.executable, "-B", "-m", "locust", "-f", "x.py", "--help"]  # -B: not from tests/warm.py
    done = subprocess.run(
        words, cwd=installed.folder, env=installed.environment, capture_output=True, text=True, check=True
    )
    assert "All of them: chatload options" in done.stdout.splitlines()[-1]


def test_certify_and_history_find_their_files(installed: Installed) -> None:
    """In Python of its own: a run of each takes seconds (`make wheel-check`)."""
    lines = """
from chatload.certify.measure import CLIENT
from chatload.prompts.conversation_file import SHIPPED_CONVERSATIONS, load_conversations
from chatload.cli.scenario_files import locust_arguments
from pathlib import Path
assert CLIENT.is_file(), CLIENT
assert "chatload/scenarios" in str(SHIPPED_CONVERSATIONS)
assert len(load_conversations(SHIPPED_CONVERSATIONS).scripts) > 10
assert all(Path(word).is_file() for word in locust_arguments(["smoke"])[1:4:2])
"""
    words = [sys.executable, "-c", lines]
    done = subprocess.run(
        words, cwd=installed.folder, env=installed.environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
