"""Options and fields of the load shapes whose users hold conversations."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Self, TypedDict

from msgspec.structs import replace as replaced

from chatload.loads.image_options import IMAGE_OPTIONS, ImageUse, read_image_use
from chatload.loads.input_files import read_conversations, read_file, read_text
from chatload.loads.load_shape import Inputs
from chatload.loads.think_time import ThinkingLoad
from chatload.options.length_options import PROMPT_TOKENS, TextOrFile
from chatload.options.option import FileName, Group, Integer, Switch, Text
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import MOST_REQUESTS, whole
from chatload.prompts.conversation_file import SHIPPED_CONVERSATIONS, ConversationFile
from chatload.prompts.placeholders import needs_filling, placeholders_in
from chatload.prompts.script import Script

ARTICLE_PROMPT = "Once a upon time,"
"""The message of the article's JMeter plan, in its spelling."""

TURNS = Integer(
    name="turns",
    default="10",
    range=whole(1, MOST_REQUESTS),
    help="turns that each user holds",
    label="Turns each user holds",
)
TURNS_OR_ENDLESS = replace(
    TURNS,
    range=whole(0, MOST_REQUESTS),
    help="turns that each user holds; 0: until the run is stopped, as by --run-time",
)
HISTORY = Switch(
    name="history",
    default="off",
    group=Group.PROMPTS,
    label="Conversation grows",
    help="on: a conversation with the replies in it; off: the same message each turn, or those of prompts",
)
PROMPT = Text(
    name="prompt",
    default=ARTICLE_PROMPT,
    required=True,
    one_line=False,
    group=Group.PROMPTS,
    help="the message of every turn with history off; {user}, {turn}, {uuid}, {random:1:100} … are filled in",
    label="Message, where history is off",
)
PROMPTS = FileName(
    name="prompts",
    default="",
    group=Group.PROMPTS,
    help="file of conversations (JSON, CSV, Parquet) or a dataset's folder; history off: its first lines in turn",
    label="File of conversations",
)
PROMPTS_COLUMN = Text(
    name="prompts-column",
    default="",
    group=Group.PROMPTS,
    help="key or column of the prompts in --prompts, where several could be meant; a number: CSV without a header",
    label="Its column of prompts",
)
SYSTEM_PROMPT = TextOrFile(
    name="system-prompt",
    default="",
    one_line=False,
    group=Group.PROMPTS,
    help="message of role system before each conversation without one of its own, or @FILE that holds it; empty: none",
    label="System prompt",
)


ESCAPED = "\\{"
"""Stands in `placeholders` for prompts whose placeholders are all escaped by a backslash."""
CONVERSATION_OPTIONS = (HISTORY, PROMPT, PROMPTS, PROMPTS_COLUMN, SYSTEM_PROMPT, *IMAGE_OPTIONS)


class ConversationFields(TypedDict):
    """Fields of `ConversationLoad` that options set."""

    history: bool
    prompt: str
    prompts: str
    prompts_column: str
    system_prompt: str
    image_use: ImageUse | None


class ConversationLoad(ThinkingLoad, frozen=True, kw_only=True):
    """A load whose users hold conversations."""

    history: bool = False
    prompt: str = ""
    prompts: str = ""
    prompts_column: str = ""
    system_prompt: str = ""
    image_use: ImageUse | None = None
    pictures: bool = False
    placeholders: tuple[str, ...] = ()
    """The placeholders in its prompts, each once (prompts/placeholders.py)."""

    @property
    def non_text_content(self) -> str:
        """Images: generated ones, or those of the file of prompts (`pictures`)."""
        return "images" if self.image_use or self.pictures else ""

    @property
    def own_tasks(self) -> bool:
        """True if tasks of user classes decide what is sent."""
        return False

    @property
    def grows(self) -> bool:
        """True with --history on."""
        return self.history

    @property
    def fixed_prompt(self) -> str:
        """The value of --prompt, unless history, a file, generated prompts or placeholders make messages differ."""
        differs = self.history or self.prompts or self.prompt_tokens or needs_filling(self.prompt)
        return "" if differs else self.prompt

    def with_file(self, file: ConversationFile) -> Self:
        """The load with `pictures` and `placeholders` of these conversations."""
        texts = [self.system_prompt, *(script.system for script in file.scripts)]
        texts += [line for script in file.scripts for line in script.lines]
        if not (file.scripts or self.prompt_tokens):
            texts.append(self.prompt)
        found = tuple(dict.fromkeys(one for text in texts for one in placeholders_in(text)))
        if not found and any(map(needs_filling, texts)):
            found = (ESCAPED,)
        return replaced(self, pictures=file.has_images, placeholders=found)

    def system_prompts(self, inputs: Inputs) -> tuple[str, ...]:
        """Those of the file of conversations, else that of the options."""
        return tuple(dict.fromkeys(script.system for script in inputs.conversations)) or (self.system_prompt,)

    @property
    def one_message(self) -> bool:
        """True without history, file of prompts, system prompt and generated texts."""
        return not (self.history or self.prompts or self.system_prompt or self.generates_texts)


def conversation_fields(reader: OptionReader) -> ConversationFields:
    """The `ConversationFields` of the option values."""
    return {
        "history": reader.get(HISTORY),
        "prompt": reader.get(PROMPT),
        "prompts": reader.get(PROMPTS),
        "prompts_column": reader.get(PROMPTS_COLUMN),
        "system_prompt": system_prompt(reader),
        "image_use": read_image_use(reader),
    }


def system_prompt(reader: OptionReader) -> str:
    """The value of --system-prompt, or the text of the file that it names."""
    given = reader.get(SYSTEM_PROMPT)
    path = SYSTEM_PROMPT.file_in(given)
    return read_file(reader, SYSTEM_PROMPT, path, read_text) or "" if path else given


def conversations(reader: OptionReader) -> ConversationFile:
    """The conversations that users hold, or whose first lines they send; none if they repeat one message.

    Each has its own system message, else that of --system-prompt.
    """
    history, named = reader.get(HISTORY), reader.get(PROMPTS)
    if reader.get(PROMPT_TOKENS) is not None:
        for option in (PROMPT, PROMPTS, PROMPTS_COLUMN):
            remedy = "with --prompt-tokens, which generates prompts: leave one out"
            reader.refuse_unused(option, remedy, PROMPT_TOKENS)
        return ConversationFile(())
    if history:
        remedy = "with --history on: name a file with --prompts, or set --history off"
        reader.refuse_unused(PROMPT, remedy, HISTORY)
    elif named:
        reader.refuse_unused(PROMPT, "with --prompts, whose lines are sent: leave one out", PROMPTS)
    if not named:
        reader.refuse_unused(PROMPTS_COLUMN, "without --prompts: name a file, or leave it out", PROMPTS)
    path = named or (str(SHIPPED_CONVERSATIONS) if history else "")
    read = partial(read_conversations, column=reader.get(PROMPTS_COLUMN) if named else "")
    found = read_file(reader, PROMPTS, path, read) or ConversationFile(())
    system = system_prompt(reader)
    if not system:
        return found
    return replace(found, scripts=tuple(_with_system(script, system) for script in found.scripts))


def _with_system(script: Script, system: str) -> Script:
    return script if script.system else Script(script.lines, system, script.images)
