"""Parquet and Arrow files, and dataset folders as Hugging Face's tools write them."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chatload.cli.prompts import prompts
from chatload.files import datasets
from chatload.files.datasets import Rows, dataset_files, splits_of
from chatload.loads.trace import read_trace
from chatload.model.errors import UsageError
from chatload.prompts.conversation_file import load_conversations
from chatload.prompts.sharegpt import read_sharegpt


def talk(n: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Question {n}?"}, {"role": "assistant", "content": "Yes, it is so."}]


def table(n: int, begin: int = 0, **more: Any) -> Any:
    return pa.table({"messages": [talk(i) for i in range(begin, begin + n)], **more})


def test_a_parquet_file_is_read_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "chats.parquet"
    pq.write_table(table(1000), path, row_group_size=300)
    found = load_conversations(path)
    assert [script.lines[0] for script in found.scripts] == [f"Question {i}?" for i in range(1000)]
    assert found.notes == ()


def test_pictures_and_vectors_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "chats.parquet"
    image = [{"bytes": b"\x89PNG", "path": "a.png"}] * 3
    pq.write_table(table(3, image=image, vector=[[0.1, 0.2]] * 3, sound=[b"x"] * 3), path)
    found = load_conversations(path)
    assert len(found.scripts) == 3
    (note,) = found.notes
    assert all(name in note for name in ("'image'", "'vector'", "'sound'", "not read"))


def test_the_rows_of_a_hub_repository(tmp_path: Path) -> None:
    data = tmp_path / "chats" / "data"
    data.mkdir(parents=True)
    (tmp_path / "chats" / "README.md").write_text("---\nconfigs: []\n---\n")
    (tmp_path / "chats" / ".gitattributes").write_text("*.parquet filter=lfs")
    pq.write_table(table(5), data / "train_sft-00000-of-00002-0a1b2c3d4e5f6789.parquet")
    pq.write_table(table(5, 5), data / "train_sft-00001-of-00002-1a1b2c3d4e5f6789.parquet")
    assert len(load_conversations(tmp_path / "chats").scripts) == 10
    pq.write_table(table(2, 100), data / "test_sft-00000-of-00001.parquet")
    with pytest.raises(UsageError) as told:
        load_conversations(tmp_path / "chats")
    (line,) = told.value.lines
    assert "2 splits" in line and str(tmp_path / "chats" / "test_sft") in line
    assert load_conversations(tmp_path / "chats" / "test_sft").scripts[0].lines == ("Question 100?",)
    with pytest.raises(UsageError, match="No such file"):
        load_conversations(tmp_path / "chats" / "dev_sft")


def test_what_save_to_disk_writes(tmp_path: Path) -> None:
    """Arrow streams below a folder for each split, as datasets' DatasetDict.save_to_disk leaves them."""
    folder = tmp_path / "saved"
    for split, n in (("train", 4), ("test", 2)):
        (folder / split).mkdir(parents=True)
        (folder / split / "dataset_info.json").write_text("{}")
        (folder / split / "state.json").write_text('{"_data_files": []}')
        with pa.OSFile(str(folder / split / "data-00000-of-00001.arrow"), "wb") as file:
            whole = table(n)
            with pa.ipc.new_stream(file, whole.schema) as stream:
                stream.write_table(whole)
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert sorted(splits_of(folder)) == ["test", "train"]
    assert len(load_conversations(folder / "train").scripts) == 4  # a folder of its own
    with pytest.raises(UsageError, match="2 splits"):
        load_conversations(folder)


def test_folders_of_text_files_and_of_configurations(tmp_path: Path) -> None:
    for name in ("main", "socratic"):
        (tmp_path / name).mkdir()
        rows = [json.dumps({"question": f"{name} {i}?", "answer": "4"}) for i in range(3)]
        (tmp_path / name / "train.jsonl").write_text("\n".join(rows))
    assert sorted(splits_of(tmp_path)) == ["main/train", "socratic/train"]
    found = load_conversations(tmp_path / "main/train")
    assert [script.lines[0] for script in found.scripts] == ["main 0?", "main 1?", "main 2?"]


