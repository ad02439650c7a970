"""Every file an option names, in every state a file can be in: read once, bounded, each mistake with file and line."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatload.files import reading as inputs
from chatload.loads import input_files
from chatload.loads.load_shape import Inputs
from chatload.loads.plan import Planned
from chatload.model.errors import UsageError
from chatload.prompts.script import Script
from tests import plans
from tests.long import size

OPTIONS = ("prompts", "trace", "sharegpt", "certificate")
GOOD = {
    "prompts": '{"id": "a", "turns": ["Hello, you"]}\n{"id": "b", "turns": ["é", "ja"]}\n',
    "trace": '{"due_s": 0.5, "prompt_tokens": 10}\n{"due_s": 1}\n',
    "sharegpt": json.dumps(
        [
            {
                "id": "x",
                "conversations": [
                    {"from": "human", "value": "How are you today, my friend?"},
                    {"from": "gpt", "value": "I am very well, thank you."},
                ],
            }
        ]
    ),
    "certificate": '{"kind": "certificate",\n "ttft_error_ms": {"p99": 0.1}, "load": {"users": 9}}\n',
}


def planned(option: str, path: Path | str) -> Planned:
    """A plan that names the file."""
    kind = "open_loop" if option in ("trace", "sharegpt") else "chat"
    more = {"requests": "1"} if option == "sharegpt" else {"history": "on"}
    return plans.planned(kind, {"host": "http://127.0.0.1:1", option: str(path), **more})


def told(option: str, path: Path | str) -> list[str]:
    """The lines of a plan that names a bad file: at once, each with option and file, each on one line."""
    begun = time.monotonic()
    with pytest.raises(UsageError) as caught:
        planned(option, path)
    assert time.monotonic() - begun < 20.0
    lines = caught.value.lines
    assert 0 < len(lines) <= inputs.MOST_MISTAKES + 1
    for line in lines:
        assert line.startswith(f"--{option} ")
        assert line.isprintable()
        assert len(line) < 600
    return lines


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def written(content: str | bytes) -> Path:
        path = tmp_path / "given"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


LONG_LINE = size(100_000_000, 10_000_000)
ROWS = size(100_000, 10_000)
NO_CONTENT: dict[str, bytes] = {
    "empty": b"",
    "blank lines": b"\n \n\r\n",
    "only a byte order mark": b"\xef\xbb\xbf",
    "binary": bytes(range(256)) * 40,
    "zip": b"PK\x03\x04\x14\x00\x00\x00" + os.urandom(200),
    "gzip": b"\x1f\x8b\x08\x00" + os.urandom(200),
    "UTF-16": "﻿".encode("utf-16-le") + GOOD["prompts"].encode("utf-16-le"),
    "Latin-1": b'{"id": "caf\xe9", "turns": ["\xe9"]}',
    "HTML": b"<!doctype html>\n<html><body>404 Not Found</body></html>\n",
    "prose": b"Dear all,\nplease find attached what you asked for.\n",
    "a number": b"42",
    "a text": b'"hello"',
    "null": b"null\n",
    "true": b"true",
    "list of numbers": b"[1, 2, 3]\n[4]\n",
    "empty list": b"[]",
    "empty object": b"{}",
    "nulls": b"[null, null]\nnull\n",
    "nested lists": b"[[[[[]]]]]",
    "brackets without end": b"[" * 200_000,
    "braces without end": b'{"a":' * 100_000,
    "digits without end": b"[" + b"9" * 100_000 + b"]",
    "torn": b'{"id": "a", "turns": ["x',
    "NaN": b'{"due_s": NaN}\n[NaN]\n',
    "wrong keys": b'{"riddle": "?", "answer": "!"}\n',
    "null keys": b'{"id": null, "turns": null, "due_s": null, "kind": null, "conversations": null}\n',
    "wrong nested types": b'{"id": {"a": []}, "turns": {"b": 1}, "due_s": [0], "kind": ["certificate"]}\n',
    "conversations of numbers": b'[{"id": 1, "conversations": [1, 2]}, {"conversations": {"a": 1}}]',
    "messages of numbers": b'[{"conversations": [{"from": "human", "value": 1}, {"from": "gpt", "value": null}]}]',
    "one message each": b'[{"conversations": [{"from": "human", "value": "alone"}]}]',
    "too short": b'[{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}]',
    "half of a surrogate pair": b'{"id": "a", "turns": ["\\ud800"]}\n',
    "quote without end": b'due_s,x\n1,"' + b"a" * 200_000,
}


PROMPTS_ALL_THE_SAME = ("one message each", "too short")
"""Good conversations, though no exchanges that ShareGPT's sampling takes."""


@pytest.mark.parametrize("option", OPTIONS)
def test_content_that_is_none(option: str, tmp_path: Path) -> None:
    """One line says so, with the file, however many lines are wrong."""
    for kind, content in NO_CONTENT.items():
        if option == "prompts" and kind in PROMPTS_ALL_THE_SAME:
            continue
        path = tmp_path / kind
        path.write_bytes(content)
        (line,) = told(option, path)
        assert line.startswith(f"--{option} {path}:"), kind


