"""Checks of notebook 06, feature maps."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from alexnet_edu.check.compare import same
from alexnet_edu.check.exercises import Inputs, check, exercise, expect, question

__all__ = ["capture", "field", "hide", "smallest_shifts", "sparsity", "strongest"]


def _field(cell: int, kernel: int, stride: int, padding: int) -> tuple[int, int]:
    first = cell * stride - padding
    return first, first + kernel - 1


@exercise(
    "each cell starts one stride after the last; padding moves all of them up.",
    right=_field,
    hint="How far has the window moved, and where did it start?",
    mistakes=[
        (lambda c, k, s, p: (..., _field(c, k, s, p)[0] + k), "The last row still belongs to the window."),
        (lambda c, k, s, p: (c * s, c * s + k - 1), "With padding, cell 0 begins before the picture."),
        (lambda c, k, s, p: (c * s + p, c * s + p + k - 1), "Padding lies *before* row 0."),
        (lambda c, k, s, p: (c * k - p, c * k - p + k - 1),
         "From cell to cell the window moves by a stride, not by its "
         "own size."),
        (lambda c, k, s, p: (max(0, c * s - p), ...), "The first row may be negative: do not cut it off."),
        (lambda c, k, s, p: ((c - 1) * s - p, (c - 1) * s - p + k - 1), "Cells are counted from 0."),
    ],
)  # fmt: skip
def field() -> Iterable[Inputs]:
    """Exercise 1: first and last row that a cell of a convolution reads: ``(cell, kernel, stride, padding)``."""
    return [(0, 11, 4, 0), (54, 11, 4, 0), (3, 5, 1, 2), (0, 11, 4, 2), (10, 11, 4, 2)]


def _sparsity(maps: Tensor) -> Tensor:
    return (maps == 0).double().mean((0, 2, 3))


@exercise(
    "counted over pictures and places, channel by channel.",
    right=_sparsity,
    hint=("Which dimensions should disappear?", "Count the zeros of one channel by hand."),
    mistakes=[
        (lambda m: 1 - _sparsity(m), "That is the share that is active; count the zeros."),
        (lambda m: (m == 0).double().sum((0, 2, 3)), "That is a count; a share is wanted."),
        (lambda m: _sparsity(m).mean(), "That is one number for all channels."),
        (lambda m: (m == 0).double().mean((1, 2, 3)), "Those are shares of each picture; channels are wanted."),
        (lambda m: (m == 0).double().mean((2, 3)), "The pictures should disappear as well: one share for a channel."),
        (lambda m: m.double().mean((0, 2, 3)), "That is how strong a channel is; how often is it silent?"),
    ],
)
def sparsity() -> Iterable[Inputs]:
    """Exercise 2: the share of exact zeros in each channel: ``(N, C, H, W)`` to ``(C,)``."""
    shift = torch.tensor([-9.0, -0.5, 0.5, 9.0])[:, None, None]
    return [(torch.relu(torch.randn(n, 4, 5, 6) + shift),) for n in (3, 1)]


@question(
    "the strides multiply: every pool and every strided convolution doubles or quadruples the step.",
    right={"conv1": 4, "pool1": 8, "conv2": 8, "pool2": 16, "conv5": 16},
    hint=("how many pixels is one of its cells from the next?", "Multiply the strides up to and including that layer."),
    mistakes=[
        ({"pool1": 2}, "pool1: 2 is its own stride; over how many pixels does each of conv1's cells step?"),
        ({"pool1": 6}, "pool1: steps multiply; they do not add up."),
        ({"pool1": 4}, "pool1 has a stride of its own."),
        ({"conv2": 16}, "conv2 has stride 1: its cells lie as far apart as those that it reads."),
        ({"conv2": 1}, "conv2: 1 is its own stride; how far apart are the cells that it reads?"),
        ({"pool2": 2}, "pool2: 2 is its own stride; how far apart are the cells that it reads?"),
        ({"conv5": 32}, "conv5: conv3, conv4 and conv5 have stride 1, and pool5 comes after them."),
    ],
)
def smallest_shifts(answer: dict[str, int]) -> object:
    """Exercise 5: smallest shift of the picture, in pixels, that moves a layer's maps by exactly one cell."""
    return answer


