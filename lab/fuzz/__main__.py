"""`python -m lab.fuzz [TARGET …] [--seconds N]`: fuzzes each target in its own process for N seconds or until it fails.

Needs atheris (PyPI). Corpora: lab/fuzz/corpus/<target>. New inputs and failures go to .fuzz/.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORK = ROOT / ".fuzz"
RUN_FOLDERS = "journal"
"""The corpus that every target fed with a run folder shares."""
SHARED = {"report": RUN_FOLDERS, "jtl": RUN_FOLDERS}
RSS_LIMIT_MB, TIMEOUT_S, LONGEST_BYTES = 1024, 10, 65_536


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one target; ends the process, with a code other than 0 if it failed."""
    import atheris

    with atheris.instrument_imports(include=["chatload"]):
        from lab.fuzz.targets import TARGETS
    new, found = WORK / "corpus" / name, WORK / "found"
    for folder in (new, found):
        folder.mkdir(parents=True, exist_ok=True)
    arguments = [
        sys.argv[0],
        str(new),
        str(HERE / "corpus" / SHARED.get(name, name)),
        f"-max_total_time={seconds}",
        f"-timeout={TIMEOUT_S}",
        f"-rss_limit_mb={RSS_LIMIT_MB}",
        f"-max_len={LONGEST_BYTES}",
        f"-artifact_prefix={found}/{name}-",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup(arguments, TARGETS[name])
    atheris.Fuzz()


def main() -> int:
    """Fuzz the targets named, one after another; all without a name."""
    names = sorted({path.name for path in (HERE / "corpus").iterdir()} | SHARED.keys())
    parser = argparse.ArgumentParser(prog="python -m lab.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(names)}")
    parser.add_argument("--seconds", type=int, default=600, help="of each target (600)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    unknown = set(chosen.targets) - set(names)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if find_spec("atheris") is None:
        print("fuzz: needs atheris: pip install atheris", file=sys.stderr)
        return 3
    if chosen.here:
        fuzz(chosen.targets[0], chosen.seconds)
    failed = []
    for name in chosen.targets or names:
        print(f"fuzz: {name}, {chosen.seconds} s", flush=True)
        command = [sys.executable, "-m", "lab.fuzz", "--here", name, "--seconds", str(chosen.seconds)]
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            failed.append(name)
    print(f"fuzz: failed: {', '.join(failed)}, see .fuzz/found" if failed else "fuzz: no target failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
