"""Options of every run, whatever its load: server and requests, limits, SLOs, report.

Each option is declared once. `RunSettings` has a field for its value, which `read_settings` fills.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chatload.model.expectation import Expectation
from chatload.model.model_mix import Mix, mix_of
from chatload.model.price import Price, ServerCost
from chatload.model.slo import Objective
from chatload.options.access_options import (
    ACCESS_OPTIONS,
    CA_FILE,
    CLIENT_CERT,
    HEADERS,
    INSECURE,
    Access,
    read_access,
)
from chatload.options.model_options import MODEL, MODEL_OPTIONS, Thinking, read_thinking
from chatload.options.option import (
    Choice,
    Expect,
    FileName,
    Group,
    HourlyCost,
    Integer,
    JsonObject,
    ListenAt,
    Number,
    Option,
    OptionalInteger,
    OptionalNumber,
    Slos,
    Switch,
    Text,
    TokenPrice,
    declared,
)
from chatload.options.option_reader import OptionReader
from chatload.options.progress_option import ProgressDisplay, ProgressOption
from chatload.options.ranges import MOST_TOKENS, Range, seconds, share, whole
from chatload.options.server_address import Route, page_address, server_address
from chatload.options.warmup import Warmup, WarmupOption
from chatload.protocols.registry import SERVERS

SERVER = Choice(
    name="server",
    default="auto",
    choices=("auto", *SERVERS),
    group=Group.SERVER,
    help="kind of server; auto asks the server",
    label="Kind of server",
)
MAX_TOKENS = Integer(
    name="max-tokens",
    default="2000",
    range=whole(0, MOST_TOKENS),
    group=Group.SERVER,
    help="longest answer, in tokens; 0: not sent",
    label="Longest answer (tokens)",
)
TEMPERATURE = OptionalNumber(
    name="temperature",
    default="0.6",
    range=Range(0, 100),
    group=Group.SERVER,
    label="Temperature",
    help="sampling temperature; empty: not sent",
)
BODY = JsonObject(
    name="body",
    default="{}",
    group=Group.SERVER,
    label="More JSON fields of the request",
    help='more JSON fields of the request, such as {"ignore_eos": true}; they override ours; {user} … are filled in',
)
USAGE = Switch(
    name="usage",
    default="on",
    group=Group.SERVER,
    label="Ask for the server's token count",
    help="ask the server for its own token count (stream_options)",
)
CONNECT_TIMEOUT = Number(
    name="connect-timeout",
    default="10",
    range=seconds(0.001),
    group=Group.LIMITS,
    label="Connecting (s)",
    help="s to connect, TLS included",
)
FIRST_TOKEN_TIMEOUT = Number(
    name="first-token-timeout",
    default="120",
    range=seconds(0.001),
    group=Group.LIMITS,
    label="Until the first token (s)",
    help="s from sent to the first token",
)
GAP_TIMEOUT = Number(
    name="gap-timeout",
    default="60",
    range=seconds(0.001),
    group=Group.LIMITS,
    label="Between two tokens (s)",
    help="longest gap within a reply, in s",
)
TURN_TIMEOUT = Number(
    name="turn-timeout",
    default="600",
    range=seconds(0.001),
    group=Group.LIMITS,
    label="A whole turn (s)",
    help="s for a whole turn",
)
WHEN_OVERLOADED = Choice(
    name="when-overloaded",
    default="fail",
    choices=("fail", "wait"),
    group=Group.LIMITS,
    label="When the server takes no more requests",
    help="of 429, 503, 529 and events that say so: fail; wait: ask again, as Retry-After says, else after 1 to 30 s",
)
ON_429 = Choice(
    name="on-429",
    default="",
    choices=("", "fail", "wait"),
    group=Group.LIMITS,
    private=True,
    label="Older name of when-overloaded",
    help="older name of --when-overloaded",
)
END, TRIM, FAIL = "end", "trim", "fail"
CONTEXT_FULL = Choice(
    name="context-full",
    default=END,
    choices=(END, TRIM, FAIL),
    group=Group.LIMITS,
    label="When a conversation no longer fits the context",
    help="end: it is over, other turns are not held; trim: its oldest exchanges are left out; fail: the turn failed",
)
CONTEXT_LIMIT = OptionalInteger(
    name="context-limit",
    default="",
    range=whole(1, MOST_TOKENS),
    group=Group.LIMITS,
    label="Context of the server (tokens)",
    help="most tokens of prompt and answer together, for what is said before the run; empty: as the server tells",
)
STAMPS = Choice(
    name="stamps",
    default="kernel",
    choices=("kernel", "user"),
    group=Group.SERVER,
    help="source of arrival times: the kernel's timestamps, or the clock after each read",
    label="Source of arrival times",
)
SLO = Slos(
    name="slo",
    default="",
    group=Group.SLO,
    label="SLOs",
    help='objectives, such as "p95 ttft_ms <= 500; failed_share <= 1%"; a miss exits 3 (docs/ci.md)',
)
EXPECT = Expect(
    name="expect",
    default="",
    group=Group.SLO,
    help="what replies must be, else they fail: \"contains 'Paris'; not matches 'sorry'; json @FILE; tokens 5..500\"",
    label="What replies must be",
)
ECHO_CHECK = Switch(
    name="echo-check",
    default="off",
    group=Group.SLO,
    help="each prompt asks for a reference of its own: a reply with another user's fails as cross_talk, and the run",
    label="Look for replies of other users",
)
SAME_ANSWERS = Integer(
    name="same-answers",
    default="0",
    range=whole(0, 100),
    group=Group.SLO,
    help="prompts asked of the idle server and again under load, at temperature 0: are the answers the same? 0: none",
    label="Prompts asked idle and under load",
)
ALLOW_FAILED = Number(
    name="allow-failed",
    default="0%",
    range=share(),
    group=Group.SLO,
    help="share of failed turns that still exits 0",
    label="Failed turns allowed",
)
SURE = Switch(
    name="sure",
    default="off",
    group=Group.SLO,
    help="an SLO that is met, but not surely, or undecided exits 5 (docs/ci.md)",
    label="SLOs must be sure",
)
ALL_IN, WHOLE = "all-in", "whole"
WINDOW = Choice(
    name="window",
    default=ALL_IN,
    choices=(ALL_IN, WHOLE),
    group=Group.REPORT,
    help="turns that percentiles, SLOs and comparisons are taken from: due while all users were in, or all of the run",
    label="Turns that figures are taken from",
)
OUT = FileName(
    name="out",
    default="",
    group=Group.REPORT,
    label="Run folder",
    help="run folder to write; empty: results/<time>-<scenario>-<server>",
)
WARMUP = WarmupOption(
    name="warmup",
    default="",
    group=Group.REPORT,
    help="first turns, left out of figures, SLOs, comparisons: those due in the first '30s', or '2 turns' of each user",
    label="Warm-up",
)
LABEL = Text(
    name="label",
    default="",
    group=Group.REPORT,
    help="name of this run in reports",
    label="Name of the run in reports",
)
TURN_NAME = Text(
    name="turn-name",
    default="turn",
    required=True,
    group=Group.REPORT,
    help="name of a turn in Locust's table and in JTL files, as a JMeter sampler has one",
    label="Name of a turn in tables",
)
SEED = OptionalInteger(
    name="seed",
    default="",
    range=whole(0, 2**63 - 1),
    group=Group.REPORT,
    label="Seed",
    help="seed of all random choices; empty: other prompts in each run, all else as with 1",
)
LOAD_SEED = OptionalInteger(
    name="load-seed",
    default="",
    range=whole(0, 2**63 - 1),
    group=Group.REPORT,
    label="Seed of the load",
    help="seed of all but the words of prompts: arrival times, lengths, scripts, hang-ups; empty: seed",
)
KEEP_TEXT = Choice(
    name="keep-text",
    default="sample",
    choices=("none", "sample", "all"),
    group=Group.REPORT,
    help="replies whose full text the journal keeps",
    label="Replies kept in full",
)
CERTIFICATE = FileName(
    name="certificate",
    default="",
    group=Group.REPORT,
    label="Certificate of accuracy",
    help="file made by chatload certify: the accuracy of this client, for the report",
)
PRICE = TokenPrice(
    name="price",
    default="",
    group=Group.REPORT,
    help="prices of tokens, such as 'in=0.2,out=0.6 per 1M' (cached=… too): the report tells what conversations cost",
    label="Prices of tokens",
)
SERVER_COST = HourlyCost(
    name="server-cost",
    default="",
    group=Group.REPORT,
    help="what the server costs an hour, such as 2.5/h: the report tells what conversations and tokens cost",
    label="Cost of the server an hour",
)
POWER_METRICS = Text(
    name="power-metrics",
    default="",
    group=Group.REPORT,
    help="URL of a page with the power of the server's GPUs (DCGM's or nvidia_smi's exporter): energy in the report",
    label="Page with the power of its GPUs",
)
LOCUST_ROWS = Switch(
    name="locust-rows",
    default="off",
    group=Group.REPORT,
    label="TTFT and tokens/s in Locust's table too",
    help="TTFT and tokens/s as rows of Locust's own table and CSV too; its totals then count them (docs/web-ui.md)",
)
METRICS_PORT = ListenAt(
    name="metrics-port",
    default="",
    group=Group.REPORT,
    at_start=True,
    label="Port of the metrics for Prometheus",
    help="port of a page of metrics for Prometheus, such as 9464 (127.0.0.1) or 0.0.0.0:9464; empty: none",
)

PROGRESS = ProgressOption(
    name="progress",
    at_start=True,
    default="",
    group=Group.REPORT,
    help="time between lines of a headless run, such as 2s; off; empty: a live display, without a terminal 10s",
    label="Lines of progress",
)
LOCUST_TABLES = Switch(
    name="locust-tables",
    at_start=True,
    default="off",
    group=Group.REPORT,
    help="Locust prints its own tables in a headless run",
    label="Locust's tables in the terminal",
)

_HERE = [one for one in declared(globals()) if one not in (*ACCESS_OPTIONS, *MODEL_OPTIONS)]
OPTIONS: tuple[Option[object], ...] = (SERVER, *MODEL_OPTIONS, *_HERE[1:], *ACCESS_OPTIONS)


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one turn, in s."""

    connect_s: float = 10.0
    first_token_s: float = 120.0
    gap_s: float = 60.0
    turn_s: float = 600.0


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The values of these options. `scenario` is the name of the scenario's file.

    `models` are several models for shares of the users; `model` is then empty.
    `body` is the user's own JSON, sent as it is: Any.
    """

    host: str = ""
    route: Route = Route()
    access: Access = Access()
    server: str = "auto"
    model: str = ""
    models: Mix = ()
    thinking: Thinking = Thinking()
    max_tokens: int | None = None
    temperature: float | None = None
    body: dict[str, Any] = msgspec.field(default_factory=dict)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    ask_usage: bool = True
    timeouts: Timeouts = msgspec.field(default_factory=Timeouts)
    insecure: bool = False
    stamps: str = "kernel"
    waits_on_429: bool = False
    context_limit: int | None = None
    context_full: str = FAIL  # manifests of runs before this option lack it
    out: str = ""
    label: str = ""
    turn_name: str = "turn"
    scenario: str = "chat"
    seed: int | None = None
    load_seed: int | None = None
    keep_text: str = "sample"
    allow_failed: float = 0.0
    certificate: str = ""
    slo: tuple[Objective, ...] = ()
    expect: tuple[Expectation, ...] = ()
    echo_check: bool = False
    same_answers: int = 0
    sure: bool = False
    window: str = ALL_IN
    warmup: Warmup = Warmup()
    locust_rows: bool = False
    metrics_at: tuple[str, int] | None = None
    price: Price | None = None
    server_cost: ServerCost | None = None
    power_metrics: str = ""
    progress: ProgressDisplay = ProgressDisplay()
    locust_tables: bool = False

    @property
    def drawn_by(self) -> int:
        """The seed of all random choices but the words of prompts: arrival times, lengths, scripts, hang-ups."""
        return load_seed_of(self.seed, self.load_seed)

    def words_by(self, run_id: str) -> str:
        """The seed of the words of prompts. Without --seed it is the run's id, so that no cache has seen the words."""
        return run_id if self.seed is None else str(self.seed)


