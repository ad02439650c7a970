"""The fuzzer's corpora pass, and a short fuzzing of every target breaks nothing (`make fuzz` takes hours)."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from lab.fuzz.__main__ import seeds_of, together, write_seeds
from lab.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "lab" / "fuzz" / "corpus"
INPUTS = 4000
IN_CI = sorted(
    TARGETS.keys() - {"report"}
)  # reports read what a journal let through: `make fuzz` looks there


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_corpus_breaks_nothing(name: str) -> None:
    seeds = sorted(seeds_of(name).iterdir())
    assert len(seeds) > 1
    for seed in seeds:
        TARGETS[name](seed.read_bytes())
        for cut in range(0, seed.stat().st_size, 97):
            TARGETS[name](seed.read_bytes()[:cut])


def test_corpora_are_small() -> None:
    assert all(path.stat().st_size < 32_768 for path in CORPUS.rglob("*") if path.is_file())


@pytest.mark.e2e
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed: nothing was fuzzed")
def test_a_short_fuzzing_breaks_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab.fuzz", *IN_CI, "--together", "--runs", str(INPUTS), "--work", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    assert f"executed_units: {INPUTS}" in done.stderr


def test_the_first_byte_of_an_input_names_its_target(tmp_path: Path) -> None:
    given: list[tuple[str, bytes]] = []
    target = together([lambda data: given.append(("a", data)), lambda data: given.append(("b", data))])
    for data in (b"", b"\0one", b"\1two", b"\xff"):
        target(data)
    assert given == [("a", b"one"), ("b", b"two"), ("b", b"")]
    write_seeds(["jmx", "jtl"], tmp_path)
    assert {path.read_bytes()[0] for path in tmp_path.glob("jtl-*")} == {1}
    assert len(list(tmp_path.iterdir())) == len([*seeds_of("jmx").iterdir(), *seeds_of("jtl").iterdir()])
