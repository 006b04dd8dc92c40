"""The arithmetic of a layer, written out with its numbers: what somebody with paper and pencil would write."""

from __future__ import annotations

from fractions import Fraction
from math import prod

from alexnet_edu.palette import by
from alexnet_edu.specs import LRN, AdaptiveAvgPool, Conv, Dropout, Flatten, Layer, Linear, MaxPool, Shape, SpatialNorm

__all__ = ["formulas", "leftover"]


def formulas(layer: Layer, shape: Shape) -> list[tuple[str, str]]:
    """What a layer computes and costs, as lines of a name and a formula.

    Args:
        layer: of a spec.
        shape: what enters it, ``(C, H, W)`` or ``(features,)``.

    Example:
        >>> formulas(Conv("conv1", 96, 11, stride=4, ceil=True), (3, 224, 224))[1]
        ('parameters', '96 · (11 · 11 · 3 + 1) = 34,944')
    """
    if isinstance(layer, Conv):
        return [_side(layer, shape), *_conv_costs(layer, shape)]
    if isinstance(layer, MaxPool):
        return [_side(layer, shape), ("value", f"the largest of {by(layer.kernel_size, layer.kernel_size)} values")]
    if isinstance(layer, Linear):
        values = prod(shape)
        return [
            ("parameters", f"{layer.out_features:,} · ({values:,} + 1) = {layer.parameters(shape):,}"),
            ("MACs", f"{layer.out_features:,} · {values:,} = {layer.macs(shape):,}"),
        ]
    if isinstance(layer, Flatten):
        return [("values", f"{' · '.join(f'{size:,}' for size in shape)} = {prod(shape):,}")]
    return [("value", _in_words(layer))]


def _in_words(layer: Layer) -> str:
    """What a layer without windows of its own makes of a value x."""
    if isinstance(layer, LRN):
        mean = f"m the mean square of {layer.size} neighbouring maps at the same place"
        return f"x / ({layer.k:g} + {layer.alpha:g} · m)^{layer.beta:g}, {mean}"
    if isinstance(layer, SpatialNorm):
        window = by(layer.size, layer.size)
        return f"x / ({layer.k:g} + {layer.alpha:g} · m)^{layer.beta:g}, m the mean square of {window} places"
    if isinstance(layer, Dropout):
        return f"in training, 0 with probability {layer.p:g}"
    if isinstance(layer, AdaptiveAvgPool):
        return f"means of as many cells as give {by(layer.output_size, layer.output_size)}"
    return "max(0, x)"


def _side(layer: Conv | MaxPool, shape: Shape) -> tuple[str, str]:
    """Rows of the output: the steps from the first position to the last, and the first position itself."""
    side, (size, stride, padding) = shape[1], layer.window(shape)
    padded = f"{side} + 2 · {padding}" if padding else f"{side}"
    steps = Fraction(side + 2 * padding - size, stride)
    left, right = "⌈⌉" if layer.ceil else "⌊⌋"
    inside = f"({padded} - {size}) / {stride}"
    between = f" = 1 + {left}{float(steps):.4g}{right}" if steps.denominator > 1 else ""
    return "rows", f"1 + {left}{inside}{right}{between} = {layer.output_shape(shape)[1]}"


def _conv_costs(layer: Conv, shape: Shape) -> list[tuple[str, str]]:
    seen = shape[0] // layer.groups
    kernel = f"{layer.kernel_size} · {layer.kernel_size} · {seen}"
    rows, columns = layer.output_shape(shape)[1:]
    return [
        ("parameters", f"{layer.out_channels} · ({kernel} + 1) = {layer.parameters(shape):,}"),
        ("MACs", f"{layer.out_channels} · {kernel} · {rows} · {columns} = {layer.macs(shape):,}"),
    ]


def leftover(layer: Conv | MaxPool, shape: Shape) -> int:
    """Rows of the padded input that no window reads (positive), or that the last window needs and are not there."""
    side, (size, stride, padding) = shape[1], layer.window(shape)
    last = size + (layer.output_shape(shape)[1] - 1) * stride
    return side + 2 * padding - last
