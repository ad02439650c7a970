"""What a dialect is: one server's wire form. Each file of dialects/ names its own in `DIALECTS` (registry.py).

`body(request) -> bytes` writes a turn down as the JSON body of a POST to `path`.
`deltas(reads, request)` reads the reply: `reads` are the pieces of the HTTP body without chunking, pulled lazily, so
that a delta is handed out before the next read is asked for; several that are all text, and in reads that are here
already, may come as one TextDeltas. It raises WireError for bytes that do not fit, ServerError for an error event,
TurnError "truncated" for a body that ends inside an event. It never decides success: that takes no exception, a
`finish` and a complete HTTP message, and is the caller's to judge. There is no clock in it; `Delta.read` says which
read to take the stamp of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from chatload.model.turn import Delta, TextDeltas, TurnRequest


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire form. `one_token_per_event`: every delta stands for exactly one token.

    `exact_length` are the fields of the body that make max_tokens a promise and not a limit; empty where the server
    has none.
    """

    name: str
    path: str
    body: Callable[[TurnRequest], bytes]
    deltas: Callable[[Iterable[bytes], TurnRequest], Iterator[Delta | TextDeltas]]
    one_token_per_event: bool = False
    exact_length: Mapping[str, object] = field(default_factory=dict)
