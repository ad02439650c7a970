"""Reads a JMX file as a tree of elements. The file is untrusted: no entities, bounded size and depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from chatload.files.reading import MB, read_input
from chatload.model.errors import UsageError

REMEDY = "give a test plan saved by JMeter (.jmx)"
MOST_BYTES = 32 * MB
"""Largest plan, in bytes; recorded plans have some MB."""
DEEPEST = 200
"""Most levels of XML; JMeter's deepest template has 12."""


@dataclass(frozen=True, slots=True)
class Node:
    """One element of a test plan with its children.

    `properties`: its settings by JMeter's names, those of parts such as the main loop included. `lists`: its tables
    (arguments, headers), one mapping for each row. Texts are unresolved.
    """

    kind: str
    gui: str
    name: str
    enabled: bool
    properties: Mapping[str, str]
    lists: Mapping[str, tuple[Mapping[str, str], ...]]
    children: tuple[Node, ...] = ()

    def setting(self, name: str) -> str:
        """A setting, stripped; empty if it is not set."""
        return self.properties.get(name, "").strip()

    def on(self, name: str) -> bool:
        """Whether a setting is "true"."""
        return self.setting(name).lower() == "true"


Found = tuple[Node, tuple[Node, ...]]
"""A node and its ancestors, the test plan first."""


def walk(nodes: tuple[Node, ...], ancestors: tuple[Node, ...] = ()) -> Iterator[Found]:
    """Every node in the order of the file, without children of disabled ones."""
    for node in nodes:
        yield node, ancestors
        if node.enabled:
            yield from walk(node.children, (*ancestors, node))


def read_jmx(path: Path) -> tuple[Node, ...]:
    """The top elements of a JMX file, usually one TestPlan. UsageError if it is not a JMX file."""
    content = read_input(path, REMEDY, MOST_BYTES)
    try:
        root = _parsed(content)
    except expat.ExpatError as error:
        where = f"line {error.lineno}: {expat.errors.messages[error.code]}"
        raise UsageError([f"{path}: no XML ({where}): {REMEDY}"]) from None
    except (_RefusedError, LookupError, UnicodeError, ValueError) as error:
        raise UsageError([f"{path}: refused: {error}"]) from None
    tree = root.find("hashTree")
    if root.tag != "jmeterTestPlan" or tree is None:
        raise UsageError([f"{path}: no JMeter test plan (it begins with <{root.tag[:40]}>)"])
    return _nodes(tree)


class _RefusedError(Exception):
    """The file has content that no test plan needs."""


def _parsed(content: bytes) -> ElementTree.Element:
    """The XML, read by expat; document types and entities are refused."""
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise _RefusedError(f"more than {DEEPEST} levels deep")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise _RefusedError("a document type or entity declaration: JMeter writes none")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.Parse(content, True)
    root: ElementTree.Element = builder.close()
    return root


def _nodes(tree: ElementTree.Element) -> tuple[Node, ...]:
    """The elements of a hashTree, where each is followed by the hashTree of its children."""
    found: list[Node] = []
    entries = list(tree)
    for index, entry in enumerate(entries):
        if entry.tag == "hashTree":
            continue
        below = entries[index + 1] if index + 1 < len(entries) else None
        children = _nodes(below) if below is not None and below.tag == "hashTree" else ()
        found.append(_node(entry, children))
    return tuple(found)


def _node(entry: ElementTree.Element, children: tuple[Node, ...]) -> Node:
    properties: dict[str, str] = {}
    lists: dict[str, tuple[Mapping[str, str], ...]] = {}
    _settings(entry, properties, lists)
    return Node(
        kind=entry.tag,
        gui=entry.get("guiclass", ""),
        name=entry.get("testname", ""),
        enabled=entry.get("enabled", "true") != "false",
        properties=properties,
        lists=lists,
        children=children,
    )


def _settings(
    entry: ElementTree.Element,
    properties: dict[str, str],
    lists: dict[str, tuple[Mapping[str, str], ...]],
) -> None:
    for child in entry:
        name = child.get("name", "")
        if child.tag == "collectionProp":
            lists[name] = tuple(_row(row) for row in child)
        elif child.tag == "elementProp":
            _settings(child, properties, lists)
        elif child.tag.endswith("Prop"):
            properties[name] = child.text or ""


def _row(entry: ElementTree.Element) -> Mapping[str, str]:
    """A row of a table: texts by name; of a list by index ("0", "1", …); a single text under ""."""
    if entry.tag == "collectionProp":
        return {str(place): child.text or "" for place, child in enumerate(entry)}
    if entry.tag != "elementProp":
        return {"": entry.text or ""}
    row: dict[str, str] = {}
    _settings(entry, row, {})
    return row
