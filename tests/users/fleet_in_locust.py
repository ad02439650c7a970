"""The master holds the lines that came against the number each worker says it wrote. Run by test_patches.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from chatload.users.fleet import Fleet

END = {"kind": "end", "at_ns": 1, "worker": "w1", "reason": "drained", "lines": 3, "copy_lost_lines": 0}


class Books:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.caveats: list[str] = []
        self.problem, self.caveat = self.problems.append, self.caveats.append


def told(lines: list[dict[str, Any]]) -> Books:
    runner: Any = SimpleNamespace(register_message=lambda *_: None, send_message=lambda *_, **__: None)
    fleet, books = Fleet(runner, lambda: 0.0, lambda _: None), Books()
    data = {"run_id": "", "number": 1, "lines": [orjson.dumps(line) for line in lines]}
    fleet._on_lines(None, SimpleNamespace(node_id="w1", data=data))
    counted: Any = books
    fleet._count("w1", counted)
    return books


@pytest.mark.parametrize(
    ("lines", "problems", "caveats"),
    [
        ([{"kind": "start"}, {"kind": "user"}, END], [], []),
        (
            [{"kind": "start"}, {"kind": "user"}, {**END, "copy_lost_lines": 2}],
            [],
            ["could not keep 2 lines of its own copy of its journal; the master has all of them"],
        ),
        ([{"kind": "start"}, END], ["wrote 3 lines, 2 came: its own journal may hold more"], []),
        ([{"kind": "start"}, {**END, "copy_lost_lines": 2}], ["wrote 3 lines, 2 came"], []),
        ([{"kind": "start"}], ["never sent its last lines: its own journal may hold more than 1"], []),
    ],
)
def test_what_came_and_what_was_written(
    lines: list[dict[str, Any]], problems: list[str], caveats: list[str]
) -> None:
    books = told(lines)
    for found, expected in ((books.problems, problems), (books.caveats, caveats)):
        assert len(found) == len(expected)
        assert all(words in sentence for sentence, words in zip(found, expected, strict=True))