def load_seed_of(seed: int | None, load_seed: int | None) -> int:
    """The seed of the load: --load-seed, else --seed, else 1."""
    return next((one for one in (load_seed, seed) if one is not None), 1)


def read_settings(reader: OptionReader) -> RunSettings:
    """The values of these options; mistakes are added to the reader."""
    host, route = server_address(reader)
    if not host.startswith("https:"):
        for option in (INSECURE, CA_FILE, CLIENT_CERT):
            reader.refuse_unused(option, "without TLS: give an https:// host, or leave it out")
    if not reader.text(SLO):
        reader.refuse_unused(SURE, "without --slo: give an SLO, or leave it out")
    model = reader.get(MODEL)
    mix = mix_of(model)
    settings = RunSettings(
        host=host,
        route=route,
        server=reader.get(SERVER),
        model="" if mix else model,
        models=mix,
        thinking=read_thinking(reader),
        max_tokens=reader.get(MAX_TOKENS) or None,
        temperature=reader.get(TEMPERATURE),
        body=reader.get(BODY),
        headers=reader.get(HEADERS),
        ask_usage=reader.get(USAGE),
        timeouts=Timeouts(
            connect_s=reader.get(CONNECT_TIMEOUT),
            first_token_s=reader.get(FIRST_TOKEN_TIMEOUT),
            gap_s=reader.get(GAP_TIMEOUT),
            turn_s=reader.get(TURN_TIMEOUT),
        ),
        insecure=reader.get(INSECURE),
        stamps=reader.get(STAMPS),
        waits_on_429=(reader.get(ON_429) or reader.get(WHEN_OVERLOADED)) == "wait",
        context_limit=reader.get(CONTEXT_LIMIT),
        context_full=reader.get(CONTEXT_FULL),
        out=reader.get(OUT),
        label=reader.get(LABEL),
        turn_name=reader.get(TURN_NAME),
        scenario=str(reader.values.get("scenario") or "chat"),
        seed=reader.get(SEED),
        load_seed=reader.get(LOAD_SEED),
        keep_text=reader.get(KEEP_TEXT),
        allow_failed=reader.get(ALLOW_FAILED),
        certificate=reader.get(CERTIFICATE),
        slo=reader.get(SLO),
        expect=reader.get(EXPECT),
        echo_check=reader.get(ECHO_CHECK),
        same_answers=reader.get(SAME_ANSWERS),
        sure=reader.get(SURE),
        window=reader.get(WINDOW),
        warmup=reader.get(WARMUP),
        locust_rows=reader.get(LOCUST_ROWS),
        metrics_at=reader.get(METRICS_PORT),
        price=reader.get(PRICE),
        server_cost=reader.get(SERVER_COST),
        power_metrics=page_address(reader, POWER_METRICS),
        progress=reader.get(PROGRESS),
        locust_tables=reader.get(LOCUST_TABLES),
    )
    access = read_access(reader, insecure=settings.insecure, headers=settings.headers)
    return msgspec.structs.replace(settings, access=access)
