"""What the files hold that a plan names: read once, where the plan is made, and sent to the workers as it was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import orjson

from chatload.loads.trace import TraceRow, read_trace
from chatload.model.errors import UsageError
from chatload.prompts.conversation import OWN_CONVERSATIONS, load_conversations
from chatload.prompts.sampled import SampledPrompt
from chatload.prompts.sharegpt import read_sharegpt, sample_sharegpt
from chatload.store.certificate import read_certificate

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Content:
    """What a run needs of the files its options name.

    `notes` is what the user should know of a file that is good enough, such as that it breaks off.
    """

    scripts: Sequence[Sequence[str]] = ()
    trace: Sequence[TraceRow] = ()
    prompts: Sequence[SampledPrompt] = ()
    certificate: Mapping[str, Any] | None = None
    notes: Sequence[str] = ()

    def packed(self) -> bytes:
        """For a worker: what users say, and when. The certificate is this machine's own."""
        return orjson.dumps(
            {
                "scripts": self.scripts,
                "trace": [(row.due_ns, row.prompt_tokens, row.output_tokens) for row in self.trace],
                "prompts": [
                    (one.text, one.prompt_tokens_estimate, one.output_tokens) for one in self.prompts
                ],
            }
        )


def unpacked(raw: bytes) -> Content:
    """What a master packed."""
    found = orjson.loads(raw)
    return Content(
        scripts=tuple(map(tuple, found["scripts"])),
        trace=tuple(TraceRow(*row) for row in found["trace"]),
        prompts=tuple(SampledPrompt(*one) for one in found["prompts"]),
    )


class Files:
    """Reads the files of one plan; `mistakes` are those of all of them, each naming its option."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def conversations(self, path: str, *, needed: bool) -> Sequence[Sequence[str]]:
        """The scripts of `--prompts`; ours where none is named and users need one."""
        own = str(OWN_CONVERSATIONS) if needed else ""
        return self._read("prompts", path or own, lambda: _conversations(path or own, _state(path or own)))

    def trace(self, path: str) -> Sequence[TraceRow]:
        """The rows of `--trace`."""
        return self._read("trace", path, lambda: _trace(path, _state(path)))

    def sharegpt(self, path: str, n: int, seed: int) -> tuple[Sequence[SampledPrompt], Sequence[str]]:
        """n prompts out of `--sharegpt`, and what is to be said of the file."""
        found = self._read("sharegpt", path, lambda: (_sharegpt(path, _state(path), n, seed),))
        return found[0] if found else ((), ())

    def certificate(self, path: str) -> Mapping[str, Any] | None:
        """The certificate of `--certificate`."""
        found = self._read("certificate", path, lambda: (read_certificate(path),))
        return found[0] if found else None

    def _read(self, option: str, path: str, read: Callable[[], Sequence[T]]) -> Sequence[T]:
        if not path:
            return ()
        try:
            return read()
        except UsageError as error:
            self.mistakes += [f"--{option} {line}" for line in error.lines]
            return ()


def _state(path: str) -> object:
    """What changes when a file does: it is read again only then."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=1)
def _conversations(path: str, state: object) -> Sequence[Sequence[str]]:
    return tuple(map(tuple, load_conversations(path)))


@lru_cache(maxsize=1)
def _trace(path: str, state: object) -> Sequence[TraceRow]:
    return read_trace(path)


@lru_cache(maxsize=1)
def _sharegpt(path: str, state: object, n: int, seed: int) -> tuple[Sequence[SampledPrompt], Sequence[str]]:
    file = read_sharegpt(path)
    try:
        sampled = sample_sharegpt(file, n, seed)
    except UsageError as error:
        raise UsageError([f"{path}: {line}" for line in error.lines]) from None
    return tuple(sampled), ((f"--sharegpt: {file.words}",) if file.truncated else ())
