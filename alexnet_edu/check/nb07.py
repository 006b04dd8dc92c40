"""Checks of notebook 07, benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean, median, quantiles, stdev

from alexnet_edu.check import check, expect, same

__all__ = ["batch_at_the_ridge", "dense_intensity", "summary", "training_days"]

TIMES = [9.0, 3.0, 1.0, 2.0, 4.0, 7.0, 5.0, 6.0, 80.0]


@check("one slow run changes nothing.")
def summary(function: Callable[[list[float]], tuple[float, float, float]]) -> None:
    """First quartile, median and third quartile of a list of times."""
    low, middle, high = quantiles(TIMES, n=4, method="inclusive")
    answer = function(list(TIMES))
    several = hasattr(answer, "__len__") and len(answer) == 3
    expect(several, "Return three numbers: first quartile, median, third quartile.")
    got = [float(value) for value in answer]
    expect(abs(got[1] - fmean(TIMES)) > 1e-6, "That is the mean, which one slow run pulls up; the median is wanted.")
    expect(
        got[1] != TIMES[len(TIMES) // 2] or median(TIMES) == got[1], "Sort the times before you take the middle one."
    )
    below = got[1] - got[0]
    expect(abs(below - stdev(TIMES)) > 1e-6, "A standard deviation is ruled by the slowest run; quartiles are not.")
    extremes = got[0] == min(TIMES) or got[2] == max(TIMES)
    expect(not extremes, "Smallest and largest are two runs; quartiles speak for half of them.")
    expect(got[0] <= got[2], "First quartile first.")
    hint = "A quarter of the times lies below the first value, a quarter above the third."
    same(got, [low, middle, high], hint, tolerance=1e-5)


@check("weights are read once for the whole batch.")
def dense_intensity(function: Callable[[int, int, int, int], float]) -> None:
    """FLOP for each byte of a fully connected layer: ``function(inputs, outputs, batch, bytes_a_value)``."""
    for inputs, outputs, batch, size in ((9216, 4096, 2, 4), (100, 10, 64, 8), (4096, 1000, 128, 4)):
        macs, weights = batch * inputs * outputs, inputs * outputs
        moved = size * (batch * (inputs + outputs) + weights)
        got = function(inputs, outputs, batch, size)
        for wrong, hint in (
            (macs / moved, "That is MACs for each byte; one MAC is two FLOP."),
            (
                2 * macs / (size * batch * (inputs + outputs + weights)),
                "The weights are moved once, not once a picture.",
            ),
            (2 * macs / (moved / size), "That is FLOP for each value; multiply the values by their bytes."),
            (2 * macs / (size * weights), "Inputs and outputs are moved, too."),
            (moved / (2 * macs), "Upside down: FLOP over bytes."),
        ):
            expect(not _near(got, wrong), hint)
        hint = "2 x batch x inputs x outputs FLOP, over the bytes of all three tensors."
        same(got, 2 * macs / moved, hint, tolerance=1e-9)


def _near(got: object, value: float) -> bool:
    return isinstance(got, float | int) and abs(got - value) <= 1e-9 * abs(value)


@check("2 FLOP for each picture and 4 bytes a weight: 20 / 2 is 10.")
def batch_at_the_ridge(batch: int) -> None:
    """The batch at which a large fully connected layer in float32 reaches 10 FLOP a byte."""
    expect(batch != 40, "One MAC is two FLOP, so half of that is enough.")
    expect(batch != 10, "Two FLOP for each weight and picture, but four bytes for each weight.")
    expect(batch != 5, "The other way round: at batch 1 there is half a FLOP for each byte.")
    same(batch, 20, "Which batch gives 10 FLOP for each byte, if batch 1 gives 2 FLOP for 4 bytes?")


@check("six FLOP for each MAC: three passes, two operations.")
def training_days(function: Callable[[int, float, float, float], float]) -> None:
    """Days of training: ``function(macs, pictures, passes, flop_per_second)``."""
    for macs, pictures, passes, speed in ((724_406_816, 1.2e6, 90, 1e12), (10**9, 1e4, 3, 1e10)):
        want = 6 * macs * pictures * passes / speed / 86400
        got = function(macs, pictures, passes, speed)
        for factor, hint in (
            (1 / 6, "A MAC is two FLOP, and training costs three forward passes."),
            (1 / 3, "Training also goes backward: three times the forward pass."),
            (1 / 2, "One MAC is two FLOP."),
            (86400, "That is in seconds; a day has 86,400."),
            (24, "That is in hours; a day has 24."),
            (4 / 6, "Backward costs twice the forward pass, and the forward pass comes on top: three in all."),
        ):
            expect(not _near(got, factor * want), hint)
        same(got, want, "3 x 2 x MACs x pictures x passes, over the speed, over the seconds of a day.", tolerance=1e-9)
