"""Downloads: fixed names only, nothing outside the run's folder, each journal line once."""

from __future__ import annotations

from pathlib import Path

from chatload.live import downloads

S = 1_000_000_000


def folder_with(tmp_path: Path, *names: str) -> Path:
    folder = tmp_path / "run"
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n", encoding="utf-8")
    return folder


def test_only_known_names_that_are_there_are_offered(tmp_path: Path) -> None:
    folder = folder_with(
        tmp_path, "manifest.json", "journal-a.jsonl", "secret.txt", "plots/a.png", "plots/x.sh"
    )
    assert downloads.offered(folder) == ["manifest.json", "journal.jsonl"]
    assert downloads.pictures(folder) == ["a.png"]
    assert downloads.offered(None) == downloads.pictures(None) == []


def test_while_a_run_goes_on_files_are_looked_for_every_5_s(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "manifest.json")
    offered = downloads.Offered()
    assert offered.of(folder, 0, going=True) == (["manifest.json"], [])
    folder_with(tmp_path, "summary.json")
    assert offered.of(folder, 4 * S, going=True) == (["manifest.json"], [])
    assert offered.of(folder, 5 * S, going=True) == (["summary.json", "manifest.json"], [])
    folder_with(tmp_path, "report.html")
    assert offered.of(folder, 6 * S, going=False)[0][0] == "report.html", "at once when it has ended"
    assert offered.of(tmp_path / "other", 7 * S, going=True) == ([], []), "another run"


def test_a_link_to_elsewhere_is_not_offered(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "manifest.json", "plots/a.png")
    outside = tmp_path / "outside"
    outside.write_text("private", encoding="utf-8")
    (folder / "summary.json").symlink_to(outside)
    (folder / "plots" / "b.png").symlink_to(outside)
    assert downloads.offered(folder) == ["manifest.json"]
    assert downloads.pictures(folder) == ["a.png"]


def test_journals_are_merged_each_line_once_without_a_torn_tail(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "manifest.json")
    (folder / "journal-a.jsonl").write_bytes(b'{"n":1}\n{"n":2}\n{"torn')
    (folder / "journal-master.jsonl").write_bytes(b'{"n":1}\n{"n":2}\n{"n":3}\n')
    (folder / "journal-z.jsonl").write_bytes(b"".join(b'{"z":%d}\n' % n for n in range(20_000)))
    lines = b"".join(downloads.merged_journal(folder)).splitlines()
    assert lines[:3] == [b'{"n":1}', b'{"n":2}', b'{"n":3}']
    assert len(lines) == 20_003
