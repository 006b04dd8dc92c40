"""Reads the network files of 2012: the way in to this room's other files."""

from __future__ import annotations

from math import prod
from pathlib import Path

from alexnet_edu.errors import AlexNetError
from alexnet_edu.museum.graph import NetworkFile
from alexnet_edu.museum.rates import read_rates
from alexnet_edu.museum.sections import INT_MAX, Notes, read_sections
from alexnet_edu.museum.specs import Sum
from alexnet_edu.museum.wiring import read_layers
from alexnet_edu.specs import Shape

__all__ = ["read_network"]


def read_network(
    layers: str | Path,
    params: str | Path | None = None,
    *,
    input_shape: tuple[int, int, int] = (3, 224, 224),
    num_classes: int = 1000,
) -> NetworkFile:
    """Reads a layer file of the 2012 release, and the parameter file that belongs to it.

    Args:
        layers: path or text of the layer definition file.
        params: path or text of the layer parameter file; without it norms take network 145's constants.
        input_shape: ``(C, H, W)`` of the image, square: 224 pixels for ImageNet, 24 for the CIFAR files.
        num_classes: outputs of a ``treefc`` layer, whose size came with the data set.

    Raises:
        NetworkFileError: a file has a mistake; the message names file, line and section.
        AlexNetError: a file can't be read, ``input_shape`` is not square, or a size is not positive.

    Example:
        >>> network = read_network("[data]\\ntype=data\\ndataIdx=0\\n[sum]\\ntype=cost.sum2\\ninputs=data")
        >>> network.total_parameters
        0
    """
    _check_sizes(input_shape, num_classes)
    notes = Notes()
    sections = read_sections(layers, "layer file", notes)
    settings = None if params is None else read_sections(params, "parameter file", notes)
    found = read_layers(sections, settings, input_shape, num_classes, notes)
    sums = {layer.name: layer.operation for layer in found if isinstance(layer.operation, Sum)}
    rates = {} if settings is None else read_rates(sums, settings, notes)
    for name in settings or {}:
        if name not in sections:
            notes.add("a section of the parameter file, but no layer.", name)
    file = next(iter(sections.values())).file
    return NetworkFile(file, found, notes.lines(), input_shape, rates)


def _check_sizes(shape: Shape, num_classes: int) -> None:
    sized = isinstance(shape, tuple) and len(shape) == 3 and all(map(_is_size, shape))
    if not sized or shape[1] != shape[2] or prod(shape) > INT_MAX:
        problem = f"input_shape must be (channels, side, side) of a square image, with at most {INT_MAX:,} values."
        raise AlexNetError(problem)
    if not _is_size(num_classes):
        raise AlexNetError(f"num_classes must be a whole number from 1 to {INT_MAX:,}.")


def _is_size(size: object) -> bool:
    return isinstance(size, int) and not isinstance(size, bool) and 0 < size <= INT_MAX
