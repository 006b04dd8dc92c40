"""Checks of notebook 09, see inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet_edu.check.exercises import Inputs, exercise

__all__ = ["cam", "fooled", "gradient", "guided", "integrated", "overlap", "rank_correlation"]

Scores = Callable[[Tensor], Tensor]


def _linear(x: Tensor) -> Tensor:
    return torch.stack([x.flatten(1).sum(1), -2 * x.flatten(1)[:, 0]], 1)


def _curved(x: Tensor) -> Tensor:
    """Scores of three classes; each picture's depend on that picture alone."""
    flat = x.flatten(1)
    return torch.stack([flat.square().sum(1), (flat * flat.cos()).sum(1), flat.prod(1)], 1)


def _gradient(scores: Scores, x: Tensor, target: int, *, of: Callable[[Tensor], Tensor] = lambda s: s) -> Tensor:
    x = x.detach().clone().requires_grad_()
    (grad,) = torch.autograd.grad(of(scores(x))[:, target].sum(), x)
    return grad


def _of_all(scores: Scores, x: Tensor, target: int) -> Tensor:
    return sum((_gradient(scores, x, one) for one in range(scores(x).shape[1])), torch.zeros_like(x))


@exercise(
    "of the score itself, signed, one for each pixel and colour.",
    right=_gradient,
    keeps=True,
    hint=("Of which number did you take the gradient?", "Try a score that is the sum of all pixels: all ones."),
    mistakes=[
        (lambda s, x, t: _gradient(s, x, t).abs(), "Keep the sign: some pixels lower the score."),
        (
            lambda s, x, t: _gradient(s, x, t, of=lambda all: all.softmax(1)),
            "That is the gradient of the probability, "
            "which vanishes where the network is sure; take the score before the softmax.",
        ),
        (
            lambda s, x, t: _gradient(s, x, t) / len(x),
            "You took the mean over the pictures: their scores are added, so that each gradient is its own picture's.",
        ),
        (_of_all, "That is the gradient of all classes' scores together; one class is asked for."),
        (
            lambda s, x, t: _gradient(s, x, t).abs().amax(1),
            "One value for each colour is wanted; the largest comes later.",
        ),
        (lambda s, x, t: s(x)[:, t], "Those are the scores; how do they change with each pixel?"),
        (
            lambda s, x, t: x * _gradient(s, x, t),
            "That is the gradient times the picture; the gradient alone is asked for.",
        ),
    ],
)
def gradient() -> Iterable[Inputs]:
    """Exercise 1: the gradient of one class's score: ``(scores, x (N, C, H, W), target)`` to ``(N, C, H, W)``."""
    return [
        (_linear, torch.randn(2, 3, 4, 4), 1),
        (_curved, torch.randn(3, 3, 2, 2), 1),
        (_curved, torch.randn(1, 1, 2, 3), 0),
    ]


def _integrated(grad: Scores, x: Tensor, start: Tensor, steps: int, *, at: float = 0.5) -> Tensor:
    return (x - start) * sum(grad(start + (k + at) / steps * (x - start)) for k in range(steps)) / steps


@exercise(
    "the way times the mean gradient on it: the parts of a whole.",
    right=_integrated,
    keeps=True,
    hint=("At which places of the line do you take the gradient?", "With one step it is the gradient in the middle."),
    mistakes=[
        (
            lambda g, x, b, n: _integrated(g, x, b, n, at=0),
            "You take each part's left end; the middle is wanted: half a step on.",
        ),
        (
            lambda g, x, b, n: _integrated(g, x, b, n, at=1),
            "You take each part's right end; the middle is wanted: half a step back.",
        ),
        (
            lambda g, x, b, n: _integrated(g, x, b, n) / (x - b),
            "That is the mean gradient; times the way it becomes a share of the score.",
        ),
        (lambda g, x, b, n: x * _integrated(g, x, b, n) / (x - b), "The way begins at the start, not at zero."),
        (lambda g, x, b, n: n * _integrated(g, x, b, n), "That is a sum; divide it by the number of steps."),
        (lambda g, x, b, n: _integrated(g, x, torch.zeros_like(x), n), "Your line begins at zero, not at the start."),
        (lambda g, x, b, n: (x - b) * g(x), "That is one gradient, at the end of the line; take it all along."),
    ],
)
def integrated() -> Iterable[Inputs]:
    """Exercise 2: integrated gradients, ``(gradient, x, start, steps)``; ``gradient`` takes and gives ``x``'s shape."""
    x = torch.randn(3, 4, 4)
    return [
        (torch.cos, x, x - 2, 4),
        (torch.square, x, torch.ones_like(x), 3),
        (torch.square, x + 1, torch.zeros_like(x), 5),
    ]


