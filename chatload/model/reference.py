"""The reference in each prompt under --echo-check: names its user and turn, and can be verified in every process.

`ref-u12t3-0123456789ab`: user 12, turn 3, and a digest of both with the run's id. A reply that holds another user's
reference was generated for that user.
"""

from __future__ import annotations

import hashlib
import re

_REFERENCE = re.compile(r"ref-u([0-9]{1,12})t([0-9]{1,7})-([0-9a-f]{12})")
ASKS = "\n\nBegin your answer with this reference, unchanged: {}"


def reference(run_id: str, user: int, turn: int) -> str:
    """The reference of a turn."""
    digest = hashlib.blake2b(f"{run_id} {user} {turn}".encode(), digest_size=6).hexdigest()
    return f"ref-u{user}t{turn}-{digest}"


def references_in(text: str, run_id: str) -> list[tuple[int, int]]:
    """(user, turn) of each reference in a text whose digest is of this run."""
    found = []
    for match in _REFERENCE.finditer(text):
        user, turn = int(match[1]), int(match[2])
        if match[0] == reference(run_id, user, turn):
            found.append((user, turn))
    return found
