"""Fields of a request that depend on which server was found: those that ask for counts, and those it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chatload.loads.plan import Plan
from chatload.model.words import listed
from chatload.options.model_options import OPTION_OF
from chatload.protocols.dialect import Dialect
from chatload.protocols.registry import kind_of
from chatload.protocols.server_kind import DetectedServer, ServerKind
from chatload.protocols.thinking_fields import thinking_fields


@dataclass(frozen=True, slots=True)
class RequestFields:
    """`counting` asks the server for exact counts per event, and says how much it is to reason; `refuses` are
    fields that no request may have.

    `refusal` says what the server cannot be asked; `doubt` that lengths are limits.
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
    beyond = plan.load.non_text_content
    if beyond and not dialect.takes_more:
        return RequestFields(
            refusal=f"{plan.host} is {title or dialect.name}: {dialect.path} takes plain messages only, no {beyond}: "
            "use a server of /v1/chat/completions, or leave them out"
        )
    counts = kind is not None and plan.ask_usage and dialect.takes_counting
    counting = dict(kind.counting(found.version)) if kind is not None and counts else {}
    thinking, refusal = _thinking(plan, dialect, kind, title)
    if refusal:
        return RequestFields(refusal=refusal)
    doubt = ""
    if plan.load.asks_exact_lengths and not set(dialect.exact_length) - refused:
        doubt = (
            f"{title or dialect.name} cannot be asked for answers of an exact length: the lengths asked are limits, "
            "and shorter answers are the model's."
        )
    return RequestFields({**counting, **thinking}, refused, doubt=doubt)


def _thinking(
    plan: Plan, dialect: Dialect, kind: ServerKind | None, title: str
) -> tuple[Mapping[str, object], str]:
    """(the fields that say how much is to be reasoned, why the run cannot begin)."""
    forms = kind.thinking.get(dialect.name, dialect.thinking) if kind is not None else dialect.thinking
    fields, without = thinking_fields(forms, plan.thinking.asked)
    if without:
        names = listed([f"--{OPTION_OF[name].name}" for name in without])
        return (
            {},
            f"{plan.host} is {title or dialect.name}: it has no form of {names}: send what it takes by --body",
        )
    both = sorted(fields.keys() & plan.body.keys())
    if both:
        return (
            {},
            f"--body holds {listed(both)}, which --thinking and the like send too: give it in one of them",
        )
    return fields, ""
