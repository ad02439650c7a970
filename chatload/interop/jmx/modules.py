"""Replaces Module Controllers by the elements that they point to."""

from __future__ import annotations

from dataclasses import replace

from chatload.interop.jmx.tree import Node, walk

MODULE = "ModuleController"
FRAGMENT = "TestFragmentController"
DEEPEST = 10
"""Most nested Module Controllers; one that points to itself ends here."""


def with_modules(nodes: tuple[Node, ...]) -> tuple[tuple[Node, ...], list[Node]]:
    """(the plan with the target of each Module Controller as its child, the targets).

    A target runs even if it is disabled in its own place, as in JMeter.
    """
    targets: list[Node] = []
    return tuple(_expanded(node, nodes, targets, 0) for node in nodes), targets


def _expanded(node: Node, plan: tuple[Node, ...], targets: list[Node], depth: int) -> Node:
    if node.kind == MODULE and node.enabled and depth < DEEPEST:
        found = _target(node, plan)
        if found is None:
            return node
        targets.append(found)
        return replace(node, children=(_expanded(replace(found, enabled=True), plan, targets, depth + 1),))
    children = tuple(_expanded(child, plan, targets, depth) for child in node.children)
    same = all(new is old for new, old in zip(children, node.children, strict=True))
    return node if same else replace(node, children=children)


def _target(module: Node, plan: tuple[Node, ...]) -> Node | None:
    """The element at the path of names of a Module Controller; the first names are the root's and the plan's."""
    path = [row.get("", "") for row in module.lists.get("ModuleController.node_path", ())]
    if not path:
        return None
    here: tuple[Node, ...] = plan
    found: Node | None = None
    for name in path[1:] if len(path) > 1 else path:
        found = next((node for node in here if node.name == name), None)
        if found is None:
            break
        here = found.children
    if found is None:  # some versions have no element for the root
        found = next((node for node, _ in walk(plan) if node.name == path[-1] and node.kind != MODULE), None)
    return found
