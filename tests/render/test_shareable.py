"""A shared report holds no host, key, prompt or reply, and the same figures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatload.analysis.summary import summarise
from chatload.cli.report import report
from chatload.model.hosts import FoundServer, ServerFacts
from chatload.model.journal_lines import FORMAT, encode
from chatload.render.html import report_html
from chatload.render.shareable import LEFT_OUT, shareable
from chatload.store.journal import read_run
from tests.changes import replace
from tests.plans import plan_of
from tests.runs_builder import Shape, write_good

SECRETS = (
    "gpu-box", "8000", "10.0.0.7", "admin-node", "7f3a", "Tell me of our merger", "You serve ACME only",
    "There was a merger", "sk-secret", "ZANZIBAR", "Paris", "projects",
)  # fmt: skip


def folder_of(tmp_path: Path) -> Path:
    """A run with a secret in each place that takes a text of host, key, prompt or reply."""
    plan = plan_of(
        "chat",
        {
            "host": "https://gpu-box:8000", "num_users": 20, "turns": "5",
            "prompt": "Tell me of our merger",
            "system_prompt": "You serve ACME only", "slo": "p50 ttft_ms <= 1000",
            "headers": '{"X-Tenant": "sk-secret"}',
            "expect": "contains 'Paris'", "body": '{"stop": "ZANZIBAR", "ignore_eos": true}',
        },
    )  # fmt: skip
    facts = ServerFacts(
        host="https://gpu-box:8000", dialect="openai", model="llama", addresses=("10.0.0.7",),
        path="/projects/v1/chat/completions", found=FoundServer("vLLM", "0.11.0"), label="vLLM 0.11.0",
        words="vLLM 0.11.0 at gpu-box (GET /version)",
    )  # fmt: skip
    folder = write_good(
        tmp_path / "on-gpu-box",
        Shape(text="There was a merger of two firms."),
        format=FORMAT,
        plan=msgspec.to_builtins(plan),
        plan_sentence=f"{plan.sentence()} Prompt: Tell me of our merger",
        server=msgspec.to_builtins(facts),
        argv=["locust", "--host", "https://gpu-box:8000", "--headers", "X-Key: sk-secret"],
        warnings=["gpu-box has 2 addresses: 10.0.0.7 and another"],
        label="",
    )
    run = read_run(folder)
    failed: dict[str, Any] = {
        "turn_id": "x", "ok": False, "code": "http_500", "text": None, "address": "10.0.0.7",
        "detail": "gpu-box says: You serve ACME only; ZANZIBAR",
    }  # fmt: skip
    journal = folder / "journal-admin-node_7f3a.jsonl"
    lines = [
        replace(run.turns[0], turn_id="y", prompt="Tell me of our merger", worker="admin-node_7f3a"),
        replace(run.turns[0], worker="admin-node_7f3a", **failed),
    ]
    journal.write_bytes(b"".join(encode(line) + b"\n" for line in lines))
    return folder


def test_no_secret_is_in_a_shared_report_and_each_of_them_in_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(tmp_path)
    run = read_run(folder)
    raw = b"".join(path.read_bytes() for path in folder.iterdir()).decode() + folder.name
    assert [one for one in SECRETS if one not in raw and one not in ("sk-secret",)] == []
    assert report([str(folder), "--share", str(tmp_path / "out.html")]) == 0
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert [one for one in SECRETS if re.search(rf"(?<![\w.,]){re.escape(one)}(?![\w])", page)] == []
    full = report_html([run], [summarise(run)])
    assert [
        one for one in ("gpu-box", "Tell me of our merger", "There was a merger") if one not in full
    ] == []
    assert "https://server-1" in page
    assert "server-1 has 2 addresses" in page


def test_a_shared_run_has_the_figures_of_the_run(tmp_path: Path) -> None:
    run = read_run(folder_of(tmp_path))
    one, other = summarise(run), summarise(shareable(run))
    assert other.window == one.window
    assert other.metric("ttft_ms") == one.metric("ttft_ms")
    assert (other.failed, other.throughput, other.slo) == (one.failed, one.throughput, one.slo)
    assert len(other.warnings) == len(one.warnings), "none of them depends on what is left out"


def test_nothing_of_a_shared_run_itself_holds_a_secret(tmp_path: Path) -> None:
    """Whatever a new section shows of it."""
    run = shareable(read_run(folder_of(tmp_path)))
    parts = [run.manifest, *run.turns, *run.warmup, *run.users, *run.health, *run.server, *run.ends]
    text = (
        "".join(msgspec.json.encode(one).decode() for one in parts) + "".join(run.missing) + str(run.folder)
    )
    texts = [one for one in SECRETS if one not in ("8000", "7f3a")]
    assert [one for one in texts if one in text] == []
    assert ":8000" not in text


def test_share_takes_one_run_and_one_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from chatload.model.errors import UsageError

    folder = str(folder_of(tmp_path))
    for argv, words in (
        ([folder, folder, "--share", "x.html"], "--share: one RUN at a time"),
        ([folder, "--share", "x.html", "--json"], "one form at a time"),
        ([folder, "--share", ""], "name the file"),
        ([folder, "--share", str(tmp_path / "no" / "x.html")], "--share "),
    ):
        with pytest.raises(UsageError, match=words):
            report(argv)


def test_the_ids_that_are_left_out_are_those_of_sections(tmp_path: Path) -> None:
    run = read_run(folder_of(tmp_path))
    page = report_html([run], [summarise(run)])
    assert all(f'id="{one}"' in page for one in LEFT_OUT)
