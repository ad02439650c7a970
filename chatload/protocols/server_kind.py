"""What a kind of server is. Each file of servers/ names its own in `SERVERS` (registry.py)."""

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
    """What a server was recognised as. Empty `name` and `dialect` None: not recognised.

    `label` is what to call it: "vLLM 0.33.0". `evidence` is the request that told: "GET /version".
    `asked_model` is the name that requests must give where that is not `model`.
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
        """What to tell the user: "vLLM 0.33.0 (GET /version)"."""
        if self.simulation is not None:
            return f"{self.label} (simulated: {self.simulation.words}; {self.evidence})"
        return f"{self.label} ({self.evidence})"


def found_at(path: str, name: str, version: str, dialect: str, model: str) -> DetectedServer:
    """A server recognised by its answer at `path`."""
    return DetectedServer(name, version, dialect, model, f"{name} {version}".rstrip(), f"GET {path}")


@dataclass(frozen=True, slots=True)
class ServerKind:
    """One kind of server.

    `title` is what `DetectedServer.name` calls it. `options` maps choices of --server to dialects; `by_version` is the
    one of them that means the dialect of the version found.
    `recognise(answers)` tells whether it is this one; kinds are tried in order of `order`.
    `speaks(version, dialect)` is None where that is not known. `probes` are the paths to GET for it.
    `gauges` maps our names of a server's numbers (`ServerLine`) to its own names on its /metrics page; several are
    added up. `other_gauges` are names that other versions have for them, read where the page has none of `gauges`.
    `counting(version)` are the fields of a chat body that make it tell exact token counts in each event; none where
    this version is not known to take them. `refuses` are fields that it answers with an error.
    `thinking` are its forms of how much is reasoned, by dialect, where they are not the dialect's own.
    `own_routes` maps routes of its own that no dialect speaks (regular expressions) to what to do instead.
    `room` reads how many tokens of running requests it has room for, at `room_path` where that is no probe;
    `batch_option` is its option for the most requests in a batch.
    `piece_tokens(version)`: it makes so many tokens of a reply, then queues the rest anew; 0 where it does not.
    `tokenize` is the route of its tokenizer; older versions may lack it.
    `context(answers)` is how long prompts and answers may be, where it tells.
    `cuts_prompts`: it leaves out the beginning of a prompt that does not fit, without a word.
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
"""Asks for the running count in each event."""


def numbers_of(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: (0, 33, 0) of "v0.33.0+cu129"; empty where it begins otherwise."""
    found = []
    for part in version.lstrip("v").replace("+", ".").replace("-", ".").split("."):
        if not part.isdecimal() or len(part) > 6:
            break
        found.append(int(part))
    return tuple(found)


LATER = ("openai-responses", "anthropic")
"""Dialects that many servers of OpenAI's routes have got since 2025."""


def speaks_openai(version: str, dialect: str) -> bool | None:
    """A server with OpenAI's chat and completions routes; whether this version has those of LATER is not known."""
    return None if dialect in LATER else dialect in ("openai", "openai-completions")


def owned_by(owner: str, title: str) -> Callable[[ProbeAnswers], DetectedServer | None]:
    """Recognises a server by `owned_by` in GET /v1/models."""

    def recognise(answers: ProbeAnswers) -> DetectedServer | None:
        if answers.owner.lower() != owner:
            return None
        return found_at("/v1/models", title, answers.text("/version", "version"), "openai", answers.model)

    return recognise
