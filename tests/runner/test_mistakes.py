"""What a user sees who made a mistake, or whose server is not there."""

from __future__ import annotations

import html
import json
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import GOOD, locust

from tests.command import chatload

pytestmark = pytest.mark.e2e


def one_answer_server(answer: bytes) -> str:
    """A server that gives every request the same answer; lives as long as the test process."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            conn, _ = listener.accept()
            with conn:
                conn.settimeout(5)
                try:
                    if conn.recv(65536):
                        conn.sendall(answer)
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    return f"127.0.0.1:{listener.getsockname()[1]}"


def test_every_mistake_at_once_before_any_request(tmp_path: Path) -> None:
    done = locust(
        "--host", "ftp://x", "--turns", "ten", "--think-time", "-1", "--server", "vlm", "--body", "[1]",
        "--headers", '{"Authorization": "Bearer canary"}', "--out", str(tmp_path / "run"), "-u", "0",
        "--enable-rebalancing",
    )  # fmt: skip
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("--")]
    assert [line.split()[0] for line in lines] == [
        "--users", "--enable-rebalancing", "--turns", "--think-time", "--host", "--server", "--body", "--headers",
    ]  # fmt: skip
    assert all(":" in line for line in lines)
    assert "canary" not in done.stdout + done.stderr
    assert not (tmp_path / "run").exists()


def test_a_scenario_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    scenario = tmp_path / "mine.toml"
    scenario.write_text(
        '[tool.locust]\nlocustfile = "locustfiles/chat.py"\nthink-tim = 2\n', encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-m", "locust", "--config", str(scenario), "--headless", "--host", "http://127.0.0.1:9"],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "think-tim" in done.stderr


UNFIT = {
    "refused": (lambda: "http://127.0.0.1:9", (), "Connection refused"),
    "unknown host": (lambda: "http://no-such-host.invalid", (), "cannot resolve"),
    "401": (
        lambda: "http://" + one_answer_server(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"),
        (),
        "set CHATLOAD_API_KEY",
    ),
    "wrong server": (
        lambda: (
            "http://"
            + one_answer_server(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n"
                + b'{"version":"0.33.0"}'
            )
        ),
        ("--server", "tgi"),
        "which does not speak tgi",
    ),
    "no TLS there": (
        lambda: "https://" + one_answer_server(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        (),
        "this port speaks plain HTTP, not TLS: write http:// in --host",
    ),
    "unknown to auto": (
        lambda: "http://" + one_answer_server(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
        (),
        "name what it speaks with --server",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_an_unfit_server_gives_one_line_a_folder_and_exit_1(name: str, tmp_path: Path) -> None:
    host, arguments, words = UNFIT[name]
    out = tmp_path / "run"
    done = locust("--host", host(), "--out", str(out), *arguments)
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("chatload:")]
    assert words in lines[0]
    assert "Traceback" not in done.stderr
    assert json.loads((out / "manifest.json").read_text())["ended"] == "unreachable"
    assert json.loads((out / "summary.json").read_text())["turns"] == 0
    assert (out / "journal-local.jsonl").stat().st_size > 0


def test_an_old_run_folder_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    done = locust("--host", "http://127.0.0.1:9", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "already holds a run" in done.stderr


def test_tls_with_a_certificate_nobody_signed_is_refused(tmp_path: Path) -> None:
    """Verified by default; --insecure lets it pass."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
         "-days", "2", "-subj", "/CN=localhost"],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        pytest.skip("no openssl here to make a certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            conn, _ = listener.accept()
            threading.Thread(target=answer, args=(conn,), daemon=True).start()

    def answer(conn: socket.socket) -> None:
        try:
            with context.wrap_socket(conn, server_side=True) as tls:
                while tls.recv(65536):
                    tls.sendall(
                        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                        b'51\r\ndata: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\n\r\n'
                        b"0\r\n\r\n"
                    )
        except OSError:
            return

    threading.Thread(target=serve, daemon=True).start()
    host = f"https://127.0.0.1:{listener.getsockname()[1]}"
    refused = locust("--host", host, "--out", str(tmp_path / "refused"), "--server", "openai")
    assert refused.returncode == 1
    assert "signed by itself, or by a CA of its own: trust it with --ca-file" in refused.stderr
    arguments = [
        "--host",
        host,
        "--server",
        "openai",
        "--turns",
        "2",
        "--think-time",
        "0",
        "--insecure",
        "on",
    ]
    passed = locust(*arguments, "--out", str(tmp_path / "passed"))
    assert passed.returncode in GOOD, passed.stderr
    assert "--insecure: the server's TLS certificate is not verified" in passed.stderr
    words = "Made with --insecure: the server's TLS certificate was not verified"
    for name in ("report.html", "summary.md"):
        written = html.unescape((tmp_path / "passed" / name).read_text(encoding="utf-8"))
        assert words in written, name
    text = chatload("report", tmp_path / "passed").output
    _, _, warnings = text.partition("about this run")
    warnings = " ".join(warnings.split())
    assert warnings.startswith(f"- {words}") or (passed.returncode == 4 and words in warnings), "said first"
    assert json.loads((tmp_path / "passed" / "summary.json").read_text())["succeeded"] == 2
