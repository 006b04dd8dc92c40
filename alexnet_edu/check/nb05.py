"""Checks of notebook 05, filters."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from alexnet_edu import features
from alexnet_edu.check import check, close, expect, same
from alexnet_edu.check.common import alike

__all__ = ["chroma", "concentration", "opposite", "p_value", "without_colour"]


def _filters() -> Tensor:
    """Random filters ``(6, 3, 11, 11)``; the first is grey, the second has no grey in it, the last is weak."""
    weights = torch.randn(6, 3, 11, 11)
    weights[0] = weights[0].mean(0)
    weights[1] -= weights[1].mean(0)
    weights[5] *= 0.01
    return weights


@check("0 for a grey filter, 1 for one that grey light cannot excite, and no matter how strong it is.")
def chroma(function: Callable[[Tensor], Tensor]) -> None:
    """The share of each filter's energy that is not grey: ``(O, 3, H, W)`` to ``(O,)``."""
    weights = _filters()
    got, want = function(weights), features.chroma(weights)
    if isinstance(got, Tensor) and got.shape == want.shape:
        expect(not alike(got, want.sqrt()), "That is the ratio of lengths; energy is its square.")
        expect(not alike(got, 1 - want), "That is the grey share; the chroma score is the rest.")
        centred = weights - weights.mean((1, 2, 3), keepdim=True)
        share = centred.square().sum((1, 2, 3)) / weights.square().sum((1, 2, 3))
        expect(
            not alike(got, share),
            "You subtracted one mean per filter; the grey part is the mean over the three colours at every place.",
        )
    close(got, want, "Subtract the mean over the colours (keepdim=True), square, sum, divide by the filter's energy.")


@check("the filter that answers where this one is silent.")
def opposite(function: Callable[[Tensor], Tensor]) -> None:
    """For each filter the number of the one with the most negative cosine: ``(O, ...)`` to ``(O,)``."""
    weights = torch.randn(8, 3, 5, 5) * torch.logspace(-1, 1, 8)[:, None, None, None]
    weights[6] = -0.2 * weights[1] + 0.01 * torch.randn(3, 5, 5)
    unit = torch.nn.functional.normalize(weights.flatten(1))
    want = (unit @ unit.T).argmin(1)
    got = function(weights)
    if isinstance(got, Tensor) and got.shape == want.shape:
        flat = weights.flatten(1)
        expect(
            got.tolist() != (flat @ flat.T).argmin(1).tolist(),
            "Without dividing by the lengths, the strongest filter wins; normalise each filter first.",
        )
        expect(
            got.tolist() != (unit @ unit.T - 2 * torch.eye(8)).argmax(1).tolist(),
            "Those are the most similar ones; the opposite has the smallest cosine.",
        )
    same(got, want, "Flatten, normalise each row, multiply by the transpose, argmin over each row.")


@check("1 would be all of the power; white noise has about a fifth, because the strongest are chosen after looking.")
def concentration(function: Callable[[Tensor], Tensor]) -> None:
    """Share of the power that lies in the strongest tenth of the frequencies: ``(O, 3, 11, 11)`` to ``(O,)``."""
    weights = _filters() + 0.5  # a mean that has to go
    centred = weights - weights.mean((2, 3), keepdim=True)
    want, got = features.concentration(weights), function(weights)
    if isinstance(got, Tensor) and got.shape == want.shape:
        raw = torch.fft.fft2(weights).abs().square().sum(1).flatten(1)
        expect(
            not alike(got, raw.topk(12).values.sum(1) / raw.sum(1), rtol=1e-3),
            "The mean is still in: its frequency 0 outshines the pattern. Subtract each colour's mean first.",
        )
        amplitude = torch.fft.fft2(centred).abs().sum(1).flatten(1)
        expect(
            not alike(got, amplitude.topk(12).values.sum(1) / amplitude.sum(1), rtol=1e-3),
            "Those are amplitudes; power is the square of the absolute value.",
        )
    close(got, want, "Power summed over colours, 121 values a filter, the 12 largest over all of them.", rtol=1e-3)


@check("how often chance alone does as well, in either direction.")
def p_value(function: Callable[[float, Tensor], float]) -> None:
    """Share of the shuffled differences at least as large in size as the observed one."""
    shuffled = torch.tensor([-0.4, -0.3, -0.2, -0.1, 0.0, 0.05, 0.2, 0.25])
    for observed, want in ((0.2, 0.625), (-0.25, 0.375), (0.5, 0.0)):
        got = function(observed, shuffled)
        got = got.item() if isinstance(got, Tensor) and got.numel() == 1 else got
        one_sided = float((shuffled >= observed).float().mean())
        if got == one_sided != want:
            expect(False, "Either tower may come out more colourful, so compare sizes: use abs on both sides.")
        hint = f"For {observed} it should be {want}: count the shuffles that are at least as large in size."
        same(got, want, hint, tolerance=1e-6)


@check("three equal channels: it answers to brightness and no longer to colour.")
def without_colour(function: Callable[[Tensor], Tensor]) -> None:
    """Filters ``(O, 3, H, W)`` whose three channels are replaced by their mean."""
    weights = _filters()
    want = weights.mean(1, keepdim=True).expand_as(weights)
    got = function(weights)
    if isinstance(got, Tensor) and got.shape == want.shape:
        expect(
            not alike(got, weights - want),
            "That is the colour part; keep the other one, the mean over the three channels.",
        )
        expect(
            not alike(got, weights.sum(1, keepdim=True).expand_as(weights)),
            "The sum is three times too strong for grey light; take the mean.",
        )
    close(got, want, "Take the mean over the colours (dimension 1) and put it into all three channels.")