@exercise(
    "what the ReLU stopped on the way in, and what is negative on the way back.",
    right=lambda saw, back: back.clamp(min=0) * (saw > 0),
    hint=("Two things stop a value: which?", "Write down the four cases: seen or not, positive or negative."),
    mistakes=[
        (lambda saw, back: back * (saw > 0), "That is the plain gradient: the negative has to go, too."),
        (
            lambda saw, back: back.clamp(min=0),
            "That is deconvolution: what the ReLU stopped on the way in stays stopped.",
        ),
        (lambda saw, back: back.abs() * (saw > 0), "The negative goes; it is not turned round."),
        (lambda saw, back: saw.clamp(min=0) * back.clamp(min=0), "What was seen only opens or shuts; it is no factor."),
        (lambda saw, back: back.clamp(min=0) * (back > 0) * (saw < 0), "You kept the places where the ReLU was shut."),
    ],
)
def guided() -> Iterable[Inputs]:
    """Exercise 3: what a ReLU hands on in guided backpropagation: ``(saw, back)``, both of one shape."""
    return [
        (torch.tensor([1.0, 2.0, -1.0, -2.0]), torch.tensor([3.0, -4.0, 5.0, -6.0])),
        (torch.randn(2, 3, 4), torch.randn(2, 3, 4)),
    ]


def _cam(maps: Tensor, grads: Tensor) -> Tensor:
    return (grads.mean((2, 3), keepdim=True) * maps).sum(1).relu()


@exercise(
    "one weight for a map, and only what speaks for the class.",
    right=_cam,
    hint=("How many weights are there?", "Write down the weights of the maps; then weigh, add and cut off."),
    mistakes=[
        (
            lambda m, g: (g.mean((2, 3), keepdim=True) * m).sum(1),
            "What speaks against the class is still in: cut off what is below zero.",
        ),
        (
            lambda m, g: (g.mean((2, 3), keepdim=True) * m).relu().sum(1),
            "Add the maps first, then cut off: a map that speaks against the class has to count.",
        ),
        (
            lambda m, g: (g * m).sum(1).relu(),
            "Each place has a weight of its own here; one for the whole map is wanted.",
        ),
        (
            lambda m, g: (g.mean((2, 3), keepdim=True) * m).mean(1).relu(),
            "That is a mean over the maps; a sum is wanted.",
        ),
        (lambda m, g: (g.sum((2, 3), keepdim=True) * m).sum(1).relu(), "The weight is the *mean* of a map's gradient."),
        (
            lambda m, g: (g.mean((2, 3), keepdim=True).relu() * m).sum(1),
            "Weights below zero count, too: maps can speak against a class.",
        ),
        (
            lambda m, g: (g.mean((2, 3), keepdim=True) * m).sum((0, 1)).relu(),
            "Pictures stay apart: add over the maps only.",
        ),
    ],
)
def cam() -> Iterable[Inputs]:
    """Exercise 4: Grad-CAM of a layer: ``(maps, gradients)``, both ``(N, C, H, W)``, to ``(N, H, W)``."""
    return [(torch.randn(2, 5, 4, 3), torch.randn(2, 5, 4, 3)), (torch.rand(1, 6, 3, 3), torch.randn(1, 6, 3, 3))]


def _pearson(a: Tensor, b: Tensor) -> float:
    a, b = a.double() - a.double().mean(), b.double() - b.double().mean()
    return float((a * b).sum() / (a.norm() * b.norm()))


def _ranks(values: Tensor) -> Tensor:
    return values.argsort().argsort()


@exercise(
    "1 for the same order, -1 for the reverse, whatever the values are.",
    right=lambda a, b: _pearson(_ranks(a), _ranks(b)),
    rtol=1e-4,
    hint=("What is the rank of the smallest value, and of the largest?", "Take [1, 2, 3] and [1, 4, 9]: 1 is right."),
    mistakes=[
        (_pearson, "That is the correlation of the values: a few large ones decide it. Take ranks."),
        (
            lambda a, b: _pearson(a.argsort(), b.argsort()),
            "`argsort` gives *where* the smallest is, the second, and so "
            "on; which operation turns that into each value's rank?",
        ),
        (lambda a, b: _pearson(_ranks(a), _ranks(-b)), "One of your orders is upside down."),
        (lambda a, b: abs(_pearson(_ranks(a), _ranks(b))), "The sign matters: an order upside down is not the same."),
        (lambda a, b: _pearson(_ranks(a), _ranks(b)) ** 2, "That is the square: the sign is lost."),
        (lambda a, b: float((_ranks(a) * _ranks(b)).double().mean()), "Subtract the means, and divide by the lengths."),
    ],
)
def rank_correlation() -> Iterable[Inputs]:
    """Exercise 5: Spearman's correlation of two vectors without equal values, ``(a, b)``, to a number."""
    a = torch.randn(40)
    return [(a, a.exp()), (a, (-a).exp()), (a, a + torch.randn(40)), (torch.randn(9), torch.randn(9).pow(3))]


