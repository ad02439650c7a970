"""`chatload init DIR`: a folder with a load test that runs as it stands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

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
REQUIREMENTS = f"""\
# Where your package index has no chatload: the path or address of its wheel or checkout instead.
chatload=={__version__}
"""


def init(argv: Sequence[str]) -> int:
    """make a folder with a load test of your own: scenario, prompts, locustfile, CI workflow"""
    parser = Parser("init", description="Make a folder with a load test that runs as it stands.")
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder to write; made if it is not there")
    folder: Path = parser.parse_args(argv).folder
    contents = {place: (STARTER / name).read_text(encoding="utf-8") for name, place in COPIED.items()}
    contents["requirements.txt"] = REQUIREMENTS
    contents[".gitignore"] = "results/\n__pycache__/\n"
    there = [name for name in contents if (folder / name).exists()]
    if there:
        raise UsageError([f"{folder}: has {', '.join(there)} already: name a new folder"])
    try:
        for name, text in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError([f"{folder}: cannot be written: {error.strerror}"]) from error
    sys.stdout.write(_next_steps(folder))
    return 0


def _next_steps(folder: Path) -> str:
    here = "" if folder.resolve() == Path.cwd() else f"  cd {folder}\n"
    return f"""A load test is in {folder}: its README.md tells what is what. Next:

{here}  {program()} simulate &        # where you have no server yet: a simulated one on port 8000
  {program()} run chat.toml --host http://127.0.0.1:8000
"""
