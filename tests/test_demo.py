"""The demonstration ends with its comparison and its pictures, whatever becomes of its runs."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from chatload.__main__ import main
from chatload.cli import demo as module
from chatload.cli.child_process import run_to_end
from tests.runs_builder import HERE


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int, Path]]:
    """Run the demo with runs that end as told: (exit code, recorded run) by server; gives its code and folder.

    Pictures take seconds: they are left out, except where the steps are apart.
    """

    monkeypatch.setattr(module, "interrupt_on_sigterm", lambda: None)  # of this process, too

    def in_this_process(command: Sequence[str]) -> int:
        _, _, _, *arguments = command
        return 0 if arguments[0] == "plots" else main(arguments)

    def run(*, apart: bool = False, **ends: tuple[int, str | None]) -> tuple[int, Path]:
        def load(config: str, server: str, port: int, out: Path) -> int:
            code, recorded = ends[server]
            if recorded is not None:
                shutil.copytree(HERE / recorded, out)
            return code

        if not apart:
            monkeypatch.setattr(module, "run_to_end", in_this_process)
            monkeypatch.setattr("plots.report.figures.figures", lambda runs: [])
        monkeypatch.setattr(module, "_load", load)
        monkeypatch.setattr(
            module, "simulated_servers", lambda port, truth: contextlib.nullcontext(["http://v", "http://t"])
        )
        folder = tmp_path / "demo"
        return main(["demo", "--out", str(folder)]), folder

    return run


@pytest.mark.parametrize(
    ("vllm", "tgi", "code"),
    [
        ((4, "vllm"), (0, "tgi"), 4),
        ((0, "vllm"), (4, "tgi"), 4),
        ((1, "troubled"), (0, "tgi"), 1),
        ((1, "unreachable"), (4, "tgi"), 4),
        ((1, "unreachable"), (1, "troubled"), 1),
        ((3, "vllm"), (1, "tgi"), 3),
    ],
)
def test_it_ends_with_what_is_doubtful_and_the_comparison(
    ending: Callable[..., tuple[int, Path]],
    capfd: pytest.CaptureFixture[str],
    vllm: tuple[int, str],
    tgi: tuple[int, str],
    code: int,
) -> None:
    got, folder = ending(vllm=vllm, tgi=tgi)
    printed = capfd.readouterr()
    assert got == code, printed.err
    assert (folder / "report.html").is_file()
    lines = printed.out.splitlines()
    doubted = [f"against {server} " for server, (end, _) in (("vllm", vllm), ("tgi", tgi)) if end]
    assert [words in line for words, line in zip(doubted, lines, strict=False)] == [True] * len(doubted)
    assert all(line.startswith("WARNING: ") for line in lines[: len(doubted)])
    assert "Warnings about " in printed.out


@pytest.mark.e2e
def test_its_steps_are_processes_of_their_own(
    ending: Callable[..., tuple[int, Path]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """One picture stands for all; the page is written in the tests above."""

    def quickly(command: Sequence[str]) -> int:
        if "--html" in command:
            return 0
        return run_to_end(
            [*command, "--only", "ttft_cdf", "--format", "png"] if "plots" in command else command
        )

    monkeypatch.setattr(module, "run_to_end", quickly)
    got, folder = ending(apart=True, vllm=(0, "vllm"), tgi=(0, "tgi"))
    printed = capfd.readouterr()
    assert got == 0, printed.err
    assert [path.name for path in (folder / "plots").iterdir()] == ["ttft_cdf.png"]
    assert "Warnings about " in printed.out


def test_a_run_that_could_not_be_held_ends_it_with_what_there_is(
    ending: Callable[..., tuple[int, Path]], capfd: pytest.CaptureFixture[str]
) -> None:
    code, folder = ending(vllm=(0, "vllm"), tgi=(2, None))
    printed = capfd.readouterr()
    assert code == 2
    assert "the run against tgi ended with exit code 2: stopped" in printed.err
    assert (folder / "report.html").is_file()


def test_a_run_that_was_killed_is_our_error(ending: Callable[..., tuple[int, Path]]) -> None:
    assert ending(vllm=(-9, None), tgi=(0, "tgi"))[0] == 2


def test_nothing_held_is_no_traceback(
    ending: Callable[..., tuple[int, Path]], capfd: pytest.CaptureFixture[str]
) -> None:
    assert ending(vllm=(2, None), tgi=(0, "tgi"))[0] == 2
    assert "Traceback" not in capfd.readouterr().err


def test_a_picture_that_fails_is_told(
    ending: Callable[..., tuple[int, Path]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module, "run_to_end", lambda command: 2 if "plots" in command else 0)
    assert ending(apart=True, vllm=(0, "vllm"), tgi=(1, "troubled"))[0] == 2
    assert "a step after the runs failed" in capfd.readouterr().err
