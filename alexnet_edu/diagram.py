"""A network drawn to scale as SVG, from its spec: the paper's Figure 2, complete and for every variant.

Each volume is as high and deep as its maps and as long as it has maps; a fully connected layer is a bar as long as
it has units. A network with groups is drawn as towers, and a layer that reads all maps is joined to all towers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise

from alexnet_edu.geometry import LayerInfo, layer_table
from alexnet_edu.palette import CYCLE, GREY, INK, by
from alexnet_edu.specs import Conv, Layer, Linear, MaxPool, Shape, Spec

__all__ = ["architecture_svg", "fields_across"]

# Screen pixels per unit of what is drawn. Depth is foreshortened: DEPTH is the step to the right and up per pixel.
HEIGHT, MAPS, UNITS = 2.0, 0.42, 0.05
DEPTH = (0.68, -0.46)
_BAR, _GAP, _POOL_GAP, _LINE = 16.0, 26.0, 10.0, 18.0
_TOWER_DISTANCE = 290.0
_TOWERS = CYCLE[:4]  # a colour for each
_HIGHLIGHT = "#B8860B"
_CHARACTER = 7.6  # screen pixels that a character of a label takes, about
Point = tuple[float, float]


@dataclass(frozen=True)
class _Stage:
    """One volume or bar of the drawing: a layer and its share of the maps in each tower."""

    layer: Layer | None  # None: the input
    shape: Shape  # of one tower
    colours: tuple[str, ...]  # one per tower
    info: LayerInfo | None = None
    steps: tuple[str, ...] = ()  # what follows before the next stage: ReLU, LRN, ...
    x: float = 0.0

    @property
    def name(self) -> str:
        return self.layer.name if self.layer else "input"

    @property
    def towers(self) -> int:
        return len(self.colours)

    @property
    def flat(self) -> bool:
        return len(self.shape) == 1

    @property
    def pool(self) -> bool:
        return self.layer is not None and not isinstance(self.layer, (Conv, Linear))

    @property
    def width(self) -> float:
        """Screen pixels from the left edge to the right edge."""
        return _BAR if self.flat else self.shape[0] * MAPS + self.shape[2] * DEPTH[0]

    @property
    def half(self) -> float:
        """Half the screen height, without the depth."""
        return self.shape[0] * UNITS / 2 if self.flat else self.shape[1] * HEIGHT / 2


def _stages(spec: Spec) -> list[_Stage]:
    """What is drawn: the input, each layer with weights, and each layer that changes the size of the maps."""
    towers = max([layer.groups for layer in spec.layers if isinstance(layer, Conv)], default=1)
    stages = [_Stage(None, spec.input_shape, (GREY,))]
    for layer, info in zip(spec.layers, layer_table(spec), strict=True):
        resizes = len(info.output_shape) == 3 and info.output_shape != info.input_shape
        if isinstance(layer, (Conv, Linear)) or resizes:
            joint = towers > 1 and layer is spec.layers[-1]
            colours = (GREY,) if joint else _TOWERS[:towers]
            shape = (info.output_shape[0] // len(colours), *info.output_shape[1:])
            stages.append(_Stage(layer, shape, colours, info))
        elif layer.kind in ("ReLU", "LRN", "SpatialNorm", "Dropout"):
            word = {"SpatialNorm": "norm within maps", "Dropout": "dropout"}.get(layer.kind, layer.kind)
            stages[-1] = replace(stages[-1], steps=(*stages[-1].steps, word))
    return stages


def _blocks(stages: list[_Stage]) -> list[list[_Stage]]:
    """Stages under one label: a layer with weights and the pooling after it."""
    blocks: list[list[_Stage]] = []
    for stage in stages:
        if stage.pool and blocks:
            blocks[-1].append(stage)
        else:
            blocks.append([stage])
    return blocks


def _what(block: list[_Stage]) -> list[str]:
    """The label above a block: name, size in one tower, kernel, the steps that follow."""
    stage = block[0]
    if stage.layer is None:
        return ["input", by(*stage.shape[1:], stage.shape[0])]
    if stage.flat:
        return [stage.name, f"{stage.shape[0]:,} units", *_folded(stage.steps)]
    conv = stage.layer
    assert isinstance(conv, Conv) and stage.info is not None
    kernel = by(conv.kernel_size, conv.kernel_size, stage.info.input_shape[0] // conv.groups)
    lines = [stage.name, by(*stage.shape[1:], stage.shape[0]), f"kernel {kernel}"]
    lines += [f"stride {conv.stride}"] if conv.stride > 1 else []
    lines += _folded(stage.steps)
    for pool in block[1:]:
        kind = "max pool" if isinstance(pool.layer, MaxPool) else "average"
        lines += [f"{kind} to {by(*pool.shape[1:])}", *_folded(pool.steps)]
    return lines


def _folded(steps: tuple[str, ...]) -> list[str]:
    """The steps, two in a line."""
    return [", ".join(steps[i : i + 2]) for i in range(0, len(steps), 2)]


def _cost(stage: _Stage) -> list[str]:
    """The label below a block: what the whole layer costs, all towers together."""
    if stage.info is None:
        return []
    return [f"{stage.info.parameters:,}", "parameters", f"{stage.info.macs / 1e6:.1f} M MACs"]


def _placed(stages: list[_Stage]) -> tuple[list[list[_Stage]], float]:
    """The blocks with the x of every stage, and the x where the drawing ends."""
    x = 10.0
    placed = []
    blocks = _blocks(stages)
    for block in blocks:
        width = sum(stage.width for stage in block) + _POOL_GAP * (len(block) - 1)
        label = max(len(line) for line in (*_what(block), *_cost(block[0]))) * _CHARACTER
        # To the left of the last bar run the bands: its label starts at the bar instead of standing above its middle.
        left = x if block is blocks[-1] else x + max(0.0, label - width) / 2
        moved = []
        for stage in block:
            moved.append(replace(stage, x=left))
            left += stage.width + _POOL_GAP
        placed.append(moved)
        x += max(width, label) + _GAP
    return placed, x


def _n(value: float) -> str:
    """A coordinate with at most one decimal, so that the text is short and the same on every machine."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")


