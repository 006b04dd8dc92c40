"""How sure a share of right answers is."""

from __future__ import annotations

from math import sqrt

__all__ = ["Z", "wilson"]

Z = 1.96  # standard deviations on either side of a 95 % interval


def wilson(right: float, total: float) -> tuple[float, float]:
    """The 95 % interval of a share as (low, high); sensible near 0 and 1 too [Wilson 1927, JASA 22, page 209]."""
    if not total:
        return 0.0, 1.0
    share, z2 = right / total, Z**2 / total
    middle, half = share + z2 / 2, Z * sqrt((share * (1 - share) + z2 / 4) / total)
    low, high = (middle - half) / (1 + z2), (middle + half) / (1 + z2)
    return (low if right else 0.0), (high if right < total else 1.0)  # rounding would leave a share of 0 or 1 out