@pytest.mark.parametrize("option", OPTIONS)
def test_files_that_are_none(option: str, tmp_path: Path) -> None:
    """None of these is waited for, none read without end."""
    fifo, link, loop = tmp_path / "fifo", tmp_path / "link", tmp_path / "loop"
    os.mkfifo(fifo)
    link.symlink_to(tmp_path / "absent")
    loop.symlink_to(loop)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path, words in (
            (fifo, "not a regular file"),
            ("/dev/zero", "not a regular file"),
            ("/dev/null", "not a regular file"),
            (tmp_path / "socket", "not a regular file"),
            (tmp_path, "Is a directory"),
            ("/", "Is a directory"),
            (tmp_path / "absent", "No such file"),
            (link, "No such file"),
            (loop, "Too many levels"),
            (f"{__file__}/below", "Not a directory"),
            ("a" * 300, "File name too long"),
            ("/proc/self/mem", "Input/output error"),
        ):
            (line,) = told(option, path)
            assert words in line


@pytest.mark.parametrize("option", OPTIONS)
def test_a_file_that_may_not_be_read(option: str, write: Callable[[str], Path], monkeypatch: Any) -> None:
    path = write(GOOD[option])

    def refuse(*_: Any) -> int:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(inputs.os, "open", refuse)
    (line,) = told(option, path)
    assert "Permission denied" in line


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("form", ["as it is", "byte order mark", "CRLF", "no line end"])
def test_files_of_other_editors_are_good(option: str, form: str, write: Callable[[bytes], Path]) -> None:
    text = GOOD[option].encode()
    forms = {
        "as it is": text,
        "byte order mark": b"\xef\xbb\xbf" + text,
        "CRLF": text.replace(b"\n", b"\r\n"),
        "no line end": text.rstrip(b"\n"),
    }
    made = planned(option, write(forms[form]))
    assert (made.certificate or made.inputs) not in (None, Inputs())


@pytest.mark.parametrize(
    ("option", "begin", "end"),
    [("prompts", b'{"id": "long", "turns": ["', b'"]}'), ("trace", b'{"due_s": 1, "x": "', b'"}')],
)
def test_a_line_of_many_mb_is_told_by_its_number(
    option: str, begin: bytes, end: bytes, write: Callable[[bytes], Path]
) -> None:
    path = write(GOOD[option].encode() + begin + b"a" * LONG_LINE + end)
    (line,) = told(option, path)
    assert line.startswith(f"--{option} {path}:3: {LONG_LINE // 1_000_000},0") and line.endswith(
        "bytes on one line: at most 4 MB"
    )


@pytest.mark.parametrize("option", ["sharegpt", "certificate"])
def test_one_text_of_many_mb_is_no_file_of_the_kind(option: str, write: Callable[[bytes], Path]) -> None:
    told(option, write(b'[{"conversations": [{"from": "human", "value": "' + b"a" * LONG_LINE))


