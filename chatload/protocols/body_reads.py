"""The reads of one HTTP body, in order, with access to those that have arrived but are not consumed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice


class BodyReads:
    """Iterates over the reads of a body without HTTP chunking; blocks where its source does.

    `here` holds the reads that have arrived and are not taken, `taken` counts the taken ones. `between` is True while
    the reads taken end with a whole event and all events were yielded: only then may reads be taken past framing.
    """

    def __init__(self, batches: Iterable[Iterable[bytes]]) -> None:
        self.here: deque[bytes] = deque()
        self.taken = 0
        self.between = False
        self._batches = iter(batches)

    def wait(self) -> bool:
        """Wait until `here` has a read; False at the end of the body."""
        while not self.here:
            batch = next(self._batches, None)
            if batch is None:
                return False
            self.here.extend(batch)
        return True

    def take(self, count: int) -> None:
        """Take the first `count` reads of `here`, past framing."""
        self.taken += count
        left = [*islice(self.here, count, None)]
        self.here.clear()
        self.here.extend(left)

    def __iter__(self) -> BodyReads:
        return self

    def __next__(self) -> bytes:
        if not self.here and not self.wait():
            raise StopIteration
        self.taken += 1
        return self.here.popleft()


def reads_of(pieces: Iterable[bytes]) -> BodyReads:
    """`pieces` as BodyReads, pulled one by one; BodyReads are returned as they are."""
    return pieces if isinstance(pieces, BodyReads) else BodyReads((piece,) for piece in pieces)
