"""The results of `make article`, from run folders and the simulator's truth log, beside the article's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chatload.analysis.quantiles import percentile
from chatload.analysis.summary import summarise
from chatload.model.metrics import first_byte_ms, ttft_ms
from chatload.store.journal import Run, read_run
from lab.calibration.article import (
    ALLOWED,
    AT_ONCE,
    BATCH_ALLOWED,
    BATCHES,
    FIGURES,
    INTERVALS,
)
from lab.calibration.calibration_row import CalibrationRow
from lab.simulated_server import TruthLog, read_truth
from lab.study.article_runs import TGI, TITLES, VLLM, Size

FOLDERS = {VLLM: "vllm", TGI: "tgi"}
FIRST_BYTE_MAX_MS = 152.0
CHAT_SPEED = (33.0, 50.0)


@dataclass(frozen=True, slots=True)
class Draws:
    """A figure of many draws of the prompts."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure: the article's, ours over HTTP (of one draw), and that of many draws in virtual time.

    `unseen`: not used by the fit.
    """

    load: str
    name: str
    published: float
    ours: float
    unseen: bool = False
    draws: Draws | None = None

    @property
    def difference(self) -> float:
        """ours / published - 1; ours is the median of the draws, where there are some."""
        return self.compared.error

    @property
    def compared(self) -> CalibrationRow:
        """The row as `python -m lab.calibration` judges it."""
        draws = self.draws
        return CalibrationRow(
            self.load,
            self.name,
            self.published,
            draws.median if draws else self.ours,
            ALLOWED.get(self.name, BATCH_ALLOWED),
            not self.unseen,
            (draws.least, draws.most) if draws else None,
        )


@dataclass(frozen=True, slots=True)
class ServerResults:
    """The runs of one server by load, and its truth log."""

    runs: Mapping[str, Run]
    truth: TruthLog


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that the tables show; `draws`: by (server, interval) and figure."""

    servers: Mapping[str, ServerResults]
    size: Size
    draws: Mapping[tuple[str, float], Mapping[str, Draws]] = field(default_factory=dict)

    def run(self, server: str, load: str) -> Run:
        """A run by the folder of its server and its load's name."""
        return self.servers[server].runs[load]


def read_server(folder: Path) -> ServerResults:
    """The runs of one server's folder, by load."""
    names = [path.parent.name for path in sorted(folder.glob("*/manifest.json"))]
    return ServerResults(
        {name.replace("-", " "): read_run(folder / name) for name in names}, read_truth(folder)
    )


def figures_of(run: Run) -> dict[str, float]:
    """A row's three figures: good turns / (last end - first due); felt speed of a reply, mean and lowest."""
    summary = summarise(run)
    felt = summary.of_whole_run("felt_tokens_per_s")
    return {
        "requests/s": summary.throughput.requests_per_s or 0.0,
        "average tokens/s": felt.mean or 0.0,
        "lowest tokens/s": felt.min or 0.0,
    }


def interval_rows(results: Results) -> list[FigureRow]:
    """The article's first table: requests at intervals."""
    rows = []
    for server, table in INTERVALS.items():
        for interval_s, published in table.items():
            if interval_s not in results.size.intervals:
                continue
            ours = figures_of(results.run(FOLDERS[server], f"every {interval_s:g} s"))
            draws = results.draws.get((server, interval_s), {})
            for name, theirs in zip(FIGURES, published, strict=True):
                load = f"{TITLES[server]}, every {interval_s:g} s"
                rows.append(FigureRow(load, name, theirs, ours[name], interval_s == 0.05, draws.get(name)))
    return rows


def batch_rows(results: Results) -> list[FigureRow]:
    """The article's last table, for vLLM: tokens/s of all requests in flight."""
    groups = summarise(results.run("vllm", "batch")).groups
    return [
        FigureRow(
            f"{TITLES[VLLM]}, {level} in flight",
            "tokens/s",
            BATCHES[level],
            groups[f"level {level}"].throughput.tokens_per_s or 0.0,
        )
        for level in results.size.levels
    ]