def _polygon(points: list[Point], style: str) -> str:
    return f'<polygon points="{" ".join(f"{_n(x)},{_n(y)}" for x, y in points)}" {style}/>'


def _text(x: float, y: float, text: str, style: str = "") -> str:
    attributes = f'x="{_n(x)}" y="{_n(y)}" {style}'.strip()
    return f"<text {attributes}>{escape(text)}</text>"


@dataclass(frozen=True)
class _Cuboid:
    """A block of maps on the screen: from ``(c, h, w)`` to points."""

    x: float
    top: float

    def at(self, c: float, h: float, w: float) -> Point:
        return self.x + c * MAPS + w * DEPTH[0], self.top + h * HEIGHT + w * DEPTH[1]

    def faces(self, c: tuple[float, float], h: tuple[float, float], w: tuple[float, float], style: str) -> str:
        """The three visible faces of the part between the given channels, rows and columns."""
        (c0, c1), (h0, h1), (w0, w1) = c, h, w
        front = ((c0, h0, w0), (c1, h0, w0), (c1, h1, w0), (c0, h1, w0))
        top = ((c0, h0, w0), (c1, h0, w0), (c1, h0, w1), (c0, h0, w1))
        side = ((c1, h0, w0), (c1, h0, w1), (c1, h1, w1), (c1, h1, w0))
        return "".join(_polygon([self.at(*corner) for corner in face], style) for face in (front, top, side))


def _middles(towers: int) -> list[float]:
    """The y of each tower's middle; the drawing's middle is 0."""
    return [_TOWER_DISTANCE * (i - (towers - 1) / 2) for i in range(towers)]


def _cuboid(stage: _Stage, middle: float) -> _Cuboid:
    rise = stage.shape[2] * DEPTH[1] / 2
    return _Cuboid(stage.x, middle - stage.half - rise)


def _volume(stage: _Stage, middle: float, colour: str, lit: bool) -> str:
    """A stage of one tower: a cuboid, or a bar for a fully connected layer."""
    line = f'stroke="{_HIGHLIGHT}" stroke-width="3"' if lit else f'stroke="{colour}" stroke-width="1"'
    strength = "0.6" if lit else "0.3" if stage.pool else "0.16"
    style = f'fill="{_HIGHLIGHT if lit else colour}" fill-opacity="{strength}" {line}'
    if stage.flat:
        top, bottom, right = middle - stage.half, middle + stage.half, stage.x + _BAR
        return _polygon([(stage.x, top), (right, top), (right, bottom), (stage.x, bottom)], style)
    c, h, w = stage.shape
    return _cuboid(stage, middle).faces((0, c), (0, h), (0, w), style)


