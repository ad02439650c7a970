"""Traces: both file forms, both time fields, and every mistake at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatload.loads.trace import TraceRow, read_trace
from chatload.model.errors import UsageError


def write(folder, content: str):
    path = folder / "trace"
    path.write_text(content, encoding="utf-8")
    return path


def mistakes(folder, content: str) -> list[str]:
    path = write(folder, content)
    with pytest.raises(UsageError) as caught:
        read_trace(path)
    assert all(line.startswith(str(path)) for line in caught.value.lines)
    return [line.removeprefix(str(path)) for line in caught.value.lines]


def test_jsonl_with_our_fields(tmp_path):
    path = write(tmp_path, '{"due_s": 0.5, "prompt_tokens": 10, "output_tokens": 20}\n\n{"due_s": 2}\n')
    assert read_trace(path).rows == (TraceRow(500_000_000, 10, 20), TraceRow(2_000_000_000))


def test_mooncake_rows_are_ms_and_start_at_their_first(tmp_path):
    rows = '{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}\n'
    rows += '{"timestamp": 30535.5, "input_length": 6472, "output_length": 26}'
    assert read_trace(write(tmp_path, rows)).rows == (
        TraceRow(0, 6955, 52),
        TraceRow(3_053_500_000, 6472, 26),
    )


def test_due_s_is_taken_as_it_stands(tmp_path):
    assert read_trace(write(tmp_path, '{"due_s": 3}')).rows[0].due_ns == 3_000_000_000


def test_csv(tmp_path):
    path = write(tmp_path, "due_s,output_tokens,user\r\n0.25,7,ann\r\n0,,bob\r\n")
    assert read_trace(path).rows == (TraceRow(0), TraceRow(250_000_000, None, 7))


@given(dues=st.lists(st.integers(0, 10**6), min_size=1, max_size=50))
def test_rows_come_out_in_the_order_they_are_due(dues, tmp_path_factory):
    """Invariant: sorted by due time; rows due together keep the file's order."""
    rows = "\n".join(
        f'{{"due_s": {due / 1000}, "prompt_tokens": {line}}}' for line, due in enumerate(dues, 1)
    )
    got = read_trace(write(tmp_path_factory.mktemp("trace"), rows)).rows
    assert [(row.due_ns, row.prompt_tokens) for row in got] == sorted(
        (due * 10**6, line) for line, due in enumerate(dues, 1)
    )


def test_every_mistake_is_told_at_once_with_its_line(tmp_path):
    lines = mistakes(
        tmp_path,
        '{"due_s": 1}\n{"due_s": -1}\n{"due_s": "soon"}\n{}\n{"due_s": 1, "timestamp": 1}\n[1]\n'
        '{"due_s": 1, "output_tokens": 0}\n{"due_s": 1, "input_length": 2.5}\n{"due_s": true}\n{"due_s": 1',
    )
    assert [line.split(":")[1] for line in lines] == ["2", "3", "4", "5", "6", "7", "8", "9", "10"]
    assert lines[0] == ":2: due_s -1: must be 0 or more"
    assert "neither due_s (s) nor a timestamp" in lines[2]


def test_csv_mistakes_name_the_line(tmp_path):
    assert mistakes(tmp_path, "due_s\n1\nx\n") == [":3: due_s 'x': must be a number"]


def test_two_time_fields_in_one_file_are_refused(tmp_path):
    assert "use one of them throughout" in mistakes(tmp_path, '{"due_s": 1}\n{"timestamp": 1}')[0]


@pytest.mark.parametrize("content", ["", "\n", "due_s\n"])
def test_an_empty_trace_is_a_mistake(tmp_path, content):
    assert "holds no row" in mistakes(tmp_path, content)[0]


def test_a_long_list_of_mistakes_is_cut_and_counted(tmp_path):
    lines = mistakes(tmp_path, "due_s\n" + "x\n" * 30)
    assert len(lines) == 21
    assert "and 10 more" in lines[-1]


def test_unreadable_files_are_mistakes(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        read_trace(tmp_path / "absent")
    (tmp_path / "latin").write_bytes(b"due_s\n\xff")
    with pytest.raises(UsageError, match="byte 6 is not UTF-8"):
        read_trace(tmp_path / "latin")
