"""What `make article` runs: servers with their loads, in two groups that run at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.calibration.article import (
    ARTICLE_DRAW,
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
ENDLESS_ANSWER = "5000:10"
"""TGI has no ignore_eos: with a model that never stops by itself, answers have exactly the length asked for."""
BATCH_LEVELS = (1, 4, 8)
SCENARIO_OF = {1.0: "arrivals-1s", 0.5: "arrivals-0.5s", 0.25: "arrivals-0.25s", 0.05: "arrivals-0.05s"}
TITLES = {VLLM: "vLLM 0.1.2", TGI: "TGI 0.9.3"}
EXPECTED_S = {1.0: 112.0, 0.5: 66.0, 0.25: 42.0, 0.05: 34.0}


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """A server, the arguments it is started with, and its loads in order; `label` names its runs in pictures."""

    name: str
    speak: str
    arguments: tuple[str, ...]
    label: str
    loads: tuple[Load, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """How many requests, users and tokens: the article's numbers, or few (QUICK) to test that everything works."""

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


WORDS = ("--seed", str(ARTICLE_DRAW))
"""Without it prompts have other words in each run, and other lengths than the traces were made for."""


def parallel_groups(size: Size, folder: Path) -> tuple[tuple[ServerPlan, ...], ...]:
    """Two groups that take about equally long; writes the traces they need into `folder`."""
    vllm_loads = (*_intervals(VLLM, size, folder), _batches(size), _at_once(size, folder))
    native = ServerPlan("vllm", "vllm-generate", _start(VLLM), TITLES[VLLM], vllm_loads)
    tgi_arguments = (*_start(TGI), "--answer-tokens", ENDLESS_ANSWER)
    tgi = ServerPlan("tgi", TGI, tgi_arguments, TITLES[TGI], tuple(_intervals(TGI, size, folder)))
    return (native,), (tgi, *(_chat(size, name, seats) for name, seats in CHATS.items()))


def _chat(size: Size, name: str, seats: int) -> ServerPlan:
    """vLLM's OpenAI server under the JMeter plan's load."""
    arguments = (*_start(VLLM, max_num_seqs=seats), "--model", "llama-2", "--answer-tokens", size.chat_answer)
    load = Load("chat", "chat-100", size.chat, expected_s=180.0 if seats == CHAT_SEATS else 95.0)
    return ServerPlan(name, VLLM, arguments, f"vLLM 0.1.2, OpenAI, max-num-seqs {seats}", (load,))


def _start(server: str, **instead: object) -> tuple[str, ...]:
    """The simulator's arguments for a server as the article started it."""
    options = {**SERVERS[server], **instead}
    named = [part for key, value in options.items() for part in ("--" + key.replace("_", "-"), str(value))]
    return ("--profile", HARDWARE, *named, "--seed", str(ARTICLE_DRAW))


def lengths_of(size: Size) -> list[Length]:
    """The lengths of the draw ARTICLE_DRAW; answers cut where `size` says so."""
    return _cut(draw_lengths(REQUESTS, ARTICLE_DRAW), size.requests, size.longest_answer)


def _cut(lengths: list[Length], count: int, longest: int) -> list[Length]:
    kept = lengths[:count]
    return [Length(one.prompt_tokens, min(one.answer_tokens, longest or one.answer_tokens)) for one in kept]


def _intervals(server: str, size: Size, folder: Path) -> list[Load]:
    loads = []
    for interval_s in (each for each in INTERVALS[server] if each in size.intervals):
        trace = folder / "traces" / f"{server}-{interval_s:g}s.jsonl"
        lengths = lengths_of(size)
        due_s = [interval_s * place for place in range(len(lengths))]
        write_trace(trace, lengths, due_s, ARTICLE_DRAW, template_tokens=1 if server == TGI else 0)
        loads.append(
            Load(
                f"every {interval_s:g} s",
                SCENARIO_OF[interval_s],
                ("--trace", str(trace), *WORDS),
                EXPECTED_S[interval_s],
            )
        )
    return loads


def _batches(size: Size) -> Load:
    levels = ",".join(map(str, size.levels))
    return Load("batch", "batch-sweep", ("--levels", levels, *size.batch), expected_s=32.0)


def _at_once(size: Size, folder: Path) -> Load:
    """vLLM's throughput test, with its own sampling: the first two messages of each conversation."""
    trace = folder / "traces" / "at-once.jsonl"
    drawn = draw_lengths(size.throughput_requests, ARTICLE_DRAW, population="split")
    lengths = _cut(drawn, size.throughput_requests, size.longest_answer)
    write_trace(trace, lengths, [0.0] * len(lengths), ARTICLE_DRAW, template_tokens=0)
    timeouts = ("--first-token-timeout", "900", "--turn-timeout", "900")
    return Load("at once", "arrivals-at-once", ("--trace", str(trace), *WORDS, *timeouts), expected_s=265.0)
