"""The traces of `make article` ask for prompts of which the simulator counts the drawn number of tokens."""

from __future__ import annotations

from pathlib import Path

from chatload.loads.trace import read_trace
from chatload.prompts.lengths import composed_prompt
from lab.calibration.article import ARTICLE_DRAW
from lab.calibration.lengths import draw_lengths
from lab.study.article_runs import QUICK, parallel_groups
from lab.study.trace import write_trace
from simulator.text.tokens import count_tokens
from tests.long import size


def test_prompts_count_what_was_drawn(tmp_path: Path) -> None:
    """To within 3 tokens (5 for the shortest), and no pair beyond what TGI 0.9.3 takes (1,024
    and 2,048, begin of sequence included)."""
    lengths = draw_lengths(100, ARTICLE_DRAW)
    for ahead in (0, 1):
        path = tmp_path / f"{ahead}.jsonl"
        write_trace(path, lengths, [0.25 * place for place in range(100)], ARTICLE_DRAW, ahead)
        rows = read_trace(path).rows
        assert [row.due_ns for row in rows] == [place * 250_000_000 for place in range(100)]
        assert [row.output_tokens for row in rows] == [length.answer_tokens for length in lengths]
        for index, (row, length) in list(enumerate(zip(rows, lengths, strict=True)))[:: size(1, 3)]:
            assert row.prompt_tokens is not None and row.output_tokens is not None
            prompt = composed_prompt(row.prompt_tokens, row.output_tokens, f"trace {ARTICLE_DRAW} {index}")
            counted = count_tokens(prompt.text) + ahead
            assert abs(counted - length.prompt_tokens) <= (5 if length.prompt_tokens < 8 else 3)
            assert counted <= 1024 and counted + length.answer_tokens <= 2048


def test_every_load_with_a_trace_has_the_seed_that_the_trace_was_made_for(tmp_path: Path) -> None:
    (tmp_path / "traces").mkdir()
    groups = parallel_groups(QUICK, tmp_path)
    traced = [
        load for group in groups for plan in group for load in plan.loads if "--trace" in load.arguments
    ]
    assert len(traced) > 3
    for load in traced:
        at = load.arguments.index("--seed")
        assert load.arguments[at + 1] == str(ARTICLE_DRAW)
