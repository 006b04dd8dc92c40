"""The language of layers: what a network is made of, as data that knows its shapes and costs.

A network is a tuple of these layers (``alexnet_edu.variants`` has eight). The module, the layer table, the costs, the
receptive fields and the diagram all derive from it. Shapes are
``(channels, height, width)`` for maps and ``(features,)`` for vectors; sizes are in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Literal, NamedTuple

from alexnet_edu.errors import AlexNetError

__all__ = [
    "LRN",
    "AdaptiveAvgPool",
    "BatchNorm",
    "Conv",
    "Dropout",
    "Flatten",
    "Init",
    "Layer",
    "Linear",
    "MaxPool",
    "ReLU",
    "Shape",
    "SpatialNorm",
    "Spec",
    "Tanh",
    "Window",
    "scaled",
]

Shape = tuple[int, ...]


class Window(NamedTuple):
    """What an output position looks at: a square of ``size`` inputs, every ``stride``, ``padding`` before the edge."""

    size: int
    stride: int
    padding: int


class Init(NamedTuple):
    """The random start of a layer: weights from N(0, ``std``), every bias equal to ``bias``."""

    std: float
    bias: float


def positions(side: int, window: Window, *, ceil: bool) -> int:
    """How many window positions fit along one side.

    ``floor`` drops the inputs that do not fill a last window, ``ceil`` adds a window that reaches over the
    edge: cuda-convnet, the 2012 code, rounds up (``layer.py``, ``modulesX``); PyTorch rounds down.
    """
    span = side + 2 * window.padding - window.size
    steps = -(-span // window.stride) if ceil else span // window.stride
    return max(0, 1 + steps) if span >= 0 else 0


@dataclass(frozen=True)
class Layer:
    """One step of a network. As it stands: a step that keeps the shape and has no parameters."""

    name: str

    @property
    def kind(self) -> str:
        """The class name, such as ``"Conv"``."""
        return type(self).__name__

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that leaves the layer when ``shape`` enters it (both without the batch)."""
        return shape

    def parameters(self, shape: Shape) -> int:
        """Weights and biases together."""
        return 0

    def macs(self, shape: Shape) -> int:
        """Multiply-accumulates for one picture, biases not counted. One MAC is two FLOP."""
        return 0

    def window(self, shape: Shape) -> Window | None:
        """What one output position sees of the input's rows and columns; ``None``: all of them."""
        return Window(1, 1, 0)


