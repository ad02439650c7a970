"""Reads files of conversations: JSON lines, JSON lists and CSV, in many common forms (docs/prompts.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import orjson

from chatload.files.columns import plain
from chatload.files.packaged import SCENARIOS, packaged
from chatload.files.reading import Mistakes, quoted
from chatload.files.records import Record, Records
from chatload.prompts.file_notes import session_of, split_notes, unused_keys, unused_keys_notes
from chatload.prompts.image_files import KEYS as IMAGE_KEYS
from chatload.prompts.image_files import images_in, images_of_record
from chatload.prompts.messages import (
    MESSAGES,
    MODEL,
    PERSON,
    ROLE_KEYS,
    SYSTEM,
    MessageMistake,
    messages_of,
    role_of,
    shown_value,
    text_of,
    value_of,
)
from chatload.prompts.script import Script

SHIPPED_CONVERSATIONS = packaged(SCENARIOS) / "prompts" / "conversations.jsonl"
"""The conversations that are used without --prompts."""
LINES = ("turns", "prompts")
"""Keys of a list of the user's lines."""
TWO_SPEAKERS = ("dialog", "dialogue", "utterances", "data")
"""Keys of a list of texts of two speakers in turn (DailyDialog, UltraChat): every other one is the user's."""
TEXTS = (
    "prompt",
    "question",
    "instruction",
    "query",
    "text",
    "text_input",
    "input",
    "inputs",
    "user",
    "message",
)
"""Keys and columns of a single text."""
PERSON_TEXTS = ("text", "prompt", "human", "input", "question", "instruction")
"""Keys of the user's text in the turns of a conversation that have no role."""
SYSTEMS = ("system", "system_prompt", "instructions")
"""Keys of the system message of a conversation."""
WRAPPERS = ("body", "params", "inputs", "vars", "request", "payload")
"""Keys of an object that holds the conversation, as in batch files of OpenAI's and Anthropic's APIs."""
SHAREGPT_KEYS = ("conversations", "conversation", "items")
"""Keys of files in ShareGPT's form, which split long conversations: parts without a user line are left out."""
REMEDY = "give a file of conversations (JSON lines, a JSON list or CSV)"
_EXAMPLE = '{"turns": ["How long should green tea steep?", "And black tea?"]}'


@dataclass(frozen=True, slots=True)
class ConversationFile:
    """The conversations of a file, and notes on it for the user."""

    scripts: tuple[Script, ...]
    notes: tuple[str, ...] = ()

    @property
    def has_images(self) -> bool:
        """Whether a line of a user has an image."""
        return any(one.images for one in self.scripts)


class _NoUserLine(Exception):
    """The conversation has no line of the user and is left out."""


def load_conversations(path: str | Path, column: str = "") -> ConversationFile:
    """The conversations of a file, blank lines skipped.

    `column`: key or column of the prompts; a number: column of a CSV file without a header; empty: found by its name.
    Raises UsageError naming file and place of every mistake.
    """
    mistakes = Mistakes(path)
    scripts: list[Script] = []
    first_seen: dict[str, str] = {}
    left_out = wrong = 0
    unused: Counter[str] = Counter()
    sessions: Counter[tuple[str, str]] = Counter()
    records = _records(path, column, mistakes)
    for record in records:
        try:
            scripts.append(_script(record, column, first_seen, unused, Path(path).parent))
            if isinstance(record.content, Mapping) and (session := session_of(record.content)):
                sessions[session] += 1
        except _NoUserLine:
            left_out += 1
        except MessageMistake as mistake:
            wrong += 1
            mistakes.add(str(mistake), record.line, record.item)
    if not scripts and not mistakes.lines:
        why = "no conversation has a line of a user" if left_out else "holds no conversation"
        mistakes.add(f"{why}: write one a line in UTF-8, {_EXAMPLE}", 1 if left_out else None)
    elif not scripts and wrong > 1:
        mistakes = Mistakes(path)
        mistakes.lines += [_one_mistake(path, column, wrong)]
    mistakes.raise_all()
    notes = [*_notes(path, len(scripts), left_out), *unused_keys_notes(Path(path).name, unused, len(scripts))]
    notes += split_notes(Path(path).name, sessions, len(scripts))
    notes += [f"--prompts {Path(path).name}: {words}" for words in records.notes]
    if records.form == "text":
        notes.append(f"--prompts {Path(path).name}: plain text, each of its {len(scripts):,} lines a prompt")
    return ConversationFile(tuple(scripts), tuple(notes))


