"""A certificate of the client's accuracy, as `python -m chatload certify` writes it and a run names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from chatload.errors import UsageError

KIND = "certificate"


def read_certificate(path: str) -> dict[str, Any]:
    """The certificate in a file. UsageError, in the user's words, if it is none."""
    remedy = "make one with python -m chatload certify"
    try:
        found = orjson.loads(Path(path).read_bytes())
    except OSError as error:
        raise UsageError([f"--certificate {path!r}: {error.strerror}: {remedy}"]) from error
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise UsageError([f"--certificate {path!r}: not a certificate: {remedy}"])
    return found
