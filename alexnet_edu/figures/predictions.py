"""Predictions, as the paper's figure 4 shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from alexnet_edu.figures.parts import bare, described, new_figure
from alexnet_edu.labels import in_words
from alexnet_edu.palette import GREY, SKY, VERMILLION

__all__ = ["top5_bars"]


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
    figure = new_figure(2.4 * columns, 4 * rows)
    for place, (picture, prediction) in enumerate(zip(pictures, predictions, strict=True)):
        truth = true_labels[place] if place < len(true_labels) else None
        row, column = divmod(place, columns)
        upper = figure.add_subplot(2 * rows, columns, 2 * row * columns + column + 1)
        upper.imshow(picture)
        bare(upper, in_words(truth) if truth else "")
        lower = figure.add_subplot(2 * rows, columns, (2 * row + 1) * columns + column + 1)
        _label_bars(lower, prediction.labels[:5], [float(p) for p in prediction.probabilities[:5]], truth)
    tops = ", ".join(in_words(prediction.labels[0]) for prediction in predictions)
    return described(figure, f"Pictures with bars of their five most probable labels; first places: {tops}.")


def _label_bars(ax: Axes, labels: Sequence[str], probabilities: Sequence[float], truth: str | None) -> None:
    """Five bars, the labels written on them; the true label's bar is orange and says so."""
    places = range(len(labels))
    ax.barh(places, probabilities, color=[VERMILLION if label == truth else SKY for label in labels], height=0.8)
    for place, (label, probability) in enumerate(zip(labels, probabilities, strict=True)):
        mark = " ✓" if label == truth else ""
        ax.text(0.015, place, f"{in_words(label)}{mark}", va="center", fontsize=8)
        ax.text(1, place, f"{probability:.1%}", va="center", ha="right", fontsize=8, color=GREY)
    ax.set(xlim=(0, 1), xlabel="probability", yticks=[])
    ax.invert_yaxis()
    ax.spines[["top", "right", "left"]].set_visible(False)
