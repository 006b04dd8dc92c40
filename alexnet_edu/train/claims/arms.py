"""What the lab compares, as data: the paper's network at a quarter of its width, and one difference from it an arm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod, sqrt

from alexnet_edu.errors import AlexNetError
from alexnet_edu.geometry import trace
from alexnet_edu.specs import (
    LRN,
    BatchNorm,
    Conv,
    Dropout,
    Init,
    Layer,
    Linear,
    MaxPool,
    ReLU,
    Shape,
    Spec,
    Tanh,
    scaled,
)
from alexnet_edu.variants import PAPER

__all__ = ["ARMS", "BASE", "SCALE", "TASKS", "Arm", "Task", "Views", "network_of", "one_of"]

WIDTH = 1 / 4
SCALE = 64.0  # pixels of 0 to 255, less their mean, are divided by this, about their standard deviation
_CONV1_OF_32_PIXELS = Conv("conv1", 24, 5, init=Init(0.01, 0))


@dataclass(frozen=True)
class Task:
    """A data set, how much of it is trained on, and for how long: the fixed budget of every arm.

    ``view`` is chosen so that conv1 gives maps of 23 x 23. Pools of 3 every 2 and of 2 every 2 both make 11, 5 and 2 of
    that, so nothing but the overlap differs between them; in 2012 the sizes differed, too.

    Attributes:
        name: what ``--data`` calls it.
        title: for tables and figures.
        side: of the stored squares, in pixels.
        view: of the square that the network sees, in pixels.
        classes: how many.
        train: pictures that are trained on, at most.
        epochs: passes; the rate is divided by 10 after three quarters of them.
        batch: pictures in a batch.
        rates: the grid that each arm's learning rate is chosen from.
        conv1: in place of the paper's, where that is too large for the pictures.
    """

    name: str
    title: str
    side: int
    view: int
    classes: int
    train: int
    epochs: int
    batch: int = 128
    rates: tuple[float, ...] = (0.0025, 0.005, 0.01, 0.02, 0.04)
    conv1: Conv | None = None


TASKS = {
    task.name: task
    for task in (
        Task("cifar10", "CIFAR-10, 10,000 pictures", 32, 27, 10, 10_000, 8, conv1=_CONV1_OF_32_PIXELS),
        Task("caltech101", "Caltech-101 at 96 pixels", 110, 96, 101, 10_000, 14),
        Task("squares", "Squares of nine photos", 32, 27, 9, 720, 12, 32, conv1=_CONV1_OF_32_PIXELS),
    )
}


@dataclass(frozen=True)
class Views:
    """Which random views of its pictures an arm trains on [paper, section 4.1]; without crops it sees the centre."""

    mirror: bool = True
    crops: bool = True
    colours: bool = True


def _unchanged(spec: Spec) -> Spec:
    return spec


@dataclass(frozen=True)
class Arm:
    """One difference from the base.

    Attributes:
        name: what ``--arms`` calls it.
        network: what it makes of the base's spec.
        views: what it trains on.
    """

    name: str
    network: Callable[[Spec], Spec] = _unchanged
    views: Views = field(default_factory=Views)


def _each(kind: type[Layer], change: Callable[[Layer], Layer | None]) -> Callable[[Spec], Spec]:
    """A change of every layer of one kind."""
    return lambda spec: spec.with_layers(lambda layer: change(layer) if isinstance(layer, kind) else layer)


def _left_out(layer: Layer) -> None:
    return None


def _bias_zero(layer: Layer) -> Layer:
    assert isinstance(layer, (Conv, Linear)) and layer.init is not None
    return replace(layer, init=layer.init._replace(bias=0.0))


def _one_tower(spec: Spec) -> Spec:
    return spec.with_layers(lambda layer: replace(layer, groups=1) if isinstance(layer, (Conv, LRN)) else layer)


def _halved(spec: Spec) -> Spec:
    """Half the maps, except in conv5: the paper's own comparison, network 145-half [section 3.2, footnote 2]."""
    convolutions = [layer for layer in spec.layers if isinstance(layer, Conv)]
    return _one_tower(spec.with_widths({layer.name: layer.out_channels // 2 for layer in convolutions[:-1]}))


BASE = "base"
ARMS = {
    arm.name: arm
    for arm in (
        Arm(BASE),
        Arm("tanh", _each(ReLU, lambda layer: Tanh(layer.name))),
        Arm("no LRN", _each(LRN, _left_out)),
        Arm("batch norm for LRN", _each(LRN, lambda layer: BatchNorm(layer.name))),
        Arm("plain pooling", _each(MaxPool, lambda layer: MaxPool(layer.name, 2, 2))),
        Arm("no dropout", _each(Dropout, _left_out)),
        Arm("one tower, equal parameters", _halved),
        Arm("one tower, equal maps", _one_tower),
        Arm("biases 0", _each(Layer, lambda layer: _bias_zero(layer) if hasattr(layer, "init") else layer)),
        Arm("no augmentation", views=Views(mirror=False, crops=False, colours=False)),
        Arm("no mirror images", views=Views(mirror=False)),
        Arm("no crops", views=Views(crops=False)),
        Arm("no colour noise", views=Views(colours=False)),
    )
}


def one_of(names: dict[str, Arm] | dict[str, Task], name: str, what: str) -> None:
    """Raises unless ``name`` is one of ``names``.

    Raises:
        AlexNetError: it is not; the sentence lists them.
    """
    if name not in names:
        raise AlexNetError(f"There is no {what} {name!r}; choose one of {'; '.join(names)}.")


def network_of(task: Task, arm: Arm) -> Spec:
    """The spec of an arm's network.

    Inputs have a standard deviation of about 1 here, and 64 in 2012. LRN's alpha is multiplied by the square of 64: it
    does to these activations what it did to those. Weights start from He's deviation, since the 0.01 of 2012
    belongs to its widths and pixels; biases start as in the paper.
    """
    spec = replace(scaled(PAPER, WIDTH).with_classes(task.classes), input_size=task.view)
    spec = spec.with_layers(lambda layer: task.conv1 if task.conv1 and layer.name == "conv1" else layer)
    spec = _each(LRN, _for_unit_inputs)(spec)
    return _started(arm.network(spec))


def _for_unit_inputs(layer: Layer) -> Layer:
    assert isinstance(layer, LRN)
    return replace(layer, alpha=layer.alpha * SCALE**2)


def _started(spec: Spec) -> Spec:
    """He's start: weights of variance 2 / (values that a unit sums) [He and others 2015]."""
    stds = {layer.name: sqrt(2 / _fan_in(layer, shape)) for layer, shape in trace(spec, spec.input_shape)}

    def started(layer: Layer) -> Layer:
        if not isinstance(layer, (Conv, Linear)):
            return layer
        assert layer.init is not None
        return replace(layer, init=layer.init._replace(std=stds[layer.name]))

    return spec.with_layers(started)


def _fan_in(layer: Layer, shape: Shape) -> int:
    return shape[0] // layer.groups * layer.kernel_size**2 if isinstance(layer, Conv) else prod(shape)
