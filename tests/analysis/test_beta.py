"""The incomplete beta function against exact sums and published tables."""

from __future__ import annotations

from math import comb

import pytest

from chatload.analysis.beta import regularised_beta, student_quantile


@pytest.mark.parametrize("n", [1, 7, 40, 200])
@pytest.mark.parametrize("p", [0.003, 0.2, 0.5, 0.97])
def test_the_tail_of_a_binomial_is_the_sum_of_its_terms(n: int, p: float) -> None:
    for k in range(0, n, max(1, n // 7)):
        exact = sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))
        assert 1.0 - regularised_beta(p, k + 1.0, n - k) == pytest.approx(exact, abs=1e-11)


@pytest.mark.parametrize(
    ("p", "degrees", "table"),
    [(0.975, 1, 12.706), (0.975, 9, 2.262), (0.995, 4, 4.604), (0.95, 30, 1.697), (0.975, 1e6, 1.960)],
)
def test_students_t_as_in_the_tables(p: float, degrees: float, table: float) -> None:
    assert student_quantile(p, degrees) == pytest.approx(table, abs=1e-3)


def test_beta_at_its_ends_and_symmetry() -> None:
    assert regularised_beta(0.0, 2, 3) == 0.0
    assert regularised_beta(1.0, 2, 3) == 1.0
    assert regularised_beta(0.3, 2.5, 4) == pytest.approx(1 - regularised_beta(0.7, 4, 2.5), abs=1e-12)
