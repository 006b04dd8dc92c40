"""The course's figures: pure functions of their data that return a matplotlib ``Figure``.

No function here touches pyplot, so nothing is shown twice, nothing stays open and nothing has to be closed. A
figure knows its own description; ``show(figure)`` puts picture and description into a notebook.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape, unescape
from math import ceil, nan
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from alexnet_edu import tiles
from alexnet_edu.errors import AlexNetError
from alexnet_edu.geometry import LayerTable, layer_table, receptive_field_box
from alexnet_edu.palette import BLUE, CYCLE, GREY, SKY, VERMILLION, by
from alexnet_edu.specs import Conv, Spec

__all__ = [
    "Shown",
    "bars",
    "cost_bars",
    "curves",
    "feature_map_grid",
    "filter_grid",
    "heat_over",
    "ilsvrc_history",
    "learning_curve",
    "model_map",
    "picture_grid",
    "receptive_fields",
    "relu_and_tanh",
    "roofline",
    "show",
    "top5_bars",
    "tower_scores",
]

MARKERS = "osD^vPX"  # one for each colour of the palette's cycle
_DPI = 100
_GRID_PIXELS = 1000


# Showing


@dataclass(frozen=True)
class Shown:
    """A picture with its description, as a notebook shows it.

    The picture is an HTML image because notebooks drop the description of any other kind of image output. Its text
    form is the description alone, the same on every machine.
    """

    alt: str
    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<picture: {self.alt}>"


def show(picture: Figure | Image.Image | str, alt: str | None = None) -> Shown:
    """Puts a figure, a PIL picture or SVG text into a notebook, with a description for readers who don't see it.

    Args:
        picture: what to show. SVG text brings its own title and description.
        alt: what the picture tells, in one sentence; by default the description that the figure's function gave it.

    Raises:
        AlexNetError: there is no description.
    """
    if isinstance(picture, str):
        alt = alt or unescape(_between(picture, "<title>", "</title>"))
        return Shown(alt, _svg_image(picture, alt))
    alt = alt or (str(picture.get_label()) if isinstance(picture, Figure) else "")
    if not alt.strip():
        raise AlexNetError("Say what the picture tells: show(picture, alt='...').")
    kind, data = _small_file(_rendered(picture) if isinstance(picture, Figure) else picture.convert("RGB"))
    text = base64.b64encode(data).decode()
    return Shown(alt, f'<img alt="{escape(alt)}" style="max-width:100%" src="data:image/{kind};base64,{text}">')


def _svg_image(svg: str, alt: str) -> str:
    """SVG as an HTML image: JupyterLab shows inline SVG as bare words until a notebook is trusted."""
    words = f"{alt}. {unescape(_between(svg, '<desc>', '</desc>'))}".strip()
    style = _between(svg, 'style="', '"')
    data = base64.b64encode(svg.encode()).decode()
    image = f'<img alt="{escape(words)}" style="width:100%;{style}" src="data:image/svg+xml;base64,{data}">'
    return f'<div style="overflow-x:auto">{image}</div>'


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def _rendered(figure: Figure) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return Image.open(buffer).convert("RGB")


def _small_file(picture: Image.Image) -> tuple[str, bytes]:
    """PNG with a palette or JPEG, whichever is smaller: plots and tiles give the first, photos the second."""
    png, jpeg = io.BytesIO(), io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(png, "PNG", optimize=True)
    picture.save(jpeg, "JPEG", quality=82, subsampling=0)
    return min(("png", png.getvalue()), ("jpeg", jpeg.getvalue()), key=lambda pair: len(pair[1]))


# Parts


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def _axes(ax: Axes | None, width: float, height: float) -> tuple[Figure, Axes]:
    """The axes to draw on and their figure: the caller's, or new ones of that size in inches."""
    if ax is None:
        figure = _figure(width, height)
        return figure, figure.add_subplot()
    assert isinstance(ax.figure, Figure)
    return ax.figure, ax


