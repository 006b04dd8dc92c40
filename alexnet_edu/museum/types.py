"""What the keys of each layer type mean: from a section and the shapes that enter it to a layer as data.

Rules and defaults are those of the release's ``layer.py``; what only its GPU kernels demanded is noted, not refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt, prod
from typing import TYPE_CHECKING

from alexnet_edu.museum import kinds
from alexnet_edu.museum.reader import Notes, Section
from alexnet_edu.palette import by
from alexnet_edu.specs import LRN, Conv, Dropout, Init, Layer, Linear, MaxPool, Shape, SpatialNorm

if TYPE_CHECKING:
    from alexnet_edu.museum.network import MuseumLayer

__all__ = ["BUILDERS", "COSTS", "UNUSED", "Entry"]

# Known to the parser of 2012, in none of the released files.
UNUSED = frozenset(("resize", "rgb2yuv", "rgb2lab", "rscale", "eltmax", "neuron"))
UNUSED |= {"cost.msm", "cost.crossent", "cost.gsum2", "cost.tica"}
# Without a parameter file a norm takes what network 145 had: scale, pow, minDiv.
_NORM_OF_145 = {"cmrnorm": (0.0001, 0.75, 2.0), "rnorm": (0.001, 0.75, 1.0), "cnorm": (0.001, 0.75, 1.0)}


@dataclass
class Entry:
    """A section that is being read, with all that its meaning depends on.

    Attributes:
        section: its keys.
        settings: its section of the parameter file; ``None``: no such section.
        has_settings: whether there is a parameter file at all.
        shapes: the shapes of its inputs. The type may see them otherwise (``views``): as images, or flattened.
        before: the layers above it, by name.
        num_classes: the outputs of a ``treefc``.
        notes: where what can't be reproduced goes.
    """

    section: Section
    settings: Section | None
    has_settings: bool
    shapes: tuple[Shape, ...]
    before: Mapping[str, MuseumLayer]
    num_classes: int
    notes: Notes
    views: tuple[Shape, ...] = ()

    @property
    def name(self) -> str:
        """The section's name."""
        return self.section.name

    def single(self) -> Shape:
        """The shape of the only input; an error where there are several."""
        if len(self.shapes) != 1:
            raise self.section.error(f"this type takes one input, not {len(self.shapes)}.", "inputs")
        return self.shapes[0]

    def image(self, shape: Shape, channels: int) -> Shape:
        """How ``shape`` looks as ``channels`` square maps; an error where it can't be that."""
        side = isqrt(prod(shape) // channels) if channels > 0 else 0
        if side < 1 or channels * side**2 != prod(shape):
            problem = f"the input of {prod(shape):,} values ({by(*shape)}) can't be {channels} square maps."
            raise self.section.error(problem, "channels")
        return (channels, side, side)

    def one_image(self) -> Shape:
        """The only input as the square maps that ``channels`` says."""
        shape = self.image(self.single(), self.section.get("channels", int))
        self.views = (shape,)
        return shape

    def setting(self, key: str, kind: type[float] | type[bool], default: float | None = None) -> float:
        """A value of the parameter file, or of the layer file where old files have it."""
        for section in (self.settings, self.section):
            if section is not None and key in section:
                return section.get(key, kind)
        if default is None and self.settings is None:
            raise self.section.error(f"the parameter file has no section of this name; it needs one with {key}.")
        if default is None:
            raise self.settings.error(f"{key} is missing; a layer of this type needs it.")  # type: ignore[union-attr]
        return default


def _weighted(entry: Entry) -> tuple[float, ...]:
    """The checks that all layers with weights share; the standard deviation of each input's start weights."""
    section, count = entry.section, len(entry.shapes)
    lost = [key for key in ("initWFunc", "initBFunc", "initCFunc") if key in section]
    if lost:
        text = "start values came from a checkpoint that was never released ({}); drawn from initW and initB instead."
        entry.notes.add(text.format(", ".join(lost)), entry.name)
    required = () if section.get("type", str) in ("conv", "local") else ((0.01,) * count,)
    return tuple(map(abs, section.get_list("initW", float, count, *required)))


def _filters(entry: Entry) -> Layer:
    """``conv`` and ``local``."""
    s, n = entry.section, len(entry.shapes)
    local = s.get("type", str) == "local"
    stds, start = _weighted(entry), s.get("initB", float, 0.0)
    lists = {
        "channels": s.get_list("channels", int, n),
        "filters": s.get_list("filters", int, n),
        "filterSize": s.get_list("filterSize", int, n),
        "stride": s.get_list("stride", int, n, (1,) * n),
        "groups": s.get_list("groups", int, n, (1,) * n),
        "padding": s.get_list("padding", int, n, (0,) * n),
    }
    for key, values in lists.items():
        s.at_least(key, values, 0 if key == "padding" else 1)
    sparse = s.get_list("randSparse", bool, n, (False,) * n)
    in_order = [channels // groups for channels, groups in zip(lists["channels"], lists["groups"], strict=True)]
    wires = s.get_list("filterChannels", int, n, in_order) if any(sparse) else in_order
    s.at_least("filterChannels", wires, 1)
    entry.views = tuple(map(entry.image, entry.shapes, lists["channels"]))
    branches = []
    for i, shape in enumerate(entry.views):
        _, filters, size, stride, groups, padding = (values[i] for values in lists.values())
        _check_filters(entry, shape, filters * groups, size, padding, groups, wires[i] if sparse[i] else 0)
        init = Init(stds[i], start)
        plain = (entry.name, filters * groups, size, stride, padding, groups, True, init)
        special = sparse[i] or local
        branches.append(kinds.Filters(*plain, wires[i] * sparse[i], local) if special else Conv(*plain))
    outputs = [branch.output_shape(shape) for branch, shape in zip(branches, entry.views, strict=True)]
    if len(set(outputs)) > 1:
        sizes = ", ".join(by(*shape) for shape in outputs)
        raise s.error(f"all inputs must give outputs of one size, to be summed; they give {sizes}.", "inputs")
    own_biases = local or not s.get("sharedBiases", bool, True)
    return kinds.Sum(entry.name, tuple(branches), _sources(entry, branches), start, own_biases)


def _check_filters(entry: Entry, shape: Shape, maps: int, size: int, padding: int, groups: int, wires: int) -> None:
    s, channels = entry.section, shape[0]
    if size > shape[1] + 2 * padding:
        raise s.error(f"a filter of {size} does not fit into {shape[1]} pixels with padding {padding}.", "filterSize")
    if wires:
        s.at_least("groups", [groups], 2)
        if channels % wires or (groups * wires) % channels:
            problem = f"{groups} groups of {wires} maps can't share {channels} maps evenly"
            raise s.error(f"{problem}; filterChannels must divide channels.", "filterChannels")
    elif channels % groups:
        raise s.error(f"{channels} channels can't be divided into {groups} groups.", "groups")
    if maps % (16 * groups) or (channels > 3 and channels % 4):
        text = "the kernels of 2012 needed a multiple of 16 filters a group, and up to 3 or a multiple of 4 channels."
        entry.notes.add(text, entry.name)


def _sources(entry: Entry, branches: Sequence[Conv | Linear]) -> tuple[kinds.Source | None, ...]:
    """Whose weights each input uses, from ``weightSource=layer[i]``."""
    count = len(branches)
    names = entry.section.get_list("weightSource", str, count, ("",) * count)
    found: list[kinds.Source | None] = []
    for i, name in enumerate(names):
        found.append(_source(entry, name, branches[i], found, branches) if name else None)
    return tuple(found)


def _source(
    entry: Entry,
    name: str,
    branch: Conv | Linear,
    found: list[kinds.Source | None],
    branches: Sequence[Conv | Linear],
) -> kinds.Source:
    match = re.fullmatch(r"([^\s\[]+)(?:\[(\d{1,9})\])?", name)
    layer, index = (match[1], int(match[2] or 0)) if match else (name, 0)
    i = len(found)
    owner = entry.before.get(layer)
    sources: Sequence[kinds.Source | None] = found
    candidates: Sequence[Conv | Linear] = branches
    views = entry.views
    if owner is not None and isinstance(owner.operation, kinds.Sum) and index < len(owner.inputs):
        sources, candidates, views = owner.operation.sources, owner.operation.branches, owner.input_shapes
    elif layer != entry.name or index >= i:
        raise entry.section.error(f"weightSource {name} is no weight matrix of a layer above.", "weightSource")
    if _matrix(branch, entry.views[i]) != _matrix(candidates[index], views[index]):
        raise entry.section.error(f"weightSource {name} has weights of another type or size.", "weightSource")
    return sources[index] or kinds.Source(layer, index)


def _matrix(branch: Conv | Linear, shape: Shape) -> tuple[object, ...]:
    """What two inputs must have in common to share their weights."""
    if isinstance(branch, Linear):
        return (branch.out_features, prod(shape))
    wires = branch.filter_channels if isinstance(branch, kinds.Filters) else 0
    local = isinstance(branch, kinds.Filters) and branch.local
    maps = wires or shape[0] // branch.groups
    positions = branch.output_shape(shape)[1:] if local else ()
    sparse = (shape[0], branch.groups) if wires else ()
    return (branch.out_channels, maps, branch.kernel_size, positions, sparse)


def _fc(entry: Entry) -> Layer:
    stds, start = _weighted(entry), entry.section.get("initB", float, 0.0)
    outputs = entry.section.get("outputs", int)
    entry.section.at_least("outputs", [outputs], 1)
    return _fully_connected(entry, stds, start, outputs)


def _tree(entry: Entry) -> Layer:
    entry.single()
    text = "the tree of classes came with the data set and was never released; built as a plain fc without it."
    entry.notes.add(text, entry.name)
    return _fully_connected(entry, _weighted(entry), entry.section.get("initB", float, 0.0), entry.num_classes)


def _fully_connected(entry: Entry, stds: tuple[float, ...], start: float, outputs: int) -> Layer:
    entry.views = tuple((prod(shape),) for shape in entry.shapes)
    branches = [Linear(entry.name, outputs, Init(std, start)) for std in stds]
    return kinds.Sum(entry.name, tuple(branches), _sources(entry, branches), start)


def _pool(entry: Entry) -> Layer:
    s, (_, side, _) = entry.section, entry.one_image()
    how = s.get("pool", str)
    if how not in ("max", "avg", "maxabs", "rand"):
        raise s.error(f"pool = {how[:40]} is none of max, avg, maxabs and rand.", "pool")
    size, stride, start = s.get("sizeX", int), s.get("stride", int), s.get("start", int, 0)
    s.at_least("sizeX", [size], 1)
    s.at_least("stride", [stride], 1)
    outputs = s.get("outputsX", int, 0)
    outputs = outputs if outputs > 0 else 1 - (start + size - side) // stride
    if size > side or stride > size:
        problem = f"a window of {size} every {stride} pixels does not fit; stride <= sizeX <= {side}, the input's side."
        raise s.error(problem, "sizeX")
    if outputs < 1 or start + (outputs - 1) * stride >= side or start + size < 1:
        raise s.error(f"with start {start} and {outputs} windows, a window has no pixel of the {side} in it.", "start")
    if how == "rand" and entry.setting("doMax", bool, False):
        how = "max"
    if how == "rand":
        entry.notes.add("the kernel of rand pooling is not in the release; every pixel is taken equally often.", s.name)
    if how == "max" and start == 0 and outputs == 1 - (size - side) // stride:
        return MaxPool(s.name, size, stride, ceil=True)
    return kinds.Pool(s.name, how, size, stride, start, outputs)  # type: ignore[arg-type]


def _norm(entry: Entry) -> Layer:
    s, (channels, side, _) = entry.section, entry.one_image()
    kind = s.get("type", str)
    sizes = [section for section in (s, entry.settings) if section is not None and "size" in section]
    if not sizes and "sizeX" not in s:
        raise s.error("size is missing, as in some files in an older syntax; add the side of the window.")
    size = sizes[0].get("size", int) if sizes else s.get("sizeX", int)
    s.at_least("size", [size], 2 if kind == "cmrnorm" else 1)
    if size > (channels if kind == "cmrnorm" else side):
        problem = f"a window of {size} is larger than the {channels if kind == 'cmrnorm' else side} that there are."
        raise s.error(problem, "size")
    old = _NORM_OF_145[kind]
    defaults = (None, None, 1.0) if entry.has_settings else old
    if not entry.has_settings and "scale" not in s:
        text = f"no parameter file: scale {old[0]:g}, pow {old[1]:g} and minDiv {old[2]:g} of network 145 are taken."
        entry.notes.add(text, entry.name)
    scale, power = entry.setting("scale", float, defaults[0]), entry.setting("pow", float, defaults[1])
    if scale < 0:
        raise (entry.settings or s).error(f"scale = {scale} is negative, so that it could divide by zero.", "scale")
    if kind == "cmrnorm":
        least = entry.setting("minDiv", float, defaults[2])
        if least <= 0:
            raise (entry.settings or s).error(f"minDiv = {least} must be above zero.", "minDiv")
        return LRN(s.name, size, scale, power, least)
    return (SpatialNorm if kind == "rnorm" else kinds.ContrastNorm)(s.name, size, scale, power, 1.0)


def _dropout(entry: Entry) -> Layer:
    entry.single()
    keep = entry.section.get("keep", float)
    if not 0 <= keep <= 1:
        raise entry.section.error(f"keep = {keep} is no probability between 0 and 1.", "keep")
    if entry.setting("enable", bool, None if entry.has_settings else True):
        return Dropout(entry.name, 1 - keep, scale_at="test")
    return kinds.Neuron(entry.name, "linear", (keep, 0.0))  # switched off: scaled as in testing


def _blur(entry: Entry) -> Layer:
    s, (_, side, _) = entry.section, entry.one_image()
    size, stdev = s.get("filterSize", int), s.get("stdev", float)
    if size not in (3, 5, 7, 9) or size > side:
        raise s.error(f"a blur of {size} taps is not one of 3, 5, 7 and 9 that fit into {side} pixels.", "filterSize")
    if stdev**2 == 0:
        raise s.error("stdev must not be 0.", "stdev")
    return kinds.Blur(s.name, size, stdev)


def _nailbed(entry: Entry) -> Layer:
    entry.one_image()
    stride = entry.section.get("stride", int)
    entry.section.at_least("stride", [stride], 1)
    return kinds.Nailbed(entry.name, stride)


def _flip(entry: Entry) -> Layer:
    if entry.one_image()[0] > 3:
        raise entry.section.error("href takes 1 to 3 channels.", "channels")
    return kinds.Flip(entry.name)


def _eltsum(entry: Entry) -> Layer:
    count = len(entry.shapes)
    if len({prod(shape) for shape in entry.shapes}) > 1:
        sizes = ", ".join(by(*shape) for shape in entry.shapes)
        raise entry.section.error(f"all inputs must have one size; they have {sizes}.", "inputs")
    entry.views = entry.shapes[:1] * count
    return kinds.WeightedSum(entry.name, entry.section.get_list("coeffs", float, count, (1.0,) * count))


def _concat(entry: Entry) -> Layer:
    entry.views = tuple((prod(shape),) for shape in entry.shapes)
    return kinds.Concat(entry.name)


def _softmax(entry: Entry) -> Layer:
    entry.views = ((prod(entry.single()),),)
    return kinds.Softmax(entry.name)


def _cost(entry: Entry) -> Layer:
    how = entry.section.get("type", str).removeprefix("cost.")
    wanted = 1 if how == "sum2" else 2
    if len(entry.shapes) != wanted:
        raise entry.section.error(f"cost.{how} takes {wanted} inputs, not {len(entry.shapes)}.", "inputs")
    entry.views = (*entry.shapes[:-1], (prod(entry.shapes[-1]),))
    if entry.has_settings and entry.settings is None:
        entry.notes.add("no section in the parameter file, which the release asks for; coeff = 1 is taken.", entry.name)
    return kinds.Cost(entry.name, how, entry.setting("coeff", float, None if entry.settings else 1.0))


COSTS = ("cost.logreg", "cost.crossent2", "cost.sum2", "cost.rflickr")
BUILDERS: dict[str, Callable[[Entry], Layer]] = {
    "conv": _filters,
    "local": _filters,
    "fc": _fc,
    "treefc": _tree,
    "pool": _pool,
    "cmrnorm": _norm,
    "rnorm": _norm,
    "cnorm": _norm,
    "hs": _dropout,
    "blur": _blur,
    "nailbed": _nailbed,
    "href": _flip,
    "eltsum": _eltsum,
    "concat": _concat,
    "softmax": _softmax,
    **dict.fromkeys(COSTS, _cost),
}
