"""Checks of problem set 2, layers from scratch."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet_edu.check import check, close, expect, same
from alexnet_edu.check.common import ByHand, alike, differs, number, unlike
from alexnet_edu.layers import CeilConv2d, LocalResponseNorm

__all__ = ["conv_2012", "dropout", "half_strength", "lrn_2012", "max_pool", "max_pool_backward", "to_today"]

Shape = tuple[int, ...]


def _randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def _exact(got: object, want: Tensor, hint: str) -> None:
    close(got, want, hint, rtol=1e-8, atol=1e-9)


@check("the same as PyTorch's convolution, with the sizes of 2012.")
def conv_2012(
    function: Callable[[Tensor, Tensor, Tensor, int, int], Tensor],
    *,
    cases: Iterable[tuple[Shape, Shape, int, int]] = (
        ((1, 2, 5, 5), (3, 2, 3, 3), 2, 1),
        ((2, 4, 8, 8), (6, 2, 3, 3), 2, 2),
        ((1, 3, 14, 14), (2, 3, 11, 11), 4, 1),
    ),
) -> None:
    """Convolution in groups, its size rounded up; a case is shape of x, shape of weight, stride, groups."""
    for shape, kernels, stride, groups in cases:
        x, weight, bias = _randn(*shape), _randn(*kernels), _randn(kernels[0])
        with ByHand("conv"):
            got = function(x, weight, bias, stride, groups)
        want = _convolved(x, weight, bias, stride, groups)
        _name_mistake_of_conv(got, x, weight, bias, stride, groups)
        _exact(got, want, f"x {shape}, weight {kernels}, stride {stride}, groups {groups}: try one output by hand.")


def _convolved(x: Tensor, weight: Tensor, bias: Tensor, stride: int, groups: int) -> Tensor:
    layer = CeilConv2d(x.shape[1], len(weight), weight.shape[-1], stride, groups=groups).double()
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)  # type: ignore[union-attr]
        return layer(x)  # type: ignore[no-any-return]


def _name_mistake_of_conv(got: object, x: Tensor, weight: Tensor, bias: Tensor, stride: int, groups: int) -> None:
    right = _convolved(x, weight, bias, stride, groups)
    down = F.conv2d(x, weight, bias, stride, groups=groups)
    expect(
        down.shape == right.shape or getattr(got, "shape", None) != down.shape,
        "You rounded the size down: add zeros at the right and at the bottom until the last window is full.",
    )
    below, beside = ((weight.shape[-1] - side) % stride for side in x.shape[-2:])
    shifted = F.pad(x, (beside, 0, below, 0))
    first_only = torch.cat([x.chunk(groups, 1)[0]] * groups, 1)
    mixed = torch.cat([x[:, g::groups] for g in range(groups)], 1)
    for other_x, other_weight, hint in (
        (x, weight.flip(-1, -2), "You turned the kernels by 180 degrees; networks lay them on as they are."),
        (x, weight.transpose(-1, -2), "Rows and columns of the kernels are swapped."),
        (shifted, weight, "The zeros belong at the right and at the bottom; yours are at the left and at the top."),
        (first_only, weight, "Every group reads the first maps; group g reads the g-th part of the maps."),
        (mixed, weight, "Groups are blocks of neighbouring maps, not every second map."),
    ):
        mistaken = _convolved(other_x, other_weight, bias, stride, groups)
        unlike(got, right, mistaken, hint)
    unlike(
        got, right, right - bias[:, None, None], "The bias is missing: one number for each kernel, added everywhere."
    )


@check("the largest of each window, and nothing invented at the edge.")
def max_pool(
    function: Callable[[Tensor, int, int, bool], Tensor],
    *,
    cases: Iterable[tuple[Shape, int, int, bool]] = (
        ((1, 2, 7, 7), 3, 2, False),
        ((2, 3, 8, 8), 3, 2, False),
        ((2, 3, 8, 10), 3, 2, True),
    ),
) -> None:
    """Max pooling, sizes rounded down or up; a case is shape of x, size, stride, ceil."""
    for shape, size, stride, ceil in cases:
        x = _randn(*shape) - 4  # mostly negative, so that a zero from outside wins
        with ByHand("pool"):
            got = function(x, size, stride, ceil)
        want = F.max_pool2d(x, size, stride, ceil_mode=ceil)
        unlike(got, want, F.avg_pool2d(x, size, stride, ceil_mode=ceil), "That is the mean of each window.")
        apart = "Your windows do not overlap: each starts `stride` after the last, not `size`."
        for rounded_up in (False, True):
            unlike(got, want, F.max_pool2d(x, size, ceil_mode=rounded_up), apart)
        other = F.max_pool2d(x, size, stride, ceil_mode=not ceil).shape
        expect(
            getattr(got, "shape", None) != other or other == want.shape,
            f"For ceil={ceil} the size of {shape[-2:]} rounds {'up' if ceil else 'down'}.",
        )
        below, right = (stride * (w - 1) + size - s for w, s in zip(want.shape[-2:], shape[-2:], strict=True))
        if ceil and (below > 0 or right > 0):
            zeros = F.max_pool2d(F.pad(x, (0, max(0, right), 0, max(0, below))), size, stride)
            invented = "At the edge your maximum is 0, a value that x does not have there: fill with -inf."
            unlike(got, want, zeros, invented)
        _exact(got, want, f"x {shape}, size {size}, stride {stride}, ceil {ceil}: try the last window by hand.")


@check("a value that is the largest of several windows gets the sum of what they pass back.")
def max_pool_backward(
    function: Callable[[Tensor, Tensor, int, int], Tensor],
    *,
    cases: Iterable[tuple[Shape, int, int]] = (((1, 1, 7, 7), 3, 2), ((1, 1, 4, 4), 2, 2), ((2, 3, 9, 8), 3, 2)),
) -> None:
    """The gradient with respect to x; a case is shape of x, size, stride."""
    for shape, size, stride in cases:
        x = _randn(*shape)
        out, places = F.max_pool2d(x, size, stride, return_indices=True)
        passed = 1 + torch.rand_like(out)
        with ByHand("pool"):
            got = function(x, passed, size, stride)
        # What autograd gives; PyTorch's own way back costs seconds the first time.
        want, wins = (_to_winners(values, places, x) for values in (passed, torch.ones_like(passed)))
        _name_mistake_of_backward(got, want, wins, passed, size, stride)
        _exact(got, want, f"x {shape}, size {size}, stride {stride}: who was the largest of each window?")


def _to_winners(values: Tensor, places: Tensor, x: Tensor) -> Tensor:
    """Adds each value at the place of its window's largest element."""
    return torch.zeros_like(x).flatten(2).scatter_add(2, places.flatten(2), values.flatten(2)).reshape(x.shape)


