"""The checks of notebook 07: right answers pass, wrong ones get the hint that fits."""

from __future__ import annotations

from statistics import fmean, quantiles, stdev

import pytest
import torch

from alexnet_edu.check import nb07


def summary(times):
    return tuple(torch.tensor(times).quantile(torch.tensor([0.25, 0.5, 0.75])).tolist())


def intensity(inputs, outputs, batch, size):
    return 2 * batch * inputs * outputs / (size * (batch * (inputs + outputs) + inputs * outputs))


def days(macs, pictures, passes, speed):
    return 3 * 2 * macs * pictures * passes / speed / 86400


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("summary", summary),
        ("summary", lambda times: quantiles(times, n=4, method="inclusive")),
        ("summary", lambda times: torch.tensor(times).quantile(torch.tensor([0.25, 0.5, 0.75]))),
        ("dense_intensity", intensity),
        ("batch_at_the_ridge", 20),
        ("training_days", days),
    ],
)
def test_right_answers_pass(name, answer):
    result = getattr(nb07, name)(answer)
    assert result, result


WRONG = [
    ("summary", lambda t: (summary(t)[0], fmean(t), summary(t)[2]), "the mean"),
    ("summary", lambda t: (fmean(t) - stdev(t), fmean(t), fmean(t) + stdev(t)), "the mean"),
    ("summary", lambda t: (summary(t)[1] - stdev(t), summary(t)[1], summary(t)[1] + stdev(t)), "standard deviation"),
    ("summary", lambda t: (min(t), summary(t)[1], max(t)), "Smallest and largest"),
    ("summary", lambda t: (t[2], t[4], t[6]), "Sort"),
    ("summary", lambda t: summary(t)[:2], "three numbers"),
    ("summary", lambda t: summary(t)[1], "three numbers"),
    ("summary", lambda t: summary(t)[::-1], "First quartile first"),
    ("summary", lambda t: (*summary(t)[:2], summary(t)[2] + 0.5), "a quarter above the third"),
    ("dense_intensity", lambda i, o, b, s: intensity(i, o, b, s) / 2, "two FLOP"),
    ("dense_intensity", lambda i, o, b, s: intensity(i, o, b, s) * s, "each value"),
    ("dense_intensity", lambda i, o, b, s: 2 * b / s, "Inputs and outputs"),
    ("dense_intensity", lambda i, o, b, s: 1 / intensity(i, o, b, s), "Upside down"),
    ("dense_intensity", lambda i, o, b, s: intensity(i, o, b, s) * 1.01, "bytes of all three"),
    ("dense_intensity", lambda i, o, b, s: intensity(i, o, b, 4), "bytes of all three"),
    ("batch_at_the_ridge", 40, "two FLOP"),
    ("batch_at_the_ridge", 10, "four bytes"),
    ("batch_at_the_ridge", 5, "other way round"),
    ("batch_at_the_ridge", 19, "Which batch"),
    ("batch_at_the_ridge", "twenty", "Which batch"),
    ("training_days", lambda m, n, p, f: days(m, n, p, f) / 6, "A MAC is two FLOP, and"),
    ("training_days", lambda m, n, p, f: days(m, n, p, f) / 3, "goes backward"),
    ("training_days", lambda m, n, p, f: days(m, n, p, f) / 2, "One MAC"),
    ("training_days", lambda m, n, p, f: days(m, n, p, f) * 86400, "seconds"),
    ("training_days", lambda m, n, p, f: days(m, n, p, f) * 24, "hours"),
    ("training_days", lambda m, n, p, f: days(m, n, p, f) * 2 / 3, "three in all"),
    ("training_days", lambda m, n, p, f: days(m, n, 90, f), "3 x 2"),
]


@pytest.mark.parametrize(("name", "answer", "part"), WRONG)
def test_wrong_answers_get_the_hint_that_fits(name, answer, part):
    result = getattr(nb07, name)(answer)
    assert not result and result.answered
    assert part in result.message, result


@pytest.mark.parametrize("name", nb07.__all__)
def test_every_check_has_wrong_answers_and_takes_none(name):
    assert sum(name == other for other, _, _ in WRONG) >= 3
    assert not getattr(nb07, name)(...).answered
