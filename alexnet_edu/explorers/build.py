"""Change one layer of the paper's network, and see which shapes still fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from html import escape

import ipywidgets as widgets

from alexnet_edu.explorers.widgets import Explorer, control_layout, menu, offer, slider
from alexnet_edu.formulas import formulas, leftover
from alexnet_edu.geometry import trace
from alexnet_edu.palette import GREY, INK, ORANGE, SKY, by
from alexnet_edu.specs import Conv, Linear, MaxPool, Shape, Spec
from alexnet_edu.variants import get_spec

_RED, _AMBER = "#A40000", "#8A5A00"  # on white, both dark enough to read
_ROUNDING = [("down, as PyTorch does", False), ("up, as in 2012", True)]
_KNOBS = ("kernel_size", "stride", "padding", "groups", "out_channels")


@dataclass(frozen=True)
class Station:
    """What stands between two arrows of the chain.

    Attributes:
        name: of the layer, or "picture".
        shape: what leaves it.
        problem: why the network stops here, in one sentence; empty where it fits.
        note: what is worth knowing though it fits.
    """

    name: str
    shape: Shape
    problem: str = ""
    note: str = ""


def chain(spec: Spec, side: int, wanted: Spec) -> Iterator[Station]:
    """The shapes from the picture on, up to the first layer that does not fit.

    Args:
        spec: the network, some of its layers perhaps changed.
        side: rows and columns of the picture.
        wanted: the network as it was, whose fully connected layers stay as they are.
    """
    yield Station("picture", (3, side, side))
    expected = {layer.name: layer.output_shape(shape) for layer, shape in trace(wanted, wanted.input_shape)}
    for layer, shape in trace(spec, (3, side, side)):
        if not isinstance(layer, (Conv, MaxPool, Linear)):
            continue
        problem = _problem(layer, shape, wanted)
        if problem:
            yield Station(layer.name, (), problem)
            return
        out = layer.output_shape(shape)
        note = _note(layer, shape) if isinstance(layer, (Conv, MaxPool)) else ""
        differs = "" if out == expected[layer.name] else f"the paper has {by(*expected[layer.name])}"
        yield Station(layer.name, out, note="; ".join(filter(None, (note, differs))))


def _problem(layer: Conv | MaxPool | Linear, shape: Shape, wanted: Spec) -> str:
    """Why a layer cannot take what it is given, or nothing."""
    if isinstance(layer, Linear):
        made_for = next(before[0] for each, before in trace(wanted, wanted.input_shape) if each.name == layer.name)
        got = shape[0]
        return "" if got == made_for else f"{layer.name} has weights for {made_for:,} values and is given {got:,}"
    if isinstance(layer, Conv):
        for count, what in ((shape[0], "maps"), (layer.out_channels, "kernels")):
            if count % layer.groups:
                return f"{count} {what} cannot be dealt out to {layer.groups} groups"
    size, padding = layer.kernel_size, layer.window(shape).padding
    if size > shape[1] + 2 * padding:
        return f"a window of {size} does not fit into {shape[1] + 2 * padding} rows"
    return ""


def _note(layer: Conv | MaxPool, shape: Shape) -> str:
    """Rows that the windows miss, or that they read outside the map."""
    over = leftover(layer, shape)
    rows = "row" if abs(over) == 1 else "rows"
    if over > 0:
        return f"{over} {rows} at the end never looked at"
    return f"{-over} {rows} too few: the last window looks over the edge" if over else ""


class BuildExplorer(Explorer):
    """Build your own: every setting of one layer of the paper's network behind a slider.

    The shapes that follow are worked out anew. Where a layer cannot take what it is given, the chain ends in red.

    Args:
        layer: the layer to begin with, a convolution or a pool.
        side: rows and columns of the picture, in pixels.
        changes: settings of that layer to begin with, such as ``ceil=False``.
    """

    def __init__(self, layer: str = "conv1", side: int = 224, **changes: int) -> None:
        super().__init__()
        self._paper = get_spec("paper")
        names = [each.name for each in self._paper.layers if isinstance(each, (Conv, MaxPool))]
        self.side = slider("Picture (px)", 300, value=side, minimum=32)
        self.layer = menu("Layer", names, layer)
        self.knobs = {
            "kernel_size": slider("Kernel side", 15, value=1, minimum=1),
            "stride": slider("Stride", 8, value=1, minimum=1),
            "padding": slider("Padding", 7),
            "groups": slider("Groups", 8, value=1, minimum=1),
            "out_channels": slider("Kernels", 512, value=16, minimum=16, step=16),
        }
        self.rounding = menu("Rounding", _ROUNDING, False)
        self.reset = widgets.Button(description="As in the paper", layout=control_layout("200px"))
        self.windows, self.stations = (widgets.HTML(layout=widgets.Layout(width="100%")) for _ in range(2))
        for control in (self.side, self.rounding, *self.knobs.values()):
            self.on_change(control, self._update)
        self.on_change(self.layer, self._new_layer)
        self.reset.on_click(lambda _: self.attempt(self._as_in_the_paper))
        controls = [self.side, self.layer, *self.knobs.values(), self.rounding, self.reset]
        self.arrange(controls, [self.stations, self.windows])
        begin = replace(self._paper[layer], **changes)  # type: ignore[arg-type]
        self.attempt(lambda: self._take(begin))

    def _state(self) -> Mapping[str, object]:
        return {"layer": self.layer.value, "side": self.side.value}

    def still(self) -> str:
        return f"{self.message.value}{self.stations.value}{self.windows.value}"

    def spec(self) -> Spec:
        """The paper's network with the chosen layer as the sliders say."""
        layers = (self._changed() if each.name == self.layer.value else each for each in self._paper.layers)
        return replace(self._paper, layers=tuple(layers))

    def _changed(self) -> Conv | MaxPool:
        before = self._paper[self.layer.value]
        assert isinstance(before, (Conv, MaxPool))
        settings = {name: self.knobs[name].value for name in _KNOBS if hasattr(before, name)}
        return replace(before, ceil=self.rounding.value, **settings)

    def _as_in_the_paper(self) -> None:
        self.side.value = self._paper.input_size
        self._new_layer()

    def _new_layer(self) -> None:
        self._take(self._paper[self.layer.value])

    def _take(self, layer: object) -> None:
        """The sliders as a layer has them; those that it lacks rest."""
        for name, knob in self.knobs.items():
            knob.disabled = not hasattr(layer, name)
            knob.value = getattr(layer, name, knob.min)
        offer(self.rounding, _ROUNDING, layer.ceil)  # type: ignore[attr-defined]
        self._update()

    def _update(self) -> None:
        spec, side = self.spec(), self.side.value
        stations = list(chain(spec, side, self._paper))
        self.stations.value = _boxes(stations, self.layer.value)
        entering = dict((layer.name, shape) for layer, shape in trace(spec, (3, side, side)))[self.layer.value]
        layer = self._changed()
        reached = self.layer.value in [station.name for station in stations if not station.problem]
        self.windows.value = _windows(layer, entering) if reached else ""
        self.say(f"{_verdict(stations[-1])}{_lines(layer, entering) if reached else ''}")


