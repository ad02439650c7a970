"""What `make article` runs: lanes side by side, each a row of servers, each with its loads one after another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.calibration.article import (
    ARTICLE_SEED,
    FITTED_INTERVALS,
    HARDWARE,
    INTERVALS,
    REQUESTS,
    SERVERS,
    THROUGHPUT_REQUESTS,
)
from lab.calibration.lengths import Length, draw_lengths
from lab.study.load import Load
from lab.study.trace import write_trace

VLLM, TGI = "vllm-0.1.2", "tgi-0.9.3"
CHAT_SEATS = 20
"""The article's max-num-seqs of vLLM's OpenAI server."""
CHATS = {"chat": CHAT_SEATS, "chat-256": 256}
"""Folder → seats: the article's, and vLLM's default."""
CHAT_ANSWER = "150:80"
"""Mean and standard deviation of the JMeter replies, in tokens: ours, the article does not say."""
NEVER_ENDS = "5000:10"
"""TGI has no ignore_eos: a model that would talk on for ever answers just as long as it is allowed to."""
BATCH_LEVELS = (1, 4, 8)
SCENARIO_OF = {1.0: "arrivals-1s", 0.5: "arrivals-0.5s", 0.25: "arrivals-0.25s", 0.05: "arrivals-0.05s"}
TITLES = {VLLM: "vLLM 0.1.2", TGI: "TGI 0.9.3"}
EXPECTED_S = {1.0: 112.0, 0.5: 66.0, 0.25: 42.0, 0.05: 34.0}


@dataclass(frozen=True, slots=True)
class Station:
    """One server as it is started, and its loads in order; `label` names its runs in pictures."""

    name: str
    speak: str
    knobs: tuple[str, ...]
    label: str
    loads: tuple[Load, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it: the article's numbers, or few requests to see that everything works."""

    requests: int = REQUESTS
    throughput_requests: int = THROUGHPUT_REQUESTS
    longest_answer: int = 0
    intervals: tuple[float, ...] = (*FITTED_INTERVALS, 0.05)
    levels: tuple[int, ...] = BATCH_LEVELS
    batch: tuple[str, ...] = ()
    chat: tuple[str, ...] = ()
    chat_answer: str = CHAT_ANSWER


QUICK = Size(
    requests=10,
    throughput_requests=20,
    longest_answer=40,
    intervals=(0.25, 0.05),
    levels=(1, 4),
    batch=("--rounds", "1", "--answer-tokens", "32"),
    chat=("-u", "6", "-r", "6", "--turns", "2", "--think-time", "0.5"),
    chat_answer="20:8",
)


def lanes(size: Size, folder: Path) -> tuple[tuple[Station, ...], ...]:
    """Two lanes that take about equally long; writes the traces they need into `folder`."""
    native = Station(
        "vllm", "vllm-generate", _start(VLLM), TITLES[VLLM],
        (*_intervals(VLLM, size, folder), _batches(size), _at_once(size, folder)),
    )  # fmt: skip
    tgi = Station(
        "tgi", TGI, (*_start(TGI), "--answer-tokens", NEVER_ENDS), TITLES[TGI],
        tuple(_intervals(TGI, size, folder)),
    )  # fmt: skip
    return (native,), (tgi, *(_chat(size, name, seats) for name, seats in CHATS.items()))


def _chat(size: Size, name: str, seats: int) -> Station:
    """vLLM's OpenAI server and the JMeter plan."""
    knobs = (*_start(VLLM, max_num_seqs=seats), "--model", "llama-2", "--answer-tokens", size.chat_answer)
    load = Load("chat", "chat-100", size.chat, expected_s=180.0 if seats == CHAT_SEATS else 95.0)
    return Station(name, VLLM, knobs, f"vLLM 0.1.2, OpenAI, max-num-seqs {seats}", (load,))


def _start(server: str, **instead: object) -> tuple[str, ...]:
    """The simulator's arguments for a server as the article started it."""
    knobs = {**SERVERS[server], **instead}
    named = [part for key, value in knobs.items() for part in ("--" + key.replace("_", "-"), str(value))]
    return ("--profile", HARDWARE, *named, "--seed", str(ARTICLE_SEED))


def lengths_of(size: Size) -> list[Length]:
    """The draw the fit is shown for; answers cut short where `size` says so."""
    return _cut(draw_lengths(REQUESTS, ARTICLE_SEED), size.requests, size.longest_answer)


def _cut(lengths: list[Length], count: int, longest: int) -> list[Length]:
    kept = lengths[:count]
    return [Length(one.prompt_tokens, min(one.answer_tokens, longest or one.answer_tokens)) for one in kept]


def _intervals(server: str, size: Size, folder: Path) -> list[Load]:
    loads = []
    for interval_s in (each for each in INTERVALS[server] if each in size.intervals):
        trace = folder / "traces" / f"{server}-{interval_s:g}s.jsonl"
        lengths = lengths_of(size)
        due_s = [interval_s * place for place in range(len(lengths))]
        write_trace(trace, lengths, due_s, ARTICLE_SEED, ahead=1 if server == TGI else 0)
        loads.append(
            Load(
                f"every {interval_s:g} s",
                SCENARIO_OF[interval_s],
                ("--trace", str(trace)),
                EXPECTED_S[interval_s],
            )
        )
    return loads


def _batches(size: Size) -> Load:
    levels = ",".join(map(str, size.levels))
    return Load("batch", "batch-sweep", ("--levels", levels, *size.batch), expected_s=32.0)


def _at_once(size: Size, folder: Path) -> Load:
    """vLLM's throughput test, with its own sampling: what stands first and second in a conversation."""
    trace = folder / "traces" / "at-once.jsonl"
    drawn = draw_lengths(size.throughput_requests, ARTICLE_SEED, population="split")
    lengths = _cut(drawn, size.throughput_requests, size.longest_answer)
    write_trace(trace, lengths, [0.0] * len(lengths), ARTICLE_SEED, ahead=0)
    patience = ("--first-token-timeout", "900", "--turn-timeout", "900")
    return Load("at once", "arrivals-at-once", ("--trace", str(trace), *patience), expected_s=265.0)
