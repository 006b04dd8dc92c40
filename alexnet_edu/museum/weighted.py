"""What the keys of the layers with weights mean: ``conv``, ``local``, ``fc``, ``treefc``, and shared weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from alexnet_edu.museum.entry import Entry, Meaning, Shapes
from alexnet_edu.museum.sections import Section
from alexnet_edu.museum.specs import Filters, Source, Sum
from alexnet_edu.palette import by
from alexnet_edu.specs import Conv, Init, Linear, Shape

__all__ = ["parse_fc", "parse_filters", "parse_tree"]


class _Keys(NamedTuple):
    """What a ``conv`` or ``local`` section says of one input."""

    channels: int
    filters: int  # per group
    size: int
    stride: int
    padding: int
    groups: int
    wires: int  # maps that each group sees with random sparse connections; 0: there are none


def parse_filters(entry: Entry) -> Meaning:
    """``conv`` and ``local``."""
    section = entry.section
    local = section.get("type", str) == "local"
    stds, start = _start(entry)
    keys = _filter_keys(section, len(entry.shapes))
    views = tuple(entry.image(shape, one.channels) for shape, one in zip(entry.shapes, keys, strict=True))
    for shape, one in zip(views, keys, strict=True):
        _check_filters(entry, shape, one)
    branches = [_branch(entry.name, one, Init(std, start), local) for one, std in zip(keys, stds, strict=True)]
    outputs = [branch.output_shape(shape) for branch, shape in zip(branches, views, strict=True)]
    if len(set(outputs)) > 1:
        sizes = ", ".join(dict.fromkeys(by(*shape) for shape in outputs))[:200]
        raise section.error(f"all inputs must give outputs of one size, to be summed; they give {sizes}.", "inputs")
    position_bias = local or not section.get("sharedBiases", bool, True)
    return _weighted(entry, branches, views, start, position_bias)


def _start(entry: Entry) -> tuple[tuple[float, ...], float]:
    """Before training: the standard deviation of each input's weights, and the value of every bias."""
    section, count = entry.section, len(entry.shapes)
    lost = [key for key in ("initWFunc", "initBFunc", "initCFunc") if key in section]
    if lost:
        text = "start values came from a checkpoint that was never released ({}); drawn from initW and initB instead."
        entry.notes.add(text.format(", ".join(lost)), entry.name)
    required = () if section.get("type", str) in ("conv", "local") else ((0.01,) * count,)
    stds = section.get_list("initW", float, count, *required)
    return tuple(map(abs, stds)), section.get("initB", float, 0.0)


