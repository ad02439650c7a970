"""chatload as a client of the truth table: one turn of locustfiles/chat.py, read from its run folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from chatload.model.metrics import e2e_ms, tpot_ms, ttfa_ms, ttft_ms
from chatload.store.journal import read_run

LOCUSTFILE = Path(__file__).parents[2] / "locustfiles" / "chat.py"


def main() -> int:
    """Hold one turn and print its figures."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        done = subprocess.run(
            [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary", "--users", "1",
             "--turns", "1", "--host", os.environ["TRUTH_HOST"], "--server", "openai",
             "--model", os.environ["TRUTH_MODEL"], "--gap-timeout", "3", "--out", str(out)],
            cwd=LOCUSTFILE.parents[1], capture_output=True, text=True, check=False,
        )  # fmt: skip
        turns = read_run(out).turns if out.is_dir() else ()
        if len(turns) != 1:
            told: dict[str, object] = {"error": (done.stderr or done.stdout)[-200:]}
        else:
            (turn,) = turns
            told = {
                "ok": turn.ok,
                "error": f"{turn.code}: {turn.detail}",
                "tokens": turn.tokens,
                "ttft_ms": ttft_ms(turn),
                "ttfa_ms": ttfa_ms(turn),
                "tpot_ms": tpot_ms(turn),
                "e2e_ms": e2e_ms(turn),
            }
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