@pytest.mark.parametrize("option", OPTIONS)
def test_a_file_is_bounded_while_it_is_read(option: str, tmp_path: Path) -> None:
    """Sparse: nothing of it is on disk, and nothing of it is read."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(3 << 30)
    assert "larger than" in told(option, path)[0]


def test_a_file_that_grows_while_it_is_read(tmp_path: Path, monkeypatch: Any) -> None:
    """Its size is told too small, as that of a file in /proc is."""
    path = tmp_path / "grows"
    path.write_bytes(b"x" * 2_000)
    monkeypatch.setattr(inputs, "_check", lambda *_: None)
    with pytest.raises(UsageError, match="larger than"):
        inputs.read_input(path, "", most_bytes=1_000)


def test_names_that_would_break_a_line(tmp_path: Path) -> None:
    (line,) = told("prompts", f"{tmp_path}/a\u202eb")
    assert "\u202e" not in line
    (line,) = told("prompts", "a\nb")
    assert "must be one line" in line


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        (
            '{"due_s": 1}\n{"due_s": -1}\n{"due_s": 1e400}\n',
            [":2: due_s -1: must be 0 or", ":3: not a JSON object"],
        ),
        (
            "due_s\n1\nnan\ninf\n-1\n1e400\n１\n1_0\n0x1\n",
            [":3: ", ":4: ", ":5: ", ":6: ", ":7: ", ":8: ", ":9: "],
        ),
        ('{"due_s": 1}\n{"due_s": 1e12}\n', [":2: due 1e+12 s after the start: at most 31 days"]),
        ('{"due_s": 1e300}\n', [":1: due_s 1e+300: must be 0 or more, at most 1e+15"]),
        (f'{{"due_s": {"9" * 30}}}\n', [":1: due_s 1e+30: must be 0 or more, at most"]),
        ('{"timestamp": 0}\n{"timestamp": 1e13}\n', [":2: due 1e+10 s after the start"]),
        (
            '{"due_s": 1, "prompt_tokens": 1e300}\n',
            [":1: prompt_tokens 1e+300: must be a whole number from 1 to"],
        ),
        (
            '{"due_s": 1, "output_tokens": 10000000}\n',
            [":1: output_tokens 10000000: must be a whole number from 1 to"],
        ),
        ('{"due_s": true}\n{"due_s": {}}\n{"due_s": [1]}\n', [":1: ", ":2: ", ":3: "]),
        (
            "due_s\n" + "-" + "1" * 1000 + "\n",
            [":2: due_s '-1111111111111111111111111111111111111111'…"[:30]],
        ),
    ],
)
def test_due_times_and_lengths_without_end(rows: str, lines: list[str], write: Callable[[str], Path]) -> None:
    path = write(rows)
    found = told("trace", path)
    assert len(found) == len(lines)
    for line, begins in zip(found, lines, strict=True):
        assert line.startswith(f"--trace {path}{begins}")


@pytest.mark.parametrize(
    "changed",
    [
        {"ttft_error_ms": [1]},
        {"ttft_error_ms": None},
        {"load": "x"},
        {"ttft_error_ms": {"p99": "x"}},
        {"machine": 1},
        {"load": {"users": [1]}},
        {"load": {"users": -1}},
        {"versions": []},
        {"kind": "other"},
    ],
)
def test_a_certificate_holds_what_reports_read_of_it(
    changed: dict[str, Any], write: Callable[[str], Path]
) -> None:
    told("certificate", write(json.dumps(json.loads(GOOD["certificate"]) | changed)))


def test_all_files_and_values_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad"
    path.write_text("{}\n[1]\n", encoding="utf-8")
    values = {
        "host": "x",
        "trace": str(path),
        "certificate": str(path),
        "requests": "x",
        "prompts": str(path),
    }
    for kind, files in (("open_loop", ("trace", "certificate")), ("chat", ("prompts", "certificate"))):
        with pytest.raises(UsageError) as caught:
            plans.planned(kind, values)
        assert {f"--{name}" for name in (*files, "host")} <= {line.split()[0] for line in caught.value.lines}


def test_a_file_is_read_once_until_it_changes(write: Callable[[str], Path], monkeypatch: Any) -> None:
    read: list[str] = []
    real = input_files.load_conversations
    monkeypatch.setattr(
        input_files, "load_conversations", lambda path, column: read.append(path) or real(path, column)
    )
    path = write(GOOD["prompts"])
    assert planned("prompts", path).inputs.conversations == planned("prompts", path).inputs.conversations
    assert len(read) == 1
    path.write_text('{"id": "new", "turns": ["another"]}', encoding="utf-8")
    assert planned("prompts", path).inputs.conversations == (Script(("another",)),)
    path.write_text("broken", encoding="utf-8")
    told("prompts", path)


@pytest.mark.parametrize("option", ["prompts", "trace", "sharegpt"])
def test_what_was_read_travels_and_no_worker_opens_a_file(option: str, write: Callable[[str], Path]) -> None:
    path = write(GOOD[option])
    made = planned(option, path)
    path.unlink()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=Planned) == made


def test_many_rows_are_read_and_packed_within_seconds(write: Callable[[str], Path]) -> None:
    path = write(
        "".join(f'{{"due_s": {n / 100}, "prompt_tokens": 9, "output_tokens": 9}}\n' for n in range(ROWS))
    )
    begun = time.process_time()
    there = msgspec.msgpack.decode(msgspec.msgpack.encode(planned("trace", path)), type=Planned)
    assert len(there.inputs.trace) == ROWS
    assert time.process_time() - begun < 40e-6 * ROWS + 1.0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "turns",
                    "due_s",
                    "timestamp",
                    "prompt_tokens",
                    "output_tokens",
                    "conversations",
                    "from",
                    "value",
                    "kind",
                    "load",
                    "users",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


NUMBERS = count()


def new_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mktemp` looks at the names of all folders before."""
    return tmp_path_factory.getbasetemp() / f"given-{next(NUMBERS)}"


@settings(max_examples=size(200, 40), deadline=None)
@given(option=st.sampled_from(OPTIONS), rows=st.lists(JSON, max_size=4), one=st.booleans())
def test_any_json_is_a_plan_or_lines_that_name_file_and_option(
    option: str, rows: list[Any], one: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = new_file(tmp_path_factory)
    path.write_text(json.dumps(rows) if one else "\n".join(map(json.dumps, rows)), encoding="utf-8")
    try:
        made = planned(option, path)
    except UsageError as error:
        assert all(line.startswith(f"--{option} ") and line.isprintable() for line in error.lines)
        return
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=Planned) == made


@settings(max_examples=size(200, 40), deadline=None)
@given(option=st.sampled_from(OPTIONS), content=st.binary(max_size=200))
def test_any_bytes_are_a_plan_or_lines_that_name_file_and_option(
    option: str, content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = new_file(tmp_path_factory)
    path.write_bytes(content)
    try:
        planned(option, path)
    except UsageError as error:
        assert all(line.startswith(f"--{option} ") and line.isprintable() for line in error.lines)
