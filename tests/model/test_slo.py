"""SLOs as people write them: what is understood, and one line for each mistake."""

from __future__ import annotations

import pytest

from chatload.model.slo import limits_of_a_turn, read_objectives

ISSUE = [
    "p95 ttft_ms <= 500", "p50 decode_tokens_per_s >= 20", "stalled_share <= 1%", "failed_share <= 0.5%",
    "goodput >= 95%",
]  # fmt: skip


def test_a_list_and_a_text_are_read_alike() -> None:
    found, mistakes = read_objectives(ISSUE)
    assert not mistakes
    assert [one.words for one in found] == ISSUE
    assert read_objectives("; ".join(ISSUE)) == (found, [])
    assert read_objectives([one.words for one in found])[0] == found


def test_limits_and_kinds() -> None:
    found, _ = read_objectives(
        "p95 ttft_ms<500; P5 decode_tokens_per_s ≥ 20;failed_share <= .005;max max_gap_ms <= 2e3"
    )
    assert [(one.kind, one.metric, one.at_most, one.limit) for one in found[:3]] == [
        ("percentile", "ttft_ms", True, 500.0),
        ("percentile", "decode_tokens_per_s", False, 20.0),
        ("share", "failed_share", True, 0.005),
    ]
    assert [one.share_asked for one in found[:2]] == pytest.approx([0.95, 0.95])


def test_reading_underrun_has_its_reader() -> None:
    (found,), _ = read_objectives("p95 reading_underrun_ms@20 <= 300")
    assert (found.reader_tokens_per_s, found.words) == (20.0, "p95 reading_underrun_ms@20 <= 300")


def test_goodput_is_by_turn_limits_else_by_percentiles_of_nearly_all() -> None:
    by_turn, _ = read_objectives("ttft_ms <= 500; p99 e2e_ms <= 9000; goodput >= 95%")
    assert [one.words for one in limits_of_a_turn(by_turn)] == ["ttft_ms <= 500"]
    by_percentile, _ = read_objectives(ISSUE)
    assert [one.words for one in limits_of_a_turn(by_percentile)] == ["p95 ttft_ms <= 500"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("p95 tftt_ms <= 500", "unknown metric, did you mean 'ttft_ms'?"),
        ("p95 latency <= 5", "did you mean 'e2e_ms'?"),
        ("p95 TTFB <= 5", "did you mean 'first_byte_ms'?"),
        ("p95 itl_ms <= 5", "did you mean 'tpot_ms'?"),
        ("latency <= 5", "unknown metric"),
        ("ttft_ms <= 500", "of which share of the turns?"),
        ("goodput >= 95%", "good by which limit?"),
        ("goodput >= 95; ttft_ms <= 5", "must be a share such as 1% or 0.01"),
        ("failed_share <= 120%", "must be a share"),
        ("p95 failed_share <= 1%", "is one number"),
        ("ttft_ms >= 5", "less ttft_ms is better: write <="),
        ("goodput <= 5%", "more goodput is better: write >="),
        ("p95 decode_tokens_per_s >= 20", "asks only 5 % of the turns to be that good: write p5 to ask 95 %"),
        ("p5 ttft_ms <= 20", "write p95"),
        ("p95 ttft_ms <= 0.5s", "a plain number in ms must follow <="),
        ("p95 ttft_ms = 500", "must have <= or >="),
        ("p0 ttft_ms <= 5", "must be a percentile between p0 and p100"),
        ("p9.9.9 ttft_ms <= 5", "must be like"),
        ("mean ttft_ms <= 5", "a mean hides the slow"),
        ("min ttft_ms <= 5", "write max for the worst"),
        ("p95 ttft_ms@3 <= 5", "only reading_underrun_ms has a reader's speed"),
        ("p95 reading_underrun_ms@0 <= 5", "must read more than 0 tokens/s"),
        ("fast", "must be like"),
        ("p95 ttft_ms <= 1.2.3", "is no number"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_line_with_its_remedy(text: str, words: str) -> None:
    mistakes = read_objectives(text)[1]
    assert len(mistakes) == 1
    assert mistakes[0].startswith("--slo '")
    assert words in mistakes[0]
    assert "\n" not in mistakes[0]


def test_all_mistakes_at_once() -> None:
    assert len(read_objectives("a <= 1; p95 b <= 2; c")[1]) == 3
