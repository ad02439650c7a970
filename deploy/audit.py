"""`make audit`: checks the packages we run and test with for known vulnerabilities, with pip-audit and PyPI.

Every package installed in this environment (requirements.txt, tests/requirements.txt and their dependencies) is looked
up by name and version. pip-audit has an environment of its own. Exit code 1 on a known vulnerability. Where PyPI does
not answer, a banner says so; that is a failure only with AUDIT_REQUIRED=1.
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
"""Vulnerabilities that do not affect us: id -> reason."""


def main() -> int:
    """Install pip-audit, run it and print the result; the exit code."""
    try:
        tool = installed_tool()
    except (OSError, subprocess.SubprocessError) as error:
        code, lines = not_done(f"{PIP_AUDIT} could not be installed: {_last_line(error)}")
    else:
        code, lines = judge(*ask(tool, packages()))
    print("\n".join(lines), flush=True)
    return code


def packages() -> list[str]:
    """Every installed package except chatload, as name==version."""
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
    """pip-audit's output: (JSON, stderr)."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as frozen:
        frozen.write("\n".join(names) + "\n")
        frozen.flush()
        options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        try:
            command = [str(tool), "-r", frozen.name, *options]
            done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return "", f"no answer within {LIMIT_S} s"
    return done.stdout, done.stderr


def judge(answer: str, complaint: str) -> tuple[int, list[str]]:
    """(exit code, lines to print). Beware: pip-audit also says "no known vulnerabilities" where PyPI did not answer."""
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
    """(exit code, lines to print) when PyPI did not answer."""
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
