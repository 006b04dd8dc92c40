"""What networks cost: shares of parameters and multiply-accumulates, rooflines, networks beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alexnet_edu.figures.parts import axes_for, described, tidy
from alexnet_edu.geometry import LayerTable
from alexnet_edu.palette import BLUE, GREY, VERMILLION

__all__ = ["cost_bars", "model_map", "roofline"]


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
    figure, ax = axes_for(ax, 8, 1.3 + 0.36 * len(rows))
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
    tidy(ax, f"{table.spec.title}: two different places\n", xlabel="share of the whole network (%)")
    ax.grid(axis="y", visible=False)
    heads = (
        (0.25, BLUE, f"parameters ({table.total_parameters:,})"),
        (0.75, VERMILLION, f"MACs ({table.total_macs:,})"),
    )
    for x, colour, text in heads:
        ax.text(x, 1.02, text, transform=ax.transAxes, ha="center", color=colour, fontweight="bold")
    most = names[int(np.argmax(parameters))], names[int(np.argmax(macs))]
    return described(
        figure, f"Shares of parameters and MACs by layer; most parameters in {most[0]}, most MACs in {most[1]}."
    )


def roofline(
    points: Mapping[str, tuple[float, float]],
    *,
    peak_flops: float,
    bandwidth: float,
    title: str,
    spread: Mapping[str, tuple[float, float]] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """What bounds each layer: the machine's arithmetic or its memory.

    Args:
        points: from a layer's name to its arithmetic intensity (FLOP a byte moved) and its measured speed (FLOP/s).
        peak_flops: the machine's highest measured speed, FLOP/s.
        bandwidth: the machine's highest measured memory traffic, byte/s.
        title: machine, dtype and batch.
        spread: from a layer's name to the quartiles of its speed (FLOP/s).
        ax: axes to draw on.
    """
    figure, ax = axes_for(ax, 7.5, 4.8)
    ridge = peak_flops / bandwidth
    span = [x for x, _ in points.values()] + [ridge]
    x = np.geomspace(min(span) / 2, max(span) * 2, 200)
    ax.plot(x, np.minimum(peak_flops, bandwidth * x) / 1e9, color="black", linewidth=2, label="measured limit")
    ax.axvline(ridge, color=GREY, linestyle=":", label=f"ridge at {ridge:.3g} FLOP/byte")
    below = 0
    for name, (intensity, speed) in sorted(points.items(), key=lambda item: item[1]):
        dense = name.startswith("fc")
        colour = VERMILLION if dense else BLUE
        if spread:
            ax.plot([intensity] * 2, [end / 1e9 for end in spread[name]], color=colour, linewidth=1)
        ax.plot(intensity, speed / 1e9, "D" if dense else "o", color=colour)
        below += not dense  # convolutions crowd under the roof, so their names go down in steps
        place = (8, -3) if dense else (-6, -18 - 14 * (below % 5))
        line = None if dense else {"arrowstyle": "-", "color": GREY, "linewidth": 0.7}
        ax.annotate(name, (intensity, speed / 1e9), place, textcoords="offset points", fontsize=9, arrowprops=line)
    ax.set(xscale="log", yscale="log")
    ax.legend(fontsize=9, loc="lower right")
    tidy(ax, title, xlabel="arithmetic intensity (FLOP/byte)", ylabel="speed (GFLOP/s)")
    return described(
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
    figure, ax = axes_for(ax, 8, 4.8)
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
    tidy(ax, title, xlabel="GMACs for one picture, logarithmic", ylabel="top-1 accuracy (%)")
    names = ", ".join(model["name"] for model in models)
    return described(figure, f"{title}: accuracy against MACs, disc area for parameters, of {names}.")