def test_a_trace_in_parquet_with_times(tmp_path: Path) -> None:
    path = tmp_path / "trace.parquet"
    times = [datetime(2024, 5, 1, 12, 0, second) for second in (0, 2, 5)]
    pq.write_table(
        pa.table({"TIMESTAMP": times, "ContextTokens": [9, 8, 7], "GeneratedTokens": [1, 2, 3]}), path
    )
    found = read_trace(path)
    assert [row.due_ns / 1e9 for row in found.rows] == [0, 2, 5]
    assert [row.prompt_tokens for row in found.rows] == [9, 8, 7]


def test_sharegpt_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "sharegpt.parquet"
    pq.write_table(table(7), path)
    assert len(read_sharegpt(path).conversations) == 7


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "chats.parquet"
    pq.write_table(table(2000), path)
    monkeypatch.setattr(datasets, "MOST_BYTES", 100_000)
    found = load_conversations(path)
    assert 100 < len(found.scripts) < 2000
    assert f"the first {len(found.scripts):,} rows" in found.notes[0]
    monkeypatch.setattr(datasets, "GROUP_BYTES", 1000)
    with pytest.raises(UsageError, match="row group 1 has"):
        load_conversations(path)


@pytest.mark.parametrize(
    "content", [b"PAR1", b"PAR1" + b"\0" * 100, b"PAR1rest of it PAR1", b"ARROW1\0\0rest"]
)
def test_damaged_files_are_named_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "chats.parquet"
    path.write_bytes(content)
    with pytest.raises(UsageError) as told:
        load_conversations(path)
    (line,) = told.value.lines
    assert "not readable as Parquet or Arrow" in line and "\n" not in line


def test_a_pointer_of_git_lfs_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    )
    with pytest.raises(UsageError, match="git lfs pull"):
        load_conversations(tmp_path)


def test_folders_without_rows(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(UsageError, match="without rows of a dataset"):
        load_conversations(tmp_path)
    assert dataset_files(tmp_path / "nothing.jsonl") is None


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "chats.parquet"
    pq.write_table(table(1), path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError) as told:
        list(Rows([path]))
    (line,) = told.value.lines
    assert 'pip install "chatload[datasets]"' in line


# -- chatload prompts describe ---------------------------------------------------------------------------


def described(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert prompts(["describe", *argv, "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_dataset_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "chats.parquet"
    pq.write_table(table(100, image=[b"x"] * 100), path)
    found = described(capsys, str(path))
    assert (found["kind"], found["conversations"], found["turns"]) == ("conversations", 100, 100)
    assert found["prompt_tokens"]["n"] == 100 and found["estimated"] and "image" in found["notes"][0]
    assert prompts(["describe", str(path)]) == 0
    text = capsys.readouterr().out
    assert "Conversations  100" in text and "Left out, and how it is read" in text and "Question 0?" in text
    assert prompts(["describe", str(path), str(path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [found, found]
    with pytest.raises(UsageError) as told:
        prompts(["describe", str(path), str(tmp_path / "a"), str(tmp_path / "b")])
    assert len(told.value.lines) == 2


def test_a_trace_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trace.jsonl"
    rows = [
        {"timestamp": 1000 * at, "input_length": 600, "output_length": 9, "hash_ids": [1, at + 2]}
        for at in range(11)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    found = described(capsys, str(path))
    assert (found["kind"], found["turns"], found["seconds"], found["requests_per_s"]) == (
        "trace",
        11,
        10.0,
        1.0,
    )
    assert found["prompt_tokens"]["p50"] == 600 and found["answer_tokens"]["max"] == 9
    assert any("equal hash_ids" in words for words in found["notes"])


def test_conversations_with_delays_are_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "talks.jsonl"
    path.write_text(json.dumps({"turns": [{"text": "Hello there"}, {"text": "And now?", "delay": 1500}]}))
    found = described(capsys, str(path))
    assert (found["kind"], found["conversations"], found["turns"]) == ("trace of conversations", 1, 2)
    assert found["think_s"]["mean"] == 1.5 and found["first"] == "Hello there"
    as_prompts = described(capsys, str(path), "--as", "prompts")
    assert as_prompts["kind"] == "conversations" and as_prompts["think_s"] is None