def _records(path: str | Path, column: str, mistakes: Mistakes) -> Records:
    """The records of a file; a .txt file is plain text unless a column is named."""
    plain_text = not column and Path(path).suffix.lower() == ".txt"
    return Records(path, REMEDY, mistakes, headless=column.isdecimal(), plain=plain_text)


def _one_mistake(path: str | Path, column: str, wrong: int) -> str:
    """One line for a file without a readable conversation: its first mistake, and how many more there are."""
    first = Mistakes(path)
    for record in _records(path, column, Mistakes(path)):
        try:
            _script(record, column, {}, Counter(), Path(path).parent)
        except MessageMistake as mistake:
            first.add(str(mistake), record.line, record.item)
            break
        except _NoUserLine:
            continue
    return f"{first.lines[0]} (no other of its {wrong:,} conversations can be read either)"


def _notes(path: str | Path, kept: int, left_out: int) -> tuple[str, ...]:
    if not left_out:
        return ()
    of_all = f"{left_out:,} of {kept + left_out:,} conversations"
    return (f"--prompts {Path(path).name}: {of_all} have no line of a user: left out",)


def _script(
    record: Record, column: str, first_seen: dict[str, str], unused: Counter[str], folder: Path
) -> Script:
    """The conversation of one record; counts its unused keys. Raises MessageMistake or _NoUserLine."""
    content = record.content
    if record.problem:
        raise MessageMistake(f"{record.problem}: write {_EXAMPLE}")
    if isinstance(content, str | list):
        return _user_side(content, "the conversation", "", {}, folder)
    if not isinstance(content, Mapping):
        raise MessageMistake(f"not a JSON object in UTF-8: write {_EXAMPLE}")
    if role_of(content) is not None and value_of(content) is not None:
        raise MessageMistake(
            'is one message, no conversation: put the messages of one together, {"messages": [{"role": …}, …]}'
        )
    content = _unwrapped(content, column)
    name = _key(content, column)
    unused.update(unused_keys(content, name))
    if name in LINES:
        _check_id(content, first_seen, record)
    value = content[name]
    if plain(name) in (*MESSAGES, *LINES) and isinstance(value, str) and value.lstrip().startswith("["):
        value = _nested(value, name)  # JSON in a column of CSV
    if _is_of_two_speakers(value, name):
        value = value[::2]
    found = _user_side(value, f'"{name}"', _system(content), content, folder)
    images = images_of_record(content, folder) if plain(name) not in IMAGE_KEYS else ()
    if not images:
        return found
    first, *others = found.images or ((),)
    return Script(found.lines, found.system, ((*images, *first), *others))


def _is_of_two_speakers(value: object, name: str) -> TypeGuard[list[str]]:
    """Whether a value is a list of texts of both speakers."""
    return (
        plain(name) in TWO_SPEAKERS and isinstance(value, list) and all(isinstance(one, str) for one in value)
    )


def _unwrapped(content: Mapping[str, object], column: str) -> Mapping[str, object]:
    """The object that holds the conversation: the record itself, or its one object under a key of WRAPPERS."""
    url = content.get("url")
    if isinstance(url, str) and url.startswith("/v1/") and not url.endswith(("completions", "responses")):
        raise MessageMistake(f"asks {url[:60]}, which is no chat: leave it out")
    inner = [value for name in WRAPPERS if isinstance(value := content.get(name), Mapping)]
    if not inner:
        return content
    texts = [plain(name) for name, value in content.items() if not isinstance(value, Mapping)]
    known = not {*MESSAGES, *LINES, *TEXTS}.isdisjoint(texts) or column in content
    return content if known or len(inner) != 1 else inner[0]


