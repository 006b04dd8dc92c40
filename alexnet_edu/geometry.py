"""Sizes, parameters, multiply-accumulates, memory and receptive fields of a network, derived from its spec."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from math import prod

from alexnet_edu.errors import AlexNetError, check_type, check_whole
from alexnet_edu.palette import by
from alexnet_edu.specs import Flatten, Layer, Shape, Spec
from alexnet_edu.tables import Table

__all__ = ["LayerInfo", "LayerTable", "layer_table", "receptive_field_box", "trace", "valid_input_sizes"]

_LARGEST_SIZE = 1024


@dataclass(frozen=True)
class LayerInfo:
    """One row of a layer table: what enters a layer, what leaves it and what that costs for one picture.

    Attributes:
        name: such as ``conv1``.
        kind: the layer's class in ``alexnet_edu.specs``.
        input_shape: ``(C, H, W)`` or ``(F,)``.
        output_shape: ``(C, H, W)`` or ``(F,)``.
        parameters: weights and biases.
        macs: multiply-accumulates; one MAC is two FLOP.
        receptive_field: side in pixels of the square of the input that one value depends on; ``None``: all of it.
        jump: distance in pixels between the fields of neighbouring values; ``None`` where there are no rows.
        start: row of the first field's first pixel, negative where padding comes first; ``None`` likewise.
    """

    name: str
    kind: str
    input_shape: Shape
    output_shape: Shape
    parameters: int
    macs: int
    receptive_field: int | None
    jump: int | None
    start: int | None

    @property
    def activations(self) -> int:
        """How many values leave the layer."""
        return prod(self.output_shape)


@dataclass(frozen=True, repr=False)
class LayerTable:
    """All rows of a network for one input size. Prints as text, shows as HTML in a notebook."""

    spec: Spec
    input_shape: Shape
    rows: tuple[LayerInfo, ...]

    def __iter__(self) -> Iterator[LayerInfo]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> LayerInfo:
        self.spec[name]  # raises with the valid names
        return next(row for row in self.rows if row.name == name)

    @property
    def total_parameters(self) -> int:
        """Weights and biases of all layers."""
        return sum(row.parameters for row in self.rows)

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of one forward pass for one picture."""
        return sum(row.macs for row in self.rows)

    @property
    def total_activations(self) -> int:
        """Values that the layers produce for one picture; in float32 each takes four bytes."""
        return sum(row.activations for row in self.rows)

    def table(self) -> Table:
        """A row for the input, one for each layer and one for the totals."""
        share = 100 / self.total_parameters
        mac_share = 100 / self.total_macs
        body = [
            (
                row.name,
                by(*row.output_shape),
                f"{row.parameters:,}" if row.parameters else "",
                f"{row.parameters * share:.2f}" if row.parameters else "",
                f"{row.macs:,}" if row.macs else "",
                f"{row.macs * mac_share:.2f}" if row.macs else "",
                "all" if row.receptive_field is None else f"{row.receptive_field}",
                "" if row.jump is None else f"{row.jump}",
            )
            for row in self.rows
        ]
        return Table(
            ("layer", "output C × H × W", "parameters", "%", "MACs", "%", "field (px)", "jump (px)"),
            [
                ("input", by(*self.input_shape), "", "", "", "", "1", "1"),
                *body,
                ("total", "", f"{self.total_parameters:,}", "100", f"{self.total_macs:,}", "100", "", ""),
            ],
            caption=self.spec.title,
            left=2,
        )

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def trace(spec: Spec, input_shape: Shape) -> Iterator[tuple[Layer, Shape]]:
    """Each layer of ``spec`` with the shape that enters it."""
    shape = input_shape
    for layer in spec.layers:
        yield layer, shape
        shape = layer.output_shape(shape)


def layer_table(spec: Spec, input_size: int | None = None) -> LayerTable:
    """Sizes, costs and receptive fields of every layer.

    Args:
        spec: the network.
        input_size: side of the square input in pixels; by default the size that the network was made for.

    Raises:
        AlexNetError: the network does not accept that size; the message gives the sizes that it does.

    Example:
        >>> ae.layer_table(ae.get_spec("paper"))["conv1"].output_shape
        (96, 55, 55)
    """
    check_type("spec", spec, Spec, "what get_spec gives")
    side = spec.input_size if input_size is None else input_size
    check_whole("input_size", side)
    return _layer_table(spec, side)


