"""`python -m lab.fuzz [TARGET …] [--seconds N]`: fuzzes each target in its own process for N seconds or until it fails.

`--together` gives all of them to one process, which takes a few seconds: the first byte of an input names its target.
Needs atheris (PyPI). Corpora: lab/fuzz/corpus/<target>. New inputs and failures go to .fuzz/.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUN_FOLDERS = "journal"
"""The corpus that every target fed with a run folder shares."""
SHARED = {"report": RUN_FOLDERS, "jtl": RUN_FOLDERS}
RSS_LIMIT_MB, TIMEOUT_S, LONGEST_BYTES = 1024, 10, 65_536

Target = Callable[[bytes], None]


def fuzz(names: Sequence[str], work: Path, limits: Sequence[str]) -> None:
    """Fuzz one target, or several together, within libFuzzer's limits; ends the process, not with 0 if one failed."""
    import atheris

    with atheris.instrument_imports(include=["chatload"]):
        from lab.fuzz.targets import TARGETS
    label = names[0] if len(names) == 1 else "together"
    new, found = work / "corpus" / label, work / "found"
    for folder in (new, found):
        folder.mkdir(parents=True, exist_ok=True)
    arguments = [
        sys.argv[0],
        str(new),
        *limits,
        f"-timeout={TIMEOUT_S}",
        f"-rss_limit_mb={RSS_LIMIT_MB}",
        f"-max_len={LONGEST_BYTES}",
        f"-artifact_prefix={found}/{label}-",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    if len(names) == 1:
        target = TARGETS[label]
        arguments.insert(2, str(seeds_of(label)))
    else:
        target = together([TARGETS[name] for name in names])
        write_seeds(names, new)
    atheris.Setup(arguments, target)
    atheris.Fuzz()


def seeds_of(name: str) -> Path:
    """The corpus folder of a target."""
    return HERE / "corpus" / SHARED.get(name, name)


def together(targets: Sequence[Target]) -> Target:
    """One target for all: the first byte of an input says whose it is."""

    def target(data: bytes) -> None:
        if data:
            targets[data[0] % len(targets)](data[1:])

    return target


def write_seeds(names: Sequence[str], folder: Path) -> None:
    """The corpora of these targets as inputs of `together`."""
    for place, name in enumerate(names):
        for seed in seeds_of(name).iterdir():
            (folder / f"{name}-{seed.name}").write_bytes(bytes([place]) + seed.read_bytes())


def main() -> int:
    """Fuzz the targets named, one after another; all without a name."""
    names = sorted({path.name for path in (HERE / "corpus").iterdir()} | SHARED.keys())
    parser = argparse.ArgumentParser(prog="python -m lab.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(names)}")
    parser.add_argument("--seconds", type=int, default=600, help="of each target (600)")
    parser.add_argument("--runs", type=int, default=0, help="inputs of each process, instead of --seconds")
    parser.add_argument("--together", action="store_true", help="all targets in one process")
    parser.add_argument(
        "--work", type=Path, default=ROOT / ".fuzz", help="folder of new inputs and failures (.fuzz)"
    )
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.targets) - set(names)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if find_spec("atheris") is None:
        print("fuzz: needs atheris: pip install atheris", file=sys.stderr)
        return 3
    chosen = options.targets or names
    if options.here:
        limits = (
            [f"-max_total_time={options.seconds}"]
            if not options.runs
            else [f"-runs={options.runs}", "-seed=1"]
        )
        fuzz(chosen, options.work, limits)
    limit = ["--runs", str(options.runs)] if options.runs else ["--seconds", str(options.seconds)]
    failed: list[str] = []
    for group in [chosen] if options.together else [[name] for name in chosen]:
        print(f"fuzz: {', '.join(group)} {' '.join(limit)}", flush=True)
        command = [sys.executable, "-m", "lab.fuzz", *group, *limit, "--work", str(options.work), "--here"]
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            failed += group
    print(
        f"fuzz: failed: {', '.join(failed)}, see {options.work}/found" if failed else "fuzz: no target failed"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
