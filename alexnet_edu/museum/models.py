"""From the graph of a network file to a PyTorch module that runs and learns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet_edu.errors import AlexNetError
from alexnet_edu.models import build_layer
from alexnet_edu.museum.graph import MuseumLayer, NetworkFile
from alexnet_edu.museum.layers import (
    AnyPool,
    Function,
    GaussianBlur,
    InputSum,
    LocalFilters,
    Pick,
    WindowNorm,
    noisy_relu,
)
from alexnet_edu.museum.specs import (
    Blur,
    Concat,
    ContrastNorm,
    Cost,
    Filters,
    Flip,
    Nailbed,
    Neuron,
    Pool,
    Softmax,
    Sum,
    WeightedSum,
)
from alexnet_edu.palette import by
from alexnet_edu.specs import LRN, Conv, Shape, SpatialNorm

__all__ = ["MuseumNet"]

_ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "logistic": torch.sigmoid,
    "abs": torch.abs,
    "softrelu": F.softplus,
    "square": torch.square,
    "sqrt": torch.sqrt,
    "nrelu": noisy_relu,
    "tanh": lambda x, a, b: a * torch.tanh(b * x),
    "brelu": lambda x, a: x.relu().minimum(x.new_tensor(a)),
    "linear": lambda x, a, b: a * x + b,
    "drelu": lambda x, a: x - a * torch.tanh(x / a),
}


@build_layer.register
def _(layer: Neuron, shape: Shape) -> nn.Module:
    activation = _ACTIVATIONS[layer.function]
    name = f"{layer.function}{list(layer.constants) if layer.constants else ''}"
    return Function(name, lambda x: activation(x, *layer.constants))


@build_layer.register
def _(layer: Filters, shape: Shape) -> nn.Module:
    wired = layer.wired(shape)
    if layer.local:
        filters: nn.Module = LocalFilters(layer, wired)
    else:
        filters = build_layer.dispatch(Conv)(layer, wired)
    return nn.Sequential(Pick(shape[0], wired[0]), filters) if layer.filter_channels else filters


@build_layer.register
def _(layer: Pool, shape: Shape) -> nn.Module:
    return AnyPool(layer)


@build_layer.register
def _(layer: ContrastNorm, shape: Shape) -> nn.Module:
    return WindowNorm(layer, centred=True)


@build_layer.register
def _(layer: Blur, shape: Shape) -> nn.Module:
    return GaussianBlur(layer)


@build_layer.register
def _(layer: Nailbed, shape: Shape) -> nn.Module:
    first, step = layer.first(shape[1]), layer.stride
    return Function(f"every {step}, from {first}", lambda x: x[..., first::step, first::step])


@build_layer.register
def _(layer: Flip, shape: Shape) -> nn.Module:
    return Function("left-right", lambda x: x.flip(-1))


@build_layer.register
def _(layer: Softmax, shape: Shape) -> nn.Module:
    return nn.Softmax(dim=1)


@build_layer.register
def _(layer: Concat, shape: Shape) -> nn.Module:
    return Function("concat", lambda *inputs: torch.cat(inputs, dim=1))


@build_layer.register
def _(layer: WeightedSum, shape: Shape) -> nn.Module:
    factors = layer.coefficients
    return Function("weighted sum", lambda *inputs: sum(c * x for c, x in zip(factors, inputs, strict=True)))


def _build(layer: MuseumLayer) -> nn.Module:
    """The module of one section, without its activation."""
    operation, shapes = layer.operation, layer.input_shapes
    if isinstance(operation, Sum):
        return _input_sum(operation, shapes, layer.output_shape)
    if isinstance(operation, LRN) and operation.size % 2 == 0:
        return nn.LocalResponseNorm(operation.size, operation.alpha, operation.beta, operation.k)
    if type(operation) is SpatialNorm and operation.size % 2 == 0:
        return WindowNorm(operation, centred=False)
    assert operation is not None
    return build_layer(operation, shapes[0])


def _input_sum(operation: Sum, shapes: Sequence[Shape], out: Shape) -> InputSum:
    """The branches without biases of their own, and one bias for all."""
    branches = [build_layer(branch, shape) for branch, shape in zip(operation.branches, shapes, strict=True)]
    for module in (module for branch in branches for module in branch.modules() if hasattr(module, "bias")):
        module.register_parameter("bias", None)
    size = out if operation.position_bias else (out[0], *[1] * (len(out) - 1))
    return InputSum(branches, torch.full(size, operation.start))


class MuseumNet(nn.Module):
    """A network file as a module. Its children carry the sections' names; ``NAME_neuron`` is a layer's activation.

    Shape:
        images ``(N, C, H, W)`` to class scores (logits) ``(N, classes)``.

    Attributes:
        network: the description that it was built from.
    """

    def __init__(self, network: NetworkFile) -> None:
        super().__init__()
        self.network = network
        self._keys: dict[str, str] = {}
        for layer in network:
            if layer.operation is not None and not layer.is_cost:
                self._add(layer.name, _build(layer))
                if layer.activation is not None:
                    self._add(layer.activation.name, build_layer(layer.activation, layer.output_shape))
        self._share()

    def _add(self, name: str, module: nn.Module) -> None:
        """Adds a child; a section may be called what a module already has, or have a dot in its name."""
        key = name.replace(".", "_")
        while hasattr(self, key):
            key += "_"
        self.add_module(key, module)
        self._keys[name] = key

    def _share(self) -> None:
        """Gives inputs the weights of the layers that own them."""
        for layer in self.network:
            if isinstance(layer.operation, Sum):
                for i, source in enumerate(layer.operation.sources):
                    if source is not None:
                        self._sum(layer.name).share(i, self._sum(source.layer), source.position)

    def _sum(self, name: str) -> InputSum:
        return self.get_submodule(self._keys[name])  # type: ignore[return-value]

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Class scores ``(N, classes)`` of images ``(N, C, H, W)``; one tensor per cost where the file has several.

        Raises:
            AlexNetError: the images have another size than those that the network was read for.
        """
        names = self.network.outputs
        values = self._run(self.network.needed(names), [images])
        found = tuple(values[name] for name in names)
        return found[0] if len(found) == 1 else found

    def activations(self, images: Tensor) -> dict[str, Tensor]:
        """The output of every section that needs no labels, after its activation, by name.

        Raises:
            AlexNetError: the images have another size than those that the network was read for.
        """
        network = self.network
        return self._run([layer for layer in network if layer.name not in network.need_labels], [images])

    def cost(self, *data: Tensor) -> Tensor:
        """What training minimised in 2012: each cost's coefficient times its mean over the images, summed.

        Args:
            data: images ``(N, C, H, W)`` and labels, in the order of ``dataIdx``: class numbers ``(N,)`` for
                ``cost.logreg``, targets ``(N, outputs)`` for other costs and for an ``eltsum``.

        Raises:
            AlexNetError: there are more or fewer data than the network reads, or one has another size.
        """
        costs = self.network.costs
        values = self._run(self.network.needed([name for layer in costs for name in layer.inputs]), data)
        return torch.stack([self._cost(layer, values) for layer in costs]).sum()

    def _cost(self, layer: MuseumLayer, values: dict[str, Tensor]) -> Tensor:
        assert isinstance(layer.operation, Cost)
        how, judged = layer.operation.how, self.network[layer.inputs[-1]]
        scores = values[judged.inputs[0] if how == "logreg" else judged.name].flatten(1)
        if how == "sum2":
            return layer.operation.coefficient * scores.square().sum() / len(scores)
        labels = values[layer.inputs[0]].flatten(1)
        wanted = 1 if how == "logreg" else scores.shape[1]
        if labels.shape[1] != wanted:
            sizes = f"labels of size {wanted:,} per image, but {layer.inputs[0]} has size {labels.shape[1]:,}"
            raise AlexNetError(f"{layer.name} compares {sizes}; correct the network file.")
        return layer.operation.coefficient * _COSTS[how](scores, labels)

    def _run(self, layers: Sequence[MuseumLayer], data: Sequence[Tensor]) -> dict[str, Tensor]:
        """The outputs of ``layers`` by name; ``data`` in the order of ``dataIdx``."""
        values = _data_values(layers, data)
        for layer in layers:
            if layer.operation is None or layer.is_cost:
                continue
            inputs = zip(layer.inputs, layer.input_shapes, strict=True)
            seen = [values[name].reshape(-1, *shape) for name, shape in inputs]
            value = self.get_submodule(self._keys[layer.name])(*seen)
            if layer.activation is not None:
                value = self.get_submodule(self._keys[layer.activation.name])(value)
            values[layer.name] = value
        return values

    def param_groups(self, *, progress: float = 0.0) -> list[dict[str, Any]]:
        """Groups for ``alexnet_edu.train.optim.Sgd2012``: a rate, momentum and decay for each weight matrix and bias.

        Args:
            progress: the share of the training that is done, 0 to 1, for files whose rates follow a schedule.

        Raises:
            AlexNetError: the network was read without a parameter file, or ``progress`` is not between 0 and 1.
        """
        if not self.network.rates:
            raise AlexNetError("Learning rates stand in the parameter file; give read_network that file too.")
        if not 0 <= progress <= 1:
            raise AlexNetError(f"progress is a share between 0 and 1, not {progress}.")
        return [
            {"params": [parameter], "name": f"{name}.{what}", **rate.options(progress)}
            for name, rates in self.network.rates.items()
            for (what, parameter), rate in zip(self._owned(name), rates, strict=True)
            if parameter is not None
        ]

    def _owned(self, name: str) -> list[tuple[str, nn.Parameter | None]]:
        """The weights of each input of a layer (``None`` where another layer owns them), and its bias."""
        module, operation = self._sum(name), self.network[name].operation
        assert isinstance(operation, Sum)
        weights = [None if source else module.weight(i) for i, source in enumerate(operation.sources)]
        return [*((f"weight{i}", weight) for i, weight in enumerate(weights)), ("bias", module.bias)]


