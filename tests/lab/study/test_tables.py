"""Tables: article | ours | difference."""

from __future__ import annotations

from lab.study.article_results import Draws, FigureRow
from lab.study.tables import figure_cells


def test_a_line_says_both_figures_and_their_difference() -> None:
    seen = FigureRow("vLLM, every 1 s", "requests/s", 0.95, 0.90, draws=Draws(0.93, 0.86, 0.99))
    unseen = FigureRow("vLLM, at once", "all tokens/s", 1973.84, 2072.53, unseen=True)
    first, second = figure_cells([seen, unseen])
    assert first == (
        "vLLM, every 1 s",
        "requests/s",
        "0.95",
        "0.93",
        "−2.1%",
        "0.86 … 0.99",
        "0.90",
        "fitted",
    )
    assert second == ("vLLM, at once", "all tokens/s", "1,974", "", "+5.0%", "", "2,073", "unseen")
