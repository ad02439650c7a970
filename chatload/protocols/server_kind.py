"""Defines a kind of server. Each file in servers/ lists its own in `SERVERS` (registry.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chatload.model.batch_room import BatchRoom
from chatload.model.context_limits import ContextLimits
from chatload.model.hosts import Simulation
from chatload.protocols.error_words import ErrorWords
from chatload.protocols.probe_answers import ProbeAnswers
from chatload.protocols.thinking_fields import ThinkingForms
from chatload.protocols.tokenize_route import TokenizeRoute


@dataclass(frozen=True, slots=True)
class DetectedServer:
    """What a server was recognised as. If it was not, `name` is empty and `dialect` None.

    `label` is its name for the user: "vLLM 0.33.0". `evidence` is the request that identified it: "GET /version".
    `asked_model` is the model name that requests must use, where that is not `model`.
    """

    name: str
    version: str
    dialect: str | None
    model: str
    label: str
    evidence: str
    asked_model: str = ""
    simulation: Simulation | None = None

    @property
    def words(self) -> str:
        """The label with the evidence: "vLLM 0.33.0 (GET /version)"."""
        if self.simulation is not None:
            return f"{self.label} (simulated: {self.simulation.words}; {self.evidence})"
        return f"{self.label} ({self.evidence})"


def found_at(path: str, name: str, version: str, dialect: str, model: str) -> DetectedServer:
    """A server recognised by its answer at `path`."""
    return DetectedServer(name, version, dialect, model, f"{name} {version}".rstrip(), f"GET {path}")


@dataclass(frozen=True, slots=True)
class ServerKind:
    """One kind of server.

    `title` is its `DetectedServer.name`. `options` maps choices of --server to dialects; `by_version` is the choice
    whose dialect depends on the server's version.
    `recognise(answers)` returns the server if it is of this kind, else None; kinds are tried by `order`. `probes` are
    the paths to GET for it. `speaks(version, dialect)`: whether it supports a dialect; None if unknown.
    `gauges` maps our names of a server's numbers (`ServerLine`) to its names on its /metrics page; several are
    added up. `other_gauges` are the names in other versions, used if the page has none of `gauges`.
    `counting(version)` are fields of a chat body that request exact token counts in each event; empty if the version is
    not known to accept them. `refuses` are fields that it answers with an error.
    `thinking`: request fields for how much the model reasons, by dialect, where they are not the dialect's.
    `own_routes` maps routes that no dialect supports (regular expressions) to advice for the user.
    `room` reads its limits for running requests, from the answer at `room_path` if that is not in `probes`;
    `batch_option` is its option for the most requests in a batch.
    `piece_tokens(version)`: after this many tokens of a reply the rest is queued again; 0 if replies are not divided.
    `tokenize` is the route of its tokenizer; older versions may lack it.
    `context(answers)` reads how long prompts and answers may be; None if unknown.
    `cuts_prompts`: it silently drops the beginning of a prompt that does not fit.
    `errors` are its own words for errors, and what they mean (error_words.py).
    """

    title: str
    order: int
    options: Mapping[str, str]
    recognise: Callable[[ProbeAnswers], DetectedServer | None]
    speaks: Callable[[str, str], bool | None]
    by_version: str = ""
    probes: tuple[str, ...] = ()
    gauges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    other_gauges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    counting: Callable[[str], Mapping[str, object]] = lambda version: {}
    refuses: frozenset[str] = frozenset()
    own_routes: Mapping[str, str] = field(default_factory=dict)
    room: Callable[[ProbeAnswers], BatchRoom | None] = lambda answers: None
    room_path: str = ""
    batch_option: str = ""
    piece_tokens: Callable[[str], int] = lambda version: 0
    tokenize: TokenizeRoute | None = None
    thinking: Mapping[str, ThinkingForms] = field(default_factory=dict)
    errors: tuple[ErrorWords, ...] = ()
    cuts_prompts: bool = False
    context: Callable[[ProbeAnswers], ContextLimits | None] = lambda answers: None


RUNNING_USAGE: Mapping[str, object] = {
    "stream_options": {"include_usage": True, "continuous_usage_stats": True}
}
"""Requests the running count in each event."""


def numbers_of(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: (0, 33, 0) for "v0.33.0+cu129"; empty if there are none."""
    found = []
    for part in version.lstrip("v").replace("+", ".").replace("-", ".").split("."):
        if not part.isdecimal() or len(part) > 6:
            break
        found.append(int(part))
    return tuple(found)


LATER = ("openai-responses", "anthropic")
"""Dialects that many servers with OpenAI's routes have added since 2025."""


def speaks_openai(version: str, dialect: str) -> bool | None:
    """`ServerKind.speaks` for OpenAI's chat and completions routes; None for the dialects in LATER."""
    return None if dialect in LATER else dialect in ("openai", "openai-completions")


def owned_by(owner: str, title: str) -> Callable[[ProbeAnswers], DetectedServer | None]:
    """A `ServerKind.recognise` by `owned_by` in GET /v1/models."""

    def recognise(answers: ProbeAnswers) -> DetectedServer | None:
        if answers.owner.lower() != owner:
            return None
        return found_at("/v1/models", title, answers.text("/version", "version"), "openai", answers.model)

    return recognise
