"""`make audit`: is a known vulnerability among the packages we run with and test with? TurnSpec of PyPI by pip-audit.

Everything installed in this environment is asked about (requirements.txt, tests/requirements.txt, and what they bring
along), by name and version. pip-audit lives in an environment of its own. Exit code 1 on a known vulnerability. Where
nobody can be asked, that is said loudly, and is no failure unless AUDIT_REQUIRED=1.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PIP_AUDIT = "pip-audit==2.10.1"
HOME = ROOT / ".venv" / "audit"
LIMIT_S = 300
BAR = "!" * 78

ACCEPTED: Mapping[str, str] = {}
"""Vulnerabilities that do not touch us: id → why. Empty is best."""


def main() -> int:
    """Install, ask, judge, say."""
    try:
        tool = installed_tool()
    except (OSError, subprocess.SubprocessError) as error:
        code, lines = not_done(f"{PIP_AUDIT} could not be installed: {_last_line(error)}")
    else:
        code, lines = judge(*ask(tool, packages()))
    print("\n".join(lines), flush=True)
    return code


def packages() -> list[str]:
    """Everything installed here but ourselves and pip's own, as name==version."""
    found = {
        f"{one.metadata['Name']}=={one.version}"
        for one in importlib.metadata.distributions()
        if one.metadata["Name"] and one.metadata["Name"].lower() != "chatload"
    }
    return sorted(found, key=str.lower)


def installed_tool() -> Path:
    """pip-audit, in its own environment."""
    tool = HOME / "bin" / "pip-audit"
    if not tool.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True, capture_output=True)
        pip = [str(HOME / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, PIP_AUDIT], check=True, capture_output=True, text=True, timeout=LIMIT_S)
    return tool


def ask(tool: Path, names: Sequence[str]) -> tuple[str, str]:
    """What pip-audit answers: (its JSON, what it complained of)."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as frozen:
        frozen.write("\n".join(names) + "\n")
        frozen.flush()
        options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        try:
            done = subprocess.run(
                [str(tool), "-r", frozen.name, *options],
                capture_output=True, text=True, timeout=LIMIT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return "", f"no answer within {LIMIT_S} s"
    return done.stdout, done.stderr


def judge(answer: str, complaint: str) -> tuple[int, list[str]]:
    """(exit code, what to say). pip-audit's "no known vulnerabilities" also means that it found nobody to ask."""
    try:
        asked: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return not_done(_last_line(complaint) or "pip-audit gave no answer")
    known = [
        (one["name"], one["version"], flaw)
        for one in asked
        for flaw in one.get("vulns", [])
        if flaw["id"] not in ACCEPTED
    ]
    skipped = sorted(one["name"] for one in asked if "skip_reason" in one)
    if known:
        lines = [
            f"{name} {version}: {flaw['id']}, mended in {', '.join(flaw.get('fix_versions') or []) or 'no version yet'}"
            for name, version, flaw in known
        ]
        return 1, [f"audit: {len(known)} known vulnerabilities", *lines]
    if len(skipped) == len(asked):
        return not_done(f"the package index here tells of none of the {len(asked)} packages")
    lines = [f"audit: no known vulnerability in {len(asked) - len(skipped)} packages"]
    return 0, lines + ([f"audit: NOT audited, unknown to PyPI: {', '.join(skipped)}"] if skipped else [])


def not_done(why: str) -> tuple[int, list[str]]:
    """Nobody could be asked."""
    lines = [
        BAR,
        f"THE AUDIT COULD NOT BE DONE: offline ({why}).",
        "Nothing is known about vulnerabilities of the packages: run `make audit` where PyPI answers.",
        BAR,
    ]
    return int(os.environ.get("AUDIT_REQUIRED") == "1"), lines


def _last_line(words: object) -> str:
    if isinstance(words, subprocess.CalledProcessError):
        words = words.stderr or words
    lines = str(words).strip().splitlines()
    return lines[-1][:300] if lines else ""


if __name__ == "__main__":
    sys.exit(main())
