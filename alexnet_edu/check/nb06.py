"""Checks of notebook 06, feature maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from alexnet_edu.check import check, close, expect, same
from alexnet_edu.check.common import alike

__all__ = ["capture", "field", "hide", "smallest_shifts", "sparsity", "strongest"]


@check("each cell starts one stride after the last; padding moves all of them up.")
def field(function: Callable[[int, int, int, int], tuple[int, int]]) -> None:
    """First and last row of pixels that a cell of a convolution reads; ``(cell, kernel, stride, padding)``."""
    for cell, kernel, stride, padding in ((0, 11, 4, 0), (54, 11, 4, 0), (3, 5, 1, 2), (10, 11, 4, 2)):
        first = cell * stride - padding
        got = function(cell, kernel, stride, padding)
        asked = f"cell {cell}, kernel {kernel}, stride {stride}, padding {padding}"
        late = isinstance(got, tuple | list) and tuple(got) == (first, first + kernel)
        expect(not late, f"For {asked}: the last row is still inside, so {kernel} rows end at {first + kernel - 1}.")
        hint = f"For {asked} it should be {(first, first + kernel - 1)}: how far has the window moved?"
        same(got, (first, first + kernel - 1), hint)


@check("counted over pictures and places, channel by channel.")
def sparsity(function: Callable[[Tensor], Tensor]) -> None:
    """The share of exact zeros in each channel: ``(N, C, H, W)`` to ``(C,)``."""
    maps = torch.relu(torch.randn(3, 4, 5, 6) + torch.tensor([-9.0, -0.5, 0.5, 9.0])[:, None, None])
    got, want = function(maps), (maps == 0).float().mean((0, 2, 3))
    if isinstance(got, Tensor) and got.shape == want.shape:
        expect(not alike(got, 1 - want), "That is the share that is active; count the zeros.")
        expect(not alike(got, (maps == 0).float().sum((0, 2, 3))), "That is a count; take the mean.")
    close(got, want, "Compare with 0, turn into floats, and take the mean over all dimensions but the channels.")


@check("the strides multiply: every pool and every strided convolution doubles or quadruples the step.")
def smallest_shifts(answer: dict[str, int]) -> None:
    """Smallest shift of the picture, in pixels, that moves a layer's maps by exactly one cell."""
    for name, want in (("conv1", 4), ("pool1", 8), ("conv2", 8), ("pool2", 16), ("conv5", 16)):
        expect(name in answer, f"{name} is missing in your dictionary.")
        same(answer[name], want, f"{name}: multiply the strides of all layers up to and including {name}.")


@check("your own copy, and no hook left behind.")
def capture(function: Callable[[nn.Module, nn.Module, Tensor], Tensor]) -> None:
    """What ``layer`` of ``model`` puts out for ``x``, although the next layer overwrites it; ``(model, layer, x)``."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2))
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        want = model[0](x)
    got = function(model, model[0], x)
    if isinstance(got, Tensor) and got.shape == want.shape:
        expect(
            not torch.equal(got.detach(), want.relu()),
            "These are the values after the ReLU: it overwrote the tensor that your hook kept; clone it in the hook.",
        )
    close(got, want, "Keep the output of the layer that you were given, for the input that you were given.")
    left = sum(len(module._forward_hooks) for module in model.modules())
    expect(left == 0, "The hook is still on the layer: call remove() on what register_forward_hook returned.")


@check("hidden there and nowhere else.")
def hide(function: Callable[[Tensor, int, int, int], Tensor]) -> None:
    """A copy of ``x`` ``(3, H, W)`` with zeros in a square: ``(x, top, left, side)``; ``x`` stays as it was."""
    x = torch.randn(3, 9, 12) + 5
    for top, left, side in ((0, 0, 3), (2, 5, 4)):
        want = x.clone()
        want[:, top : top + side, left : left + side] = 0
        got = function(x, top, left, side)
        if isinstance(got, Tensor) and got.shape == want.shape and (top, left) == (2, 5):
            turned = x.clone()
            turned[:, left : left + side, top : top + side] = 0
            expect(not torch.equal(got, turned), "Rows come first: top belongs to dimension 1, left to dimension 2.")
        close(got, want, "Clone x, then set rows top to top + side and columns left to left + side to 0.")
    kept = x.clone()
    getattr(function, "__wrapped__", function)(x, 2, 5, 4)  # a check hands copies to the function; this is the original
    expect(torch.equal(x, kept), "Right places, but the x that you were given has changed: start with x.clone().")


@check("a map's peak decides, whatever the rest of the picture looks like.")
def strongest(function: Callable[[Tensor, int, int], Any]) -> None:
    """Numbers of the k pictures whose map of ``channel`` peaks highest: ``(maps (N, C, H, W), channel, k)``."""
    maps = torch.rand(12, 3, 4, 4)
    maps[7, 1, 2, 2], maps[4, 1, 0, 3] = 3.0, 2.0
    maps[9, 1] += 0.5  # bright everywhere, but lower at its peak
    want = maps[:, 1].amax((1, 2)).argsort(descending=True)[:3]
    got = function(maps, 1, 3)
    values = got.tolist() if isinstance(got, Tensor) else got
    mean = maps[:, 1].mean((1, 2)).argsort(descending=True)[:3]
    expect(values != mean.tolist(), "Those have the highest mean; a unit that finds one small spot peaks there.")
    expect(values != want.flip(0).tolist(), "Right pictures, wrong order: strongest first.")
    same(got, want, "Take the channel, the maximum over rows and columns, then the k largest of N values.")
