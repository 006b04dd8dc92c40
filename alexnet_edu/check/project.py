"""Checks of the project: training on pictures of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isclose
from typing import Any

import torch
from torch import Tensor

from alexnet_edu.check.exercises import Inputs, check, exercise, expect, number, whole
from alexnet_edu.intervals import Z, wilson

__all__ = ["leaks", "report", "summary"]

PerClass = dict[str, list[int]]


def _leaks(
    train: Tensor, test: Tensor, limit: float, *, mirrors: tuple[int, ...] = (2,), largest: bool = False
) -> set[int]:
    """Numbers of the test thumbnails near a training one or one flipped along ``mirrors``, by mean or largest error."""
    bank = torch.cat([train, *(train.flip(axis) for axis in mirrors)]).float().flatten(1)
    errors = (test.float().flatten(1)[:, None] - bank).abs()
    errors = errors.amax(2) if largest else errors.mean(2)
    return set((errors.amin(1) <= limit).nonzero()[:, 0].tolist())


def _near(pictures: Tensor, step: int) -> list[Tensor]:
    """Changed pictures: four that are leaks, the last far at four pixels alone, one upside down, one too far."""
    noise = (2 * torch.randint(0, 2, (8, 8)) - 1) * step
    corners = torch.arange(64).reshape(8, 8) % 16 == 0  # four pixels, which alone are far
    saved, brighter, mirrored, upright, far, spotted = pictures[:6]
    return [saved + noise, brighter + noise.abs(), mirrored.flip(1), upright.flip(0), far + 4 * noise,
            spotted + 16 * noise * corners]  # fmt: skip


def _wrapped(train: Tensor, test: Tensor, limit: float) -> set[int]:
    errors = (test[:, None] - torch.cat([train, train.flip(2)])).abs().float().mean((2, 3))
    return set((errors.amin(1) <= limit).nonzero()[:, 0].tolist())


@exercise(
    "each test picture on your list is, to the eye, one that the network was trained on.",
    right=_leaks,
    hint=("Compare one pair by hand.", "The mean of its 64 absolute differences is at most limit, mirrored or not."),
    mistakes=[
        (lambda train, test, limit: _leaks(train, test, 0), "A copy that was saved again differs by a little."),
        (_wrapped, "uint8 wraps around: 3 - 5 is 254."),
        (lambda *n: _leaks(*n, mirrors=()), "Training mirrors its pictures: a mirrored copy is a leak, too."),
        (lambda *n: _leaks(*n, mirrors=(1,)), "A mirror image swaps left and right, not top and bottom."),
        (lambda *n: _leaks(*n, mirrors=(1, 2)), "A mirror image swaps left and right only."),
        (lambda train, test, limit: _leaks(test, train, limit), "Those are the numbers of the training pictures."),
        (lambda *n: _leaks(*n, largest=True), "It is the *mean* difference that is at most limit, not the largest."),
        (lambda train, test, limit: _leaks(train, test, 50), "`limit` is an argument: yours lets more through."),
    ],
)
def leaks(hidden: bool) -> Iterable[Inputs]:
    """Problem 2: numbers of the test thumbnails near a training one or its mirror image: ``(train, test, limit)``."""
    for trained, tested in [(whole(9, 30), whole(7, 30)) for _ in range(6)] if hidden else [(6, 8), (9, 7)]:
        train, test = (torch.randint(30, 226, (count, 8, 8), dtype=torch.uint8) for count in (trained, tested))
        limit = float(whole(3, 6))
        places, sources = torch.randperm(tested), torch.randperm(trained)
        for place, changed in zip(places.tolist(), _near(train[sources].int(), int(limit) - 1), strict=False):
            test[place] = changed.clamp(0, 255).to(torch.uint8)
        yield train, test, limit


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


def _but(per_class: PerClass, **changed: Any) -> dict[str, Any]:
    """The right figures left open, and some computed otherwise."""
    return {**dict.fromkeys(_summary(per_class), ...), **changed}


def _margin(per_class: PerClass) -> float:
    total, top1 = sum(count for _, count in per_class.values()), _summary(per_class)["top1"]
    return float(Z * (top1 * (1 - top1) / total) ** 0.5)


@exercise(
    "a share, what a constant answer reaches, and how far chance alone may have moved it.",
    right=_summary,
    rtol=1e-3,
    hint="Take the figure that differs, and compute it for this test by hand.",
    mistakes=[
        (lambda n: {name: one if name == "worst" else 100 * one for name, one in _summary(n).items()},
         "Shares from 0 to "
         "1 are wanted, not per cent."),
        (lambda n: _but(n, top1=_summary(n)["mean_per_class"]), "top1 counts every picture once; yours every class."),
        (lambda n: _but(n, mean_per_class=_summary(n)["top1"]),
         "mean_per_class: every class counts once, large or small."),
        (lambda n: _but(n, mean_per_class=sum(r / t for r, t in n.values() if t) / len(n)), "mean_per_class: a class "
         "without pictures has no share."),
        (lambda n: _but(n, baseline=1 / len(n)), "baseline: naming the *largest* class does better than guessing."),
        (lambda n: _but(n, baseline=max(r for r, _ in n.values()) / sum(t for _, t in n.values())), "baseline: always "
         "naming a class is right for all of its pictures."),
        (lambda n: _but(n, low=(t := _summary(n)["top1"]) - _margin(n), high=t + _margin(n)),
         "low and high: that is the "
         "simple interval, which can leave 0..1; use Wilson's."),
        (lambda n: _but(n, low=_summary(n)["high"], high=_summary(n)["low"]), "low and high are swapped."),
        (lambda n: _but(n, worst=max(n, key=lambda name: n[name][1] - n[name][0])), "worst: the smallest *share* of "
         "right answers, not the most errors."),
    ],
)  # fmt: skip
def summary(hidden: bool) -> Iterable[Inputs]:
    """Problem 3: the figures of a test by class: ``(per_class,)``, as ``result.json`` holds it."""
    if not hidden:
        three, uneven = (
            {"cat": [45, 50], "dog": [12, 30], "owl": [15, 20]},
            {"one": [1, 2], "two": [90, 99], "no": [0, 0]},
        )
        return [(three,), (uneven,)]
    drawn = [{f"class {i}": [whole(0, total := whole(1, 60)), total] for i in range(whole(2, 7))} for _ in range(6)]
    always = ({"yes": [7, 7], "no": [5, 5], "maybe": [0, 1]}, {"one": [1, 2], "two": [90, 100], "three": [0, 0]})
    return [(per_class,) for per_class in (*drawn, *always)]


@check("what you state is what the test measured.")
def report(answer: Mapping[str, Any], result: Mapping[str, Any], hidden: bool) -> None:
    """Problem 4: the report's figures, in per cent with one decimal, against the content of ``result.json``.

    Everybody's check looks at the number of pictures and at top1, the hidden one at the rest.
    """
    pasted = "result should be all of result.json as `alexnet-edu train` wrote it."
    expect(isinstance(result, Mapping) and {"one_crop", "ten_crops"} <= set(result), pasted)
    expect(isinstance(answer, Mapping), "a dictionary is wanted.")
    one, ten = result["one_crop"], result["ten_crops"]
    want = {name: 100 * value for name, value in _summary(one["per_class"]).items() if name != "worst"}
    want["pictures"] = one["pictures"]
    contradiction = f"{pasted} Its figures contradict each other."
    expect(isclose(want["top1"], 100 * one["top1"]["value"], abs_tol=1e-6), contradiction)
    mistakes = {
        100 * ten["top1"]["value"]: "that is the figure of ten crops.",
        100 * one["top5"]["value"]: "that is the top-5 figure.",
        100 - want["top1"]: "that is the error; state the share of right answers.",
    }
    for name in [name for name in want if (name not in ("pictures", "top1")) == hidden]:
        expect(name in answer, f"{name} is missing in your report.")
        value, right = number(answer[name], f"{name}: "), want[name]
        if abs(value - right) <= 0.06:
            continue
        for mistake, hint in mistakes.items() if name == "top1" else ():
            expect(abs(value - mistake) > 0.06, f"{name}: {hint}")
        share = name != "pictures" and isclose(value, right / 100, rel_tol=1e-3)
        expect(not share, f"{name}: in per cent, such as 81.2.")
        expect(False, f"{name}: your report says {value:.1f}, and result.json does not.",
               f"result.json says {right:.1f}.")  # fmt: skip
