"""Reads the files that options name when the plan is made. A file is read again only if it has changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import orjson

from chatload.files.datasets import dataset_files
from chatload.files.json_schema import schema_problem
from chatload.files.reading import BOM, MB, read_input, shown
from chatload.loads.length_pairs import load_pairs
from chatload.loads.trace import Trace, read_trace
from chatload.loads.turn_lengths import Pair
from chatload.model.certificate import Certificate
from chatload.model.errors import UsageError
from chatload.options.option import Option
from chatload.options.option_reader import OptionReader
from chatload.prompts.conversation_file import ConversationFile, load_conversations
from chatload.prompts.sampled_prompt import SampledPrompt
from chatload.prompts.sharegpt import read_sharegpt, sample_sharegpt

T = TypeVar("T")


def read_file(reader: OptionReader, option: Option[object], path: str, read: Callable[[str], T]) -> T | None:
    """The content of the file at `path`; None if that is empty, or the file has mistakes: `reader` collects them."""
    if not path:
        return None
    try:
        return read(path)
    except UsageError as error:
        reader.add_file_mistakes(option, error)
        return None


def read_conversations(path: str, *, column: str = "") -> ConversationFile:
    """The conversations of `--prompts`."""
    return _conversations(path, _state(path), column)


def read_pairs(path: str) -> tuple[Pair, ...]:
    """The pairs of lengths of `--prompt-tokens @FILE`."""
    return _pairs(path, _state(path))


def read_text(path: str) -> str:
    """The text of a file that an option names by @FILE, without the blanks around it."""
    remedy = "give a text file in UTF-8"
    raw = read_input(path, remedy, MB).removeprefix(BOM)
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError:
        raise UsageError([f"{shown(path)}: no UTF-8: {remedy}"]) from None
    if not text or "\0" in text:
        raise UsageError([f"{shown(path)}: {'binary content' if text else 'empty'}: {remedy}"])
    return text


def read_rows(path: str, *, unit: str) -> Trace:
    """The trace of `--trace`."""
    return _trace(path, _state(path), unit)


def read_prompts(
    path: str, *, n: int, seed: int, persons_only: bool
) -> tuple[tuple[SampledPrompt, ...], tuple[str, ...]]:
    """n prompts of `--sharegpt`, and notes on the file for the user."""
    return _sharegpt(path, _state(path), n, seed, persons_only)


def read_certificate(path: str) -> Certificate:
    """The certificate in a file of `chatload certify`."""
    remedy = "make one with chatload certify"
    raw = read_input(path, remedy, MB)
    try:
        return msgspec.json.decode(raw, type=Certificate)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError([f"{shown(path)}:1: not a certificate ({error}): {remedy}"]) from None


def read_schema(path: str) -> Any:
    """A JSON schema of `--expect`. Any: the user's own JSON, an object or true or false."""
    remedy = "name a JSON schema"
    raw = read_input(path, remedy, MB)
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise UsageError([f"{shown(path)}: no JSON ({error}): {remedy}"]) from None
    problem = schema_problem(found)
    if problem:
        raise UsageError([f"{shown(path)}: {problem}"])
    return found


def _state(path: str) -> object:
    """A value that changes when the file, or a file of the dataset, does; None if it cannot be read."""
    try:
        files = dataset_files(path)
        if files is not None and files != [Path(path)]:
            return tuple(map(_state, map(str, files)))
        found = Path(path).stat()
    except (OSError, ValueError, UsageError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=1)
def _conversations(path: str, state: object, column: str) -> ConversationFile:
    return load_conversations(path, column)


@lru_cache(maxsize=1)
def _pairs(path: str, state: object) -> tuple[Pair, ...]:
    return load_pairs(path)


@lru_cache(maxsize=1)
def _trace(path: str, state: object, unit: str) -> Trace:
    return read_trace(path, unit)


@lru_cache(maxsize=1)
def _sharegpt(
    path: str, state: object, n: int, seed: int, persons_only: bool
) -> tuple[tuple[SampledPrompt, ...], tuple[str, ...]]:
    file = read_sharegpt(path)
    try:
        sampled = sample_sharegpt(file, n, seed, persons_only=persons_only)
    except UsageError as error:
        raise UsageError([f"{path}: {line}" for line in error.lines]) from None
    by_models = file.by_models and not persons_only
    words = file.words + ("; vLLM's script takes them, --persons-only on does not" if by_models else "")
    return tuple(sampled), (f"--sharegpt: {words}",) if file.truncated or file.systems or by_models else ()
