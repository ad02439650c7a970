"""Compact journals: every command reads them as the plain ones, and gives their bytes back."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import orjson
import pytest

from chatload.__main__ import main
from chatload.live.downloads import merged_journal, offered
from chatload.store.journal import read_run
from chatload.store.new_folder import holds_run

RUNS = Path(__file__).parents[1] / "runs"


def copied(name: str, folder: Path, *, compact: bool = False) -> Path:
    shutil.copytree(RUNS / name, folder)
    if compact:
        assert main(["compact", str(folder)]) == 0
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*journal*"))


@pytest.mark.parametrize("name", ["troubled", "steady", "unreachable"])
def test_the_lines_come_back_byte_by_byte(
    name: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    folder = copied(name, tmp_path / "run")
    plain = {path.name: path.read_bytes() for path in sorted(folder.glob("journal-*"))}
    assert main(["export", "jsonl", str(folder), "-o", str(tmp_path / "before")]) == 0
    assert (tmp_path / "before").read_bytes() == b"".join(plain.values())
    assert main(["compact", str(folder)]) == 0
    assert names(folder) == [f"{one}.gz" for one in plain]
    if name != "unreachable":
        assert (
            sum(path.stat().st_size for path in folder.glob("journal-*")) < len(b"".join(plain.values())) / 2
        )
    assert all(gzip.decompress((folder / f"{one}.gz").read_bytes()) == held for one, held in plain.items())
    capfdbinary.readouterr()
    assert main(["export", "jsonl", str(folder)]) == 0
    assert capfdbinary.readouterr().out == b"".join(plain.values())


def test_every_command_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [
        ["report", "RUN"],
        ["report", "RUN", "--csv-turns"],
        ["report", "RUN", "--json"],
        ["check", "RUN", "--slo", "p50 ttft_ms <= 1000"],
        ["compare", "RUN", str(RUNS / "slower"), "--force"],
        ["export", "jtl", "RUN"],
        ["export", "schedule", "RUN", "--for", "vllm"],
        ["history", "PARENT"],
    ]
    said = []
    for compact in (False, True):
        parent = tmp_path / "results"
        folder = copied("steady", parent / "run", compact=compact)
        capsys.readouterr()
        words = {"RUN": str(folder), "PARENT": str(parent)}
        codes = [main([words.get(word, word) for word in command]) for command in commands]
        said.append((codes, capsys.readouterr().out, list(merged_journal(folder)), offered(folder)))
        assert holds_run(folder)
        shutil.rmtree(parent)
    assert said[0] == said[1]


def test_a_run_that_has_not_ended_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied("steady", tmp_path / "run")
    manifest = orjson.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_bytes(orjson.dumps({**manifest, "ended": "running"}))
    other = copied("tiny", tmp_path / "other")
    assert main(["compact", str(other), str(folder), str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert "has not ended" in said and "none" in said
    assert names(folder) == ["journal-local.jsonl"] == names(other)
    assert main(["compact", "--force", str(folder)]) == 0
    assert names(folder) == ["journal-local.jsonl.gz"]
    assert main(["compact", str(folder), "--force"]) == 0
    assert "is compact" in capsys.readouterr().out


def test_a_damaged_one_is_an_incomplete_line_and_what_was_lost_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = read_run(copied("steady", tmp_path / "run", compact=True))
    path = whole.folder / "journal-local.jsonl.gz"
    for damaged in (
        path.read_bytes()[: path.stat().st_size // 2],
        b"no gzip",
        path.read_bytes()[:-20] + bytes(20),
    ):
        path.write_bytes(damaged)
        found = read_run(whole.folder)
        assert found.torn_lines == 1
        assert len(found.turns) <= len(whole.turns)
        assert {*found.turns} <= {*whole.turns}
        assert "A compact journal is damaged: its further lines are lost." in found.missing
        assert main(["export", "jsonl", str(whole.folder), "-o", str(tmp_path / "out")]) == 2
        assert "is damaged" in capsys.readouterr().err


def test_compacting_that_was_interrupted_loses_nothing(tmp_path: Path) -> None:
    folder = copied("steady", tmp_path / "run", compact=True)
    shutil.copy(RUNS / "steady" / "journal-local.jsonl", folder)
    (folder / ".journal-local.jsonl.gz.part").write_bytes(b"half")
    plain = read_run(RUNS / "steady")
    assert read_run(folder).turns == plain.turns and read_run(folder).missing == plain.missing
    assert main(["compact", str(folder)]) == 0
    assert names(folder) == ["journal-local.jsonl.gz"]
    assert read_run(folder).turns == plain.turns
