"""Intervals against tables, and against what they promise: how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from alexnet_edu.errors import AlexNetError
from alexnet_edu.intervals import estimate, holm, smallest_effect, t_inside, t_limit, wilson

# Two-sided limits from printed tables of Student's t.
TABLE = {
    (0.95, 1): 12.706, (0.95, 2): 4.303, (0.95, 3): 3.182, (0.95, 7): 2.365, (0.95, 9): 2.262, (0.95, 30): 2.042,
    (0.99, 2): 9.925, (0.99, 7): 3.499, (0.99, 20): 2.845, (0.999, 7): 5.408, (0.5, 4): 0.741,
}  # fmt: skip


@pytest.mark.parametrize(("inside", "freedom"), TABLE)
def test_students_limits_are_those_of_printed_tables(inside: float, freedom: int) -> None:
    assert t_limit(inside, freedom) == pytest.approx(TABLE[inside, freedom], abs=6e-4)
    assert t_inside(t_limit(inside, freedom), freedom) == pytest.approx(inside, abs=1e-9)


def test_students_distribution_agrees_with_scipy_where_it_is_installed() -> None:
    stats = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 3, 8, 15, 31, 100):
        for t in (0.1, 1.0, 2.5, 6.0):
            assert t_inside(t, freedom) == pytest.approx(1 - 2 * stats.t.sf(t, freedom), abs=1e-12)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    generator = np.random.default_rng(0)
    samples = generator.normal(0.3, 1.0, (2000, 6))
    held = sum(found.low <= 0.3 <= found.high for found in map(estimate, samples.tolist()))
    assert held / 2000 == pytest.approx(0.95, abs=0.015)


def test_an_estimate_by_hand() -> None:
    found = estimate([1.0, 2.0, 3.0])
    assert (found.mean, found.deviation, found.number) == (2.0, 1.0, 3)
    assert found.high - 2 == pytest.approx(4.303 / 3**0.5, abs=1e-3) and found.low == pytest.approx(4 - found.high)
    assert found.p == pytest.approx(0.0742, abs=1e-4)
    assert estimate([2.0, 2.0]).p == 0.0 and estimate([0.0, 0.0]).p == 1.0
    with pytest.raises(AlexNetError, match="at least 2 values, not 1"):
        estimate([1.0])


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == []


def test_holm_keeps_false_alarms_of_a_family_rare() -> None:
    generator = np.random.default_rng(1)
    alarms = sum(min(holm(list(row))) < 0.05 for row in generator.random((4000, 13)))
    assert alarms / 4000 == pytest.approx(0.05, abs=0.012)


def test_the_smallest_effect_is_found_four_times_in_five() -> None:
    generator = np.random.default_rng(2)
    for number in (5, 8, 20):
        effect = smallest_effect(1.0, number)
        samples = generator.normal(effect, 1.0, (2000, number))
        assert np.mean([estimate(row).p < 0.05 for row in samples.tolist()]) == pytest.approx(0.8, abs=0.03)
        assert smallest_effect(1.0, number, level=0.05 / 13) > effect
        assert smallest_effect(0.5, number) == pytest.approx(effect / 2)


def test_a_share_of_nothing_is_anything() -> None:
    assert wilson(0, 0) == (0.0, 1.0) and wilson(5, 5)[1] == 1.0
