"""From sections to the layers of a graph: which layer reads which, what shapes pass, and how many labels there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from alexnet_edu.museum.entry import Entry
from alexnet_edu.museum.graph import MuseumLayer
from alexnet_edu.museum.parsers import PARSERS, UNUSED, parse_neuron
from alexnet_edu.museum.sections import INT_MAX, Notes, Section
from alexnet_edu.museum.specs import Neuron
from alexnet_edu.palette import by
from alexnet_edu.specs import Layer, Shape

__all__ = ["read_layers"]

_UNKNOWN: Shape = ()  # the shape of labels until a layer that reads them says it

Sections = Mapping[str, Section]
Layers = dict[str, MuseumLayer]


def read_layers(
    sections: Sections, settings: Sections | None, input_shape: Shape, num_classes: int, notes: Notes
) -> tuple[MuseumLayer, ...]:
    """The layers that the sections of a layer file describe, in the file's order.

    Args:
        sections: of the layer file, by name.
        settings: of the parameter file; ``None``: there is none.
        input_shape: of the image, ``(C, H, W)``.
        num_classes: outputs of a ``treefc`` layer.
        notes: takes what can't be reproduced.

    Raises:
        NetworkFileError: a section has a mistake, or reads what it can't.
    """
    done: Layers = {}
    for section in sections.values():
        if section.get("type", str) == "data":
            done[section.name] = _data(section, input_shape)
            continue
        inputs = _inputs(section, sections, done)
        own = (settings or {}).get(section.name)
        shapes = tuple(done[name].output_shape for name in inputs)
        entry = Entry(section, own, settings is not None, inputs, shapes, done, num_classes, notes)
        done[section.name] = _layer(entry)
    _check_ends(sections, done)
    return tuple(done.values())


def _data(section: Section, input_shape: Shape) -> MuseumLayer:
    index = section.get("dataIdx", int)
    section.at_least("dataIdx", [index], 0)
    shape = _UNKNOWN if index else input_shape
    return MuseumLayer(section.name, "data", (), (), shape, 0, 0, None, data_index=index)


def _inputs(section: Section, sections: Sections, done: Layers) -> tuple[str, ...]:
    """The names of the layers that a section reads; their shapes are known afterwards, also those of labels."""
    kind = section.get("type", str)
    if kind not in PARSERS:
        known = "was known in 2012 but is in no released file, and is not built" if kind in UNUSED else "is unknown"
        raise section.error(f"type = {kind[:40]} {known}; types are data, {', '.join(PARSERS)}.", "type")
    inputs = tuple(name.strip() for name in section.get("inputs", str).split(","))
    for name in inputs:
        _check_input(section, name, sections, done)
    unknown = [name for name in inputs if done[name].output_shape == _UNKNOWN]
    for name in dict.fromkeys(unknown):
        shape = _label_shape(section, name, [done[one].output_shape for one in inputs])
        done[name] = replace(done[name], output_shape=shape)
    return inputs


def _check_input(section: Section, name: str, sections: Sections, done: Layers) -> None:
    if name == section.name:
        raise section.error("the layer is its own input.", "inputs")
    if name in sections and name not in done:
        where = f"is defined only in line {sections[name].line}"
        raise section.error(f"input {name} {where}: a cycle, or sections out of order.", "inputs")
    if name not in done:
        raise section.error(f"input {name[:40]!r} is not a layer of this file.", "inputs")
    if done[name].is_cost:
        raise section.error(f"input {name} is a cost, which has no output for other layers.", "inputs")


def _label_shape(section: Section, label: str, shapes: list[Shape]) -> Shape:
    """The size of labels, which came with the data set: what their first reader compares them with.

    ``cost.logreg`` takes the number of the class; other costs and ``eltsum`` take a target for each output.
    """
    kind = section.get("type", str)
    if kind != "eltsum" and not kind.startswith("cost."):
        problem = f"input {label} is not the image (dataIdx 0); only a cost or an eltsum can read labels"
        raise section.error(f"{problem} whose number no layer above has fixed.", "inputs")
    candidates = shapes if kind == "eltsum" else shapes[-1:]
    known = next((shape for shape in candidates if shape != _UNKNOWN), None)
    if known is None:
        raise section.error(f"{kind} compares the labels {label} with nothing that the image gives.", "inputs")
    return (1,) if kind == "cost.logreg" else known


def _layer(entry: Entry) -> MuseumLayer:
    """One section as a layer."""
    section, kind = entry.section, entry.section.get("type", str)
    operation, views = PARSERS[kind](entry)
    gpu = section.get("gpu", int) if "gpu" in section else entry.before[entry.inputs[0]].gpu
    output = operation.output_shape(*views)
    if prod(output) > INT_MAX:
        raise section.error(f"{by(*output)} values would leave this layer; {INT_MAX:,} are the most it can have.")
    costs = (output, operation.parameters(*views), operation.macs(*views))
    activation = _activation(section, entry.notes)
    return MuseumLayer(section.name, kind, entry.inputs, views, *costs, gpu, operation, activation)


def _activation(section: Section, notes: Notes) -> Layer | None:
    text = section.get("neuron", str, "")
    try:
        neuron = parse_neuron(text, f"{section.name}_neuron")
    except ValueError:
        problem = f"neuron = {text[:40]} is no activation, or has other constants than it needs"
        raise section.error(f"{problem}, such as tanh[1.7159,0.6667].", "neuron") from None
    if isinstance(neuron, Neuron) and neuron.function == "nrelu":
        notes.add("nrelu adds noise in testing too, as the code of 2012 did.", section.name)
    return neuron


def _check_ends(sections: Sections, done: Layers) -> None:
    """Every layer has to lead to a cost, and every cost has to be led to by the image."""
    used = {name for layer in done.values() for name in layer.inputs}
    seen: set[str] = set()
    for name, layer in done.items():
        if name not in used and not layer.is_cost:
            raise sections[name].error("no other layer reads this one; the last layer of a network is a cost.")
        if layer.data_index == 0 or not seen.isdisjoint(layer.inputs[-1:] if layer.is_cost else layer.inputs):
            seen.add(name)
        elif layer.is_cost:
            raise sections[name].error("nothing that the image gives reaches this cost.", "inputs")
