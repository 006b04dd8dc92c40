"""What the keys of each layer type mean: from a section and the shapes that enter it to a layer as data.

Rules and defaults are those of the release's ``layer.py``, which has a parser per type too; what only its GPU kernels
demanded is noted, not refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod

from alexnet_edu.museum.entry import Entry, Meaning
from alexnet_edu.museum.sections import FLOAT_MAX, Section
from alexnet_edu.museum.specs import (
    Blur,
    Concat,
    ContrastNorm,
    Cost,
    Flip,
    Nailbed,
    Neuron,
    Pool,
    Softmax,
    WeightedSum,
)
from alexnet_edu.museum.weighted import parse_fc, parse_filters, parse_tree
from alexnet_edu.palette import by
from alexnet_edu.specs import LRN, Dropout, Layer, MaxPool, ReLU, Shape, SpatialNorm

__all__ = ["PARSERS", "UNUSED", "parse_neuron"]

# Known to the parser of 2012, in none of the released files.
UNUSED = frozenset(("resize", "rgb2yuv", "rgb2lab", "rscale", "eltmax", "neuron"))
UNUSED |= {"cost.msm", "cost.crossent", "cost.gsum2", "cost.tica"}
# Without a parameter file a norm takes what network 145 had: scale, pow, minDiv.
_NORM_OF_145 = {"cmrnorm": (0.0001, 0.75, 2.0), "rnorm": (0.001, 0.75, 1.0), "cnorm": (0.001, 0.75, 1.0)}


def _pool(entry: Entry) -> Meaning:
    s, shape = entry.section, entry.one_image()
    how, size, stride, start = _pool_keys(s)
    side, outputs = shape[1], s.get("outputsX", int, 0)
    computed = 1 - (start + size - side) // stride
    outputs = outputs if outputs > 0 else computed
    if size > side or stride > size:
        problem = f"a window of {size} every {stride} pixels does not fit; stride <= sizeX <= {side}, the input's side."
        raise s.error(problem, "sizeX")
    if outputs < 1 or start + (outputs - 1) * stride >= side or start + size < 1:
        raise s.error(f"with start {start} and {outputs} windows, a window has no pixel of the {side} in it.", "start")
    if how == "rand" and entry.setting("doMax", bool, False):
        how = "max"
    if how == "rand":
        entry.notes.add("the kernel of rand pooling is not in the release; every pixel is taken equally often.", s.name)
    if how == "max" and start == 0 and outputs == computed:
        return Meaning(MaxPool(s.name, size, stride, ceil=True), (shape,))
    return Meaning(Pool(s.name, how, size, stride, start, outputs), (shape,))  # type: ignore[arg-type]


def _pool_keys(section: Section) -> tuple[str, int, int, int]:
    """What is taken of a window; its size, stride and start."""
    how = section.get("pool", str)
    if how not in ("max", "avg", "maxabs", "rand"):
        raise section.error(f"pool = {how[:40]} is none of max, avg, maxabs and rand.", "pool")
    size, stride = section.get("sizeX", int), section.get("stride", int)
    section.at_least("sizeX", [size], 1)
    section.at_least("stride", [stride], 1)
    return how, size, stride, section.get("start", int, 0)


def _norm(entry: Entry) -> Meaning:
    s, shape = entry.section, entry.one_image()
    kind = s.get("type", str)
    size = _norm_size(entry, kind, shape)
    default = _NORM_OF_145[kind]
    if not entry.has_settings and "scale" not in s:
        scale, power, least = default
        text = f"no parameter file: scale {scale:g}, pow {power:g} and minDiv {least:g} of network 145 are taken."
        entry.notes.add(text, entry.name)
    defaults = (None, None, 1.0) if entry.has_settings else default
    scale, power = entry.setting("scale", float, defaults[0]), entry.setting("pow", float, defaults[1])
    if scale < 0:
        raise (entry.settings or s).error(f"scale = {scale} is negative, so that it could divide by zero.", "scale")
    if kind != "cmrnorm":
        return Meaning((SpatialNorm if kind == "rnorm" else ContrastNorm)(s.name, size, scale, power, 1.0), (shape,))
    least = entry.setting("minDiv", float, defaults[2])
    if least <= 0:
        raise (entry.settings or s).error(f"minDiv = {least} must be above zero.", "minDiv")
    return Meaning(LRN(s.name, size, scale, power, least), (shape,))


def _norm_size(entry: Entry, kind: str, shape: Shape) -> int:
    s, (channels, side, _) = entry.section, shape
    sizes = [section for section in (s, entry.settings) if section is not None and "size" in section]
    if not sizes and "sizeX" not in s:
        raise s.error("size is missing, as in some files in an older syntax; add the side of the window.")
    size = sizes[0].get("size", int) if sizes else s.get("sizeX", int)
    least, most = (2, channels) if kind == "cmrnorm" else (1, side)
    s.at_least("size", [size], least)
    if size > most:
        raise s.error(f"a window of {size} is larger than the {most} that there are.", "size")
    return size


def _dropout(entry: Entry) -> Meaning:
    shapes = (entry.single(),)
    keep = entry.section.get("keep", float)
    if not 0 <= keep <= 1:
        raise entry.section.error(f"keep = {keep} is no probability between 0 and 1.", "keep")
    if entry.setting("enable", bool, None if entry.has_settings else True):
        return Meaning(Dropout(entry.name, 1 - keep, scale_at="test"), shapes)
    return Meaning(Neuron(entry.name, "linear", (keep, 0.0)), shapes)  # switched off: scaled as in testing


def _blur(entry: Entry) -> Meaning:
    s, shape = entry.section, entry.one_image()
    size, stdev = s.get("filterSize", int), s.get("stdev", float)
    if size not in (3, 5, 7, 9) or size > shape[1]:
        problem = f"a blur of {size} taps is not one of 3, 5, 7 and 9 that fit into {shape[1]} pixels."
        raise s.error(problem, "filterSize")
    if stdev**2 == 0:
        raise s.error("stdev must not be 0.", "stdev")
    return Meaning(Blur(s.name, size, stdev), (shape,))


def _nailbed(entry: Entry) -> Meaning:
    shape, stride = entry.one_image(), entry.section.get("stride", int)
    entry.section.at_least("stride", [stride], 1)
    return Meaning(Nailbed(entry.name, stride), (shape,))


def _flip(entry: Entry) -> Meaning:
    shape = entry.one_image()
    if shape[0] > 3:
        raise entry.section.error("href takes 1 to 3 channels.", "channels")
    return Meaning(Flip(entry.name), (shape,))


def _eltsum(entry: Entry) -> Meaning:
    count = len(entry.shapes)
    if len({prod(shape) for shape in entry.shapes}) > 1:
        sizes = ", ".join(dict.fromkeys(by(*shape) for shape in entry.shapes))[:200]
        raise entry.section.error(f"all inputs must have one size; they have {sizes}.", "inputs")
    coefficients = entry.section.get_list("coeffs", float, count, (1.0,) * count)
    return Meaning(WeightedSum(entry.name, coefficients), entry.shapes[:1] * count)


def _concat(entry: Entry) -> Meaning:
    return Meaning(Concat(entry.name), entry.flat())


def _softmax(entry: Entry) -> Meaning:
    entry.single()
    return Meaning(Softmax(entry.name), entry.flat())


def _cost(entry: Entry) -> Meaning:
    how = entry.section.get("type", str).removeprefix("cost.")
    wanted = 1 if how == "sum2" else 2
    if len(entry.shapes) != wanted:
        raise entry.section.error(f"cost.{how} takes {wanted} inputs, not {len(entry.shapes)}.", "inputs")
    if how == "logreg" and entry.before[entry.inputs[-1]].type != "softmax":
        raise entry.section.error("the second input of cost.logreg must be a softmax layer.", "inputs")
    if entry.has_settings and entry.settings is None:
        entry.notes.add("no section in the parameter file, which the release asks for; coeff = 1 is taken.", entry.name)
    coefficient = entry.setting("coeff", float, None if entry.settings else 1.0)
    return Meaning(Cost(entry.name, how, coefficient), (*entry.shapes[:-1], *entry.flat()[-1:]))


# Activations

_CONSTANTS = {"tanh": 2, "linear": 2, "brelu": 1, "drelu": 1} | dict.fromkeys(
    ("logistic", "abs", "softrelu", "square", "sqrt", "nrelu"), 0
)


def parse_neuron(text: str, name: str) -> Layer | None:
    """The activation that ``neuron=text`` names; ``None`` for ``ident`` and for an empty text.

    Raises:
        ValueError: there is no activation of that name, it takes another number of constants, or one is out of range.
    """
    match = re.fullmatch(r"(\w*)\s*(?:\[([-+\d.,eE\s]*)\])?", text.strip())
    function, inside = match.groups() if match else (text, None)
    if function in ("", "ident") and inside is None:
        return None
    constants = tuple(float(word) for word in inside.split(",")) if inside is not None else ()
    if function == "relu" and not constants:
        return ReLU(name)
    wrong = _CONSTANTS.get(function) != len(constants) or not all(abs(value) <= FLOAT_MAX for value in constants)
    if wrong or (function == "drelu" and constants[0] == 0):
        raise ValueError(text)
    return Neuron(name, function, constants)


PARSERS: dict[str, Callable[[Entry], Meaning]] = {
    "conv": parse_filters,
    "local": parse_filters,
    "fc": parse_fc,
    "treefc": parse_tree,
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
    "cost.logreg": _cost,
    "cost.crossent2": _cost,
    "cost.sum2": _cost,
    "cost.rflickr": _cost,
}
