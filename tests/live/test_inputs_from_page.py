"""Files and numbers that a form names are read and checked before anything starts; the page shows every line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.conftest import Web

pytestmark = pytest.mark.e2e
HOST = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("locustfile", "option", "good", "bad", "line"),
    [
        ("chat", "prompts", '{"id": "a", "turns": ["b"]}', "\0", ":1: binary content, no text"),
        ("chat", "certificate", '{"kind": "certificate"}', "[1]", ":1: not a certificate"),
        ("arrivals", "trace", "due_s\n1\n", "due_s\n1\nnan\n", ":3: due_s 'nan': must be a number"),
    ],
)
def test_a_file_that_is_none_any_more(
    locustfile: str, option: str, good: str, bad: str, line: str, web: Callable[..., Web], tmp_path: Path
) -> None:
    """It was good when Locust was started, and is read again for a run of the form because it has changed."""
    path = tmp_path / "given"
    path.write_text(good, encoding="utf-8")
    history = ("--history", "on") if option == "prompts" else ()
    one = web(f"--{option}", str(path), *history, locustfile=locustfile)
    path.write_text(bad, encoding="utf-8")
    answer = one.post("/swarm", user_count=2, spawn_rate=1, host=HOST, **{option: str(path)})
    assert not answer["success"]
    (told,) = answer["mistakes"]
    assert told.startswith(f"--{option} {path}{line}")
    assert one.state()["refusal"] == [told]
    assert one.state()["state"] not in ("running", "spawning")
    assert not one.out.exists()


def test_numbers_of_the_form_that_are_none(web: Callable[..., Web]) -> None:
    one = web()
    for count, rate, time, line in (
        ("1" + "0" * 21, "1", "", "--users '10000"),
        ("１２", "1", "", "--users '１２'"),
        ("1_0", "1", "", "--users '1_0'"),
        ("many", "1", "", "--users 'many'"),
        ("2", "nan", "", "--spawn-rate 'nan'"),
        ("2", "1e400", "", "--spawn-rate '1e400'"),
        ("2", "1e-300", "", "--spawn-rate '1e-300'"),
        ("2", "1", "9" * 30 + "h", "--run-time '9999"),
        ("2", "1", "soon", "--run-time 'soon'"),
    ):
        answer = one.post("/swarm", user_count=count, spawn_rate=rate, host=HOST, run_time=time)
        assert not answer["success"]
        (told,) = answer["mistakes"]
        assert told.startswith(line)
        assert one.state()["state"] not in ("running", "spawning")
