"""The learning curves of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["learning_curves"]


def learning_curves(history: list[dict[str, Any]]) -> Figure:
    """Loss on the left, shares of right answers on the right, over epochs.

    Args:
        history: the lines of ``log.jsonl``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [line["epoch"] for line in history]
    left.plot(epochs, [line["loss"] for line in history], color="#0072B2")
    left.set(title="Training loss", xlabel="epoch", ylabel="cross-entropy (nats)")
    for key, label, colour in (
        ("train_top1", "training, augmented", "#0072B2"),
        ("val_top1", "validation", "#D55E00"),
        ("val_mean_per_class", "validation, mean per class", "#009E73"),
    ):
        if key in history[-1]:
            right.plot(epochs, [100 * line[key] for line in history], label=label, color=colour)
    right.set(title="Top-1 accuracy", xlabel="epoch", ylabel="right answers (%)")
    right.legend()
    return figure