@cache
def _layer_table(spec: Spec, side: int) -> LayerTable:
    if not accepts(spec, side):
        raise AlexNetError(size_message(spec, (side, side)))
    rows = []
    field: int | None = 1
    jump, start = 1, 0
    for layer, shape in trace(spec, (3, side, side)):
        window = layer.window(shape)
        if window is None or field is None:
            field = None
        else:
            field += (window.size - 1) * jump
            start -= window.padding * jump
            jump *= window.stride
        out = layer.output_shape(shape)
        where = (jump, start) if len(out) == 3 and field is not None else (None, None)
        rows.append(
            LayerInfo(layer.name, layer.kind, shape, out, layer.parameters(shape), layer.macs(shape), field, *where)
        )
    return LayerTable(spec, (3, side, side), tuple(rows))


def _side_before_flatten(spec: Spec, side: int) -> int:
    """Rows that reach the first fully connected layer; 0 where a layer has nothing to look at."""
    shape: Shape = (3, side, side)
    for layer in spec.layers:
        if isinstance(layer, Flatten):
            break
        shape = layer.output_shape(shape)
    return shape[-1]


@cache
def _accepted_sides(spec: Spec) -> frozenset[int]:
    wanted = _side_before_flatten(spec, spec.input_size)
    return frozenset(side for side in range(1, _LARGEST_SIZE + 1) if _side_before_flatten(spec, side) == wanted)


def accepts(spec: Spec, side: int) -> bool:
    """Whether an input with ``side`` rows or columns fits the first fully connected layer."""
    return side in _accepted_sides(spec) or (
        side > _LARGEST_SIZE and _side_before_flatten(spec, side) == _side_before_flatten(spec, spec.input_size)
    )


def valid_input_sizes(spec: Spec) -> list[tuple[int, int]]:
    """The input sides that the network accepts, as inclusive ranges in pixels, looked at up to 1024.

    A range that ends at 1024 goes on: torchvision's adaptive pooling takes any size from 63 up.

    Example:
        >>> ae.valid_input_sizes(ae.get_spec("paper"))
        [(224, 255)]
    """
    check_type("spec", spec, Spec, "what get_spec gives")
    sides = sorted(_accepted_sides(spec))
    runs = [[side for _, side in run] for _, run in groupby(enumerate(sides), key=lambda pair: pair[1] - pair[0])]
    return [(run[0], run[-1]) for run in runs]


def size_message(spec: Spec, got: tuple[int, int]) -> str:
    """One sentence that says which sizes a network takes."""
    ranges = " or ".join(
        f"at least {lo}" if hi == _LARGEST_SIZE else f"{lo} to {hi}" for lo, hi in valid_input_sizes(spec)
    )
    return (
        f"{spec.name!r} takes pictures of {ranges} pixels a side (made for {spec.input_size}), "
        f"not {by(*got)}; resize or crop first."
    )


def receptive_field_box(
    spec: Spec, layer: str, row: int, col: int, input_size: int | None = None
) -> tuple[int, int, int, int]:
    """The pixels that one position of a layer depends on: ``(top, left, bottom, right)``, ends excluded.

    The box is clipped to the picture.

    Args:
        spec: the network.
        layer: a layer's name; for a fully connected layer the box is the whole picture.
        row: row in the layer's map, from 0.
        col: column in the layer's map, from 0.
        input_size: side of the square input in pixels; by default ``spec.input_size``.

    Raises:
        AlexNetError: there is no such layer, or the map has no such position.

    Example:
        >>> ae.receptive_field_box(ae.get_spec("paper"), "conv1", row=0, col=1)
        (0, 4, 11, 15)
    """
    table = layer_table(spec, input_size)
    check_type("layer", layer, str, "a layer's name")
    check_whole("row", row)
    check_whole("col", col)
    info = table[layer]
    side = table.input_shape[-1]
    if info.receptive_field is None or info.jump is None or info.start is None:
        return (0, 0, side, side)
    rows, cols = info.output_shape[1:]
    if not (0 <= row < rows and 0 <= col < cols):
        raise AlexNetError(f"{layer} has {by(rows, cols)} positions, counted from 0; there is no ({row}, {col}).")
    top, left = (info.start + i * info.jump for i in (row, col))
    bottom, right = (min(side, edge + info.receptive_field) for edge in (top, left))
    return (max(0, top), max(0, left), bottom, right)
