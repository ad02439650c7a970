"""The open loop: requests leave when they are due, whatever the server does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from open_loop import lateness_ms, most_in_flight, offsets_ns, run

from chatload.loads.arrival_times import poisson
from lab.simulated_server import simulated
from tests.runner.conftest import two_processes

pytestmark = pytest.mark.e2e


def test_a_slow_server_delays_no_later_request(tmp_path: Path) -> None:
    """Due times exact to the ns; the last is sent before the first is answered. A busy machine may delay some."""
    with simulated(
        "fixed-rate", ("--ttft-ms", "2500", "--answer-tokens", "3"), tmp_path / "server"
    ) as server:
        code, turns = run("arrivals", server.host, tmp_path / "run", "--requests", "40", "--interval", "0.02")
    assert code in (0, 4)  # 4: a busy machine held the generator up
    assert offsets_ns(turns) == [k * 20_000_000 for k in range(40)]
    assert [turn["user"] for turn in turns] == list(range(40))
    assert lateness_ms(turns)[0] > -1
    assert most_in_flight(turns) == 40
    assert all(turn["first_token_ns"] - turn["sent_ns"] > 2.4e9 for turn in turns)


def test_a_refusing_server_closes_no_loop(tmp_path: Path) -> None:
    with simulated("vllm", ("--fault", "503:1"), tmp_path / "server") as server:
        code, turns = run("arrivals", server.host, tmp_path / "run", "--requests", "20", "--interval", "0.05")
    assert code == 1
    assert {turn["code"] for turn in turns} == {"http_5xx"}
    assert offsets_ns(turns) == [k * 50_000_000 for k in range(20)]
    assert lateness_ms(turns)[0] > -1


def test_poisson_is_an_absolute_schedule_by_the_seed(tmp_path: Path) -> None:
    with simulated("fixed-rate", ("--ttft-ms", "20", "--answer-tokens", "3"), tmp_path / "server") as server:
        options = ("--requests", "30", "--interval", "0.04", "--arrivals", "poisson", "--seed", "7")
        code, turns = run("arrivals", server.host, tmp_path / "run", *options)
    assert code in (0, 4)  # 4: a busy machine held the generator up
    assert offsets_ns(turns) == list(poisson(30, 0.04, 7))
    assert lateness_ms(turns)[0] > -1


def test_a_trace_says_when_and_how_long(tmp_path: Path) -> None:
    rows = [(0.0, 12, 7), (0.35, 40, 3), (0.1, 25, 11), (0.1, 80, 5)]
    trace = tmp_path / "trace.csv"
    trace.write_text(
        "due_s,prompt_tokens,output_tokens\n" + "".join("{},{},{}\n".format(*row) for row in rows)
    )
    with simulated("vllm", (), tmp_path / "server") as server:
        code, turns = run("arrivals", server.host, tmp_path / "run", "--trace", str(trace))
    assert code in (0, 4)  # 4: a busy machine held the generator up
    assert offsets_ns(turns) == [0, 100_000_000, 100_000_000, 350_000_000]
    assert [turn["tokens"] for turn in turns] == [7, 11, 5, 3]
    assert all(turn["token_source"] == "usage" and turn["finish"] == "length" for turn in turns)


def test_two_processes_share_one_schedule_by_index(tmp_path: Path) -> None:
    with simulated("fixed-rate", ("--ttft-ms", "20", "--answer-tokens", "3"), tmp_path / "server") as server:
        options = ("--requests", "31", "--interval", "0.05", "-u", "2", *two_processes())
        code, turns = run("arrivals", server.host, tmp_path / "run", *options)
    assert code in (0, 4)  # 4: a busy machine held the generator up
    assert [turn["user"] for turn in turns] == list(range(31))
    assert offsets_ns(turns) == [k * 50_000_000 for k in range(31)]
    workers = {turn["worker"]: set() for turn in turns}
    for turn in turns:
        workers[turn["worker"]].add(turn["user"] % 2)
    assert sorted(map(sorted, workers.values())) == [[0], [1]]
    assert lateness_ms(turns)[0] > -1
