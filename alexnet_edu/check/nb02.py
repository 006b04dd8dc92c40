"""Checks of notebook 02: sizes, costs, receptive fields, towers, and telling the variants apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet_edu.check import check, close, expect, same
from alexnet_edu.check.common import alike
from alexnet_edu.geometry import layer_table
from alexnet_edu.specs import Conv, Window, positions
from alexnet_edu.variants import get_spec

__all__ = ["conv_cost", "first_right", "mystery", "receptive_field", "sizes", "two_towers", "uses"]

Cost = tuple[int, int, int]


def _cost(side: int, channels: int, kernels: int, size: int, stride: int, padding: int, groups: int) -> Cost:
    """Output side, parameters, MACs of a convolution, from the spec's own methods."""
    layer = Conv("conv", kernels, size, stride, padding, groups)
    shape = (channels, side, side)
    return layer.output_shape(shape)[1], layer.parameters(shape), layer.macs(shape)


@check("that is every convolution of the paper, and four odd ones.")
def conv_cost(function: Callable[..., Cost]) -> None:
    """Exercise 1: ``function(side, channels, kernels, size, stride, padding, groups)``: side out, parameters, MACs."""
    paper = [
        (227, 3, 96, 11, 4, 0, 1),
        (27, 96, 256, 5, 1, 2, 2),
        (13, 256, 384, 3, 1, 1, 1),
        (13, 384, 256, 3, 1, 1, 2),
    ]
    odd = [(20, 4, 6, 3, 2, 1, 1), (9, 8, 8, 4, 3, 0, 4), (7, 5, 2, 1, 1, 0, 1), (12, 6, 9, 5, 2, 2, 3)]
    for layer in paper + odd:
        got = function(*layer)
        expect(isinstance(got, Sequence) and len(got) == 3, "return three numbers: side, parameters, MACs.")
        side, parameters, macs = _cost(*layer)
        _, channels, kernels, size, _, _, groups = layer
        weights = parameters - kernels
        where = "for (side, channels, kernels, size, stride, padding, groups) = " + str(layer)
        same(got[0], side, f"{where} the side should be {side}: 1 + (side + 2 padding - size) // stride.")
        expect(got[1] != weights, "every kernel has a bias, too.")
        expect(
            groups == 1 or got[1] != kernels * (channels * size**2 + 1), "in groups a kernel sees channels // groups."
        )
        same(got[1], parameters, f"{where} the parameters should be {parameters:,}.")
        expect(got[2] != parameters * side**2, "the bias is added, not multiplied: leave it out of the MACs.")
        expect(
            got[2] != weights * layer[0] ** 2 or layer[0] == side, "a kernel is applied once for each *output* place."
        )
        same(got[2], macs, f"{where} the MACs should be {macs:,}.")


@check("a weight of conv1 works 3,025 times for each picture, one of fc6 once: that is why they sit at opposite ends.")
def uses(conv1: int, fc6: int) -> None:
    """Exercise 2: how often one weight of conv1, and one of fc6, is multiplied for one picture."""
    expect(conv1 != 55, "conv1 is applied along rows and along columns.")
    expect(conv1 != 224 * 224, "the kernel moves by 4 pixels, not by 1: count places in the output.")
    expect(conv1 != 55 * 55 * 96, "that is all 96 kernels; one weight belongs to one of them.")
    same(conv1, 55 * 55, "one weight is used once for each place of its kernel's map. How many places has the map?")
    same(fc6, 1, "an fc6 weight connects one value with one unit. How many such pairs are there for it in one picture?")


@check("four sizes each, and only rounding up takes 224 without padding.")
def sizes(function: Callable[[int, int, int, bool], list[int]]) -> None:
    """Exercise 3: ``function(kernel, stride, padding, ceil)``: the input sides from 200 to 240 with 55 positions."""
    for kernel, stride, padding, ceil in ((11, 4, 0, True), (11, 4, 0, False), (11, 4, 2, False), (11, 4, 1, True)):
        window = Window(kernel, stride, padding)
        want = [side for side in range(200, 241) if positions(side, window, ceil=ceil) == 55]
        got = function(kernel, stride, padding, ceil)
        expect(isinstance(got, (list, tuple, range)), "a list of sides is wanted.")
        case = f"padding {padding}, rounding {'up' if ceil else 'down'}"
        other = [side for side in range(200, 241) if positions(side, window, ceil=not ceil) == 55]
        expect(list(got) != other, f"for {case} you rounded the other way.")
        unpadded = [side for side in range(200, 241) if positions(side, Window(kernel, stride, 0), ceil=ceil) == 55]
        expect(not padding or list(got) != unpadded, "padding is added on both sides.")
        expect(len(got) == len(want), f"for {case} there are {len(want)} sides, not {len(got)}.")
        same(got, want, f"for {case} the first should be {want[0]}.")


