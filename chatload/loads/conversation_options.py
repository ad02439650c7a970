"""Options of conversations, for the load shapes whose users hold conversations."""

from __future__ import annotations

from chatload.loads.input_files import read_conversations, read_file
from chatload.options.option import FileName, Group, Switch, Text, Whole
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import MOST_REQUESTS, whole
from chatload.prompts.conversation_file import SHIPPED_CONVERSATIONS

ARTICLE_PROMPT = "Once a upon time,"
"""The message of the article's JMeter plan, as it is spelt there."""

TURNS = Whole(
    name="turns",
    default="10",
    range=whole(1, MOST_REQUESTS),
    help="turns that each user holds",
    label="Turns each user holds",
)
HISTORY = Switch(
    name="history",
    default="off",
    group=Group.PROMPTS,
    label="Conversation grows",
    help="on: a conversation with the replies in it; off: the same message each turn",
)
PROMPT = Text(
    name="prompt",
    default=ARTICLE_PROMPT,
    required=True,
    one_line=False,
    group=Group.PROMPTS,
    help="the message of every turn with history off",
    label="Message, where history is off",
)
PROMPTS = FileName(
    name="prompts",
    default="",
    group=Group.PROMPTS,
    help="file of conversations (JSONL) for history on; empty: those of chatload",
    label="File of conversations",
)


def conversations(reader: OptionReader) -> tuple[tuple[str, ...], ...]:
    """The conversations that users hold; none where they repeat one message.

    A file that is named is read and checked in any case.
    """
    history = reader.get(HISTORY)
    if history:
        remedy = "with --history on: name a file with --prompts, or set --history off"
        reader.refuse_unused(PROMPT, remedy, HISTORY)
    else:
        reader.refuse_unused(PROMPTS, "with --history off: set --history on, or leave it out", HISTORY)
    path = reader.get(PROMPTS) or (str(SHIPPED_CONVERSATIONS) if history else "")
    found = read_file(reader, PROMPTS, path, read_conversations) or ()
    return found if history else ()
