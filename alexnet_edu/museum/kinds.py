"""Layers of the 2012 format that ``alexnet_edu.specs`` lacks, as data: shapes, parameters and costs.

A layer with several inputs is a ``Joint``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import exp, isfinite, prod
from typing import Literal, NamedTuple

from alexnet_edu.specs import Conv, Layer, Linear, ReLU, Shape, SpatialNorm

__all__ = [
    "Blur",
    "Concat",
    "ContrastNorm",
    "Cost",
    "Filters",
    "Flip",
    "Nailbed",
    "Neuron",
    "Pool",
    "Softmax",
    "Source",
    "Sum",
    "WeightedSum",
    "parse_neuron",
]


class Source(NamedTuple):
    """Where a shared weight matrix lives: a layer, and the position of one of its inputs."""

    layer: str
    position: int


class Joint(Layer):
    """A layer of several inputs: each method takes their shapes one after the other. Costs nothing as it stands."""

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def parameters(self, *shapes: Shape) -> int:
        return 0

    def macs(self, *shapes: Shape) -> int:
        return 0


@dataclass(frozen=True)
class Filters(Conv):
    """The filters of one input of a ``conv`` or ``local`` layer.

    Attributes:
        filter_channels: with random sparse connections, how many input maps each group sees; 0: they are in order.
        local: an own filter at every output position, and an own bias.
    """

    filter_channels: int = 0
    local: bool = False

    def wired(self, shape: Shape) -> Shape:
        """The input after the random connections have picked each group's maps."""
        return (self.filter_channels * self.groups, *shape[1:]) if self.filter_channels else shape

    def parameters(self, shape: Shape) -> int:
        each = super().parameters(self.wired(shape))
        return each * prod(self.output_shape(shape)[1:]) if self.local else each

    def macs(self, shape: Shape) -> int:
        return super().macs(self.wired(shape))


@dataclass(frozen=True)
class Sum(Joint):
    """``conv``, ``local`` or ``fc``: each input's own weights, all outputs summed, then one bias added.

    Attributes:
        branches: a convolution or a fully connected layer for each input.
        sources: for each input the owner of its weights, or ``None``: they are its own.
        start: every bias before training.
        position_bias: one bias an output position (``sharedBiases=0``, and ``local``) instead of one a map.
    """

    branches: tuple[Conv | Linear, ...]
    sources: tuple[Source | None, ...]
    start: float = 0.0
    position_bias: bool = False

    def output_shape(self, *shapes: Shape) -> Shape:
        return self.branches[0].output_shape(shapes[0])

    def weight_counts(self, *shapes: Shape) -> tuple[int, ...]:
        """Weights of each input, without biases and whoever owns them."""
        out = self.output_shape(*shapes)
        biases = [prod(out) if getattr(branch, "local", False) else out[0] for branch in self.branches]
        sized = zip(self.branches, shapes, biases, strict=True)
        return tuple(branch.parameters(shape) - bias for branch, shape, bias in sized)

    def parameters(self, *shapes: Shape) -> int:
        out = self.output_shape(*shapes)
        own = zip(self.weight_counts(*shapes), self.sources, strict=True)
        return sum(count for count, source in own if source is None) + (prod(out) if self.position_bias else out[0])

    def macs(self, *shapes: Shape) -> int:
        return sum(branch.macs(shape) for branch, shape in zip(self.branches, shapes, strict=True))


@dataclass(frozen=True)
class Pool(Layer):
    """Any pooling: windows may start before the first pixel and reach over the edge; only pixels inside count."""

    how: Literal["max", "avg", "maxabs", "rand"]
    size: int
    stride: int
    start: int
    outputs: int

    def output_shape(self, shape: Shape) -> Shape:
        return (shape[0], self.outputs, self.outputs)


@dataclass(frozen=True)
class ContrastNorm(SpatialNorm):
    """``cnorm``: as ``SpatialNorm``, with squares of the differences from the mean of each position's window.

    The numerator is the value itself, not the difference [cuda-convnet, ``kCNorm_fewfilter``].
    """


@dataclass(frozen=True)
class Blur(Layer):
    """A separable Gaussian of ``size`` taps; pixels outside count as zero [layer.py, GaussianBlurLayerParser]."""

    size: int
    stdev: float

    def taps(self) -> tuple[float, ...]:
        """The filter, with sum 1."""
        raw = [exp(-((self.size // 2 - i) ** 2) / (2 * self.stdev**2)) for i in range(self.size)]
        return tuple(value / sum(raw) for value in raw)


@dataclass(frozen=True)
class Nailbed(Layer):
    """Every ``stride``-th pixel, centred."""

    stride: int

    def first(self, side: int) -> int:
        """The first pixel taken: ``(side - stride * (out - 1)) // 2``."""
        return (side - self.stride * (-(-side // self.stride) - 1)) // 2

    def output_shape(self, shape: Shape) -> Shape:
        side = -(-shape[1] // self.stride)
        return (shape[0], side, side)


@dataclass(frozen=True)
class Flip(Layer):
    """Mirrors left and right."""


@dataclass(frozen=True)
class Softmax(Layer):
    """Probabilities from class scores."""


@dataclass(frozen=True)
class Concat(Joint):
    """The flattened inputs, one after the other."""

    def output_shape(self, *shapes: Shape) -> Shape:
        return (sum(prod(shape) for shape in shapes),)


@dataclass(frozen=True)
class WeightedSum(Joint):
    """``eltsum``: the inputs, each times its coefficient, summed."""

    coefficients: tuple[float, ...]


@dataclass(frozen=True)
class Cost(Joint):
    """What training makes small: ``coefficient`` times the mean over the pictures."""

    how: str
    coefficient: float = 1.0

    def output_shape(self, *shapes: Shape) -> Shape:
        return (1,)


@dataclass(frozen=True)
class Neuron(Layer):
    """An activation function with up to two constants, such as ``tanh[a,b]`` = a * tanh(b * x)."""

    function: str
    constants: tuple[float, ...] = ()


_CONSTANTS = {"tanh": 2, "linear": 2, "brelu": 1, "drelu": 1} | dict.fromkeys(
    ("logistic", "abs", "softrelu", "square", "sqrt", "nrelu"), 0
)


def parse_neuron(text: str, name: str) -> Layer | None:
    """The activation that ``neuron=text`` names; ``None`` for ``ident`` and for no text.

    Raises:
        ValueError: there is none of that name, or it has another number of constants.
    """
    match = re.fullmatch(r"(\w*)\s*(?:\[([-+\d.,eE\s]*)\])?", text.strip())
    function, inside = match.groups() if match else (text, None)
    if function in ("", "ident") and inside is None:
        return None
    constants = tuple(float(word) for word in inside.split(",")) if inside is not None else ()
    if function == "relu" and not constants:
        return ReLU(name)
    wrong = _CONSTANTS.get(function) != len(constants) or not all(map(isfinite, constants))
    if wrong or (function == "drelu" and constants[0] == 0):
        raise ValueError(text)
    return Neuron(name, function, constants)