def _step(x: Tensor, grad: Tensor, size: float) -> Tensor:
    return (x + size * grad.sign()).clamp(0, 1)


@exercise(
    "as far as allowed, everywhere, and still a picture.",
    right=_step,
    keeps=True,
    hint=("How far does each pixel move?", "Take one pixel with a tiny gradient, and one that is white."),
    mistakes=[
        (lambda x, g, e: x + e * g.sign(), "Pixels lie between 0 and 1: yours leave that."),
        (
            lambda x, g, e: (x + e * g).clamp(0, 1),
            "That moves pixels by their gradient; the sign alone counts, so that each moves by the full size.",
        ),
        (lambda x, g, e: (x - e * g.sign()).clamp(0, 1), "That lowers the loss: the network gets surer."),
        (
            lambda x, g, e: (x + e * g / g.abs().max()).clamp(0, 1),
            "Only the pixel with the largest gradient moves by the full size; all should.",
        ),
        (lambda x, g, e: (x + g.sign()).clamp(0, 1), "The size is missing."),
        (lambda x, g, e: e * g.sign(), "That is the change; add it to the picture."),
    ],
)
def fooled() -> Iterable[Inputs]:
    """Exercise 8: one step along the sign of the loss's gradient: ``(x, gradient, size)``, ``x`` from 0 to 1."""
    x = torch.rand(3, 6, 6)
    x[0, 0, :3], x[0, 1, :3] = 0.0, 1.0
    return [(x, torch.randn(3, 6, 6), 0.1), (x, 1e-3 * torch.randn(3, 6, 6), 2 / 255)]


def _strongest(answers: Tensor, share: float) -> Tensor:
    count = round(share * answers.numel())
    places = answers.flatten().topk(count).indices
    return torch.zeros(answers.numel(), dtype=torch.bool).index_fill_(0, places, True).reshape(answers.shape)


def _overlap(answers: Tensor, mask: Tensor, share: float) -> float:
    top = _strongest(answers, share)
    return float((top & mask).sum() / (top | mask).sum())


@exercise(
    "what both have, as a share of what either has.",
    right=_overlap,
    rtol=1e-4,
    hint=("How many places do you choose, and what do you divide by?", "Count both, and either, on a 3 by 3 map."),
    mistakes=[
        (
            lambda a, m, s: float((_strongest(a, s) & m).sum() / m.sum()),
            "That is the share of the mask that the unit "
            "finds; a unit that answers everywhere would be perfect. Divide by what either has.",
        ),
        (
            lambda a, m, s: float((_strongest(a, s) & m).sum() / _strongest(a, s).sum()),
            "That is the share of the answers that fall into the mask; divide by what either has.",
        ),
        (lambda a, m, s: _overlap(-a, m, s), "Those are the weakest answers."),
        (
            lambda a, m, s: float(((a > (1 - s) * a.max()) & m).sum() / ((a > (1 - s) * a.max()) | m).sum()),
            "The share is one of the places, not of the highest answer.",
        ),
        (
            lambda a, m, s: float(((a > 0) & m).sum() / ((a > 0) | m).sum()),
            "You take every place with an answer; only the strongest share counts.",
        ),
        (lambda a, m, s: float((_strongest(a, s) & m).sum()), "That is a count; a share is wanted."),
        (lambda a, m, s: 1 - _overlap(a, m, s), "That is what they do not share."),
    ],
)
def overlap() -> Iterable[Inputs]:
    """Exercise 7: intersection over union of the strongest places and a mask: ``(answers, mask (H, W), share)``."""
    smooth = F.avg_pool2d(torch.randn(1, 1, 14, 14), 5, 1)[0, 0]
    return [(torch.randn(8, 8), torch.rand(8, 8) > 0.7, 0.125), (smooth, smooth > smooth.median(), 0.2)]
