"""The reads of one HTTP body, in order, and within reach those that are here already."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice


class BodyReads:
    """Iterates over the pieces of a body without HTTP chunking, and waits for more where its source does.

    `here` are those that came and were not taken; `taken` counts the others. `between` is
    True while every event of the reads taken was handed out whole: only then may reads be taken past framing.
    """

    def __init__(self, batches: Iterable[Iterable[bytes]]) -> None:
        self.here: deque[bytes] = deque()
        self.taken = 0
        self.between = False
        self._batches = iter(batches)

    def wait(self) -> bool:
        """Wait until a read is here; False when there is none to come."""
        while not self.here:
            batch = next(self._batches, None)
            if batch is None:
                return False
            self.here.extend(batch)
        return True

    def take(self, count: int) -> None:
        """Take the first `count` of those that are here past framing."""
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
    """The reads themselves, or those of any pieces, pulled one by one."""
    return pieces if isinstance(pieces, BodyReads) else BodyReads((piece,) for piece in pieces)
