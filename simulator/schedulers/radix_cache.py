"""TGI 3's memory for KV: counted in single tokens, with the prompts of ended requests kept in a radix tree.

A request takes room for its prompt and its reserved answer, less the beginning of its prompt that is in the tree. When
it ends its prompt stays in the tree, its answer does not. Room that is missing is made from the tree: the leaves that
nobody uses, the longest unused first, from their ends (reference: backends/v3/src/radix.rs and block_allocator.rs).
As there: a failed allocation empties the tree of all that nobody uses, and a request that shares only a part of a
leaf holds the whole leaf.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence as Row
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Node:
    """A piece of text in the tree: `key` is the part of a prompt's prefix hashes that it holds.

    `users`: its children, and the requests whose longest known beginning ends here.
    """

    key: Row[int]
    parent: Node | None
    last_used: int
    number: int
    users: int = 0
    children: dict[int, Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a request holds: `tokens` in all, the first `cached` of them in the tree, held at `node`."""

    tokens: int
    cached: int
    node: Node
    prefix: Row[int]


class RadixCache:
    """See the module. `prefix` arguments: one hash a token of the text up to it, so equal hashes are equal texts."""

    def __init__(self, tokens: int) -> None:
        self.total = tokens
        self.unused = tokens  # neither held by a request nor in the tree
        self.held = 0  # by requests, tokens that they share counted each time
        self.used = 0  # by requests, without what they found in the tree
        self._time = 0
        self._made = 0
        self._root = Node((), None, 0, 0)
        self._leaves: list[tuple[int, int, Node]] = []  # a heap; entries that no longer hold are skipped

    def allocate(self, tokens: int, prefix: Row[int]) -> Allocation | None:
        """Room for `tokens` that begin with `prefix` (empty: nothing is shared or kept); None if there is none."""
        node, cached = self._find(prefix)
        self._hold(node)
        missing = tokens - cached
        if missing > self.unused:
            self.unused += self._evict(missing - self.unused)
        if missing > self.unused:
            self._release(node)
            return None
        self.unused -= missing
        self.held += tokens
        self.used += missing
        return Allocation(tokens, cached, node, prefix)

    def free(self, allocation: Allocation) -> None:
        """The request has ended: its prefix goes to the tree, the rest of its room is unused."""
        self._forget(allocation)
        prefix = allocation.prefix
        known = self._insert(prefix) if len(prefix) > allocation.cached else len(prefix)
        self.unused += max(0, known - allocation.cached) + allocation.tokens - len(prefix)

    def cancel(self, allocation: Allocation) -> None:
        """It ends before its prompt was computed: nothing is kept."""
        self._forget(allocation)
        self.unused += allocation.tokens - allocation.cached

    def _forget(self, allocation: Allocation) -> None:
        self._release(allocation.node)
        self.held -= allocation.tokens
        self.used -= allocation.tokens - allocation.cached

    def _find(self, prefix: Row[int]) -> tuple[Node, int]:
        """The node where the longest known beginning of `prefix` ends, and its length."""
        self._time += 1
        node, known = self._root, 0
        while known < len(prefix) and prefix[known] in node.children:
            node = node.children[prefix[known]]
            self._touch(node)
            common = _common(node.key, prefix, known)
            known += common
            if common < len(node.key):
                break
        return node, known

    def _insert(self, prefix: Row[int]) -> int:
        """Keep `prefix`; the length of its beginning that was there already."""
        self._time += 1
        node, known = self._root, 0
        while known < len(prefix):
            child = node.children.get(prefix[known])
            if child is None:
                self._add(node, prefix[known:])
                break
            self._touch(child)
            common = _common(child.key, prefix, known)
            known += common
            if common < len(child.key) and known < len(prefix):
                child = self._split(child, common)
            node = child
        return known

    def _split(self, node: Node, at: int) -> Node:
        """A new parent with the first `at` of the key; `node` keeps its users and the rest."""
        parent = node.parent
        assert parent is not None
        self._made += 1
        upper = Node(node.key[:at], parent, self._time, self._made, users=1, children={node.key[at]: node})
        parent.children[node.key[0]] = upper
        node.key, node.parent = node.key[at:], upper
        return upper

    def _add(self, parent: Node, key: Row[int]) -> None:
        self._made += 1
        node = parent.children[key[0]] = Node(key, parent, self._time, self._made)
        self._hold(parent)
        heapq.heappush(self._leaves, (node.last_used, node.number, node))

    def _evict(self, wanted: int) -> int:
        """Take `wanted` tokens out of the tree, or as many as nobody uses; returns their number."""
        taken = 0
        while taken < wanted and self._leaves:
            last_used, _number, node = heapq.heappop(self._leaves)
            if node.users or node.parent is None or node.last_used != last_used:
                continue
            cut = min(wanted - taken, len(node.key))
            taken += cut
            if cut < len(node.key):
                node.key = node.key[: len(node.key) - cut]
                heapq.heappush(self._leaves, (last_used, node.number, node))
            else:
                parent, node.parent = node.parent, None
                del parent.children[node.key[0]]
                self._release(parent)
        return taken

    def _hold(self, node: Node) -> None:
        node.users += 1

    def _release(self, node: Node) -> None:
        node.users -= 1
        if not node.users and node.parent is not None:
            heapq.heappush(self._leaves, (node.last_used, node.number, node))

    def _touch(self, node: Node) -> None:
        node.last_used = self._time
        if not node.users:
            heapq.heappush(self._leaves, (node.last_used, node.number, node))


def _common(key: Row[int], prefix: Row[int], start: int) -> int:
    """How many hashes of `key` are those of `prefix` from `start` on."""
    length = min(len(key), len(prefix) - start)
    if key[length - 1] == prefix[start + length - 1]:
        return length
    for place in range(length):
        if key[place] != prefix[start + place]:
            return place
    return length
