"""The headers of key and session, cookies and certificates: each mistake is one line, and none holds a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatload.model.errors import UsageError
from chatload.options.access_options import Access
from tests.plans import plan_of


def access(**values: str) -> Access:
    return plan_of("chat", {"host": "https://127.0.0.1:8000", **values}).access


def mistakes(**values: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        access(**values)
    return caught.value.lines


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("Authorization", "Bearer K"),
        ("authorization", "Bearer K"),
        ("api-key", "K"),
        ("X-API-Key", "K"),
        ("Ocp-Apim-Subscription-Key", "K"),
        ("Authorization: Basic", "Basic K"),
        ("Authorization:", "K"),
        ("X-Auth: Token", "Token K"),
    ],
)
def test_the_header_of_the_key(given: str, value: str) -> None:
    header = access(auth_header=given).auth_header
    assert (header.name, header.value("K")) == (given.partition(":")[0], value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("Host", "sets this header itself"),
        ("Content-Length", "sets this header itself"),
        ("TE", "connection"),
        ("X Y", "letters"),
        ("", "needs a name"),
        ("api-key: sk-CANARY-1", "never the key"),
        ("a\nb", "letters"),
        ("Authorization: Bearer CANARY", "never the key"),
    ],
)
def test_no_header_of_the_key(given: str, words: str) -> None:
    (line,) = mistakes(auth_header=given)
    assert line.startswith("--auth-header …: ")
    assert words in line
    assert "CANARY" not in line


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"session_header": "X-S", "headers": '{"x-s": "1"}'}, "--headers sets this header too"),
        ({"auth_header": "X-Team", "headers": '{"x-team": "1"}'}, "--headers sets this header too"),
        ({"session_header": "api-key", "auth_header": "API-Key"}, "header of the API key"),
        ({"session_header": "Host"}, "sets this header itself"),
        ({"client_key": "k.pem"}, "--client-cert"),
        ({"ca_file": "/nowhere/ca.pem"}, "No such file"),
        ({"client_cert": "/nowhere/c.pem"}, "No such file"),
        ({"cookies": "maybe"}, "on or off"),
    ],
)
def test_what_does_not_go_together_is_one_line(values: dict[str, str], words: str) -> None:
    (line,) = mistakes(**values)
    assert words in line


def test_no_certificates_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "x.pem"
    file.write_text("nothing", encoding="ascii")
    assert "holds no certificates" in mistakes(ca_file=str(file))[0]
    assert "leave one of them out" in mistakes(ca_file=str(file), insecure="on")[0]
    assert "holds no certificate with its key" in mistakes(client_cert=str(file))[0]
