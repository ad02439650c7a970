"""The audit fails on what is known, and says loudly when nobody could be asked."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from deploy import audit

GOOD = {"name": "gevent", "version": "26.9.0", "vulns": []}
FLAW = {"id": "GHSA-h75v-3vvj-5mfj", "fix_versions": ["3.1.4"], "aliases": [], "description": "…"}
BAD = {"name": "jinja2", "version": "3.1.3", "vulns": [FLAW]}
SKIPPED = {"name": "orjson", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def judged(*found: dict[str, Any], complaint: str = "") -> tuple[int, str]:
    code, lines = audit.judge(json.dumps({"dependencies": found, "fixes": []}), complaint)
    return code, "\n".join(lines)


def test_a_known_vulnerability_fails() -> None:
    code, words = judged(GOOD, BAD, SKIPPED)
    assert code == 1
    assert "jinja2 3.1.3: GHSA-h75v-3vvj-5mfj, mended in 3.1.4" in words


def test_none_known() -> None:
    assert judged(GOOD, GOOD) == (0, "audit: no known vulnerability in 2 packages")


def test_what_was_not_audited_is_named() -> None:
    code, words = judged(GOOD, SKIPPED)
    assert code == 0
    assert "no known vulnerability in 1 packages" in words
    assert "NOT audited, unknown to PyPI: orjson" in words


def test_an_accepted_one_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "ACCEPTED", {"GHSA-h75v-3vvj-5mfj": "no template here comes from outside"})
    assert judged(GOOD, BAD)[0] == 0


@pytest.mark.parametrize("required", ["", "1"])
def test_offline_is_said_and_fails_only_where_required(
    required: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index without the service answers "not found" for every package, and pip-audit is content with that."""
    monkeypatch.setenv("AUDIT_REQUIRED", required)
    for code, lines in (
        audit.judge(json.dumps({"dependencies": [SKIPPED, SKIPPED]}), ""),
        audit.judge("", "Traceback …\nrequests.exceptions.ConnectionError: no route to pypi.org"),
        audit.judge("", ""),
        audit.not_done("pip-audit could not be installed"),
    ):
        assert code == int(bool(required))
        assert "THE AUDIT COULD NOT BE DONE: offline (" in "\n".join(lines)
    assert "no route to pypi.org" in audit.judge("", "Trace\nno route to pypi.org")[1][1]


@pytest.mark.e2e
def test_every_package_here_is_asked_about_by_name_and_version(tmp_path: Path) -> None:
    names = audit.packages()
    known = [name.lower().replace("_", "-") for name in names]
    for line in (audit.ROOT / "deploy" / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if "==" in line:
            assert line.split(";")[0].strip().lower() in known
    tool = tmp_path / "pip-audit"
    tool.write_text('#!/bin/sh\ncat "$2"; echo "$@" >&2\n', encoding="utf-8")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    given, options = audit.ask(tool, names)
    assert given.splitlines() == names
    assert "--no-deps --disable-pip" in options
