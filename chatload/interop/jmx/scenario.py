"""Converts a test plan to a scenario, and lists what was changed and what was left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chatload.interop.jmx import user_parameters
from chatload.interop.jmx.changing import ELEMENTS, variables_of
from chatload.interop.jmx.csv_data import prompt_column
from chatload.interop.jmx.includes import with_includes
from chatload.interop.jmx.modules import with_modules
from chatload.interop.jmx.not_carried_over import named, not_carried_over, nothing_to_import
from chatload.interop.jmx.request import SAMPLERS, Request, headers_of, in_scope, read_request
from chatload.interop.jmx.thread_group import GROUPS, Value, read_load
from chatload.interop.jmx.tree import Node, walk
from chatload.interop.jmx.variables import Variables, closing, how_to_give
from chatload.model.errors import UsageError
from chatload.protocols.dialect import NoPromptError


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to import from a plan: thread group and sampler by name (empty: the first), and values of variables."""

    group: str = ""
    sampler: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Scenario:
    """The scenario. `notes`: what is done differently; `losses`: what is not carried over."""

    source: str
    group: str
    options: dict[str, Value]
    notes: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)


def read_scenario(
    nodes: tuple[Node, ...], source: Path, properties: Mapping[str, str], wanted: Wanted = Wanted()
) -> Scenario:
    """The scenario of a plan's first request to a language model that is wanted."""
    variables = Variables(_user_variables(nodes) | dict(wanted.variables), properties)
    nodes = with_includes(nodes, source, variables)
    nodes, targets = with_modules(nodes)
    variables.values |= _user_variables(nodes) | dict(wanted.variables)
    changing = [node for node, _ in walk(nodes) if node.enabled and node.kind in ELEMENTS]
    for node in changing:
        variables.changing |= variables_of(node, variables.resolve)
    parameters = [node for node, _ in walk(nodes) if node.enabled and node.kind == user_parameters.KIND]
    for node in parameters:
        _set_parameters(node, variables)
    request, group = _chosen(nodes, source, variables, wanted)
    variables.defaults.clear()  # collect only those of the chosen request and group from here
    variables.environment.clear()
    variables.once.clear()
    request = read_request((request.node, request.ancestors), variables)
    load = read_load(group, request.node, request.ancestors, variables, named)
    scope = in_scope(request.node, request.ancestors)
    managers = [node for node in scope if node.kind == "HeaderManager"]
    notes, losses = [*load.notes, *request.notes, *request.carried.notes], [*load.losses]
    losses += [f"{named(request.node)}: {loss}" for loss in (*request.losses, *request.carried.losses)]
    if "${" in request.host:
        raise UsageError(
            [f"{source}: {named(request.node)}: its server is {request.host[:80]}: {_remedy(request.host)}"]
        )
    headers, access = headers_of(managers, variables, notes, losses)
    options = _options(request, load.options, headers)
    if access.get("auth-header", "").lower() not in ("", "authorization"):
        options |= access
    if not request.host:
        losses.append(f"{named(request.node)}: it names no server: give --host")
    alone = "" if "messages" in request.carried.body else request.carried.prompt
    column = prompt_column(alone, scope, variables, source)
    done = [
        *load.handled,
        *managers,
        request.node,
        *(n for n in scope if n.kind == "ConfigTestElement"),
        *targets,
        *(node for node in changing if variables_of(node, variables.resolve)),
        *parameters,
    ]
    losses += [f"{named(node)}: {loss}" for node in parameters if (loss := user_parameters.loss_of(node))]
    if column is not None:
        options.pop("prompt")
        options |= column.options
        notes += [f"{named(column.node)}: {note}" for note in column.notes]
        carried_over = variables.open_references(request.carried.prompt)
        losses = [loss for loss in losses if not _only(loss, carried_over)]
        losses += [f"{named(column.node)}: {loss}" for loss in column.losses]
        done.append(column.node)
    notes += [
        f"variable {name[:40]!r}: JMeter computes it once, here it is another in each turn"
        for name in sorted(variables.once)
    ]
    for name, default in variables.environment.items():
        notes.append(f"environment variable {name[:40]!r} is not set: its default {default[:40]!r}")
    for name, default in variables.defaults.items():
        notes.append(
            f"property {name[:40]!r} was not given: its default {default[:40]!r} (-J{name}=… sets it)"
        )
    more_notes, more_losses = not_carried_over(nodes, done, scope, group, variables)
    return Scenario(source.name, group.name, options, notes + more_notes, losses + more_losses)


