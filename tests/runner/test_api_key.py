"""The key of the environment: one reader, never shown, and sent only to hosts that were given or confirmed."""

from __future__ import annotations

import traceback

import msgspec
import pytest

from chatload.engine.api_key import (
    NO_KEY,
    ApiKey,
    KeyHosts,
    api_key,
    origin_of,
    secret_mistakes,
    web_password,
)
from chatload.model.errors import UsageError
from chatload.options.access_options import Access
from chatload.runner.credentials import credentials
from tests.plans import planned

CANARY = "sk-canary-8d1f"


@pytest.mark.parametrize("around", ["{}", "{}\n", "{}\r\n", "\n{}\n\n", " {} ", "{} \r\n"])
def test_line_ends_around_a_key_are_left_out(around: str) -> None:
    assert api_key({"CHATLOAD_API_KEY": around.format(CANARY)}).headers == {
        "Authorization": f"Bearer {CANARY}"
    }


@pytest.mark.parametrize("nothing", [{}, {"CHATLOAD_API_KEY": ""}, {"CHATLOAD_API_KEY": "\r\n"}])
def test_no_key_is_no_header(nothing: dict[str, str]) -> None:
    assert (api_key(nothing), NO_KEY.headers) == (NO_KEY, {})


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (f"{CANARY}\nsecond", "line break"),
        (f"{CANARY}\r\nX-Evil: 1", "line break"),
        (f"{CANARY}\rX", "line break"),
        (f"{CANARY}é", "not ASCII"),
        (f"{CANARY}\udce9", "control character"),
        (f"{CANARY}\x00", "control character"),
        (f"{CANARY}\x1b[2J", "control character"),
        (f"{CANARY}\t1", "control character"),
        (f"{CANARY}\u2028x", "control character"),
        (f"Bearer {CANARY}", "blank"),
        (f'"{CANARY}"', "quotation marks"),
        (f"'{CANARY}'", "quotation marks"),
        (f"OPENAI_API_KEY={CANARY}", "an assignment"),
        ("$CANARY", "a variable"),
        ("${canary_key}", "a variable"),
    ],
)
def test_a_key_that_is_no_header_is_refused_in_one_line_without_it(key: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        api_key({"CHATLOAD_API_KEY": key})
    (line,) = caught.value.lines
    assert line.startswith("CHATLOAD_API_KEY: ")
    assert words in line
    assert "\n" not in line
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("key", ["sk-a=b", "YWJjZA==", "$2b$10$abc", "it's", "gsk_KEY", "EMPTY", "x"])
def test_a_key_may_hold_signs(key: str) -> None:
    assert api_key({"CHATLOAD_API_KEY": key}).value == key


def test_a_client_certificate_goes_where_the_key_may_go() -> None:
    """An address that somebody typed into a web form is shown neither, until it is confirmed."""
    access = Access(client_cert="me.pem", client_key="me.key", ca_file="ca.pem")
    made = planned("chat", {"host": "https://typed.example/v1"})
    made = msgspec.structs.replace(made, plan=msgspec.structs.replace(made.plan, access=access))
    hosts = KeyHosts("https://given.example")
    guarded, key, words = credentials(made, hosts)
    assert guarded.plan.access == Access(ca_file="ca.pem")
    assert key == NO_KEY
    assert words is not None and "client certificate was not shown" in words
    hosts.confirm("https://typed.example/other")
    assert credentials(made, hosts)[0].plan.access == access
    assert credentials(made, hosts)[2] is None


@pytest.mark.parametrize(
    "hidden", ["https://typed.example", "http://given.example", "https://given.example:8443"]
)
def test_a_path_or_a_query_in_the_address_does_not_change_who_may_have_the_key(hidden: str) -> None:
    hosts = KeyHosts("HTTPS://Given.example/v1/chat/completions?api-version=1")
    assert hosts.may_have_key("https://given.example:443/other/v1")
    assert not hosts.may_have_key(hidden)


def test_all_secrets_are_told_at_once_and_a_password_may_have_blanks() -> None:
    lines = secret_mistakes({"CHATLOAD_API_KEY": "a b", "CHATLOAD_WEB_PASSWORD": "a\nb"})
    assert [line.split(":")[0] for line in lines] == ["CHATLOAD_API_KEY", "CHATLOAD_WEB_PASSWORD"]
    assert web_password({"CHATLOAD_WEB_PASSWORD": "öpen, sesame\r\n"}) == "öpen, sesame"


def test_a_key_is_in_no_repr() -> None:
    key = ApiKey(CANARY)
    assert CANARY not in f"{key!r} {key} {[key]} {(key,)}"
    assert "api_key" not in f"{NO_KEY!r}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"no such key: {CANARY}!", "no such key: [API key]!"),
        (f"{CANARY}{CANARY}", "[API key][API key]"),
        (f"cut off: {CANARY[:10]}", "cut off: [API key]"),
        (f"Bearer {CANARY[:9]}'", "Bearer [API key]'"),
        ("sk-other", "sk-other"),
        ("", ""),
    ],
)
def test_a_server_that_quotes_the_key_is_not_repeated(text: str, shown: str) -> None:
    assert ApiKey(CANARY).hidden(text) == shown
    assert NO_KEY.hidden(text) == text


def test_a_key_is_known_with_its_slashes_escaped() -> None:
    assert ApiKey("ab/cdefgh/ijkl+=").hidden(r"<ab\/cdefgh\/ijkl+=>") == "<[API key]>"
    assert ApiKey("ab/cdefgh/ijkl+=").hidden("<ab/cdefgh/ijkl+=>") == "<[API key]>"


def test_a_word_that_is_no_secret_spoils_no_text() -> None:
    assert ApiKey("EMPTY").hidden("the queue is EMPTY") == "the queue is EMPTY"
    assert ApiKey("EMPTY").hidden_in(b"EMPTY") == b"EMPTY"
    assert ApiKey(CANARY).hidden_in(f"<{CANARY}>".encode()) == b"<[API key]>"


@pytest.mark.parametrize(
    ("host", "may"),
    [
        ("http://gpu:8000", True),
        ("http://GPU:8000/v1", True),
        ("http://gpu.:8000", True),
        ("http://gpu", False),
        ("http://gpu:8001", False),
        ("https://gpu:8000", False),
        ("http://gpu.evil.example:8000", False),
        ("http://gpu:8000@evil.example", False),
        ("http://evil.example/gpu:8000", False),
        ("", False),
        ("http://[", False),
    ],
)
def test_only_a_given_host_may_have_the_key(host: str, may: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATLOAD_API_KEY", CANARY)
    hosts = KeyHosts("http://gpu:8000", None, "")
    assert hosts.may_have_key(host) is may
    assert bool(hosts.key_for(host)) is may
    assert (hosts.withheld_words(host) is None) is may


def test_a_confirmed_host_may_have_the_key_and_no_other() -> None:
    hosts = KeyHosts()
    hosts.confirm("https://new")
    assert hosts.may_have_key("https://new:443/")
    assert not hosts.may_have_key("http://new")
    assert origin_of("https://new") == ("https", "new", 443)
