"""`make proxies`: what chatload says of a server behind real nginx and haproxy, each with several settings.

A simulated server sends tokens at a fixed rate (TTFT 60 ms, TPOT 20 ms, 48 tokens). Behind each proxy a run either
measures that, or says that the proxy holds the stream and gives no TPOT. Anything else is a failure: a number that is
wrong and not doubted. Needs nginx, haproxy and openssl (apt-get install nginx-light haproxy openssl).
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab.simulated_server import ROOT, simulated

TTFT_MS, TPOT_MS, TOKENS = 60.0, 20.0, 48
OFF_BY, TTFT_OFF_MS = 0.1, 25.0
READY_S = 10.0
PROGRAMS = ("nginx", "haproxy", "openssl")
LOAD = (
    "--config scenarios/smoke.toml --users 4 --spawn-rate 8 --turns 3 --think-time 0.2 --history off "
    f"--max-tokens {TOKENS} --loglevel WARNING"
).split()
HOLDS, STREAMS = "holds", "streams"


@dataclass(frozen=True, slots=True)
class Way:
    """A proxy's setting. `expects`: whether it holds the stream, as seen with Debian 12's nginx 1.22 and haproxy 2.6;
    empty where either is right."""

    program: str
    name: str
    settings: str
    expects: str = ""
    tls: bool = False


GZIP = "gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 1;"
WAYS = (
    Way("nginx", "default", "", STREAMS),
    Way("nginx", "proxy_buffering off", "proxy_buffering off; proxy_http_version 1.1;", STREAMS),
    Way("nginx", "gzip of event streams", GZIP),
    Way("nginx", "keep-alive off", "keepalive_timeout 0;", STREAMS),
    Way("nginx", "HTTP/1.0 to the server", "proxy_http_version 1.0; proxy_buffering off;", STREAMS),
    Way("nginx", "no chunks: HTTP/1.0's end of body", "chunked_transfer_encoding off;", STREAMS),
    Way("nginx", "proxy_http_version 1.1", "proxy_http_version 1.1;", STREAMS),
    Way("nginx", "TLS, default", "", HOLDS, tls=True),
    Way("nginx", "TLS, proxy_buffering off", "proxy_buffering off;", STREAMS, tls=True),
    Way("nginx", "TLS, ssl_buffer_size 1k", "ssl_buffer_size 1k;", tls=True),
    Way("haproxy", "default", "", HOLDS),
    Way("haproxy", "option http-no-delay", "option http-no-delay", STREAMS),
    Way("haproxy", "option httpclose", "option httpclose\n option http-no-delay", STREAMS),
    Way("haproxy", "compression", "compression algo gzip\n compression type text/event-stream"),
    Way("haproxy", "option http-buffer-request", "option http-buffer-request\n option http-no-delay", STREAMS),
    Way("haproxy", "TLS, default", "", tls=True),
    Way("haproxy", "TLS, option http-no-delay", "option http-no-delay", STREAMS, tls=True),
)  # fmt: skip


def main() -> int:
    """Try every way; 1 if one is wrong and not doubted, or does not what was seen before."""
    missing = [program for program in PROGRAMS if shutil.which(program, path=_path()) is None]
    if missing:
        print(
            f"proxies: skipped: {', '.join(missing)} not installed (apt-get install nginx-light haproxy openssl)"
        )
        return 0
    wrong = 0
    fixed = [
        "--ttft-ms",
        f"{TTFT_MS:g}",
        "--tokens-per-s",
        f"{1000 / TPOT_MS:g}",
        "--answer-tokens",
        str(TOKENS),
    ]
    with tempfile.TemporaryDirectory(prefix="proxies-") as name, ExitStack() as stack:
        folder = Path(name)
        server = stack.enter_context(simulated("fixed-rate", [*fixed, "--wire", "openai"], folder / "server"))
        certificate = _certificate(folder)
        print(f"truth: TTFT {TTFT_MS:g} ms, TPOT {TPOT_MS:g} ms\n{'':46}{'TTFT':>7}{'TPOT':>7}  the stream")
        for number, way in enumerate((None, *WAYS)):
            place = folder / f"way-{number}"
            place.mkdir()
            if way is None:
                found = _run(server.host, place)
                words, ok = "straight", _is_right(found)
            else:
                with _proxy(way, server.host, place, certificate) as address:
                    found = _run(address, place)
                words, ok = f"{way.program} {way.name}", _is_as_it_should(found, way)
            wrong += not ok
            held = HOLDS if _holds(found) else STREAMS
            print(
                f"{words:46}{_ms(found, 'ttft_ms')}{_ms(found, 'tpot_ms')}  {held}{'' if ok else '  WRONG'}"
            )
    print(f"{wrong} wrong" if wrong else "none is wrong")
    return 1 if wrong else 0


def _holds(found: dict[str, Any]) -> bool:
    return any("holds the stream" in words for words in found["warnings"])


def _is_right(found: dict[str, Any]) -> bool:
    """TTFT and TPOT are the truth, and nothing else failed."""
    ttft, tpot = found["ttft_ms"]["p50"], (found["tpot_ms"] or {}).get("p50")
    near = ttft is not None and abs(ttft - TTFT_MS) <= TTFT_OFF_MS
    return bool(near and tpot and abs(tpot - TPOT_MS) <= OFF_BY * TPOT_MS and not found["failed"])


def _is_as_it_should(found: dict[str, Any], way: Way) -> bool:
    held = _holds(found)
    if way.expects and way.expects != (HOLDS if held else STREAMS):
        return False
    return not (found["tpot_ms"] or {}).get("p50") if held else _is_right(found)


def _run(host: str, place: Path) -> dict[str, Any]:
    """The summary of a short run."""
    out = place / "run"
    command = [sys.executable, "-m", "locust", *LOAD, "--host", host, "--out", str(out)]
    command += ["--insecure", "on"] if host.startswith("https:") else []
    with open(place / "locust.log", "wb") as log:
        subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, timeout=120, check=False)
    if not (out / "summary.json").exists():
        raise SystemExit(f"proxies: the run at {host} left no summary:\n{(place / 'locust.log').read_text()}")
    found: dict[str, Any] = json.loads((out / "summary.json").read_bytes())
    return found


@contextmanager
def _proxy(way: Way, host: str, place: Path, certificate: Path) -> Iterator[str]:
    """The address of the proxy, before the server at `host`."""
    port, upstream = _free_port(), urlsplit(host).netloc
    command = _nginx(way, upstream, port, place, certificate)
    if way.program == "haproxy":
        command = _haproxy(way, upstream, port, place, certificate)
    with open(place / "proxy.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(port, process, place)
        yield f"{'https' if way.tls else 'http'}://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _nginx(way: Way, upstream: str, port: int, place: Path, certificate: Path) -> list[str]:
    temporary = "".join(
        f" {kind}_temp_path {place}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    tls = f"ssl_certificate {certificate}; ssl_certificate_key {certificate};" if way.tls else ""
    settings = place / "nginx.conf"
    settings.write_text(
        f"daemon off; worker_processes 1; pid {place}/nginx.pid; error_log {place}/error.log; events {{}}\n"
        f"http {{ access_log off;{temporary} server {{ listen 127.0.0.1:{port}{' ssl' if way.tls else ''}; {tls}\n"
        f" {way.settings}\n location / {{ proxy_pass http://{upstream}; }} }} }}\n"
    )
    return [_found("nginx"), "-c", str(settings), "-e", f"{place}/error.log"]


def _haproxy(way: Way, upstream: str, port: int, place: Path, certificate: Path) -> list[str]:
    tls = f" ssl crt {certificate}" if way.tls else ""
    settings = place / "haproxy.cfg"
    settings.write_text(
        f"defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n {way.settings}\n"
        f"frontend here\n bind 127.0.0.1:{port}{tls}\n default_backend there\nbackend there\n server one {upstream}\n"
    )
    return [_found("haproxy"), "-db", "-f", str(settings)]


def _certificate(folder: Path) -> Path:
    """A self-signed certificate and its key in one file."""
    made = folder / "certificate.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -keyout key.pem -out made.pem"
    subprocess.run([_found("openssl"), *words.split()], cwd=folder, check=True, capture_output=True)
    made.write_text((folder / "made.pem").read_text() + (folder / "key.pem").read_text())
    return made


def _wait_for(port: int, process: subprocess.Popen[bytes], place: Path) -> None:
    give_up = time.monotonic() + READY_S
    while time.monotonic() < give_up and process.poll() is None:
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"proxies: the proxy did not start:\n{(place / 'proxy.log').read_text()}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])


def _path() -> str:
    return "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def _found(program: str) -> str:
    return shutil.which(program, path=_path()) or program


def _ms(found: dict[str, Any], key: str) -> str:
    value = (found[key] or {}).get("p50")
    return f"{value:7.1f}" if value is not None else f"{'–':>7}"


def command_line(arguments: Sequence[str]) -> int:
    """No argument is known."""
    if arguments:
        raise SystemExit(f"proxies: unexpected argument {arguments[0]!r}")
    return main()


if __name__ == "__main__":
    sys.exit(command_line(sys.argv[1:]))
