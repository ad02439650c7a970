"""The folder of a run while it goes on: its manifest, what is said of it, and the exit code it ends with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatload.engine.api_key import NO_KEY, KeyHosts
from chatload.loads.ramp import RampSegment
from chatload.model.batch_room import BatchRoom
from chatload.model.errors import UsageError
from chatload.model.journal_lines import EndLine, StartLine, decode
from chatload.protocols.registry import DIALECTS
from chatload.protocols.server_kind import DetectedServer
from chatload.runner.met_servers import meet
from chatload.runner.preflight import Server
from chatload.runner.run_folder import RunFolder
from chatload.runner.supervisor import Cause
from tests.manual_clock import ManualClock
from tests.plans import planned

S = 1_000_000_000
Make = Callable[..., RunFolder]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> Make:
    monkeypatch.chdir(tmp_path)

    def made(*, numbered: bool = False, **values: Any) -> RunFolder:
        values = {"host": "https://gpu", "num_users": 1, "out": "run", **values}
        return RunFolder(planned("chat", values), said.append, ManualClock(), numbered=numbered)

    return made


def manifest() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("run/manifest.json").read_text(encoding="utf-8"))
    return found


def ended(folder: Path) -> int:
    """Reports that find the run good, of a folder whose manifest says how it ended."""
    ended.saw = json.loads((folder / "manifest.json").read_text())["ended"]  # type: ignore[attr-defined]
    return 0


def test_a_run_s_manifest_stands_from_its_beginning(make: Make) -> None:
    folder = make(headers='{"X-Team": "secret"}', label="mine")
    found = manifest()
    assert (found["ended"], found["label"], found["started_ns"]) == (
        "running",
        "mine",
        ManualClock().now_ns(),
    )
    assert found["plan"]["headers"] == {"X-Team": "…"}
    assert folder.manifest.plan_sentence.startswith("1 user")


def test_a_folder_that_holds_a_run_is_refused_or_numbered(make: Make) -> None:
    make()
    with pytest.raises(UsageError, match="already holds a run"):
        make()
    assert make(numbered=True).folder.name == "run-2"


@pytest.mark.parametrize("insecure", [True, False])
def test_what_the_server_is_is_kept_and_said(make: Make, said: list[str], insecure: bool) -> None:
    folder = make(insecure="on" if insecure else "off")
    found = DetectedServer("vLLM", "0.26", "openai", "m", "vLLM 0.26", "GET /version")
    plan = planned(
        "chat", {"host": "https://gpu", "num_users": 1, "insecure": "on" if insecure else "off"}
    ).plan
    folder.met(meet(plan, Server(DIALECTS["openai"], "m", found), KeyHosts(), NO_KEY, ()))
    server = manifest()["server"]
    assert (server["dialect"], server["model"], server["words"]) == (
        "openai",
        "m",
        "vLLM 0.26 (GET /version)",
    )
    assert "the server is vLLM 0.26 (GET /version); dialect openai" in said[1]
    assert any("the server's TLS certificate is not verified" in words for words in said) == insecure


@pytest.mark.parametrize(("users", "told"), [(100, True), (7, False)])
def test_requests_that_do_not_fit_are_told_before_the_run_and_the_room_is_kept(
    make: Make, said: list[str], users: int, told: bool
) -> None:
    values = {"num_users": users, "max_tokens": 2000}
    folder = make(**values)
    found = DetectedServer("TGI", "0.9.3", "tgi", "m", "TGI 0.9.3", "GET /info")
    room = BatchRoom(tokens=16_000, reserved=True, option="--max-batch-total-tokens")
    server = Server(DIALECTS["tgi"], "m", found, room=room)
    folder.met(meet(planned("chat", {"host": "http://gpu", **values}).plan, server, KeyHosts(), NO_KEY, ()))
    assert manifest()["server"]["room"]["request_tokens"] == pytest.approx(2005, abs=1)
    assert any("runs at most 7 of these requests at once" in words for words in said) == told


@pytest.mark.parametrize(
    ("dialect", "history", "words"),
    [("openai", "on", ""), ("tgi", "off", "Prompts are sent as they are"), ("tgi", "on", "the chat form of Llama 2"),
     ("openai-completions", "on", "the chat form of Llama 2"),
     ("vllm-generate", "off", "Prompts are sent as they are")],
)  # fmt: skip
def test_the_plan_says_where_no_server_s_template_is_applied(
    make: Make, dialect: str, history: str, words: str
) -> None:
    folder = make()
    found = DetectedServer("TGI", "3.3.7", dialect, "m", "TGI 3.3.7", "GET /info")
    plan = planned("chat", {"host": "http://gpu", "history": history}).plan
    folder.met(meet(plan, Server(DIALECTS[dialect], "m", found), KeyHosts(), NO_KEY, ()))
    assert ("Prompts are" in folder.manifest.plan_sentence) == bool(words)
    assert words in folder.manifest.plan_sentence


def test_a_ramp_and_a_late_worker_are_kept(make: Make, said: list[str]) -> None:
    folder = make()
    folder.ramp(RampSegment(4, 7, 2.0))
    folder.came_late("w9")
    assert folder.close("done", ended) == 0
    found = manifest()
    assert found["ramps"] == [{"first_user": 4, "start_ns": 7, "users_per_s": 2.0}]
    assert found["late_workers"] == ["w9"]
    assert "worker w9 came after the start of the run" in said[0]


@pytest.mark.parametrize(("judged", "least", "code"), [(0, 0, 0), (3, 0, 3), (0, 1, 1), (3, 1, 3)])
def test_the_exit_code_is_that_of_the_reports_and_at_least_what_was_asked(
    make: Make, judged: int, least: int, code: int
) -> None:
    assert make().close("done", lambda _: judged, least) == code
    assert (manifest()["exit_code"], manifest()["ended"]) == (code, "done")


@pytest.mark.parametrize(("judged", "code"), [(0, 4), (3, 4), (1, 4)])
def test_a_run_that_lost_something_ends_with_4(make: Make, said: list[str], judged: int, code: int) -> None:
    folder = make()
    for words in ("a line was lost", "a line was lost", None):
        folder.problem(words)
    assert folder.close("done", lambda _: judged) == code
    assert (manifest()["problems"], said) == (["a line was lost"], ["chatload: a line was lost"])


def test_a_caveat_costs_nothing(make: Make, said: list[str]) -> None:
    folder = make()
    folder.warn("something to know")
    assert folder.close("done", ended) == 0
    assert (manifest()["warnings"], said) == (["something to know"], ["chatload: something to know"])


def test_a_failed_run_ends_with_the_code_of_its_cause_whatever_else_went_wrong(make: Make) -> None:
    folder = make()
    folder.problem("a line was lost")
    folder.failed(Cause("ValueError: planted", 2, ("a.py:1 in f",)))
    assert folder.close("done", ended) == 2
    found = manifest()
    assert (ended.saw, found["ended"], found["exit_code"]) == ("failed", "failed", 2)  # type: ignore[attr-defined]
    assert (found["failure"], found["failed_in"]) == ("ValueError: planted", ["a.py:1 in f"])


def test_a_run_that_fails_after_it_was_closed_has_failed(make: Make) -> None:
    folder = make()
    assert folder.close("done", ended) == 0
    folder.failed(Cause("ValueError: in on_stop"))
    assert (manifest()["ended"], manifest()["exit_code"]) == ("failed", 2)


def test_a_run_that_never_began_has_a_journal_that_says_so(make: Make) -> None:
    folder = make()
    folder.refused("nobody is there")
    assert folder.close("unreachable", ended, least=1) == 1
    found = [decode(line) for line in Path("run/journal-local.jsonl").read_bytes().splitlines()]
    assert [type(line) for line in found] == [StartLine, EndLine]
    assert (manifest()["refusal"], manifest()["ended"]) == ("nobody is there", "unreachable")


def test_a_manifest_that_cannot_be_written_is_a_problem_and_no_report_is_made(
    make: Make, said: list[str]
) -> None:
    folder = make()
    Path("run/manifest.json").unlink()
    Path("run").rename("elsewhere")
    Path("run").write_text("in the way")
    asked: list[Path] = []
    assert folder.close("done", lambda path: asked.append(path) or 0) == 4  # type: ignore[func-returns-value]
    assert asked == []
    assert "run/manifest.json: cannot be written (Not a directory)" in said[0]


def test_a_manifest_whose_end_cannot_be_written_is_4(make: Make) -> None:
    def full(folder: Path) -> int:
        folder.rename("elsewhere")
        return 0

    assert make().close("done", full) == 4
    Path("elsewhere").rename("run")
    assert make(numbered=True).close("done", ended) == 0