def _verdict(last: Station) -> str:
    if last.problem:
        return f"<b>✗ It does not fit: {escape(last.problem)}.</b>"
    return "<b>✓ Everything fits.</b>"


def _lines(layer: Conv | MaxPool, shape: Shape) -> str:
    return "".join(f"<br>{layer.name}, {name}: {escape(text)}" for name, text in formulas(layer, shape))


def _boxes(stations: list[Station], chosen: str) -> str:
    """The chain as boxes with arrows; they wrap where the window is narrow."""
    boxes = []
    for station in stations:
        colour = _RED if station.problem else _AMBER if station.note else INK
        frame = f"border:{3 if station.name == chosen else 1}px solid {colour}"
        shape = "✗" if station.problem else by(*station.shape)
        text = escape(station.problem or station.note)
        boxes.append(
            f'<div style="{frame};border-radius:6px;padding:4px 8px;background:#fff;color:{colour};max-width:13em">'
            f"<b>{station.name}</b> {shape}<br>"
            f'<span style="font-size:85%">{text}</span></div>'
        )
    arrow = '<div aria-hidden="true" style="align-self:center">→</div>'
    style = "display:flex;flex-wrap:wrap;gap:6px;line-height:1.35;margin:6px 0"
    return f'<div style="{style}">{arrow.join(boxes)}</div>'


_PIXEL, _NEAR = 16, 27  # screen pixels a row takes; rows drawn at the far end


def _windows(layer: Conv | MaxPool, shape: Shape) -> str:
    """The last rows of what enters a layer, and the last windows over them, as SVG."""
    size, stride, padding = layer.window(shape)
    count = layer.output_shape(shape)[1]
    end = shape[1] + 2 * padding
    last = (count - 1) * stride + size
    begin = max(0, max(end, last) - max(_NEAR, size + stride))
    shown = [i for i in range(count) if i * stride >= begin][-6:]
    width, height = (max(end, last) - begin) * _PIXEL, 40 + 16 * len(shown)
    cells = "".join(_cell(i - begin, _kind(i, end, last, padding)) for i in range(begin, max(end, last)))
    bars = "".join(
        _bar((i * stride - begin) * _PIXEL, size * _PIXEL, 34 + 16 * place, i + 1) for place, i in enumerate(shown)
    )
    alt = f"The last {len(shown)} of {count} windows of {layer.name} over the last of {shape[1]} rows"
    title = f'<div style="font-size:90%">{alt}, ' + _legend(end, last, padding) + "</div>"
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{alt}" viewBox="0 0 {width + 2} {height}" '
        f'width="{width + 2}" style="max-width:100%;background:#fff" font-family="sans-serif" font-size="10">'
        f"{cells}{bars}</svg>"
    )
    return title + svg


def _kind(row: int, end: int, last: int, padding: int) -> str:
    if row >= end:
        return "over"
    if row >= last:
        return "left"
    return "padding" if row < padding or row >= end - padding else "row"


_FILLS = {"row": "#E8EEF4", "padding": "#fff", "left": "#F4B6B6", "over": "#FFE2AE"}


def _cell(place: int, kind: str) -> str:
    dash = "" if kind in ("row", "left") else 'stroke-dasharray="2 2"'
    box = f'x="{place * _PIXEL + 1}" y="4" width="{_PIXEL}" height="20"'
    return f'<rect {box} fill="{_FILLS[kind]}" stroke="{GREY}" {dash}/>'


def _bar(x: int, width: int, y: int, number: int) -> str:
    return (
        f'<rect x="{x + 3}" y="{y}" width="{width - 4}" height="12" rx="3" fill="{SKY if number % 2 else ORANGE}"/>'
        f'<text x="{x + width / 2 + 1}" y="{y + 10}" text-anchor="middle" fill="{INK}">{number}</text>'
    )


def _legend(end: int, last: int, padding: int) -> str:
    parts = ["each square a row"]
    parts += [f"{end - last} in red that no window reads"] if last < end else []
    parts += [f"{last - end} dashed in yellow that are not there"] if last > end else []
    parts += [f"{padding} dashed of padding at each end"] if padding else []
    return ", ".join(parts)
