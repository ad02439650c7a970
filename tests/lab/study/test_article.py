"""`make article ARGS=--quick`: everything runs, and all three tables are printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.study.article import main

pytestmark = pytest.mark.e2e


def test_quick_runs_every_part_and_prints_the_tables(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = main(["--quick", "--out", str(tmp_path / "study")])
    printed = capfd.readouterr()
    assert code == 0, printed.out + printed.err
    lines = printed.out.splitlines()
    for row in (
        "vLLM 0.1.2, every 0.25 s  requests/s", "TGI 0.9.3, every 0.05 s   lowest tokens/s", "vLLM 0.1.2, 4 in flight",
        "vLLM 0.1.2, 20 at once    all tokens/s", "first byte, max", "TTFT, p50", "decode tokens/s",
    ):  # fmt: skip
        assert any(line.startswith(row) for line in lines), row
    told = [line for line in lines if "0 failed, 0 with another token count than the server's" in line]
    assert [line.split(":")[0] for line in told] == ["vllm", "tgi", "chat", "chat-256"]