def _set_parameters(node: Node, variables: Variables) -> None:
    """Set the variables of a User Parameters pre-processor, which override those of the plan."""
    for name, value in user_parameters.values_of(node).items():
        if "${" in value:
            variables.changing[name] = variables.resolve_body(value)
            variables.values.pop(name, None)
        else:
            variables.values[name] = value


def _remedy(text: str) -> str:
    """How to give the first reference in a text."""
    at = text.index("${")
    return how_to_give(text[at : closing(text, at + 2) + 1])


def _only(loss: str, references: list[str]) -> bool:
    """Whether a loss is that exactly these references are sent unchanged."""
    return f": {', '.join(sorted(set(references)))} in the body:" in loss


def _user_variables(nodes: tuple[Node, ...]) -> dict[str, str]:
    """All user defined variables: JMeter processes them at the start, wherever they are."""
    values: dict[str, str] = {}
    for node, _ in walk(nodes):
        if node.enabled and node.kind in ("TestPlan", "Arguments"):
            for row in node.lists.get("Arguments.arguments", ()):
                values[row.get("Argument.name", "")] = row.get("Argument.value", "")
    return values


def _chosen(
    nodes: tuple[Node, ...], source: Path, variables: Variables, wanted: Wanted
) -> tuple[Request, Node]:
    """The first enabled request to a language model that is wanted, and its thread group."""
    mistakes: list[str] = []
    groups: list[str] = []
    samplers: list[str] = []
    for found in walk(nodes):
        node, ancestors = found
        group = next((a for a in ancestors if a.kind in GROUPS), None)
        if node.kind in GROUPS and node.enabled:
            groups.append(node.name)
        if node.kind not in SAMPLERS or not node.enabled or group is None:
            continue
        if wanted.group not in ("", group.name) or wanted.sampler not in ("", node.name):
            samplers.append(node.name)
            continue
        try:
            return read_request(found, variables), group
        except NoPromptError as error:
            mistakes.append(f"{source}: {named(node)}: {error}")
    if wanted.group and wanted.group not in groups:
        raise UsageError(
            [f"{source}: --thread-group {wanted.group!r}: the plan has {', '.join(groups) or 'none'}"]
        )
    if wanted.sampler and not mistakes:
        raise UsageError(
            [f"{source}: --sampler {wanted.sampler!r}: the plan has {', '.join(samplers) or 'none'}"]
        )
    raise UsageError(mistakes or nothing_to_import(nodes, source, variables))


def _options(request: Request, load: Mapping[str, Value], headers: Mapping[str, str]) -> dict[str, Value]:
    """Scenario keys, in the order of chatload's own scenarios."""
    carried = request.carried
    options: dict[str, Value] = {"locustfile": "locustfiles/chat.py", "headless": True, "only-summary": True}
    if request.host:
        options["host"] = request.host
    if request.path:
        options["path"] = request.path
    options["server"] = carried.dialect.option or carried.dialect.name
    options |= load
    options |= {"history": "off", "prompt": carried.prompt, **carried.options, **request.options}
    if request.node.name and request.node.name.isprintable():
        options["turn-name"] = request.node.name.strip()
    if carried.body:
        options["body"] = json.dumps(carried.body, ensure_ascii=False)
    if headers:
        options["headers"] = json.dumps(headers, ensure_ascii=False)
    return options
