"""Lists the elements of a plan that were not carried over, so that none is lost without a note."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chatload.interop.jmx.includes import INCLUDE
from chatload.interop.jmx.modules import FRAGMENT
from chatload.interop.jmx.plugin_groups import OPEN_LOOPS, open_loop_words
from chatload.interop.jmx.request import SAMPLERS, read_request
from chatload.interop.jmx.thread_group import GROUPS, PROFILES, Numbers
from chatload.interop.jmx.tree import Found, Node, walk
from chatload.interop.jmx.variables import Variables
from chatload.protocols.dialect import NoPromptError

SCRIPT = (
    "a script is not run: for values that change write placeholders into the body ({uuid}, {random:1:9}: "
    "docs/prompts.md), for more a scenario of your own (chatload init)"
)
REPLY_SCRIPT = (
    "a script is not run: --expect checks replies, a scenario of your own (chatload init) does more"
)
EXPECT = (
    "--expect checks replies, such as \"contains 'Paris'\"; a turn is good by the rules of docs/metrics.md"
)
EXTRACTED = 'replies are read by the dialect; history = "on" feeds them back'
NOT_NEEDED = {
    "ResultCollector": "a listener; every turn is kept, see `report RUN --format jmeter` and `export jtl RUN`",
    "Summariser": "a listener; Locust prints its own summary",
    "CookieManager": "no LLM server sets cookies that matter",
    "CacheManager": "replies to POST are never cached",
    "DNSCacheManager": "names are resolved once a process",
    "BackendListener": "a listener; see docs/observability.md for Prometheus and Grafana",
}
"""Kinds that a chat run does not need, and why."""

REMEDIES = {
    "ThreadGroup": "import it on its own with --thread-group",
    "SetupThreadGroup": "runs before the load: not carried over",
    "PostThreadGroup": "runs after the load: not carried over",
    **dict.fromkeys(PROFILES, "import it on its own with --thread-group"),
    **dict.fromkeys(OPEN_LOOPS, "an open loop: see locustfiles/arrivals.py, --interval or --trace"),
    "ModuleController": "the element that it points to is not in the plan",
    "AuthManager": "user names and passwords are never written: set CHATLOAD_API_KEY",
    "KeystoreConfig": "client certificates cannot be used",
    "ConstantThroughputTimer": "a rate: see locustfiles/arrivals.py, --interval",
    "PreciseThroughputTimer": "a rate: see locustfiles/arrivals.py, --arrivals poisson",
    "SyncTimer": "users are not held together; a ramp of 0 s lets all begin at once",
    "DurationAssertion": "judge times by an SLO or from the report",
    "SizeAssertion": "lengths of answers stand in the report; --expect 'tokens 5..500' checks them",
    **dict.fromkeys(("ResponseAssertion", "JSONPathAssertion", "JMESPathAssertion"), EXPECT),
    **dict.fromkeys(
        (
            "RegexExtractor",
            "JSONPostProcessor",
            "BoundaryExtractor",
            "JMESPathExtractor",
            "RegExUserParameters",
        ),
        EXTRACTED,
    ),
    **dict.fromkeys(("JSR223PreProcessor", "BeanShellPreProcessor"), SCRIPT),
    **dict.fromkeys(
        ("JSR223PostProcessor", "BeanShellPostProcessor", "JSR223Assertion", "BeanShellAssertion"),
        REPLY_SCRIPT,
    ),
    **dict.fromkeys(
        ("JSR223Timer", "BeanShellTimer"), "a script is not run: give --think-time, such as 'exp 2'"
    ),
    **dict.fromkeys(
        (
            "IfController",
            "SwitchController",
            "WhileController",
            "ForeachController",
            "CriticalSectionController",
        ),
        "conditions are not evaluated: a scenario of your own (chatload init) decides in Python",
    ),
    "OnceOnlyController": "requests that run once a user: on_start of a scenario of your own (chatload init)",
    **dict.fromkeys(
        ("ThroughputController", "RandomController", "InterleaveControl", "RandomOrderController"),
        "a mix of requests: tasks with weights in a scenario of your own (chatload init)",
    ),
}


def named(node: Node) -> str:
    """A node in messages: its kind and its name, quoted as untrusted text."""
    return f"{node.kind[:60]} {node.name[:80]!r}"


def not_carried_over(
    nodes: tuple[Node, ...], done: Sequence[Node], scope: Sequence[Node], group: Node, variables: Variables
) -> tuple[list[str], list[str]]:
    """(notes, losses) for every node that is not among `done`."""
    notes: list[str] = []
    losses: list[str] = []
    known = {id(node) for node in done}
    near = {id(node) for node in scope}
    for node, ancestors in walk(nodes):
        if id(node) in known:
            continue
        if not node.enabled:
            notes.append(f"{named(node)}: disabled in the plan, left out")
        elif node.kind == "TestPlan":
            _plan_switches(node, losses)
        elif node.kind in ("Arguments", INCLUDE):
            continue  # variables are resolved where they are used; elements of included files are listed themselves
        elif node.kind in NOT_NEEDED:
            notes.append(f"{named(node)}: not needed: {NOT_NEEDED[node.kind]}")
        elif node.kind == "CSVDataSet":
            losses.append(_csv(node, variables))
        elif node.kind == FRAGMENT:
            notes.append(f"{named(node)}: runs only where a Module Controller points to it")
        else:
            applies = id(node) in near or group in ancestors
            sampler = node.kind in SAMPLERS
            losses.append(_other_request((node, ancestors), variables) if sampler else _loss(node, applies))
    return notes, losses


def _loss(node: Node, applies: bool) -> str:
    remedy = "not carried over" if applies else "not carried over, it stands beside another part of the plan"
    return f"{named(node)}: {REMEDIES.get(node.kind, remedy)}"


def _other_request(found: Found, variables: Variables) -> str:
    """Why a second request is not carried over: all turns of a run send the same kind of request."""
    node, ancestors = found
    if not any(ancestor.kind in GROUPS for ancestor in ancestors):
        return f"{named(node)}: not carried over, it stands in no thread group of users"
    try:
        read_request(found, variables)
    except NoPromptError as error:
        return f"{named(node)}: no request to a language model: {error}"
    return (
        f"{named(node)}: a run sends one kind of request: import this one into a scenario of its own with "
        f"--sampler {node.name[:80]!r}, and start both for the mix (its label is turn-name, in rows and JTL)"
    )


def _plan_switches(node: Node, losses: list[str]) -> None:
    for name, words in (
        ("TestPlan.functional_mode", "functional mode: see --keep-text all"),
        ("TestPlan.serialize_threadgroups", "thread groups one after another: one group is imported"),
    ):
        if node.on(name):
            losses.append(f"{named(node)}: {words}")


def _csv(node: Node, variables: Variables) -> str:
    names = variables.resolve(node.setting("variableNames")) or "its first line"
    file = variables.resolve(node.setting("filename"))
    return (
        f"{named(node)}: {file[:80]!r} ({names[:80]}) is not read. For a text of their own each user needs a "
        'conversation: lines {"turns": ["…"]} in a file, prompts = that file'
    )


def nothing_to_import(nodes: tuple[Node, ...], source: Path, variables: Variables) -> list[str]:
    """Why no request can be imported: unsupported thread groups, samplers other than HTTP Request."""
    reader = Numbers(variables, named)
    lines = []
    for node, ancestors in walk(nodes):
        if not node.enabled:
            continue
        group = next((a for a in ancestors if a.kind.endswith("ThreadGroup")), None)
        if node.kind in OPEN_LOOPS:
            lines.append(f"{source}: {named(node)}: {open_loop_words(node, reader.of_text)}")
        elif node.kind.endswith("ThreadGroup") and node.kind not in ("ThreadGroup", *PROFILES, *REMEDIES):
            lines.append(
                f"{source}: {named(node)}: a thread group of an unknown plug-in: change it to a Thread Group"
            )
        elif _is_sampler(node.kind) and group is not None:
            lines.append(f"{source}: {named(node)}: {_sampler_words(node)}")
        elif node.kind == INCLUDE and group is None:
            lines.append(f"{source}: {named(node)}: stands in no thread group: nothing runs what it includes")
    return lines or [f"{source}: no enabled HTTP Request in a thread group: nothing to import"]


def _is_sampler(kind: str) -> bool:
    return kind.endswith("Sampler") and not kind.startswith("HTTPSampler")


def _sampler_words(node: Node) -> str:
    if node.setting("script") or node.setting("BeanShellSampler.query"):
        return "a script is no HTTP Request: put the request that it sends into one, with its JSON as body"
    url = node.setting("url")[:120]
    return f"no HTTP Request{f' (it asks {url})' if url else ''}: put its request into one, with its JSON as body"
