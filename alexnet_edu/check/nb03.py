"""Checks of notebook 03, AlexNet from scratch."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from alexnet_edu.check import Hint, check, close, expect, same
from alexnet_edu.check.common import alike

__all__ = ["conv1_columns", "fast_lrn", "maps_at_the_border", "ten_views", "update_2012"]


@check("padded by 2, 224 gives 55 columns, and 227 gives 56.")
def conv1_columns(at_224: int, at_227: int) -> None:
    """How many columns torchvision's conv1 has for inputs of 224 and of 227 pixels."""
    expect(at_224 != 54, "54 is what 224 gives without padding; torchvision pads by 2 on both sides.")
    expect((at_224, at_227) != (56, 57), "Rounding goes down here: a window that does not fit is left out.")
    same(at_224, 55, "For 224: (224 + 2 * 2 - 11) / 4, rounded down, plus 1.")
    expect(at_227 != 55, "227 gives 55 only without padding; with 2 on both sides there is room for one more.")
    same(at_227, 56, "For 227: (227 + 2 * 2 - 11) / 4, rounded down, plus 1.")


@check("the windows of these four maps, and of no others, reach over the border between the towers.")
def maps_at_the_border(maps: Iterable[int]) -> None:
    """The maps of 96, counted from 0, whose window of 5 reaches over the border between 47 and 48."""
    expect(isinstance(maps, Iterable) and not isinstance(maps, str), "A list of map numbers is wanted.")
    found = {int(number) for number in maps}
    expect(found != {47, 48, 49, 50}, "Maps are counted from 0: the first tower ends with map 47.")
    expect(found != {47, 48}, "A window reaches two maps to either side, so more than the two at the border change.")
    expect(found <= {46, 47, 48, 49}, "Some of these see the same five maps either way.")
    expect(found == {46, 47, 48, 49}, "Some are missing: a window reaches two maps to either side.")


def _lrn(x: Tensor, *, alpha: float = 1e-4, k: float = 2.0) -> Tensor:
    """The paper's formula in float64, window by window."""
    square = x.double().square()
    total = torch.stack([square[:, max(0, i - 2) : i + 3].sum(1) for i in range(x.shape[1])], 1)
    return x.double() / (k + alpha * total) ** 0.75


@check("the paper's formula, with all maps at once.")
def fast_lrn(function: Callable[[Tensor], Tensor]) -> None:
    """The paper's normalisation of ``(N, C, H, W)``."""
    x = 100 * torch.randn(2, 12, 3, 4)
    got, want = function(x), _lrn(x)
    if isinstance(got, Tensor) and got.shape == want.shape:
        _recognise(got, _lrn(x, alpha=1e-4 / 5), "Your alpha multiplies the mean of the squares; the paper's, the sum.")
        _recognise(got, _lrn(x, alpha=5e-4), "Your alpha is five times too large: the sum is multiplied by 1e-4.")
        _recognise(got, _lrn(x, k=1.0), "The paper's k is 2; 1 is PyTorch's default, and Caffe's.")
        across = torch.nn.functional.avg_pool2d(x.double().square(), 5, 1, 2) * 25
        _recognise(got, x / (2 + 1e-4 * across) ** 0.75, "Your windows run over rows and columns, not over maps.")
    close(got, want, "Look at the first and the last two maps, too: what is missing counts as zero.")


def _recognise(got: Tensor, misconception: Tensor, hint: str) -> None:
    if alike(got, misconception, rtol=1e-4):
        raise Hint(hint)


@check("five squares and their mirror images.")
def ten_views(function: Callable[[Tensor, int], Tensor]) -> None:
    """The ten views of the paper's test."""
    picture = torch.rand(3, 16, 21)
    corners = [(0, 0), (0, 11), (6, 0), (6, 11), (3, 5)]
    squares = torch.stack([picture[:, y : y + 10, x : x + 10] for y, x in corners])
    want = torch.cat([squares, squares.flip(-1)])
    got = function(picture, 10)
    if isinstance(got, Tensor) and got.shape == want.shape:
        upside_down = torch.cat([squares, squares.flip(-2)])
        expect(not torch.equal(got, upside_down), "That turns pictures upside down; a mirror swaps left and right.")
        pairs = torch.stack([squares, squares.flip(-1)], 1).flatten(0, 1)
        expect(not torch.equal(got, pairs), "All five squares come first, then their mirror images.")
        expect(torch.equal(got[:5], want[:5]) or not _all_in(got, want), "The right squares, in another order.")
    close(got, want, "Compare where each square starts: the last one leaves as much above as below.")


def _all_in(got: Tensor, want: Tensor) -> bool:
    """Whether every view of ``want`` is somewhere in ``got``."""
    return bool((got[None] == want[:, None]).flatten(2).all(2).any(1).all())


@check("momentum, decay and gradient, as in 2012.")
def update_2012(function: Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]) -> None:
    """The paper's update: new weight and new velocity."""
    weight, velocity, gradient = torch.randn(3, 4, 5, dtype=torch.float64)
    rate = 0.3
    answer = function(weight, velocity, gradient, rate)
    expect(isinstance(answer, tuple) and len(answer) == 2, "Return two tensors: the new weight and the new velocity.")
    got_weight, got = answer
    want = 0.9 * velocity - 0.0005 * rate * weight - rate * gradient
    if isinstance(got, Tensor) and got.shape == want.shape:
        for wrong, hint in (
            (0.9 * velocity - 0.0005 * weight - rate * gradient, "The decay is multiplied by the rate, too."),
            (0.9 * velocity - rate * gradient, "The decay of the weight is missing."),
            (
                0.9 * velocity + 0.0005 * weight + gradient,
                "That is PyTorch's velocity; here the rate is inside, and the sign is minus.",
            ),
            (0.9 * velocity + 0.0005 * rate * weight + rate * gradient, "The weight goes downhill: minus."),
        ):
            _recognise(got, wrong, hint)
    close(got, want, "velocity = 0.9 * velocity - 0.0005 * rate * weight - rate * gradient.", rtol=1e-9, atol=1e-12)
    if isinstance(got_weight, Tensor) and got_weight.shape == want.shape:
        _recognise(got_weight, weight + velocity, "The weight moves by the new velocity, not by the old one.")
    close(got_weight, weight + want, "The new weight is the weight plus the new velocity.", rtol=1e-9, atol=1e-12)
