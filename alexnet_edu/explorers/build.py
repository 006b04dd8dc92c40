"""Change layers of the paper's network, and see which shapes still fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from html import escape

import ipywidgets as widgets

from alexnet_edu.explorers.widgets import Explorer, control_layout, menu, offer, slider
from alexnet_edu.figures import show
from alexnet_edu.formulas import formulas, leftover
from alexnet_edu.geometry import trace
from alexnet_edu.palette import GREY, INK, ORANGE, SKY, by
from alexnet_edu.specs import Conv, Linear, MaxPool, Shape, Spec
from alexnet_edu.variants import get_spec

_RED, _BROWN = "#A40000", "#8A5A00"  # on white, both dark enough to read
_ROUNDING = [("down, as PyTorch does", False), ("up, as in 2012", True)]
_KNOBS = {
    "kernel_size": "Kernel side",
    "stride": "Stride",
    "padding": "Padding",
    "groups": "Groups",
    "out_channels": "Kernels",
}
_DRAWN = (Conv, MaxPool, Linear)
_HEIGHTS = ("0", "176px", "5em")  # of the chain, the windows and the arithmetic, at least


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
        if not isinstance(layer, _DRAWN):
            continue
        problem = _problem(layer, shape, wanted)
        if problem:
            yield Station(layer.name, (), problem)
            return
        out = layer.output_shape(shape)
        note = _note(layer, shape) if isinstance(layer, (Conv, MaxPool)) else ""
        differs = "" if out == expected[layer.name] else f"in the paper {by(*expected[layer.name])}"
        yield Station(layer.name, out, note="; ".join(filter(None, (note, differs))))


def _problem(layer: Conv | MaxPool | Linear, shape: Shape, wanted: Spec) -> str:
    """Why a layer cannot take what it is given, or nothing."""
    if isinstance(layer, Linear):
        made_for = next(before[0] for each, before in trace(wanted, wanted.input_shape) if each.name == layer.name)
        got = shape[0]
        return "" if got == made_for else f"{layer.name} has weights for {made_for:,} values and is given {got:,}"
    if isinstance(layer, Conv):
        for count, what in ((shape[0], "channels"), (layer.out_channels, "kernels")):
            if count % layer.groups:
                return f"{count} {what} cannot be dealt out to {layer.groups} groups"
    size, padding = layer.kernel_size, layer.window(shape).padding
    if size > shape[1] + 2 * padding:
        return f"a window of {size} does not fit into {shape[1] + 2 * padding} rows"
    return ""


def _note(layer: Conv | MaxPool, shape: Shape) -> str:
    """Rows that the windows miss, or that they read outside the channels."""
    over = leftover(layer, shape)
    rows = "row" if abs(over) == 1 else "rows"
    if over > 0:
        return f"{over} {rows} never read at the end"
    return f"{-over} {rows} missing at the end" if over else ""


class BuildExplorer(Explorer):
    """Build your own: every setting of a layer of the paper's network behind a slider; layers stay as they were left.

    The shapes that follow are worked out anew. Where a layer cannot take what it is given, the chain turns red.

    Args:
        layer: the layer to begin with, a convolution or a pool.
        side: rows and columns of the picture, in pixels.
        changes: settings of that layer to begin with, such as ``ceil=False``.
    """

    def __init__(self, layer: str = "conv1", side: int = 224, **changes: int) -> None:
        super().__init__()
        self._paper = get_spec("paper")
        self._kept: dict[str, Conv | MaxPool] = {}  # each layer that was changed, as its sliders were left
        self._drawn, self._caption, self._drawing = "", "", ""  # the windows: in words, caption, SVG
        names = [each.name for each in self._paper.layers if isinstance(each, (Conv, MaxPool))]
        self.side = slider("Picture (px)", 300, value=side, minimum=32)
        self.layer = menu("Layer", names, layer)
        self.knobs = {
            "kernel_size": slider(_KNOBS["kernel_size"], 15, value=1, minimum=1),
            "stride": slider(_KNOBS["stride"], 8, value=1, minimum=1),
            "padding": slider(_KNOBS["padding"], 7),
            "groups": slider(_KNOBS["groups"], 8, value=1, minimum=1),
            "out_channels": slider(_KNOBS["out_channels"], 512, value=16, minimum=16, step=16),
        }
        self.rounding = menu("Rounding", _ROUNDING, False)
        self.reset = widgets.Button(description="All as in the paper", layout=control_layout("200px"))
        self.stations, self.windows, self.arithmetic = (widgets.HTML(layout=_whole(height)) for height in _HEIGHTS)
        for control in (self.side, self.rounding, *self.knobs.values()):
            self.on_change(control, self._changed)
        self.on_change(self.layer, self._new_layer)
        self.reset.on_click(lambda _: self.attempt(self._as_in_the_paper))
        controls = [self.side, self.layer, *self.knobs.values(), self.rounding, self.reset]
        self.arrange(controls, [self.stations, self.windows, self.arithmetic])
        self._kept[layer] = replace(self._paper[layer], **changes)  # type: ignore[arg-type, assignment]
        self.attempt(self._new_layer)

    def _state(self) -> Mapping[str, object]:
        return {"layer": self.layer.value, "side": self.side.value}

    def still(self) -> str:
        windows = show(self._drawing, alt=self._drawn).html if self._drawing else ""
        return f"{self.message.value}{self.stations.value}{self._caption}{windows}{self.arithmetic.value}"

    def spec(self) -> Spec:
        """The paper's network with its layers as the sliders left them."""
        return replace(self._paper, layers=tuple(self._kept.get(each.name, each) for each in self._paper.layers))

    def _changed(self) -> None:
        before = self._paper[self.layer.value]
        assert isinstance(before, (Conv, MaxPool))
        settings = {name: self.knobs[name].value for name in _KNOBS if hasattr(before, name)}
        self._kept[before.name] = replace(before, ceil=self.rounding.value, **settings)
        self._update()

    def _as_in_the_paper(self) -> None:
        self._kept.clear()
        self.side.value = self._paper.input_size
        self._new_layer()

    def _new_layer(self) -> None:
        """The sliders as the chosen layer has them; those that it lacks rest."""
        layer = self.spec()[self.layer.value]
        for name, knob in self.knobs.items():
            knob.disabled = not hasattr(layer, name)
            knob.value = getattr(layer, name, knob.min)
        offer(self.rounding, _ROUNDING, layer.ceil)  # type: ignore[attr-defined]
        self._update()

    def _update(self) -> None:
        spec, side, chosen = self.spec(), self.side.value, self.layer.value
        stations = list(chain(spec, side, self._paper))
        reached = {station.name: not station.problem for station in stations}
        left = [each.name for each in spec.layers if isinstance(each, _DRAWN) and each.name not in reached]
        self.stations.value = _boxes(stations, left, chosen)
        layer, entering = next(each for each in trace(spec, (3, side, side)) if each[0].name == chosen)
        assert isinstance(layer, (Conv, MaxPool))
        fits = chosen in reached and layer.kernel_size <= entering[1] + 2 * layer.window(entering).padding
        self._drawn, self._caption, self._drawing = _windows(layer, entering) if fits else ("", _nothing(chosen), "")
        self.windows.value = self._caption + self._drawing
        self.arithmetic.value = _lines(layer, entering) if reached.get(chosen) else ""
        self.say(f"{_verdict(stations[-1])}<br>{_differences(spec, self._paper)}")


