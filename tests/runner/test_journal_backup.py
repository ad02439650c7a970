"""Where a worker keeps its copy of its journal when the master's run folder is not to be had on its host."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from chatload.runner.journal_backup import folder_for_copy


@pytest.fixture
def below_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run folder nobody can make, not even root; the worker stands in a folder of its own."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return str(tmp_path / "file" / "run")


def test_the_master_s_folder_where_it_can_be_written(tmp_path: Path) -> None:
    assert folder_for_copy(str(tmp_path / "run"), "w1") == (str(tmp_path / "run"), None)
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


def test_else_a_results_folder_of_its_own(below_a_file: str) -> None:
    folder, words = folder_for_copy(below_a_file, "w1")
    assert folder == "results/run"
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    assert words == (
        f"{below_a_file} cannot be written here (Not a directory): "
        f"this worker keeps its own copy of its journal in {Path(folder).resolve()}"
    )


def test_else_a_temporary_one(below_a_file: str) -> None:
    Path("results").write_text("no folder", encoding="utf-8")
    folder, words = folder_for_copy(below_a_file, "w1")
    assert Path(folder).name.startswith("chatload-")
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    assert words is not None
    assert words.endswith(folder)


def test_else_none_and_that_is_said(
    below_a_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("results").write_text("no folder", encoding="utf-8")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    folder, words = folder_for_copy(below_a_file, "w1")
    assert folder == below_a_file
    assert words is not None
    assert "keeps no copy of its journal" in words
