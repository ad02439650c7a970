"""Reads lists of messages with the keys and roles of OpenAI, or of ShareGPT and its variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chatload.files.reading import quoted

ROLE_KEYS = ("role", "from", "user", "speaker")
TEXT_KEYS = ("content", "value", "text")
"""Keys of role and text of a message, in order of precedence."""
MESSAGES = ("messages", "conversations", "conversation", "dialog", "dialogue", "items")
"""Keys of the list of messages of a conversation, in order of precedence."""
PERSON, MODEL, SYSTEM = "user", "assistant", "system"
ROLES = {
    PERSON: ("user", "human", "prompter", "person"),
    MODEL: ("assistant", "gpt", "chatgpt", "bing", "bard", "bot", "model", "ai"),
    SYSTEM: ("system", "developer"),
}
"""Roles, and their names in files."""
_ROLE = {word: role for role, words in ROLES.items() for word in words}


class MessageMistake(Exception):
    """A mistake in one message."""


def messages_of(items: Sequence[object]) -> list[tuple[str, str]]:
    """(role of ROLES, text) of every message. Raises MessageMistake naming the message."""
    return [_message(item, number) for number, item in enumerate(items, start=1)]


def role_of(item: object) -> str | None:
    """The role of a message, one of ROLES; None if it is unknown."""
    word = next((item[key] for key in ROLE_KEYS if key in item), None) if isinstance(item, Mapping) else None
    return _ROLE.get(word.strip().lower()) if isinstance(word, str) else None


def value_of(item: Mapping[str, object]) -> object:
    """The text or list of parts of a message, unchecked."""
    return next((item[key] for key in TEXT_KEYS if key in item), None)


IMAGE_TYPES = ("image_url", "image", "input_image")
"""Types of parts that are images: OpenAI's Chat Completions, Anthropic's and Qwen's, OpenAI's Responses."""


def is_image(part: object) -> bool:
    """Whether a part of a message is an image."""
    return isinstance(part, Mapping) and part.get("type") in IMAGE_TYPES


def text_of(value: object, name: str) -> str:
    """A text that can be sent; parts of type "text" are joined, images left out. Raises MessageMistake.

    It is empty if there are only images.
    """
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        texts = [part for part in value if not is_image(part)]
        kinds = [str(part.get("type")) for part in texts if not isinstance(part.get("text"), str)]
        if kinds:
            raise MessageMistake(
                f"{name} has a part of type {quoted(kinds[0])}: only texts and images can be sent"
            )
        if not texts:
            return ""
        value = "".join(part["text"] for part in texts)
    if not isinstance(value, str) or not value.strip():
        raise MessageMistake(f"{name} is {shown_value(value)}: must be a text that is not empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise MessageMistake(f"{name} holds half of a surrogate pair: no UTF-8") from None
    return value


def shown_value(value: object) -> str:
    """A value for a message, as JSON; "a list" or "an object" for these."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list | Mapping):
        return "a list" if isinstance(value, list) else "an object"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)[:40]


def _message(item: object, number: int) -> tuple[str, str]:
    if not isinstance(item, Mapping):
        raise MessageMistake(
            f"message {number} is {shown_value(item)}: must be an object of role and content"
        )
    role = role_of(item)
    if role is None:
        word = next((item[key] for key in ROLE_KEYS if key in item), None)
        known = ", ".join(words[0] for words in ROLES.values())
        raise MessageMistake(
            f"message {number} has the role {shown_value(word)}: only {known} can be replayed"
        )
    text = value_of(item)
    if role == MODEL and not (isinstance(text, str) and text.strip()):
        return role, ""  # replies are not sent: the server's own take their place
    return role, text_of(text, f"message {number} ({role})")