def _filter_keys(section: Section, count: int) -> list[_Keys]:
    def whole(key: str, *default: int, least: int = 1) -> tuple[int, ...]:
        values = section.get_list(key, int, count, *(((default[0],) * count,) if default else ()))
        section.at_least(key, values, least)
        return values

    channels, groups = whole("channels"), whole("groups", 1)
    random = section.get_list("randSparse", bool, count, (False,) * count)
    in_order = [c // g for c, g in zip(channels, groups, strict=True)]
    wires = section.get_list("filterChannels", int, count, in_order) if any(random) else in_order
    section.at_least("filterChannels", wires, 1)
    columns = (
        channels,
        whole("filters"),
        whole("filterSize"),
        whole("stride", 1),
        whole("padding", 0, least=0),
        groups,
        [wire if is_random else 0 for wire, is_random in zip(wires, random, strict=True)],
    )
    return [_Keys(*values) for values in zip(*columns, strict=True)]


def _check_filters(entry: Entry, shape: Shape, keys: _Keys) -> None:
    section, (channels, side, _) = entry.section, shape
    groups, wires = keys.groups, keys.wires
    if keys.size > side + 2 * keys.padding:
        problem = f"a filter of {keys.size} does not fit into {side} pixels with padding {keys.padding}."
        raise section.error(problem, "filterSize")
    if wires:
        section.at_least("groups", [groups], 2)
        if channels % wires or (groups * wires) % channels:
            problem = f"{groups} groups of {wires} maps can't share {channels} maps evenly"
            raise section.error(f"{problem}; filterChannels must divide channels.", "filterChannels")
    elif channels % groups:
        raise section.error(f"{channels} channels can't be divided into {groups} groups.", "groups")
    if keys.filters % 16 or (channels > 3 and channels % 4):
        text = "the kernels of 2012 needed a multiple of 16 filters per group, and up to 3 or a multiple of 4 channels."
        entry.notes.add(text, entry.name)


def _branch(name: str, keys: _Keys, init: Init, local: bool) -> Conv:
    plain = (name, keys.filters * keys.groups, keys.size, keys.stride, keys.padding, keys.groups, True, init)
    return Filters(*plain, keys.wires, local) if keys.wires or local else Conv(*plain)


def parse_fc(entry: Entry) -> Meaning:
    """``fc``."""
    outputs = entry.section.get("outputs", int)
    entry.section.at_least("outputs", [outputs], 1)
    return _fully_connected(entry, outputs)


def parse_tree(entry: Entry) -> Meaning:
    """``treefc``."""
    entry.single()
    text = "the tree of classes came with the data set and was never released; built as a plain fc without it."
    entry.notes.add(text, entry.name)
    return _fully_connected(entry, entry.num_classes)


def _fully_connected(entry: Entry, outputs: int) -> Meaning:
    stds, start = _start(entry)
    return _weighted(entry, [Linear(entry.name, outputs, Init(std, start)) for std in stds], entry.flat(), start)


def _weighted(
    entry: Entry, branches: Sequence[Conv | Linear], views: Shapes, start: float, position_bias: bool = False
) -> Meaning:
    sources = _sources(entry, branches, views)
    return Meaning(Sum(entry.name, tuple(branches), sources, start, position_bias), views)


def _sources(entry: Entry, branches: Sequence[Conv | Linear], views: Shapes) -> tuple[Source | None, ...]:
    """Whose weights each input uses, from ``weightSource=layer[i]``: those of a layer above or of an input before."""
    count = len(branches)
    names = entry.section.get_list("weightSource", str, count, ("",) * count)
    found: list[Source | None] = []
    for name, branch, shape in zip(names, branches, views, strict=True):
        own = (found, branches, views)
        found.append(_source(entry, name, _matrix(branch, shape), own) if name else None)
    return tuple(found)


def _source(
    entry: Entry,
    text: str,
    wanted: tuple[object, ...],
    own: tuple[Sequence[Source | None], Sequence[Conv | Linear], Shapes],
) -> Source:
    match = re.fullmatch(r"([^\s\[]+)(?:\[(\d{1,9})\])?", text)
    name, index = (match[1], int(match[2] or 0)) if match else (text, 0)
    layer = entry.before.get(name)
    sources, branches, views = own if name == entry.name else ((), (), ())
    if layer is not None and isinstance(layer.operation, Sum):
        sources, branches, views = layer.operation.sources, layer.operation.branches, layer.input_shapes
    if index >= len(sources):
        raise entry.section.error(f"weightSource {text[:60]} is no weight matrix of a layer above.", "weightSource")
    if wanted != _matrix(branches[index], views[index]):
        raise entry.section.error(f"weightSource {text[:60]} has weights of another type or size.", "weightSource")
    return sources[index] or Source(name, index)


def _matrix(branch: Conv | Linear, shape: Shape) -> tuple[object, ...]:
    """What two inputs must have in common to share their weights."""
    if isinstance(branch, Linear):
        return (branch.out_features, prod(shape))
    wires = branch.filter_channels if isinstance(branch, Filters) else 0
    local = isinstance(branch, Filters) and branch.local
    maps = wires or shape[0] // branch.groups
    positions = branch.output_shape(shape)[1:] if local else ()
    sparse = (shape[0], branch.groups) if wires else ()
    return (branch.out_channels, maps, branch.kernel_size, positions, sparse)
