"""The modules that PyTorch lacks, does differently or slowly: LRN, rounded-up convolution, 2012's dropout, pooling.

Where the layer is one of PyTorch's, so is the type of the module: tools that count operations, explain or quantise a
network go by ``type(module)`` and pass over a subclass, most of them in silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial, reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CeilConv2d", "Dropout2012", "LocalResponseNorm", "MaxPool2d", "SpatialResponseNorm", "recorded"]

# torch.fx writes these down as one step each instead of looking inside.
torch.fx.wrap("_across_maps")
torch.fx.wrap("_within_maps")

# How many values LRN and pooling take at a time on a CPU. In float32 that is 1 MiB, which stays in the cache together
# with the temporaries. Both layers wait for memory and hardly compute, so this is most of their speed.
_CHUNK = 1 << 18


def recorded(x: Tensor) -> bool:
    """Whether a tool only writes down what happens to ``x``: a compiler, an exporter, a tracer or ``torch.fx``."""
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return tracing or torch.compiler.is_compiling() or isinstance(x, torch.fx.Proxy)


def CeilConv2d(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0, groups: int = 1
) -> nn.Conv2d:
    """A convolution whose output size is rounded *up*, as in the 2012 code.

    The pixels that are missing at the right and at the bottom count as zero: a forward pre-hook appends them.

    Maps ``(N, C, H, W)`` to ``(N, out_channels, H', W')`` with ``H' = 1 + ceil((H + 2 * padding - kernel) / stride)``.
    At 224 pixels the 11 x 11, stride 4 convolution gives 55 rows this way, where PyTorch's rule gives 54.
    """
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups)
    conv.register_forward_pre_hook(_append_zeros)
    return conv


def _append_zeros(conv: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    assert isinstance(conv, nn.Conv2d) and isinstance(conv.padding, tuple)
    (x,) = inputs
    below, right = (
        (k - side - 2 * pad) % s
        for side, k, s, pad in zip(x.shape[-2:], conv.kernel_size, conv.stride, conv.padding, strict=True)
    )
    # A trace has to hold for pictures of other sizes, so the padding is part of it even where there is none.
    padded = torch.jit.is_tracing() or right or below  # type: ignore[attr-defined, no-untyped-call]
    return (F.pad(x, (0, right, 0, below)) if padded else x,)


class LocalResponseNorm(nn.Module):
    """Response normalisation across neighbouring maps [paper, section 3.3], exact and fast.

    ``x / (k + alpha * mean(x^2 over size neighbouring maps)) ** beta``; windows that reach over the first or last
    map count zeros there. With ``groups=1`` it equals ``torch.nn.LocalResponseNorm`` with the same arguments;
    ``groups=2`` keeps the windows inside each tower, as on the two GPUs of 2012.

    On a CPU it works through the batch in parts that stay in the cache; where a tool writes the pass down
    (``torch.compile``, ``torch.export``, ``torch.jit.trace``) it is one expression. It can be differentiated any
    number of times, forwards and backwards, and mapped by ``torch.func.vmap``.

    Arithmetic is in float32 at least; only compiled, with the maps last in memory, squares of bfloat16 and their sums
    stay in bfloat16, which adds little to the rounding of the result while ``k`` outweighs them, and at most
    ``2 * beta`` times that rounding.

    Args:
        size: maps in a window, odd.
        alpha: factor of the mean square.
        beta: exponent.
        k: constant in the denominator.
        groups: blocks of maps that do not see each other.

    Shape:
        ``(N, C, H, W)`` (or any number of trailing sizes) to the same.

    Raises:
        ValueError: ``size`` is even (the window would have no centre) or C is not a multiple of ``groups``.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, groups: int = 1) -> None:
        super().__init__()
        if size % 2 == 0:
            raise ValueError(f"LocalResponseNorm needs an odd number of maps in a window, not {size}.")
        self.size, self.alpha, self.beta, self.k, self.groups = size, alpha, beta, k, groups

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return _across_maps(x, self.size, self.alpha, self.beta, self.k, self.groups)

    def extra_repr(self) -> str:
        """What ``print(module)`` shows."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}, groups={self.groups}"


def _across_maps(x: Tensor, size: int, alpha: float, beta: float, k: float, groups: int) -> Tensor:
    if x.shape[1] % groups:
        raise ValueError(f"{x.shape[1]} maps can't be divided into {groups} groups.")
    if x.is_meta or recorded(x):
        return _expression(x, size, alpha, beta, k, groups)
    return _ChunkedLRN.apply(x, (size, alpha, beta, k, groups))  # type: ignore[no-any-return, no-untyped-call]


def _expression(x: Tensor, size: int, alpha: float, beta: float, k: float, groups: int) -> Tensor:
    """LRN by its definition: for a compiler to fuse, an exporter to write down or autograd to differentiate again."""
    if _maps_last(x):
        with torch.autocast(x.device.type, enabled=False):
            squares = (x if x.dtype == torch.bfloat16 else _wide(x)).square()
            mean_square = F.conv2d(squares, _near(squares, size, groups)[:, :, None, None]) * (alpha / size)
        return (_wide(x) * _power(k + _wide(mean_square), beta)).to(x.dtype)
    wide = _wide(x)
    towers = wide.reshape(wide.shape[0], groups, -1, *wide.shape[2:])
    reach = size // 2
    squares = F.pad(towers.square(), [0, 0] * (towers.ndim - 3) + [reach, reach])
    maps = towers.shape[2]
    total = squares.narrow(2, 0, maps)
    for i in range(1, size):
        total = total + squares.narrow(2, i, maps)
    scale = _power(k + alpha / size * total, beta)
    return (towers * scale).reshape(wide.shape).to(x.dtype)


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _power(d: Tensor, beta: float) -> Tensor:
    """``d ** -beta``; three quarters by two square roots, which are much faster than a power."""
    if beta != 0.75:
        return d.pow(-beta)
    root = d.rsqrt()
    return root * root.sqrt()


def _near(squares: Tensor, size: int, groups: int) -> Tensor:
    """``(C, C)``: 1 where map j is in the window of map i. A product with it sums every window at once."""
    i = torch.arange(squares.shape[1], device=squares.device)
    tower = squares.shape[1] // groups
    near = (i[:, None] - i).abs() <= size // 2
    return (near & (i[:, None] // tower == i // tower)).to(squares.dtype)


class _ChunkedLRN(torch.autograd.Function):
    """LRN and its derivative, a few pictures at a time; only the input is kept for the backward pass."""

    @staticmethod
    def forward(x: Tensor, settings: tuple[int, float, float, float, int]) -> Tensor:
        size, alpha, beta, k, groups = settings
        x = x if _maps_last(x) else x.contiguous()
        out, axis = torch.empty_like(x), _maps_axis(x)
        for part, result in _parts(groups, x, out):
            wide = _wide(part)
            scale = _power_(_denominators(wide, size, alpha, k, axis), beta)
            torch.mul(wide, scale, out=result)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, ctx.settings = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """dL/dx_i = g_i d_i^-beta - 2 alpha beta / n * x_i * (sum over windows of g x d^(-beta - 1))_i."""
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # the derivative will be differentiated, too
            return torch.func.vjp(lambda x: _expression(x, *ctx.settings), x)[1](grad)[0], None
        size, alpha, beta, k, groups = ctx.settings
        x = x if _maps_last(x) else x.contiguous()
        grad = torch.empty_like(x).copy_(grad)
        out, axis = torch.empty_like(x), _maps_axis(x)
        for part, grad_part, result in _parts(groups, x, grad, out):
            wide = _wide(part)
            d = _denominators(wide, size, alpha, k, axis)
            through = wide / d
            direct = _power_(d, beta).mul_(grad_part)
            through.mul_(direct)
            sums = _add_neighbours(through.clone(), through, size, axis)
            torch.sub(direct, sums.mul_(wide), alpha=2 * beta * alpha / size, out=result)
        return out, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, settings: None) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.func.jvp(lambda x: _expression(x, *ctx.settings), (x,), (tangent,))[1]  # type: ignore[no-any-return]

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None], x: Tensor, settings: Any) -> tuple[Tensor, int]:
        """Pictures do not touch each other, so the mapped dimension is one more part of the batch."""
        x = x.movedim(in_dims[0], 0)
        return _ChunkedLRN.apply(x.flatten(0, 1), settings).unflatten(0, x.shape[:2]), 0  # type: ignore[no-untyped-call]


def _maps_last(x: Tensor) -> bool:
    return x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def _maps_axis(x: Tensor) -> int:
    """Where the maps of a tower are in what ``_parts`` gives."""
    return 3 if _maps_last(x) else 2


def _parts(groups: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Views of ``_at_once`` pictures.

    Each is ``(n, groups, maps, places)``, or ``(n, places, groups, maps)`` where memory has the maps last.
    """
    first = tensors[0]
    pictures, maps, places = len(first), first.shape[1], math.prod(first.shape[2:])
    if _maps_last(first):
        views = [x.movedim(1, -1).view(pictures, places, groups, maps // groups) for x in tensors]
    else:
        views = [x.view(pictures, groups, maps // groups, places) for x in tensors]
    return zip(*(torch.split(x, _at_once(first)) for x in views), strict=True)


def _at_once(x: Tensor) -> int:
    """How many pictures of a batch to work on at a time."""
    return max(1, _CHUNK // max(1, math.prod(x.shape[1:])) if x.device.type == "cpu" else len(x))


def _denominators(x: Tensor, size: int, alpha: float, k: float, axis: int) -> Tensor:
    """``k + alpha * mean of squares`` over the windows along ``axis``."""
    squares = x.square()
    start = torch.full((1,), k, dtype=x.dtype, device=x.device)
    own = torch.add(start, squares, alpha=alpha / size)
    return _add_neighbours(own, squares, size, axis, alpha / size)


def _add_neighbours(total: Tensor, values: Tensor, size: int, axis: int, factor: float = 1.0) -> Tensor:
    """Adds to each place of ``total`` the other values of its window along ``axis``, times ``factor``."""
    length = values.shape[axis]
    for distance in range(1, min(size // 2, length - 1) + 1):
        here, there = (0, length - distance), (distance, length - distance)
        total.narrow(axis, *there).add_(values.narrow(axis, *here), alpha=factor)
        total.narrow(axis, *here).add_(values.narrow(axis, *there), alpha=factor)
    return total


def _power_(d: Tensor, beta: float) -> Tensor:
    """``_power``, which writes over ``d``."""
    if beta != 0.75:
        return d.pow_(-beta)
    root = d.rsqrt_()
    return root.mul_(root.sqrt())


class SpatialResponseNorm(nn.Module):
    """Response normalisation within each map, the 2012 code's ``rnorm``; not in the paper [layers-145.cfg].

    ``x / (k + alpha / size^2 * sum of squares over size x size positions) ** beta``; positions outside count zero.

    Shape:
        ``(N, C, H, W)`` to the same.
    """

    def __init__(self, size: int, alpha: float, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return _within_maps(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """What ``print(module)`` shows."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _within_maps(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    wide = _wide(x)
    mean_square = F.avg_pool2d(wide.square(), size, stride=1, padding=size // 2)
    return (wide * _power(k + alpha * mean_square, beta)).to(x.dtype)


def MaxPool2d(kernel_size: int, stride: int, ceil_mode: bool = False) -> nn.MaxPool2d:
    """``torch.nn.MaxPool2d``, the same values several times as fast on a CPU.

    PyTorch's looks at one window at a time where memory has the places last. Here the largest of each column of a
    window, and then the largest of these, take whole rows at once. Not in training, where PyTorch's keeps in mind
    which place was the largest.

    Maps ``(N, C, H, W)`` to ``(N, C, H', W')``.
    """
    pool = nn.MaxPool2d(kernel_size, stride, ceil_mode=ceil_mode)
    pool.forward = partial(_pool, pool, kernel_size, stride)  # type: ignore[method-assign]
    return pool


def _pool(pool: nn.MaxPool2d, size: int, stride: int, x: Tensor) -> Tensor:
    slow = x.device.type == "cpu" and x.ndim == 4 and x.is_contiguous()
    kept = torch.is_grad_enabled() and x.requires_grad
    if not slow or kept or recorded(x) or not _whole_windows(x, size, stride, pool.ceil_mode):
        return nn.MaxPool2d.forward(pool, x)  # type: ignore[no-any-return]
    rows = (_largest(part, 2, size, stride) for part in torch.split(x, _at_once(x)))
    return torch.cat([_largest(part, 3, size, stride) for part in rows])


def _whole_windows(x: Tensor, size: int, stride: int, ceil_mode: bool) -> bool:
    beyond = [side - size for side in x.shape[2:]]
    return min(beyond) >= 0 and not (ceil_mode and any(pixels % stride for pixels in beyond))


def _largest(x: Tensor, axis: int, size: int, stride: int) -> Tensor:
    return reduce(torch.maximum, x.unfold(axis, size, stride).unbind(-1))


class Dropout2012(nn.Module):
    """Dropout as in 2012 [paper, section 4.2]: zeros in training, a factor ``1 - p`` in testing.

    ``torch.nn.Dropout`` divides by ``1 - p`` in training instead; the expected values agree, the scales do not.

    Shape:
        any to the same.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x * torch.empty_like(x).bernoulli_(1 - self.p) if self.training else x * (1 - self.p)

    def extra_repr(self) -> str:
        """What ``print(module)`` shows."""
        return f"p={self.p}"
