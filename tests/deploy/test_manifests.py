"""Compose files, Kubernetes manifests and Dockerfiles, looked at by the tools made for it and by our own rules."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from deploy.wheel_check import PARTS, ROOT

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = sorted((DEPLOY / "compose").glob("*.yaml"))
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
GRAFANA = sorted((DEPLOY / "grafana").rglob("*.y*ml"))
DOCKERFILES = [DEPLOY / "Dockerfile", *sorted((DEPLOY / "compose").glob("*Dockerfile"))]


def lint(tool: str, *arguments: str | Path) -> None:
    """Run a linter; skipped, saying so, where it is not installed."""
    beside = Path(sys.executable).with_name(tool)
    found = str(beside) if beside.exists() else shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not installed: {Path(arguments[-1]).parent.name} was not linted")
    done = subprocess.run(
        [found, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def documents(path: Path) -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: the manifests were not read")
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def pods(path: Path) -> list[dict[str, Any]]:
    return [d["spec"]["template"]["spec"] for d in documents(path) if d["kind"] in ("Job", "Deployment")]


def test_there_is_something_to_lint() -> None:
    assert len(COMPOSE) == 7
    assert len(KUBERNETES) == 3


@pytest.mark.e2e
def test_yaml_is_tidy() -> None:
    lint("yamllint", "-s", "-c", DEPLOY / ".yamllint", *COMPOSE, *KUBERNETES, *GRAFANA)


@pytest.mark.e2e
def test_compose_files_are_what_the_specification_says() -> None:
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *COMPOSE)


@pytest.mark.e2e
def test_manifests_are_what_kubernetes_takes() -> None:
    lint("kubernetes-validate", "--strict", *KUBERNETES[1:])


@pytest.mark.e2e
def test_dockerfiles() -> None:
    lint("hadolint", *DOCKERFILES)


@pytest.mark.parametrize("path", KUBERNETES[1:], ids=lambda path: path.name)
def test_every_pod_has_limits_probes_and_no_rights(path: Path) -> None:
    found = pods(path)
    assert len(found) == 2
    for pod in found:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["resources"]["limits"].keys() == {"cpu", "memory"}
            assert {"startupProbe", "readinessProbe"} & container.keys()
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert not any("value" in entry for entry in container["env"]), "a key comes from a secret"


def test_every_job_ends_by_a_deadline() -> None:
    jobs = [one for path in KUBERNETES for one in documents(path) if one["kind"] == "Job"]
    assert len(jobs) == 2
    for job in jobs:
        assert job["spec"]["activeDeadlineSeconds"] > 600, "the wait for workers alone may take that long"


def test_every_server_is_waited_for_and_its_load_reads_the_right_port() -> None:
    for path in COMPOSE:
        (content,) = documents(path)
        services = content["services"]
        if "server" not in services:
            continue
        assert "healthcheck" in services["server"], path.name
        assert services["master"]["depends_on"]["server"]["condition"] == "service_healthy"
        assert "ports" not in services["server"], "nobody outside needs the server"
        master = services["master"]["command"].split()
        port = master[master.index("--host") + 1].rsplit(":", 1)[1]
        serving = services["server"]["command"].split()
        assert serving[serving.index("--port") + 1] == port, path.name
        assert port in str(services["server"]["healthcheck"]["test"])


def test_masters_open_their_port_by_name_and_their_page_never_but_for_the_operator() -> None:
    for path in [*COMPOSE, *KUBERNETES]:
        text = path.read_text(encoding="utf-8")
        if "--master" in text.replace("--master-host", "") and path.name != "load.yaml":
            assert "--master-bind-host" in text, path.name
        assert ("--web-host" in text) == (path.name == "locust-operator.yaml"), path.name


def test_the_operator_s_resource_has_what_its_documentation_names() -> None:
    (resource,) = documents(DEPLOY / "kubernetes" / "locust-operator.yaml")
    assert (resource["apiVersion"], resource["kind"]) == ("locust.io/v1", "LocustTest")
    assert resource["spec"].keys() <= {
        "image", "imagePullPolicy", "workers", "args", "env", "master", "worker", "labels", "annotations",
    }  # fmt: skip
    assert {"resources"} == resource["spec"]["worker"].keys() == resource["spec"]["master"].keys()
    assert "-f locustfiles/chat.py" in resource["spec"]["args"]


def test_the_image_is_built_of_what_the_wheel_is() -> None:
    """Its first stage runs on a copy of these files; `make wheel-check` does what its other steps do."""
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    copied = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert copied == {*PARTS, "deploy/constraints.txt"}


def test_the_constraints_are_within_the_requirements() -> None:
    asked = {one.name: one.specifier for one in requirements(ROOT / "requirements.txt")}
    for one in requirements(DEPLOY / "constraints.txt"):
        (exact,) = one.specifier
        assert exact.operator == "=="
        assert asked[one.name].contains(exact.version), one.name


def test_requirements_are_ranges_that_other_packages_can_live_with() -> None:
    for one in requirements(ROOT / "requirements.txt"):
        assert sorted(each.operator for each in one.specifier) == ["<", ">="], one.name


def requirements(path: Path) -> list[Requirement]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]