def _name_mistake_of_backward(got: object, want: Tensor, wins: Tensor, passed: Tensor, size: int, stride: int) -> None:
    if not isinstance(got, Tensor) or got.shape != want.shape:
        return
    spread = torch.zeros_like(want)
    for i in range(passed.shape[2]):
        for j in range(passed.shape[3]):
            rows, cols = slice(i * stride, i * stride + size), slice(j * stride, j * stride + size)
            spread[:, :, rows, cols] += passed[:, :, i : i + 1, j : j + 1]
    everyone = "Every value of a window gets the gradient; only the largest one had a say in the output."
    unlike(got, want, spread, everyone)
    unlike(got, want, spread / size**2, everyone)
    unlike(got, want, wins, "That counts windows; add up the gradients that they pass back.")
    marks = (want != 0).double()
    unlike(got, want, marks, "That marks the largest values; multiply by the gradient that comes from above.")
    once = wins <= 1
    if alike(got[once], want[once]) and not alike(got, want):
        expect(False, "Right where windows do not share their maximum. Where they do, add: `+=`, not `=`.")


def _lrn(x: Tensor, size: int, scale: float, power: float, min_div: float, towers: int) -> Tensor:
    normed: Tensor = LocalResponseNorm(size, alpha=scale, beta=power, k=min_div, groups=towers)(x)
    return normed


@check("as in 2012: scale divided by the window, and no window reaches into the other tower.")
def lrn_2012(
    function: Callable[[Tensor, int, float, float, float, int], Tensor],
    *,
    cases: Iterable[tuple[Shape, int, float, float, float, int]] = (
        ((1, 8, 2, 3), 5, 1e-4, 0.75, 2.0, 1),
        ((2, 12, 3, 2), 5, 1e-4, 0.75, 2.0, 2),
    ),
) -> None:
    """LRN by the settings of a 2012 file; a case is shape of x, size, scale, pow, minDiv, towers."""
    for shape, size, scale, power, min_div, towers in cases:
        x = 200 * _randn(*shape)
        with ByHand("local_response_norm", "Chunked"):
            got = function(x, size, scale, power, min_div, towers)
        want = _lrn(x, size, scale, power, min_div, towers)
        _name_mistake_of_lrn(got, want, x, size, scale, power, min_div, towers)
        _exact(got, want, f"x {shape}, size {size}, {towers} towers: compare the first and the last maps of a tower.")


