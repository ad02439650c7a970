"""deploy/ci: the GitHub action and the GitLab template are well formed, and their script keeps exit codes."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.test_manifests import DEPLOY, documents, lint

CI = DEPLOY / "ci"
SCRIPT = CI / "load_test.sh"
ON_NODE_24 = {"checkout": 5, "setup-python": 6, "cache": 5, "upload-artifact": 6}
"""The first version of each action on Node 24."""


def one(name: str) -> dict[str, Any]:
    (document,) = documents(CI / name)
    return document


def test_the_action_hands_inputs_over_as_environment_and_not_as_code() -> None:
    action = one("action.yml")
    steps = action["runs"]["steps"]
    assert action["runs"]["using"] == "composite"
    assert all(("shell" in step) == ("run" in step) and ("run" in step) != ("uses" in step) for step in steps)
    assert not any("${{" in step.get("run", "") for step in steps)
    (script,) = [step for step in steps if "load_test.sh" in step.get("run", "")]
    given = {re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", value)[1] for value in script["env"].values()}  # type: ignore[index]
    assert given | {"python-version"} == set(action["inputs"])
    assert all(one.get("required") or "default" in one for one in action["inputs"].values())
    used = set(re.findall(r"\$\{\{ inputs\.([\w-]+)", (CI / "action.yml").read_text(encoding="utf-8")))
    assert used <= set(action["inputs"])
    assert all(re.search(r"@v\d+$", step["uses"]) for step in steps if "uses" in step)


@pytest.mark.parametrize(
    "path", ["deploy/ci/action.yml", "examples/nightly.yml", "chatload/starter/load-test.yml", "docs/ci.md"]
)
def test_actions_run_on_a_node_that_github_still_has(path: str) -> None:
    """Node 20 was removed from its runners in September 2026; actionlint knows which versions run on it."""
    used = re.findall(r"uses: actions/([\w-]+)\S*@v(\d+)", (DEPLOY.parent / path).read_text(encoding="utf-8"))
    assert used
    assert [(name, version) for name, version in used if int(version) < ON_NODE_24[name]] == []


def test_both_templates_set_variables_that_the_script_reads() -> None:
    (script,) = [step for step in one("action.yml")["runs"]["steps"] if "load_test.sh" in step.get("run", "")]
    read = set(re.findall(r"CHATLOAD_CI_\w+", SCRIPT.read_text(encoding="utf-8")))
    job = one("gitlab.yml")[".chatload"]
    told = set(re.findall(r"CHATLOAD_CI_\w+", (CI / "gitlab.yml").read_text(encoding="utf-8")))
    assert set(script["env"]) == read
    assert told <= read
    assert job["artifacts"]["when"] == "always"
    assert job["cache"]["paths"] == ["results/baseline"]


@pytest.mark.e2e
def test_the_files_are_tidy() -> None:
    lint("yamllint", "-s", "-c", DEPLOY / ".yamllint", CI / "action.yml", CI / "gitlab.yml")


@pytest.mark.e2e
def test_the_script_is_sound() -> None:
    lint("shellcheck", SCRIPT)


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("run_code", "check_code", "baselines", "keep", "code", "kept"),
    [
        (0, 0, False, "true", 0, True),
        (0, 0, True, "true", 0, True),
        (0, 0, True, "false", 0, False),
        (0, 3, True, "true", 3, False),
        (3, 0, True, "true", 3, False),
        (1, 3, True, "true", 1, False),
        (0, 5, True, "true", 5, False),
        (2, 0, True, "true", 2, False),
    ],
)
def test_the_script_keeps_the_exit_code_and_only_good_runs(
    tmp_path: Path, run_code: int, check_code: int, baselines: bool, keep: str, code: int, kept: bool
) -> None:
    """`chatload` is a script that notes its arguments; a run with exit code 2 leaves no summary.json."""
    fake = tmp_path / "chatload"
    fake.write_text(
        f"""#!/bin/bash
printf '%s\\n' "$*" >>calls
case $1 in
run) mkdir -p results/ci; [ {run_code} = 2 ] || touch results/ci/summary.json; exit {run_code} ;;
check) exit {check_code} ;;
esac
""",
        encoding="utf-8",
    )
    fake.chmod(0o755)
    if baselines:
        (tmp_path / "results/baseline/one").mkdir(parents=True)
        (tmp_path / "results/baseline/one/manifest.json").touch()
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "CHATLOAD_CI_HOST": "http://gpu box:8000; exit",
        "CHATLOAD_CI_SLO": "p95 ttft_ms <= 1000; failed_share <= 1%", "CHATLOAD_CI_OPTIONS": "--users 20 --turns 5",
        "CHATLOAD_CI_KEEP": keep,
    }  # fmt: skip
    done = subprocess.run(["bash", SCRIPT], cwd=tmp_path, env=environment, timeout=20, check=False)
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert done.returncode == code
    assert calls[0] == (
        "run smoke --host http://gpu box:8000; exit --out results/ci "
        "--slo p95 ttft_ms <= 1000; failed_share <= 1% --users 20 --turns 5"
    )
    assert any(call.startswith("check results/ci --baseline results/baseline") for call in calls) is (
        baselines and run_code != 2
    )
    assert ("baseline add results/ci results/baseline" in calls) is kept
