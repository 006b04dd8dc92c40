"""Checks of notebook 02: sizes, costs, receptive fields, towers, and telling the variants apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet_edu.check.compare import OneOf
from alexnet_edu.check.exercises import Inputs, check, exercise, expect, question
from alexnet_edu.geometry import layer_table
from alexnet_edu.specs import Conv, Window, positions
from alexnet_edu.variants import get_spec

__all__ = ["conv_cost", "first_right", "mystery", "receptive_field", "sizes", "two_towers", "uses"]


def _cost(side: int, channels: int, kernels: int, size: int, stride: int, padding: int, groups: int) -> Inputs:
    """Output side, parameters, MACs of a convolution, from the spec's own methods."""
    layer = Conv("conv", kernels, size, stride, padding, groups)
    shape = (channels, side, side)
    return layer.output_shape(shape)[1], layer.parameters(shape), layer.macs(shape)


def _weights(side: int, channels: int, kernels: int, size: int, stride: int, padding: int, groups: int) -> int:
    return kernels * (channels // groups) * size**2


@exercise(
    "that is every convolution of the paper, and four odd ones.",
    right=_cost,
    hint="Draw the padded picture and let the kernel move: how many positions and weights, and how often is each used?",
    mistakes=[
        (lambda *p: (_cost(*p)[0] - 1, ..., ...), "n steps of a kernel make n + 1 positions."),
        (lambda n, c, k, s, t, p, g: (_cost(n + p, c, k, s, t, 0, g)[0], ..., ...), "Padding is added on both sides."),
        (lambda *p: (..., _weights(*p), ...), "Every kernel has a bias, too."),
        (lambda *p: (..., p[2] * (p[1] * p[3] ** 2 + 1), ...), "In groups a kernel does not see all the channels."),
        (lambda *p: (..., p[2] * (p[3] ** 2 + 1), ...), "A kernel has a square of weights for each channel it sees."),
        (lambda *p: (..., ..., _cost(*p)[1] * _cost(*p)[0] ** 2), "The bias is added, not multiplied."),
        (
            lambda *p: (..., ..., _weights(*p) * p[0] ** 2),
            "A kernel is applied once for each position of the *output*.",
        ),
        (lambda *p: (..., ..., _weights(*p) * _cost(*p)[0]), "A kernel moves along rows *and* along columns."),
        (lambda *p: (..., ..., p[1] * p[2] * p[3] ** 2 * _cost(*p)[0] ** 2), "Groups save MACs as well as parameters."),
        (lambda *p: (..., ..., 2 * _weights(*p) * _cost(*p)[0] ** 2), "A MAC is a multiplication *with* its addition."),
    ],
)
def conv_cost() -> Iterable[Inputs]:
    """Exercise 1: ``function(side, channels, kernels, size, stride, padding, groups)``: side out, parameters, MACs."""
    paper = [
        (227, 3, 96, 11, 4, 0, 1),
        (27, 96, 256, 5, 1, 2, 2),
        (13, 256, 384, 3, 1, 1, 1),
        (13, 384, 256, 3, 1, 1, 2),
    ]
    return [*paper, (20, 4, 6, 3, 2, 1, 1), (9, 8, 8, 4, 3, 0, 4), (7, 5, 2, 1, 1, 0, 1), (12, 6, 9, 5, 2, 2, 3)]


@question(
    "a weight of conv1 works 3,025 times for each picture, one of fc6 once: that is why they sit at opposite ends.",
    right={"conv1": 55 * 55, "fc6": 1},
    hint={
        "conv1": (
            "to how many positions does its kernel move?",
            "One weight belongs to one kernel, and so to one output channel.",
        ),
        "fc6": ("what does one of its weights connect?", "How many such pairs are there in one picture?"),
    },
    mistakes=[
        ({"conv1": 55}, "conv1 is applied along rows *and* along columns."),
        ({"conv1": 224 * 224}, "The kernel of conv1 does not stop at every pixel."),
        ({"conv1": 55 * 55 * 96}, "That is all 96 kernels of conv1; one weight belongs to one of them."),
        ({"conv1": 27 * 27}, "Those are the positions after pool1."),
        ({"fc6": 4096}, "All units of fc6 together have that many; one weight leads to one unit."),
        ({"fc6": 9216}, "fc6 reads that many values; one weight belongs to one of them."),
    ],
)
def uses(conv1: int, fc6: int) -> object:
    """Exercise 2: how often one weight of conv1, and one of fc6, is multiplied for one picture."""
    return {"conv1": conv1, "fc6": fc6}


def _sides(kernel: int, stride: int, padding: int, ceil: bool) -> list[int]:
    window = Window(kernel, stride, padding)
    return [side for side in range(200, 241) if positions(side, window, ceil=ceil) == 55]


@exercise(
    "four sizes each, and only rounding up takes 224 without padding.",
    right=_sides,
    hint="Take the first and the last side of your list, and count the kernel's positions by hand.",
    mistakes=[
        (lambda k, s, p, c: _sides(k, s, p, not c), "You round the other way."),
        (lambda k, s, p, c: _sides(k, s, p, False), "`ceil` says which way to round; you always round down."),
        (lambda k, s, p, c: _sides(k, s, 0, c), "Padding makes a picture larger."),
        (lambda k, s, p, c: [n + p for n in _sides(k, s, p, c)], "Padding is added on both sides."),
        (lambda k, s, p, c: _sides(k, s, p, c)[:1], "There is more than one such side."),
        (lambda k, s, p, c: [n - s for n in _sides(k, s, p, c)], "n steps of a kernel make n + 1 positions."),
    ],
)
def sizes() -> Iterable[Inputs]:
    """Exercise 4: ``function(kernel, stride, padding, ceil)``: the input sides from 200 to 240 with 55 positions."""
    return [(11, 4, 0, True), (11, 4, 0, False), (11, 4, 2, False), (11, 4, 1, True)]


@check("both mistakes are gone after pool1, so nothing downstream can notice.")
def first_right(caffe: str, ict1022: str) -> None:
    """Exercise 5: the first layer whose channels have the right size again."""
    names = [row.name for row in layer_table(get_spec("caffe"))]
    for answer, spec, side in ((caffe, "caffe", 224), (ict1022, "ict1022", 227)):
        network = get_spec(spec)
        own = [row.name for row in layer_table(network)]
        expect(answer in names, f"{answer!r} is no layer; choose from {', '.join(names[:8])} and so on.")
        expect(answer in own, f"{spec} has no layer {answer!r}: look at its table.")
        wrong, right = (layer_table(network, n)[answer].output_shape for n in (side, network.input_size))
        expect(wrong == right, f"{answer} of {spec} still gives {wrong} instead of {right}.")
        expect(answer == "pool1", f"{answer} of {spec} is right, but so is a layer before it.")


def _field(stack: list[tuple[int, int]], *, early: bool = False) -> int:
    """Side in pixels; ``early`` makes the mistake of applying a stride to its own layer."""
    size, jump = 1, 1
    for kernel, stride in stack:
        size += (kernel - 1) * jump * (stride if early else 1)
        jump *= stride
    return size


@exercise(
    "kernel by kernel: the field grows by (kernel - 1) times the jump.",
    right=_field,
    hint="Go through the stack from the first layer on: which pixels does one more layer add?",
    mistakes=[
        (
            lambda stack: 1 + sum(k - 1 for k, _ in stack),
            "In a later layer neighbours lie several pixels apart: that is the jump.",
        ),
        (lambda stack: sum(k for k, _ in stack) or 1, "Neighbouring windows share pixels: a kernel adds one less."),
        (lambda stack: _field(stack, early=True), "A layer's own stride makes the jump longer only *after* it."),
        (lambda stack: _field(stack[::-1]), "The first layer of the stack is the first that the picture meets."),
        (lambda stack: _field(stack) if stack else 0, "Without any layer, a value is one pixel."),
    ],
)
def receptive_field() -> Iterable[Inputs]:
    """Exercise 6: ``function([(kernel, stride), ...])``: side in pixels of what one value sees."""
    stack = [(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)]
    return [*((stack[:n],) for n in range(1, 9)), ([],), ([(2, 3), (2, 5), (2, 1)],)]


def _grouped(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(x, weight, bias, padding=2, groups=2)


@exercise(
    "two plain convolutions side by side, and nothing passes between them.",
    right=_grouped,
    hint="Which half of the channels meets which half of the kernels, and where do their results go?",
    forbidden=("groups",),
    mistakes=[
        (lambda x, w, b: torch.cat(_grouped(x, w, b).chunk(2, 1)[::-1], 1), "The towers' outputs changed places."),
        (lambda x, w, b: _grouped(x, w, 0 * b), "The biases are missing."),
        (lambda x, w, b: F.conv2d(x, w, b, groups=2), "Padding is missing: the output became smaller."),
        (lambda x, w, b: _grouped(torch.cat([x[:, :3]] * 2, 1), w, b), "Both of your towers read the first channels."),
        (lambda x, w, b: _grouped(torch.cat([x[:, ::2], x[:, 1::2]], 1), w, b), "A tower reads a block of channels, "
         "not every second one."),
        (lambda x, w, b: _grouped(x, w, b)[:, :4], "Half of the channels are missing: join what the two towers give."),
    ],
)  # fmt: skip
def two_towers() -> Iterable[Inputs]:
    """Exercise 7: ``function(x, weight, bias)`` equals ``F.conv2d(x, weight, bias, padding=2, groups=2)``."""
    return [(torch.randn(n, 6, 9, 7), torch.randn(8, 3, 5, 5), torch.randn(8)) for n in (2, 1)]


@question(
    "five of five: a count of parameters is a good fingerprint, if you also know the number of classes.",
    right={
        "A": "ict1022",
        "B": "torchvision",
        "C": "d2l",
        "D": OneOf("paper", "museum", "caffe", "caffenet"),  # the same widths and groups, and so counts
        "E": "torchvision",
    },
    hint=dict.fromkeys("ABCD", "the table of variants has that number.")
    | {"E": ("it has fewer than 1,000 classes.", "How many parameters does each class take?")},
    mistakes=[
        ({"E": "d2l"}, "E lies farther below the 1,000 classes of d2l than any number of classes explains."),
        ({"D": "torchvision"}, "D has fewer parameters than torchvision's network: two towers save some."),
        ({"B": "paper"}, "B has more parameters than the paper's network."),
        ({"A": "paper"}, "A has more parameters than the paper's network: does anything in it come in groups?"),
        ({"C": "torchvision"}, "C has ten million parameters fewer than torchvision's network."),
    ],
)
def mystery(answers: Mapping[str, str]) -> object:
    """Exercise 8: which variant has which number of parameters."""
    return answers