def _described(figure: Figure, text: str) -> Figure:
    figure.set_label(text)
    return figure


def _tidy(ax: Axes, title: str, xlabel: str = "", ylabel: str = "") -> None:
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    ax.set_axisbelow(True)


def _bare(ax: Axes, title: str = "", *, fontsize: float = 10) -> None:
    """Axes for a picture: no ticks; the title says what it is."""
    ax.set_title(title, fontsize=fontsize)
    ax.set_axis_off()


def _as_array(values: Any) -> NDArray[Any]:
    """A tensor on any device, or anything array-like, as numpy."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _picture(ax: Axes, picture: Image.Image, interpolation: str) -> None:
    """A composed picture in its own colours: "nearest" keeps edges sharp, "antialiased" keeps thin lines whole."""
    ax.imshow(np.asarray(picture.convert("RGB")), interpolation=interpolation, aspect="equal")


def _bar_beside(ax: Axes, limits: tuple[float, float], *, signed: bool, label: str) -> None:
    """The colour bar of a composed picture: the scale that all its tiles share."""
    cmap = "RdBu_r" if signed else "viridis"
    ax.figure.colorbar(ScalarMappable(Normalize(*limits), cmap), ax=ax, label=label, fraction=0.046, pad=0.02)


# Filters


def filter_grid(
    model: Any,
    layer: str = "conv1",
    *,
    view: str = "colour",
    channel: int = 0,
    groups: int | None = None,
    shared: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Figure:
    """All filters of a convolution in one picture on one scale [paper, figure 3].

    Args:
        model: a network of this package, or the filters themselves as ``(O, I, kH, kW)``.
        layer: a convolution's name.
        view: one of ``tiles.VIEWS``, see :func:`alexnet_edu.tiles.filter_view`.
        channel: the filter that ``view="channels"`` shows.
        groups: of the layer; by default as the model's spec says, or 1.
        shared: one scale for all filters in the colour view, see :func:`alexnet_edu.tiles.filter_view`.
        title: by default the layer's name and the number of filters.
        ax: axes to draw on.

    Raises:
        AlexNetError: no such layer or view; or ``"colour"`` for filters that don't read RGB.
    """
    weights, spec_groups = _weights(model, layer)
    seen = tiles.filter_view(weights, view, groups=groups or spec_groups, channel=channel, shared=shared)
    picture, how = seen.picture(width=_GRID_PIXELS), seen.how
    shape = by(*weights.shape[2:], weights.shape[1])
    title = title or f"{layer}: {len(weights)} filters of {shape}, {view} view"
    figure, ax = _axes(ax, 8, 0.6 + 7.8 * picture.height / picture.width)
    _picture(ax, picture, "nearest")
    _bare(ax, f"{title}\n{how}")
    return _described(figure, f"{title}; {how}.")


def _weights(model: Any, layer: str) -> tuple[NDArray[Any], int]:
    """The filters and the groups of a layer, from a model or straight from an array."""
    if not hasattr(model, "spec"):
        return _as_array(model), 1
    from alexnet_edu.features import filters

    found = model.spec[layer]
    if not isinstance(found, Conv):
        valid = ", ".join(each.name for each in model.spec.layers if isinstance(each, Conv))
        raise AlexNetError(f"{layer} has no filters to draw; choose one of {valid}.")
    return _as_array(filters(model, layer)), found.groups


def tower_scores(
    scores: Mapping[str, Sequence[Sequence[float]]], *, title: str, ylabel: str, ax: Axes | None = None
) -> Figure:
    """One point per filter, one column per tower, side by side for each trained network.

    Args:
        scores: for each network (such as a seed) the scores of its towers' filters, one sequence a tower.
        title: what was measured.
        ylabel: the score and its unit.
        ax: axes to draw on.
    """
    figure, ax = _axes(ax, 1.5 + 1.6 * len(scores), 4)
    spread = np.random.default_rng(0)
    for place, towers in enumerate(scores.values()):
        for tower, values in enumerate(towers):
            x = place + (tower - (len(towers) - 1) / 2) * 0.36
            jitter = spread.uniform(-0.1, 0.1, len(values))
            label = f"tower {tower + 1}" if place == 0 else None
            ax.scatter(x + jitter, values, s=18, alpha=0.6, color=CYCLE[tower], marker=MARKERS[tower], label=label)
            ax.hlines(float(np.mean(values)), x - 0.15, x + 0.15, color="black", linewidth=2)
    ax.set_xticks(range(len(scores)), list(scores))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9, borderaxespad=0)
    _tidy(ax, title, ylabel=f"{ylabel} (line: mean)")
    return _described(figure, f"{title}: {ylabel} of every filter by tower, for {', '.join(scores)}.")


# Maps and pictures


def feature_map_grid(
    maps: Any, crop: Image.Image | None = None, *, layer: str = "", signed: bool | None = None, ax: Axes | None = None
) -> Figure:
    """All maps of a layer on one scale, beside the crop that the network saw.

    Args:
        maps: ``(C, H, W)`` or ``(1, C, H, W)``.
        crop: the picture as the network saw it, not the whole photo: only then do places agree.
        layer: the layer's name for the title.
        signed: blue-white-red around zero; by default if there is a negative value.
        ax: axes for the maps; the crop is then left out.

    Returns:
        A figure with the range of values beside it and the number of maps that are zero everywhere (crossed out).

    Raises:
        AlexNetError: the maps have another shape.
    """
    values = _as_array(maps)
    values = values[0] if values.ndim == 4 and len(values) == 1 else values
    signed = bool((values < 0).any()) if signed is None else signed
    limits = tiles.shared_range(values, signed=signed)
    picture = tiles.tile_maps(values, signed=signed, limits=limits, width=_GRID_PIXELS)
    if ax is None and crop is not None:
        figure = _figure(9.5, 0.9 + 6.1 * picture.height / picture.width)
        left, ax = figure.subplots(1, 2, width_ratios=(1, 2.6))
        left.imshow(crop)
        _bare(left, f"what the\nnetwork saw\n{by(crop.height, crop.width)} px", fontsize=9)
    else:
        figure, ax = _axes(ax, 8, 0.9 + 7 * picture.height / picture.width)
    dead = int(tiles.dead_maps(values).sum())
    title = f"{layer}: {len(values)} maps of {by(*values.shape[1:])}".removeprefix(": ")
    note = f"{dead} of {len(values)} are zero everywhere"
    _picture(ax, picture, "antialiased")
    _bar_beside(ax, limits, signed=signed, label="activation (one scale for all maps)")
    _bare(ax, f"{title}\nvalues {values.min():.3g} to {values.max():.3g}; {note}")
    return _described(figure, f"{title} on one scale; {note}.")


def picture_grid(
    pictures: Sequence[Any], titles: Sequence[str] = (), *, columns: int = 0, title: str = "", size: float = 1.9
) -> Figure:
    """Pictures in rows with a line of text above each: steps, crops, patches or neighbours.

    Args:
        pictures: PIL pictures or arrays ``(H, W, 3)``, uint8 or floats from 0 to 1.
        titles: one text per picture.
        columns: pictures in a row; by default all in one row, at most six.
        title: above the whole; also the start of the description.
        size: inches per picture.
    """
    columns = columns or min(6, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = _figure(columns * size, rows * (size + 0.35) + (0.35 if title else 0))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for place, ax in enumerate(axes):
        _bare(ax, titles[place] if place < len(titles) else "", fontsize=min(10, max(8, 6 * size)))
        if place < len(pictures):
            ax.imshow(_as_array(pictures[place]))
    if title:
        figure.suptitle(title)
    return _described(figure, f"{title or 'Pictures'}: {'; '.join(text.replace(chr(10), ', ') for text in titles)}.")


def heat_over(
    crop: Image.Image,
    values: Any,
    *,
    title: str,
    label: str,
    signed: bool = False,
    box: Any = None,
    start: float | None = None,
    jump: float | None = None,
) -> Figure:
    """A map of values beside and over the crop that it belongs to: occlusion, one unit's activations.

    Args:
        crop: what the network saw.
        values: ``(h, w)``.
        title: what the map tells.
        label: the quantity and its unit, for the colour bar.
        signed: blue-white-red around zero.
        box: ``(top, left, bottom, right)`` in pixels to frame on the crop.
        start: where the centre of the first value lies, in pixels; by default the values cover the whole crop. For
            ``occlusion(..., patch=32, stride=16)`` it is 16.
        jump: pixels between the centres of two values; for occlusion, the stride.
    """
    values = _as_array(values)
    limits = tiles.shared_range(values, signed=signed)
    jump = jump or crop.height / len(values)
    start = jump / 2 if start is None else start
    over = tiles.overlay(np.asarray(crop), values, start=start, jump=jump, limits=limits, signed=signed, box=box)
    figure = _figure(9, 3.5)
    left, middle, right = figure.subplots(1, 3)
    left.imshow(crop)
    middle.imshow(values, cmap="RdBu_r" if signed else "viridis", vmin=limits[0], vmax=limits[1])
    right.imshow(over)
    for ax, text in ((left, "what the network saw"), (middle, label), (right, "laid over the picture")):
        _bare(ax, text)
    _bar_beside(middle, limits, signed=signed, label="")
    figure.suptitle(title)
    return _described(figure, f"{title}: {label}, beside and over the picture.")


def receptive_fields(
    crop: Image.Image, spec: Spec, layers: Sequence[str], *, at: float = 0.5, ax: Axes | None = None
) -> Figure:
    """What one unit of each layer sees of a picture: nested squares, drawn on the picture.

    Args:
        crop: a square picture; it is scaled to the network's input size.
        spec: the network.
        layers: names of layers with maps.
        at: where the units lie, 0 (top left) to 1 (bottom right) of each map.
        ax: axes to draw on.

    Raises:
        AlexNetError: there is no such layer.
    """
    figure, ax = _axes(ax, 6, 6)
    side = spec.input_size
    ax.imshow(crop.resize((side, side)), alpha=0.85)
    table = layer_table(spec)
    for number, name in enumerate(layers):
        rows, columns = table[name].output_shape[1:]
        row, column = (max(0, ceil(at * n) - 1) for n in (rows, columns))  # of two middle ones the first
        top, left, bottom, right = receptive_field_box(spec, name, row, column)
        colour = CYCLE[number % len(CYCLE)]
        frame = Rectangle(
            (left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=2.5
        )
        ax.add_patch(frame)
        text = f"{name} {table[name].receptive_field}"
        box = {"facecolor": "white", "edgecolor": colour, "pad": 1.5}
        # Labels on opposite corners do not cover each other; at the picture's edge they move inside.
        x, y, outside = (right - 1, bottom + 2, bottom < side - 20) if number % 2 else (left + 1, top - 3, top > 10)
        va = "top" if (number % 2 == 1) == outside else "bottom"
        x, y = (x, y) if outside else ((right - 4, bottom - 5) if number % 2 else (left + 4, top + 5))
        ax.text(x, y, text, fontsize=8, va=va, ha="right" if number % 2 else "left", bbox=box)
    title = f"What one unit sees, by layer, in pixels of {by(side, side)} ({spec.name})"
    ax.set(title=title, xlabel="column (pixels)", ylabel="row (pixels)")
    sides = ", ".join(f"{name} {table[name].receptive_field}" for name in layers)
    return _described(figure, f"{title}: nested squares on a photo with sides {sides}.")


# Predictions


def top5_bars(
    pictures: Sequence[Image.Image], predictions: Sequence[Any], true_labels: Sequence[str | None] = ()
) -> Figure:
    """Pictures with their five most probable labels below [paper, figure 4, left].

    Args:
        pictures: what the network saw.
        predictions: one per picture, with ``labels`` and ``probabilities``, most probable first.
        true_labels: what each shows, or ``None`` where the network knows no label for it.
    """
    columns = min(4, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = _figure(2.4 * columns, 4 * rows)
    for place, (picture, prediction) in enumerate(zip(pictures, predictions, strict=True)):
        truth = true_labels[place] if place < len(true_labels) else None
        row, column = divmod(place, columns)
        upper = figure.add_subplot(2 * rows, columns, 2 * row * columns + column + 1)
        upper.imshow(picture)
        _bare(upper, truth or "")
        lower = figure.add_subplot(2 * rows, columns, (2 * row + 1) * columns + column + 1)
        _label_bars(lower, prediction.labels[:5], [float(p) for p in prediction.probabilities[:5]], truth)
    tops = ", ".join(prediction.labels[0] for prediction in predictions)
    return _described(figure, f"Pictures with bars of their five most probable labels; first places: {tops}.")


def _label_bars(ax: Axes, labels: Sequence[str], probabilities: Sequence[float], truth: str | None) -> None:
    """Five bars, the labels written on them; the true label's bar is orange and says so."""
    places = range(len(labels))
    ax.barh(places, probabilities, color=[VERMILLION if label == truth else SKY for label in labels], height=0.8)
    for place, (label, probability) in enumerate(zip(labels, probabilities, strict=True)):
        mark = " ✓" if label == truth else ""
        ax.text(0.015, place, f"{label}{mark}", va="center", fontsize=8)
        ax.text(1, place, f"{probability:.1%}", va="center", ha="right", fontsize=8, color=GREY)
    ax.set(xlim=(0, 1), xlabel="probability", yticks=[])
    ax.invert_yaxis()
    ax.spines[["top", "right", "left"]].set_visible(False)


