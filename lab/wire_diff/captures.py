"""Recorded exchanges: a folder of `<case>.json` and `<case>.jsonl`, or one gzipped file with a line for each case."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Capture:
    """A request and the bytes of its answer. `command`: how the server was started; `ended`: see the README there."""

    case: str
    command: str
    line: str
    headers: dict[str, str]
    body: str
    ended: str
    answer: bytes


def read_captures(path: Path) -> list[Capture]:
    """In the order of their names."""
    if path.is_dir():
        return [_from_pair(each) for each in sorted(path.glob("*.json"))]
    return list(_from_lines(path))


def write_captures(captures: list[Capture], path: Path) -> None:
    """As one file; the same captures give the same bytes."""
    lines = [json.dumps(asdict(one) | {"answer": one.answer.decode("latin-1")}) for one in captures]
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


def _from_pair(path: Path) -> Capture:
    facts = json.loads(path.read_text(encoding="utf-8"))
    reads = path.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
    request = facts["request"]
    return Capture(
        case=facts["case"],
        command=facts.get("server_command", ""),
        line=request["line"],
        headers=request["headers"],
        body=_whole_body(request),
        ended=facts["ended"],
        answer=b"".join(base64.b64decode(json.loads(line)["data_b64"]) for line in reads),
    )


def _whole_body(request: dict[str, object]) -> str:
    """The recorder cuts long bodies. Those that it cut repeat two words, so their middle can be put back."""
    body, length = str(request.get("body") or ""), request.get("body_truncated_from")
    if not isinstance(length, int):
        return body
    words, end = (
        "river stone ",
        '"}]}' if "messages" in body else '","parameters":{"details":true,"max_new_tokens":64}}',
    )
    body = body[: body.rindex(words) + len(words)]
    return body + words * ((length - len(body) - len(end)) // len(words)) + end


def _from_lines(path: Path) -> Iterator[Capture]:
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        facts = json.loads(line)
        yield Capture(**{**facts, "answer": facts["answer"].encode("latin-1")})
