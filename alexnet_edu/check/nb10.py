"""Checks of notebook 10, make it yours."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from alexnet_edu.check.exercises import Inputs, exercise

__all__ = ["at_stake", "head_size", "learning", "other_kinds", "standardised"]


@exercise(
    "one weight for each feature and output, and one bias for each output.",
    right=lambda features, classes: (features + 1) * classes,
    hint="A linear layer: how many numbers make one output?",
    mistakes=[
        (lambda features, classes: features * classes, "Each output also has a bias."),
        (lambda features, classes: features * classes + 1, "Each output has a bias of its own."),
        (lambda features, classes: features + classes, "Every output looks at every feature."),
        (lambda features, classes: (classes + 1) * features, "The bias belongs to an output, not to a feature."),
    ],
)
def head_size() -> Iterable[Inputs]:
    """Exercise 1: how many numbers a new last layer learns: ``(features, classes)``."""
    return [(512, 2), (4096, 2), (512, 101), (3, 5)]


def _other_kinds(kinds: list[str], chosen: list[int]) -> list[int]:
    known = {kinds[i] for i in chosen}
    return [i for i, kind in enumerate(kinds) if kind not in known]


@exercise(
    "no kind is on both sides, so what is measured is more than memory.",
    right=_other_kinds,
    hint="Which kinds do the chosen photos show? Those are out, with all their photos.",
    mistakes=[
        (
            lambda kinds, chosen: [i for i in range(len(kinds)) if i not in chosen],
            "Other photos of the same kinds are still in: leave the whole kind out.",
        ),
        (
            lambda kinds, chosen: [i for i, kind in enumerate(kinds) if kind in {kinds[j] for j in chosen}],
            "Those are the photos of the chosen kinds; the others are wanted.",
        ),
        (
            lambda kinds, chosen: sorted({kinds[i] for i in _other_kinds(kinds, chosen)}),
            "Those are the kinds; the numbers of their photos are wanted.",
        ),
    ],
)
def other_kinds() -> Iterable[Inputs]:
    """Exercise 2: numbers of the photos whose kind no chosen photo shows: ``(kinds, chosen)``."""
    return [
        (["cat", "dog", "cat", "cup", "dog", "pen"], [0, 3]),
        (["a", "b", "c", "a", "b", "c"], [5]),
        (["a", "b"], []),
    ]


@exercise(
    "what is frozen is a beginning of the network, the named layer included.",
    right=lambda layers, last: layers[layers.index(last) + 1 :],
    hint="Layers stand in order. Where does the frozen part end?",
    mistakes=[
        (lambda layers, last: layers[layers.index(last) :], "The named layer is frozen, too."),
        (lambda layers, last: layers[: layers.index(last) + 1], "Those are the frozen ones."),
        (lambda layers, last: layers[: layers.index(last)], "Those are frozen; which ones still learn?"),
        (lambda layers, last: [layers[-1]], "Every layer after the named one learns, not the last alone."),
    ],
)
def learning() -> Iterable[Inputs]:
    """Exercise 3: which layers still learn when all up to ``last`` are frozen: ``(layers, last)``."""
    layers = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
    return [(layers, "conv5"), (layers, "conv1"), (layers, "fc6")]


def _standardised(features: Tensor, chosen: list[int]) -> Tensor:
    rows = features - features[chosen].mean(0)
    scaled: Tensor = rows / rows[chosen].norm(dim=1).mean()
    return scaled


@exercise(
    "the photos that are measured had no say in it.",
    right=_standardised,
    hint=("Which rows decide on the mean, and which on the length?", "First subtract, then take the rows' lengths."),
    mistakes=[
        (
            lambda f, chosen: (f - f.mean(0)) / (f - f.mean(0)).norm(dim=1).mean(),
            "The photos to be measured took part in the mean: use the chosen rows alone.",
        ),
        (
            lambda f, chosen: (f - f[chosen].mean(0)) / (f - f[chosen].mean(0)).norm(dim=1).mean(),
            "The mean is right; the photos to be measured took part in the length.",
        ),
        (lambda f, chosen: f - f[chosen].mean(0), "Centred; their length is still what it was."),
        (lambda f, chosen: _standardised(f, chosen)[chosen], "All rows are wanted, not the chosen ones alone."),
        (
            lambda f, chosen: (f - f[chosen].mean(0)) / f[chosen].norm(dim=1).mean(),
            "Take the lengths after the subtraction.",
        ),
        (lambda f, chosen: f - f[chosen].mean(), "That is one mean for all features; each feature has its own."),
    ],
)
def standardised() -> Iterable[Inputs]:
    """Exercise 4: features with the chosen photos' mean and length taken out: ``(features (N, F), chosen)``."""
    return [(torch.rand(6, 4) + torch.arange(4) + torch.arange(6)[:, None], [0, 2, 3])]


@exercise(
    "the interval shrinks with the root of the number of photos.",
    right=lambda share, half_width: round(1.96**2 * share * (1 - share) / half_width**2),
    rtol=0.02,
    hint=("How wide is the interval for n photos?", "Half of it is 1.96 standard errors: how do they shrink with n?"),
    mistakes=[
        (lambda p, h: round(p * (1 - p) / h**2), "That is for one standard error; 95 % take 1.96 of them."),
        (lambda p, h: round(1.96 * p * (1 - p) / h**2), "The 1.96 is inside the root as well: square it."),
        (lambda p, h: round(1.96**2 * p * (1 - p) / h), "The half width is a root: square it."),
        (lambda p, h: round(1.96**2 * p * (1 - p) / (h / 2) ** 2), "`half_width` is already half of the interval."),
    ],
)
def at_stake() -> Iterable[Inputs]:
    """Exercise 5: how many photos pin a share down to plus or minus ``half_width`` (95 %): ``(share, half_width)``."""
    return [(0.75, 0.05), (0.5, 0.1), (0.9, 0.02)]
