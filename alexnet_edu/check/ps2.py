"""Checks of problem set 2, layers from scratch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet_edu.check.compare import as_tensor
from alexnet_edu.check.exercises import Inputs, check, exercise, expect, whole
from alexnet_edu.layers import CeilConv2d, LocalResponseNorm

__all__ = ["conv_2012", "dropout", "half_strength", "lrn_2012", "max_pool", "max_pool_backward", "to_today"]


def _drawn(hidden: bool, *shape: int) -> Tensor:
    """Random values; hidden tests have both dtypes, and tensors whose rows and columns lie swapped in memory."""
    values = torch.randn(*shape, dtype=(torch.float64, torch.float32)[hidden and whole(0, 1)])
    return values.mT.contiguous().mT if hidden and values.ndim > 1 and whole(0, 1) else values


def _convolved(x: Tensor, weight: Tensor, bias: Tensor, stride: int, groups: int) -> Tensor:
    layer = CeilConv2d(x.shape[1], len(weight), weight.shape[-1], stride, groups=groups).double()
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)  # type: ignore[union-attr]
        return layer(x.double())  # type: ignore[no-any-return]


def _shifted(x: Tensor, weight: Tensor, bias: Tensor, stride: int, groups: int) -> Tensor:
    """With the zeros at the left and at the top."""
    below, beside = ((weight.shape[-1] - side) % stride for side in x.shape[-2:])
    return _convolved(F.pad(x, (beside, 0, below, 0)), weight, bias, stride, groups)


def _regrouped(x: Tensor, weight: Tensor, bias: Tensor, stride: int, groups: int, *, woven: bool) -> Tensor:
    """Groups of every n-th map (``woven``), or all of the first maps."""
    parts = [x[:, g::groups] for g in range(groups)] if woven else [x.chunk(groups, 1)[0]] * groups
    return _convolved(torch.cat(parts, 1), weight, bias, stride, groups)


@exercise(
    "the same as PyTorch's convolution, with the sizes of 2012.",
    right=_convolved,
    forbidden=("conv",),
    hint=("Try one output by hand.", "Which window does it see, of which maps, and which kernel lies on it?"),
    mistakes=[
        (lambda x, w, b, s, g: F.conv2d(x.double(), w.double(), b.double(), s, groups=g), "You rounded the size down: "
         "where do the zeros of 2012 lie?"),
        (lambda x, w, b, s, g: _convolved(x, w.flip(-1, -2), b, s, g),
         "You turned the kernels by 180 degrees; networks "
         "lay them on as they are."),
        (lambda x, w, b, s, g: _convolved(x, w.mT, b, s, g), "Rows and columns of the kernels are swapped."),
        (_shifted, "The zeros belong at the right and at the bottom; yours are at the left and at the top."),
        (partial(_regrouped, woven=False), "Every group reads the first maps; group g reads the g-th part of them."),
        (partial(_regrouped, woven=True), "Groups are blocks of neighbouring maps, not every second map."),
        (lambda x, w, b, s, g: _convolved(x, w, 0 * b, s, g), "The bias is missing."),
    ],
)  # fmt: skip
def conv_2012(hidden: bool) -> Iterable[Inputs]:
    """Problem 1: convolution in groups, its size rounded up: ``(x, weight, bias, stride, groups)``."""
    cases = [((1, 2, 5, 5), (3, 2, 3, 3), 2, 1), ((2, 4, 8, 8), (6, 2, 3, 3), 2, 2)]
    cases += [((1, 3, 14, 14), (2, 3, 11, 11), 4, 1)]
    for shape, kernels, stride, groups in [_conv_case() for _ in range(8)] if hidden else cases:
        values = (_drawn(hidden, *shape) for shape in (shape, kernels, kernels[:1]))
        x, weight, bias = values
        yield x, weight.to(x.dtype), bias.to(x.dtype), stride, groups


def _conv_case() -> tuple[tuple[int, ...], tuple[int, ...], int, int]:
    size, groups, part = whole(1, 5), whole(1, 3), whole(1, 3)
    shape = (whole(1, 3), groups * part, size + whole(0, 9), size + whole(0, 9))
    return shape, (groups * whole(1, 3), part, size, size), whole(1, size), groups


def _pooled(x: Tensor, size: int, stride: int, ceil: bool) -> Tensor:
    return F.max_pool2d(x, size, stride, ceil_mode=ceil)


def _filled(x: Tensor, size: int, stride: int, ceil: bool, *, value: float) -> Tensor:
    """With ``value`` in the place of what is missing at the edge."""
    below, right = ((size - side) % stride * ceil for side in x.shape[-2:])
    return F.max_pool2d(F.pad(x, (0, right, 0, below), value=value), size, stride)


@exercise(
    "the largest of each window, and nothing invented at the edge.",
    right=_pooled,
    forbidden=("pool",),
    hint=("Try the first and the last window by hand.", "Which values exist there?"),
    mistakes=[
        (lambda x, k, s, c: F.avg_pool2d(x, k, s, ceil_mode=c), "That is the mean of each window."),
        (lambda x, k, s, c: _pooled(x, k, k, c), "Your windows do not overlap: each starts `stride` after the last."),
        (lambda x, k, s, c: _pooled(x, k, s, False), "`ceil` says which way to round; you always round down."),
        (lambda x, k, s, c: _pooled(x, k, s, not c), "You round the other way."),
        (partial(_filled, value=0.0), "At the edge your maximum is 0, a value that x does not have there."),
        (partial(_filled, value=-9.0), "At the edge your maximum is -9, a value that x does not have there."),
        (lambda x, k, s, c: -_pooled(-x, k, s, c), "That is the smallest value of each window."),
    ],
)  # fmt: skip
def max_pool(hidden: bool) -> Iterable[Inputs]:
    """Problem 2: max pooling, sizes rounded down or up: ``(x, size, stride, ceil)``."""
    if hidden:
        cases = [((1, 2, 8, 8), 3, 2, True), *(_pool_case() for _ in range(10))]
    else:
        cases = [((1, 2, 7, 7), 3, 2, False), ((2, 3, 8, 8), 3, 2, False), ((2, 3, 8, 10), 3, 2, True)]
    for shape, size, stride, ceil in cases:
        yield _drawn(hidden, *shape) - (10 * (3 - whole(0, 2)) if hidden else 4), size, stride, ceil  # mostly negative


def _pool_case() -> tuple[tuple[int, ...], int, int, bool]:
    size = whole(2, 4)
    return (whole(1, 2), whole(1, 3), size + whole(1, 8), size + whole(1, 8)), size, whole(1, size), bool(whole(0, 2))


def _to_winners(x: Tensor, grad: Tensor, size: int, stride: int) -> Tensor:
    """Adds each gradient at the place of its window's largest value; PyTorch's own way back starts in seconds."""
    places = F.max_pool2d(x, size, stride, return_indices=True)[1].flatten(2)
    return torch.zeros_like(x).flatten(2).scatter_add(2, places, grad.flatten(2)).reshape(x.shape)


def _spread(x: Tensor, grad: Tensor, size: int, stride: int) -> Tensor:
    """Adds each gradient to its whole window."""
    spread = torch.zeros_like(x)
    for i in range(grad.shape[2]):
        for j in range(grad.shape[3]):
            window = (..., slice(i * stride, i * stride + size), slice(j * stride, j * stride + size))
            spread[window] += grad[:, :, i : i + 1, j : j + 1]
    return spread


def _overwritten(x: Tensor, grad: Tensor, size: int, stride: int) -> Tensor:
    """The last window's gradient where several windows share their largest value."""
    places = F.max_pool2d(x, size, stride, return_indices=True)[1].flatten(2)
    result = torch.zeros_like(x).flatten(2)
    for window in range(places.shape[2]):
        result.scatter_(2, places[..., window : window + 1], grad.flatten(2)[..., window : window + 1])
    return result.reshape(x.shape)