def _whole(height: str) -> widgets.Layout:
    """As wide as there is room, and never lower: what stands below stays where it is."""
    return widgets.Layout(width="100%", min_height=height)


def _nothing(name: str) -> str:
    return f'<div style="font-size:90%">No window of {name} to draw.</div>'


def _differences(spec: Spec, wanted: Spec) -> str:
    """Which settings of which layers the sliders have changed, in a line."""
    parts = []
    for layer, before in zip(spec.layers, wanted.layers, strict=True):
        names = [label for name, label in _KNOBS.items() if getattr(layer, name, 0) != getattr(before, name, 0)]
        names += ["Rounding"] if getattr(layer, "ceil", 0) != getattr(before, "ceil", 0) else []
        parts += [f"{layer.name} ({', '.join(names)})"] if names else []
    return f"Changed: {'; '.join(parts)}." if parts else "Every layer as in the paper."


def _verdict(last: Station) -> str:
    if last.problem:
        return f"<b>✗ It does not fit: {escape(last.problem)}.</b>"
    return "<b>✓ Everything fits.</b>"


def _lines(layer: Conv | MaxPool, shape: Shape) -> str:
    lines = "<br>".join(f"{layer.name}, {name}: {escape(text)}" for name, text in formulas(layer, shape))
    return f'<div style="line-height:1.5">{lines}</div>'


def _boxes(stations: list[Station], left: list[str], chosen: str) -> str:
    """The chain as boxes with arrows, which wrap where the window is narrow, and what their colours say."""
    boxes = [_box(station, chosen) for station in stations]
    boxes += [_box(Station(name, ()), chosen, colour=GREY) for name in left]
    arrow = '<div aria-hidden="true" style="align-self:center">→</div>'
    style = "display:flex;flex-wrap:wrap;gap:6px;line-height:1.35;margin:6px 0"
    legend = (
        "Thick: the chosen layer. Red: it cannot take what it is given. Brown: not the shape that the paper has, "
        "or rows that no window reads, or rows that are missing."
    )
    return f'<div style="{style}">{arrow.join(boxes)}</div><div style="font-size:90%">{legend}</div>'


_SIZE = "box-sizing:border-box;width:14em;min-height:5.2em"  # the same for all, so that nothing moves when texts change


def _box(station: Station, chosen: str, colour: str = "") -> str:
    colour = colour or (_RED if station.problem else _BROWN if station.note else INK)
    frame = f"border:{3 if station.name == chosen else 1}px solid {colour}"
    shape = "✗" if station.problem else by(*station.shape) or "not reached"
    text = escape(station.problem or station.note).replace("; ", "<br>")
    return (
        f'<div style="{frame};border-radius:6px;padding:4px 8px;background:#fff;color:{colour};{_SIZE}">'
        f"<b>{station.name}</b> {shape}<br>"
        f'<span style="font-size:85%">{text}</span></div>'
    )


_PIXEL, _NEAR = 16, 27  # screen pixels a row takes; rows drawn at the far end


def _windows(layer: Conv | MaxPool, shape: Shape) -> tuple[str, str, str]:
    """The last rows of what enters a layer, and the last windows over them: in words, as a caption and as SVG."""
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
    caption = f'<div style="font-size:90%">{alt}, ' + _legend(end, last, padding) + "</div>"
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{alt}" viewBox="0 0 {width + 2} {height}" '
        f'style="width:100%;max-width:{width + 2}px;background:#fff" font-family="sans-serif" font-size="10">'
        f"{cells}{bars}</svg>"
    )
    return alt, caption, svg


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
