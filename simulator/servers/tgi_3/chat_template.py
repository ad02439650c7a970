"""The text that Llama-2's chat template makes of a conversation."""

from __future__ import annotations

from simulator.servers.openai_body import Body, message_text

EMPTY = "undefined value (in <string>:1)"
ALTERNATE = (
    "invalid operation: Conversation roles must alternate user/assistant/user/assistant/... (in <string>:1)"
)


def template_error(messages: list[Body]) -> str | None:
    """Why the template refuses these messages."""
    turns = messages[1:] if messages and messages[0].get("role") == "system" else messages
    if not turns:
        return EMPTY
    wrong = any((message.get("role") == "user") != (place % 2 == 0) for place, message in enumerate(turns))
    return ALTERNATE if wrong else None


def templated_text(messages: list[Body]) -> str:
    """`<s>[INST] … [/INST]`, the system prompt in the first of them."""
    system, *turns = messages if messages[0].get("role") == "system" else [{}, *messages]
    text = ""
    for place, message in enumerate(turns):
        said = message_text(message.get("content"))
        if not place and system:
            said = f"<<SYS>>\n{message_text(system.get('content'))}\n<</SYS>>\n\n{said}"
        text += f" {said} </s>" if message.get("role") == "assistant" else f"<s>[INST] {said} [/INST]"
    return text