@exercise(
    "a value that is the largest of several windows gets the sum of what they pass back.",
    right=_to_winners,
    forbidden=("pool", "autograd"),
    hint=("Who was the largest of each window?", "Follow one window: what does it pass back, and to whom?"),
    mistakes=[
        (_spread, "Every value of a window gets the gradient; only the largest one had a say in the output."),
        (lambda x, g, k, s: _spread(x, g, k, s) / k**2,
         "Every value of a window gets a share; only the largest one had "
         "a say in the output."),
        (lambda x, g, k, s: _to_winners(x, torch.ones_like(g), k, s), "That counts windows; what do they pass back?"),
        (lambda x, g, k, s: (_to_winners(x, torch.ones_like(g), k, s) > 0).to(x.dtype),
         "That marks the largest values; "
         "what comes from above is missing."),
        (_overwritten, "Right where windows do not share their maximum. What if two windows pass back to one value?"),
    ],
)  # fmt: skip
def max_pool_backward(hidden: bool) -> Iterable[Inputs]:
    """Problem 3: the gradient with respect to what entered a max pool: ``(x, grad, size, stride)``."""
    if hidden:
        cases = [_pool_case()[:3] for _ in range(8)]
    else:
        cases = [((1, 1, 7, 7), 3, 2), ((1, 1, 4, 4), 2, 2), ((2, 3, 9, 8), 3, 2)]
    for shape, size, stride in cases:
        x = _drawn(hidden, *shape)
        yield x, 1 + torch.rand_like(F.max_pool2d(x, size, stride)), size, stride


