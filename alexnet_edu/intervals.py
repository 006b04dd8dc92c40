"""How sure a measured number is: a share of right answers, or the mean of a few differences."""

from __future__ import annotations

from collections.abc import Sequence
from math import atan, cos, pi, sin, sqrt
from statistics import fmean, stdev
from typing import NamedTuple

from alexnet_edu.errors import AlexNetError

__all__ = ["Estimate", "Z", "estimate", "holm", "smallest_effect", "t_inside", "t_limit", "wilson"]

Z = 1.96  # standard deviations on either side of a 95 % interval


def wilson(right: float, total: float) -> tuple[float, float]:
    """The 95 % interval of a share as (low, high); sensible near 0 and 1 too [Wilson 1927, JASA 22, page 209]."""
    if not total:
        return 0.0, 1.0
    share, z2 = right / total, Z**2 / total
    middle, half = share + z2 / 2, Z * sqrt((share * (1 - share) + z2 / 4) / total)
    low, high = (middle - half) / (1 + z2), (middle + half) / (1 + z2)
    return (low if right else 0.0), (high if right < total else 1.0)  # rounding would leave a share of 0 or 1 out


def t_inside(t: float, freedom: int) -> float:
    """The chance that Student's t lies between ``-t`` and ``t`` [Abramowitz and Stegun 1964, 26.7.3 and 26.7.4].

    Args:
        t: the limit, at least 0.
        freedom: degrees of freedom, one less than there are values.
    """
    angle, odd = atan(t / sqrt(freedom)), freedom % 2
    term, total = cos(angle) if odd else 1.0, 0.0
    for k in range(1, freedom // 2 + 1):
        total += term
        term *= (2 * k / (2 * k + 1) if odd else (2 * k - 1) / (2 * k)) * cos(angle) ** 2
    return 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total


def t_limit(inside: float, freedom: int) -> float:
    """The limit between whose two signs Student's t lies with the chance ``inside``: 2.365 for 0.95 and 7."""
    low, high = 0.0, 1.0
    while t_inside(high, freedom) < inside:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_inside(middle, freedom) < inside else (low, middle)
    return high


class Estimate(NamedTuple):
    """A mean and its interval.

    Attributes:
        mean: of the values.
        low: end of the interval.
        high: its other end.
        p: how often values that are 0 on average would have a mean as far from 0.
        deviation: standard deviation of the values.
        number: how many there are.
    """

    mean: float
    low: float
    high: float
    p: float
    deviation: float
    number: int


def estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The mean of values that scatter like a normal distribution, with Student's interval.

    Raises:
        AlexNetError: there are fewer than 2 values, so that nothing says how they scatter.
    """
    number = len(values)
    if number < 2:
        raise AlexNetError(f"An interval needs at least 2 values, not {number}.")
    mean, deviation = fmean(values), stdev(values)
    error = deviation / sqrt(number)
    half = t_limit(confidence, number - 1) * error
    p = 1 - t_inside(abs(mean) / error, number - 1) if error else float(mean == 0)
    return Estimate(mean, mean - half, mean + half, max(0.0, p), deviation, number)


def holm(chances: Sequence[float]) -> list[float]:
    """The p values of a family, raised so that one in twenty *families* has a false alarm below 0.05 [Holm 1979].

    The smallest is multiplied by the number of members, the next by one less, and so on; none ends below a smaller one.
    """
    raised, least = [1.0] * len(chances), 0.0
    for place, member in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        least = max(least, min(1.0, (len(chances) - place) * chances[member]))
        raised[member] = least
    return raised


def smallest_effect(deviation: float, number: int, *, level: float = 0.05, power: float = 0.8) -> float:
    """The smallest true mean that ``number`` values would find with the chance ``power``, about.

    Args:
        deviation: of the values, in their unit; so is the result.
        number: how many.
        level: the p value below which a mean counts as found; 0.05 / members for the first of Holm's family.
        power: the chance of finding it.
    """
    freedom = number - 1
    return (t_limit(1 - level, freedom) + t_limit(2 * power - 1, freedom)) * deviation / sqrt(number)
