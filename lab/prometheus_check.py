"""`make prometheus-check`: a real Prometheus scrapes a run, and every query of the Grafana dashboard is asked of it.

A simulated server answers 20 chat users of four worker processes; the web UI's page and --metrics-port are scraped each
second. The sums that Prometheus has at the end must be those of summary.json, percentiles must be in the bucket that
has the exact one, and no query of the dashboard may be an error or empty. Needs Debian's prometheus.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chatload.live.run_metrics import TTFT_S
from lab.simulated_server import ROOT, simulated

DASHBOARD = ROOT / "deploy" / "grafana" / "chatload.json"
LOAD = "-u 20 -r 10 --turns 12 --think-time 0.5 --history off --autostart --processes 4 --loglevel WARNING"
VARIABLES = {"$job": ".*", "$model": ".*", "$group": ".*", "$__rate_interval": "10s", "$__range": "5m"}
PATIENCE_S = 120.0
BEGUN = 120
"""Turns, of both pages together, after which the dashboard must show something everywhere."""
JOBS = ("web", "port")
MAY_BE_EMPTY = ("chatload_marked_turns_total",)
"""A good run has none of these."""

Sample = dict[str, Any]


def main() -> int:
    """Run and print; 1 where something is wrong."""
    missing = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    if missing:
        raise SystemExit(f"prometheus-check: {' and '.join(missing)} not found: apt-get install prometheus")
    web, own, at = _free_port(), _free_port(), _free_port()
    with (
        tempfile.TemporaryDirectory(prefix="chatload-prometheus-") as name,
        simulated("vllm", ["--answer-tokens", "40:10"], Path(name)) as server,
        _prometheus(Path(name), at, {"web": (web, "/chatload/metrics"), "port": (own, "/metrics")}),
        _process(_locust(server.host, Path(name), web, own), Path(name) / "locust.log"),
    ):
        ask = _asking(f"http://127.0.0.1:{at}")
        _wait_for(lambda: _ready(at))
        _wait_for(lambda: any(float(one["value"][1]) >= BEGUN for one in ask("sum(chatload_turns_total)")))
        wrong = [*_lint(own), *_queries(ask)]
        _wait_for(lambda: (Path(name) / "run" / "summary.json").exists())
        time.sleep(3)  # one more scrape of the final sums
        _wait_for(
            lambda: all(ask(f'chatload_turns_total{{job="{job}"}}') for job in JOBS)
        )  # a busy page is not read
        summary = json.loads((Path(name) / "run" / "summary.json").read_bytes())
        wrong += [words for job in JOBS for words in _sums(ask, job, summary)]
    for words in wrong:
        print(f"WRONG  {words}")
    print(f"{len(wrong)} wrong" if wrong else "none is wrong")
    return 1 if wrong else 0


def _locust(host: str, folder: Path, web: int, own: int) -> list[str]:
    ours = ["--host", host, "--web-port", str(web), "--metrics-port", str(own), "--out", str(folder / "run")]
    return [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py", *LOAD.split(), *ours]


def _lint(port: int) -> list[str]:
    """What promtool says of the page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page = answer.read()
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode().strip()
    print(f"promtool check metrics: {said or 'nothing to say'}")
    return [f"promtool: {said}"] if done.returncode == 1 else []  # 3: advice on style


def _queries(ask: Callable[[str], list[Sample]]) -> Iterator[str]:
    """What is wrong with a query of the dashboard."""
    for panel in json.loads(DASHBOARD.read_bytes())["panels"]:
        for target in panel["targets"]:
            query = filled(target["expr"])
            try:
                found = ask(query)
            except ValueError as error:
                yield f"{panel['title']}: {error}"
                continue
            values = [float(one["value"][1]) for one in found]
            print(
                f"{panel['title']:45} {len(found):3} series  {', '.join(f'{one:.4g}' for one in values[:4])}"
            )
            if not found and not any(name in query for name in MAY_BE_EMPTY):
                yield f"{panel['title']}: no series: {query}"


def _sums(ask: Callable[[str], list[Sample]], job: str, summary: dict[str, Any]) -> Iterator[str]:
    """What Prometheus has of a run that summary.json has otherwise."""
    ttft = "gen_ai_server_time_to_first_token_seconds"
    for query, expected in (
        (f'sum(chatload_turns_total{{job="{job}",code="ok"}})', summary["succeeded"]),
        (f'sum(chatload_turns_total{{job="{job}"}})', summary["turns"]),
        (f'sum(chatload_output_tokens_total{{job="{job}"}})', summary["tokens"]),
        (f'sum({ttft}_count{{job="{job}"}})', summary["succeeded"]),
    ):
        (found,) = ask(query)
        print(f"{query:75} {found['value'][1]:>8}  expected {expected}")
        if float(found["value"][1]) != expected:
            yield f"{query}: {found['value'][1]}, not {expected}"
    exact = (summary["whole_run"] or summary["metrics"])["ttft_ms"]["p50"] / 1000
    (found,) = ask(f'histogram_quantile(0.5, sum by (le) ({ttft}_bucket{{job="{job}"}}))')
    value = float(found["value"][1])
    high = next(bound for bound in TTFT_S if exact <= bound)
    low = max((bound for bound in TTFT_S if bound < exact), default=0.0)
    print(f"TTFT p50 {1000 * value:.1f} ms from buckets, {1000 * exact:.1f} ms exactly ({job})")
    if not low <= value <= high:
        yield f"{job}: TTFT p50 {value}, not within {low} … {high}"


def filled(query: str) -> str:
    """The query with Grafana's variables filled in."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    if "$" in query:
        raise SystemExit(f"prometheus-check: a variable is not known: {re.findall('[$]{?[a-z_]+', query)}")
    return query


def _asking(address: str) -> Callable[[str], list[Sample]]:
    def ask(query: str) -> list[Sample]:
        asked = f"{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                found: list[Sample] = json.load(answer)["data"]["result"]
                return found
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from error

    return ask


@contextmanager
def _prometheus(folder: Path, port: int, targets: dict[str, tuple[int, str]]) -> Iterator[None]:
    jobs = "".join(
        f"  - job_name: {job}\n    metrics_path: {path}\n    static_configs: [{{targets: ['127.0.0.1:{at}']}}]\n"
        for job, (at, path) in targets.items()
    )
    settings = folder / "prometheus.yml"
    settings.write_text(f"global: {{scrape_interval: 1s}}\nscrape_configs:\n{jobs}")
    command = ["prometheus", f"--config.file={settings}", f"--storage.tsdb.path={folder / 'data'}"]
    with _process([*command, f"--web.listen-address=127.0.0.1:{port}"], folder / "prometheus.log"):
        yield


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[None]:
    with open(log, "wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(there: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + PATIENCE_S
    while not there():
        if time.monotonic() > give_up_s:
            raise SystemExit(f"prometheus-check: the run had not ended after {PATIENCE_S:g} s")
        time.sleep(0.2)


def _ready(port: int) -> bool:
    """Whether Prometheus answers queries: it listens before that, and refuses them with 503."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=10):
            return True
    except OSError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
