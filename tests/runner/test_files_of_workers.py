"""What the master read is what its workers use: none of them needs the files, and none reads them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import GOOD, ROOT, turns_of

pytestmark = pytest.mark.e2e

ABSENT = "no/such/file"
CASES = {
    "prompts": (
        "chat",
        '{"id": "a", "turns": ["Only the master knows this line."]}\n',
        ("-u", "4", "-r", "50", "--turns", "1", "--history", "on", "--think-time", "0"),
        "Only the master knows this line.",
        4,
    ),
    "trace": (
        "arrivals",
        "due_s,prompt_tokens,output_tokens\n" + "".join(f"{n / 50},9,5\n" for n in range(8)),
        ("-u", "2"),
        "",
        8,
    ),
    "sharegpt": (
        "arrivals",
        json.dumps([{"conversations": [{"from": "human", "value": f"Question number {n} of the master, please."},
                                       {"from": "gpt", "value": "An answer of some length, really."}]}
                    for n in range(6)]),
        ("-u", "2", "--requests", "6", "--interval", "0.02"),
        "of the master, please.",
        6,
    ),
}  # fmt: skip


@pytest.mark.parametrize("option", CASES)
def test_a_worker_without_the_files_holds_the_same_turns(option: str, vllm: Any, tmp_path: Path) -> None:
    """The file is relative to the master's folder; each worker names one that is nowhere, and another for itself."""
    locustfile, content, more, says, turns = CASES[option]
    host, _, _ = vllm()
    here, out = tmp_path / "master", tmp_path / "run"
    here.mkdir()
    (here / "given").write_text(content, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    base = [sys.executable, "-m", "locust", "-f", str(ROOT / "locustfiles" / f"{locustfile}.py")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    workers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        workers.append(
            subprocess.Popen(
                [*base, "--worker", "--master-port", port, f"--{option}", ABSENT, "--certificate", ABSENT],
                cwd=tmp_path / name, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
    try:
        done = subprocess.run(
            [*base, "--headless", "--only-summary", "--master", "--master-bind-port", port, "--expect-workers", "2",
             "--host", host, "--out", str(out), "--keep-text", "all", f"--{option}", "given", *more],
            cwd=here, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        said = [worker.communicate(timeout=20)[1] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert done.returncode in GOOD, done.stderr
    found = turns_of(out)
    assert len(found) == turns
    assert len({turn["worker"] for turn in found}) == 2
    assert all(says in turn["prompt"] for turn in found)
    for words in said:
        assert f"--certificate {ABSENT}: No such file" in words
        assert "Traceback" not in words + done.stderr
