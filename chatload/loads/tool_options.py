"""Options of agents: tools that the model may call, how often it does, and how long they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import orjson

from chatload.files.reading import MB, read_input, shown
from chatload.loads.input_files import read_file
from chatload.loads.think_time import THINK_TIME
from chatload.model.errors import UsageError
from chatload.model.words import plural
from chatload.options.distribution import Distribution
from chatload.options.length_options import ANSWER_TOKENS, PROMPT_TOKENS
from chatload.options.option import Choice, FileName, Group, Integer
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import MOST_TOKENS, whole

MOST_ROUNDS = 100
DEFAULT_TOOLS: tuple[Mapping[str, Any], ...] = (
    {
        "name": "search",
        "description": "Search the web for pages about something",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}, "most": {"type": "integer"}},
            "required": ["query"],
        },
    },
    {
        "name": "read_page",
        "description": "Read the text of a page",
        "parameters": {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]},
    },
)
"""The tools that requests name without --tools."""

TOOL_ROUNDS = Integer(
    name="tool-rounds",
    default="0",
    range=whole(0, MOST_ROUNDS),
    group=Group.PROMPTS,
    help="rounds of tool calls before the answer to each question, each a turn; 0: no tools",
    label="Rounds of tool calls",
)
TOOL_CHOICE = Choice(
    name="tool-choice",
    default="required",
    choices=("required", "auto"),
    group=Group.PROMPTS,
    help="required: the model has to call a tool in each round; auto: it decides, within tool-rounds",
    label="Who decides on calls",
)
TOOL_LATENCY = replace(
    THINK_TIME,
    name="tool-latency",
    default="1",
    group=Group.PROMPTS,
    help="s that the tools of a round take, drawn as think-time",
    label="Tools take (s)",
)
TOOL_RESULT_TOKENS = Integer(
    name="tool-result-tokens",
    default="200",
    range=whole(4, MOST_TOKENS),
    group=Group.PROMPTS,
    help="estimated length of what a tool gives back, in tokens",
    label="Length of a tool's result (tokens)",
)
TOOLS = FileName(
    name="tools",
    default="",
    group=Group.PROMPTS,
    help="JSON file with a list of tools in OpenAI's form; empty: a search and a page reader",
    label="File of tools",
)
TOOL_OPTIONS = (TOOL_ROUNDS, TOOL_CHOICE, TOOL_LATENCY, TOOL_RESULT_TOKENS, TOOLS)


class ToolUse(msgspec.Struct, frozen=True, kw_only=True):
    """How agents use tools: `rounds` before each answer; `required`: the model must call one in each."""

    rounds: int
    required: bool = True
    latency_s: Distribution = Distribution(1.0, "constant", 1.0)
    result_tokens: int = 200
    tools: str = ""

    @property
    def turns_a_question(self) -> int:
        """Turns of one question: its rounds and the answer."""
        return self.rounds + 1

    @property
    def words(self) -> str:
        """In words: "2 tool rounds of 1 s before each answer"."""
        most = "" if self.required else "up to "
        rounds = f"{most}{plural(self.rounds, 'tool round')}"
        return f"{rounds} of {self.latency_s.words('s')} before each answer"

    def __str__(self) -> str:
        return f"{self.words}, results of {self.result_tokens} tokens, tools {self.tools or 'of chatload'}"


def read_tool_use(reader: OptionReader, turns: int) -> tuple[ToolUse | None, tuple[dict[str, Any], ...]]:
    """(how agents use tools, the tools as requests send them); (None, ()) without --tool-rounds."""
    rounds = reader.get(TOOL_ROUNDS)
    if not rounds:
        for option in TOOL_OPTIONS[1:]:
            reader.refuse_unused(option, "without --tool-rounds: set them, or leave it out", TOOL_ROUNDS)
        return None, ()
    use = ToolUse(
        rounds=rounds,
        required=reader.get(TOOL_CHOICE) == "required",
        latency_s=reader.get(TOOL_LATENCY),
        result_tokens=reader.get(TOOL_RESULT_TOKENS),
        tools=reader.get(TOOLS),
    )
    each = use.turns_a_question
    if turns % each:
        good = sorted({max(1, turns // each) * each, -(-turns // each) * each})
        words = (
            f"a question with --tool-rounds {rounds} takes {each} turns: give {' or '.join(map(str, good))}"
        )
        reader.add_named_mistake("turns", f"'{turns}'", words)
    for asked in (PROMPT_TOKENS, ANSWER_TOKENS):
        remedy = "with --tool-rounds, whose calls and results have lengths of their own: leave it out"
        reader.refuse_unused(asked, remedy, TOOL_ROUNDS)
    found = read_file(reader, TOOLS, use.tools, read_tools) if use.tools else DEFAULT_TOOLS
    return use, tuple({"type": "function", "function": one} for one in found or ())


def read_tools(path: str) -> Sequence[Mapping[str, Any]]:
    """The functions in a file of tools. UsageError with every mistake."""
    remedy = 'write a JSON list of {"type": "function", "function": {"name": …, "parameters": …}}'
    try:
        content = orjson.loads(read_input(path, remedy, MB))
    except orjson.JSONDecodeError as error:
        raise UsageError([f"{shown(path)}: no JSON ({error}): {remedy}"]) from None
    if not (isinstance(content, list) and content):
        raise UsageError([f"{shown(path)}: no list of tools: {remedy}"])
    functions = [one.get("function", one) if isinstance(one, dict) else None for one in content]
    wrong = [
        place
        for place, one in enumerate(functions, start=1)
        if not (isinstance(one, dict) and isinstance(one.get("name"), str) and one["name"])
    ]
    if wrong:
        raise UsageError(
            [f"{shown(path)}: item {place}: a function without a name: {remedy}" for place in wrong[:20]]
        )
    return [one for one in functions if isinstance(one, dict)]
