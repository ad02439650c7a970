"""The stream truth table: every reply fed whole, byte by byte and cut in two (at each byte in `make test-long`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from chatload.model.errors import TurnError
from chatload.model.turn import TurnRequest

from .cases_errors import ERRORS
from .cases_native import TGI, VLLM_GENERATE
from .cases_openai import OTHERS, VLLM, WAS, sse
from .cases_shapes import ENDINGS, SHAPES
from .cases_typed import ANTHROPIC, OLLAMA, RESPONSES
from .feeding import REQUEST, Case, check_cuts, cut, feed, one_by_one

CASES = [*VLLM, *OTHERS, *ERRORS, *SHAPES, *TGI, *VLLM_GENERATE, *RESPONSES, *ANTHROPIC, *OLLAMA]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.dialect}: {case.name}" for case in CASES])
def test_a_reply_decodes_the_same_however_it_is_cut(case: Case) -> None:
    outcome = check_cuts(case.dialect, case.body, REQUEST)
    deltas = outcome.deltas
    assert "".join(d.text for d in deltas) == case.text
    assert "".join(d.reasoning for d in deltas) == case.reasoning
    assert "".join(d.tool_text for d in deltas) == case.tool_text
    finishes = [d.finish for d in deltas if d.finish is not None]
    assert finishes == ([case.finish] if case.finish else [])
    if case.deltas is not None:
        assert len(deltas) == case.deltas
    if case.tokens is not None:
        assert tuple(d.tokens for d in deltas) == case.tokens
    usages = [d.usage for d in deltas if d.usage]
    assert (usages[-1] if usages else None) == case.usage
    if case.reply_id is not None:
        assert {d.reply_id for d in deltas} == {case.reply_id}
    code, detail = outcome.failure or (None, "")
    assert code == case.fails
    assert case.says in detail
    _check_that_deltas_appear_with_their_last_byte(case)


def _check_that_deltas_appear_with_their_last_byte(case: Case) -> None:
    """And not before. The byte that completes a delta, found without looking at `read`: the fewest bytes that bring it.

    A last event without its blank line comes with the end of the body, which is not played here.
    """
    bytewise = feed(case.dialect, _breaking(one_by_one(case.body)))
    marks = [(d, at) for d, at in zip(bytewise.deltas, bytewise.reads, strict=True) if d.finish != "end"]
    for number, (_, at) in enumerate(marks, start=1):
        assert _events_in(case, case.body[: at + 1]) >= number
        assert _events_in(case, case.body[:at]) < number


def _events_in(case: Case, body: bytes) -> int:
    return sum(d.finish != "end" for d in feed(case.dialect, _breaking([body])).deltas)


def _breaking(reads: Sequence[bytes]) -> Iterator[bytes]:
    """The reads of a connection that breaks after them."""
    yield from reads
    raise TurnError("truncated", "connection reset")


@pytest.mark.parametrize(("name", "body", "finish"), ENDINGS, ids=[name for name, _, _ in ENDINGS])
def test_a_finish_reason_is_the_end_only_where_no_text_follows(
    name: str, body: bytes, finish: str | None
) -> None:
    deltas = check_cuts("openai", body).deltas
    told = [delta.finish for delta in deltas if delta.finish is not None]
    assert (told[-1] if told else "") == (finish or "")


def _of(index: int, content: str, finish: str | None = None) -> bytes:
    return sse({"choices": [{"index": index, "delta": {"content": content}, "finish_reason": finish}]})


@pytest.mark.parametrize(
    ("events", "finish"),
    [
        ([_of(0, "a"), _of(1, "b"), _of(0, "", "stop"), _of(1, "", "length")], "length"),
        ([_of(0, "a"), _of(0, "", "stop"), _of(1, "b"), _of(1, "", "stop")], "stop"),
        ([_of(0, "a"), _of(1, "b"), _of(0, "", "stop")], None),
        ([_of(0, "a"), _of(0, "", "stop"), _of(1, "b"), _of(1, "b"), _of(1, "b")], None),
        ([_of(0, "a"), _of(1, "b"), _of(0, "", "abort"), _of(1, "", "stop")], "abort"),
        ([_of(0, "a"), _of(0, "", "stop")], "stop"),
        ([WAS, WAS], "stop"),
    ],
)
def test_a_reply_of_several_choices_ends_with_the_last_of_them(
    events: list[bytes], finish: str | None
) -> None:
    request = TurnRequest(REQUEST.messages, extra={"n": 2})
    told = [one.finish for one in check_cuts("openai", b"".join(events), request).deltas]
    assert next((one for one in reversed(told) if one is not None), "") == (finish or "")


def test_empty_reads_count_but_bring_nothing() -> None:
    case = VLLM[0]
    middle = len(case.body) // 2
    plain = feed(case.dialect, cut(case.body, [middle]))
    padded = feed(case.dialect, [b"", case.body[:middle], b"", b"", case.body[middle:], b""])
    assert padded.deltas == plain.deltas
    assert padded.reads == tuple({0: 1, 1: 4}[read] for read in plain.reads)
