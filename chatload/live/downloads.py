"""Files of a run folder that can be downloaded. Names are fixed: no text from a browser becomes a path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chatload.store.journal_files import journal_files, raw_lines

REPORT = "report.html"
KINDS = {
    REPORT: "text/html",
    "summary.json": "application/json",
    "manifest.json": "application/json",
    "results.jtl": "text/csv",
    "junit.xml": "application/xml",
    "summary.md": "text/markdown",
}
JOURNAL = "journal.jsonl"
"""All journals of the run in one, each line once."""
PICTURES = {".png": "image/png", ".svg": "image/svg+xml", ".pdf": "application/pdf"}
FRESH_NS = 5_000_000_000
_BLOCK_BYTES = 65536


class Offered:
    """Files and plots of a folder for the page; while its run goes on, they are looked for every 5 s only."""

    def __init__(self) -> None:
        self._of: Path | None = None
        self._again_ns = 0
        self._found: tuple[list[str], list[str]] = ([], [])

    def of(self, folder: Path | None, now_ns: int, *, going: bool) -> tuple[list[str], list[str]]:
        """(names of files, names of plots)."""
        if not going or folder != self._of or now_ns >= self._again_ns:
            self._of, self._again_ns = folder, now_ns + FRESH_NS
            self._found = offered(folder), pictures(folder)
        return self._found


def offered(folder: Path | None) -> list[str]:
    """Names of the files that are there now."""
    if folder is None:
        return []
    found = [name for name in KINDS if _is_plain(folder / name)]
    if journal_files(folder):
        found.append(JOURNAL)
    return found


def pictures(folder: Path | None) -> list[str]:
    """Names of the plots, in order."""
    if folder is None or not (folder / "plots").is_dir():
        return []
    paths = (folder / "plots").iterdir()
    return sorted(path.name for path in paths if path.suffix in PICTURES and _is_plain(path))


def merged_journal(folder: Path) -> Iterator[bytes]:
    """The lines of all journals of the run, each once, in blocks. A torn last line is left out."""
    seen: set[int] = set()
    block: list[bytes] = []
    size = 0
    for path in journal_files(folder):
        for line in raw_lines(path):
            mark = hash(line)
            if mark in seen or not line.endswith(b"\n"):
                continue
            seen.add(mark)
            block.append(line)
            size += len(line)
            if size >= _BLOCK_BYTES:
                yield b"".join(block)
                block, size = [], 0
    if block:
        yield b"".join(block)


def _is_plain(path: Path) -> bool:
    """Whether it is a regular file and no link."""
    return path.is_file() and not path.is_symlink()
