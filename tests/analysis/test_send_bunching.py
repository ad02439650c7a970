"""How sends bunch: against laws whose dispersion is known, and with users in step in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from statistics import fmean, variance

import pytest

from chatload.analysis.send_bunching import bunching_of, moves_ttft
from chatload.analysis.summary import summarise
from chatload.analysis.window import Window
from chatload.model.summary import Bunching
from chatload.model.turn import Turn
from chatload.store.journal import read_run
from lab.calibration.replay import Target
from lab.coverage.loads import Chat, always, exponential, lognormal
from tests.long import size
from tests.runs_builder import Shape, manifest_of, user_lines, write_run

MS = 1_000_000
TTFT_MS = 50.0


def sends(at_ms: Sequence[float], ttft_ms: Callable[[float], float] = lambda _: TTFT_MS) -> list[Turn]:
    """Good turns, sent then."""
    return [
        Turn(
            turn_id=f"{number}",
            request_id="",
            user=number,
            turn=1,
            due_ns=round(at * MS),
            sent_ns=round(at * MS),
            first_token_ns=round((at + ttft_ms(at)) * MS),
            end_ns=round((at + 100) * MS),
            ok=True,
        )
        for number, at in enumerate(at_ms)
    ]


def found_in(turns: list[Turn], until_ms: float) -> Bunching:
    found = bunching_of([(turns, Window(0, round(until_ms * MS)))])
    assert found is not None
    return found


def test_independent_sends_have_a_dispersion_of_one() -> None:
    drawn = random.Random(1)
    at_ms = list(accumulate(drawn.expovariate(1 / 20) for _ in range(20_000)))
    found = found_in(sends(at_ms), at_ms[-1])
    assert found.bin_ms == TTFT_MS
    assert found.dispersion == pytest.approx(1.0, abs=4 * (2 / found.bins) ** 0.5)
    assert found.others_if_independent == pytest.approx(2.5, rel=0.03)
    assert not moves_ttft(found)


def test_even_sends_have_none_and_groups_have_their_size() -> None:
    even = found_in(sends([25.0 * number for number in range(4000)]), 100_000)
    assert even.dispersion == pytest.approx(0.0, abs=1e-9)
    drawn = random.Random(2)
    starts = list(accumulate(drawn.expovariate(1 / 200) for _ in range(5000)))
    groups = found_in(sends([at for at in starts for _ in range(10)]), starts[-1])
    assert groups.dispersion == pytest.approx(10.0, rel=0.06)
    assert groups.others == pytest.approx(groups.others_if_independent + 9, rel=0.06)


def test_it_is_the_variance_of_counts_by_their_mean_and_others_are_what_a_turn_meets() -> None:
    """The figures by the definition, counted one by one."""
    drawn = random.Random(3)
    at_ms = sorted(drawn.uniform(0, 5000) for _ in range(300))
    counts = [sum(place * 50 <= at < place * 50 + 50 for at in at_ms) for place in range(100)]
    found = found_in(sends(at_ms), 5000)
    assert found.bins == 100
    assert found.dispersion == pytest.approx(variance(counts) / fmean(counts))
    met = sum(n * (n - 1) for n in counts) / sum(counts)
    assert found.others == pytest.approx(met, abs=0.03)


def test_stretches_of_different_rates_are_each_against_their_own() -> None:
    """Two levels, each of evenly spaced sends: no scatter, though their rates differ by ten."""
    slow, fast = sends([50.0 * n for n in range(100)]), sends([5.0 * n for n in range(1000)])
    window = Window(0, 5000 * MS)
    found = bunching_of([(slow, window), (fast, window)])
    assert found is not None
    assert found.dispersion == pytest.approx(0.0, abs=1e-9)


def test_crowded_turns_are_held_against_the_others() -> None:
    lone = [1000.0 * n for n in range(200)]
    bursts = [at + 500 + step for at in lone for step in range(8)]

    def slower_in_bursts(at: float) -> float:
        return 60.0 if at % 1000 else 40.0

    found = found_in(sends(sorted([*lone, *bursts]), slower_in_bursts), 200_000)
    assert found.slowdown == pytest.approx(1.5)
    assert moves_ttft(found)
    alike = found_in(sends(sorted([*lone, *bursts])), 200_000)
    assert alike.dispersion == pytest.approx(found.dispersion, rel=0.2)
    assert alike.slowdown == 1.0
    assert not moves_ttft(alike), "bunched, but TTFT does not care"


@pytest.mark.parametrize(
    ("dispersion", "bins", "slowdown", "moves"),
    [
        (1.4, 10_000, None, False),
        (1.6, 10_000, None, True),
        (1.6, 10_000, 1.05, False),
        (1.6, 10_000, 1.2, True),
        (1.6, 30, None, False),  # independent sends scatter that much over 30 bins
        (3.0, 30, None, True),
    ],
)
def test_it_moves_ttft_beyond_its_bound_beyond_chance_and_where_ttft_shows_it(
    dispersion: float, bins: int, slowdown: float | None, moves: bool
) -> None:
    found = Bunching(
        bin_ms=50, bins=bins, dispersion=dispersion, others=3, others_if_independent=2, slowdown=slowdown
    )
    assert moves_ttft(found) == moves


@pytest.mark.parametrize("turns", [[], sends([1.0, 2.0]), sends([float(n) for n in range(200)])])
def test_too_short_a_time_tells_nothing(turns: list[Turn]) -> None:
    assert bunching_of([(turns, Window(0, 200 * MS))]) is None


def warnings_of(folder: Path, chat: Chat, drawn: str = "constant") -> list[str]:
    """The warnings of this chat on a simulated server in virtual time."""
    server = Target("vllm-v1@demo", {"max_num_seqs": 64})
    turns = sorted(chat.play(server.playback(), random.Random(1)), key=lambda turn: turn.end_ns)
    shape = Shape(users=chat.users, turns=chat.turns, users_per_s=chat.spawn_rate)
    manifest = manifest_of(shape, turns)
    manifest["plan"]["think_time_drawn"] = drawn
    run = read_run(write_run(folder, manifest, turns, user_lines(turns)))
    return [words for words in summarise(run).warnings if "in step" in words]


@pytest.mark.parametrize("users_per_s", size([40.0, 1000.0], [40.0]))
def test_users_in_step_are_told(users_per_s: float, tmp_path: Path) -> None:
    (words,) = warnings_of(tmp_path, Chat(answer=always(100), spawn_rate=users_per_s))
    assert "--think-time 'exp 2'" in words


@pytest.mark.parametrize("users_per_s", size([40.0, 1000.0], [1000.0]))
def test_drawn_think_times_or_answers_keep_users_apart(users_per_s: float, tmp_path: Path) -> None:
    """Most of all where all begin at once."""
    drawn = Chat(answer=always(100), spawn_rate=users_per_s, think_s=exponential(2.0))
    assert warnings_of(tmp_path / "drawn", drawn) == []
    assert warnings_of(tmp_path / "varied", Chat(answer=lognormal(100, 60), spawn_rate=users_per_s)) == []


def test_who_draws_think_times_is_not_told_to_draw_them(tmp_path: Path) -> None:
    (words,) = warnings_of(tmp_path, Chat(answer=always(100), spawn_rate=1000.0), "exponential")
    assert "--think-time" not in words
