"""The command line, checked all at once."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

from simulator.engine.metronome import MetronomeSchedule
from simulator.faults.injector import Fault, parse_fault
from simulator.servers.registry import registered_servers

KNOBS = (
    "max_num_seqs", "max_num_batched_tokens", "swap_space", "gpu_memory_utilization", "num_gpu_blocks_override",
    "max_batch_total_tokens", "max_batch_prefill_tokens", "max_total_tokens", "max_input_length",
    "waiting_served_ratio", "max_waiting_tokens",
)  # fmt: skip
METRONOME = "metronome"
# --wire -> the server whose streams the metronome sends.
METRONOME_WIRES = {"openai": "vllm-0.33", "tgi": "tgi-3.3", "vllm-generate": "vllm-generate"}


class OptionsError(Exception):
    """Every wrong option, one line each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Options:
    """What to speak, where, how fast, and what to break."""

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
    knobs: dict[str, str]
    faults: tuple[Fault, ...]
    unicode_share: float = 0.0
    comment_s: float | None = None
    metronome: MetronomeSchedule = field(default_factory=MetronomeSchedule)


def parse_options(arguments: list[str]) -> Options:
    """The options, or OptionsError with one line per mistake."""
    given = _parser().parse_args(arguments)
    problems: list[str] = []
    names = tuple(name.strip() for name in given.speak.split(",") if name.strip())
    known = [*registered_servers(), METRONOME]
    problems += [
        f"--speak {name}: no such server; there are {', '.join(sorted(known))}"
        for name in names
        if name not in known
    ]
    faults = _faults(given.fault, problems)
    answer_tokens = None
    if given.answer_tokens is not None:
        answer_tokens = _mean_and_spread(given.answer_tokens)
        if answer_tokens is None:
            problems.append(f"--answer-tokens {given.answer_tokens}: write MEAN or MEAN:SPREAD, as 100:60")
    if not 0 <= given.port_base <= 65535 - len(names):
        problems.append(f"--port-base {given.port_base}: from 0 (any free ports) to {65535 - len(names)}")
    if given.tokens_per_s <= 0:
        problems.append(f"--tokens-per-s {given.tokens_per_s}: must be more than 0")
    if not 0 <= given.unicode <= 1:
        problems.append(f"--unicode {given.unicode}: a share, from 0 to 1")
    if not names:
        problems.append("--speak: name at least one server")
    if problems:
        raise OptionsError(problems)
    return Options(
        speak=names,
        port_base=given.port_base,
        host=given.host,
        truth=given.truth,
        profile=given.profile,
        seed=given.seed,
        model=given.model,
        max_model_len=given.max_model_len,
        answer_tokens=answer_tokens,
        max_concurrent_requests=given.max_concurrent_requests,
        knobs={name: getattr(given, name) for name in KNOBS if getattr(given, name) is not None},
        faults=faults,
        unicode_share=given.unicode,
        comment_s=given.sse_keep_alive_interval,
        metronome=MetronomeSchedule(
            given.ttft_ms,
            given.ttft_spread_ms,
            given.tokens_per_s,
            given.jitter_ms,
            given.role_lead_ms,
            given.burst,
            given.event_bytes,
            given.wire,
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


def _mean_and_spread(text: str) -> tuple[float, float] | None:
    mean, _, spread = text.partition(":")
    try:
        pair = float(mean), float(spread or 0.0)
    except ValueError:
        return None
    return pair if pair[0] >= 1 and pair[1] >= 0 else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    add = parser.add_argument
    add("--speak", required=True, help="servers to be, by comma: vllm,tgi,… ; each gets its own port")
    add(
        "--port-base",
        type=int,
        default=8000,
        help="port of the first server, the next one above it; 0: any free ones",
    )
    add("--host", default="127.0.0.1")
    add("--truth", help="append what was really sent to this file, JSON lines")
    add(
        "--profile",
        default="demo",
        help="hardware and model of profiles.toml: demo, 4090-llama2-7b, h100-llama2-7b",
    )
    add("--seed", type=int, default=0)
    add("--model", default="llama-2", help="the model's served name")
    add("--max-model-len", type=int, help="context length; default 4096, or TGI's max-total-tokens")
    add(
        "--answer-tokens",
        help="MEAN or MEAN:SPREAD (standard deviation), log-normal; default 100:60, metronome 100",
    )
    add("--fault", action="append", default=[], metavar="KIND:RATE[:ARG]", help="may be given several times")
    add("--max-concurrent-requests", type=int, default=128, help="TGI: more are refused as overloaded")
    add(
        "--unicode",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="words followed by a character of two tokens",
    )
    add(
        "--sse-keep-alive-interval",
        type=float,
        metavar="S",
        help="comment after S silent seconds; default: the server's",
    )
    for name in KNOBS:
        add("--" + name.replace("_", "-"), help="the server's own knob")
    metronome = parser.add_argument_group("metronome")
    metronome.add_argument("--ttft-ms", type=float, default=100.0)
    metronome.add_argument(
        "--ttft-spread-ms", type=float, default=0.0, help="each reply begins later by up to this, uniformly"
    )
    metronome.add_argument("--tokens-per-s", type=float, default=40.0)
    metronome.add_argument(
        "--jitter-ms", type=float, default=0.0, help="each event is late by up to this, uniformly"
    )
    metronome.add_argument(
        "--role-lead-ms", type=float, default=0.0, help="the role event comes this long before the token"
    )
    metronome.add_argument("--burst", action="store_true", help="all users' tokens fall on the same instants")
    metronome.add_argument(
        "--event-bytes", type=int, default=0, help="pad the text of each event to this many bytes"
    )
    metronome.add_argument("--wire", default="openai", choices=tuple(METRONOME_WIRES))
    return parser