def _kernel(source: _Stage, target: _Stage, ends: tuple[float, float], colour: str) -> str:
    """The kernel of ``target`` inside ``source``, through all its maps, and lines to the value that it computes."""
    assert isinstance(target.layer, Conv)
    size = target.layer.kernel_size
    channels, rows, columns = source.shape
    row, column = (max(0, round(0.42 * side - size / 2)) for side in (rows, columns))
    inside = _cuboid(source, ends[0])
    style = f'fill="{colour}" fill-opacity="0.35" stroke="{colour}" stroke-width="1.2"'
    box = inside.faces((0, channels), (row, row + size), (column, column + size), style)
    tip = _cuboid(target, ends[1]).at(0, 0.42 * target.shape[1], 0.42 * target.shape[2])
    corners = [inside.at(channels, row + i, column + j) for i in (0, size) for j in (0, size)]
    lines = "".join(
        f'<line x1="{_n(x)}" y1="{_n(y)}" x2="{_n(tip[0])}" y2="{_n(tip[1])}" stroke="{colour}" stroke-width="1"/>'
        for x, y in corners
    )
    return box + lines


def _fan(source: _Stage, target: _Stage, ends: tuple[float, float], colour: str) -> str:
    """Every value of ``source`` feeds every unit of ``target``: a band between the two."""
    if source.flat:
        x, top, bottom = source.x + _BAR, ends[0] - source.half, ends[0] + source.half
    else:
        body = _cuboid(source, ends[0])
        x, top = body.at(source.shape[0], 0, source.shape[2])
        bottom = body.at(source.shape[0], source.shape[1], source.shape[2])[1]
    band = [(x, top), (target.x, ends[1] - target.half), (target.x, ends[1] + target.half), (x, bottom)]
    return _polygon(band, f'fill="{colour}" fill-opacity="0.13" stroke="{colour}" stroke-width="0.5"')


def _joined(source: _Stage, target: _Stage) -> Iterator[tuple[int, int]]:
    """Which tower of ``source`` feeds which tower of ``target``."""
    apart = isinstance(target.layer, Conv) and target.layer.groups == target.towers == source.towers
    for i in range(source.towers):
        yield from ((i, j) for j in range(target.towers) if not apart or i == j)


def _connections(source: _Stage, target: _Stage) -> str:
    """The kernels or bands between two neighbouring stages; nothing before a pooling."""
    if target.pool:
        return ""
    draw = _fan if target.flat else _kernel
    starts, stops = _middles(source.towers), _middles(target.towers)
    return "".join(draw(source, target, (starts[i], stops[j]), source.colours[i]) for i, j in _joined(source, target))


def _drawing(stages: list[_Stage], lit: str) -> str:
    parts = []
    for index, stage in enumerate(stages):
        for tower, middle in enumerate(_middles(stage.towers)):
            parts.append(_volume(stage, middle, stage.colours[tower], stage.name == lit))
        if index + 1 < len(stages):
            parts.append(_connections(stage, stages[index + 1]))
    return "".join(parts)


def _reach(stage: _Stage) -> float:
    """Half the screen height of a stage with its depth."""
    return stage.half - (0.0 if stage.flat else stage.shape[2] * DEPTH[1] / 2)


def _labels(blocks: list[list[_Stage]], lit: str) -> Iterator[tuple[float, str]]:
    """Every label line with its y: what a block is above the top tower, what it costs below the bottom tower."""
    reach = max(_reach(stage) for block in blocks[1:] for stage in block)
    for block in blocks:
        first, last = block[0], block[-1]
        centre = first.x if block is blocks[-1] else (first.x + last.x + last.width) / 2
        anchor = 'text-anchor="start"' if block is blocks[-1] else ""
        edge = _middles(first.towers)[-1] + (_reach(first) if first.towers == 1 else reach)
        what, cost = _what(block), _cost(first)
        bold = f'font-weight="bold" {anchor}' + (f' fill="{_HIGHLIGHT}"' if lit in [s.name for s in block] else "")
        for i, line in enumerate(what):
            y = -edge - 10 - _LINE * (len(what) - 1 - i)
            yield y, _text(centre, y, line, anchor if i else bold)
        for i, line in enumerate(cost):
            y = edge + 22 + _LINE * i
            yield y, _text(centre, y, line, f'fill="{GREY}" {anchor}')


