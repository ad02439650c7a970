"""The differences between recorded answers of genuine servers and the stand-ins' answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.wire_diff.__main__ import FOLDER, compared
from lab.wire_diff.captures import Capture, read_captures, write_captures
from lab.wire_diff.compare import differences
from tests.long import size

FILES = sorted(FOLDER.glob("*.jsonl.gz"))
EVENTS = (
    b'data: {"token":{"text":"a"},"details":null}\n\n',
    b'data: {"details":{"finish_reason":"x"}}\n\n',
)
BODY = b'{"error":"no","error_type":"validation"}'
PLAIN = b"HTTP/1.1 422 Unprocessable Entity\r\ncontent-length: %d\r\nvary: origin\r\n\r\n%b" % (
    len(BODY),
    BODY,
)


def stream(*events: bytes, size: bytes = b"%X", end: bytes = b"0\r\n\r\n") -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\ndate: now\r\n\r\n"
    return head + b"".join(size % len(each) + b"\r\n" + each + b"\r\n" for each in events) + end


def said(genuine: bytes, ours: bytes) -> list[str]:
    capture = Capture("case", "", "", {}, "", "complete", genuine)
    return [one.words for one in differences(capture, ours)]


def test_the_same_answer_with_another_text_date_and_time_is_the_same() -> None:
    other = stream(EVENTS[0].replace(b'"a"', b'"other"'), EVENTS[0], EVENTS[1]).replace(b"now", b"later")
    assert said(stream(*EVENTS), other) == []
    assert said(PLAIN, PLAIN) == []


@pytest.mark.parametrize(
    ("was", "became", "difference"),
    [
        (b"422", b"400", "HTTP/1.1 422"),
        (b"vary: origin", b"vary: x", "head: only ours has 'vary: x'"),
        (b"content-length: 40\r\nvary: origin", b"vary: origin\r\ncontent-length: 40", "header order"),
        (b'"no"', b'"noo"', '{"error":"no"'),
        (b'"error_type"', b'"kind"', "item 1 of the body"),
    ],
)
def test_status_headers_order_error_texts_and_fields_are_compared(
    was: bytes, became: bytes, difference: str
) -> None:
    assert any(difference in words for words in said(PLAIN, PLAIN.replace(was, became)))


@pytest.mark.parametrize(
    ("ours", "difference"),
    [
        (stream(*EVENTS, size=b"%x"), "framing: genuine chunked, sizes in upper case"),
        (stream(*EVENTS, end=b""), "end: the genuine one is complete, ours broken off"),
        (stream(EVENTS[0], EVENTS[1].replace(b'"x"', b'"y"')), "item 2 of the body"),
        (stream(EVENTS[0].replace(b"null", b"1"), EVENTS[1]), "item 1 of the body"),
        (stream(*EVENTS).replace(b"data: ", b"data:x"), "item 1 of the body"),
        (stream(EVENTS[0] + EVENTS[1]), "item 1 of the body"),
        (stream(b":\n\n", *EVENTS), "item 1 of the body"),
        (stream(*EVENTS, EVENTS[1].replace(b"x", b"y")), "item 3 of the body: genuine None"),
    ],
)
def test_framing_end_events_and_their_fields_are_compared(ours: bytes, difference: str) -> None:
    assert any(words.startswith(difference) for words in said(stream(*EVENTS), ours))


def test_captures_are_written_and_read_as_they_are(tmp_path: Path) -> None:
    found = read_captures(FILES[0])[:5]
    write_captures(found, tmp_path / "some.jsonl.gz")
    assert read_captures(tmp_path / "some.jsonl.gz") == found


@pytest.mark.e2e
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.partition(".")[0])
def test_every_difference_to_the_genuine_server_is_explained(path: Path) -> None:
    """Of the cases that one way of starting it serves; `make wire-diff`, and the long tests, ask them all."""
    captures = read_captures(path)
    usual = [each for each in captures if "--stop-at 8" in each.command or "lmdeploy" in each.command]
    assert len(usual) > 40 or not path.name.startswith(("tgi", "lmdeploy"))
    found = compared(path, size(captures, usual))
    assert [one for one in found if not one.why] == []