@check("your own copy, and no hook left behind.")
def capture(function: Callable[[nn.Module, nn.Module, Tensor], Tensor]) -> None:
    """Exercise 6: what ``layer`` of ``model`` puts out for ``x``, although the next layer overwrites it."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(4, 2, 2), nn.Sigmoid())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for place in (0, 1, 3):
        x = torch.randn(1, 3, 8, 8)
        with torch.no_grad():
            want = model[: place + 1](x)
        got = function(model, model[place], x)
        expect(
            place or not same(got, want.relu()),
            "These are the values after the ReLU: it overwrote the tensor that your hook kept.",
            "What of the output should the hook keep, so that nobody else writes into it?",
        )
        expect(not same(got, model(x)), "That is what the whole model puts out; ask the layer.")
        on_its_own = "You called the layer on x itself; inside the model it reads what the layers before it put out."
        expect(place != 1 or not same(got, x.relu()), on_its_own)
        expect(same(got, want), f"Layer {place} of the model put out something else when the model ran on x.")
        left = sum(len(module._forward_hooks) for module in model.modules())
        expect(left == 0, "The hook is still on the layer: what does register_forward_hook return?")
    expect(model[1].inplace, "Right values, but the model is no longer what it was: its ReLU works in place.")
    kept = all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    expect(kept and model.training, "Right values, but the model's weights or its mode have changed.")


def _hidden(x: Tensor, top: int, left: int, side: int) -> Tensor:
    x = x.clone()
    x[:, top : top + side, left : left + side] = 0
    return x


@exercise(
    "hidden there and nowhere else.",
    right=_hidden,
    keeps=True,
    hint="Which rows and columns are zero in yours, and which should be?",
    mistakes=[
        (lambda x, t, f, s: _hidden(x, f, t, s), "Rows come first: top belongs to dimension 1, left to dimension 2."),
        (lambda x, t, f, s: _hidden(x, t, f, s + 1), "Your square is a row and a column too large."),
        (lambda x, t, f, s: _hidden(x, t, f, s - 1), "Your square is a row and a column too small."),
        (lambda x, t, f, s: x[:, t : t + s, f : f + s], "You cut the square out; cover it."),
        (lambda x, t, f, s: x - _hidden(x, t, f, s), "You kept the square and covered the rest."),
        (lambda x, t, f, s: torch.cat([_hidden(x, t, f, s)[:1], x[1:]]), "The square is to be covered in all three "
         "colours."),
    ],
)  # fmt: skip
def hide() -> Iterable[Inputs]:
    """Exercise 4: a copy of ``x`` ``(3, H, W)`` with zeros in a square: ``(x, top, left, side)``; ``x`` stays."""
    x = torch.randn(3, 9, 12) + 5
    return [(x, 2, 5, 4), (x, 0, 0, 3), (x, 1, 4, 1)]


def _peaks(maps: Tensor, channel: int, k: int) -> list[int]:
    found: list[int] = maps[:, channel].amax((1, 2)).topk(k).indices.tolist()
    return found


@exercise(
    "a map's peak decides, whatever the rest of the picture looks like.",
    right=_peaks,
    hint=("Which value of each picture's map counts?", "Write down the peaks of the channel, and order them."),
    mistakes=[
        (lambda m, c, k: m[:, c].mean((1, 2)).topk(k).indices,
         "Those have the highest mean; a unit that finds one small "
         "spot peaks there."),
        (lambda m, c, k: _peaks(m, c, k)[::-1], "Right pictures, wrong order: strongest first."),
        (lambda m, c, k: m.amax((1, 2, 3)).topk(k).indices, "Those are the highest peaks of *any* channel."),
        (lambda m, c, k: _peaks(m, 0, k), "That is another channel than the one asked for."),
        (lambda m, c, k: m[:, c].abs().amax((1, 2)).topk(k).indices, "Maps before a ReLU have negative values; those "
         "are no peaks."),
        (lambda m, c, k: m[:, c].amax((1, 2)).topk(k).values, "Those are the peaks; which pictures are they in?"),
        (lambda m, c, k: m[:, c].flatten().topk(k).indices, "Those are places in all maps together; which pictures are "
         "they in?"),
    ],
)  # fmt: skip
def strongest() -> Iterable[Inputs]:
    """Exercise 3: numbers of the k pictures whose map of a channel peaks highest: ``(maps, channel, k)``."""
    maps = torch.rand(12, 3, 4, 4)
    maps[7, 1, 2, 2], maps[4, 1, 0, 3] = 3.0, 2.0
    maps[9, 1] += 0.5  # bright everywhere, but lower at its peak
    maps[2, 0, 1, 1], maps[3, 2, 3, 3] = 5.0, 6.0  # peaks of other channels
    maps[5, 1, 0, 0] = -7.0  # as before a ReLU
    return [(maps, 1, 3), (maps, 2, 1)]
