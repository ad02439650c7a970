"""A run's schedule for other tools: times and lengths as recorded, the same numbers where prompts begin alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from chatload.__main__ import main
from chatload.interop.replay_schedule import BLOCK_TOKENS, lines_for, schedule_of
from chatload.loads.trace import read_trace
from chatload.model.turn import Turn
from chatload.store.journal import read_run
from tests.runs_builder import turn_line

RUNS = Path(__file__).parents[1] / "runs"
MS = 1_000_000
CHAT = {"users": 3, "turns": 3, "max_tokens": 64, "history": False, "prompt": "Once", "body": {}}


def turn(user: int, number: int, due_ms: float, prompt_tokens: int | None = 40, **more: Any) -> Turn:
    due_ns = 5_000 * MS + round(due_ms * MS)
    facts: dict[str, Any] = {
        "sent_ns": due_ns,
        "end_ns": due_ns + MS,
        "tokens": 7,
        "ok": True,
        "prompt_characters": 100,
        **more,
    }
    return Turn(
        turn_id=f"{user}-{number}",
        request_id="r",
        user=user,
        turn=number,
        due_ns=due_ns,
        prompt_tokens=prompt_tokens,
        **facts,
    )


def run_of(folder: Path, turns: Sequence[Turn], plan: dict[str, Any]) -> Path:
    (folder / "manifest.json").write_bytes(orjson.dumps({"format": 1, "plan": plan}))
    lines = b"".join(orjson.dumps(turn_line(one)) + b"\n" for one in turns)
    (folder / "journal-local.jsonl").write_bytes(lines)
    return folder


def rows(folder: Path, tool: str = "vllm") -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_for(tool, schedule_of(read_run(folder)))]


def test_times_are_in_each_tools_unit(tmp_path: Path) -> None:
    folder = run_of(tmp_path, [turn(1, 1, 1234.5678), turn(0, 1, 0)], CHAT)
    assert [row["timestamp"] for row in rows(folder, "vllm")] == [0, 1.234568]
    assert [row["timestamp"] for row in rows(folder, "guidellm")] == [0, 1.234568]
    assert [row["timestamp"] for row in rows(folder, "aiperf")] == [0, 1235]


def test_one_fixed_prompt_is_the_same_numbers_for_all(tmp_path: Path) -> None:
    turns = [turn(0, 1, 0), turn(1, 1, 1), turn(2, 1, 2, prompt_tokens=35)]
    first, second, third = (row["hash_ids"] for row in rows(run_of(tmp_path, turns, CHAT)))
    assert first == second and len(first) == 3  # 16 + 16 + 8
    assert third[:2] == first[:2] and third[2] != first[2]  # 16 + 16 + 3


def test_a_conversation_shares_the_whole_blocks_of_its_earlier_prompt(tmp_path: Path) -> None:
    turns = [turn(0, 1, 0), turn(0, 2, 10, prompt_tokens=96), turn(0, 3, 20, prompt_tokens=20), turn(1, 1, 5)]
    found = {
        (due.turn.user, due.turn.turn): due.blocks
        for due in schedule_of(read_run(run_of(tmp_path, turns, {**CHAT, "history": True}))).requests
    }
    assert found[0, 2][:2] == found[0, 1][:2]
    assert found[0, 1][2] not in found[0, 2]  # the short last block stands for 8 tokens only
    assert not set(found[0, 3]) & set(found[0, 2])  # shorter than before: a new conversation
    assert not set(found[1, 1]) & {
        block for (user, _), blocks in found.items() if user == 0 for block in blocks
    }


def test_sampled_prompts_share_nothing(tmp_path: Path) -> None:
    folder = run_of(tmp_path, [turn(0, 1, 0), turn(0, 2, 0)], {"max_tokens": 64})
    first, second = (row["hash_ids"] for row in rows(folder))
    assert not set(first) & set(second)


@pytest.mark.parametrize("tool", ["vllm", "aiperf", "guidellm"])
@pytest.mark.parametrize("name", ["vllm", "tgi", "troubled", "tiny"])
def test_every_row_is_what_the_loaders_ask_for(name: str, tool: str) -> None:
    """Invariant: ⌈input_length / 16⌉ numbers of 32 bits; one length a number; rows in order of time."""
    found = rows(RUNS / name, tool)
    assert len(found) == len(read_run(RUNS / name).turns)
    lengths: dict[int, int] = {}
    for row in found:
        tokens, numbers = row["input_length"], row["hash_ids"]
        assert len(numbers) == -(-tokens // BLOCK_TOKENS) and row["output_length"] >= 1
        for place, number in enumerate(numbers):
            assert 0 <= number < 2**31
            length = min(BLOCK_TOKENS, tokens - place * BLOCK_TOKENS)
            assert lengths.setdefault(number, length) == length
    times = [row["timestamp"] for row in found]
    assert times == sorted(times) and times[0] == 0


def test_lengths_that_nobody_counted_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns = [
        turn(0, 1, 0, prompt_tokens=None),
        turn(0, 2, 5, ok=False, code="truncated", tokens=3),
        turn(0, 3, 9, ok=False, code="connect", tokens=None, sent_ns=None),
    ]
    folder = run_of(tmp_path, turns, CHAT)
    assert main(["export", "schedule", str(folder), "--for", "vllm"]) == 0
    out, err = capsys.readouterr()
    found = [json.loads(line) for line in out.splitlines()]
    assert [row["input_length"] for row in found] == [25, 40, 40]  # 100 characters / 4
    assert [row["output_length"] for row in found] == [7, 64, 64]  # max-tokens
    assert "1 of 3 prompt lengths" in err and "2 of 3 answer lengths" in err
    assert "--num-prompts 3 " in err


def test_aiperf_gets_the_very_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns = [
        turn(0, 1, 0, prompt="Hello", text="Hi!"),
        turn(0, 2, 10, prompt="More", text="", ok=False, code="truncated"),
        turn(0, 3, 20, prompt="More", text="Yes."),
        turn(0, 4, 30, prompt="Bye", text="Bye."),
    ]
    folder = run_of(tmp_path, turns, {**CHAT, "history": True})
    assert main(["export", "schedule", str(folder), "--for", "aiperf", "--prompts", "texts"]) == 0
    asked = [json.loads(line)["messages"] for line in capsys.readouterr().out.splitlines()]
    assert [[message["content"] for message in messages] for messages in asked] == [
        ["Hello"],
        ["Hello", "Hi!", "More"],
        ["Hello", "Hi!", "More"],  # the failed turn's line was withdrawn and asked again
        ["Hello", "Hi!", "More", "Yes.", "Bye"],
    ]
    assert [message["role"] for message in asked[1]] == ["user", "assistant", "user"]


def test_a_fixed_prompt_needs_no_kept_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_of(tmp_path, [turn(0, 1, 0), turn(1, 1, 3)], CHAT)
    assert main(["export", "schedule", str(folder), "--for", "aiperf", "--prompts", "texts"]) == 0
    for line in capsys.readouterr().out.splitlines():
        assert json.loads(line)["messages"] == [{"role": "user", "content": "Once"}]


@pytest.mark.parametrize(
    ("plan", "arguments", "told"),
    [
        ({**CHAT, "history": True}, ["--for", "aiperf", "--prompts", "texts"], "1 prompts were not kept"),
        (CHAT, ["--for", "vllm", "--prompts", "texts"], "only aiperf sends texts"),
        (CHAT, ["--for", "k6"], "must be one of"),
        (
            {**CHAT, "history": True, "conversation_turns": 4},
            ["--for", "aiperf", "--prompts", "texts"],
            "several",
        ),
    ],
)
def test_mistakes_are_one_line(
    plan: dict[str, Any],
    arguments: list[str],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = run_of(tmp_path, [turn(0, 1, 0)], plan)
    assert main(["export", "schedule", str(folder), *arguments]) == 2
    err = capsys.readouterr().err
    assert told in err and err.count("\n") == 1


def test_a_run_without_turns_has_no_schedule(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["export", "schedule", str(run_of(tmp_path, [], CHAT)), "--for", "vllm"]) == 2
    assert main(["export", "jtl", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_our_own_arrivals_replay_what_aiperf_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Round trip: --trace reads Mooncake's rows, so a run can be replayed by ourselves as an open loop."""
    assert main(["export", "schedule", str(RUNS / "vllm"), "--for", "aiperf", "-o", str(tmp_path / "t")]) == 0
    turns = read_run(RUNS / "vllm").turns
    for row, recorded in zip(read_trace(tmp_path / "t").rows, turns, strict=True):
        assert abs(row.due_ns - (recorded.due_ns - turns[0].due_ns)) <= 500_000
        assert (row.prompt_tokens, row.output_tokens) == (recorded.prompt_tokens, recorded.tokens)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for what in (["jtl"], ["schedule", "--for", "vllm"]):
        assert main(["export", *what, str(RUNS / "tiny"), "-o", str(tmp_path / "no" / "file")]) == 2
    assert capsys.readouterr().err.count("No such file") == 2


def test_texts_have_the_system_prompt_or_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of a file or a user class is not kept: its characters tell that it was there."""
    load = {
        "kind": "chat",
        "users": 1,
        "turns": 1,
        "think_time_s": 1.0,
        "prompt": "Hi",
        "system_prompt": "Be terse.",
    }
    manifest = {"format": 2, "plan": {"host": "http://h", "load": load}}
    plan: dict[str, Any] = manifest
    for characters, code in ((9, 0), (0, 2), (4, 2)):
        folder = run_of(tmp_path, [turn(0, 1, 0, system_characters=characters)], {})
        (folder / "manifest.json").write_bytes(orjson.dumps(plan))
        assert main(["export", "schedule", str(folder), "--for", "aiperf", "--prompts", "texts"]) == code
        out = capsys.readouterr().out
        if code == 0:
            assert [one["role"] for one in json.loads(out)["messages"]] == ["system", "user"]
