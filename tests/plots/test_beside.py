"""Figures that processes beside this one draw: the same as those drawn here, and no process is left."""

from __future__ import annotations

import atexit
import io
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from chatload.store.journal import Run, read_run
from plots import registry
from plots.picture import Picture
from plots.registry import PICTURES
from plots.report import beside
from plots.report.beside import side_by_side
from plots.report.figures import figures
from tests.runs_builder import HERE


def test_several_processes_draw_what_one_does_and_one_that_dies_leaves_its_picture_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    runs = [read_run(HERE / "tiny")]
    monkeypatch.setattr(beside, "TURNS_A_PROCESS", 1)
    monkeypatch.setattr(beside, "cores", lambda: 2)
    chosen = {name: PICTURES[name] for name in ("ttft_cdf", "comparison", "first_byte")}
    for module in (registry, "plots.report.figures"):
        path = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{path}.PICTURES", chosen)
    assert not PICTURES["comparison"].fits(runs)
    here = os.getpid()
    assert side_by_side(runs) == figures(runs)

    def die(runs: list[Run], figure: object) -> None:
        assert os.getpid() != here
        assert [*tmp_path.iterdir()] == [], "no file is left where all processes are ended"
        os._exit(1)

    chosen["died"] = Picture("died", "Who dies?", die)  # type: ignore[arg-type]
    drawn = side_by_side(runs)
    assert [one.question for one in drawn] == [*(one.question for one in figures(runs)[:2]), "Who dies?"]
    assert drawn[-1].note == "not drawn: the process that drew it was ended"
    assert beside._read(io.BytesIO(pickle.dumps(drawn[0])[:-9]), "Who dies?") == drawn[-1]
    assert psutil.Process().children() == []


@pytest.mark.e2e
def test_a_process_draws_a_folder_while_a_block_goes_on_and_ends_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(HERE / "tiny", tmp_path / "run"))
    drawing = beside.DrawingProcess()
    with drawing.beside(tmp_path / "none") as drawn:
        assert drawn() == ()
    assert "report.html has no pictures, their process ended with 1" in capsys.readouterr().err
    before = {one.pid for one in psutil.Process().children()}
    drawing.begin()
    (process,) = (one for one in psutil.Process().children() if one.pid not in before)
    assert os.getpgid(process.pid) == process.pid, "the terminal's Ctrl-C does not end it before us"
    with drawing.beside(folder) as drawn:
        assert drawn(), "the process that was begun before"
        assert not process.is_running()
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    with drawing.beside(folder):
        (process,) = (one for one in psutil.Process().children() if one.pid not in before)
        at_exit[0]()
        assert not process.is_running()
    drawing.begin()
    (process,) = (one for one in psutil.Process().children() if one.pid not in before)
    assert drawing._process is not None and drawing._process.stdin is not None
    drawing._process.stdin.close()  # as where we are killed
    assert process.wait(20) == 0 and not capsys.readouterr().err
    drawing.end()
