"""The User Parameters pre-processor: variables with values for each thread, set before each request."""

from __future__ import annotations

from collections.abc import Mapping

from chatload.interop.jmx.tree import Node

KIND = "UserParameters"


def values_of(node: Node) -> Mapping[str, str]:
    """{variable: value} if every thread has the same values; else empty.

    In JMeter thread n has the set of values n mod their number.
    """
    sets = [[row[str(place)] for place in range(len(row))] for row in _sets(node)]
    if not sets or any(one != sets[0] for one in sets):
        return {}
    return dict(zip(_names(node), sets[0], strict=False))


def loss_of(node: Node) -> str:
    """What to do if threads have different values; empty if all have the same."""
    if values_of(node):
        return ""
    names, n = ", ".join(f"${{{name[:40]}}}" for name in _names(node)), len(_sets(node))
    if not n:
        return "it has no values: left out"
    return (
        f"{n:,} users have values of their own ({names}): write a file of prompts with a line for each, and set "
        f"prompts to it; with {n:,} users, or a multiple, each sends its own line in every turn"
    )


def _names(node: Node) -> list[str]:
    return [row.get("", "") for row in node.lists.get(f"{KIND}.names", ())]


def _sets(node: Node) -> tuple[Mapping[str, str], ...]:
    return node.lists.get(f"{KIND}.thread_values", ())
