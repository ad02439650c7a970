"""KV blocks: a count (vLLM 0.1.x), and a pool whose freed blocks are a prefix cache (vLLM V1, TGI 3)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence as Row


def blocks_for(tokens: int, block_size: int) -> int:
    """blk(n) = ceil(n / B)."""
    return -(-tokens // block_size)


class BlockCount:
    """A number of free blocks, for schedulers that share none."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.free = total

    @property
    def used(self) -> int:
        """Blocks held by sequences."""
        return self.total - self.free

    def take(self, count: int) -> None:
        """Hold `count` more; the scheduler has checked that they are there."""
        if count > self.free:
            raise ValueError(f"{count} blocks wanted, {self.free} free")
        self.free -= count

    def give(self, count: int) -> None:
        """Return `count`."""
        self.free += count
        if self.free > self.total:
            raise ValueError(f"{self.free} blocks free of {self.total}")


class CachedBlocks:
    """Blocks with content: a freed block can be found by its hash until it is taken again.

    Free blocks form a queue: taken from the head, returned at the tail, a sequence's last block first, so that the
    ends of texts leave the cache before their beginnings.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free: OrderedDict[int, None] = OrderedDict((block, None) for block in range(total))
        self._users = [0] * total
        self._hash_of: dict[int, int] = {}
        self._block_of: dict[int, int] = {}

    @property
    def free(self) -> int:
        """The number of blocks without users, cached ones among them."""
        return len(self._free)

    @property
    def used(self) -> int:
        """Blocks held by at least one sequence."""
        return self.total - len(self._free)

    def find(self, prefix: Row[int], limit: int) -> list[int]:
        """The blocks that hold the longest cached part of `prefix` from its start, `limit` at most."""
        found: list[int] = []
        for content in prefix[:limit]:
            block = self._block_of.get(content)
            if block is None:
                break
            found.append(block)
        return found

    def idle(self, blocks: Row[int]) -> int:
        """The number of `blocks` without users: sharing them takes them off the free queue."""
        return sum(1 for block in blocks if not self._users[block])

    def share(self, blocks: Row[int]) -> None:
        """One more user for each of `blocks`."""
        for block in blocks:
            if not self._users[block]:
                del self._free[block]
            self._users[block] += 1

    def take(self, count: int) -> list[int]:
        """`count` blocks from the head of the free queue; their content leaves the cache. ValueError if too few."""
        if count > len(self._free):
            raise ValueError(f"{count} blocks wanted, {len(self._free)} free")
        taken: list[int] = []
        for _ in range(count):
            block, _none = self._free.popitem(last=False)
            content = self._hash_of.pop(block, None)
            if content is not None and self._block_of.get(content) == block:
                del self._block_of[content]
            self._users[block] = 1
            taken.append(block)
        return taken

    def name(self, block: int, content: int) -> None:
        """Block is full and holds `content`; where several do, the first one is found."""
        if block not in self._hash_of:
            self._hash_of[block] = content
            self._block_of.setdefault(content, block)

    def give(self, blocks: Row[int]) -> None:
        """One user less for each of `blocks`."""
        for block in reversed(blocks):
            self._users[block] -= 1
            if not self._users[block]:
                self._free[block] = None
