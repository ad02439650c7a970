"""The unit of a trace's times: by name, by form, by the numbers, or asked for; never a thousand times off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatload.__main__ import main
from chatload.files.columns import plain
from chatload.interop.replay_schedule import lines_for, schedule_of
from chatload.loads.trace import Trace, read_trace
from chatload.loads.trace_columns import FORMS, TIME_UNITS
from chatload.loads.trace_unit import Numbers, unit_of
from chatload.model.errors import UsageError
from chatload.store.journal import read_run

CASES = Path(__file__).parents[1] / "cases" / "files"
RUNS = Path(__file__).parents[1] / "runs"
MONTH_S = 31 * 86_400.0


def read(folder: Path, text: str | list[dict[str, Any]], unit: str = "") -> Trace:
    path = folder / "trace"
    content = text if isinstance(text, str) else "\n".join(map(json.dumps, text))
    path.write_text(content, encoding="utf-8")
    return read_trace(path, unit)


def dues_s(trace: Trace) -> list[float]:
    return [row.due_ns / 1e9 for row in trace.rows]


def lengths(*times: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"timestamp": at, "input_length": 30, "output_length": 20, **more} for at in times]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("timed_trace.jsonl", [0, 0.8, 1.6, 2.4, 3.2, 4.0]),
        ("epoch_s.jsonl", [0, 0.8, 1.6, 2.4]),
        ("mooncake_list.json", [0, 0.8, 1.6, 2.4]),
    ],
)
def test_the_cases_of_the_field(name: str, expected: list[float]) -> None:
    trace = read_trace(CASES / name)
    assert dues_s(trace) == pytest.approx(expected, abs=1e-3)
    assert trace.rows[0].prompt_tokens == 30 and trace.rows[0].output_tokens == 20
    assert len([words for words in trace.notes if "hash_ids" not in words]) == 1, "what was taken is said"


@pytest.mark.parametrize("tool", ["vllm", "aiperf", "guidellm"])
def test_our_own_export_comes_back_to_the_ms(tool: str, tmp_path: Path) -> None:
    schedule = schedule_of(read_run(RUNS / "vllm"))
    trace = read(tmp_path, "".join(lines_for(tool, schedule)))
    theirs = [due.after_ns for due in schedule.requests]
    assert max(abs(row.due_ns - due) for row, due in zip(trace.rows, theirs, strict=True)) <= 500_000
    assert [(row.prompt_tokens, row.output_tokens) for row in trace.rows] == [
        (due.prompt_tokens, due.output_tokens) for due in schedule.requests
    ]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("as_text", [False, True])
def test_unix_times_tell_their_unit(unit: str, as_text: bool, tmp_path: Path) -> None:
    per_s = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    whole = [1_753_780_607 * per_s, 1_753_780_609 * per_s, 1_753_780_608 * per_s]
    trace = read(tmp_path, lengths(*(map(str, whole) if as_text else whole)))
    assert dues_s(trace) == [0, 1, 2]
    assert f"read as {unit} (Unix times in {unit})" in trace.notes[0]


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        (
            "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type",
            "{},m,472,18,490,API log",
            2.0,
        ),
        ("timestamp,REQUEST TOKENS,response_tokens", "{},472,18", 2.0),
        ("request_id,timestamp,input_tokens,output_tokens", "7,{},472,18", 2.0),
        ("arrived_at,num_prefill_tokens,num_decode_tokens", "{},472,18", 2.0),
        ("request_id,arrival_timestamp,prompt_size,token_size", "7,{},472,18", 2.0),
        ("arrival_time_ms,prompt_len,output_len", "{},472,18", 0.002),
        ("Timestamp (us);Prompt Tokens;Completion Tokens", "{};472;18", 2e-6),
        ("startTimeSeconds,promptTokens,completionTokens", "{},472,18", 2.0),
    ],
)
def test_columns_tell_the_unit_and_the_lengths(
    header: str, row: str, expected: float, tmp_path: Path
) -> None:
    for end in ("\n", "\r\n"):
        text = end.join(["\ufeff" + header, row.format(5), "", row.format(3)]) + end
        trace = read(tmp_path, text)
        assert dues_s(trace) == pytest.approx([0, expected])
        assert {(one.prompt_tokens, one.output_tokens) for one in trace.rows} == {(472, 18)}
        assert trace.notes == ()


def test_bailian_counts_seconds(tmp_path: Path) -> None:
    rows = lengths(61.114, 63, 70.5, chat_id=159, parent_chat_id=-1, type="text", turn=1)
    assert dues_s(read(tmp_path, rows)) == pytest.approx([0, 1.886, 9.386])


@pytest.mark.parametrize(
    "dates",
    [
        ("2023-11-16 18:17:03.9799600", "2023-11-16 18:17:04.4799600"),
        ("2024-05-10 00:00:00.009930+00:00", "2024-05-10 00:00:00.509930+00:00"),
        ("2024-05-10T00:00:00Z", "2024-05-10T00:00:00.5Z"),
        ("2024-05-10T00:00:00+02:00", "2024-05-09T22:00:00.5+00:00"),
        ("2024-05-10 00:00:00,250", "2024-05-10 00:00:00,750"),
    ],
)
def test_dates_of_any_form_need_no_unit(dates: tuple[str, str], tmp_path: Path) -> None:
    for name in ("TIMESTAMP", "timestamp", "arrival_time"):
        rows = [{name: at, "ContextTokens": 374, "GeneratedTokens": 44} for at in dates]
        assert dues_s(read(tmp_path, rows)) == [0, 0.5]


@pytest.mark.parametrize(
    "times",
    [
        (0, 1, 2, 3),
        (0, 60, 120),
        (0, 99, 198),
        (0.0, 1.0, 2.0),
        (0.0, 2.5, 30.25, 90.0),
        (0.0, 800.0, 1600.0),
    ],
)
def test_what_could_be_both_is_asked(times: tuple[float, ...], tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, lengths(*times))
    (line,) = caught.value.lines
    assert "timestamp in s or ms?" in line and "--trace-unit s or --trace-unit ms" in line
    for unit, per_s in (("s", 1), ("ms", 1000)):
        trace = read(tmp_path, lengths(*times), unit)
        assert dues_s(trace) == pytest.approx([at / per_s for at in times])
        assert trace.notes == ()


def test_a_declared_unit_against_the_name_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="due_s is in s, --trace-unit says ms"):
        read(tmp_path, [{"due_s": 1}], "ms")


@pytest.mark.parametrize(
    ("numbers", "unit"),
    [
        (Numbers([0, 100, 200], True, 0, True), "ms"),
        (Numbers([0, 99, 198], True, 0, True), ""),
        (Numbers([0, 100, 200], True, 0, False), ""),
        (Numbers([0, 20, 40], True, 512, True), "ms"),
        (Numbers([0, 20, 40], True, 16, True), ""),
        (Numbers([0, 20, 40], True, 16, True, ours=True), "ms"),
        (Numbers([0, 1, 2], True, 16, True, ours=True), ""),
        (Numbers([0, 3_600_000], True), "ms"),
        (Numbers([0, 0.99, 1.98], False), "s"),
        (Numbers([0, 1.1, 2.2], False), ""),
        (Numbers([0, 9.5, 19], False, 16), "s"),
        (Numbers([0, 10.5, 21], False, 16), ""),
        (Numbers([0, 20.1234, 41], False, 16, ours=True), "s"),
        (Numbers([0, 20.123, 41], False, 16, ours=True), ""),
        (Numbers([0.5, 1000.5], False), "ms"),
        (Numbers([5, 5, 5], True), "s"),
    ],
)
def test_the_border_of_each_rule(numbers: Numbers, unit: str) -> None:
    assert unit_of(numbers, MONTH_S).unit == unit


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"timestamp": 1, "timestamp": 2}\n', ":1: 'timestamp' stands twice in it"),
        ("timestamp,timestamp\n1,2\n", ":1: two columns are named 'timestamp'"),
        (
            '{"timestamp": 1}\n{"timestamp": "2024-05-10"}\n',
            "some rows have a number as timestamp and some a date",
        ),
        (
            '{"timestamp": "2024-05-10 00:00"}\n{"timestamp": "2024-05-10 00:00Z"}\n',
            "some dates of timestamp have a time zone",
        ),
        ("timestamp,rate\n0,1.5\n600,2\n", ":2: rate '1.5' counts requests: a trace has one row for each"),
        ('"Time","Total","Success"\n2024-10-01 00:00:00,100,99\n', ":2: Total '100' counts requests"),
        (
            '{"timestamp": 0, "queries": [{"prompt_length": 9, "response_length": 2}, {"prompt_length": 3}]}\n',
            ":1: queries holds 2 requests: write one row for each",
        ),
        (
            "timestamp;input_tokens\n0,5;100\n",
            ":2: timestamp '0,5': must be a number, with a point for the comma",
        ),
        ('{"timestamp": -1.5}\n', ":1: timestamp -1.5: must be 0 or more"),
        (
            '{"timestamp": NaN}\n{"timestamp": 1}\n',
            ":1: not a JSON object in UTF-8 (a number that is none (NaN))",
        ),
        ('[{"timestamp": 1}, {"timestamp": NaN}]', ": item 2: timestamp 'nan': must be a number"),
        ('[{"due_s": 1}, {"due_s": 2}', ": item 3 is no JSON, or the list ends there"),
        (
            '{"due_s": 1, "prompt_tokens": 5, "input_length": 6}',
            ":1: has prompt_tokens 5 and input_length 6: give one",
        ),
        ("when,tokens\n1,2\n", ":1: no column of times among 'when', 'tokens'"),
        ("due_s,prompt_tokens\n1,5,7\n2,5\n", ":2: 3 fields for 2 columns"),
        ('{"due_s": "x"}\n{"due_s": "y"}\n', ":1: due_s 'x': must be a number"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert told in caught.value.lines[0]


@pytest.mark.parametrize(
    "text",
    [
        '[{"due_s": 0}, {"due_s": 1.5},]',
        '[\n  {\n    "due_s": 0\n  },\n  {\n    "due_s": "1.5"\n  }\n]\n',
        '{"due_s": 0},\r\n\r\n{"due_s": 1.5},\r\n',
        '{"requests": [{"due_s": 0}, {"due_s": 1.5}]}',
        '{\n "model": "m",\n "data": [{"due_s": 0}, {"due_s": 1.5}]\n}',
        '\ufeff{"due_s": 1.5}\n{"due_s": 0}',
        "Due_S\tuser\n1.5\tann\n\n0\tbob\n",
    ],
)
def test_forms_of_files(text: str, tmp_path: Path) -> None:
    assert dues_s(read(tmp_path, text)) == [0, 1.5]


@pytest.mark.parametrize("magic", [b"\x1f\x8b\x08\x00rest", b"PK\x03\x04rest", b"\xff\xfea\x00"])
def test_packed_files_are_named(magic: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trace.gz"
    path.write_bytes(magic)
    with pytest.raises(UsageError, match=r"it is (compressed|a zip|UTF-16)"):
        read_trace(path)


@pytest.mark.parametrize("inside", ["usage", "data"])
def test_lengths_within_usage_or_data(inside: str, tmp_path: Path) -> None:
    rows = [
        {"created": 1_700_000_000 + k, inside: {"prompt_tokens": 7, "completion_tokens": 9}} for k in (0, 3)
    ]
    trace = read(tmp_path, rows)
    assert dues_s(trace) == [0, 3]
    assert {(one.prompt_tokens, one.output_tokens) for one in trace.rows} == {(7, 9)}


def test_lengths_that_are_not_told_are_said_to_be_drawn(tmp_path: Path) -> None:
    (note,) = read(
        tmp_path, [{"due_s": 0, "prompt_tokens": 5}, {"due_s": 1, "prompt_tokens": 5, "osl": 3}]
    ).notes
    assert "1 of 2 rows have no length of the answer: lengths of ShareGPT's are drawn" in note
    (note,) = read(tmp_path, [{"due_s": 0}]).notes
    assert "1 of 1 rows have no length of the prompt, 1 of 1 rows have no length of the answer" in note
    counted = [{"due_s": 0, "prompt_tokens": 5, "osl": 3, "count": 2, "tools": [{"a": 1}]}]
    assert read(tmp_path, counted).notes == ()  # a row with lengths is one request


def test_texts_of_a_trace_are_said_not_to_be_sent(tmp_path: Path) -> None:
    trace = read(tmp_path, [{"due_s": 0, "messages": [{"role": "user", "content": "x"}], "output_length": 5}])
    assert "its messages are not sent" in trace.notes[0]


def test_names_of_columns_are_plain_and_each_form_is_its_own() -> None:
    assert [plain(name) for name in ("Request tokens", "ContextTokens", "TIMESTAMP", " Timestamp (ms) ")] == [
        "request_tokens",
        "context_tokens",
        "timestamp",
        "timestamp_ms",
    ]
    for form in FORMS:
        assert sum(form.columns <= other.columns for other in FORMS) == 1
        assert form.columns & TIME_UNITS.keys()


def test_the_plan_tells_how_long_the_trace_takes(capsys: pytest.CaptureFixture[str]) -> None:
    from tests import plans

    made = plans.planned(
        "open_loop",
        {"host": "http://127.0.0.1:1", "trace": str(CASES / "timed_trace.jsonl")},
    )
    assert made.plan.load.sentence().startswith("6 requests as due in")
    assert "the last one due after 4 s" in made.plan.load.bounds()
    assert main(["export", "schedule", str(RUNS / "vllm"), "--for", "vllm"]) == 0
    assert capsys.readouterr().out.startswith('{"timestamp":0.0,')
