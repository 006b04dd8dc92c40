"""Checks of notebook 04, pretrained inference."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from alexnet_edu.check.compare import as_tensor
from alexnet_edu.check.exercises import Inputs, check, exercise, expect, number

__all__ = ["average_views", "first_turn", "nearest", "seen_share", "small_change", "to_input"]

LARGEST_CHANGE = 8 / 255


def _share(width: int, height: int, resize: int, size: int) -> float:
    return size**2 / (resize**2 * max(width, height) / min(width, height))


@exercise(
    "the longer the photo, the less of it the network sees; its size in pixels does not matter.",
    right=_share,
    rtol=0.01,
    hint=(
        "How long are both sides after resizing?",
        "Which area is cut from that, and what share of the whole is it?",
    ),
    mistakes=[
        (lambda w, h, r, s: 100 * _share(w, h, r, s), "A share from 0 to 1 is wanted, not a percentage."),
        (lambda w, h, r, s: 1 - _share(w, h, r, s), "That is what gets lost; what is left?"),
        (lambda w, h, r, s: s**2 / (w * h), "The square is cut from the *resized* photo."),
        (lambda w, h, r, s: s**2 / r**2, "The resized photo is no square: how long is its longer side?"),
        (
            lambda w, h, r, s: s**2 / (r**2 * min(w, h) / max(w, h)),
            "The shorter side becomes `resize`, not the longer.",
        ),
        (lambda w, h, r, s: s**2 / (r**2 * w / h), "A photo may also be higher than wide."),
    ],
)
def seen_share() -> Iterable[Inputs]:
    """Exercise 3: the share of a photo's area that is left after resizing the short side and cropping the centre."""
    return [(600, 400, 256, 227), (400, 600, 256, 224), (512, 512, 256, 227), (1000, 300, 256, 256)]


def _input(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return ((pixels / 255 - mean) / std).permute(2, 0, 1)[None]


@exercise(
    "the same numbers as the network's own preprocessing: scaled, normalised, channels first, in a batch.",
    right=_input,
    hint=("Take one white pixel, and follow its three numbers.", "Which range do mean and std belong to?"),
    mistakes=[
        (lambda p, m, s: _input(255 * p.double(), 255 * m, s), "Mean and std are for values from 0 to 1."),
        (lambda p, m, s: _input(255.0 * p, m, s), "The pixels still go up to 255."),
        (lambda p, m, s: ((p / 255 - m) / s).reshape(1, 3, *p.shape[:2]), "reshape only relabels the numbers and mixes "
         "rows with channels; permute moves the axes."),
        (lambda p, m, s: ((p / 255 - m) / s).permute(2, 1, 0)[None], "Rows and columns are swapped."),
        (lambda p, m, s: _input(p, m, s).flip(1), "The colours are in the other order."),
        (lambda p, m, s: _input(p, m, s)[0], "The batch dimension is missing."),
        (lambda p, m, s: _input(p, s, m), "Mean and std are swapped."),
        (lambda p, m, s: _input(p, 0 * m, s), "The mean is still in."),
        (lambda p, m, s: _input(p, m, torch.ones(3)), "The std is still in."),
    ],
)  # fmt: skip
def to_input() -> Iterable[Inputs]:
    """Exercise 4: uint8 pixels ``(H, W, 3)``, mean and std ``(3,)`` to the input ``(1, 3, H, W)``."""
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.3])
    return [(torch.randint(0, 256, size, dtype=torch.uint8), mean, std) for size in ((5, 4, 3), (3, 3, 3))]


@check("up to that angle the answer holds, and there it changes.")
def first_turn(label_at: Callable[[int], str], answer: int) -> None:
    """Exercise 2: the smallest multiple of 5 degrees at which the label is no longer the one at 0 degrees."""
    labels = {angle: label_at(angle) for angle in range(0, 360, 5)}
    right = next((angle for angle in labels if labels[angle] != labels[0]), None)
    expect(right, "This network never changes its answer on this photo; take another photo.")
    single = number(answer)
    expect(single in labels, "Go up in steps of 5 degrees, from 0.")
    expect(labels[int(single)] != labels[0], f"At {single:g} degrees the label is still, or again, the one at 0.")
    expect(single == right, "The label changes at a smaller angle already.", "Stop at the first that differs.")