# Plots


def bars(
    values: Mapping[str, float],
    *,
    title: str,
    xlabel: str,
    log: bool = False,
    spread: Mapping[str, tuple[float, float]] | None = None,
    highlight: Sequence[str] = (),
    ax: Axes | None = None,
) -> Figure:
    """Named values as horizontal bars, the value at the end of each.

    Args:
        values: from name to value, drawn from top to bottom.
        title: what is compared.
        xlabel: the quantity and its unit.
        log: a logarithmic axis, on which equal distances are equal ratios.
        spread: from name to the low and high end of a line over the bar.
        highlight: names drawn in orange.
        ax: axes to draw on.
    """
    figure, ax = _axes(ax, 7.5, 1.1 + 0.34 * len(values))
    names, numbers = list(values), list(values.values())
    ax.barh(names, numbers, color=[VERMILLION if name in highlight else BLUE for name in names], log=log)
    ends = dict(zip(names, numbers, strict=True))
    for name, (low, high) in (spread or {}).items():
        ax.plot((low, high), (name, name), color="black", linewidth=2, marker="|")
        ends[name] = max(ends[name], high)
    for name, number in values.items():
        ax.annotate(f"{number:,.4g}", (ends[name], name), (4, 0), textcoords="offset points", va="center", fontsize=9)
    ax.margins(x=0.15)
    ax.invert_yaxis()
    _tidy(ax, title, xlabel=xlabel + (", logarithmic" if log else ""))
    ax.grid(axis="y", visible=False)
    return _described(figure, f"{title}: bars of {xlabel} for {', '.join(names)}.")


