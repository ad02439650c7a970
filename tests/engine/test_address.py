"""Names with several addresses, and the headers of each user: of its session, its cookies, its key."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from chatload.engine.address import Address
from chatload.engine.api_key import ApiKey
from chatload.engine.connection import connect
from chatload.engine.cookies import MOST_EACH, Cookies
from chatload.engine.target import FoundRoute, Target, target_for
from chatload.model.errors import TurnError
from chatload.protocols.registry import DIALECTS
from tests.engine.scripted import Script
from tests.manual_clock import ManualClock
from tests.plans import plan_of


def lookup_of(*ips: str) -> Any:
    def lookup(name: str, port: int, **_: object) -> list[Any]:
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        found = [(family[":" in ip], 1, 6, "", (ip, port, 0, 0) if ":" in ip else (ip, port)) for ip in ips]
        return [*found, *found[:1]]  # /etc/hosts may name one twice

    return lookup


def first(address: Address, *users: int) -> list[str]:
    return [address.for_user(user)[0][1][0] for user in users]


def test_users_are_spread_over_all_addresses() -> None:
    address = Address("http://pods:8000", lookup=lookup_of("::1", "127.0.0.2", "127.0.0.3"))
    assert first(address, 0, 1, 2, 3, 300) == ["127.0.0.2", "127.0.0.3", "::1", "127.0.0.2", "127.0.0.2"]
    assert sorted(ip for _, (ip, *_) in address.for_user(1)) == ["127.0.0.2", "127.0.0.3", "::1"]
    assert [address.group_of(user) for user in (0, 1, 5)] == [0, 1, 2]
    assert address.several


def test_an_address_that_did_not_answer_gets_nobody_unless_it_is_the_last() -> None:
    lookup = lookup_of("127.0.0.2", "127.0.0.3")
    assert first(Address("http://pods", skipped=("127.0.0.2",), lookup=lookup), 0, 1) == ["127.0.0.3"] * 2
    alone = Address("http://pods", skipped=("127.0.0.2", "127.0.0.3"), lookup=lookup)
    assert first(alone, 0, 1) == ["127.0.0.2", "127.0.0.3"]
    late = Address("http://pods", lookup=lookup)
    late.resolve()
    late.skip(["127.0.0.3"])
    assert first(late, 0, 1) == ["127.0.0.2"] * 2


def test_a_user_whose_address_is_dead_goes_to_another() -> None:
    with socket.create_server(("127.0.0.2", 0)) as listener:
        port = listener.getsockname()[1]
        address = Address(f"http://pods:{port}", lookup=lookup_of("127.0.0.1", "127.0.0.2"))
        for user in (0, 1):
            made = connect(address, 5, kernel_stamps=False, user=user)
            assert made.peer == "127.0.0.2"
            made.close()


def test_an_unknown_name_is_told() -> None:
    def lookup(*_: object, **__: object) -> list[Any]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(TurnError, match="cannot resolve 'pods'"):
        Address("http://pods", lookup=lookup).resolve()


@pytest.mark.parametrize(
    ("host", "header", "name"),
    [
        ("http://gpu", "gpu", "gpu"),
        ("http://gpu:80", "gpu", "gpu"),
        ("https://gpu:443/x", "gpu", "gpu"),
        ("http://gpu:443", "gpu:443", "gpu"),
        ("http://[::1]:8000", "[::1]:8000", "::1"),
        ("http://[fe80::1%25eth0]", "[fe80::1]", "fe80::1%eth0"),
    ],
)
def test_the_host_header(host: str, header: str, name: str) -> None:
    address = Address(host)
    assert (address.header, address.name) == (header, name)
    assert address.place == (f"[{name}]:{address.port}" if ":" in name else f"{name}:{address.port}")


def target(key: str = "", dialect: str = "openai", **options: str) -> Target:
    plan = plan_of("chat", {"host": "http://gpu:8000", **options})
    secret = ApiKey(key).sent_in(plan.access.auth_header)
    route = FoundRoute("/x/chat?api-version=1&team=b", run_id="0123456789abcdef")
    return target_for(plan, DIALECTS[dialect], Script(ManualClock(), []), "local", secret, route)


def test_each_conversation_has_a_session_of_its_own() -> None:
    made = target(session_header="X-Session-ID")
    assert made.head_for(7).endswith(b"\r\nX-Session-ID: chatload-0123456789ab-7\r\n")
    assert made.head_for(8).endswith(b"-8\r\n")
    assert target().head_for(7) == target().head


def test_the_key_goes_into_the_header_that_was_named_and_no_other() -> None:
    head = target("K-123456", auth_header="api-key").head
    assert head.startswith(b"POST /x/chat?api-version=1&team=b HTTP/1.1\r\nHost: gpu:8000\r\n")
    assert b"\r\napi-key: K-123456\r\n" in head
    assert b"uthorization" not in head
    assert b"\r\nAuthorization: Bearer K-123456\r\n" in target("K-123456").head
    made = target("K-123456", auth_header="api-key", cookies="on")
    assert "K-123456" not in repr(made)
    assert made.url == "http://gpu:8000/x/chat?api-version=1&team=…"


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ("{}", b"anthropic-version: 2023-06-01"),
        ('{"Anthropic-Version": "2027-01-01"}', b"Anthropic-Version: 2027-01-01"),
    ],
)
def test_a_header_of_the_dialect_is_sent_once(headers: str, sent: bytes) -> None:
    lines = target(dialect="anthropic", headers=headers).head.split(b"\r\n")
    assert [line for line in lines if line.lower().startswith(b"anthropic")] == [sent]
    assert b"anthropic" not in target().head


def test_cookies_are_each_user_s_own() -> None:
    cookies = Cookies("/v1/chat?x=1", tls=False)
    cookies.take(1, ["lb=a; Path=/; HttpOnly", "other=1; Max-Age=60"])
    cookies.take(2, ["lb=b; Expires=Wed, 21 Oct 2099 07:28:00 GMT"])
    assert cookies.header(1) == b"Cookie: lb=a; other=1\r\n"
    assert (cookies.header(2), cookies.header(3)) == (b"Cookie: lb=b\r\n", b"")
    cookies.take(1, ["lb=c", "other=; Max-Age=0"])
    assert cookies.header(1) == b"Cookie: lb=c\r\n"
    cookies.take(1, ["lb=; expires=Thu, 01 Jan 1970 00:00:00 GMT"])
    assert cookies.header(1) == b""


@pytest.mark.parametrize(
    "line",
    [
        "",
        "lb",
        "=x",
        "a=b; Secure",
        "a=b; Path=/other",
        "a=b; path=/v1/ch",
        "a=\x00",
        "a=" + "x" * 5000,
        "é=1",
    ],
)
def test_a_cookie_that_is_not_for_us_is_dropped(line: str) -> None:
    cookies = Cookies("/v1/chat", tls=False)
    cookies.take(1, [line])
    assert cookies.header(1) == b""


def test_cookies_are_bounded_and_never_shown() -> None:
    cookies = Cookies("/", tls=True)
    cookies.take(1, [f"c{i}=CANARY; Secure; Path=/" for i in range(1000)])
    assert cookies.header(1).count(b"CANARY") == MOST_EACH
    assert "CANARY" not in repr(cookies)
