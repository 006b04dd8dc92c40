"""Builds the module of a network file, unless it would not fit into memory. PyTorch is imported only then."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from alexnet_edu.errors import AlexNetError
from alexnet_edu.museum.graph import MuseumLayer, NetworkFile
from alexnet_edu.museum.specs import Filters, Pool, Sum
from alexnet_edu.specs import Conv, Layer, Shape

if TYPE_CHECKING:
    from alexnet_edu.museum.models import MuseumNet

__all__ = ["MAX_BYTES", "build_network", "needed_bytes"]

MAX_BYTES = 2 * 10**9  # network 145 needs an eighth of it
_FLOAT32 = 4  # bytes


def build_network(network: NetworkFile, *, max_bytes: int = MAX_BYTES) -> MuseumNet:
    """A runnable, trainable, exportable module, started at random as the file says.

    ``model(images)`` gives the class scores (logits), ``model.cost(images, labels)`` what training minimised
    in 2012, ``model.activations(images)`` the output of every section by name.

    Args:
        network: what ``read_network`` returned.
        max_bytes: the memory that the weights and a forward pass of one image may take; see ``needed_bytes``.

    Raises:
        AlexNetError: the network needs more than that, or more than the machine has.

    Example:
        >>> network = read_network(NETWORK_145, PARAMS_145)
        >>> build_network(network).fc8.weight(0).shape
        torch.Size([1000, 2048])
    """
    needed = needed_bytes(network)
    if needed > max_bytes:
        problem = f"{network.name} needs about {needed / 1e9:.3g} GB for its weights and one image"
        raise AlexNetError(f"{problem}, more than {max_bytes / 1e9:.3g} GB; if that is meant, give max_bytes={needed}.")
    from alexnet_edu.museum.models import MuseumNet

    try:
        return MuseumNet(network)
    except (MemoryError, RuntimeError) as problem:
        if "alloc" not in str(problem) and "overflow" not in str(problem).lower():
            raise
        needed_gb = f"{needed / 1e9:.3g} GB"
        raise AlexNetError(f"{network.name} needs about {needed_gb}, more memory than this machine has.") from None


def needed_bytes(network: NetworkFile) -> int:
    """About what the weights and a forward pass of one image need, in bytes: float32 values, gradients not counted.

    Counted are weights (shared ones once per use, since each is drawn before it is shared), every layer's output
    before and after its activation, and the copies of inputs that are padded, rewired or cut into windows.
    """
    return _FLOAT32 * sum(map(_values, network))


def _values(layer: MuseumLayer) -> int:
    operation, shapes = layer.operation, layer.input_shapes
    values = prod(layer.output_shape) * (1 if layer.activation is None else 2)
    if isinstance(operation, Sum):
        branches = zip(operation.branches, shapes, strict=True)
        copies = sum(_copies(branch, shape) for branch, shape in branches)
        return values + copies + sum(operation.weight_counts(*shapes)) + prod(layer.output_shape)
    return values if operation is None or layer.is_cost else values + _copies(operation, shapes[0])


def _copies(layer: Layer, shape: Shape) -> int:
    """Values that a layer copies from an input of ``shape``."""
    if isinstance(layer, Conv):
        channels, side, _ = layer.wired(shape) if isinstance(layer, Filters) else shape
        outputs = layer.output_shape(shape)[1]
        padded = max(side + 2 * layer.padding, (outputs - 1) * layer.stride + layer.kernel_size)
        local = isinstance(layer, Filters) and layer.local
        return channels * (padded**2 + (layer.kernel_size * outputs) ** 2 * local)
    if isinstance(layer, Pool):
        padded = (layer.outputs - 1) * layer.stride + layer.size
        return shape[0] * (padded**2 + 3 * (layer.size * layer.outputs) ** 2 * (layer.how == "rand"))
    return 0
