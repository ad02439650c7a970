"""`--host` and `--headers`: what could end a line, change the connection or hold a secret is refused in one line."""

from __future__ import annotations

import json

import pytest

from chatload.loads.plan import Plan
from chatload.model.errors import UsageError
from tests.plans import plan_of


def plan(**values: object) -> Plan:
    return plan_of("chat", {"host": "http://127.0.0.1:8000", **values})


def mistakes(**values: object) -> list[str]:
    with pytest.raises(UsageError) as caught:
        plan(**values)
    return caught.value.lines


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("HTTPS://Gpu-1.lab/", "https://Gpu-1.lab"),
        (" http://my_server:1/v1/ ", "http://my_server:1/v1"),
        ("http://[::1]:65535", "http://[::1]:65535"),
        ("https://a/x/%7Ey", "https://a/x/%7Ey"),
    ],
)
def test_an_address_is_taken(given: str, host: str) -> None:
    assert plan(host=given).host == host


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("http://a\r\nX-Evil: 1", "line breaks"),
        ("http://a:80\r\n", "line breaks"),
        ("http://a\n", "line breaks"),
        ("http://a\tb", "line breaks"),
        ("http://a b", "blanks"),
        ("http://a/x y", "blanks"),
        ("http://a\x00", "breaks"),
        ("http://bücher", "ASCII"),
        ("http://a:\uff180", "ASCII"),
        ("http://a:0", "port"),
        ("http://a:65536", "port"),
        ("http://a:-1", "port"),
        ("http://a:+8", "port"),
        ("http://a:1_0", "port"),
        ("http://a:00", "port"),
        ("", "such as"),
        ("   ", "such as"),
        ("http://", "such as"),
        ("http://:80", "such as"),
        ("ftp://a", "such as"),
        ("gpu:8000", "such as"),
        ("http://a..b", "such as"),
        ("http://.", "such as"),
        ("http://-a", "such as"),
        ("http://" + "a" * 64, "such as"),
        ("http://a?x=1", "such as"),
        ("http://a#x", "such as"),
        ("http://[::1", "such as"),
        ("http://[zz]:1", "such as"),
        ("http://[::1]x:1", "such as"),
        ("http://a%0d%0a", "such as"),
        ("http://a<b", "such as"),
        ('http://a/"', "such as"),
        ("http://a\\b", "such as"),
    ],
)
def test_no_address_is_refused_in_one_line(host: str, words: str) -> None:
    (line,) = mistakes(host=host)
    assert line.startswith("--host ")
    assert words in line
    assert line.isprintable()


@pytest.mark.parametrize(
    "host",
    [
        "http://me:CANARY@gpu",
        "http://me:CAN@CANARY@gpu:1",
        "http://me:CANARY%40gpu",
        "http://me:CANARY",
        "http://CANARY@gpu\r\n",
        "http://gpu/?key=CANARY",
        "http://gpu:1/#CANARY",
        "me:CANARY@gpu",
        "//me:CANARY@gpu",
        "http://CANARY@",
        "http://CANARY:x@[::1]:1",
    ],
)
def test_a_refused_address_keeps_its_secrets(host: str) -> None:
    (line,) = mistakes(host=host)
    assert "CANARY" not in line


def test_headers_are_taken_as_they_are() -> None:
    headers = {"X-Team": "a b, c", "User-Agent": "x/1", "accept": "*/*", "X-Empty": ""}
    assert plan(headers=json.dumps(headers)).headers == headers


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        *(
            (f'{{"{name}": "CANARY"}}', "sets this header itself")
            for name in (
                "Host",
                "content-type",
                "Content-Length",
                "CONTENT-LENGTH",
                "Accept-Encoding",
                "Content-Encoding",
                "X-Request-Id",
            )
        ),
        *(
            (f'{{"{name}": "CANARY"}}', "how the connection is used")
            for name in (
                "Connection",
                "Keep-Alive",
                "Proxy-Connection",
                "Transfer-Encoding",
                "TE",
                "Trailer",
                "Upgrade",
                "Expect",
                "HTTP2-Settings",
            )
        ),
        *(
            (f'{{"{name}": "CANARY"}}', "secrets do not go")
            for name in (
                "Authorization",
                "Proxy-Authorization",
                "X-Api-Key",
                "Cookie",
                "X-Auth",
                "X-Access-Token",
                "Password",
            )
        ),
        *(
            (f'{{{json.dumps(name)}: "CANARY"}}', "letters, digits")
            for name in ("X Team", "X-Team:", "X\r\nY", "X\n", "Té", "X(1)", " X", "X\t", "X/Y", "X\x00")
        ),
        ('{"": "CANARY"}', "needs a name"),
        ('{"X": "1", "X": "2"}', "given twice"),
        ('{"X": "1", "x": "2"}', "given twice"),
        *(
            (f'{{"X": {value}}}', "a text in quotes")
            for value in ("1", "null", "true", "1.5", '["a"]', '{"a": "b"}')
        ),
        *(
            (f'{{"X": {json.dumps(value)}}}', "plain ASCII")
            for value in ("CANARY\r\nY: 1", "CANARY\n", "é", "a\x00", "a\x7f", "a\x1b")
        ),
        ('["CANARY"]', "JSON object"),
        ("CANARY", "JSON object"),
    ],
)
def test_headers_that_would_break_a_request_are_refused_in_one_line(headers: str, words: str) -> None:
    (line,) = mistakes(headers=headers)
    assert line.startswith("--headers ")
    assert words in line
    assert "CANARY" not in line
    assert line.isprintable()


def test_every_wrong_header_has_its_line() -> None:
    lines = mistakes(host="http://a:0", headers='{"Host": "a", "TE": "b", "Good": "c", "X": 1}')
    assert [line.split(":")[0] for line in lines] == [
        "--host 'http",
        "--headers 'Host'",
        "--headers 'TE'",
        "--headers 'X'",
    ]