def _data_values(layers: Sequence[MuseumLayer], data: Sequence[Tensor]) -> dict[str, Tensor]:
    """What each ``data`` layer gives."""
    sources = [layer for layer in layers if layer.type == "data"]
    indices = sorted({layer.data_index or 0 for layer in sources})
    if len(data) != len(indices):
        wanted = ", ".join(f"labels (dataIdx {index})" if index else "images" for index in indices)
        raise AlexNetError(f"This network reads {len(indices)} data ({wanted}), not {len(data)}.")
    by_index, count = dict(zip(indices, data, strict=True)), data[0].shape[0] if data[0].ndim else 0
    return {layer.name: _sized(layer, by_index[layer.data_index or 0], count) for layer in sources}


def _sized(layer: MuseumLayer, x: Tensor, count: int) -> Tensor:
    """Images as they are, labels in the shape that the network reads; the error where they can't be that."""
    if layer.data_index == 0:
        if tuple(x.shape[1:]) != layer.output_shape:
            size = by(*layer.output_shape)
            raise AlexNetError(f"This network was read for images of {size}, not {tuple(x.shape[1:])}.")
        return x
    if x.numel() != count * prod(layer.output_shape):
        size = by(*layer.output_shape)
        raise AlexNetError(f"{layer.name} takes {size} labels for each of {count} images, not {tuple(x.shape)}.")
    return x.reshape(count, *layer.output_shape)


def _log_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Of scores before softmax (N, classes) and class numbers (N, 1)."""
    numbers = labels.flatten().long()
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < scores.shape[1]:
        raise AlexNetError(f"Class numbers must be from 0 to {scores.shape[1] - 1}.")
    return F.cross_entropy(scores, numbers)


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of independent probabilities and targets, both (N, F)."""
    return F.binary_cross_entropy(outputs, targets.to(outputs.dtype), reduction="sum") / len(outputs)


def _flickr(outputs: Tensor, targets: Tensor) -> Tensor:
    """A robust square difference: each error's weight falls as it grows; both (N, F)."""
    return (outputs - targets.to(outputs.dtype)).square().log1p().sum() / len(outputs)


_COSTS = {"logreg": _log_loss, "crossent2": _cross_entropy, "rflickr": _flickr}
