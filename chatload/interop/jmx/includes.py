"""Replaces Include Controllers by the Test Fragments of the files that they name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from chatload.files.reading import quoted
from chatload.interop.jmx.modules import DEEPEST, FRAGMENT
from chatload.interop.jmx.tree import Node, read_jmx, walk
from chatload.interop.jmx.variables import Variables
from chatload.model.errors import UsageError

INCLUDE = "IncludeController"


def with_includes(nodes: tuple[Node, ...], plan: Path, variables: Variables) -> tuple[Node, ...]:
    """The plan with the fragment of each Include Controller's file as its children.

    Paths are relative to the plan, as in JMeter. UsageError for a file that does not exist, has no Test Fragment, or
    includes itself.
    """
    return tuple(_expanded(node, plan, variables, 0) for node in nodes)


def _expanded(node: Node, plan: Path, variables: Variables, depth: int) -> Node:
    if not node.enabled:
        return node
    if node.kind == INCLUDE:
        found = _fragment(node, plan, variables, depth)
        return replace(node, children=tuple(_expanded(one, plan, variables, depth + 1) for one in found))
    children = tuple(_expanded(child, plan, variables, depth) for child in node.children)
    same = all(new is old for new, old in zip(children, node.children, strict=True))
    return node if same else replace(node, children=children)


def _fragment(node: Node, plan: Path, variables: Variables, depth: int) -> tuple[Node, ...]:
    """The children of the Test Fragment in an Include Controller's file."""
    place = f"{plan}: {INCLUDE} {node.name[:80]!r}"
    written = variables.resolve(node.setting("IncludeController.includepath"))
    if not written or "${" in written:
        raise UsageError(
            [f"{place}: its file is {quoted(written)}: name the file in the plan, or disable it"]
        )
    if depth >= DEEPEST:
        raise UsageError(
            [f"{place}: {quoted(written)} includes itself, or more than {DEEPEST} files in each other"]
        )
    try:
        nodes = read_jmx(plan.parent / written)
    except UsageError as error:
        raise UsageError([f"{place}: {line}" for line in error.lines]) from None
    found = next((one for one, _ in walk(nodes) if one.kind == FRAGMENT), None)
    if found is None:
        raise UsageError([f"{place}: {quoted(written)} holds no Test Fragment: JMeter includes nothing else"])
    return found.children
