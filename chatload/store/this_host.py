"""The machine that this process runs on, and the versions of chatload's packages."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from chatload import __version__
from chatload.model.hosts import Machine

PACKAGES = ("locust", "gevent", "geventhttpclient", "sseclient-py", "orjson", "matplotlib")


def this_machine() -> Machine:
    """The host this process runs on."""
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        processor=_processor(),
        cores=os.cpu_count(),
        python=sys.implementation.name,
    )


def these_versions() -> dict[str, str]:
    """Versions of chatload, Python and the packages that chatload uses."""
    return {"chatload": __version__, "python": platform.python_version(), **_packages()}


@cache
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
