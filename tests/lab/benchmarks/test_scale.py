"""The search for the largest load that is held, and what counts as held."""

from __future__ import annotations

import pytest

from chatload.certify.client_errors import ClientAnswer, ServerAnswer
from lab.benchmarks.harness import Cost, Load
from lab.benchmarks.scale import Held, next_users, outcome, shared_out

MS = 1_000_000


@pytest.mark.parametrize("most", [130, 900, 1000, 1400, 7000])
def test_the_search_ends_right_below_the_largest_load(most: int) -> None:
    tried: dict[int, bool] = {}
    while (users := next_users(tried, 1000)) is not None:
        assert users not in tried
        tried[users] = users <= most
    held = max(users for users, good in tried.items() if good)
    failed = min(users for users, good in tried.items() if not good)
    assert held <= most < failed
    assert failed - held <= 0.12 * failed
    assert len(tried) < 12


def test_a_host_that_holds_nothing_ends_it() -> None:
    tried: dict[int, bool] = {}
    while (users := next_users(tried, 1000)) is not None:
        tried[users] = False
    assert len(tried) < 8


@pytest.mark.parametrize(
    ("late_ms", "marks", "leave_out", "words"),
    [
        (0.05, (), 0, ""),
        (0.15, (), 0, "TTFT error p99 0.150 ms"),
        (0.05, ("hub_lag",), 0, "100.00% of the turns marked (20 hub_lag)"),
        (0.05, (), 1, "1 answers lost"),
    ],
)
def test_a_load_is_held_if_all_is_there_on_time_and_unmarked(
    late_ms: float, marks: tuple[str, ...], leave_out: int, words: str
) -> None:
    load = Load(users=10, users_per_s=10, turns=2)
    truth, said = {}, {}
    for number in range(20):
        at = number * 100 * MS
        tokens = tuple(at + 100 * MS + k * 100 * MS for k in range(5))
        truth[str(number)] = ServerAnswer(at, tokens)
        said[str(number)] = ClientAnswer(at, tokens[0] + round(late_ms * MS), tokens[-1], 4, marks)
    for number in range(leave_out):
        del said[str(number)]
    found = outcome(4, load, truth, said, Cost([(-1000 * MS, 0, 5), (3000 * MS, 1000 * MS, 5)]))
    assert found.shortcomings == words
    assert (found.processes, found.users, found.answers, found.lost) == (4, 10, 20, leave_out)
    assert (found.start_s, found.report_s) == (1.0, 0.6)
    assert isinstance(found, Held)


@pytest.mark.parametrize(
    ("cores", "threads", "serving", "servers", "clients"),
    [
        (range(4), [], None, [0, 1], [2, 3]),
        (range(8), [(0, 1), (2, 3), (4, 5), (6, 7)], None, [0, 2, 1, 3], [4, 6, 5, 7]),
        (range(8), [(0, 4), (1, 5), (2, 6), (3, 7)], None, [0, 1, 4, 5], [2, 3, 6, 7]),
        ([1, 2, 3], [(0, 1), (2, 3)], None, [1], [2, 3]),
        ([0, 1], [(0, 1)], None, [], [0, 1]),
        ([5], [], None, [], [5]),
        (range(8), [(0, 1), (2, 3), (4, 5), (6, 7)], 1, [0, 1], [2, 4, 6, 3, 5, 7]),
    ],
)
def test_servers_and_client_share_no_physical_core(
    cores: range | list[int],
    threads: list[tuple[int, int]],
    serving: int | None,
    servers: list[int],
    clients: list[int],
) -> None:
    def siblings(core: int) -> frozenset[int]:
        return next((frozenset(one) for one in threads if core in one), frozenset((core,)))

    assert shared_out(cores, siblings, serving) == (servers, clients)
