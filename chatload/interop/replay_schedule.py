"""Writes the due times and lengths of a run's turns as schedules that other tools replay.

All three tools read Mooncake's rows: a time, the lengths of prompt and answer in tokens, and a number for every 16
tokens of the prompt, equal where prompts begin with the same text. They generate prompts of these lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

import orjson

from chatload.loads.conversation_options import ConversationLoad
from chatload.loads.load_shape import Load
from chatload.model.errors import UsageError
from chatload.model.inline_reasoning import answer_in
from chatload.model.turn import Turn
from chatload.store.journal import Run

BLOCK_TOKENS = 16
"""Tokens of a prompt that have one number: vLLM's block size, and its default for timed traces."""
CHARACTERS_PER_TOKEN = 4
"""Estimate for prompts whose tokens the server did not count."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: how many units of its times a second has, and its command."""

    per_s: float
    command: str


TOOLS = {
    "vllm": Tool(
        1.0,
        "vllm bench serve --backend vllm --dataset-name timed_trace --dataset-path FILE --num-prompts {n} "
        "--model MODEL --base-url URL",
    ),
    "aiperf": Tool(
        1000.0,
        "aiperf profile --input-file FILE --custom-dataset-type mooncake_trace --fixed-schedule "
        "--isl-block-size {block} --streaming --endpoint-type chat --extra-inputs ignore_eos:true --model MODEL "
        "--url URL",
    ),
    "guidellm": Tool(
        1.0,
        """guidellm run --backend '{{"kind": "openai_http", "target": "URL", "model": "MODEL"}}' """
        """--profile '{{"kind": "replay"}}' --data '{{"kind": "mooncake", "hash_id_block_size": {block}, """
        """"source": {{"kind": "json_file", "path": "FILE"}}}}'""",
    ),
}
"""Tools by name."""


@dataclass(frozen=True, slots=True)
class ScheduledRequest:
    """One request of a schedule: ns after the first one, and lengths in tokens."""

    after_ns: int
    prompt_tokens: int
    output_tokens: int
    blocks: tuple[int, ...]
    turn: Turn


@dataclass(slots=True)
class ReplaySchedule:
    """The requests of a run in order of due times, and how many lengths are estimates."""

    requests: list[ScheduledRequest]
    prompts_estimated: int = 0
    outputs_assumed: int = 0


def schedule_of(run: Run) -> ReplaySchedule:
    """The schedule of a run, failed turns included. UsageError if the run has no turn."""
    if not run.turns:
        raise UsageError([f"{run.folder}: holds no turn: nothing to schedule"])
    plan = run.manifest.plan
    blocks = _Blocks(_common_beginning(run.manifest.load))
    longest = plan.max_tokens if plan is not None else None
    schedule = ReplaySchedule([])
    first_ns = run.turns[0].due_ns
    for turn in run.turns:
        prompt_tokens = turn.prompt_tokens or max(1, round(turn.prompt_characters / CHARACTERS_PER_TOKEN))
        schedule.prompts_estimated += not turn.prompt_tokens
        output_tokens = turn.tokens if turn.ok and turn.tokens else None
        if output_tokens is None:
            schedule.outputs_assumed += 1
            output_tokens = longest or turn.tokens or 1
        due = ScheduledRequest(
            turn.due_ns - first_ns, prompt_tokens, output_tokens, blocks.of(turn, prompt_tokens), turn
        )
        schedule.requests.append(due)
    return schedule


def lines_for(tool: str, schedule: ReplaySchedule) -> Iterator[str]:
    """The rows for a tool, with lengths and block numbers of prompts."""
    per_s = TOOLS[tool].per_s
    for due in schedule.requests:
        yield _line(
            {
                "timestamp": _time(due.after_ns, per_s),
                "input_length": due.prompt_tokens,
                "output_length": due.output_tokens,
                "hash_ids": due.blocks,
            }
        )