@check("both mistakes are gone after pool1, so nothing downstream can notice.")
def first_right(caffe: str, ict1022: str) -> None:
    """Exercise 4: the first layer whose map has the right size again."""
    names = [row.name for row in layer_table(get_spec("caffe"))]
    for answer, spec, side in ((caffe, "caffe", 224), (ict1022, "ict1022", 227)):
        expect(answer in names, f"{answer!r} is no layer; choose from {', '.join(names[:8])} and so on.")
        right, wrong = layer_table(get_spec(spec)), layer_table(get_spec(spec), side)
        shapes = f"{wrong[answer].output_shape} instead of {right[answer].output_shape}"
        expect(wrong[answer].output_shape == right[answer].output_shape, f"{answer} of {spec} still gives {shapes}.")
        expect(answer == "pool1", f"{answer} of {spec} is right, but so is a layer before it.")


@check("kernel by kernel: the field grows by (kernel - 1) times the distance between neighbours.")
def receptive_field(function: Callable[[list[tuple[int, int]]], int]) -> None:
    """Exercise 5: ``function([(kernel, stride), ...])``: side in pixels of what one value sees."""
    stack = [(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)]
    fields = [11, 19, 51, 67, 99, 131, 163, 195]
    sums = [1 + sum(kernel - 1 for kernel, _ in stack[:n]) for n in range(1, 9)]
    for n, want in enumerate(fields, start=1):
        got = function(stack[:n])
        expect(n == 1 or got != sums[n - 1], "a step of a later layer is several pixels wide: multiply by the strides.")
        late = 1 + sum(
            (k - 1) * s * jump for (k, s), jump in zip(stack[:n], (1, 4, 8, 8, 16, 16, 16, 16), strict=False)
        )
        expect(got != late or late == want, "a layer's own stride moves its neighbours apart only *after* it.")
        same(got, want, f"for the first {n} layers the field is {want} pixels.")
    same(function([]), 1, "without any layer, a value is one pixel.")
    same(function([(2, 3), (2, 5), (2, 1)]), 20, "for (2, 3), (2, 5), (2, 1) the field is 20 pixels.")


@check("two plain convolutions side by side, and nothing passes between them.")
def two_towers(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """Exercise 6: ``function(x, weight, bias)`` equals ``F.conv2d(x, weight, bias, padding=2, groups=2)``."""
    x, weight, bias = torch.randn(2, 6, 9, 9), torch.randn(8, 3, 5, 5), torch.randn(8)
    got, want = function(x, weight, bias), F.conv2d(x, weight, bias, padding=2, groups=2)
    if isinstance(got, Tensor) and got.shape == want.shape:
        top, bottom = want.chunk(2, dim=1)
        expect(not alike(got, torch.cat([bottom, top], 1), atol=1e-4), "the towers' outputs changed places.")
        plain = F.conv2d(x, weight, None, padding=2, groups=2)
        expect(not alike(got, plain, atol=1e-4), "the biases are missing.")
    close(got, want, "the first half of the maps meets the first half of the kernels.", atol=1e-4)


@check("five of five: a count of parameters is a good fingerprint, if you also know the number of classes.")
def mystery(answers: Mapping[str, str]) -> None:
    """Exercise 7: which variant has which number of parameters."""
    truth = {"A": "ict1022", "B": "torchvision", "C": "d2l", "D": "paper", "E": "torchvision"}
    expect(isinstance(answers, Mapping), 'give a dictionary such as {"A": "paper", ...}.')
    for key, name in truth.items():
        given = answers.get(key)
        if key == "D" and given in ("museum", "caffe", "caffenet"):
            continue  # the same widths, groups and so counts
        hint = (
            "the classes are fewer: take 4,097 parameters for each." if key == "E" else "look at the table of variants."
        )
        same(given, name, f"{key} is not {given!r}: {hint}")
