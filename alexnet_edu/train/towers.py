"""One network in several processes, each holding a part: the two GPUs of 2012 [paper, section 3.2].

``torch.distributed.tensor`` can divide a network's layers, too; here the few lines that do it are the subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from alexnet_edu.division import LOGITS, Plan
from alexnet_edu.layers import Dropout2012, LocalResponseNorm

__all__ = ["DividedNetwork", "Event", "Wire", "divide"]


@dataclass(frozen=True)
class Event:
    """One exchange, as it happened: what for, the bytes that this process sent, and when (``time.perf_counter``)."""

    layer: str
    phase: str
    bytes: int
    start: float
    end: float


@dataclass
class Wire:
    """What connects this process with the others.

    Attributes:
        rank, world: which one this is, and of how many.
        events: what was sent, if it is to be written down.
    """

    rank: int
    world: int
    events: list[Event] | None = None

    def gather(self, own: Tensor, axis: int, sizes: list[int], layer: str) -> Tensor:
        """Puts together everyone's share along ``axis``; ``sizes`` says how much each one has there."""
        shapes = [[*own.shape[:axis], size, *own.shape[axis + 1 :]] for size in sizes]
        own = own.contiguous()
        parts = self._swap([own] * self.world, [own.new_empty(shape) for shape in shapes], layer, "forward")
        return torch.cat(parts, axis)

    def scatter(self, whole: Tensor, axis: int, sizes: list[int], layer: str) -> Tensor:
        """The way back: everyone gets the sum of all gradients (the same shape each) of its own share."""
        parts = [part.contiguous() for part in whole.split(sizes, axis)]
        received = self._swap(parts, [torch.empty_like(parts[self.rank]) for _ in parts], layer, "backward")
        return sum(received[1:], start=received[0])

    def add_up(self, values: Tensor, layer: str) -> None:
        """Gradients of weights that all hold: adds up everyone's, in place."""
        sent = values.nbytes * 2 * (self.world - 1) // self.world
        with self._written_down(values.device, layer, "gradients", sent):
            dist.all_reduce(values)

    def _swap(self, out: list[Tensor], into: list[Tensor], layer: str, phase: str) -> list[Tensor]:
        """Sends ``out[i]`` to process i and receives ``into[i]`` from it; its own it keeps."""
        into[self.rank] = out[self.rank]
        others = [i for i in range(self.world) if i != self.rank]
        asked = [dist.P2POp(dist.isend, out[i], i) for i in others]
        asked += [dist.P2POp(dist.irecv, into[i], i) for i in others]
        with self._written_down(out[0].device, layer, phase, sum(out[i].nbytes for i in others)):
            for work in dist.batch_isend_irecv(asked):
                work.wait()
        return into

    @contextmanager
    def _written_down(self, device: torch.device, layer: str, phase: str, sent: int) -> Iterator[None]:
        if self.events is None:
            yield
            return
        _synchronize(device)
        start = perf_counter()
        yield
        _synchronize(device)
        self.events.append(Event(layer, phase, sent, start, perf_counter()))


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class _Gather(torch.autograd.Function):
    """Forwards everyone's share is put together; backwards everyone gets the gradient of its own."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, wire: Wire, axis: int, sizes: list[int], layer: str) -> Tensor:
        ctx.how = wire, axis, sizes, layer
        return wire.gather(own, axis, sizes, layer)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        wire, axis, sizes, layer = ctx.how
        if layer == LOGITS:  # everyone computed the same loss, and knows its whole gradient
            return gradients[0].split(sizes, axis)[wire.rank], None, None, None, None
        return wire.scatter(gradients[0], axis, sizes, layer), None, None, None, None


class DividedNetwork(nn.Sequential):
    """This process's part of a network, with the layers' names; a forward pass exchanges what the plan says.

    Shape:
        ``(N, 3, S, S)``, the whole batch or this process's pictures as the plan says, to logits ``(M, classes)`` of
        the batch, or with copies of this process's pictures.

    Attributes:
        plan: who holds what.
        wire: to the other processes.
        classes: how many logits each process computes.
        shared: names of the tensors of its state that are not divided.
    """

    def __init__(
        self, layers: Mapping[str, nn.Module], plan: Plan, wire: Wire, classes: list[int], shared: frozenset[str]
    ) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.plan, self.wire, self.classes, self.shared = plan, wire, classes, shared

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        for name, layer in self.named_children():
            if name in self.plan.exchanges and isinstance(layer, (nn.Conv2d, nn.Linear, AcrossTowers)):
                axis = self.plan.exchanges[name]
                x = _Gather.apply(x, self.wire, axis, [x.shape[axis]] * self.wire.world, name)
            x = layer(x)
        if LOGITS not in self.plan.exchanges:
            return x
        return _Gather.apply(x, self.wire, 1, self.classes, LOGITS)  # type: ignore[no-any-return]

    def add_up_gradients(self) -> None:
        """Adds up the gradients of the weights that every process holds, where each had its own pictures."""
        for name, weight in self.named_parameters():
            if name in self.shared and weight.grad is not None:
                self.wire.add_up(weight.grad, name)

    def joined(self, state: Any) -> Any:
        """The state of the whole network (or optimiser, or average), on the first process; ``None`` on the others.

        All processes call it, each with the state of its part: tensors in dictionaries and lists.
        """
        states = [None] * self.wire.world if self.wire.rank == 0 else None
        dist.gather_object(_mapped(state, lambda _, tensor: tensor.cpu()), states)
        return states and _mapped(states[0], self._whole, *states[1:])

    def _whole(self, name: str, *parts: Tensor) -> Tensor:
        return torch.cat(parts) if self._is_divided(name, parts[0]) else parts[0]

    def own(self, state: Any) -> Any:
        """This process's part of what ``joined`` gave."""
        return _mapped(state, self._part)

    def _part(self, name: str, whole: Tensor) -> Tensor:
        return _share(whole, self.wire).clone() if self._is_divided(name, whole) else whole

    def _is_divided(self, name: str, tensor: Tensor) -> bool:
        return tensor.ndim > 0 and name.removeprefix("module.") not in self.shared