def lines_with_texts(run: Run, schedule: ReplaySchedule) -> Iterator[str]:
    """AIPerf's rows with the messages that were sent. UsageError if the run did not keep them."""
    load = run.manifest.load
    if load is not None and load.by_level and load.grows:
        raise UsageError([f"{run.folder}: its users held several conversations each: use --prompts lengths"])
    asked = _messages(run)
    missing = sum(due.turn.turn_id not in asked for due in schedule.requests)
    if missing:
        raise UsageError(
            [
                f"{run.folder}: {missing:,} prompts were not kept: run with --keep-text all, or --prompts lengths"
            ]
        )
    for due in schedule.requests:
        yield _line(
            {
                "timestamp": _time(due.after_ns, TOOLS["aiperf"].per_s),
                "messages": asked[due.turn.turn_id],
                "output_length": due.output_tokens,
            }
        )


def _line(row: Mapping[str, object]) -> str:
    return orjson.dumps(row).decode() + "\n"


def _time(after_ns: int, per_s: float) -> float:
    """A time in the tool's unit: s to the µs, always with a decimal point, or whole ms, as in Mooncake's traces.

    `--trace` recognises the unit by that.
    """
    return round(after_ns / 1e9, 6) if per_s == 1 else round(after_ns * per_s / 1e9)


def _common_beginning(load: Load | None) -> str:
    """Which prompts begin with the same text: all ("same"), those of one user ("user"), or none ("none")."""
    if load is None:
        return "none"
    return "user" if load.grows else "same" if load.fixed_prompt else "none"


class _Blocks:
    """Numbers for every 16 tokens of every prompt. A shorter last block never has the number of a full block, which
    would stand for two lengths."""

    def __init__(self, common: str) -> None:
        self._common_beginning = common
        self._next = count()
        self._full: dict[object, list[int]] = {}
        self._last: dict[object, int] = {}
        self._conversations: dict[int, tuple[int, int]] = {}

    def of(self, turn: Turn, tokens: int) -> tuple[int, ...]:
        """The numbers of a prompt of this length."""
        full, rest = divmod(tokens, BLOCK_TOKENS)
        known = self._full.setdefault(self._key(turn, tokens), [])
        while len(known) < full:
            known.append(next(self._next))
        last: tuple[int, ...] = ()
        if rest:
            key = (tokens, "same") if self._common_beginning == "same" else turn.turn_id
            last = (self._last.setdefault(key, next(self._next)),)
        return (*known[:full], *last)

    def _key(self, turn: Turn, tokens: int) -> object:
        """A key that prompts with a common beginning share. A prompt shorter than the user's previous one begins a new
        conversation."""
        if self._common_beginning != "user":
            return "all" if self._common_beginning == "same" else turn.turn_id
        conversation, last_tokens = self._conversations.get(turn.user, (0, 0))
        conversation += tokens < last_tokens
        self._conversations[turn.user] = (conversation, tokens)
        return turn.user, conversation


def _messages(run: Run) -> dict[str, list[dict[str, str]]]:
    """The messages of each turn whose prompt was kept; with --history on, if all earlier replies were kept too."""
    plan, load = run.manifest.plan, run.manifest.load
    if (
        load is not None and load.names_turns
    ):  # tasks may begin new conversations, which journals do not record
        return {}
    history = load is not None and load.grows
    fixed = (load.fixed_prompt or None) if load is not None else None
    given = plan.body.get("messages") if plan is not None else None
    system = load.system_prompt if isinstance(load, ConversationLoad) else ""
    first = [{"role": "system", "content": system}] if system else []
    found: dict[str, list[dict[str, str]]] = {}
    histories: dict[int, list[dict[str, str]] | None] = {}
    for turn in sorted(run.turns, key=lambda turn: (turn.user, turn.turn)):
        text = turn.prompt if turn.prompt is not None else fixed
        before = histories.setdefault(turn.user, first)
        if isinstance(given, list):
            found[turn.turn_id] = given
        elif turn.system_characters != len(system):
            histories[turn.user] = (
                None  # another system message, of a file or a user class, which is not kept
            )
        elif text is not None and before is not None:
            found[turn.turn_id] = [*before, {"role": "user", "content": text}]
        if history and turn.ok:  # the line of a failed turn is sent again
            if turn.turn_id not in found or turn.text is None:
                histories[turn.user] = None
            else:
                answer = {"role": "assistant", "content": answer_in(turn.text)}
                histories[turn.user] = [*found[turn.turn_id], answer]
    return found
