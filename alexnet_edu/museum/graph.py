"""What a network file describes, as plain data: the graph of its layers, with their sizes and costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from alexnet_edu.errors import AlexNetError
from alexnet_edu.museum.rates import Rate
from alexnet_edu.museum.specs import Cost
from alexnet_edu.palette import by
from alexnet_edu.specs import Layer, Shape
from alexnet_edu.tables import Table

__all__ = ["MuseumLayer", "NetworkFile"]

_LISTED = 100  # names in a message, at most


@dataclass(frozen=True)
class MuseumLayer:
    """One section of a layer file.

    Attributes:
        name: the section's name.
        type: as in the file, such as ``conv``.
        inputs: the names of the layers that it reads.
        input_shapes: what it takes them for, ``(C, H, W)`` or ``(F,)``.
        output_shape: what leaves it.
        parameters: weights and biases of its own; weights that another layer shares with it count there.
        macs: multiply-accumulates per image.
        gpu: the GPU that it ran on in 2012; ``None``: the file does not say.
        operation: the layer as data; ``None`` for ``data``.
        activation: the ``neuron`` that follows it; ``None``: none.
        data_index: for ``data``: which of the data it is; 0 is the image, others are labels.
    """

    name: str
    type: str
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    parameters: int
    macs: int
    gpu: int | None
    operation: Layer | None = None
    activation: Layer | None = None
    data_index: int | None = None

    @property
    def is_cost(self) -> bool:
        """Whether this is what training minimises, not a step on the way to it."""
        return isinstance(self.operation, Cost)


@dataclass(frozen=True, repr=False)
class NetworkFile:
    """The graph of layers that a network file describes.

    Attributes:
        name: the file's name.
        layers: one per section, in the file's order: a layer comes after those that it reads.
        notes: what could not be reproduced, or what the GPUs of 2012 would not have run.
        input_shape: of the image, ``(C, H, W)``.
        rates: per layer with weights, what the parameter file says of each input's weights and, last, of the bias.
    """

    name: str
    layers: tuple[MuseumLayer, ...]
    notes: tuple[str, ...]
    input_shape: Shape
    rates: dict[str, tuple[Rate, ...]] = field(default_factory=dict)

    @cached_property
    def _by_name(self) -> dict[str, MuseumLayer]:
        return {layer.name: layer for layer in self.layers}

    def __iter__(self) -> Iterator[MuseumLayer]:
        return iter(self.layers)

    def __getitem__(self, name: str) -> MuseumLayer:
        if name in self._by_name:
            return self._by_name[name]
        valid = ", ".join([*self._by_name][:_LISTED]) + (", ..." if len(self.layers) > _LISTED else "")
        raise AlexNetError(f"{self.name} has no layer {name!r}; choose one of {valid}.")

    @property
    def total_parameters(self) -> int:
        """Weights and biases of all layers, shared ones counted once."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of one forward pass, per image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def costs(self) -> tuple[MuseumLayer, ...]:
        """The layers that training minimises; the last input of each is what it judges."""
        return tuple(layer for layer in self.layers if layer.is_cost)

    @cached_property
    def need_labels(self) -> frozenset[str]:
        """The layers that can't be computed from the image alone."""
        found: set[str] = set()
        for layer in self.layers:
            if layer.data_index or not found.isdisjoint(layer.inputs):
                found.add(layer.name)
        return frozenset(found)

    def needed(self, names: Sequence[str]) -> list[MuseumLayer]:
        """The layers of these names and all that they depend on, in order."""
        wanted = set(names)
        for layer in reversed(self.layers):
            if layer.name in wanted:
                wanted.update(layer.inputs)
        return [layer for layer in self.layers if layer.name in wanted]

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The layers whose values the module returns: for each cost what it judges, before softmax.

        Where that has already been compared with labels (an ``eltsum``), it is what was compared with them.
        """
        found = [self[name] for cost in self.costs for name in self._judged(cost)]
        return tuple(layer.inputs[0] if layer.type == "softmax" else layer.name for layer in found)

    def _judged(self, cost: MuseumLayer) -> list[str]:
        """The last layers before a cost that need no labels."""
        name = cost.inputs[-1]
        if name not in self.need_labels:
            return [name]
        behind = [layer for layer in self.needed([name]) if layer.name in self.need_labels]
        return list(dict.fromkeys(name for layer in behind for name in layer.inputs if name not in self.need_labels))

    def table(self) -> Table:
        """Sizes and costs of every layer; prints as text, shows as HTML in a notebook."""
        rows = [
            (
                layer.name,
                " ".join([layer.type, *(["<-", ", ".join(layer.inputs)] if layer.inputs else [])]),
                "" if layer.gpu is None else f"{layer.gpu}",
                by(*layer.output_shape),
                f"{layer.parameters:,}" if layer.parameters else "",
                f"{layer.macs:,}" if layer.macs else "",
            )
            for layer in self.layers
        ]
        totals = ("total", "", "", "", f"{self.total_parameters:,}", f"{self.total_macs:,}")
        header = ("layer", "type <- inputs", "GPU", "output C × H × W", "parameters", "MACs")
        return Table(header, [*rows, totals], caption=self.name, left=2)

    def __repr__(self) -> str:
        return f"NetworkFile({self.name!r}, {len(self.layers)} layers, {self.total_parameters:,} parameters)"

    def __str__(self) -> str:
        return "\n".join([str(self.table()), *(f"note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()
