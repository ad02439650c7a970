"""Reads the JSON body of another tool's request: the fields that our options have, and the rest."""

from __future__ import annotations

from collections.abc import Mapping

from chatload.protocols.dialect import ForeignBody


def prompt_body(
    body: Mapping[str, object], key: str, *, length_key: str, streams: bool = False
) -> ForeignBody | None:
    """A body whose prompt is one text under `key`; None if it has no text there.

    `streams`: whether a body without `stream` asks for a stream.
    """
    prompt = body.get(key)
    if not isinstance(prompt, str):
        return None
    rest = {name: value for name, value in body.items() if name != key}
    found = foreign_body(prompt, rest, length_key=length_key, streams=streams)
    if prompt.strip() != prompt:  # the value of an option has no blanks at its ends
        found.extra = {key: prompt, **found.extra}
        found.notes.append("the prompt has blanks at its ends, so it is sent in body")
    return found


def foreign_body(
    prompt: str, rest: dict[str, object], *, length_key: str, streams: bool = False
) -> ForeignBody:
    """The prompt, and the fields that our options have, removed from `rest`: length, temperature, stream, model."""
    max_tokens = _take_number(rest, length_key, 1, whole=True)
    temperature = _take_number(rest, "temperature", 0)
    model = rest.pop("model", None)
    return ForeignBody(
        prompt,
        None if max_tokens is None else int(max_tokens),
        temperature,
        rest.pop("stream", streams) is True,
        model if isinstance(model, str) and model.strip() else "",
        rest,
    )


def _take_number(rest: dict[str, object], key: str, least: float, *, whole: bool = False) -> float | None:
    """Remove the number under `key` from `rest` if our option accepts it; any other value stays there."""
    value = rest.get(key)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value < least:
        return None
    del rest[key]
    return value
