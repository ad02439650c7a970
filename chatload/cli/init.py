"""`chatload init DIR`: a folder with a load test that runs as it stands."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from chatload import __version__
from chatload.files.packaged import PACKAGE
from chatload.model.errors import UsageError
from chatload.model.program import program
from chatload.options.command_parser import Parser

STARTER = PACKAGE / "starter"
COPIED = {
    "README.md": "README.md",
    "locustfile.py": "locustfile.py",
    "chat.toml": "chat.toml",
    "prompts.jsonl": "prompts.jsonl",
    "load-test.yml": ".github/workflows/load-test.yml",
}
"""Files of the starter, and where they go."""
WHEELS = "wheels"
"""Folder for a wheel that no package index has, beside the scenario."""


def init(argv: Sequence[str]) -> int:
    """Run `chatload init`; returns the exit code."""
    parser = Parser("init", description="Make a folder with a load test that runs as it stands.")
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder to write; made if it is not there")
    folder: Path = parser.parse_args(argv).folder
    contents = {place: (STARTER / name).read_text(encoding="utf-8") for name, place in COPIED.items()}
    origin = _origin()
    contents["requirements.txt"] = _requirements(origin)
    contents[".gitignore"] = "results/\n__pycache__/\n"
    there = [name for name in contents if (folder / name).exists()]
    if there:
        raise UsageError([f"{folder}: has {', '.join(there)} already: name a new folder"])
    try:
        for name, text in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        if wheel := _wheel(origin):
            (folder / WHEELS).mkdir(exist_ok=True)
            shutil.copy(wheel, folder / WHEELS)
    except OSError as error:
        with suppress(OSError):  # else the next try would find the folder taken
            for name in contents:
                (folder / name).unlink(missing_ok=True)
        raise UsageError([f"{folder}: cannot be written: {error.strerror}"]) from error
    sys.stdout.write(_next_steps(folder))
    return 0


def _origin() -> dict[str, Any]:
    """Where pip took this chatload from (PEP 610's direct_url.json); empty: from a package index. Any: JSON."""
    try:
        text = metadata.distribution("chatload").read_text("direct_url.json")
    except metadata.PackageNotFoundError:  # run from a checkout, as it stands
        text = json.dumps({"url": PACKAGE.parent.as_uri(), "dir_info": {}})
    found: dict[str, Any] = json.loads(text or "{}")
    return found


def _wheel(origin: Mapping[str, Any]) -> Path | None:
    """The wheel that this chatload was installed from, where it is a file that is still there."""
    url = str(origin.get("url", ""))
    path = Path(url2pathname(urlsplit(url).path)) if url.startswith("file:") else None
    return path if path is not None and path.suffix == ".whl" and path.is_file() else None


def _requirements(origin: Mapping[str, Any]) -> str:
    """requirements.txt for this very chatload, wherever it came from."""
    url, commit = str(origin.get("url", "")), origin.get("vcs_info", {}).get("commit_id")
    if not url:
        return f"chatload=={__version__}\n"
    if commit:
        return f"chatload @ git+{url}@{commit}\n"
    if not url.startswith("file:"):
        return f"chatload @ {url}\n"
    wheel = _wheel(origin)
    name = wheel.name if wheel is not None else f"chatload-{__version__}-py3-none-any.whl"
    made = (
        "the wheel that it was installed from lies here: keep it in your repository"
        if wheel is not None
        else f"put its wheel here: pip wheel --no-deps -w {WHEELS} {shlex.quote(url2pathname(urlsplit(url).path))}"
    )
    return f"# No package index has this chatload; {made}.\n./{WHEELS}/{name}\n"


def _next_steps(folder: Path) -> str:
    here = "" if folder.resolve() == Path.cwd() else f"  cd {folder}\n"
    return f"""A load test is in {folder}: its README.md tells what is what. Next:

{here}  {program()} simulate &        # where you have no server yet: a simulated one on port 8000
  {program()} run chat.toml --host http://127.0.0.1:8000
"""
