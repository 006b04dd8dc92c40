"""Predictions, as the paper's figure 4 shows them, and how far their confidence can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from alexnet_edu.figures.parts import as_array, bare, described, new_figure, tidy
from alexnet_edu.intervals import wilson
from alexnet_edu.labels import in_words
from alexnet_edu.palette import BLUE, GREY, INK, SKY, VERMILLION

__all__ = ["reliability", "top5_bars"]


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
        over = probability > 0.75  # the bar reaches under the number
        ax.text(1, place, f"{probability:.1%}", va="center", ha="right", fontsize=8, color=INK if over else GREY)
    ax.set(xlim=(0, 1), xlabel="probability", yticks=[])
    ax.invert_yaxis()
    ax.spines[["top", "right", "left"]].set_visible(False)


def reliability(confidences: Any, right: Any, *, title: str, bins: int = 8) -> Figure:
    """How often answers of a given confidence are right, and how many there are of each [Guo et al. 2017, figure 1].

    On the dashed line lies who is right as often as the confidence says; above it, the network is too modest.

    Args:
        confidences: the probability of each picture's first label, 0 to 1.
        right: whether that label was right.
        title: of which network, on which pictures.
        bins: parts of equal width; those without a picture are left out.
    """
    confidences, right = as_array(confidences).astype(float), as_array(right).astype(float)
    edges = np.linspace(0, 1, bins + 1)
    place = np.digitize(confidences, edges[1:-1])
    figure = new_figure(5.4, 5)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    upper.plot((0, 1), (0, 1), color=GREY, linestyle="--", label="as sure as it is right")
    for number in np.unique(place):
        inside = place == number
        middle, share = confidences[inside].mean(), right[inside].mean()
        upper.plot((middle, middle), wilson(right[inside].sum(), inside.sum()), color=BLUE, linewidth=1.5)
        upper.plot(middle, share, "o", color=BLUE, label="right, with 95 % interval" if number == place.min() else None)
    upper.axhline(right.mean(), color=VERMILLION, linewidth=1, label=f"right in all: {right.mean():.2f}")
    upper.set(xlim=(0, 1), ylim=(0, 1.03))
    upper.legend(fontsize=8, loc="best")
    tidy(upper, f"{title}\nmean confidence {confidences.mean():.2f}", ylabel="share that is right")
    lower.hist(confidences, edges, color=SKY, edgecolor="white")
    tidy(lower, "", xlabel="confidence: probability of the first label", ylabel="pictures")
    return described(
        figure,
        f"{title}: share of right answers against confidence; mean confidence {confidences.mean():.2f}, "
        f"right {right.mean():.2f}.",
    )