def _name_mistake_of_lrn(
    got: object, want: Tensor, x: Tensor, size: int, scale: float, power: float, min_div: float, towers: int
) -> None:
    sum_of_squares = "Your scale multiplies the *sum* of the squares, as in the paper; the code divides it by the size."
    unlike(got, want, _lrn(x, size, size * scale, power, min_div, towers), sum_of_squares)
    unlike(got, want, _lrn(x, size, scale, power, min_div, 1), "Some windows reach from one tower into another.")
    present = _lrn(torch.ones_like(x), size, -1.0, -1.0, 1.0, towers)  # 1 - share of the window that exists
    mean = ((x / _lrn(x, size, scale, 1.0, 0.0, towers)) / (1 - present)).nan_to_num()
    unlike(
        got,
        want,
        x / (min_div + mean) ** power,
        "At the edge you divide by the number of maps that exist; the code divides by the size everywhere.",
    )
    across = scale * F.avg_pool2d(x.square(), size, 1, size // 2)
    unlike(
        got, want, x / (min_div + across) ** power, "Your windows run over rows and columns; they should run over maps."
    )
    unlike(got, want, _lrn(x, size, scale, power, 1.0, towers), "minDiv is an argument; you use 1.")


@check("now you can say for any network whether its LRN normalises or only scales.")
def half_strength(
    function: Callable[[float, float, float], float],
    *,
    cases: Iterable[tuple[float, float, float]] = ((1e-4, 0.75, 2.0), (1e-4, 0.5, 1.0)),
) -> None:
    """The activity at which LRN's factor is half of that for tiny activity; a case is scale, pow, minDiv."""
    for scale, power, min_div in cases:
        got = number(function(scale, power, min_div))
        want = (min_div * (2 ** (1 / power) - 1) / scale) ** 0.5
        for wrong, hint in (
            (want**2, "That is the square of the activity; take the root."),
            (want / 5**0.5, "You summed five squares; all five maps have the same activity, so the mean is just a²."),
            ((min_div / scale) ** 0.5, "That doubles the denominator's inside; the power comes after."),
            ((max(0.0, 2 ** (1 / power) - min_div) / scale) ** 0.5, "Half of the factor at tiny activity, not 1/2."),
        ):
            differs(got, want, wrong, hint, tolerance=0.01)
        asked = f"scale {scale}, pow {power}, minDiv {min_div}"
        same(got, want, f"{asked}: solve (minDiv + scale a²)^-pow = minDiv^-pow / 2 for a.", tolerance=0.01)


@check("both ways keep the mean; they put the factor in different places.")
def dropout(
    function: Callable[[Tensor, float, bool, str], Tensor],
    *,
    cases: Iterable[float] = (0.5, 0.2),
) -> None:
    """Dropout with its factor at "train" or at "test"; a case is a probability."""
    for p in cases:
        x = 1 + torch.rand(100, 200, dtype=torch.float64)
        for scale_at, testing, kept in (("test", 1 - p, 1.0), ("train", 1.0, 1 / (1 - p))):
            asked = f'p = {p}, scale_at="{scale_at}"'
            with ByHand("dropout"):
                tested, got = function(x, p, False, scale_at), function(x, p, True, scale_at)
                again = function(x, p, True, scale_at)
            expect(not _has_zeros(tested), f"{asked}: values are dropped in training only; here training is False.")
            unlike(tested, testing * x, x * p, f"{asked}, testing: p is the share that is dropped; 1 - p is kept.")
            _exact(tested, testing * x, f"{asked}, testing: every value should be multiplied by {testing:.3g}.")
            _examine_training(got, x, p, kept, asked)
            expect(not torch.equal(got, again), "Two calls drop the same values; draw anew in every call.")


def _has_zeros(x: object) -> bool:
    return isinstance(x, Tensor) and bool((x == 0).any())


def _examine_training(got: Tensor, x: Tensor, p: float, kept: float, asked: str) -> None:
    close(got * 0, x * 0, f"{asked}, training: all values should be finite.")
    zero = got == 0
    lines = max(zero.double().mean(dim).std().item() for dim in (0, 1))
    expect(lines < 0.2, f"{asked}, training: each value is dropped on its own, not whole rows or columns.")
    share = zero.double().mean().item()
    expect(p == 0.5 or abs(share - 1 + p) > 0.02, f"{asked}: you drop {share:.0%}; p is the share that is dropped.")
    expect(abs(share - p) < 0.02, f"{asked}, training: a share of {p} should be zero; yours is {share:.2f}.")
    wanted = torch.where(zero, 0.0, kept * x)
    _exact(got, wanted, f"{asked}, training: what is kept should be multiplied by {kept:.3g}.")


@check("the weights carry the factor, so nothing has to be multiplied when testing.")
def to_today(
    function: Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]],
    *,
    cases: Iterable[float] = (0.5, 0.2),
) -> None:
    """Weight and bias of the layer after 2012's dropout, changed to follow today's; a case is a probability."""
    for p in cases:
        weight, bias = _randn(4, 6), _randn(4)
        answer = function(weight, bias, p)
        expect(isinstance(answer, tuple | list) and len(answer) == 2, "Return two tensors: weight and bias.")
        got, got_bias = answer
        want = weight * (1 - p)
        unlike(got, want, weight / (1 - p), f"p = {p}: 2012 made the inputs smaller when testing; yours become larger.")
        unlike(
            got, want, weight, f"p = {p}: today's dropout leaves the inputs as they are when testing; 2012's did not."
        )
        unlike(got, want, weight * p, f"p = {p}: p is the share that is dropped; the factor is what is kept.")
        _exact(got, want, f"p = {p}: compare weight @ ((1 - p) x) with new_weight @ x.")
        unlike(got_bias, bias, bias * (1 - p), "The bias is added after the inputs were multiplied; it stays as it is.")
        _exact(got_bias, bias, "The bias stays as it is.")
