"""How networks learn: curves of loss and error, and the paper's figure 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import nan
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

from alexnet_edu.figures.parts import described, new_figure
from alexnet_edu.figures.plots import curves
from alexnet_edu.palette import CYCLE

__all__ = ["learning_curve", "relu_and_tanh"]


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
    figure = new_figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    colours = dict(zip(dict.fromkeys((*losses, *errors)), CYCLE, strict=False))
    curves(steps, losses, title="Loss", xlabel=xlabel, ylabel="cross-entropy (nats)", colours=colours, ax=left)
    percent = {name: [100 * value for value in values] for name, values in errors.items()}
    curves(steps, percent, title="Error", xlabel=xlabel, ylabel="error (%)", colours=colours, ax=right)
    left.set_ylim(0, 1.1 * max(max(values) for values in losses.values()))
    right.set_ylim(0, 100)
    figure.suptitle(title)
    return described(figure, f"{title}: loss and error over each {xlabel}, for {', '.join({**losses, **errors})}.")


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
