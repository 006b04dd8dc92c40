"""Checks of the project: training on pictures of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isclose
from typing import Any

import torch
from torch import Tensor

from alexnet_edu.check import check, expect, same
from alexnet_edu.check.common import differs, number
from alexnet_edu.intervals import Z, wilson

__all__ = ["leaks", "report", "summary"]

PerClass = dict[str, list[int]]


@check("each test picture on your list is, to the eye, one that the network was trained on.")
def leaks(
    function: Callable[[Tensor, Tensor, float], Iterable[int]],
    *,
    cases: Iterable[tuple[int, int]] = ((6, 5),),
) -> None:
    """Numbers of the test thumbnails that are near a training thumbnail or its mirror image; a case is two counts."""
    for trained, tested in cases:
        train = torch.randint(0, 256, (trained, 8, 8), dtype=torch.uint8)
        test = torch.randint(0, 256, (tested, 8, 8), dtype=torch.uint8)
        noise = torch.randint(-3, 4, (8, 8))
        test[1] = (train[3].int() + noise).clamp(0, 255).to(torch.uint8)
        test[tested - 1] = train[0].flip(1)
        test[2] = train[1].flip(0)  # upside down: no training picture was
        got = function(train, test, 4.0)
        values = sorted(int(i) for i in (got.tolist() if isinstance(got, Tensor) else got))
        want = [1, tested - 1]
        for mistake, hint in (
            (
                [tested - 1],
                "a copy that was saved again differs by a little: compare the mean of the absolute differences with "
                "limit, and as floats, since uint8 wraps around (3 - 5 is 254).",
            ),
            ([1], "training mirrors its pictures: compare with mirror images, left to right, as well."),
            ([1, 2], "a mirror image swaps left and right, not top and bottom."),
            ([1, 2, tested - 1], "a mirror image swaps left and right only."),
            ([0, 3], "those are the numbers of the training pictures; give those of the test pictures."),
        ):
            expect(values != mistake or mistake == want, hint)
        same(values, want, f"Right are {want}: the mean of the 64 absolute differences is at most limit.")


@check("a share, what a constant answer reaches, and how far chance alone may have moved it.")
def summary(
    function: Callable[[PerClass], dict[str, Any]],
    *,
    cases: Iterable[PerClass] = ({"cat": [45, 50], "dog": [12, 30], "owl": [15, 20]},),
) -> None:
    """The figures of a test by class; a case is what ``per_class`` in ``result.json`` holds."""
    for per_class in cases:
        got, want = function({name: list(pair) for name, pair in per_class.items()}), _summary(per_class)
        expect(
            isinstance(got, Mapping), "a dictionary is wanted, with top1, mean_per_class, baseline, low, high, worst."
        )
        for name in want:
            expect(name in got, f"{name} is missing in your dictionary.")
        values = {name: number(got[name]) for name in want if name != "worst"}
        top1, total = want["top1"], sum(count for _, count in per_class.values())
        half = Z * (top1 * (1 - top1) / total) ** 0.5
        for name, mistake, hint in (
            ("top1", 100 * top1, "a share from 0 to 1 is wanted, not per cent."),
            ("top1", want["mean_per_class"], "that is the mean over classes; top1 counts every picture once."),
            ("mean_per_class", top1, "that counts pictures; here every class counts once, large or small."),
            ("baseline", 1 / len(per_class), "always naming the *largest* class does better than guessing."),
            ("low", top1 - half, "that is the simple interval, which can leave 0..1; use Wilson's."),
            ("high", top1 + half, "that is the simple interval, which can leave 0..1; use Wilson's."),
        ):
            differs(values[name], want[name], mistake, f"{name}: {hint}")
        for name, value in values.items():
            same(value, want[name], f"{name} of {per_class} should be {want[name]:.4f}.", tolerance=1e-3)
        most = max(per_class, key=lambda name: per_class[name][1] - per_class[name][0])
        expect(
            got["worst"] != most or most == want["worst"], "worst: the smallest *share* of right answers, not count."
        )
        same(got["worst"], want["worst"], "worst: the class with the smallest share of right answers.")


def _summary(per_class: PerClass) -> dict[str, Any]:
    shares = {name: right / total for name, (right, total) in per_class.items() if total}
    right, total = (sum(column) for column in zip(*per_class.values(), strict=True))
    low, high = wilson(right, total)
    return {
        "top1": right / total,
        "mean_per_class": sum(shares.values()) / len(shares),
        "baseline": max(count for _, count in per_class.values()) / total,
        "low": low,
        "high": high,
        "worst": min(shares, key=lambda name: shares[name]),
    }


@check("what you state is what the test measured.")
def report(
    answer: Mapping[str, Any], result: Mapping[str, Any], *, fields: Iterable[str] = ("pictures", "top1")
) -> None:
    """The report's figures, in per cent with one decimal, against the content of ``result.json``."""
    pasted = "result should be all of result.json as `alexnet-edu train` wrote it."
    expect(isinstance(result, Mapping) and {"one_crop", "ten_crops"} <= set(result), pasted)
    one, ten = result["one_crop"], result["ten_crops"]
    want = {name: 100 * value for name, value in _summary(one["per_class"]).items() if name != "worst"}
    want["pictures"] = one["pictures"]
    expect(
        isclose(want["top1"], 100 * one["top1"]["value"], abs_tol=1e-6), f"{pasted} Its figures contradict each other."
    )
    expect(isinstance(answer, Mapping), "a dictionary is wanted.")
    for name in fields:
        expect(name in answer, f"{name} is missing in your report.")
        value = number(answer[name])
        if name == "top1":
            differs(value, want[name], 100 * ten["top1"]["value"], "top1: that is the figure of ten crops.")
            differs(value, want[name], 100 * one["top5"]["value"], "top1: that is the top-5 figure.")
            differs(value, want[name], 100 - want[name], "top1: that is the error; state the share of right answers.")
        if name != "pictures":
            differs(value, want[name], want[name] / 100, f"{name}: in per cent, such as 81.2.")
        expect(abs(value - want[name]) <= 0.06, f"{name}: result.json says {want[name]:.1f}, your report {value:.1f}.")
