"""How a network and its batch are divided among processes, and what they then must send each other.

Three plans, each derived from the spec; nothing about a network is written here by hand:

- ``towers``: every process has all pictures and a share of each layer's channels; the paper's way [section 3.2].
- ``copies``: every process has a share of the pictures and the whole network; data parallelism.
- ``one_weird_trick``: copies of the convolutions, shares of the fully connected layers [Krizhevsky 2014,
  arXiv:1404.5997, section 3].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from alexnet_edu.errors import AlexNetError
from alexnet_edu.geometry import trace
from alexnet_edu.specs import LRN, Conv, Layer, Linear, Spec
from alexnet_edu.tables import Table

__all__ = ["LOGITS", "PLANS", "Message", "Plan", "copies", "messages", "one_weird_trick", "towers", "traffic"]

LOGITS = "logits"  # the name of the last exchange, which every process needs for the loss
FLOAT32 = 4  # bytes


@dataclass(frozen=True)
class Plan:
    """Who holds what, and what is put together when.

    Attributes:
        name: of the plan.
        processes: among how many.
        divided: layers of which each process holds its share of the channels (or units) only.
        exchanges: before which layers inputs are put together, by the axis: 0 pictures, 1 channels.
        pictures: whether each process begins with its share of the pictures only.
    """

    name: str
    processes: int
    divided: frozenset[str]
    exchanges: Mapping[str, int]
    pictures: bool


@dataclass(frozen=True)
class Message:
    """What one process sends to the others at one point of a training step.

    Attributes:
        layer: before which it is sent in the forward pass, "logits" at the end; or whose gradients.
        phase: "forward", "backward" or "gradients".
        bytes: that one process sends.
    """

    layer: str
    phase: str
    bytes: int


def towers(spec: Spec, processes: int = 2) -> Plan:
    """A tower for each process, which exchange before each layer that reads the channels of all.

    Raises:
        AlexNetError: the channels or groups of a layer can't be divided among so many.

    Example:
        >>> list(towers(get_spec("paper")).exchanges)
        ['conv3', 'fc6', 'fc7', 'fc8', 'logits']
    """
    for layer in spec.layers[:-1]:
        _check(spec, layer, processes)
    weighted = [layer.name for layer in spec.layers if isinstance(layer, (Conv, Linear))]
    exchanges = {layer.name: 1 for layer in spec.layers if _reads_all(layer, processes)}
    exchanges.pop(weighted[0])  # it reads the picture, which every process has
    return Plan("towers", processes, frozenset(weighted), exchanges | {LOGITS: 1}, pictures=False)


def copies(spec: Spec, processes: int = 2) -> Plan:
    """The whole network for each process, and a share of the pictures."""
    return Plan("copies", processes, frozenset(), {}, pictures=True)


def one_weird_trick(spec: Spec, processes: int = 2) -> Plan:
    """Copies of the convolutions, which hold few weights, and shares of the fully connected layers, which hold most.

    The variant (a) of the report's section 3.2: before the first fully connected layer all processes get the maps of
    all pictures.
    """
    first, *others = full = [layer.name for layer in spec.layers if isinstance(layer, Linear)]
    for layer in spec.layers[:-1]:
        if isinstance(layer, Linear):
            _check(spec, layer, processes)
    exchanges = {first: 0} | dict.fromkeys(others, 1) | {LOGITS: 1}
    return Plan("one weird trick", processes, frozenset(full), exchanges, pictures=True)


PLANS = {"towers": towers, "copies": copies, "one weird trick": one_weird_trick}


def _reads_all(layer: Layer, processes: int) -> bool:
    return isinstance(layer, Linear) or (isinstance(layer, (Conv, LRN)) and layer.groups % processes != 0)


def _check(spec: Spec, layer: Layer, processes: int) -> None:
    groups = layer.groups if isinstance(layer, (Conv, LRN)) else 1
    width = {"Conv": "out_channels", "Linear": "out_features"}.get(layer.kind)
    if groups > 1 and groups % processes:
        raise AlexNetError(f"{processes} processes can't divide the {groups} groups of {layer.name}.")
    if width and getattr(layer, width) % processes:
        raise AlexNetError(f"{processes} processes can't divide the {getattr(layer, width)} channels of {layer.name}.")


def messages(spec: Spec, plan: Plan, batch: int) -> Iterator[Message]:
    """What each process sends in one training step of ``batch`` pictures in all, in float32.

    An exchange sends a process's share to each other one, and in the backward pass the gradients of the others' shares
    back. Gradients of weights that several hold are added up in a ring: 2 (n - 1) / n of their bytes.
    The logits are needed by all; their gradients are known to all.
    """
    n = plan.processes
    shapes = {layer.name: shape for layer, shape in trace(spec, spec.input_shape)}
    shapes[LOGITS] = spec.layers[-1].output_shape(shapes[spec.layers[-1].name])
    for name in plan.exchanges:
        size = FLOAT32 * batch * prod(shapes[name]) * (n - 1) // n
        yield Message(name, "forward", size)
        if name != LOGITS:
            yield Message(name, "backward", size)
    for layer, shape in trace(spec, spec.input_shape):
        if layer.name not in plan.divided and (count := layer.parameters(shape)):
            yield Message(layer.name, "gradients", FLOAT32 * count * 2 * (n - 1) // n)


def traffic(spec: Spec, batch: int, *, processes: int = 2, flops: float, bandwidth: float) -> Table:
    """The three plans side by side: bytes sent, weights held, and time, for a step of ``batch`` pictures.

    Args:
        spec: the network.
        batch: pictures of one step, of all processes together.
        processes: among how many.
        flops: floating-point operations a second of one process, in training.
        bandwidth: bytes a second from one process to another.
    """
    macs = sum(layer.macs(shape) for layer, shape in trace(spec, spec.input_shape))
    seconds = (
        6 * macs * batch / processes / flops
    )  # a MAC is two FLOP; the backward pass takes two forward passes' work
    rows = []
    for make in PLANS.values():
        plan = make(spec, processes)
        sent = sum(message.bytes for message in messages(spec, plan, batch))
        wire, held = sent / bandwidth, FLOAT32 * held_parameters(spec, plan)
        share = 100 * wire / (seconds + wire)
        rows.append((plan.name, f"{sent / 1e6:,.1f}", f"{held / 1e6:,.0f}", f"{1e3 * seconds:,.0f}",
                     f"{1e3 * wire:,.1f}", f"{share:.0f}"))  # fmt: skip
    header = ("plan", "sent, MB a step", "weights, MB", "arithmetic, ms", "sending, ms", "sending, %")
    return Table(header, rows, caption=f"{spec.title}: {processes} processes, batch {batch}, by calculation", left=1)


def held_parameters(spec: Spec, plan: Plan) -> int:
    """How many weights and biases one process holds."""
    shares = ((layer.name in plan.divided, layer.parameters(s)) for layer, s in trace(spec, spec.input_shape))
    return sum(count // plan.processes if divided else count for divided, count in shares)