def _key(content: Mapping[str, object], column: str) -> str:
    """The key that holds the conversation."""
    if column:
        found = [name for name in content if name == column] or [
            name for name in content if plain(name) == plain(column)
        ]
        if len(found) != 1:
            raise MessageMistake(
                f"has no column {quoted(column)}, only {_names(content)}: see --prompts-column"
            )
        return found[0]
    by_plain = {plain(name): name for name, value in content.items() if value not in (None, "")}
    if not any(known in by_plain for known in (*MESSAGES, *LINES, *TEXTS)):
        by_plain = {plain(name): name for name in content}  # all are empty, which the mistake names
    for known in (*MESSAGES, *LINES, "prompt"):
        if known in by_plain:
            return by_plain[known]
    if found := [name for name, value in content.items() if value and _is_of_two_speakers(value, name)]:
        return found[0]
    texts = [by_plain[known] for known in TEXTS if known in by_plain]
    if len(texts) == 1 or (len(texts) == 2 and {plain(name) for name in texts} == {"instruction", "input"}):
        return texts[0]
    if texts:
        raise MessageMistake(
            f"which is the prompt, {' or '.join(map(quoted, texts))}? Say it: --prompts-column"
        )
    raise MessageMistake(
        f"no prompt among {_names(content)}: name its column with --prompts-column, or write {_EXAMPLE}"
    )


def _names(content: Mapping[str, object]) -> str:
    return ", ".join(quoted(name) for name in list(content)[:8]) or "no keys"


def _check_id(content: Mapping[str, object], first_seen: dict[str, str], record: Record) -> None:
    """Raise MessageMistake if an earlier conversation has the same id."""
    name = content.get("id")
    if name is None:
        return
    place = f"line {record.line}" if record.item is None else f"item {record.item}"
    if str(name) in first_seen:
        raise MessageMistake(
            f'"id" {shown_value(name)} is already on {first_seen[str(name)]}: give each conversation its own'
        )
    first_seen[str(name)] = place


def _nested(value: str, name: str) -> object:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise MessageMistake(f'"{name}" is no JSON ({error})') from None


def _system(content: Mapping[str, object]) -> str:
    """The system message under a key of its own; empty if there is none."""
    for name, value in content.items():
        if plain(name) in SYSTEMS and value not in (None, ""):
            return text_of(value, f'"{name}"')
    return ""


def _user_side(value: object, name: str, system: str, content: Mapping[str, object], folder: Path) -> Script:
    """The user's side in a value: one text, a list of lines, or a list of messages."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        if all(isinstance(one, Mapping) and not any(key in one for key in ROLE_KEYS) for one in value):
            keys = (*PERSON_TEXTS, "content") if plain(name.strip('"')) in LINES else PERSON_TEXTS
            return Script(tuple(_person_text(one, k, keys) for k, one in enumerate(value, 1)), system)
        return _of_messages(value, system, folder, sharegpt=name.strip('"') in SHAREGPT_KEYS)
    if isinstance(value, list):
        if not value:
            raise MessageMistake(f"{name} must be a list of at least one line of the user")
        return Script(tuple(text_of(line, f"{name} line {k}") for k, line in enumerate(value, 1)), system)
    text = text_of(value, name)
    more = content.get("input") if name == '"instruction"' else None  # Alpaca's form
    return Script((f"{text}\n\n{more}" if isinstance(more, str) and more.strip() else text,), system)


def _person_text(item: Mapping[str, object], number: int, keys: tuple[str, ...]) -> str:
    """The user's text of an object without a role, such as AIPerf's {"text"} or {"input", "output"}, under the first
    of `keys`."""
    name = next((name for name in keys if name in item), None)
    if name is None:
        raise MessageMistake(f"message {number} has no role, only {_names(item)}: give it role and content")
    return text_of(item[name], f'message {number}: "{name}"')


def _of_messages(items: list[object], system: str, folder: Path, *, sharegpt: bool) -> Script:
    """The user's lines; consecutive ones are joined. Replies are left out, as the server's own replace them."""
    systems, lines, last_role = [system] if system else [], list[str](), ""
    images: list[tuple[str, ...]] = []
    for number, (role, text) in enumerate(messages_of(items), start=1):
        if role == SYSTEM and lines:
            raise MessageMistake(
                f"message {number} is a system message after the user's first: put it before"
            )
        if role == SYSTEM:
            systems.append(text)
        elif role == PERSON:
            item = items[number - 1]
            urls = images_in(value_of(item), folder) if isinstance(item, Mapping) else ()
            if last_role == PERSON:
                lines[-1] = "\n\n".join(filter(None, (lines[-1], text)))
                images[-1] += urls
            else:
                lines.append(text)
                images.append(urls)
        last_role = role
    if not lines:
        if sharegpt:
            raise _NoUserLine
        raise MessageMistake(f"no message has the role {PERSON}, only {SYSTEM} and {MODEL}: nothing to ask")
    return Script(tuple(lines), "\n\n".join(systems), tuple(images) if any(images) else ())
