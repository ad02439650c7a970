"""The manifest of a run: plan, server, machine, versions, end. Written at the start and at the end."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from chatload.loads.load_shape import Load
from chatload.loads.plan import Plan
from chatload.model.certificate import Certificate
from chatload.model.errors import UsageError
from chatload.model.hosts import ClockReading, Machine, ServerFacts, Simulation, TimeSpan
from chatload.model.journal_lines import FORMAT
from chatload.model.prompt_facts import PromptFacts
from chatload.model.structs import always
from chatload.model.verdict import CapacityResult
from chatload.store.format_1 import manifest_of_format_1

MANIFEST = "manifest.json"


class WorkerFacts(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Facts of one worker from its master: clock readings, host, times without contact."""

    clock: list[ClockReading] = msgspec.field(default_factory=list)
    out_of_touch: list[TimeSpan] = msgspec.field(default_factory=list)
    machine: Machine | None = None
    versions: dict[str, str] | None = None
    certificate: Certificate | None = None


class Ramp(msgspec.Struct, frozen=True, kw_only=True):
    """Users `first_user`, `first_user` + 1, … start from `start_ns` on, `users_per_s` each second."""

    first_user: int
    start_ns: int
    users_per_s: float


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """An edit of the number of users during the run; `users` includes those of other classes."""

    at_ns: int
    users: int


def _empty_list() -> list[str]:
    """An empty list that omit_defaults does not omit, as it would one of `default_factory=list`."""
    return []


class Manifest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Facts of a run, written at its start and when they change. `ended`: "running", or how it ended."""

    format: int = always(FORMAT)
    run_id: str = always("")
    label: str = always("")
    scenario: str = always("")
    argv: list[str] = msgspec.field(default_factory=list)
    plan: Plan | None = None
    plan_sentence: str = ""
    certificate: Certificate | None = always(None)
    server: ServerFacts = msgspec.field(default_factory=ServerFacts)
    prompts: PromptFacts | None = None
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    machine: Machine = msgspec.field(default_factory=Machine)
    started_utc: str = ""
    ended_utc: str = ""
    started_ns: int | None = None
    ended_ns: int | None = None
    run_time_s: float | None = None
    ended: str = always("")
    exit_code: int | None = None
    refusal: str = ""
    failure: str = ""
    failed_in: list[str] = msgspec.field(default_factory=list)
    turns_heard: int | None = None
    problems: list[str] = msgspec.field(default_factory=_empty_list)
    warnings: list[str] = msgspec.field(default_factory=list)
    workers: dict[str, WorkerFacts] = msgspec.field(default_factory=dict)
    late_workers: list[str] = msgspec.field(default_factory=list)
    ramps: list[Ramp] = msgspec.field(default_factory=list)
    edits: list[Edit] = msgspec.field(default_factory=list)
    capacity: CapacityResult | None = None
    other_servers: list[ServerFacts] = msgspec.field(default_factory=list)

    @property
    def edited(self) -> str:
        """Edits of the number of users in words; empty if there were none."""
        zero = self.started_ns or 0
        return ", ".join(f"{one.users:,} after {(one.at_ns - zero) / 1e9:,.0f} s" for one in self.edits)

    @property
    def servers(self) -> list[ServerFacts]:
        """The run's own server, then those of user classes with a host, dialect or model of their own."""
        return [self.server, *self.other_servers]

    @property
    def simulation(self) -> Simulation | None:
        """The simulation of the first simulated server, if any: tables do not separate servers."""
        return next((one.simulation for one in self.servers if one.simulation is not None), None)

    @property
    def load(self) -> Load | None:
        """The load of the plan; None if the manifest has no plan."""
        return None if self.plan is None else self.plan.load


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run folder. UsageError, in one line, if there is none or it is damaged."""
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except OSError as error:
        why = (
            "no manifest.json"
            if isinstance(error, FileNotFoundError | NotADirectoryError)
            else error.strerror
        )
        remedy = "name one that a run wrote, such as results/<time>-<scenario>-<server>"
        raise UsageError([f"{folder}: not a run folder ({why}): {remedy}"]) from error
    try:
        version = msgspec.json.decode(raw, type=_Version).format
        if version > FORMAT:
            raise UsageError([f"{folder}: record format {version} is newer than {FORMAT}: update chatload"])
        if version < FORMAT:
            content = _renamed(msgspec.json.decode(raw, type=dict[str, Any]))
            return msgspec.convert(content if version == 2 else manifest_of_format_1(content), Manifest)
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError([f"{path}: the file is damaged ({error})"]) from error


def _renamed(content: dict[str, Any]) -> dict[str, Any]:
    """A manifest of format 1 or 2 with the keys of format 3. Any: the content of a file, checked by the caller."""
    found = {"warnings" if key == "caveats" else key: value for key, value in content.items()}
    capacity = content.get("capacity")
    if isinstance(capacity, dict):
        found["capacity"] = {"levels" if key == "ladder" else key: value for key, value in capacity.items()}
    return found


class _Version(msgspec.Struct):
    format: int = 0


def write_json(path: Path, content: object) -> None:
    """Write JSON to a file as `write_private` does."""
    write_private(path, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


def write_private(path: Path, content: bytes) -> None:
    """Write a file, readable by its owner only, atomically: a new file is renamed to `path`. OSError if it fails."""
    new = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
        new.replace(path)
    except OSError:
        with suppress(OSError):  # on a full disk other files need its space
            new.unlink()
        raise
