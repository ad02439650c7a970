"""A reply that ends while its batch fails."""

from __future__ import annotations

import asyncio

from simulator.faults.injector import Fault
from simulator.ground_truth.truth_log import Marks, TruthRecord
from simulator.http.exchange import Exchange, Request
from simulator.replies.encoder import Encoder, Event
from simulator.replies.job import Answer, GenerationParams, Job
from simulator.replies.reply import Reply
from simulator.schedulers.sequence import Sequence


class FakeConnection:
    """Records what is sent and how the reply ended."""

    def __init__(self) -> None:
        self.backlog = bytearray()
        self.idle_close_s: float | None = None
        self.sent = b""
        self.ends: list[str] = []

    def write(self, data: bytes) -> None:
        self.sent += data

    def reply_over(self, close: bool) -> None:
        self.ends.append("over")

    def close_when_flushed(self) -> None:
        self.ends.append("closed")

    def reset(self) -> None:
        self.ends.append("reset")


class FakeEncoder(Encoder):
    """One letter per token, a full stop at the end."""

    def encode(self, first: int, count: int, finish: str | None) -> tuple[bytes, Marks]:
        return b"t" * count + (b"." if finish else b""), ((count, "token"),)

    def error(self) -> list[list[Event]]:
        return [[(b"error", 0, "error")]]


def reply(fault: Fault | None = None) -> tuple[Reply, FakeConnection]:
    connection = FakeConnection()
    request = Request("POST", "/", "", {}, b"", True, 0, 1)
    params = GenerationParams("chat", "", "m", stream=True)
    job = Job(params, Answer([], [], None, False), "id", 0)
    truth = TruthRecord("vllm", "/", 1, 1, 0)
    return Reply(
        Exchange(connection, request), job, Sequence(1, 1, 9, 9), FakeEncoder(), truth, fault
    ), connection


def test_a_reply_whose_end_is_prepared_ends_well_when_its_batch_fails() -> None:
    made, connection = reply()
    made.made, made.finish = 2, "stop"
    assert made.prepare()
    made.fail("batch-error")
    made.send_prepared()
    assert connection.sent == b"tt.0\r\n\r\n"
    assert (made.truth.ended, made.truth.fault, connection.ends) == ("complete", None, ["over"])


def test_a_reply_in_the_middle_gets_the_error_when_its_batch_fails() -> None:
    made, connection = reply()
    made.made = 2
    assert made.prepare()
    made.send_prepared()
    made.fail("batch-error")
    assert connection.sent == b"tt5\r\nerror\r\n0\r\n\r\n"
    assert (made.truth.ended, made.truth.fault) == ("fault:batch-error", "batch-error")


def test_tokens_made_during_a_stall_are_sent_together_after_it() -> None:
    async def run() -> list[bytes]:
        made, connection = reply(Fault("stall", 1.0, 0.02))
        made.made = 3
        made.prepare()
        made.send_prepared()
        states = [connection.sent]
        made.made = 5
        assert made.blocked() and not made.prepare()
        states.append(connection.sent)
        await asyncio.sleep(0.05)
        return [*states, connection.sent]

    assert asyncio.run(run()) == [b"ttt", b"ttt", b"ttttt"]


class BrokenEncoder(FakeEncoder):
    """Cannot write the third token."""

    def encode(self, first: int, count: int, finish: str | None) -> tuple[bytes, Marks]:
        if first + count > 2:
            raise KeyError("logprobs")
        return super().encode(first, count, finish)


def test_an_error_of_the_simulator_ends_its_reply_and_no_other() -> None:
    made, connection = reply()
    made.encoder = BrokenEncoder()
    told: list[tuple[bool, Exception]] = []
    made.on_error = lambda exchange, error: told.append((exchange.open, error))
    made.made = 2
    assert made.prepare()
    made.send_prepared()
    made.made = 3
    assert not made.prepare()
    assert connection.sent == b"tt"
    assert [(is_open, str(error)) for is_open, error in told] == [(True, "'logprobs'")]
    assert (made.truth.ended, made.truth.tokens, made.over) == ("internal error", 2, True)
    made.made = 4
    assert not made.prepare()
    assert len(told) == 1