def _mapped(value: Any, change: Callable[..., Tensor], *others: Any, name: str = "") -> Any:
    """``value`` with its tensors changed: ``change(name, tensor, those of the others at the same place)``."""
    if isinstance(value, Tensor):
        return change(name, value, *others)
    if isinstance(value, Mapping):
        return {key: _mapped(value[key], change, *(other[key] for other in others), name=str(key)) for key in value}
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(at[0], change, *at[1:], name=name) for at in zip(value, *others, strict=True))
    return value


def _share(whole: Tensor, wire: Wire) -> Tensor:
    """This process's rows; the first ones get one more where they don't come out even."""
    return whole.tensor_split(wire.world)[wire.rank]


class AcrossTowers(nn.Module):
    """A layer without weights that needs the channels of all towers: all in, this process's share out."""

    def __init__(self, layer: nn.Module, wire: Wire) -> None:
        super().__init__()
        self.layer, self.wire = layer, wire

    def forward(self, x: Tensor) -> Tensor:
        shares: tuple[Tensor, ...] = self.layer(x).tensor_split(self.wire.world, 1)
        return shares[self.wire.rank]


class CommonDropout(nn.Module):
    """This process's share of one dropout mask: all draw the whole of it, from the same random numbers."""

    def __init__(self, dropout: nn.Module, axis: int, wire: Wire) -> None:
        super().__init__()
        self.dropout, self.axis, self.wire = dropout, axis, wire

    def forward(self, x: Tensor) -> Tensor:
        shape = [size * self.wire.world if axis == self.axis else size for axis, size in enumerate(x.shape)]
        factors = self.dropout(x.new_ones(shape))  # 0, or what this dropout multiplies by
        own: Tensor = factors.narrow(self.axis, self.wire.rank * x.shape[self.axis], x.shape[self.axis])
        return x * own


def divide(network: nn.Sequential, plan: Plan, wire: Wire) -> DividedNetwork:
    """This process's part of ``network``, whose modules it takes over and cuts down.

    Args:
        network: from ``training_network``, the same in every process.
        plan: who holds what.
        wire: to the other processes.
    """
    before = {name: tensor.shape for name, tensor in network.state_dict().items()}
    *_, last = network.parameters()  # the biases of the last layer
    classes = [len(share) for share in last.tensor_split(wire.world)]
    layers: dict[str, nn.Module] = {}
    axis = 0 if plan.pictures else None  # along which the values are divided at this point
    for name, layer in network.named_children():
        layers[name], axis = _part(layer, axis, name in plan.divided, name in plan.exchanges, wire)
    shared = {name for name, tensor in network.state_dict().items() if tensor.shape == before[name]}
    return DividedNetwork(layers, plan, wire, classes, frozenset(shared))


def _part(
    layer: nn.Module, axis: int | None, divided: bool, exchanged: bool, wire: Wire
) -> tuple[nn.Module, int | None]:
    """This process's part of a layer, and along which axis the values that leave it are divided."""
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        if divided:
            _cut(layer, wire)
        return layer, 1 if divided else axis
    if isinstance(layer, LocalResponseNorm):
        if exchanged:
            return AcrossTowers(layer, wire), 1
        layer.groups //= wire.world if axis == 1 else 1
    if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)) and axis == 1:
        _cut(layer, wire)
    if isinstance(layer, (nn.Dropout, Dropout2012)) and axis is not None:
        return CommonDropout(layer, axis, wire), axis
    return layer, axis


def _cut(layer: nn.Module, wire: Wire) -> None:
    """Keeps this process's rows of weights, biases and statistics, in place."""
    statistics = layer.buffers() if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)) else ()
    for tensor in (*layer.parameters(), *statistics):
        if tensor.ndim:
            tensor.data = _share(tensor.data, wire).clone()
    rows = len(next(layer.parameters()))
    for name in {"out_channels", "out_features", "num_features"} & vars(layer).keys():
        setattr(layer, name, rows)
    if isinstance(layer, nn.Conv2d) and layer.groups > 1:
        layer.groups //= wire.world
        layer.in_channels //= wire.world
