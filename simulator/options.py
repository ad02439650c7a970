"""The command line of `python -m simulator`; all mistakes are reported at once."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, fields
from typing import NoReturn

from simulator.engine.fixed_rate import FixedRateSchedule
from simulator.engine.profiles import scheduler_option_names, scheduler_switches
from simulator.faults.injector import Fault, parse_fault
from simulator.servers.registry import fixed_rate_wires, registered_servers

FIXED_RATE = "fixed-rate"
"""The name for `--speak` of a server that sends tokens on a schedule (engine/fixed_rate.py)."""


class OptionsError(Exception):
    """Every wrong option, one line each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises OptionsError with one line, without the usage of 50 options."""

    def error(self, message: str) -> NoReturn:
        raise OptionsError([f"simulator: {message.removeprefix('argument ')} (see {self.prog} --help)"])


@dataclass(frozen=True, slots=True)
class Options:
    """Which servers to simulate, where they listen, how fast they answer, and which faults they have.

    `answer_tokens`, `reasoning_tokens`: mean and standard deviation. `aliases`: further names of the model.
    `scheduler_options`: as given, by name with underscores.
    """

    speak: tuple[str, ...]
    port_base: int
    host: str
    truth: str | None
    profile: str
    seed: int
    model: str
    max_model_len: int | None
    answer_tokens: tuple[float, float] | None
    max_concurrent_requests: int
    scheduler_options: dict[str, str]
    faults: tuple[Fault, ...]
    unicode_share: float = 0.0
    stop_at: int = 0
    silent_metrics_from: int = 0
    on_sigterm: str = "cut"
    aliases: tuple[str, ...] = ()
    loras: tuple[str, ...] = ()
    reasoning_tokens: tuple[float, float] | None = None
    keep_alive_s: float | None = None
    client_apart: bool = False
    fixed_rate: FixedRateSchedule = field(default_factory=FixedRateSchedule)


def parse_options(arguments: list[str]) -> Options:
    """The options, or OptionsError with one line per mistake."""
    given = _parser().parse_args(arguments)
    problems: list[str] = []
    names = tuple(name.strip() for name in given.speak.split(",") if name.strip())
    known = [*registered_servers(), FIXED_RATE]
    problems += [
        f"--speak {name}: no such server; there are {', '.join(sorted(known))}"
        for name in names
        if name not in known
    ]
    faults = _faults(given.fault, problems)
    answer_tokens = _drawn("--answer-tokens", given.answer_tokens, problems)
    reasoning_tokens = _drawn("--reasoning-tokens", given.reasoning_tokens, problems)
    model, *aliases = given.served_model_name or [given.model]
    if not 0 <= given.port_base <= 65535 - len(names):
        problems.append(f"--port-base {given.port_base}: from 0 (any free ports) to {65535 - len(names)}")
    if given.tokens_per_s <= 0:
        problems.append(f"--tokens-per-s {given.tokens_per_s}: must be more than 0")
    if not 0 <= given.unicode <= 1:
        problems.append(f"--unicode {given.unicode}: a share, from 0 to 1")
    if not names:
        problems.append("--speak: name at least one server")
    if given.truth == "-":
        problems.append("--truth -: name a file: standard output has the lines of the simulator")
    if problems:
        raise OptionsError(problems)
    return Options(
        speak=names,
        port_base=given.port_base,
        host=given.host,
        truth=given.truth,
        profile=given.profile,
        seed=given.seed,
        model=model,
        aliases=tuple(aliases),
        loras=tuple(text.partition("=")[0] for text in given.lora_modules),
        reasoning_tokens=reasoning_tokens,
        max_model_len=given.max_model_len,
        answer_tokens=answer_tokens,
        max_concurrent_requests=given.max_concurrent_requests,
        scheduler_options={
            name: getattr(given, name)
            for name in (*scheduler_option_names(), *scheduler_switches().values())
            if getattr(given, name) is not None
        },
        faults=faults,
        unicode_share=given.unicode,
        stop_at=given.stop_at,
        silent_metrics_from=given.silent_metrics_from,
        on_sigterm=given.on_sigterm,
        keep_alive_s=given.sse_keep_alive_interval,
        client_apart=given.client_apart,
        fixed_rate=FixedRateSchedule(
            **{one.name: getattr(given, one.name) for one in fields(FixedRateSchedule)}
        ),
    )


def _faults(texts: list[str], problems: list[str]) -> tuple[Fault, ...]:
    faults: list[Fault] = []
    for text in texts:
        try:
            faults.append(parse_fault(text))
        except ValueError as error:
            problems.append(str(error))
    return tuple(faults)


def _drawn(name: str, text: str | None, problems: list[str]) -> tuple[float, float] | None:
    """The mean and standard deviation of an option; None where it is not given, or wrong."""
    found = None if text is None else _mean_and_spread(text)
    if text is not None and found is None:
        problems.append(f"{name} {text}: write MEAN or MEAN:SPREAD, as 100:60")
    return found


def _mean_and_spread(text: str) -> tuple[float, float] | None:
    mean, _, spread = text.partition(":")
    try:
        pair = float(mean), float(spread or 0.0)
    except ValueError:
        return None
    return pair if pair[0] >= 1 and pair[1] >= 0 else None


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m simulator", description=__doc__)
    add = parser.add_argument
    add("--speak", required=True, help="servers to simulate, by comma: vllm,tgi,… ; each gets its own port")
    add(
        "--port-base",
        type=int,
        default=8000,
        help="port of the first server, the next one above it; 0: any free",
    )
    add("--host", default="127.0.0.1")
    add("--truth", help="append what was really sent to this file, JSON lines")
    add(
        "--profile",
        default="demo",
        help="hardware and model of profiles.toml: demo, instant, {4090,h100,h200}-llama2-7b",
    )
    add("--seed", type=int, default=0)
    add("--model", default="llama-2", help="the model's served name")
    add(
        "--served-model-name",
        nargs="+",
        metavar="NAME",
        help="in place of --model: names of the one model (vLLM 0.32, 0.33)",
    )
    add(
        "--lora-modules",
        nargs="+",
        default=[],
        metavar="NAME[=PATH]",
        help="adapters that are listed and served as models (vLLM 0.32, 0.33)",
    )
    add("--max-model-len", type=int, help="context length; default 4096, or TGI's max-total-tokens")
    add(
        "--answer-tokens",
        help="MEAN or MEAN:SPREAD (standard deviation), log-normal; default 100:60, fixed-rate 100",
    )
    add(
        "--reasoning-tokens",
        metavar="MEAN[:SPREAD]",
        help="reasoning before each answer in a chat, log-normal (vLLM 0.32, 0.33, llama.cpp); default: none",
    )
    add("--fault", action="append", default=[], metavar="KIND:RATE[:ARG]", help="may be given several times")
    add("--max-concurrent-requests", type=int, default=128, help="TGI: more are refused as overloaded")
    add("--unicode", type=float, default=0.0, metavar="SHARE", help="words followed by a two-token character")
    add(
        "--stop-at",
        type=int,
        default=0,
        metavar="N",
        help="after N tokens write the request's first stop string",
    )
    add(
        "--client-apart",
        action="store_true",
        help="the client takes no processor time from the server; h200-llama2-7b was measured with one that does",
    )
    add(
        "--silent-metrics-from",
        type=int,
        default=0,
        metavar="N",
        help="leave /metrics unanswered while so many requests are open; default: never",
    )
    add(
        "--on-sigterm",
        choices=("cut", "abort", "wait"),
        default="cut",
        help="what open streams get: cut off, finish_reason abort and a whole message, or nothing while clients stay",
    )
    add(
        "--sse-keep-alive-interval",
        type=float,
        metavar="S",
        help="comment after S silent seconds; default: the server's",
    )
    for name in scheduler_option_names():
        add("--" + name.replace("_", "-"), help="the server's own option")
    for name, turned_off in scheduler_switches().items():
        help_text = (
            "the server's own option; TGI: as a model that cannot"
            if "chunking" in name
            else "the server's own option"
        )
        add(f"--{name}", dest=turned_off, action="store_const", const="false", help=help_text)
    _add_fixed_rate(parser)
    return parser


def _add_fixed_rate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("fixed-rate").add_argument
    add("--ttft-ms", type=float, default=100.0)
    add("--ttft-spread-ms", type=float, default=0.0, help="each reply begins late by up to this, uniformly")
    add("--tokens-per-s", type=float, default=40.0)
    add("--jitter-ms", type=float, default=0.0, help="each event is late by up to this, uniformly")
    add(
        "--role-lead-ms",
        type=float,
        default=0.0,
        help="the role event comes this long before the first token",
    )
    add("--burst", action="store_true", help="all users' tokens fall on the same instants")
    add("--event-bytes", type=int, default=0, help="pad the text of each event to this many bytes")
    add("--wire", default="openai", choices=tuple(fixed_rate_wires()))
