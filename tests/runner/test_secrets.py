"""The API key stands in nothing that a run writes, whatever the key, and however the server behaves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import warm
from tests.command import chatload
from tests.live.key_collector import KeyCollector
from tests.runner.conftest import ROOT, locust, two_processes

pytestmark = pytest.mark.e2e

CANARY = "sk-canary-8d1f-77"
CHAT = ("--server", "openai", "--turns", "2", "--think-time", "0", "-u", "2", "-r", "20", "--keep-text", "all",
        "--loglevel", "DEBUG")  # fmt: skip


@pytest.fixture
def server() -> Iterator[Callable[..., KeyCollector]]:
    made: list[KeyCollector] = []

    def start(wanted: str | None = None) -> KeyCollector:
        made.append(KeyCollector(wanted))
        return made[-1]

    yield start
    for one in made:
        one.close()


WITHOUT_OTHERS = [("{}", 1), ("{}", 2), ("{}\n", 1), ("{}\r\n", 2)]
"""What is left of a key is tested in test_api_key.py."""


def written(done: subprocess.CompletedProcess[str], folder: Path) -> str:
    """All that a process said, and all files below a folder."""
    files = [
        path.read_text(encoding="utf-8", errors="replace") for path in folder.rglob("*") if path.is_file()
    ]
    return "\n".join([done.stdout, done.stderr, *files])


def assert_hidden(text: str, *secrets: str) -> None:
    for secret in (*secrets, CANARY[:10]):
        assert secret not in text, text[max(0, text.find(secret) - 200) : text.find(secret) + 60]


@pytest.mark.parametrize(
    ("around", "processes"),
    [("{}\r\n", 1), ("{}\n", 2), *(pytest.param(*one, marks=pytest.mark.rare) for one in WITHOUT_OTHERS)],
)
def test_a_right_key_arrives_and_is_written_nowhere(
    server: Callable[..., KeyCollector], tmp_path: Path, around: str, processes: int
) -> None:
    """The server even says the key back in its replies."""
    one = server(CANARY)
    more = two_processes() if processes > 1 else ()
    done = locust("--host", one.address, "--out", str(tmp_path / "run"), *CHAT, *more,
                  CHATLOAD_API_KEY=around.format(CANARY), https_proxy="http://me:pw-canary@127.0.0.1:9")  # fmt: skip
    assert done.returncode in (0, 4), done.stderr
    assert one.keys == {f"Bearer {CANARY}"}
    assert one.turns == 4
    text = written(done, tmp_path)
    assert_hidden(text, "pw-canary")
    assert "your key is Bearer [API key]" in text


def test_a_key_in_a_header_of_its_own_a_query_and_cookies_are_written_nowhere(tmp_path: Path) -> None:
    """The key goes in the header that was named and in no other; cookies go back; values of a query stay unwritten."""
    one = KeyCollector(CANARY, header="api-key", cookie="lb=cookie-canary; Path=/")
    try:
        host = f"{one.address}/v1/chat/completions?api-version=2024-06-01&team=query-canary"
        done = locust(
            "--host",
            host,
            "--out",
            str(tmp_path / "run"),
            *CHAT,
            "--auth-header",
            "api-key",
            "--cookies",
            "on",
            "--session-header",
            "X-Session-ID",
            CHATLOAD_API_KEY=CANARY,
        )
    finally:
        one.close()
    assert done.returncode in (0, 4), done.stderr
    assert one.keys == {CANARY}
    asked = {path for path, _ in one.seen if "chat" in path}
    assert asked == {"/v1/chat/completions?api-version=2024-06-01&team=query-canary"}
    assert one.cookies.count("lb=cookie-canary") == 2  # each user's second turn
    text = written(done, tmp_path)
    assert_hidden(text, "cookie-canary", "query-canary")
    assert "your key is [API key]" in text
    assert "?api-version=2024-06-01&team=…" in text


def test_a_wrong_key_that_the_server_quotes_is_written_nowhere(
    server: Callable[..., KeyCollector], tmp_path: Path
) -> None:
    one = server("another")
    done = locust("--host", one.address, "--out", str(tmp_path / "run"), *CHAT, CHATLOAD_API_KEY=CANARY)
    assert done.returncode in (1, 4), done.stderr
    text = written(done, tmp_path)
    assert_hidden(text)
    assert "Incorrect API key provided: Bearer [API key]" in text
    for command in ("report", "check"):
        told = chatload(command, tmp_path / "run")
        assert_hidden(told.output + told.errors)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (f"{CANARY}\n{CANARY}", "holds a line break"),
        *(
            pytest.param(key, words, marks=pytest.mark.rare)
            for key, words in (
                (f"{CANARY}\r\nX-Evil: {CANARY}", "holds a line break"),
                (f"{CANARY}\u00e9", "not ASCII"),
                (f"{CANARY}\x1b[31m", "control character"),
                (f"Bearer {CANARY}", "holds a blank"),
            )
        ),
    ],
)
@pytest.mark.parametrize(
    "more",
    [(), ("--processes", "2"), ("--worker", "--master-port", "9")],
    ids=["local", "processes", "worker"],
)
def test_a_key_that_is_none_ends_in_one_line_before_any_request(
    server: Callable[..., KeyCollector], tmp_path: Path, key: str, words: str, more: tuple[str, ...]
) -> None:
    one = server()
    more = two_processes() if "--processes" in more else more
    host = () if "--worker" in more else ("--host", one.address, *CHAT)
    done = locust(*host, "--out", str(tmp_path / "run"), *more, CHATLOAD_API_KEY=key, limit_s=30)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if "CHATLOAD_API_KEY" in line]
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in done.stderr
    assert_hidden(written(done, tmp_path))
    assert one.seen == []
    assert not (tmp_path / "run").exists()


def test_a_bad_key_a_bad_password_and_bad_options_are_told_at_once(tmp_path: Path) -> None:
    done = locust("--host", f"http://me:{CANARY}@gpu", "--headers", json.dumps({"X\r\nY": CANARY, "Host": CANARY}),
                  "--out", str(tmp_path / "run"), CHATLOAD_API_KEY=f"{CANARY}\nx",
                  CHATLOAD_WEB_PASSWORD=f"{CANARY}\nx")  # fmt: skip
    assert done.returncode == 2
    names = [line.split(":")[0] for line in done.stderr.splitlines() if line.startswith(("CHATLOAD", "--"))]
    assert names == [
        "CHATLOAD_API_KEY",
        "CHATLOAD_WEB_PASSWORD",
        "--host 'gpu'",
        "--headers 'X\\r\\nY'",
        "--headers 'Host'",
    ]
    assert_hidden(done.stdout + done.stderr)


BROKEN = """
from locust import events
from chatload.locust_setup import install
from chatload.loads.chat import SHAPE
from chatload.runner import locust_users

install(SHAPE)


class Broken(locust_users.ChatUser):
    def on_start(self):
        from chatload.runner.locust_process import session_of
        raise RuntimeError(f"broken: {session_of(self.environment).target}")
"""


def test_a_traceback_that_holds_what_a_run_knows_holds_no_key(
    server: Callable[..., KeyCollector], tmp_path: Path
) -> None:
    """A user's own code fails, with everything that can be reached from it in the text of its exception."""
    one = server()
    locustfile = tmp_path / "broken.py"
    locustfile.write_text(BROKEN, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--host", one.address, "-t", "30",
         "--out", str(tmp_path / "run"), *CHAT],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env=warm.read_at_start() | {"CHATLOAD_API_KEY": CANARY, "PATH": ""},
    )  # fmt: skip
    text = written(done, tmp_path)
    assert "RuntimeError: broken: Target(" in text
    assert_hidden(text)
