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

    `levels`: only these of a sweep; each of its groups is a run of its own. Not `fitted`: the fit has not seen it.
    `cached`: the server had had its prompts before.
    """

    name: str
    file: str
    kind: str = OPEN
    levels: tuple[int, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    fitted: bool = True
    cached: bool = False


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
        return [row for row in rows if not load.levels or _level(row) in load.levels]

    def replay(
        self, load: RecordedLoad, rows: Sequence[Recorded], target: Target
    ) -> list[tuple[list[Recorded], list[Served]]]:
        """Recorded and simulated requests of each run of a load, on this target with the options of the load."""
        target = replace(target, options={**self.options, **target.options, **load.options})
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
MACHINES: Mapping[str, Machine] = {
    "h100": Machine(
        server="vLLM 0.26, H100",
        profile="vllm-v1@h100-llama2-7b",
        folder="h100",
        loads=(
            RecordedLoad("1 to 4 at once", "sweep", levels=(1, 2, 4)),
            RecordedLoad("8 and 16 at once", "sweep", levels=(8, 16)),
            RecordedLoad("32 and 64 at once", "sweep", levels=(32, 64), fitted=False),
            RecordedLoad("128 at once", "sweep", levels=(128,)),
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
            RecordedLoad("every 1 s", "arr1", fitted=False),
            RecordedLoad("every 0.5 s, cached", "arr05", fitted=False, cached=True),
            RecordedLoad("every 0.25 s", "arr025"),
            RecordedLoad("every 0.25 s, vllm bench", "vllm-bench-arr025", fitted=False),
            RecordedLoad("chat", "chat100", CHAT),
            RecordedLoad("chat, pinned client", "chat100pin", CHAT, fitted=False),
            RecordedLoad("chat, aiohttp", "aiohttp-chat100", CHAT),
            RecordedLoad(
                "chat, 20 seats", "seqs20", CHAT, options=SEATS_20 | {"num_gpu_blocks_override": 512}
            ),
            RecordedLoad("26 users, history", "capN", NEW_TOKENS, fitted=False),
            RecordedLoad("16 users at once, history", "cap", NEW_TOKENS, levels=(16,), fitted=False),
            RecordedLoad("32 users at once, history", "cap", NEW_TOKENS, levels=(32,), fitted=False),
            RecordedLoad("64 users at once, history", "cap", NEW_TOKENS, levels=(64,), fitted=False),
            RecordedLoad("chat, history", "hist100", NEW_TOKENS, fitted=False),
        ),
    ),
    "lmdeploy": Machine(
        server="lmdeploy 0.18, H200",
        profile="lmdeploy@h200-llama2-7b",
        folder="h200-lmdeploy",
        loads=(
            RecordedLoad("1 to 8 at once", "sweep"),
            RecordedLoad("every 0.25 s", "arr025"),
            RecordedLoad("chat", "chat100", CHAT),
            RecordedLoad("chat, 20 seats", "seqs20", CHAT, options={"max_batch_size": 20}, fitted=False),
        ),
    ),
}
