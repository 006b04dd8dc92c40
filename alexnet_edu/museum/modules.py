"""The modules of the 2012 layer types that torch and the package lack, and the network that runs a graph of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet_edu.errors import AlexNetError
from alexnet_edu.models import build_layer
from alexnet_edu.museum import kinds
from alexnet_edu.palette import by
from alexnet_edu.specs import LRN, Conv, Shape, SpatialNorm

if TYPE_CHECKING:
    from alexnet_edu.museum.network import MuseumLayer, Network

__all__ = ["MuseumNet"]


class InputSum(nn.Module):
    """``conv``, ``local`` and ``fc``: the sum of a branch for each input, and one bias.

    Shape:
        inputs ``(N, C, H, W)`` or ``(N, F)`` each, to one ``(N, C', H', W')`` or ``(N, F')``.
    """

    def __init__(self, branches: Sequence[nn.Module], bias: Tensor) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.bias = nn.Parameter(bias)

    def forward(self, *inputs: Tensor) -> Tensor:
        total = self.bias
        for branch, x in zip(self.branches, inputs, strict=True):
            total = total + branch(x)
        return total

    def weight(self, index: int) -> nn.Parameter:
        """The weights of one input."""
        branch = self.branches[index]
        return (branch[-1] if isinstance(branch, nn.Sequential) else branch).weight  # type: ignore[return-value]

    def share(self, index: int, owner: InputSum, other: int) -> None:
        """Makes one input use the weights, and the random connections, of an input of ``owner``."""
        mine, theirs = (list(net.branches[i].modules()) for net, i in ((self, index), (owner, other)))
        for module, source in zip(mine, theirs, strict=True):
            if isinstance(module, Pick):
                module.maps = source.maps  # type: ignore[assignment]
            elif hasattr(module, "weight"):
                module.weight = source.weight


class Pick(nn.Module):
    """Random sparse connections: each run of C entries is a permutation of the C input maps [gen_rand_conns]."""

    maps: Tensor

    def __init__(self, channels: int, picks: int) -> None:
        super().__init__()
        permutations = [torch.randperm(channels) for _ in range(picks // channels)]
        self.register_buffer("maps", torch.cat(permutations))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.maps]


class LocalFilters(nn.Module):
    """A convolution with an own filter at every position. Weights: (groups, positions, C'/groups, C/groups * k * k)."""

    def __init__(self, layer: kinds.Filters, shape: Shape) -> None:
        super().__init__()
        _, self.rows, self.columns = layer.output_shape(shape)
        self.layer = layer
        taps = shape[0] // layer.groups * layer.kernel_size**2
        size = (layer.groups, self.rows * self.columns, layer.out_channels // layer.groups, taps)
        self.weight = nn.Parameter(torch.randn(size) * (layer.init.std if layer.init else 1.0))

    def forward(self, x: Tensor) -> Tensor:
        layer, side = self.layer, x.shape[-1]
        reach = (self.rows - 1) * layer.stride + layer.kernel_size - side - layer.padding
        x = F.pad(x, (layer.padding, max(0, reach), layer.padding, max(0, reach)))
        patches = F.unfold(x, layer.kernel_size, stride=layer.stride)[..., : self.rows * self.columns]
        patches = patches.reshape(len(x), layer.groups, -1, patches.shape[-1])
        return torch.einsum("ngkp,gpok->ngop", patches, self.weight).reshape(len(x), -1, self.rows, self.columns)


class AnyPool(nn.Module):
    """Windows that may reach over every edge; see ``kinds.Pool``."""

    def __init__(self, layer: kinds.Pool) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        how, size, stride, start = self.layer.how, self.layer.size, self.layer.stride, self.layer.start
        end = start + (self.layer.outputs - 1) * stride + size - x.shape[-1]
        around = (-start, end, -start, end)  # negative: rows that no window covers
        if how == "avg":
            inside = F.pad(torch.ones_like(x[:1, :1]), around)
            return F.avg_pool2d(F.pad(x, around), size, stride) / F.avg_pool2d(inside, size, stride)
        outside = torch.finfo(x.dtype).min
        if how == "rand":
            return self._random(x, around)
        largest = F.max_pool2d(F.pad(x, around, value=outside), size, stride)
        if how == "max":
            return largest
        smallest = -F.max_pool2d(F.pad(-x, around, value=outside), size, stride)
        return torch.where(largest >= -smallest, largest, smallest)

    def _random(self, x: Tensor, around: tuple[int, ...]) -> Tensor:
        def windows(values: Tensor) -> Tensor:
            taps = F.unfold(F.pad(values, around), self.layer.size, stride=self.layer.stride)
            return taps.reshape(*values.shape[:2], -1, taps.shape[-1])

        found, inside = windows(x), windows(torch.ones_like(x[:1, :1]))
        chosen = (torch.rand_like(found) * inside).argmax(dim=2, keepdim=True)
        return found.gather(2, chosen).reshape(*x.shape[:2], self.layer.outputs, self.layer.outputs)


class WindowNorm(nn.Module):
    """``cnorm``, and ``rnorm`` with an even window; see ``kinds.ContrastNorm``."""

    def __init__(self, layer: SpatialNorm, *, centred: bool) -> None:
        super().__init__()
        self.layer, self.centred = layer, centred

    def forward(self, x: Tensor) -> Tensor:
        wide = x if x.dtype == torch.float64 else x.float()
        layer = self.layer
        residual = wide - self._mean(wide, count_outside=False) if self.centred else wide
        squares = self._mean(residual.square(), count_outside=True)
        return (wide * (layer.k + layer.alpha * squares).pow(-layer.beta)).to(x.dtype)

    def _mean(self, x: Tensor, *, count_outside: bool) -> Tensor:
        size = self.layer.size
        mean = F.avg_pool2d(x, size, stride=1, padding=size // 2, count_include_pad=count_outside)
        return mean[..., : x.shape[-2], : x.shape[-1]]


class GaussianBlur(nn.Module):
    """Blurs along the rows, then along the columns; see ``kinds.Blur``."""

    taps: Tensor

    def __init__(self, layer: kinds.Blur) -> None:
        super().__init__()
        self.register_buffer("taps", torch.tensor(layer.taps()))

    def forward(self, x: Tensor) -> Tensor:
        channels, size = x.shape[1], len(self.taps)
        for shape, padding in (((1, size), (0, size // 2)), ((size, 1), (size // 2, 0))):
            weight = self.taps.to(x.dtype).view(1, 1, *shape).expand(channels, -1, -1, -1)
            x = F.conv2d(x, weight, padding=padding, groups=channels)
        return x


class Function(nn.Module):
    """A function of one or several tensors that has nothing to learn."""

    def __init__(self, name: str, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.name, self.function = name, function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)

    def extra_repr(self) -> str:
        return self.name


def _noisy(x: Tensor) -> Tensor:
    """``nrelu``. The standard deviation is the value itself, as in the call; the comment beside it says variance."""
    positive = x.relu()
    return (positive + positive.detach() * torch.randn_like(x)).relu()


_ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "logistic": torch.sigmoid,
    "abs": torch.abs,
    "softrelu": F.softplus,
    "square": torch.square,
    "sqrt": torch.sqrt,
    "nrelu": _noisy,
    "tanh": lambda x, a, b: a * torch.tanh(b * x),
    "brelu": lambda x, a: x.relu().minimum(x.new_tensor(a)),
    "linear": lambda x, a, b: a * x + b,
    "drelu": lambda x, a: x - a * torch.tanh(x / a),
}


@build_layer.register
def _(layer: kinds.Neuron, shape: Shape) -> nn.Module:
    activation = _ACTIVATIONS[layer.function]
    name = f"{layer.function}{list(layer.constants) if layer.constants else ''}"
    return Function(name, lambda x: activation(x, *layer.constants))


@build_layer.register
def _(layer: kinds.Filters, shape: Shape) -> nn.Module:
    wired = layer.wired(shape)
    if layer.local:
        filters: nn.Module = LocalFilters(layer, wired)
    else:
        filters = build_layer.dispatch(Conv)(layer, wired)
    return nn.Sequential(Pick(shape[0], wired[0]), filters) if layer.filter_channels else filters


@build_layer.register
def _(layer: kinds.Pool, shape: Shape) -> nn.Module:
    return AnyPool(layer)


@build_layer.register
def _(layer: kinds.ContrastNorm, shape: Shape) -> nn.Module:
    return WindowNorm(layer, centred=True)


@build_layer.register
def _(layer: kinds.Blur, shape: Shape) -> nn.Module:
    return GaussianBlur(layer)


@build_layer.register
def _(layer: kinds.Nailbed, shape: Shape) -> nn.Module:
    first, step = layer.first(shape[1]), layer.stride
    return Function(f"every {step}, from {first}", lambda x: x[..., first::step, first::step])


@build_layer.register
def _(layer: kinds.Flip, shape: Shape) -> nn.Module:
    return Function("left-right", lambda x: x.flip(-1))


@build_layer.register
def _(layer: kinds.Softmax, shape: Shape) -> nn.Module:
    return nn.Softmax(dim=1)


@build_layer.register
def _(layer: kinds.Concat, shape: Shape) -> nn.Module:
    return Function("concat", lambda *inputs: torch.cat(inputs, dim=1))


@build_layer.register
def _(layer: kinds.WeightedSum, shape: Shape) -> nn.Module:
    factors = layer.coefficients
    return Function("weighted sum", lambda *inputs: sum(c * x for c, x in zip(factors, inputs, strict=True)))


def build(layer: MuseumLayer) -> nn.Module:
    """The module of one section, without its activation."""
    operation, shapes = layer.operation, layer.input_shapes
    if isinstance(operation, kinds.Sum):
        branches = [build_layer(branch, shape) for branch, shape in zip(operation.branches, shapes, strict=True)]
        for module in (module for branch in branches for module in branch.modules() if hasattr(module, "bias")):
            module.register_parameter("bias", None)
        out = layer.output_shape
        size = out if operation.position_bias else (out[0], *[1] * (len(out) - 1))
        return InputSum(branches, torch.full(size, operation.start))
    if isinstance(operation, LRN) and operation.size % 2 == 0:
        return nn.LocalResponseNorm(operation.size, operation.alpha, operation.beta, operation.k)
    if type(operation) is SpatialNorm and operation.size % 2 == 0:
        return WindowNorm(operation, centred=False)
    assert operation is not None
    return build_layer(operation, shapes[0])


class MuseumNet(nn.Module):
    """A network file as a module. Its children carry the sections' names; ``NAME_neuron`` is a layer's activation.

    Shape:
        pictures ``(N, C, H, W)`` to class scores ``(N, classes)``, before softmax.

    Attributes:
        network: the description that it was built from.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self._keys: dict[str, str] = {}
        for layer in network.layers:
            if layer.operation is not None and not isinstance(layer.operation, kinds.Cost):
                self._add(layer.name, build(layer))
                if layer.activation is not None:
                    self._add(layer.activation.name, build_layer(layer.activation, layer.output_shape))
        for layer in network.layers:
            if isinstance(layer.operation, kinds.Sum):
                for i, source in enumerate(layer.operation.sources):
                    if source is not None:
                        self._sum(layer.name).share(i, self._sum(source.layer), source.position)

    def _add(self, name: str, module: nn.Module) -> None:
        """Adds a child; a section may be called what a module already has, or have a dot in its name."""
        key = name.replace(".", "_")
        while hasattr(self, key):
            key += "_"
        self.add_module(key, module)
        self._keys[name] = key

    def _sum(self, name: str) -> InputSum:
        return self.get_submodule(self._keys[name])  # type: ignore[return-value]

    def owned(self, name: str) -> list[tuple[str, nn.Parameter | None]]:
        """The weights of each input of a layer (``None`` where another layer owns them), and its bias."""
        module, operation = self._sum(name), self.network[name].operation
        assert isinstance(operation, kinds.Sum)
        weights = [None if source else module.weight(i) for i, source in enumerate(operation.sources)]
        return [*((f"weight{i}", weight) for i, weight in enumerate(weights)), ("bias", module.bias)]

    def _needed(self, wanted: Sequence[str]) -> list[MuseumLayer]:
        """The layers that some layers depend on, themselves included, in order."""
        names = set(wanted)
        for layer in reversed(self.network.layers):
            if layer.name in names:
                names.update(layer.inputs)
        return [
            layer
            for layer in self.network.layers
            if layer.name in names and not isinstance(layer.operation, kinds.Cost)
        ]

    def _run(self, layers: Sequence[MuseumLayer], data: Sequence[Tensor]) -> dict[str, Tensor]:
        values: dict[str, Tensor] = {}
        sources = sorted((layer for layer in layers if layer.type == "data"), key=lambda layer: layer.data_index or 0)
        for layer, x in zip(sources, data, strict=True):
            if layer.data_index == 0 and tuple(x.shape[1:]) != layer.output_shape:
                size = by(*layer.output_shape)
                raise AlexNetError(f"This network was read for pictures of {size}, not {tuple(x.shape[1:])}.")
            values[layer.name] = x
        for layer in layers:
            if layer.name in values:
                continue
            inputs = zip(layer.inputs, layer.input_shapes, strict=True)
            seen = [values[name].reshape(-1, *shape) for name, shape in inputs]
            value = self.get_submodule(self._keys[layer.name])(*seen)
            if layer.activation is not None:
                value = self.get_submodule(self._keys[layer.activation.name])(value)
            values[layer.name] = value
        return values

    def forward(self, *data: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Class scores ``(N, classes)``; a file with several costs gives what each of them judges.

        Args:
            data: the pictures ``(N, C, H, W)``, in the order of ``dataIdx`` if the scores need more than these.
        """
        wanted = self.network.outputs
        values = self._run(self._needed(wanted), data)
        found = tuple(values[name] for name in wanted)
        return found[0] if len(found) == 1 else found

    def activations(self, *data: Tensor) -> dict[str, Tensor]:
        """The output of every section that needs no labels, after its activation, by name."""
        judged = [layer.inputs[-1] for layer in self.network.layers if isinstance(layer.operation, kinds.Cost)]
        return self._run(self._needed(judged), data)

    def cost(self, *data: Tensor) -> Tensor:
        """What training made small in 2012: each cost's coefficient times its mean over the pictures, summed.

        Args:
            data: pictures ``(N, C, H, W)`` and labels, in the order of ``dataIdx``: class numbers ``(N,)`` for
                ``cost.logreg``, targets ``(N, outputs)`` for ``cost.crossent2`` and ``cost.rflickr``.
        """
        costs = [layer for layer in self.network.layers if isinstance(layer.operation, kinds.Cost)]
        values = self._run(self._needed([name for layer in costs for name in layer.inputs]), data)
        total = values[costs[0].inputs[-1]].new_zeros(())
        for layer in costs:
            assert isinstance(layer.operation, kinds.Cost)
            judged = self.network[layer.inputs[-1]]
            scores = values[judged.inputs[0] if layer.operation.how == "logreg" else judged.name].flatten(1)
            total = total + layer.operation.coefficient * _cost(layer.operation.how, values[layer.inputs[0]], scores)
        return total


def _cost(how: str, labels: Tensor, y: Tensor) -> Tensor:
    """One cost; ``y`` are scores before softmax for ``logreg``, else the outputs that are judged ``(N, F)``."""
    if how == "logreg":
        return F.cross_entropy(y, labels.flatten().long())
    if how == "sum2":
        return y.square().sum() / len(y)
    targets = labels.flatten(1).to(y.dtype)
    if how == "rflickr":
        return (y - targets).square().log1p().sum() / len(y)
    return F.binary_cross_entropy(y, targets, reduction="sum") / len(y)
