"""Checks of notebook 11, the claims lab."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from statistics import fmean, pstdev, stdev

from alexnet_edu.check.exercises import Inputs, exercise
from alexnet_edu.intervals import holm, smallest_effect, t_limit

__all__ = ["interval", "misled", "paired", "raised", "seeds_needed"]

Errors = dict[int, float]


def _paired(without: Errors, base: Errors) -> list[float]:
    return [100 * (without[seed] - base[seed]) for seed in sorted(without.keys() & base.keys())]


@exercise(
    "what the two runs of a seed share drops out of the difference.",
    right=_paired,
    hint=("Which seeds do both have?", "A dictionary's keys can be intersected: `a.keys() & b.keys()`."),
    mistakes=[
        (lambda a, b: [-x for x in _paired(a, b)], "The other way round: without the choice minus the base."),
        (lambda a, b: [x / 100 for x in _paired(a, b)], "Those are shares; points are per cent."),
        (
            lambda a, b: [100 * (x - y) for x, y in zip(a.values(), b.values(), strict=False)],
            "Pair by seed, not by place: a seed may be missing on one side.",
        ),
        (lambda a, b: [100 * (a[s] - fmean(b.values())) for s in sorted(a)], "Each run has a partner of its own."),
    ],
)
def paired() -> Iterable[Inputs]:
    """Exercise 1: differences in points, by seed in rising order: ``(errors without, errors of the base)``."""
    return [({1: 0.5, 2: 0.25, 4: 0.75}, {1: 0.25, 2: 0.5, 3: 0.25, 4: 0.5}), ({2: 0.5, 5: 0.125}, {5: 0.25, 2: 0.25})]


def _misled(values: Sequence[float]) -> float:
    return fmean(float(value * fmean(values) <= 0) for value in values)


@exercise(
    "a single pair is a draw from these, no more.",
    right=_misled,
    hint=("On which side of 0 is the mean?", "A pair misleads if it is on the other side, or says nothing."),
    mistakes=[
        (lambda v: 1 - _misled(v), "Those are the pairs that tell the truth."),
        (lambda v: round(_misled(v) * len(v)), "That is how many; a share is wanted."),
        (lambda v: fmean(float(x <= 0) for x in v), "The mean may be below 0 as well: then positive pairs mislead."),
        (lambda v: fmean(float(x < fmean(v)) for x in v), "Compare signs, with 0 between, not with the mean."),
    ],
)
def misled() -> Iterable[Inputs]:
    """Exercise 2: the share of single pairs whose sign is not that of the mean: ``(differences)``."""
    return [([1.0, 2.0, -0.5, 3.0],), ([-1.0, -2.0, 0.5, 0.25, -4.0],), ([0.5, 0.75],)]


def _interval(values: Sequence[float], scale: float = 1.0, limit: float | None = None) -> tuple[float, float]:
    limit = t_limit(0.95, len(values) - 1) if limit is None else limit
    half = scale * limit * stdev(values) / sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


@exercise(
    "few values know little of how they scatter, so Student's limit is wider than 1.96.",
    right=_interval,
    hint=("Mean, give or take the limit times the standard error.", "Standard error: deviation over the root of n."),
    mistakes=[
        (lambda v: _interval(v, limit=1.96), "1.96 is for many values; take `t_limit(0.95, n - 1)`."),
        (lambda v: _interval(v, limit=t_limit(0.95, len(v))), "One degree of freedom went into the mean: n - 1."),
        (
            lambda v: _interval(v, sqrt(len(v))),
            "That is where single values lie; a mean scatters less.",
        ),
        (lambda v: _interval(v, pstdev(v) / stdev(v)), "Divide by n - 1 in the deviation: `stdev`, not `pstdev`."),
        (lambda v: _interval(v, 0.5), "Half of it is missing: the limit counts to either side of the mean."),
    ],
)
def interval() -> Iterable[Inputs]:
    """Exercise 3: low and high end of the 95 % interval of a mean: ``(values)``."""
    return [([1.0, 2.0, 4.0],), ([-1.0, 0.5, 0.25, 3.0, 1.0, 2.0],)]


def _seeds_needed(deviation: float, effect: float) -> int:
    return next(n for n in range(2, 10_000) if smallest_effect(deviation, n) <= effect)


@exercise(
    "half the effect takes four times the seeds.",
    right=_seeds_needed,
    rtol=0.01,
    hint="Try n from 2 upwards until `smallest_effect(deviation, n)` is small enough.",
    mistakes=[
        (
            lambda d, e: next(n for n in range(2, 10_000) if t_limit(0.95, n - 1) * d / sqrt(n) <= e),
            "So few find it every second time only: use `smallest_effect`.",
        ),
        (lambda d, e: _seeds_needed(d, e) - 1, "One more: there the smallest effect is still too large."),
        (lambda d, e: _seeds_needed(d, 2 * e), "That finds an effect twice as large."),
        (lambda d, e: _seeds_needed(e, d), "The deviation comes first, then the effect."),
    ],
)
def seeds_needed() -> Iterable[Inputs]:
    """Exercise 4: the fewest seeds that find an effect four times in five: ``(deviation, effect)``, in points."""
    return [(1.0, 1.0), (1.5, 0.5), (2.0, 1.0)]


@exercise(
    "the smallest must pass the hardest test, the next one a little less hard a test.",
    right=lambda chances: holm(chances),
    hint=("Sort; multiply by how many are left; cut at 1.", "No raised value may be below that of a smaller chance."),
    mistakes=[
        (lambda p: [min(1.0, len(p) * x) for x in p], "That is Bonferroni's: Holm's factor falls by one each time."),
        (lambda p: sorted(holm(p)), "The values are right; each belongs in the place where its chance stood."),
        (
            lambda p: [min(1.0, x * (len(p) - sorted(p).index(x))) for x in p],
            "A larger chance ended below a smaller one: keep the largest so far.",
        ),
        (lambda p: list(p), "Those are the chances as they came."),
    ],
)
def raised() -> Iterable[Inputs]:
    """Exercise 5: Holm's p values, in the order of the chances: ``(chances)``."""
    return [([0.01, 0.04, 0.03],), ([0.2, 0.001, 0.019, 0.5],), ([0.02, 0.021, 0.022],)]
