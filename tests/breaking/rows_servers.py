"""Servers that refuse, lie, flood, fall silent or die."""

from __future__ import annotations

from collections.abc import Callable

from tests.breaking import hostile_server as hostile
from tests.breaking.hostile_server import (
    DONE,
    EVENT_STREAM,
    Behaviour,
    chunk,
    event,
    floods,
    in_turn,
    plain,
    sends,
    usage,
    words,
)
from tests.breaking.place import Ended, Row, Shard
from tests.breaking.rows_options import CAPACITY

SHORT = ("--first-token-timeout", "1", "--gap-timeout", "1", "--turn-timeout", "3", "--connect-timeout", "1")


def served(behaviour: Behaviour, *arguments: str) -> Callable[[Shard], Ended]:
    """A run against a server of this behaviour, with short timeouts."""
    return lambda p: p.locust(*SHORT, *arguments, server=behaviour)


def asked(behaviour: Behaviour) -> Callable[[Shard], Ended]:
    """A server that behaves so when it is asked what it is; the time is taken from the first question."""

    def first_question(_: object, p: Shard) -> None:
        p.until(lambda: bool(p.server and p.server.heads), "the server was never asked")
        p.broken()

    return lambda p: p.locust(
        "--server", "auto", host=p.serve(behaviour, get_too=True), during=first_question
    )


def nobody(p: Shard) -> Ended:
    host = p.serve()
    assert p.server is not None
    p.server.close()
    return p.locust(host=host)


def capacity_against_nobody(p: Shard) -> Ended:
    """The server answers what it is, then dies at the first turn."""
    more = ("--first", "2", "--most", "4", "--settle", "0", "--measure", "1", "--slo", "p95 ttft_ms <= 500")
    return p.locust(
        *SHORT, *more, "--turns", "2", "--think-time", "0", server=hostile.dies_mid_stream, base=CAPACITY
    )


def failed(
    name: str, says: str, behaviour: Behaviour, *more: str, lacks: str = "", rare: bool = False
) -> Row:
    """Every turn fails: exit 1, and the report says why."""
    return Row(name, 1, says, served(behaviour, *more), begun=True, lacks=lacks, rare=rare)


COUNTS = (
    b"-1",
    b"9223372036854775808",
    b"1" + b"0" * 30,
    b"NaN",
    b'"many"',
    b"[3]",
    b"1e308",
    b"true",
    b"null",
)
ROWS = (
    Row("nobody listens", 1, r"refused", nobody, begun=True),
    Row("unknown host", 1, r"cannot resolve", lambda p: p.locust(host="http://no-such-host.invalid"), begun=True),
    Row("accepts and never answers", 1, r"gets no HTTP answer", asked(hostile.never), begun=True),
    Row("speaks SSH", 1, r"gets no HTTP answer", asked(sends(b"SSH-2.0-OpenSSH_9.2\r\n")), begun=True,
        rare=True),
    Row("answers what it is without end", 1, r"--server",
        asked(floods(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1024)), begun=True),
    failed("silent after the request", "timeout_first", hostile.never),
    failed("silent after the first word", "timeout_gap", hostile.one_word_then_silence),
    failed("dies in the middle of a reply", "truncated|connect", hostile.dies_mid_stream),
    failed("resets in the middle of a reply", "truncated", hostile.resets, rare=True),
    failed("web page instead of a reply", "bad_wire", sends(plain(200, b"<html>Hello</html>", b"text/html"))),
    failed("garbage instead of HTTP", "bad_wire", sends(bytes(range(256))), rare=True),
    failed("redirect", "30[27]", sends(plain(302, b"", more=b"location: http://127.0.0.1:9/\r\n")), rare=True),
    failed("one event without end", "bad_wire", floods(EVENT_STREAM, chunk(b"data: x" * 9000))),
    failed("chunk of 2^64 bytes", "bad_wire|truncated", sends(EVENT_STREAM, b"ffffffffffffffff\r\nx"), rare=True),
    failed("chunk of negative size", "bad_wire", sends(EVENT_STREAM, b"-5\r\nhello\r\n"), rare=True),
    failed("JSON nested 100,000 deep", "bad_wire", sends(EVENT_STREAM, event(b"[" * 100_000), DONE)),
    failed("a reply cut before its end", "truncated", sends(EVENT_STREAM, words())),
    failed("error text with CI commands", "in_band_error|server_error|invalid_request",
           sends(EVENT_STREAM, event(b'{"error":{"message":"a\\n::error::planted\\n' + b"w " * 60
                                     + b'::warning::planted \\u001b[31mred"}}'), DONE),
           lacks=r"(?m)^\s*::\w+::planted|\x1b\[31mred"),
    Row("error text that quotes the key", 2, r"^chatload: .*: mend the scenario",
        lambda p: p.locust(server=hostile.echoes_the_key, environment={"CHATLOAD_API_KEY": "sk-canary-7\n"}),
        begun=True, lacks="sk-canary"),
    Row("token counts that are none", 0, r"9 of 9 turns good",
        served(in_turn(*map(usage, COUNTS)), "-u", "1", "--turns", str(len(COUNTS))), begun=True),
    Row("capacity of a server that dies", 1, r"connect|truncated", capacity_against_nobody, begun=True),
)  # fmt: skip
