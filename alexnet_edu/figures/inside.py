"""What is inside a network: filters, feature maps, receptive fields, and maps laid over the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from alexnet_edu import tiles
from alexnet_edu.errors import AlexNetError
from alexnet_edu.figures.parts import (
    GRID_PIXELS,
    MARKERS,
    as_array,
    axes_for,
    bare,
    colour_bar,
    described,
    draw_picture,
    new_figure,
    tidy,
)
from alexnet_edu.geometry import layer_table, receptive_field_box
from alexnet_edu.palette import CYCLE, by
from alexnet_edu.specs import Conv, Spec

__all__ = [
    "feature_map_grid",
    "filter_grid",
    "heat_over",
    "receptive_fields",
    "strongest_map_grid",
    "tower_filters",
    "tower_scores",
]

_TOWER_COLUMNS = 12
_PANEL = 640  # pixels: a sheet of maps beside others, twice what a page shows


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
    picture, how = seen.picture(width=GRID_PIXELS), seen.how
    shape = by(*weights.shape[2:], weights.shape[1])
    title = (
        title
        or (f"{layer}: filter {channel} of" if view == "channels" else f"{layer}:")
        + f" {len(weights)} filters of {shape}"
    )
    figure, ax = axes_for(ax, 8, 0.6 + 7.8 * picture.height / picture.width)
    draw_picture(ax, picture, "nearest")
    bare(ax, f"{title}\n{how}")
    return described(figure, f"{title}; {how}.")


def _weights(model: Any, layer: str) -> tuple[NDArray[Any], int]:
    """The filters and the groups of a layer, from a model or straight from an array."""
    if not hasattr(model, "spec"):
        return as_array(model), 1
    from alexnet_edu.features import filters

    found = model.spec[layer]
    if not isinstance(found, Conv):
        valid = ", ".join(each.name for each in model.spec.layers if isinstance(each, Conv))
        raise AlexNetError(f"{layer} has no filters to draw; choose one of {valid}.")
    return as_array(filters(model, layer)), found.groups


def tower_filters(weights: Any, *, towers: int = 2, title: str) -> Figure:
    """A first layer's filters by tower, the strongest of each first, all on one scale [paper, figure 3].

    Args:
        weights: ``(O, 3, kH, kW)``; the towers' filters one after the other.
        towers: how many there are.
        title: what is shown.
    """
    filters = as_array(weights)
    colours = tiles.filters_to_rgb(filters)
    lengths = np.linalg.norm(filters.reshape(len(filters), -1), axis=1)
    parts = np.split(np.arange(len(filters)), towers)
    ordered = [part[np.argsort(-lengths[part], kind="stable")] for part in parts]
    pictures = [tiles.tile_pictures(colours[part], columns=_TOWER_COLUMNS, width=GRID_PIXELS) for part in ordered]
    figure = new_figure(8, 0.9 + sum(7.6 * each.height / each.width for each in pictures) + 0.1 * towers)
    axes = figure.subplots(towers, 1, squeeze=False).ravel()
    for number, (ax, picture) in enumerate(zip(axes, pictures, strict=True), 1):
        draw_picture(ax, picture, "nearest")
        ax.set_ylabel(f"tower {number}", fontsize=12, color=CYCLE[number - 1], weight="bold")
        ax.set(xticks=[], yticks=[])
        ax.spines[["top", "right", "bottom"]].set_visible(False)
        ax.spines["left"].set(color=CYCLE[number - 1], linewidth=4)
    how = f"strongest first; mid-grey is weight 0, full colour is ±{tiles.full_colour(filters):.3g} and beyond"
    figure.suptitle(f"{title}\n{how}", fontsize=11)
    return described(figure, f"{title}, in {towers} blocks, one for each tower; {how}.")


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
    figure, ax = axes_for(ax, 1.5 + 1.6 * len(scores), 4)
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
    tidy(ax, title, ylabel=f"{ylabel} (line: mean)")
    return described(figure, f"{title}: {ylabel} of every filter by tower, for {', '.join(scores)}.")


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
    values = as_array(maps)
    values = values[0] if values.ndim == 4 and len(values) == 1 else values
    signed = bool((values < 0).any()) if signed is None else signed
    limits = tiles.shared_range(values, signed=signed)
    picture = tiles.tile_maps(values, signed=signed, limits=limits, width=GRID_PIXELS)
    if ax is None and crop is not None:
        figure = new_figure(9.5, 0.9 + 6.1 * picture.height / picture.width)
        left, ax = figure.subplots(1, 2, width_ratios=(1, 2.6))
        left.imshow(crop)
        bare(left, f"what the\nnetwork saw\n{by(crop.height, crop.width)} px", fontsize=9)
    else:
        figure, ax = axes_for(ax, 8, 0.9 + 7 * picture.height / picture.width)
    dead = int(tiles.dead_maps(values).sum())
    title = f"{layer}: {len(values)} maps of {by(*values.shape[1:])}".removeprefix(": ")
    note = f"{dead} of {len(values)} are zero everywhere"
    draw_picture(ax, picture, "antialiased")
    colour_bar(ax, limits, signed=signed, label="activation (one scale for all maps)")
    bare(ax, f"{title}\nvalues {values.min():.3g} to {values.max():.3g}; {note}")
    return described(figure, f"{title} on one scale; {note}.")


def strongest_map_grid(
    maps: Any, crop: Image.Image | None = None, *, layer: str, filters: Any = None, count: int = 16
) -> Figure:
    """A layer's strongest maps twice, on one scale for all and each on its own, beside what made them.

    Args:
        maps: ``(C, H, W)`` or ``(1, C, H, W)``; with a value below zero, zero is white.
        crop: the picture as the network saw it.
        layer: the layer's name for the title.
        filters: ``(C, 3, kH, kW)``, for a layer that reads colours; each is drawn at its own full colour.
        count: how many maps.

    Raises:
        AlexNetError: the maps have another shape.
    """
    values = as_array(maps)
    values = values[0] if values.ndim == 4 and len(values) == 1 else values
    numbers = tiles.strongest_maps(values, count)
    labels = [str(number) for number in numbers]
    panels = _map_sheets(values[numbers], labels)
    if filters is not None:
        colours = tiles.filters_to_rgb(as_array(filters)[numbers], shared=False)
        panels = {"their filters": tiles.tile_pictures(colours, labels=labels, width=_PANEL), **panels}
    if crop is not None:
        panels = {"what the network saw": crop, **panels}
    columns = 2 if len(panels) == 4 else len(panels)
    rows = -(-len(panels) // columns)
    figure = new_figure(3.3 * columns, 3.7 * rows + 0.3)
    for ax, (text, panel) in zip(np.ravel(figure.subplots(rows, columns)), panels.items(), strict=True):
        draw_picture(ax, panel, "antialiased")
        bare(ax, text)
    title = f"{layer}: the {len(numbers)} strongest of {len(values)} maps of {by(*values.shape[1:])}"
    figure.suptitle(title)
    return described(figure, f"{title}, strongest first: {', '.join(panels)}.")


def _map_sheets(maps: NDArray[Any], labels: Sequence[str]) -> dict[str, Image.Image]:
    """The maps ``(N, H, W)`` on one scale for all, and each on its own."""
    signed = bool((maps < 0).any())
    low, high = tiles.shared_range(maps, signed=signed)
    own, limits = tiles.own_scales(maps), (-1.0 if signed else 0.0, 1.0)
    return {
        f"one scale, {low:.3g} to {high:.3g}": tiles.tile_maps(maps, signed=signed, labels=labels, width=_PANEL),
        "each its own scale": tiles.tile_maps(own, signed=signed, limits=limits, labels=labels, width=_PANEL),
    }


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
    values = as_array(values)
    limits = tiles.shared_range(values, signed=signed)
    jump = jump or crop.height / len(values)
    start = jump / 2 if start is None else start
    over = tiles.overlay(np.asarray(crop), values, start=start, jump=jump, limits=limits, signed=signed, box=box)
    figure = new_figure(9, 3.5)
    left, middle, right = figure.subplots(1, 3)
    left.imshow(crop)
    middle.imshow(values, cmap="RdBu_r" if signed else "viridis", vmin=limits[0], vmax=limits[1])
    right.imshow(over)
    for ax, text in ((left, "what the network saw"), (middle, label), (right, "laid over the picture")):
        bare(ax, text)
    colour_bar(middle, limits, signed=signed, label="")
    figure.suptitle(title)
    return described(figure, f"{title}: {label}, beside and over the picture.")


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
    figure, ax = axes_for(ax, 6, 6)
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
    return described(figure, f"{title}: nested squares on a photo with sides {sides}.")