def _averaged(logits: Tensor) -> Tensor:
    return logits.softmax(1).mean(0)


@exercise(
    "the mean of ten distributions is a distribution again.",
    right=_averaged,
    hint=("What do the values of each view sum to, and those of your result?", "Which dimension holds the classes?"),
    mistakes=[
        (lambda x: x.mean(0).softmax(0), "You averaged scores and took the softmax once; the paper averages the ten "
         "softmax outputs."),
        (lambda x: x.mean(0), "Those are scores; the paper averages probabilities."),
        (lambda x: x.softmax(1).sum(0), "The result sums to the number of views."),
        (lambda x: x.softmax(0).mean(0), "Your softmax runs over the views, not over the classes."),
        (lambda x: x.softmax(1).mean(1), "You averaged over the classes; the views are to be averaged."),
        (lambda x: _averaged(x)[None], "One distribution is wanted, without a dimension for the views."),
    ],
)  # fmt: skip
def average_views() -> Iterable[Inputs]:
    """Exercise 5: class scores of several views, ``(V, K)``, to one distribution ``(K,)`` as the paper does."""
    return [(4 * torch.randn(10, 6),), (4 * torch.randn(3, 8),)]


@check("a change that you can hardly see, and another answer.")
def small_change(scores: Callable[[Tensor], Tensor], original: Tensor, changed: Tensor) -> None:
    """Exercise 7: ``changed`` differs from ``original`` by at most 8/255 in every value and gets another answer.

    ``scores`` takes pixels ``(N, 3, H, W)`` from 0 to 1; both pictures are ``(3, H, W)``.
    """
    changed = as_tensor(changed)
    expect(isinstance(changed, Tensor), "A tensor of pixels is wanted.")
    wanted = tuple(original.shape)
    expect(changed.shape == original.shape, f"The shape is {tuple(changed.shape)}, it should be {wanted}.")
    expect(bool(changed.isfinite().all()), "Some pixels are no numbers.")
    changed = changed.to(original.dtype)
    low, high = float(changed.min()), float(changed.max())
    expect(low >= 0 and high <= 1, f"Pixels lie between 0 and 1; yours go from {low:.6g} to {high:.6g}: clamp them.")
    largest = float((changed - original).abs().max())
    expect(largest <= LARGEST_CHANGE + 1e-6, f"One value changes by {255 * largest:.1f}/255; 8/255 is allowed.")
    before, after = (int(row.argmax()) for row in scores(torch.stack([original, changed])))
    expect(
        before != after,
        "The network still gives the first answer.",
        "In which direction does its loss grow, and how far towards there may each pixel go?",
    )


def _nearest(query: Tensor, bank: Tensor, k: int) -> list[int]:
    found: list[int] = torch.linalg.vector_norm(bank - query, dim=1).argsort()[:k].tolist()
    return found


@exercise(
    "nearest first, by the straight-line distance of Fig. 4.",
    right=_nearest,
    hint="Compute the distances of the first three rows by hand.",
    mistakes=[
        (lambda q, b, k: (b - q).norm(dim=1).argsort(descending=True)[:k], "Those are the farthest ones."),
        (lambda q, b, k: torch.cosine_similarity(q[None], b).argsort(descending=True)[:k],
         "That is the smallest angle; "
         "the paper takes the Euclidean distance."),
        (lambda q, b, k: (b @ q).argsort(descending=True)[:k], "That is the largest product, which long vectors win."),
        (lambda q, b, k: _nearest(q, b, k)[::-1], "The right rows, the farthest of them first."),
        (lambda q, b, k: _nearest(q, b, k + 1), "That is one row too many: the query is not among the rows."),
        (lambda q, b, k: (b - q).abs().sum(1).argsort()[:k], "That is the sum of absolute differences."),
        (lambda q, b, k: (b - q).norm(dim=1).sort().values[:k], "Those are the distances; which rows are they?"),
    ],
)  # fmt: skip
def nearest() -> Iterable[Inputs]:
    """Exercise 1: row numbers of the k vectors of ``bank`` ``(M, F)`` nearest to ``query`` ``(F,)``, nearest first."""
    bank = torch.rand(40, 8) * torch.linspace(0.5, 3, 40)[:, None]
    return [(torch.rand(8), bank, k) for k in (6, 1, 3)]
