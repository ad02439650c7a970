"""Fields of a request that depend on which server was found: those that ask for counts, and those it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chatload.loads.plan import Plan
from chatload.model.words import listed
from chatload.protocols.dialect import Dialect
from chatload.protocols.registry import kind_of
from chatload.protocols.server_kind import DetectedServer


@dataclass(frozen=True, slots=True)
class RequestFields:
    """`counting` asks the server for exact counts per event; `refuses` are fields that no request may have.

    `refusal` says that --body holds what the server refuses; `doubt` that lengths are limits.
    """

    counting: Mapping[str, object] = field(default_factory=dict)
    refuses: frozenset[str] = frozenset()
    refusal: str = ""
    doubt: str = ""


def request_fields(plan: Plan, dialect: Dialect, found: DetectedServer) -> RequestFields:
    """The fields for a plan's requests to the server found."""
    kind = kind_of(found, plan.server)
    title = kind.title if kind is not None else found.label
    refused = kind.refuses if kind is not None else frozenset()
    given = sorted(refused.intersection(plan.body))
    if given:
        them = "it" if len(given) == 1 else "them"
        words = (
            f"{plan.host} is {title}: --body holds {listed(given)}, which it refuses (422): leave {them} out"
        )
        return RequestFields(refusal=words)
    counts = kind is not None and plan.ask_usage and dialect.takes_counting
    counting = dict(kind.counting(found.version)) if kind is not None and counts else {}
    doubt = ""
    if plan.load.asks_exact_lengths and not set(dialect.exact_length) - refused:
        doubt = (
            f"{title or dialect.name} cannot be asked for answers of an exact length: the lengths asked are limits, "
            "and shorter answers are the model's."
        )
    return RequestFields(counting, refused, doubt=doubt)