def _legend(y: float, towers: int) -> str:
    """Bars that say what one length stands for, and whose numbers stand above and below."""
    items = ((50 * HEIGHT, "50 pixels of a map"), (100 * MAPS, "100 maps"), (1000 * UNITS, "1,000 units"))
    x, parts = 10.0, [_text(10, y, "Drawn to scale (depth shortened):", 'text-anchor="start"')]
    x += 262
    for length, text in items:
        parts.append(f'<path d="M{_n(x)} {_n(y - 9)}v8m0 -4h{_n(length)}m0 -4v8" stroke="{INK}" fill="none"/>')
        parts.append(_text(x + length + 8, y, text, 'text-anchor="start"'))
        x += length + 8 + len(text) * _CHARACTER + 24
    if towers > 1:
        whose = f"Above a layer: sizes of one tower. Below it: what the {towers} towers cost together."
        parts.append(_text(10, y + _LINE + 4, whose, 'text-anchor="start"'))
    return "".join(parts)


def _tower_names(blocks: list[list[_Stage]]) -> str:
    """The towers' names at the right end, beside the last layer, where no line passes."""
    towers = max(stage.towers for block in blocks for stage in block)
    last = blocks[-1][0]
    return "".join(
        _text(last.x, middle, f"tower {i + 1}", f'font-weight="bold" text-anchor="start" fill="{_TOWERS[i]}"')
        for i, middle in enumerate(_middles(towers))
        if towers > 1
    )


def _description(spec: Spec, blocks: list[list[_Stage]]) -> str:
    """The drawing in words, for readers who don't see it."""
    towers = max(stage.towers for block in blocks for stage in block)
    first = f"{spec.title}, drawn from left to right" + (f" in {towers} towers" if towers > 1 else "") + ". "
    each = " in each tower" if towers > 1 else ""
    parts = []
    for source, block in zip([None, *blocks], blocks, strict=False):
        stage = block[0]
        text = f"{stage.name}: {', '.join(_what(block)[1:])}" + (each if stage.towers > 1 else "")
        crosses = source is not None and source[-1].towers > 1 and len(set(_joined(source[-1], stage))) > stage.towers
        parts.append(text + (", reads all towers" if crosses else ""))
    return first + "; ".join(parts) + "."


def _stage_of(spec: Spec, stages: list[_Stage], layer: str | None) -> str:
    """The drawn stage that a layer belongs to: itself, or the last one before it."""
    if layer is None:
        return ""
    spec[layer]  # raises with the valid names
    drawn = {stage.name for stage in stages}
    found = "input"
    for candidate in spec.layers:
        found = candidate.name if candidate.name in drawn else found
        if candidate.name == layer:
            break
    return found


def fields_across(spec: Spec) -> list[tuple[str, float]]:
    """Where a click on the drawing means which layer: the drawn ones from left to right, each
    with the width of its field.

    Widths are in units of the drawing, which is as wide as their sum. The input belongs to the first layer's field.
    """
    blocks, right = _placed(_stages(spec))
    stages = [stage for block in blocks for stage in block if stage.layer]
    edges = [0.0, *((one.x + one.width + other.x) / 2 for one, other in pairwise(stages)), right]
    return [(stage.name, high - low) for stage, (low, high) in zip(stages, pairwise(edges), strict=True)]


def architecture_svg(spec: Spec, *, highlight: str | None = None) -> str:
    """The whole network as one SVG picture, like the paper's Figure 2 but complete and to scale.

    Args:
        spec: any variant, for example ``get_spec("paper")``.
        highlight: a layer's name; the volume that the layer works on is drawn in gold.

    Returns:
        The text of an ``<svg>`` element with a title and a description in words. The same spec always gives the
        same text.

    Raises:
        AlexNetError: the network has no layer ``highlight``.
    """
    stages = _stages(spec)
    lit = _stage_of(spec, stages, highlight)
    blocks, right = _placed(stages)
    placed = [stage for block in blocks for stage in block]
    labels = list(_labels(blocks, lit))
    top = min(y for y, _ in labels) - 20
    bottom = max([y for y, _ in labels] + [_reach(placed[0])]) + 20
    title = f"{spec.title}: architecture to scale"
    towers = max(stage.towers for stage in placed)
    height = bottom + 24 - top + (_LINE + 4 if towers > 1 else 0)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" '
        f'viewBox="0 {_n(top)} {_n(right)} {_n(height)}" width="100%" '
        f'style="min-width:720px;max-width:{_n(right)}px;background:#fff">'
        f"<title>{escape(title)}</title><desc>{escape(_description(spec, blocks))}</desc>"
        f'<g font-family="DejaVu Sans, Verdana, sans-serif" font-size="14" text-anchor="middle" fill="{INK}" '
        f'stroke-linejoin="round">'
        f"<g>{_drawing(placed, lit)}</g><g>{''.join(text for _, text in labels)}</g>"
        f"{_tower_names(blocks)}{_legend(bottom + 8, towers)}</g></svg>"
    )
