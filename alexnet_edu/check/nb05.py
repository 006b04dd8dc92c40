"""Checks of notebook 05, filters."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from alexnet_edu import features
from alexnet_edu.check.exercises import Inputs, exercise

__all__ = ["chroma", "concentration", "opposite", "p_value", "without_colour"]


def _filters(count: int = 6, size: int = 11) -> Tensor:
    """Random filters ``(count, 3, size, size)``; the first is grey, the second has no grey in it, the last is weak."""
    weights = torch.randn(count, 3, size, size)
    weights[0] = weights[0].mean(0)
    weights[1] -= weights[1].mean(0)
    weights[-1] *= 0.01
    return weights


def _energy(weights: Tensor) -> Tensor:
    return weights.square().sum((1, 2, 3))


def _grey(weights: Tensor) -> Tensor:
    return weights.mean(1, keepdim=True).expand_as(weights)


@exercise(
    "0 for a grey filter, 1 for one that grey light cannot excite, and no matter how strong it is.",
    right=features.chroma,
    rtol=1e-4,
    hint=("Try a filter whose three channels are equal, and one of twice its strength.", "What should both give?"),
    mistakes=[
        (lambda w: features.chroma(w).sqrt(), "That is the ratio of lengths; energy is its square."),
        (lambda w: 1 - features.chroma(w), "That is the grey share; the chroma score is the rest."),
        (lambda w: _energy(w - w.mean((1, 2, 3), keepdim=True)) / _energy(w), "You subtracted one mean per filter; the "
         "grey part has a value of its own at every place."),
        (lambda w: _energy(w - w.mean((2, 3), keepdim=True)) / _energy(w),
         "You subtracted the mean of each colour; the "
         "grey part is a mean *over* the colours."),
        (lambda w: _energy(w - _grey(w)), "That is an energy; which share of the filter's is it?"),
        (lambda w: (w - _grey(w)).abs().sum((1, 2, 3)) / w.abs().sum((1, 2, 3)), "Energy is a sum of squares, not of "
         "absolute values."),
        (lambda w: features.chroma(w).mean(), "One number for each filter is wanted."),
    ],
)  # fmt: skip
def chroma() -> Iterable[Inputs]:
    """Exercise 2: the share of each filter's energy that is not grey: ``(O, 3, H, W)`` to ``(O,)``."""
    return [(_filters(),), (_filters(4, 5),)]


def _cosines(weights: Tensor) -> Tensor:
    unit = torch.nn.functional.normalize(weights.flatten(1))
    return unit @ unit.T


@exercise(
    "the filter that answers where this one is silent.",
    right=lambda weights: _cosines(weights).argmin(1).tolist(),
    hint=("Which cosine belongs to the opposite direction?", "How long are the two filters that you compare?"),
    mistakes=[
        (lambda w: (w.flatten(1) @ w.flatten(1).T).argmin(1), "Without dividing by the lengths, the strongest filter "
         "wins: compare directions alone."),
        (lambda w: (_cosines(w) - 2 * torch.eye(len(w))).argmax(1), "Those are the most similar ones."),
        (lambda w: _cosines(w).argmax(1), "Each filter is most similar to itself; the opposite is wanted."),
        (lambda w: _cosines(w).abs().argmin(1), "Those are nearly at right angles: which sign does an opposite have?"),
        (lambda w: _cosines(w).amin(1), "Those are the cosines; which filters do they belong to?"),
        (lambda w: torch.cdist(w.flatten(1), w.flatten(1)).argmax(1), "The farthest filter is mostly a strong one; "
         "compare directions alone."),
    ],
)  # fmt: skip
def opposite() -> Iterable[Inputs]:
    """Exercise 1: for each filter the number of the one with the most negative cosine: ``(O, ...)`` to ``(O,)``."""
    weights = torch.randn(8, 3, 5, 5) * torch.logspace(-1, 1, 8)[:, None, None, None]
    weights[6] = -0.2 * weights[1] + 0.01 * torch.randn(3, 5, 5)
    return [(weights,), (torch.randn(5, 4, 3, 3),)]


def _strongest(spectrum: Tensor, count: int = 12) -> Tensor:
    return spectrum.topk(count).values.sum(1) / spectrum.sum(1)


def _spectrum(weights: Tensor, *, power: int = 2, centre: bool = True) -> Tensor:
    centred = weights - weights.mean((2, 3), keepdim=True) if centre else weights
    spectrum: Tensor = torch.fft.fft2(centred).abs().pow(power).sum(1).flatten(1)
    return spectrum


