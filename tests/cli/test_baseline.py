"""`baseline add`: a set of alike, whole, trustworthy runs that `check` can use."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatload.__main__ import main
from tests.changes import replace
from tests.runs_builder import HERE, STEADY, write_good


def run(folder: Path, seed: int, **changes: object) -> str:
    return str(write_good(folder / f"run{seed}", replace(STEADY, seed=seed, **changes)))


def test_a_set_is_kept_and_check_uses_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "kept"
    for seeds in ((11,), (12,), (13, 14)):
        assert main(["baseline", "add", *(run(tmp_path, seed) for seed in seeds), str(kept)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{kept}: 1 baseline; from 4 on check knows what changes from run to run"
    assert said[2] == f"{kept}: 4 baselines"
    assert sorted(path.name for path in kept.glob("run-*/*"))[0] == "journal-local.jsonl"
    assert main(["check", run(tmp_path, 15), "--baseline", str(kept)]) == 0
    assert main(["check", run(tmp_path, 16, gap_ms=26.0), "--baseline", str(kept)]) == 3
    assert "worse beyond" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda at: run(at, 11), "run11 already"),
        (lambda at: run(at, 12, users=19), "not alike: users: baseline '20', run '19'"),
        (lambda at: str(HERE / "troubled"), "troubled: no baseline: It was stopped before its plan was done"),
        (lambda at: str(write_good(at / "late", replace(STEADY, seed=13), exit_code=4)),
         "no baseline: its measurement is not to be trusted"),
        (lambda at: "nowhere", "nowhere: not a run folder"),
    ],
)  # fmt: skip
def test_what_is_no_baseline_is_refused(
    make: object, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    assert main(["baseline", "add", run(tmp_path, 11), str(kept)]) == 0
    assert main(["baseline", "add", make(tmp_path), str(kept)]) == 2  # type: ignore[operator]
    assert words in capsys.readouterr().err
    assert len(list(kept.iterdir())) == 1


def test_a_copy_that_is_cut_short_is_no_baseline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk nothing is left; where the process was killed, the next `add` begins anew."""
    kept, made = tmp_path / "kept", run(tmp_path, 11)

    def full(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("shutil.copyfile", full)
        assert main(["baseline", "add", made, str(kept)]) == 2
    assert "run-11: cannot be written: No space left on device" in capsys.readouterr().err
    assert not list(kept.iterdir())
    (kept / "run-11").mkdir()
    (kept / "run-11" / "journal-local.jsonl.new").write_bytes(b"{")
    assert main(["baseline", "add", made, str(kept)]) == 0
    assert len(list((kept / "run-11").iterdir())) == 2
