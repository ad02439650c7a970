"""Makes a scenario of a test plan, and lists what was changed and what was left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chatload.interop.jmx.not_carried_over import named, not_carried_over
from chatload.interop.jmx.request import SAMPLERS, Request, headers_of, in_scope, read_request
from chatload.interop.jmx.thread_group import Value, read_load
from chatload.interop.jmx.tree import Node, walk
from chatload.interop.jmx.variables import Variables
from chatload.model.errors import UsageError
from chatload.protocols.dialect import NoPromptError

GROUPS = ("ThreadGroup",)
"""Thread groups that stand for users; not set-up, tear-down and plug-ins' groups."""


@dataclass(slots=True)
class Scenario:
    """The scenario. `notes`: carried over in another way; `losses`: not carried over."""

    source: str
    group: str
    options: dict[str, Value]
    notes: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)


def read_scenario(
    nodes: tuple[Node, ...], source: Path, properties: Mapping[str, str], wanted: str = ""
) -> Scenario:
    """The scenario of a plan's first request to a language model. `wanted` names the thread group to take."""
    variables = Variables(_user_variables(nodes), properties)
    request, group = _chosen(nodes, source, variables, wanted)
    variables.defaults.clear()  # collect only those of the chosen request and group
    request = read_request((request.node, request.ancestors), variables)
    load = read_load(group, request.node, request.ancestors, variables, named)
    scope = in_scope(request.node, request.ancestors)
    managers = [node for node in scope if node.kind == "HeaderManager"]
    notes, losses = [*load.notes, *request.notes, *request.carried.notes], [*load.losses]
    losses += [f"{named(request.node)}: {loss}" for loss in (*request.losses, *request.carried.losses)]
    headers = headers_of(managers, variables, notes, losses)
    options = _options(request, load.options, headers)
    if not request.host:
        losses.append(f"{named(request.node)}: it names no server: give --host")
    for name, default in variables.defaults.items():
        notes.append(
            f"property {name[:40]!r} was not given: its default {default[:40]!r} (-J{name}=… sets it)"
        )
    done = [*load.handled, *managers, request.node, *(n for n in scope if n.kind == "ConfigTestElement")]
    more_notes, more_losses = not_carried_over(nodes, done, scope, group, variables)
    return Scenario(source.name, group.name, options, notes + more_notes, losses + more_losses)


def _user_variables(nodes: tuple[Node, ...]) -> dict[str, str]:
    """All user defined variables: JMeter processes them at the start, wherever they are."""
    values: dict[str, str] = {}
    for node, _ in walk(nodes):
        if node.enabled and node.kind in ("TestPlan", "Arguments"):
            for row in node.lists.get("Arguments.arguments", ()):
                values[row.get("Argument.name", "")] = row.get("Argument.value", "")
    return values


def _chosen(nodes: tuple[Node, ...], source: Path, variables: Variables, wanted: str) -> tuple[Request, Node]:
    """The first enabled request to a language model and its thread group."""
    mistakes: list[str] = []
    groups: list[str] = []
    for found in walk(nodes):
        node, ancestors = found
        group = next((a for a in ancestors if a.kind in GROUPS), None)
        if node.kind in GROUPS and node.enabled:
            groups.append(node.name)
        if node.kind not in SAMPLERS or not node.enabled or group is None or wanted not in ("", group.name):
            continue
        try:
            return read_request(found, variables), group
        except NoPromptError as error:
            mistakes.append(f"{source}: {named(node)}: {error}")
    if wanted and wanted not in groups:
        raise UsageError([f"{source}: --thread-group {wanted!r}: the plan has {', '.join(groups) or 'none'}"])
    raise UsageError(mistakes or [f"{source}: no enabled HTTP Request in a thread group: nothing to import"])


def _options(request: Request, load: Mapping[str, Value], headers: Mapping[str, str]) -> dict[str, Value]:
    """Scenario keys, in the order of chatload's own scenarios."""
    carried = request.carried
    options: dict[str, Value] = {"locustfile": "locustfiles/chat.py", "headless": True, "only-summary": True}
    if request.host:
        options["host"] = request.host
    options["server"] = carried.dialect.option or carried.dialect.name
    options |= load
    options |= {"history": "off", "prompt": carried.prompt, **carried.options, **request.options}
    if carried.body:
        options["body"] = json.dumps(carried.body, ensure_ascii=False)
    if headers:
        options["headers"] = json.dumps(headers, ensure_ascii=False)
    return options
