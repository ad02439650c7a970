"""Lengths as options write them: what is drawn has the mean and spread that were asked, the same for the same seed."""

from __future__ import annotations

from statistics import fmean, stdev

import pytest

from chatload.prompts.length_distribution import LengthMistake, Lengths, TurnLengths, read_lengths

MOST = 1_000_000


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("512", Lengths("constant", 512)),
        ("512±64", Lengths("normal", 512, 64)),
        ("512 +- 64.5", Lengths("normal", 512, 64.5)),
        ("100..900", Lengths("uniform", 100, 900)),
        ("lognormal(512, 300)", Lengths("lognormal", 512, 300)),
        ("LogNormal( 512 ,300 )", Lengths("lognormal", 512, 300)),
        ("@pairs.csv", Lengths("pairs", 0)),
    ],
)
def test_every_form_is_read(text: str, found: Lengths) -> None:
    assert read_lengths(text, MOST) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", "must be 512"),
        ("1.5", "must be 512"),
        ("-3", "must be 512"),
        ("1000001", "1,000,000 tokens"),
        ("9..3", "3..9"),
        ("0..9", "must be 512"),
        ("512±", "must be 512"),
        ("0±5", "must be 512"),
        ("lognormal(512)", "lognormal(512, 300)"),
        ("lognormal(0.5, 300)", "must be 512"),
        ("many", "must be 512"),
        ("٣", "must be 512"),
    ],
)
def test_what_is_no_length_says_the_forms(text: str, words: str) -> None:
    with pytest.raises(
        LengthMistake, match=words.replace("(", r"\(").replace(")", r"\)").replace("..", r"\.\.")
    ):
        read_lengths(text, MOST)


@pytest.mark.parametrize(
    ("text", "mean", "spread"),
    [("512±64", 512, 64), ("100..900", 500, 231.2), ("lognormal(512, 300)", 512, 300)],
)
def test_drawn_lengths_have_their_mean_and_standard_deviation(text: str, mean: float, spread: float) -> None:
    """4,000 draws: the mean within 3 standard errors, the spread within 8 %."""
    lengths = read_lengths(text, MOST)
    assert lengths is not None
    drawn = [lengths.draw(f"seed {n}") for n in range(4000)]
    assert abs(fmean(drawn) - mean) < 3 * spread / 4000**0.5
    assert stdev(drawn) == pytest.approx(spread, rel=0.08)
    assert drawn == [lengths.draw(f"seed {n}") for n in range(4000)]


def test_uniform_lengths_reach_both_ends_and_no_length_is_below_one() -> None:
    uniform, wide = read_lengths("3..5", MOST), read_lengths("5±50", MOST)
    assert uniform is not None and wide is not None
    assert {uniform.draw(str(n)) for n in range(100)} == {3, 4, 5}
    assert min(wide.draw(str(n)) for n in range(200)) == 1


def test_turns_draw_apart_and_pairs_go_round_in_order() -> None:
    drawn = TurnLengths(read_lengths("1..1000", MOST), read_lengths("7", MOST), seed=3)
    assert drawn.of(0, 1)[1] == 7
    assert len({drawn.of(user, turn)[0] for user in range(5) for turn in range(1, 5)}) > 15
    assert drawn.of(2, 3) == TurnLengths(read_lengths("1..1000", MOST), read_lengths("7", MOST), seed=3).of(
        2, 3
    )
    pairs = TurnLengths(read_lengths("@f", MOST), pairs=[(10, 1), (20, 2), (30, 3)], users=2)
    assert [pairs.of(0, 1), pairs.of(1, 1), pairs.of(0, 2), pairs.of(1, 2)] == [
        (10, 1),
        (20, 2),
        (30, 3),
        (10, 1),
    ]
    assert TurnLengths(answer=read_lengths("5", MOST)).of(0, 1) == (None, 5)
