"""What was seen decides the speed: replies of known timing through framing, dialect and meter, however they are cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from chatload.engine.reply_timing import ReplyMeter
from chatload.model.metrics import e2e_ms, felt_tokens_per_s, tpot_ms, ttfa_ms, ttft_ms
from chatload.model.turn import Message, Turn, TurnRequest
from chatload.protocols.body_reads import BodyReads
from chatload.protocols.dialects.openai import deltas
from tests.engine.timed_replies import REPLIES, ROLE, TimedReply, Write, finish, paced, text
from tests.long import LONG, size

MS = 1_000_000
REQUEST = TurnRequest((Message("user", "hi"),))


def turn_of(writes: Sequence[Write], *, batched: bool = False) -> Turn:
    """The turn that the reads make; `batched`: all are here before the first is decoded."""
    stamps = [round(at * MS) for at, _ in writes]
    meter = ReplyMeter(stamps, REQUEST, one_token_per_event=False)
    reads = [data for _, data in writes]
    source = BodyReads(iter([reads])) if batched else reads
    for delta in deltas(source, REQUEST):
        meter.add(delta)
    fields = meter.instants()
    return Turn(
        turn_id="0-0",
        request_id="",
        user=0,
        turn=0,
        due_ns=0,
        sent_ns=0,
        end_ns=stamps[-1],
        ok=True,
        **fields,  # type: ignore[arg-type]
    )


def cut(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """The same bytes in other reads: bytewise, each write in two at some byte, and in one read each."""
    yield list(writes)
    yield [(at, data[i : i + 1]) for at, data in writes for i in range(len(data))]
    for share in size((0.1, 0.5, 0.9), (0.5,)):
        halves = []
        for at, data in writes:
            middle = max(1, int(share * len(data)))
            halves += [(at, data[:middle]), (at, data[middle:])]
        yield [one for one in halves if one[1]]


@pytest.mark.parametrize("reply", REPLIES, ids=[one.name for one in REPLIES])
def test_what_was_seen_decides_the_speed(reply: TimedReply) -> None:
    for number, writes in enumerate(cut(reply.writes)):
        for batched in (False, True) if LONG or not number else (number > 1,):
            turn = turn_of(writes, batched=batched)
            assert (turn.tokens, turn.token_source, turn.usage_doubt) == (reply.n, reply.source, reply.doubt)
            assert ttft_ms(turn) == pytest.approx(reply.ttft_ms)
            assert e2e_ms(turn) == pytest.approx(reply.e2e_ms)
            if reply.tpot_ms is not None:
                assert tpot_ms(turn) == pytest.approx(reply.tpot_ms)
                assert felt_tokens_per_s(turn) == pytest.approx((reply.n or 0) * 1000 / reply.e2e_ms)
            elif reply.ttft_ms == reply.e2e_ms:
                assert tpot_ms(turn) is None
            assert turn.billed_tokens == (reply.billed or turn.tokens)
            assert sum(turn.gaps_us) == pytest.approx(1000 * (reply.e2e_ms - reply.ttft_ms), abs=1)


def test_no_reply_is_named_twice() -> None:
    assert len({one.name for one in REPLIES}) == len(REPLIES)


@pytest.mark.parametrize(
    ("texts", "answer"),
    [
        (["hm", " hm", "</think>", "\n\n", "Yes", "."], 4),  # the chat template opened the block
        (["hm", " hm", "</think>Yes", "."], 2),
        (["hm", " hm", "</", "think>", "Yes"], None),  # nobody knows
        (["<think>", "hm", "</think>", "Yes", "</think>", "."], 3),
        (["Write ", "<think>", " and ", "</think>", "."], 0),
        (["Yes", "."], 0),
    ],
)
@pytest.mark.parametrize("batched", [False, True])
def test_the_answer_begins_after_reasoning_inside_the_text(
    texts: list[str], answer: int | None, batched: bool
) -> None:
    spoken = [text(words) for words in texts]
    turn = turn_of([ROLE, *paced(spoken), (900.0, finish())], batched=batched)
    assert ttft_ms(turn) == 200
    assert ttfa_ms(turn) == (None if answer is None else 200 + 20 * answer)
