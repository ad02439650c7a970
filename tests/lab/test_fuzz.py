"""The fuzzer's corpora pass, and a short fuzzing of every target breaks nothing (`make fuzz` takes hours)."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from lab.fuzz.__main__ import SHARED
from lab.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "lab" / "fuzz" / "corpus"
SECONDS = 1
IN_CI = sorted(
    TARGETS.keys() - {"report"}
)  # reports read what a journal let through: `make fuzz` looks there


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_corpus_breaks_nothing(name: str) -> None:
    seeds = sorted((CORPUS / SHARED.get(name, name)).iterdir())
    assert len(seeds) > 1
    for seed in seeds:
        TARGETS[name](seed.read_bytes())
        for cut in range(0, seed.stat().st_size, 97):
            TARGETS[name](seed.read_bytes()[:cut])


def test_corpora_are_small() -> None:
    assert all(path.stat().st_size < 32_768 for path in CORPUS.rglob("*") if path.is_file())


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed: nothing was fuzzed")
def test_a_short_fuzzing_breaks_nothing() -> None:
    def fuzz(name: str) -> tuple[str, int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "lab.fuzz", "--here", name, "--seconds", str(SECONDS)],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return name, done.returncode, done.stdout[-1500:] + done.stderr[-1500:]

    with ThreadPoolExecutor(2) as pool:
        broken = [(name, words) for name, code, words in pool.map(fuzz, IN_CI) if code]
    assert not broken, broken
