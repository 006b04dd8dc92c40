"""Checks of notebook 04, pretrained inference."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from alexnet_edu.check import check, close, expect, same
from alexnet_edu.check.common import alike

__all__ = ["average_views", "first_turn", "nearest", "seen_share", "small_change", "to_input"]

LARGEST_CHANGE = 8 / 255


@check("the longer the photo, the less of it the network sees; its size in pixels does not matter.")
def seen_share(function: Callable[[int, int, int, int], float]) -> None:
    """The share of a photo's area that is left after resizing the short side and cropping the centre."""
    for width, height, resize, size in ((600, 400, 256, 227), (400, 600, 256, 224), (512, 512, 256, 227)):
        answer = function(width, height, resize, size)
        expect(not isinstance(answer, float | int) or answer <= 1, "Give a share from 0 to 1, not a percentage.")
        want = size**2 / (resize * resize * max(width, height) / min(width, height))
        hint = (
            f"For {width} x {height} it should be {want:.3f}: how long are both sides after the shorter one "
            f"has become {resize}, and which area is cut from that?"
        )
        same(answer, want, hint, tolerance=0.01)


@check("the same numbers as the network's own preprocessing: scaled, normalised, channels first, in a batch.")
def to_input(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """uint8 pixels ``(H, W, 3)``, mean and std ``(3,)`` to the input ``(1, 3, H, W)``."""
    pixels = torch.randint(0, 256, (5, 4, 3), dtype=torch.uint8)
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.3])
    got = function(pixels, mean, std)
    want = ((pixels / 255 - mean) / std).permute(2, 0, 1)[None]
    if isinstance(got, Tensor) and got.shape == want.shape:
        raw = ((pixels - 255 * mean) / std).permute(2, 0, 1)[None]
        expect(not alike(got, raw, atol=1e-2), "Divide by 255 before you subtract the mean.")
        reshaped = ((pixels / 255 - mean) / std).reshape(want.shape)
        expect(
            not alike(got, reshaped),
            "reshape only relabels the numbers and mixes rows with channels; permute moves the axes.",
        )
    close(got, want, "First to 0..1, then minus the mean, then divided by std, channel by channel.")


@check("up to that angle the answer holds, and there it changes.")
def first_turn(label_at: Callable[[int], str], answer: int) -> None:
    """The smallest multiple of 5 degrees at which the label is no longer the one at 0 degrees."""
    angles = range(5, 360, 5)
    right = next((angle for angle in angles if label_at(angle) != label_at(0)), 0)
    expect(right, "This network never changes its answer on this photo; take another photo.")
    same(answer, right, "Go up in steps of 5 degrees and stop at the first label that differs from the one at 0.")


@check("the mean of ten distributions is a distribution again.")
def average_views(function: Callable[[Tensor], Tensor]) -> None:
    """Class scores of several views, ``(V, K)``, to one distribution ``(K,)`` as the paper does."""
    logits = 4 * torch.randn(10, 6)
    got, want = function(logits), logits.softmax(1).mean(0)
    if isinstance(got, Tensor) and got.shape == want.shape:
        expect(
            not alike(got, logits.mean(0).softmax(0)),
            "You averaged scores and took the softmax once; the paper averages the ten softmax outputs.",
        )
        expect(abs(float(got.sum()) - 1) < 1e-4, f"The result should sum to 1, not to {float(got.sum()):.3g}.")
    close(got, want, "Softmax over the classes of each view, then the mean over the views.")


@check("a change that you can hardly see, and another answer.")
def small_change(scores: Callable[[Tensor], Tensor], original: Tensor, changed: Tensor) -> None:
    """``changed`` differs from ``original`` by at most 8/255 in every value, and the network calls it something else.

    ``scores`` takes pixels ``(N, 3, H, W)`` from 0 to 1; both pictures are ``(3, H, W)``.
    """
    expect(isinstance(changed, Tensor), f"a tensor is wanted, not {type(changed).__name__}.")
    wanted = tuple(original.shape)
    expect(changed.shape == original.shape, f"the shape is {tuple(changed.shape)}, it should be {wanted}.")
    low, high = float(changed.min()), float(changed.max())
    expect(low >= 0 and high <= 1, f"Pixels lie between 0 and 1; yours go from {low:.3g} to {high:.3g}: clamp them.")
    largest = float((changed - original).abs().max())
    expect(
        largest <= LARGEST_CHANGE + 1e-6,
        f"One value changes by {255 * largest:.1f}/255; at most 8/255 is allowed.",
    )
    with torch.no_grad():
        before, after = scores(torch.stack([original, changed.detach()])).argmax(1).tolist()
    expect(before != after, "The network still gives the first answer: step in the direction in which its loss grows.")


@check("nearest first, by the straight-line distance of Fig. 4.")
def nearest(function: Callable[[Tensor, Tensor, int], Tensor]) -> None:
    """Row numbers of the k vectors of ``bank`` ``(M, F)`` nearest to ``query`` ``(F,)``, nearest first."""
    query, bank = torch.rand(8), torch.rand(40, 8) * torch.linspace(0.5, 3, 40)[:, None]
    distances = torch.linalg.vector_norm(bank - query, dim=1)
    for k in (1, 6):
        got, want = function(query, bank, k), distances.argsort()[:k]
        if isinstance(got, Tensor) and got.shape == want.shape:
            cosine = torch.cosine_similarity(query[None], bank).argsort(descending=True)[:k]
            expect(got.tolist() != distances.argsort(descending=True)[:k].tolist(), "Those are the farthest ones.")
            expect(
                got.tolist() != cosine.tolist(), "That is the smallest angle; the paper takes the Euclidean distance."
            )
        same(got, want, "Subtract the query from every row, take the norm of each, and sort from small to large.")
