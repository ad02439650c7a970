"""Finds the locustfiles, scenarios and prompts of chatload, in a checkout or an installed package."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
LOCUSTFILES, SCENARIOS = "locustfiles", "scenarios"


def packaged(folder: str) -> Path:
    """`folder` of the installed package (setup.py puts it there), or of the checkout that this package is in."""
    installed = PACKAGE / folder
    return installed if installed.is_dir() else PACKAGE.parent / folder


def packaged_names(folder: str, suffix: str) -> list[str]:
    """The names of the files in `folder`, without their suffix, sorted."""
    return sorted(path.stem for path in packaged(folder).glob(f"*{suffix}"))


def prefer_own(package: str) -> str | None:
    """Make `import package` find chatload's own package even if a file of the user has its name.

    Python searches the working directory and the locustfile's folder first, which may have a plots.py. Returns a
    message if the user's file has been imported already, so that chatload's cannot be.
    """
    if package not in sys.modules:
        spec = PathFinder.find_spec(package, [str(PACKAGE.parent)])
        if spec is not None and spec.loader is not None:
            sys.modules[package] = module_from_spec(spec)
            spec.loader.exec_module(sys.modules[package])
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    if Path(file).parent == PACKAGE.parent / package:
        return None
    return (
        f"{file or package}: has the name of chatload's package {package!r}, which draws reports: rename it"
    )