def _lrn(x: Tensor, size: int, scale: float, power: float, min_div: float, towers: int) -> Tensor:
    normed: Tensor = LocalResponseNorm(size, alpha=scale, beta=power, k=min_div, groups=towers)(x.double())
    return normed


def _lrn_of_present(x: Tensor, size: int, scale: float, power: float, min_div: float, towers: int) -> Tensor:
    """Divides by the number of maps that exist, not by ``size``."""
    out = []
    for tower in x.chunk(towers, 1):
        near = [tower[:, max(0, i - size // 2) : i + size // 2 + 1] for i in range(tower.shape[1])]
        out.append(tower / (min_div + scale * torch.stack([maps.square().mean(1) for maps in near], 1)) ** power)
    return torch.cat(out, 1)


@exercise(
    "as in 2012: scale divided by the window, and no window reaches into the other tower.",
    right=_lrn,
    hint=("Compare the first and the last maps of a tower.", "Which maps are in their windows?"),
    mistakes=[
        (lambda x, n, s, p, m, t: _lrn(x, n, n * s, p, m, t), "Your scale multiplies the *sum* of the squares, as in "
         "the paper; what does the code do with scale first?"),
        (lambda x, n, s, p, m, t: _lrn(x, n, s, p, m, 1), "Some windows reach from one tower into another."),
        (_lrn_of_present, "At the edge you divide by the number of maps that exist; the code divides by the size."),
        (lambda x, n, s, p, m, t: x / (m + s * F.avg_pool2d(x.square(), n, 1, n // 2)) ** p, "Your windows run over "
         "rows and columns; they should run over maps."),
        (lambda x, n, s, p, m, t: _lrn(x, n, s, p, 1.0, t), "minDiv is an argument; you use 1."),
        (lambda x, n, s, p, m, t: _lrn(x, 5, 5 * s / n, p, m, t), "size is an argument; your windows hold 5 maps."),
        (lambda x, n, s, p, m, t: x * (m + x.square() * s / n) ** -p, "Each map sees only itself."),
    ],
)  # fmt: skip
def lrn_2012(hidden: bool) -> Iterable[Inputs]:
    """Problem 4: LRN by the settings of a 2012 file: ``(x, size, scale, power, min_div, towers)``."""
    cases = [((1, 8, 2, 3), 5, 1e-4, 0.75, 2.0, 1), ((2, 12, 3, 2), 5, 1e-4, 0.75, 2.0, 2)]
    for shape, *settings in [_lrn_case() for _ in range(8)] if hidden else cases:
        yield 200 * _drawn(hidden, *shape), *settings


def _lrn_case() -> tuple[tuple[int, ...], int, float, float, float, int]:
    towers, scale, power = whole(1, 3), whole(1, 9) * 1e-4, whole(1, 5) / 4
    shape = (whole(1, 2), towers * whole(1, 6), whole(1, 3), whole(1, 4))
    return shape, 2 * whole(1, 3) + 1, scale, power, float(whole(1, 3)), towers


def _half(scale: float, power: float, min_div: float) -> float:
    return float((min_div * (2 ** (1 / power) - 1) / scale) ** 0.5)


@exercise(
    "now you can say for any network whether its LRN normalises or only scales.",
    right=_half,
    rtol=0.011,
    hint=("What is the factor for tiny activity?", "For which a is it half of that? Put yours into the formula."),
    mistakes=[
        (lambda s, p, m: _half(s, p, m) ** 2, "That is the square of the activity."),
        (lambda s, p, m: _half(s, p, m) / 5**0.5, "You summed five squares; what is the mean of five equal ones?"),
        (lambda s, p, m: (m / s) ** 0.5, "That doubles what stands in the brackets; the power comes after."),
        (lambda s, p, m: max(0.0, 2 ** (1 / p) - m) ** 0.5 / s**0.5, "Half of the factor at tiny activity, not 1/2."),
        (lambda s, p, m: (m * (2**p - 1) / s) ** 0.5, "Which power undoes a power of pow?"),
        (lambda s, p, m: ((2 ** (1 / p) - 1) / s) ** 0.5, "minDiv is an argument: what does your answer do with it?"),
    ],
)  # fmt: skip
def half_strength(hidden: bool) -> Iterable[Inputs]:
    """Problem 5: the activity at which LRN's factor is half of that for tiny activity: ``(scale, power, min_div)``."""
    drawn = [(whole(1, 99) * 1e-5, whole(2, 6) / 4, whole(2, 8) / 2) for _ in range(8)]
    return drawn if hidden else [(1e-4, 0.75, 2.0), (1e-4, 0.5, 1.0)]


@check("both ways keep the mean; they put the factor in different places.", forbidden=("dropout",))
def dropout(function: Callable[[Tensor, float, bool, str], Tensor], hidden: bool) -> None:
    """Problem 6: dropout with its factor at "train" or at "test": ``(x, p, training, scale_at)``."""
    shapes = [(whole(1, 5), whole(2, 4), 30, 60), (9000,), (70, 140)] if hidden else [(100, 200), (100, 200)]
    for shape, p in zip(shapes, (0.1, 0.2 + whole(0, 2) / 10, 0.8) if hidden else (0.5, 0.2), strict=True):
        x = 1 + _drawn(hidden, *shape).abs()  # never 0
        for scale_at, testing, kept in (("test", 1 - p, 1.0), ("train", 1.0, 1 / (1 - p))):
            asked = f'Tried with x {tuple(shape)}, p={p}, scale_at="{scale_at}"'
            tested = as_tensor(function(x, p, False, scale_at))
            expect(_like(tested, x), f"a tensor of the shape of x is wanted. {asked}, training=False.")
            expect(not (tested == 0).any(), f"values are dropped in training only. {asked}, training=False.")
            expect(_near(tested, testing * x) or not _near(tested, p * x), f"p is dropped, so what is kept? {asked}.")
            expect(_near(tested, testing * x), f"which of the two kinds multiplies when testing? {asked}, "
                   "training=False.", f"Every value should be multiplied by {testing:.3g}.")  # fmt: skip
            drawn = [as_tensor(function(x, p, True, scale_at)) for _ in range(4)]
            finite = all(_like(got, x) and bool(got.isfinite().all()) for got in drawn)
            expect(finite, f"finite values in the shape of x are wanted. {asked}, training=True.")
            _examine_draws([got == 0 for got in drawn], f"{asked}, training=True.")
            for got in drawn:
                _examine_training(got, x, p, kept, f"{asked}, training=True.")


def _like(got: object, x: Tensor) -> bool:
    return isinstance(got, Tensor) and got.shape == x.shape


def _near(got: Tensor, want: Tensor) -> bool:
    return torch.allclose(got.double(), want.double(), rtol=1e-5)


def _examine_training(got: Tensor, x: Tensor, p: float, kept: float, asked: str) -> None:
    zero = got == 0
    share, chance = zero.double().mean().item(), 5 * (p * (1 - p) / zero.numel()) ** 0.5
    expect(abs(share - p) <= chance or abs(share - 1 + p) > chance, f"you drop {share:.0%}: which share is p? {asked}")
    expect(abs(share - p) <= chance, f"a share of {p:.3g} should be zero; yours is {share:.3f}. {asked}")
    expect(_near(got, torch.where(zero, 0.0, kept * x)), f"does this kind multiply in training, and by what? {asked}",
           f"What is kept should be multiplied by {kept:.3g}.")  # fmt: skip


def _examine_draws(zeros: list[Tensor], asked: str) -> None:
    """Whether values are dropped each on its own, anew in every call: two at a time as often as by chance."""
    pairs = [(one, other, "two calls drop the same values: draw anew in each") for one, other in combinations(zeros, 2)]
    for dim, size in enumerate(zeros[0].shape):
        one, other = (zeros[0].narrow(dim, start, max(1, size - 1)) for start in (0, min(1, size - 1)))
        if size > 1:
            pairs.append((one, other, "neighbours are dropped together, and each value is to be drawn on its own"))
    for one, other, hint in pairs:
        both, chance = (one & other).double().mean().item(), float(one.double().mean() * other.double().mean())
        expect(abs(both - chance) <= 6 * (chance * (1 - chance) / one.numel()) ** 0.5, f"{hint}. {asked}")
    counts = {int(zero.sum()) for zero in zeros}
    expect(len(counts) > 1, f"every call drops as many values; each is to be drawn on its own. {asked}")


def _today(weight: Tensor, bias: Tensor, p: float) -> tuple[Tensor, Tensor]:
    return weight * (1 - p), bias


@exercise(
    "the weights carry the factor, so nothing has to be multiplied when testing.",
    right=_today,
    hint=("Which inputs does the layer get when testing, then and now?", "Its output should stay what it was."),
    mistakes=[
        (lambda w, b, p: (w * (1 - p), b * (1 - p)), "The bias is added after the inputs were multiplied."),
        (lambda w, b, p: (w / (1 - p), ...), "2012 made the inputs smaller when testing; yours become larger."),
        (lambda w, b, p: (w, ...), "Today's dropout leaves the inputs as they are when testing; 2012's did not."),
        (lambda w, b, p: (w * p, ...), "p is the share that is dropped; what is kept?"),
        (lambda w, b, p: (..., b / (1 - p)), "The bias never met the factor."),
        (lambda w, b, p: _today(w, b, p)[::-1], "Both are right, in the other order: the weight comes first."),
    ],
)
def to_today(hidden: bool) -> Iterable[Inputs]:
    """Problem 7: weight and bias of the layer after 2012's dropout, for today's: ``(weight, bias, p)``."""
    for p in [whole(1, 39) / 40 for _ in range(6)] if hidden else (0.5, 0.2):
        weight = _drawn(hidden, whole(1, 5), whole(1, 7))
        yield weight, torch.randn(len(weight), dtype=weight.dtype), p
