"""The manifest: under which conditions a run was made. Written at its start, rewritten at its end."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson

from chatload import __version__
from chatload.store.journal import FORMAT

PACKAGES = ("locust", "gevent", "geventhttpclient", "sseclient-py", "orjson", "matplotlib")

MUST_AGREE = ("scenario", "plan", "machine", "versions")
"""Manifest keys that must agree for two runs to be compared like with like."""


def conditions() -> dict[str, Any]:
    """What this process runs on: versions of what we rely on, and the machine."""
    return {
        "format": FORMAT,
        "versions": {"chatload": __version__, "python": platform.python_version(), **_packages()},
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "processor": _processor(),
            "cores": os.cpu_count(),
            "python": sys.implementation.name,
        },
    }


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, privately and whole. OSError if it cannot."""
    write_private(path, orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS) + b"\n")


def write_private(path: Path, content: bytes) -> None:
    """Write a file of a run folder, whole or not at all: to a neighbour first, which nobody else may read,
    then renamed over `path`. OSError if it cannot."""
    neighbour = path.with_name(path.name + ".new")
    descriptor = os.open(neighbour, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
    neighbour.replace(path)
