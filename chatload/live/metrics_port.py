"""The metrics page on a port of its own, for runs without a web UI. It asks for no login and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gevent.pywsgi import WSGIServer

from chatload.live.metrics_page import CONTENT_TYPE, metrics_page
from chatload.live.run_metrics import RunMetrics

PATHS = ("/metrics", "/chatload/metrics")


def serve_metrics(controller: Any, host: str, port: int) -> str:
    """Serve the metrics of the controller's runs until the process ends. Returns where, in words.

    Any: a run controller, whose module imports Locust.
    """
    metrics = RunMetrics(controller)
    controller.observers.append(metrics)
    WSGIServer((host, port), answering(metrics), log=None, error_log=None).start()
    shown = f"[{host}]" if ":" in host else host
    return f"metrics for Prometheus at http://{shown}:{port}{PATHS[0]}"


def answering(metrics: RunMetrics) -> Callable[[Mapping[str, str], Callable[..., object]], Iterable[bytes]]:
    """The WSGI application."""

    def answer(environ: Mapping[str, str], start_response: Callable[..., object]) -> Iterable[bytes]:
        if environ["PATH_INFO"] not in PATHS:
            status, body, kind = "404 Not Found", b"the metrics are at /metrics\n", "text/plain"
        elif environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            status, body, kind = "405 Method Not Allowed", b"GET it\n", "text/plain"
        else:
            status, body, kind = "200 OK", metrics_page(metrics), CONTENT_TYPE
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return answer
