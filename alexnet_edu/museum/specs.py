"""Layers of the 2012 format that ``alexnet_edu.specs`` lacks, as data: shapes, parameters and costs.

A layer that may have several inputs is a ``Joint``. ``alexnet_edu.museum.layers`` has the PyTorch modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, prod
from typing import Literal, NamedTuple

from alexnet_edu.specs import Conv, Layer, Linear, Shape, SpatialNorm

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
]


class Source(NamedTuple):
    """Where a shared weight matrix lives: a layer, and the position of one of its inputs."""

    layer: str
    position: int


class Joint(Layer):
    """A layer that may have several inputs: each method takes one shape per input. Costs nothing as it stands."""

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
        filter_channels: with random sparse connections, the number of input maps that each group sees; 0 without
            them, when each group sees its share of the maps in order.
        local: every output position has filters and biases of its own (``local`` instead of ``conv``).
    """

    filter_channels: int = 0
    local: bool = False

    def wired(self, shape: Shape) -> Shape:
        """The input's shape after the random connections have picked each group's maps."""
        return (self.filter_channels * self.groups, *shape[1:]) if self.filter_channels else shape

    def parameters(self, shape: Shape) -> int:
        each = super().parameters(self.wired(shape))
        return each * prod(self.output_shape(shape)[1:]) if self.local else each

    def macs(self, shape: Shape) -> int:
        return super().macs(self.wired(shape))


@dataclass(frozen=True)
class Sum(Joint):
    """``conv``, ``local`` or ``fc``: every input has its weights; the outputs are summed, then one bias is added.

    Attributes:
        branches: one convolution or fully connected layer per input.
        sources: per input, whose weights it uses; ``None``: it has weights of its own.
        start: the value of every bias before training.
        position_bias: one bias per output position (``sharedBiases=0``, and ``local``) instead of one per map.
    """

    branches: tuple[Conv | Linear, ...]
    sources: tuple[Source | None, ...]
    start: float = 0.0
    position_bias: bool = False

    def output_shape(self, *shapes: Shape) -> Shape:
        return self.branches[0].output_shape(shapes[0])

    def weight_counts(self, *shapes: Shape) -> tuple[int, ...]:
        """Weights per input, shared or not, without biases."""
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
    """Pooling whose windows may start before the first pixel and reach over the edge; only pixels inside count.

    Attributes:
        how: the largest value, the mean, the value of largest magnitude, or one taken at random.
        size: side of the window, in pixels.
        stride: from one window to the next, in pixels.
        start: the first pixel of the first window; negative: before the edge.
        outputs: windows along one side.
    """

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
    """Probabilities from class scores (logits)."""


@dataclass(frozen=True)
class Concat(Joint):
    """The inputs, flattened and joined one after the other."""

    def output_shape(self, *shapes: Shape) -> Shape:
        return (sum(prod(shape) for shape in shapes),)


@dataclass(frozen=True)
class WeightedSum(Joint):
    """``eltsum``: the inputs, each times its coefficient, summed."""

    coefficients: tuple[float, ...]


@dataclass(frozen=True)
class Cost(Joint):
    """What training minimises: ``coefficient`` times the mean over the images."""

    how: str
    coefficient: float = 1.0

    def output_shape(self, *shapes: Shape) -> Shape:
        return (1,)


@dataclass(frozen=True)
class Neuron(Layer):
    """An activation function with up to two constants, such as ``tanh[a,b]`` = a * tanh(b * x)."""

    function: str
    constants: tuple[float, ...] = ()
