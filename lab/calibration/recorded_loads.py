"""The recorded loads of real servers, by machine: which profile stands for them, and which loads its fit has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.calibration.replay import Recorded, Target, read_rows, replay_conversations, replay_open
from lab.calibration.virtual_time import Served

CASES = Path(__file__).parents[2] / "tests" / "cases"
OPEN, CHAT, HISTORY, NEW_TOKENS = "open", "chat", "history", "history of new tokens"
"""Each request at its recorded instant; users who think after a reply; the same with growing history, found again in
the prefix cache with its answers, or without them.

The H200's counters say that only the prompts before were found: random weights write text that becomes other tokens.
Of the H100 no counters were kept; its tails are those of a server that finds the answers too.
"""


@dataclass(frozen=True, slots=True)
class RecordedLoad:
    """One load: the file of its rows, how it is replayed, and the server's options.

    `levels`: only these of a sweep, `runs`: only these of its groups, each of which is a run of its own. Not `fitted`:
    the fit has not seen it. `cached`: the server had had its prompts before. `client_apart`: its client was kept to
    processors of its own. `event`: what happened once, or in the client, while it was recorded, and `not_fitted` the
    figures, or shares of all figures, that rest on it: the fit leaves these out.
    """

    name: str
    file: str
    kind: str = OPEN
    levels: tuple[int, ...] = ()
    runs: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    fitted: bool = True
    cached: bool = False
    client_apart: bool = False
    event: str = ""
    not_fitted: tuple[str | float, ...] = ()

    def is_event(self, figure: str, share: float) -> bool:
        """Whether a quantile of a figure rests on the event of the recording."""
        return figure in self.not_fitted or share in self.not_fitted


@dataclass(frozen=True, slots=True)
class Machine:
    """A recorded server: `server` as it is called in tables, the folder of its rows in tests/cases."""

    server: str
    profile: str
    folder: str
    loads: tuple[RecordedLoad, ...]
    options: Mapping[str, object] = field(default_factory=dict)

    def rows(self, load: RecordedLoad) -> list[Recorded]:
        """The recorded requests of a load."""
        rows = read_rows(CASES / self.folder / f"{load.file}.csv")
        rows = [row for row in rows if not load.levels or _level(row) in load.levels]
        return [row for row in rows if not load.runs or row.group in load.runs]

    def replay(
        self, load: RecordedLoad, rows: Sequence[Recorded], target: Target
    ) -> list[tuple[list[Recorded], list[Served]]]:
        """Recorded and simulated requests of each run of a load, on this target with the options of the load."""
        options = {**self.options, **target.options, **load.options}
        target = replace(target, options=options, client_apart=load.client_apart)
        if load.kind == OPEN:
            runs: dict[str, list[Recorded]] = {}
            for row in rows:
                runs.setdefault(row.group, []).append(row)
            return [(run, replay_open(target, run, cached=load.cached)) for run in runs.values()]
        history = load.kind in (HISTORY, NEW_TOKENS)
        found = load.kind != NEW_TOKENS
        return [(list(rows), replay_conversations(target, rows, history=history, answers_found=found))]


def _level(row: Recorded) -> int:
    return int(row.group.split(".")[0])


SEATS_20 = {"max_num_seqs": 20}
ALL, TAILS, GAPS = (0.5, 0.95, 0.99), (0.95, 0.99), ("longest gap",)
COLD = (
    "the first requests of so many that this server had: 77 to 82 ms to the first tokens, where 8 more, 1.7 s later,"
    " had 24 to 27"
)
PAUSE = (
    "each load that begins at once pauses once, all its streams at the same moment, the longer the more there are:"
    " 17 to 26 ms with 8, up to 29 with 16, 31 to 37 with 64, 46 and 70 with 128; the H200's server, of the same"
    " version, has none. The H100's client was one Python process, which stamped what it read: the pause may be its own"
)
SLOW_START = (
    "in its first 8 s a step took 12 ms with one stream, then 4.5 to the end: the three longest TTFT of 40, 68 to 72"
    " ms, and all TPOT beyond 5 are of then"
)
SLOW_LAUNCHES = (
    "a step of 17 to 20 streams, launched piece by piece, took 6.5 ms from 9 to 16 s, 13 ms from 19 to 30 s and 7 to"
    " 9.5 otherwise: spells of a slow host, and the slowest is the tail of TPOT and TTFT"
)
FULL_MEMORY = (
    "58 of the 67 first tokens after more than 300 ms are of requests sent from 33.0 to 34 s: 92 users had fallen"
    " into step, their 127,000 tokens filled the memory of 131,072, and what was cached was evicted and computed again."
    " Without the requests of 31 to 34 s the TTFT has p95 175 ms, p99 291"
)
STANDSTILLS = (
    "94 of the 98 longest gaps, 640 to 1,340 ms, are of the first 10 s, where everything stands still four times; and"
    " 46 of the 50 longest TTFT are of 28 s, when all users had fallen into step and asked at once"
)
CAPTURES = (
    "all 17 streams of the first 2 s stand still for 1,650 ms at the same moment, and two at 19 s for 1,115 ms: its"
    " first requests, perhaps CUDA graphs that it captured"
)
MACHINES: Mapping[str, Machine] = {
    "h100": Machine(
        server="vLLM 0.26, H100",
        profile="vllm-v1@h100-llama2-7b",
        folder="h100",
        loads=(
            RecordedLoad("1 to 4 at once", "sweep", levels=(1, 2, 4)),
            RecordedLoad("8 at once, cold", "sweep", runs=("8.0",), fitted=False, event=COLD, not_fitted=ALL),
            RecordedLoad(
                "8 and 16 at once", "sweep", runs=("8.1", "16.0", "16.1"), event=PAUSE, not_fitted=GAPS
            ),
            RecordedLoad(
                "32 and 64 at once", "sweep", levels=(32, 64), fitted=False, event=PAUSE, not_fitted=GAPS
            ),
            RecordedLoad("128 at once", "sweep", levels=(128,), event=PAUSE, not_fitted=GAPS),
            RecordedLoad("every 0.5 s", "interval-0.5"),
            RecordedLoad("every 0.05 s", "interval-0.05"),
            RecordedLoad("100 together", "interval-0", fitted=False),
            RecordedLoad("chat, 20 seats", "chat-256-seqs20", CHAT, options=SEATS_20, fitted=False),
            RecordedLoad("chat, history", "chat-history-10x128", HISTORY),
        ),
    ),
    "h200": Machine(
        server="vLLM 0.26, H200",
        profile="vllm-v1@h200-llama2-7b",
        folder="h200-vllm",
        options={"num_gpu_blocks_override": 8192},
        loads=(
            RecordedLoad("1 to 8 at once", "sweep"),
            RecordedLoad("1 to 8 at once, aiohttp", "aiohttp-sweep", fitted=False),
            RecordedLoad("every 1 s", "arr1", fitted=False, event=SLOW_START, not_fitted=TAILS),
            RecordedLoad("every 0.5 s, cached", "arr05", fitted=False, cached=True),
            RecordedLoad("every 0.25 s", "arr025"),
            RecordedLoad("every 0.25 s, vllm bench", "vllm-bench-arr025", fitted=False),
            RecordedLoad("chat", "chat100", CHAT),
            RecordedLoad("chat, pinned client", "chat100pin", CHAT, client_apart=True),
            RecordedLoad("chat, aiohttp", "aiohttp-chat100", CHAT, fitted=False),
            RecordedLoad(
                "chat, 20 seats",
                "seqs20",
                CHAT,
                options=SEATS_20 | {"num_gpu_blocks_override": 512},
                event=SLOW_LAUNCHES,
                not_fitted=TAILS,
            ),
            RecordedLoad("26 users, history", "capN", NEW_TOKENS),
            RecordedLoad("16 users at once, history", "cap", NEW_TOKENS, levels=(16,), fitted=False),
            RecordedLoad("32 users at once, history", "cap", NEW_TOKENS, levels=(32,), fitted=False),
            RecordedLoad("64 users at once, history", "cap", NEW_TOKENS, levels=(64,), fitted=False),
            RecordedLoad(
                "chat, history", "hist100", NEW_TOKENS, fitted=False, event=FULL_MEMORY, not_fitted=TAILS
            ),
        ),
    ),
    "lmdeploy": Machine(
        server="lmdeploy 0.18, H200",
        profile="lmdeploy@h200-llama2-7b",
        folder="h200-lmdeploy",
        loads=(
            RecordedLoad("1 to 8 at once", "sweep"),
            RecordedLoad("every 0.25 s", "arr025"),
            RecordedLoad("chat", "chat100", CHAT, event=STANDSTILLS, not_fitted=TAILS),
            RecordedLoad(
                "chat, 20 seats",
                "seqs20",
                CHAT,
                options={"max_batch_size": 20},
                fitted=False,
                event=CAPTURES,
                not_fitted=TAILS,
            ),
        ),
    ),
}