def curves(
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    log: str = "",
    colours: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Several lines over one axis, told apart by colour and, up to 30 points, by marker.

    Args:
        x: the common positions.
        series: from name to values.
        title: what is compared.
        xlabel: quantity and unit.
        ylabel: quantity and unit.
        bands: from a series' name to the low and high end of its spread.
        log: ``"x"``, ``"y"`` or ``"xy"`` for logarithmic axes.
        colours: from a series' name to its colour, where figures side by side should agree.
        ax: axes to draw on.
    """
    figure, ax = _axes(ax, 6.5, 4)
    for place, (name, values) in enumerate(series.items()):
        colour = (colours or {}).get(name, CYCLE[place % len(CYCLE)])
        marker = MARKERS[place % len(MARKERS)] if len(x) <= 30 else ""
        ax.plot(x, values, color=colour, marker=marker, markersize=5, linewidth=1.8, label=name)
        if bands and name in bands:
            ax.fill_between(x, *bands[name], color=colour, alpha=0.2, linewidth=0)
    if "x" in log:
        ax.set_xscale("log", base=2)
        ax.set_xticks(x, [f"{value:g}" for value in x])
    elif all(float(value).is_integer() for value in x):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if "y" in log:
        ax.set_yscale("log")
    if len(series) > 1:
        ax.legend(fontsize=9)
    _tidy(ax, title, xlabel, ylabel)
    return _described(figure, f"{title}: {ylabel} against {xlabel} for {', '.join(series)}.")


def learning_curve(
    steps: Sequence[float],
    losses: Mapping[str, Sequence[float]],
    errors: Mapping[str, Sequence[float]],
    *,
    xlabel: str = "epoch",
    title: str = "Learning curve",
) -> Figure:
    """Loss and error of a training run, side by side.

    Args:
        steps: where each value was taken.
        losses: from the set of pictures (``"training"``, ``"validation"``) to mean cross-entropies in nats.
        errors: from the set of pictures to error rates from 0 to 1.
        xlabel: what ``steps`` counts.
        title: of the whole figure.
    """
    figure = _figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    colours = dict(zip(dict.fromkeys((*losses, *errors)), CYCLE, strict=False))
    curves(steps, losses, title="Loss", xlabel=xlabel, ylabel="cross-entropy (nats)", colours=colours, ax=left)
    percent = {name: [100 * value for value in values] for name, values in errors.items()}
    curves(steps, percent, title="Error", xlabel=xlabel, ylabel="error (%)", colours=colours, ax=right)
    left.set_ylim(0, 1.1 * max(max(values) for values in losses.values()))
    right.set_ylim(0, 100)
    figure.suptitle(title)
    return _described(figure, f"{title}: loss and error over each {xlabel}, for {', '.join({**losses, **errors})}.")


def relu_and_tanh(result: Mapping[str, Any]) -> Figure:
    """Training error against epochs, as Fig. 1 of the paper: the mean of the seeds, with their spread.

    A curve ends where the first of its seeds does.

    Args:
        result: what ``experiments/fig1.py`` writes, such as ``assets/fig1.json``.
    """
    names = {"relu": "ReLU", "tanh": "tanh"}
    runs = {
        label: [run["errors"] for run in result["runs"] if run["activation"] == name] for name, label in names.items()
    }
    length = max(min(map(len, errors)) for errors in runs.values())
    step = result["window_pictures"] / result["training_pictures"]
    mean, low, high = (
        {name: _over_seeds(errors, statistic, length) for name, errors in runs.items()}
        for statistic in (fmean, min, max)
    )
    drawn = curves(
        [(i + 0.5) * step for i in range(length)],
        mean,
        bands={name: (low[name], high[name]) for name in runs},
        title="CIFAR-10, four layers, no regularisation",
        xlabel="epoch",
        ylabel="training error (%)",
    )
    drawn.axes[0].axhline(100 * result["target_error"], color="grey", linestyle=":")
    return drawn


def _over_seeds(errors: list[list[float]], statistic: Callable[[Any], float], length: int) -> list[float]:
    """Of each point that all seeds reached, in per cent; the rest is not a number."""
    found = [100 * statistic(point) for point in zip(*errors, strict=False)]
    return found + [nan] * (length - len(found))


def cost_bars(table: LayerTable, *, ax: Axes | None = None) -> Figure:
    """Where a network's parameters are and where its work is: each layer's share of both, back to back.

    Args:
        table: from ``layer_table(spec)``.
        ax: axes to draw on.
    """
    rows = [row for row in table if row.parameters]
    names = [row.name for row in rows]
    parameters = [100 * row.parameters / table.total_parameters for row in rows]
    macs = [100 * row.macs / table.total_macs for row in rows]
    figure, ax = _axes(ax, 8, 1.3 + 0.36 * len(rows))
    for values, side, colour in ((parameters, -1, BLUE), (macs, 1, VERMILLION)):
        ax.barh(names, [side * value for value in values], color=colour)
        for name, value in zip(names, values, strict=True):
            align = "left" if side > 0 else "right"
            ax.annotate(
                f"{value:.1f}", (side * value, name), (4 * side, 0), textcoords="offset points", ha=align, va="center"
            )
    limit = max(*parameters, *macs) * 1.2
    ax.set_xlim(-limit, limit)
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    ax.axvline(0, color="black", linewidth=1)
    ax.invert_yaxis()
    _tidy(ax, f"{table.spec.title}: two different places\n", xlabel="share of the whole network (%)")
    ax.grid(axis="y", visible=False)
    heads = (
        (0.25, BLUE, f"parameters ({table.total_parameters:,})"),
        (0.75, VERMILLION, f"MACs ({table.total_macs:,})"),
    )
    for x, colour, text in heads:
        ax.text(x, 1.02, text, transform=ax.transAxes, ha="center", color=colour, fontweight="bold")
    most = names[int(np.argmax(parameters))], names[int(np.argmax(macs))]
    return _described(
        figure, f"Shares of parameters and MACs by layer; most parameters in {most[0]}, most MACs in {most[1]}."
    )


def ilsvrc_history(results: Sequence[Mapping[str, Any]], *, ax: Axes | None = None) -> Figure:
    """Top-5 errors of the ImageNet challenge over the years, from data.

    Args:
        results: one mapping an entry with ``year``, ``team``, ``error`` (top-5, in %), ``kind`` (``"deep"`` or
            ``"other"``) and, if it is to be named, ``named`` (true).
        ax: axes to draw on.
    """
    figure, ax = _axes(ax, 8.5, 4.6)
    looks = {"other": ("hand-made features", GREY, "s"), "deep": ("deep network", VERMILLION, "o")}
    for kind, (label, colour, marker) in looks.items():
        entries = [entry for entry in results if entry["kind"] == kind]
        x, y = [entry["year"] for entry in entries], [entry["error"] for entry in entries]
        ax.scatter(x, y, color=colour, marker=marker, s=48, label=label, zorder=3)
    best = {
        year: min(e["error"] for e in results if e["year"] == year) for year in sorted({e["year"] for e in results})
    }
    ax.plot(list(best), list(best.values()), color="black", linewidth=1, zorder=2, label="best of the year")
    named = [entry for entry in results if entry.get("named", entry["error"] == best[entry["year"]])]
    ceiling: dict[int, float] = {}
    for entry in sorted(named, key=lambda entry: entry["error"]):
        year, error = int(entry["year"]), float(entry["error"])
        up = max(error + (0.4 if year % 2 else 1.4), ceiling.get(year, 0.0))  # labels of one year do not overlap
        ax.text(year + 0.12, up, f"{entry['team']} {error:.1f}", fontsize=9)
        ceiling[year] = up + 1.6
    ax.set_ylim(0, None)
    ax.set_xlim(min(best) - 0.3, max(best) + 1)
    ax.set_xticks(list(best))
    ax.legend(fontsize=9)
    _tidy(ax, "ImageNet challenge, classification", xlabel="year", ylabel="top-5 error on the test set (%)")
    drops = ", ".join(f"{year}: {error:.1f}" for year, error in best.items())
    return _described(figure, f"Top-5 test error of the ImageNet challenge by year; the best entries in %: {drops}.")


def roofline(
    points: Mapping[str, tuple[float, float]],
    *,
    peak_flops: float,
    bandwidth: float,
    title: str,
    ax: Axes | None = None,
) -> Figure:
    """What bounds each layer: the machine's arithmetic or its memory.

    Args:
        points: from a layer's name to its arithmetic intensity (FLOP a byte moved) and its measured speed (FLOP/s).
        peak_flops: the machine's highest measured speed, FLOP/s.
        bandwidth: the machine's highest measured memory traffic, byte/s.
        title: machine, dtype and batch.
        ax: axes to draw on.
    """
    figure, ax = _axes(ax, 7.5, 4.8)
    ridge = peak_flops / bandwidth
    span = [x for x, _ in points.values()] + [ridge]
    x = np.geomspace(min(span) / 2, max(span) * 2, 200)
    ax.plot(x, np.minimum(peak_flops, bandwidth * x) / 1e9, color="black", linewidth=2, label="measured limit")
    ax.axvline(ridge, color=GREY, linestyle=":", label=f"ridge at {ridge:.3g} FLOP/byte")
    below = 0
    for name, (intensity, speed) in sorted(points.items(), key=lambda item: item[1]):
        dense = name.startswith("fc")
        ax.plot(intensity, speed / 1e9, "D" if dense else "o", color=VERMILLION if dense else BLUE)
        below += not dense  # convolutions crowd under the roof, so their names go down in steps
        place = (8, -3) if dense else (-6, -18 - 14 * (below % 5))
        line = None if dense else {"arrowstyle": "-", "color": GREY, "linewidth": 0.7}
        ax.annotate(name, (intensity, speed / 1e9), place, textcoords="offset points", fontsize=9, arrowprops=line)
    ax.set(xscale="log", yscale="log")
    ax.legend(fontsize=9, loc="lower right")
    _tidy(ax, title, xlabel="arithmetic intensity (FLOP/byte)", ylabel="speed (GFLOP/s)")
    return _described(
        figure, f"{title}: measured speed of {', '.join(points)} under the limit that arithmetic and memory set."
    )


def model_map(
    models: Sequence[Mapping[str, Any]], *, title: str, highlight: Sequence[str] = ("alexnet",), ax: Axes | None = None
) -> Figure:
    """Networks by cost and accuracy; the area of a disc is its number of parameters.

    Args:
        models: one mapping a network with ``name``, ``macs``, ``top1`` (in %) and ``parameters``.
        title: with the source and the protocol of the accuracies.
        highlight: names drawn in orange.
        ax: axes to draw on.
    """
    figure, ax = _axes(ax, 8, 4.8)
    for model in models:
        colour = VERMILLION if model["name"] in highlight else BLUE
        place = model["macs"] / 1e9, model["top1"]
        area = model["parameters"] / 1e6 * 6  # in square points
        ax.scatter(*place, s=area, color=colour, alpha=0.45, edgecolor=colour)
        beside = (area / np.pi) ** 0.5 + 4, 0
        text = f"{model['name']}\n{model['parameters'] / 1e6:.1f} M"
        ax.annotate(text, place, beside, textcoords="offset points", fontsize=8, va="center")
    ax.set_xscale("log")
    ax.margins(0.15)
    _tidy(ax, title, xlabel="GMACs for one picture, logarithmic", ylabel="top-1 accuracy (%)")
    names = ", ".join(model["name"] for model in models)
    return _described(figure, f"{title}: accuracy against MACs, disc area for parameters, of {names}.")
