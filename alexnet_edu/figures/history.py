"""The ImageNet challenge over the years."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alexnet_edu.figures.parts import axes_for, described, tidy
from alexnet_edu.palette import GREY, VERMILLION

__all__ = ["ilsvrc_history"]


def ilsvrc_history(results: Sequence[Mapping[str, Any]], *, ax: Axes | None = None) -> Figure:
    """Top-5 errors of the ImageNet challenge over the years, from data.

    Args:
        results: one mapping an entry with ``year``, ``team``, ``error`` (top-5, in %), ``kind`` (``"deep"`` or
            ``"other"``) and, if it is to be named, ``named`` (true).
        ax: axes to draw on.
    """
    figure, ax = axes_for(ax, 8.5, 4.6)
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
    tidy(ax, "ImageNet challenge, classification", xlabel="year", ylabel="top-5 error on the test set (%)")
    drops = ", ".join(f"{year}: {error:.1f}" for year, error in best.items())
    return described(figure, f"Top-5 test error of the ImageNet challenge by year; the best entries in %: {drops}.")