def at_once_rows(results: Results) -> list[FigureRow]:
    """The throughput test. Its tokens/s count the prompts too, as the server counted them."""
    run, truth = results.run("vllm", "at once"), results.servers["vllm"].truth
    summary = summarise(run)
    prompts = sum(truth.requests[turn.request_id]["prompt_tokens"] for turn in run.turns if turn.ok)
    load = f"{TITLES[VLLM]}, {len(run.turns):,} at once"
    rate, total = AT_ONCE
    return [
        FigureRow(load, "requests/s", rate, summary.throughput.requests_per_s or 0.0, unseen=True),
        FigureRow(
            load, "all tokens/s", total, (summary.tokens + prompts) / summary.throughput.seconds, unseen=True
        ),
    ]


@dataclass(frozen=True, slots=True)
class Chat:
    """The JMeter plan. Token counts are of the server's log: vLLM 0.1.2 does not send them to clients."""

    turns: int
    good: int
    seconds: float
    first_byte_p50_ms: float
    first_byte_max_ms: float
    ttft_p50_ms: float
    ttft_max_ms: float
    tokens_per_event: float
    events_per_s: tuple[float, float, float]
    decode: tuple[float, float, float]
    felt: tuple[float, float, float]


def chat_figures(results: Results, name: str) -> Chat:
    """p5, p50 and p95 of speeds; decode = (tokens - those of the first event) / (last - first token)."""
    one = results.servers[name]
    run = one.runs["chat"]
    good = [turn for turn in run.turns if turn.ok]
    decode, felt, events_per_s = [], [], []
    tokens = events = 0
    for turn in good:
        sent = one.truth.requests[turn.request_id]
        assert turn.first_token_ns is not None and turn.last_token_ns is not None and turn.sent_ns is not None
        flowing_s = (turn.last_token_ns - turn.first_token_ns) / 1e9
        tokens += sent["tokens"]
        events += turn.events
        felt.append(sent["tokens"] * 1e9 / (turn.last_token_ns - turn.sent_ns))
        if flowing_s > 0:
            first = next(n for n in sent["events"]["tokens"] if n)
            decode.append((sent["tokens"] - first) / flowing_s)
            events_per_s.append((turn.events - 1) / flowing_s)
    bytes_ms = sorted(value for turn in good if (value := first_byte_ms(turn)) is not None)
    waits_ms = sorted(value for turn in good if (value := ttft_ms(turn)) is not None)
    return Chat(
        turns=len(run.turns),
        good=len(good),
        seconds=summarise(run).throughput.seconds,
        first_byte_p50_ms=percentile(bytes_ms, 0.5),
        first_byte_max_ms=bytes_ms[-1],
        ttft_p50_ms=percentile(waits_ms, 0.5),
        ttft_max_ms=waits_ms[-1],
        tokens_per_event=tokens / events,
        events_per_s=_band(events_per_s),
        decode=_band(decode),
        felt=_band(felt),
    )


def _band(values: list[float]) -> tuple[float, float, float]:
    ordered = sorted(values)
    return percentile(ordered, 0.05), percentile(ordered, 0.5), percentile(ordered, 0.95)


def checks(results: Results) -> list[str]:
    """Lines about possible errors: failed turns, late sends of client and simulator, wrong token counts."""
    found = []
    for name, one in results.servers.items():
        turns = [turn for run in one.runs.values() for turn in run.turns]
        failed = sum(not turn.ok for turn in turns)
        wrong = sum(
            1
            for turn in turns
            if turn.token_source != "estimate"
            and turn.tokens != one.truth.requests.get(turn.request_id, {}).get("tokens")
        )
        late = sorted((turn.sent_ns - turn.due_ns) / 1e6 for turn in turns if turn.sent_ns is not None)
        server = one.truth.lateness_ms
        found.append(
            f"{name}: {len(turns):,} turns, {failed} failed, {wrong} with another token count than the server's; "
            f"late in ms (p99, max):\n  requests {percentile(late, 0.99):.1f}, {late[-1]:.1f}; "
            f"simulator {server['p99_ms']:.1f}, {server['max_ms']:.1f}"
        )
    return found