@dataclass(frozen=True)
class Conv(Layer):
    """A convolution in ``groups`` independent halves (2 in the paper: one per GPU)."""

    out_channels: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    ceil: bool = False
    init: Init | None = None

    def window(self, shape: Shape) -> Window:
        return Window(self.kernel_size, self.stride, self.padding)

    def output_shape(self, shape: Shape) -> Shape:
        window = self.window(shape)
        return (self.out_channels, *(positions(side, window, ceil=self.ceil) for side in shape[1:]))

    def parameters(self, shape: Shape) -> int:
        return self.out_channels * (shape[0] // self.groups * self.kernel_size**2 + 1)

    def macs(self, shape: Shape) -> int:
        return prod(self.output_shape(shape)) * shape[0] // self.groups * self.kernel_size**2


@dataclass(frozen=True)
class ReLU(Layer):
    """max(0, x) [paper, section 3.1]."""


@dataclass(frozen=True)
class Tanh(Layer):
    """The hyperbolic tangent, which the paper compares ReLU with [section 3.1, Fig. 1]."""


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Each map to mean 0 and variance 1 over batch and positions, then a learned scale and shift [Ioffe 2015]."""

    def parameters(self, shape: Shape) -> int:
        return 2 * shape[0]


@dataclass(frozen=True)
class LRN(Layer):
    """Local response normalisation across ``size`` neighbouring maps [paper, section 3.3].

    ``x / (k + alpha * m) ** beta``, where m is the *mean* square in the window: the convention of the 2012
    code, Caffe and PyTorch. The paper's formula multiplies the *sum*, so its 1e-4 over 5 maps is 5e-4 here.
    With ``groups=2`` no window crosses from one tower into the other.
    """

    size: int
    alpha: float
    beta: float
    k: float
    groups: int = 1


@dataclass(frozen=True)
class SpatialNorm(Layer):
    """Response normalisation within each map, over ``size x size`` positions: the 2012 code's ``rnorm``.

    ``x / (k + alpha * m) ** beta``, where m is the sum of squares in the window divided by ``size ** 2``.
    """

    size: int
    alpha: float
    beta: float
    k: float

    def window(self, shape: Shape) -> Window:
        return Window(self.size, 1, self.size // 2)


@dataclass(frozen=True)
class MaxPool(Layer):
    """The largest value of each window. Windows of 3 every 2 overlap [paper, section 3.4]."""

    kernel_size: int
    stride: int
    ceil: bool = False

    def window(self, shape: Shape) -> Window:
        return Window(self.kernel_size, self.stride, 0)

    def output_shape(self, shape: Shape) -> Shape:
        window = self.window(shape)
        return (shape[0], *(positions(side, window, ceil=self.ceil) for side in shape[1:]))


@dataclass(frozen=True)
class AdaptiveAvgPool(Layer):
    """Averages over as many cells as ``output_size`` asks for, whatever the input's size."""

    output_size: int

    def output_shape(self, shape: Shape) -> Shape:
        return (shape[0], self.output_size, self.output_size) if min(shape) else (shape[0], 0, 0)

    def window(self, shape: Shape) -> Window | None:
        return Window(1, 1, 0) if shape[1:] == (self.output_size, self.output_size) else None


@dataclass(frozen=True)
class Flatten(Layer):
    """Maps to one vector: channel by channel, row by row."""

    def output_shape(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def window(self, shape: Shape) -> None:
        return None


@dataclass(frozen=True)
class Dropout(Layer):
    """Sets a share ``p`` of the values to zero in training [paper, section 4.2].

    ``scale_at="test"`` is 2012's way: multiply by ``1 - p`` when testing. ``"train"`` is today's: divide by
    ``1 - p`` when training, do nothing when testing.
    """

    p: float = 0.5
    scale_at: Literal["train", "test"] = "train"


@dataclass(frozen=True)
class Linear(Layer):
    """A fully connected layer."""

    out_features: int
    init: Init | None = None

    def output_shape(self, shape: Shape) -> Shape:
        return (self.out_features,)

    def parameters(self, shape: Shape) -> int:
        return self.out_features * (prod(shape) + 1)

    def macs(self, shape: Shape) -> int:
        return self.out_features * prod(shape)

    def window(self, shape: Shape) -> None:
        return None


@dataclass(frozen=True)
class Spec:
    """A network: its layers in the order in which data passes them.

    Attributes:
        name: what ``get_model`` calls it.
        title: one line for tables and figures.
        source: the paper section or file that each choice comes from.
        layers: the layers; the last one gives the class scores.
        input_size: side of the square RGB input, in pixels.
        notes: how it differs from the paper.
    """

    name: str
    title: str
    source: str
    layers: tuple[Layer, ...]
    input_size: int = 224
    notes: str = ""

    @property
    def input_shape(self) -> Shape:
        """``(3, input_size, input_size)``."""
        return (3, self.input_size, self.input_size)

    def __getitem__(self, name: str) -> Layer:
        for layer in self.layers:
            if layer.name == name:
                return layer
        valid = ", ".join(layer.name for layer in self.layers)
        raise AlexNetError(f"{self.name!r} has no layer {name!r}; choose one of {valid}.")

    def with_classes(self, num_classes: int) -> Spec:
        """The same network with another number of class scores.

        Raises:
            AlexNetError: ``num_classes`` is not a positive whole number.
        """
        if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 1:
            raise AlexNetError(f"num_classes must be a whole number of at least 1, not {num_classes!r}.")
        return self.with_widths({self.layers[-1].name: num_classes})

    def with_layers(self, change: Callable[[Layer], Layer | None]) -> Spec:
        """The same network with what ``change`` makes of each layer; ``None`` leaves the layer out."""
        changed = map(change, self.layers)
        return replace(self, layers=tuple(layer for layer in changed if layer is not None))

    def with_widths(self, widths: Mapping[str, int]) -> Spec:
        """The same network with other numbers of channels or units in the layers that ``widths`` names."""

        def widened(layer: Layer) -> Layer:
            if isinstance(layer, Conv):
                return replace(layer, out_channels=widths.get(layer.name, layer.out_channels))
            if isinstance(layer, Linear):
                return replace(layer, out_features=widths.get(layer.name, layer.out_features))
            return layer

        return self.with_layers(widened)


def scaled(spec: Spec, width: float) -> Spec:
    """The same network with ``width`` times as many channels and hidden units; the number of classes stays.

    Channels are rounded to a whole multiple of 2, since both towers get as many.
    """
    widths = {layer.name: 2 * round(layer.out_channels * width / 2) for layer in spec.layers if isinstance(layer, Conv)}
    hidden = [layer for layer in spec.layers[:-1] if isinstance(layer, Linear)]
    return spec.with_widths(widths | {layer.name: round(layer.out_features * width) for layer in hidden})
