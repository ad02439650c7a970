"""report.html in a real Chromium: nothing a server said runs, nothing is asked of any network, no complaint."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from chatload.analysis.summary import summarise
from chatload.render.html import report_html
from chatload.store.journal import read_run
from plots.report.figures import figures
from tests.runs_builder import HERE, Shape, as_failed, good_turns, manifest_of, user_lines, write_run

OWNED = "<script>document.title='owned'</script>\"><img src=x onerror=\"document.title='owned'\">"
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
)


@pytest.fixture
def chromium() -> str:
    """Debian's Chromium; skipped where there is none, but never in CI."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        reason = "no Chromium here: apt-get install chromium to see report.html tested in a browser"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def opened(chromium: str, page: Path, profile: Path) -> tuple[str, str]:
    """(the page as Chromium built it, what its console said)."""
    done = subprocess.run(
        [chromium, *QUIET, f"--user-data-dir={profile}", "--dump-dom", f"file://{page}"],
        capture_output=True,
        timeout=60,
        check=True,
    )
    said = done.stderr.decode(errors="replace")
    return done.stdout.decode(), "\n".join(line for line in said.splitlines() if "CONSOLE" in line)


@pytest.mark.e2e
def test_hostile_words_do_nothing_and_the_console_is_silent(chromium: str, tmp_path: Path) -> None:
    shape = Shape(users=3, turns=4, text=OWNED, words=OWNED)
    turns = good_turns(shape)
    turns[1] = as_failed(turns[1], "in_band_error", OWNED)
    manifest = manifest_of(shape, turns, label=OWNED, scenario=OWNED)
    evil = read_run(write_run(tmp_path / "run", manifest, turns, user_lines(turns)))
    for number, runs in enumerate(([evil], [evil, read_run(HERE / "vllm")])):
        page = tmp_path / f"{number}.html"
        page.write_text(report_html(runs, [summarise(run) for run in runs], figures(runs)), encoding="utf-8")
        built, console = opened(chromium, page, tmp_path / f"profile{number}")
        assert console == ""
        assert "<title>owned" not in built
        assert "<script" not in built
        assert "<img" not in built
        assert "first token after" in built
