"""Checks of notebook 07, benchmarks."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean, median, quantiles, stdev

from alexnet_edu.check.compare import OneOf
from alexnet_edu.check.exercises import Inputs, exercise, question

__all__ = ["batch_at_the_ridge", "dense_intensity", "summary", "training_days"]


def _halves(times: list[float]) -> list[float]:
    """Quartiles as school teaches them: the medians of both halves, without the middle value."""
    ordered, half = sorted(times), len(times) // 2
    return [median(ordered[:half]), median(ordered), median(ordered[-half:])]


def _quartiles(times: list[float]) -> OneOf:
    """By every usual definition: they differ in how they interpolate between two times."""
    ordered, quarter = sorted(times), len(times) // 4
    one_of_them = [ordered[quarter], median(ordered), ordered[-1 - quarter]]
    return OneOf(quantiles(times, n=4, method="inclusive"), quantiles(times, n=4), _halves(times), one_of_them)


def _mid(times: list[float]) -> float:
    return median(times)


@exercise(
    "one slow run changes nothing.",
    right=_quartiles,
    hint=("Order the times first.", "A quarter of them lies below the first value, a quarter above the third."),
    mistakes=[
        (lambda t: (..., fmean(t), ...), "That is the mean, which one slow run pulls up; the median is wanted."),
        (lambda t: (..., t[len(t) // 2], ...), "The middle of the *ordered* times is wanted."),
        (lambda t: (_mid(t) - stdev(t), ..., _mid(t) + stdev(t)), "A standard deviation is ruled by the slowest run."),
        (lambda t: (min(t), ..., max(t)), "Smallest and largest are two runs; quartiles speak for half of them."),
        (lambda t: _halves(t)[::-1], "The first quartile comes first."),
        (lambda t: _halves(t)[:2], "The third quartile is missing."),
        (lambda t: median(t), "That is the median alone; the spread is missing."),
    ],
)
def summary() -> Iterable[Inputs]:
    """Exercise 1: first quartile, median and third quartile of a list of times."""
    return [([9.0, 3.0, 1.0, 2.0, 4.0, 7.0, 5.0, 6.0, 80.0],), ([5.0, 1.0, 30.0, 2.0, 4.5],)]


def _intensity(inputs: int, outputs: int, batch: int, bytes_a_value: int) -> float:
    moved = batch * (inputs + outputs) + inputs * outputs
    return 2 * batch * inputs * outputs / (bytes_a_value * moved)


@exercise(
    "weights are read once for the whole batch.",
    right=_intensity,
    hint=("Count for one input and one output.", "How many FLOP, and how many bytes in each of the three tensors?"),
    mistakes=[
        (lambda i, o, b, s: _intensity(i, o, b, s) / 2, "That is MACs per byte; one MAC is two FLOP."),
        (lambda i, o, b, s: 2 * i * o / (s * (i + o + i * o)), "The weights are moved once, not once per picture."),
        (lambda i, o, b, s: s * _intensity(i, o, b, s), "That is FLOP per value; a value has several bytes."),
        (lambda i, o, b, s: 2 * b / s, "Inputs and outputs are moved, too."),
        (lambda i, o, b, s: 1 / _intensity(i, o, b, s), "Upside down: FLOP over bytes."),
        (lambda i, o, b, s: _intensity(i, o, b, 4), "A value does not always have four bytes."),
    ],
)
def dense_intensity() -> Iterable[Inputs]:
    """Exercise 2: FLOP per byte of a fully connected layer: ``function(inputs, outputs, batch, bytes_a_value)``."""
    return [(9216, 4096, 2, 4), (100, 10, 64, 8), (4096, 1000, 128, 4)]


@question(
    "2 FLOP for each picture and 4 bytes per weight: 20 / 2 is 10.",
    right=20,
    hint=("How many FLOP per byte does batch 1 give?", "How does that grow with the batch?"),
    mistakes=[
        (40, "One MAC is two FLOP, so half of that is enough."),
        (10, "How many bytes has each weight, and how many FLOP does it take part in?"),
        (5, "The other way round: at batch 1 there is half a FLOP for each byte."),
        (80, "Bytes are counted twice: each weight has four of them."),
        (2.5, "FLOP over bytes, not bytes over FLOP."),
    ],
)
def batch_at_the_ridge(batch: int) -> object:
    """Exercise 3: the batch at which a large fully connected layer in float32 reaches 10 FLOP per byte."""
    return batch


def _days(macs: int, pictures: float, passes: float, speed: float) -> float:
    return 6 * macs * pictures * passes / speed / 86400


@exercise(
    "six FLOP for each MAC: three passes, two operations.",
    right=_days,
    hint=("Which factors turn the MACs of one picture into the FLOP of a training?", "What is the unit of the rest?"),
    mistakes=[
        (lambda m, n, p, f: _days(m, n, p, f) / 6, "A MAC is two FLOP, and training costs more than a forward pass."),
        (lambda m, n, p, f: _days(m, n, p, f) / 3, "Training also goes backward."),
        (lambda m, n, p, f: _days(m, n, p, f) / 2, "One MAC is two FLOP."),
        (lambda m, n, p, f: _days(m, n, p, f) * 86400, "That is in seconds; days are wanted."),
        (lambda m, n, p, f: _days(m, n, p, f) * 24, "That is in hours; days are wanted."),
        (lambda m, n, p, f: _days(m, n, p, f) * 2 / 3, "Backward costs twice the forward pass, which comes on top."),
        (lambda m, n, p, f: _days(m, n, 90, f), "The number of epochs is an argument; you take 90."),
        (lambda m, n, p, f: _days(m, n, 1, f), "Each picture is shown more than once."),
    ],
)
def training_days() -> Iterable[Inputs]:
    """Exercise 5: days of training: ``function(macs, pictures, passes, flop_per_second)``."""
    return [(724_406_816, 1.2e6, 90, 1e12), (10**9, 1e4, 3, 1e10)]
