"""`--host`, `--path` and `--headers`: addresses as people copy them work; what could end a line, change the connection
or hold a secret is refused in one line."""

from __future__ import annotations

import json

import pytest

from chatload.loads.plan import Plan
from chatload.model.errors import UsageError
from chatload.options.server_address import shown_url, whole_path
from tests.plans import plan_of


def plan(**values: object) -> Plan:
    return plan_of("chat", {"host": "http://127.0.0.1:8000", **values})


def mistakes(**values: object) -> list[str]:
    with pytest.raises(UsageError) as caught:
        plan(**values)
    return caught.value.lines


@pytest.mark.parametrize(
    ("given", "host", "path"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "/v1/chat/completions"),
        ("HTTPS://Gpu-1.lab/", "https://Gpu-1.lab", "/v1/chat/completions"),
        (" http://my_server:1/v1/ ", "http://my_server:1", "/v1/chat/completions"),
        ("http://a//v1//", "http://a", "/v1/chat/completions"),
        ("http://[::1]:65535/v1", "http://[::1]:65535", "/v1/chat/completions"),
        ("http://[fe80::1%25eth0]:80", "http://[fe80::1%25eth0]:80", "/v1/chat/completions"),
        ("https://a/x/%7Ey", "https://a/x/%7Ey", "/x/%7Ey/v1/chat/completions"),
        ("http://a/v1/chat/completions", "http://a", "/v1/chat/completions"),
        ("http://a/v1/chat/completions/", "http://a", "/v1/chat/completions"),
        ("http://a/v1/models", "http://a", "/v1/chat/completions"),
        ("http://a/openai/v1", "http://a/openai", "/openai/v1/chat/completions"),
        ("http://a/gw/v1/chat/completions", "http://a/gw", "/gw/v1/chat/completions"),
        ("http://a/api/v3", "http://a/api", "/api/v3/chat/completions"),
        ("http://a/api/paas/v4/chat/completions", "http://a/api/paas", "/api/paas/v4/chat/completions"),
        ("http://a/v1beta/openai/", "http://a/v1beta/openai", "/v1beta/openai/chat/completions"),
        ("http://a/chat/completions", "http://a", "/chat/completions"),
        (
            "https://a/openai/deployments/d/chat/completions?api-version=2024-06-01",
            "https://a/openai/deployments/d",
            "/openai/deployments/d/chat/completions?api-version=2024-06-01",
        ),
        ("https://a/v1/chat/completions?", "https://a", "/v1/chat/completions"),
        ("https://a/v1?tenant=b/c&x", "https://a", "/v1/chat/completions?tenant=b/c&x"),
        ("http://a/generate", "http://a", "/v1/chat/completions"),
    ],
)
def test_an_address_is_taken_as_people_copy_it(given: str, host: str, path: str) -> None:
    made = plan(host=given)
    asked = whole_path(made.host, "/v1/chat/completions", made.route.apis[0], made.route.query)
    assert (made.host, asked) == (host, path)


@pytest.mark.parametrize(
    ("given", "dialect"),
    [
        ("http://a/v1/completions", "openai-completions"),
        ("http://a/x/generate_stream", "tgi"),
        ("http://a/v1/responses", "openai-responses"),
        ("http://a/gw/v1/messages", "anthropic"),
        ("http://a:11434/api/chat", "ollama-native"),
        ("http://a/v1", ""),
        ("http://a/x/chat/completions", "openai"),
        ("http://a/generate", ""),
        ("http://a", ""),
    ],
)
def test_a_whole_route_names_its_dialect(given: str, dialect: str) -> None:
    assert plan(host=given).route.dialect == dialect


@pytest.mark.parametrize(
    ("host", "path", "asked"),
    [
        ("http://a", "/api/v3/chat/completions", "http://a/api"),
        ("http://a/gw", "/gw/x?api-version=1", "http://a"),
        ("http://a", "/v1/chat/completions/", "http://a"),
    ],
)
def test_a_path_is_the_whole_path(host: str, path: str, asked: str) -> None:
    made = plan(host=host, path=path)
    assert made.host == asked
    assert f"{made.route.path}?{made.route.query}".rstrip("?") == path


@pytest.mark.parametrize(
    ("host", "path", "words"),
    [
        ("http://a/v1", "/chat", "begin it with /v1"),
        ("http://a", "chat", "a path on the server"),
        ("http://a", "http://a/chat", "a path on the server"),
        ("http://a", "/ch at", "a path on the server"),
        ("http://a", "/x?token=CANARY", "secrets do not go"),
        ("http://a?api-version=1", "/x", "give it here"),
    ],
)
def test_no_path_is_refused_in_one_line(host: str, path: str, words: str) -> None:
    (line,) = mistakes(host=host, path=path)
    assert line.startswith("--path ")
    assert words in line
    assert "CANARY" not in line


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("http://a/v1/embeddings", "another API"),
        ("http://a:11434/api/generate", "Ollama's /api/chat"),
        ("http://a/v2/models/m/generate_stream", "OpenAI front end"),
        ("gpu:8000/v1", "such as http://gpu:8000/v1"),
        ("localhost", "such as http://localhost"),
        ("10.0.0.1:8000", "such as http://10.0.0.1:8000"),
        ("http://::1:8000", "in brackets"),
        ("http://fe80::1", "in brackets"),
        ("http://b\u00fccher", "xn--"),
    ],
)
def test_what_cannot_work_says_what_to_write(host: str, words: str) -> None:
    (line,) = mistakes(host=host)
    assert line.startswith("--host ")
    assert words in line


@pytest.mark.parametrize(
    "name",
    ["key", "api_key", "API-KEY", "api%2Dkey", "subscription-key", "sig", "code", "access_token", "password"],
)
def test_a_key_in_a_query_is_refused(name: str) -> None:
    (line,) = mistakes(host=f"https://a/v1?api-version=1&{name}=CANARY")
    assert "secrets do not go in arguments" in line
    assert "CANARY" not in line


def test_values_of_a_query_are_in_no_manifest() -> None:
    made = plan(host="https://a/v1?api-version=2024&team=CANARY").for_manifest()
    assert made.route.query == "api-version=2024&team=…"
    assert shown_url("https://me:x@a/v1?team=CANARY&api_version=1#y") == "https://a/v1?team=…&api_version=1"


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
        ('{"X-Session-ID": "${user}"}', "--session-header"),
        ('{"X-Session-ID": "{{user}}"}', "--session-header"),
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
