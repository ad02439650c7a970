"""Writes a conversation as one prompt text, for servers without a chat route."""

from __future__ import annotations

from collections.abc import Sequence

from chatload.model.turn import Message


def prompt_words(history: bool) -> str:
    """A sentence for the user on how prompts are written."""
    if history:
        return "Prompts are written by chatload in the chat form of Llama 2, whatever the model."
    return "Prompts are sent as they are: the server applies no chat template."


def prompt_text(messages: Sequence[Message]) -> str:
    """The content of a single user message; a conversation in Llama 2's chat form.

    The form is that of Meta's `llama/generation.py` (B_INST, E_INST, B_SYS, E_SYS) and of the chat template
    in the tokenizer of Llama-2-chat: the system text goes into the first instruction, an answer is closed
    by `</s>` and the next instruction opened by `<s>`. The first `<s>` is left out: the server's tokenizer adds it.
    """
    if len(messages) == 1 and messages[0].role == "user":
        return messages[0].content
    text = ""
    system = ""
    for message in messages:
        content = message.content.strip()
        if message.role == "system":
            system = f"<<SYS>>\n{content}\n<</SYS>>\n\n"
        elif message.role == "assistant":
            text += f" {content.removesuffix('</s>').rstrip()} </s>"  # TGI 3's completions send it as text
        else:
            opening = "<s>" if text else ""
            text += f"{opening}[INST] {system}{content} [/INST]"
            system = ""
    return text
