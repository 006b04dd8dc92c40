"""A network file drawn as a graph: data at the top, a row for each step, a column for each GPU."""

from __future__ import annotations

from collections import defaultdict
from html import escape

from alexnet_edu.museum.graph import MuseumLayer, NetworkFile
from alexnet_edu.museum.specs import Neuron
from alexnet_edu.palette import BLACK, CYCLE, GREY, INK, by
from alexnet_edu.specs import Layer

__all__ = ["network_svg"]

_SLOT, _ROW, _WIDTH, _HEIGHT = 230, 56, 200, 36  # of a box and the room around it, in the drawing's units
_GPUS = CYCLE[:4]  # a colour for each

Places = dict[str, tuple[float, float]]


def network_svg(network: NetworkFile) -> str:
    """The text of an ``<svg>`` element. A line from one GPU to another is drawn in black: data that had to travel."""
    width, places = _places(network)
    lines = "".join(_line(network[name], layer, places) for layer in network for name in layer.inputs)
    boxes = "".join(_box(layer, *places[layer.name]) for layer in network)
    height = max(y for _, y in places.values()) + 30
    reads = "; ".join(f"{layer.name} reads {', '.join(layer.inputs)}" for layer in network if layer.inputs)
    title = escape(f"{network.name}: {len(network.layers)} layers, {network.total_parameters:,} parameters")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{title}" viewBox="0 0 {width} {height:g}" '
        f'width="100%" style="max-width:{width}px;background:#fff"><title>{title}</title><desc>{escape(reads)}.</desc>'
        f'<g fill="none">{lines}</g><g font-family="DejaVu Sans, Verdana, sans-serif" font-size="12" '
        f'text-anchor="middle" fill="{INK}">{boxes}</g></svg>'
    )


def _rows(network: NetworkFile) -> dict[str, int]:
    """The row of each layer, as low as its readers allow; the first row is 0."""
    rows = dict.fromkeys((layer.name for layer in network), 0)
    for layer in reversed(network.layers):
        for name in layer.inputs:
            rows[name] = min(rows[name], rows[layer.name] - 1)
    first = min(rows.values())
    return {name: row - first for name, row in rows.items()}


def _places(network: NetworkFile) -> tuple[int, Places]:
    """The drawing's width, and the centre of each layer's box."""
    rows = _rows(network)
    ranked = defaultdict(list)
    for layer in sorted(network, key=lambda layer: -1 if layer.gpu is None else layer.gpu):
        ranked[rows[layer.name]].append(layer)
    width = _SLOT * max(map(len, ranked.values()))
    return width, {
        layer.name: ((i + 0.5) * width / len(found), row * _ROW + 30)
        for row, found in ranked.items()
        for i, layer in enumerate(found)
    }


def _line(source: MuseumLayer, layer: MuseumLayer, places: Places) -> str:
    (x0, y0), (x, y) = places[source.name], places[layer.name]
    crosses = layer.gpu is not None and source.gpu not in (None, layer.gpu)
    ink, thick = (BLACK, 2) if crosses else ("#999999", 1.5)
    return f'<path d="M{x0:g} {y0:g}L{x:g} {y:g}" stroke="{ink}" stroke-width="{thick}"/>'


def _box(layer: MuseumLayer, x: float, y: float) -> str:
    colour = GREY if layer.gpu is None or layer.gpu < 0 else _GPUS[layer.gpu % len(_GPUS)]
    what = layer.type if layer.activation is None else f"{layer.type}, {_function(layer.activation)}"
    return (
        f'<rect x="{x - _WIDTH / 2:g}" y="{y - _HEIGHT / 2:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="5" '
        f'fill="#fff" stroke="{colour}" stroke-width="2"/>'
        f'<text x="{x:g}" y="{y - 3:g}" font-weight="bold">{escape(layer.name)}</text>'
        f'<text x="{x:g}" y="{y + 12:g}">{escape(what)}: {by(*layer.output_shape)}</text>'
    )


def _function(activation: Layer) -> str:
    return activation.function if isinstance(activation, Neuron) else activation.kind.lower()
