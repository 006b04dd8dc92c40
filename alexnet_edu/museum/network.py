"""Reads a 2012 network file into a graph of layers, with its costs, its picture, and the module it describes."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet_edu.errors import AlexNetError
from alexnet_edu.museum import kinds
from alexnet_edu.museum.rates import Rate, read_rates
from alexnet_edu.museum.reader import Notes, Section, read_sections
from alexnet_edu.museum.types import BUILDERS, COSTS, UNUSED, Entry
from alexnet_edu.palette import by
from alexnet_edu.specs import Layer, Shape
from alexnet_edu.tables import Table

if TYPE_CHECKING:
    from alexnet_edu.museum.modules import MuseumNet

__all__ = ["MuseumLayer", "Network", "read_network"]

_LABELS: Shape = ()  # the shape of labels until a cost says what it wants


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
        macs: multiply-accumulates for one picture.
        gpu: the GPU that it ran on in 2012; ``None``: the file does not say.
        operation: the layer as data; ``None`` for ``data``.
        activation: the ``neuron`` that follows it; ``None``: none.
        data_index: for ``data``: which of the data it is, 0 is the picture.
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


@dataclass(repr=False)
class Network:
    """What a network file describes.

    Attributes:
        name: the file's name.
        layers: one for each section, in the file's order.
        notes: what could not be reproduced, or what the GPUs of 2012 would not have run.
        input_shape: of the picture, ``(C, H, W)``.
        rates: of each layer, what the parameter file says of each input's weights and, last, of the bias.
    """

    name: str
    layers: tuple[MuseumLayer, ...]
    notes: tuple[str, ...]
    input_shape: Shape
    rates: dict[str, tuple[Rate, ...]] = field(default_factory=dict)
    _built: weakref.ref[MuseumNet] | None = field(default=None, repr=False)

    def __iter__(self) -> Iterator[MuseumLayer]:
        return iter(self.layers)

    def __getitem__(self, name: str) -> MuseumLayer:
        for layer in self.layers:
            if layer.name == name:
                return layer
        valid = ", ".join(layer.name for layer in self.layers)
        raise AlexNetError(f"{self.name} has no layer {name!r}; choose one of {valid}.")

    @property
    def total_parameters(self) -> int:
        """Weights and biases of all layers, shared ones once."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of one forward pass for one picture."""
        return sum(layer.macs for layer in self.layers)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The layers whose values the module returns: for each cost what it judges, before softmax."""
        judged = [self[layer.inputs[-1]] for layer in self.layers if layer.type in COSTS]
        return tuple(layer.inputs[0] if layer.type == "softmax" else layer.name for layer in judged)

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

    def diagram(self) -> str:
        """The graph as the text of an ``<svg>`` element: data at the top, one column a GPU."""
        from alexnet_edu.museum.drawing import graph_svg

        return graph_svg(self)

    def build(self) -> MuseumNet:
        """A runnable, trainable, exportable module, started at random as the file says.

        ``model(pictures)`` gives the class scores (before softmax), ``model.cost(pictures, labels)`` what training
        made small in 2012, ``model.activations(pictures)`` the output of every section by name.
        """
        from alexnet_edu.museum.modules import MuseumNet

        model = MuseumNet(self)
        self._built = weakref.ref(model)
        return model

    def param_groups(self, model: MuseumNet | None = None, *, progress: float = 0.0) -> list[dict[str, Any]]:
        """Groups for ``alexnet_edu.train.optim.Sgd2012``: a rate, momentum and decay for each weight matrix and bias.

        Args:
            model: what ``build`` returned; by default the last one.
            progress: the share of the training that is done, 0 to 1, for files whose rates follow a schedule.

        Raises:
            AlexNetError: there was no parameter file, or no model.
        """
        model = model or (self._built() if self._built else None)
        if not self.rates:
            raise AlexNetError("Learning rates stand in the parameter file; give read_network that file too.")
        if model is None:
            raise AlexNetError("Call build() first, and param_groups with the model that it returns.")
        return [
            {"params": [parameter], "name": f"{name}.{what}", **rate.options(progress)}
            for name, rates in self.rates.items()
            for (what, parameter), rate in zip(model.owned(name), rates, strict=True)
            if parameter is not None
        ]

    def __repr__(self) -> str:
        return f"Network({self.name!r}, {len(self.layers)} layers, {self.total_parameters:,} parameters)"

    def __str__(self) -> str:
        return "\n".join([str(self.table()), *(f"note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def read_network(
    layers: str | Path,
    params: str | Path | None = None,
    *,
    input_shape: tuple[int, int, int] = (3, 224, 224),
    num_classes: int = 1000,
) -> Network:
    """Reads a layer file of the 2012 release, and the parameter file that belongs to it.

    Args:
        layers: path or text of the layer definition file.
        params: path or text of the layer parameter file; without it norms take network 145's constants.
        input_shape: ``(C, H, W)`` of the picture, square: 224 pixels for ImageNet, 24 for the CIFAR files.
        num_classes: outputs of a ``treefc`` layer, whose size came with the data set.

    Raises:
        NetworkFileError: a file has a mistake; the message names file, line and section.
        AlexNetError: a file can't be read, or ``input_shape`` is not square.

    Example:
        >>> network = read_network("[data]\\ntype=data\\ndataIdx=0\\n[sum]\\ntype=cost.sum2\\ninputs=data")
        >>> network.total_parameters
        0
    """
    _check_shape(input_shape)
    notes = Notes()
    sections = read_sections(layers, "layer file", notes)
    settings = None if params is None else read_sections(params, "parameter file", notes)
    done: dict[str, MuseumLayer] = {}
    for section in sections.values():
        done[section.name] = _layer(section, sections, settings, done, input_shape, num_classes, notes)
    _check_used(sections, done)
    for name in settings or {}:
        if name not in done:
            notes.add("a section of the parameter file, but no layer.", name)
    sums = {name: layer.operation for name, layer in done.items() if isinstance(layer.operation, kinds.Sum)}
    rates = {} if settings is None else {name: read_rates(name, one, settings, notes) for name, one in sums.items()}
    source = next(iter(sections.values())).file
    return Network(source, tuple(done.values()), notes.lines(), input_shape, rates)


def _check_shape(shape: object) -> None:
    sizes = isinstance(shape, tuple) and len(shape) == 3 and all(isinstance(n, int) and n > 0 for n in shape)
    if not sizes or shape[1] != shape[2]:  # type: ignore[index]
        raise AlexNetError(f"input_shape must be (channels, side, side) of a square picture, not {shape}.")


def _layer(
    section: Section,
    sections: dict[str, Section],
    settings: dict[str, Section] | None,
    done: dict[str, MuseumLayer],
    input_shape: Shape,
    num_classes: int,
    notes: Notes,
) -> MuseumLayer:
    """One section as a layer."""
    kind = section.get("type", str)
    if kind == "data":
        return _data(section, input_shape)
    if kind not in BUILDERS:
        known = "was known in 2012 but is in no released file, and is not built" if kind in UNUSED else "is unknown"
        raise section.error(f"type = {kind[:40]} {known}; types are data, {', '.join(BUILDERS)}.", "type")
    inputs = tuple(name.strip() for name in section.get("inputs", str).split(","))
    for name in inputs:
        _check_input(section, name, sections, done, kind)
    if kind in COSTS:
        _label(inputs, kind, done)
    shapes = tuple(done[name].output_shape for name in inputs)
    entry = Entry(section, (settings or {}).get(section.name), settings is not None, shapes, done, num_classes, notes)
    operation = BUILDERS[kind](entry)
    views = entry.views or shapes
    gpu = section.get("gpu", int) if "gpu" in section else done[inputs[0]].gpu
    costs = (operation.output_shape(*views), operation.parameters(*views), operation.macs(*views))
    return MuseumLayer(section.name, kind, inputs, views, *costs, gpu, operation, _activation(section, notes))


def _data(section: Section, input_shape: Shape) -> MuseumLayer:
    index = section.get("dataIdx", int)
    section.at_least("dataIdx", [index], 0)
    shape = input_shape if index == 0 else _LABELS
    return MuseumLayer(section.name, "data", (), (), shape, 0, 0, None, data_index=index)


def _check_input(
    section: Section, name: str, sections: dict[str, Section], done: dict[str, MuseumLayer], kind: str
) -> None:
    if name == section.name:
        raise section.error("the layer is its own input.", "inputs")
    if name in sections and name not in done:
        where = f"is defined only in line {sections[name].line}"
        raise section.error(f"input {name} {where}: a cycle, or sections out of order.", "inputs")
    if name not in done:
        raise section.error(f"input {name[:40]!r} is not a layer of this file.", "inputs")
    if done[name].type in COSTS:
        raise section.error(f"input {name} is a cost, which has no output for other layers.", "inputs")
    if done[name].output_shape == _LABELS and kind not in COSTS:
        raise section.error(f"input {name} is not the picture (dataIdx 0); only a cost can read labels.", "inputs")


def _label(inputs: tuple[str, ...], kind: str, done: dict[str, MuseumLayer]) -> None:
    """Gives labels the size that a cost reads: the number of the class, or a target for each output."""
    name, judged = inputs[0], done[inputs[-1]].output_shape
    if done[name].output_shape == _LABELS and judged != _LABELS:
        done[name] = replace(done[name], output_shape=(1,) if kind == "cost.logreg" else judged)


def _activation(section: Section, notes: Notes) -> Layer | None:
    text = section.get("neuron", str, "")
    try:
        neuron = kinds.parse_neuron(text, f"{section.name}_neuron")
    except ValueError:
        problem = f"neuron = {text[:40]} is no activation, or has other constants than it needs"
        raise section.error(f"{problem}, such as tanh[1.7159,0.6667].", "neuron") from None
    if isinstance(neuron, kinds.Neuron) and neuron.function == "nrelu":
        notes.add("nrelu adds noise in testing too, as the code of 2012 did.", section.name)
    return neuron


def _check_used(sections: dict[str, Section], done: dict[str, MuseumLayer]) -> None:
    used = {name for layer in done.values() for name in layer.inputs}
    for name, layer in done.items():
        if name not in used and layer.type not in COSTS:
            raise sections[name].error("no other layer reads this one; the last layer of a network is a cost.")
        if layer.type == "cost.logreg" and done[layer.inputs[1]].type != "softmax":
            raise sections[name].error("the second input of cost.logreg must be a softmax layer.", "inputs")