@exercise(
    "1 would be all of the power; white noise has about a fifth, because the strongest are chosen after looking.",
    right=features.concentration,
    rtol=1e-3,
    hint=("How many values does each filter have before you choose the strongest?", "What do they sum to?"),
    mistakes=[
        (lambda w: _strongest(_spectrum(w, centre=False)), "The mean is still in: its frequency 0 outshines the "
         "pattern."),
        (lambda w: _strongest(_spectrum(w, power=1)), "Those are amplitudes; what is power?"),
        (lambda w: _strongest(torch.fft.rfft2(w - w.mean((2, 3), keepdim=True)).abs().square().sum(1).flatten(1)),
         "rfft2 leaves half of the frequencies out, so the others count twice as much."),
        (lambda w: _strongest(torch.fft.fft2(w - w.mean((2, 3), keepdim=True)).abs().square().flatten(1)),
         "You choose among the frequencies of all three colours; add the colours' power first."),
        (lambda w: _strongest(torch.fft.fft2((w - w.mean((2, 3), keepdim=True)).sum(1)).abs().square().flatten(1)),
         "You added the colours before the transform, so opposite colours cancel: add their power."),
        (lambda w: _strongest(torch.fft.fft2(w - w.mean((1, 2, 3), keepdim=True)).abs().square().sum(1).flatten(1)),
         "Each colour has a mean of its own; you subtracted one for all three."),
        (lambda w: _strongest(_spectrum(w), 13), "A tenth of 121 frequencies, rounded down: count yours."),
        (lambda w: _spectrum(w).topk(12).values.sum(1), "That is a power; which share of all power is it?"),
    ],
)  # fmt: skip
def concentration() -> Iterable[Inputs]:
    """Exercise 5: share of power in the strongest tenth of the frequencies: ``(O, 3, 11, 11)`` to ``(O,)``."""
    means = torch.tensor([0.5, -0.5, 1.0])[:, None, None]  # which have to go
    return [(_filters() + means,), (_filters(3) + means,)]


def _p(observed: float, shuffled: Tensor) -> float:
    return (shuffled.abs() >= abs(observed)).double().mean().item()


@exercise(
    "how often chance alone does as well, in either direction.",
    right=_p,
    hint="Count by hand which of these shuffles are at least as large in size.",
    mistakes=[
        (lambda o, s: (s >= o).double().mean(), "Either tower may come out more colourful, so compare sizes."),
        (lambda o, s: (s >= abs(o)).double().mean(), "Shuffles may be large in the other direction, too."),
        (lambda o, s: (s.abs() >= o).double().mean(), "The observed difference may be negative, too."),
        (lambda o, s: (s.abs() > abs(o)).double().mean(), "*At least* as large: what about those that are equal?"),
        (lambda o, s: len(s) * _p(o, s), "That is a count; which share of the shuffles is it?"),
        (lambda o, s: 1 - _p(o, s), "Those are the shuffles that are smaller."),
        (lambda o, s: 100 * _p(o, s), "That is in per cent; a share from 0 to 1 is wanted."),
    ],
)
def p_value() -> Iterable[Inputs]:
    """Exercise 3: share of the shuffled differences at least as large in size as the observed one."""
    shuffled = torch.tensor([-0.5, -0.375, -0.25, -0.125, 0.0, 0.0625, 0.25, 0.3125])
    return [(0.25, shuffled), (-0.3125, shuffled), (0.75, shuffled)]


@exercise(
    "three equal channels: it answers to brightness and no longer to colour.",
    right=_grey,
    hint="Look at one place of one filter: which three numbers should stand there?",
    mistakes=[
        (lambda w: w - _grey(w), "That is the colour part; keep the other one."),
        (lambda w: 3 * _grey(w), "The sum of the channels is three times too strong for grey light."),
        (lambda w: w[:, :1].expand_as(w), "You kept the red channel; green and blue count, too."),
        (lambda w: w.mean((1, 2, 3), keepdim=True).expand_as(w), "You took one mean for the whole filter, and its "
         "pattern is gone."),
        (lambda w: w.mean(1), "The result keeps its three channels."),
        (lambda w: w.mean(1, keepdim=True), "The result keeps its *three* channels; yours has one."),
    ],
)  # fmt: skip
def without_colour() -> Iterable[Inputs]:
    """Exercise 6: filters ``(O, 3, H, W)`` whose three channels are replaced by their mean."""
    return [(_filters(),), (_filters(3, 4),)]
