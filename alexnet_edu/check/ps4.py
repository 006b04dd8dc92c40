"""Checks of problem set 4, inference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import fmean

import torch
from torch import Tensor

from alexnet_edu.check.compare import Within, as_tensor
from alexnet_edu.check.exercises import Inputs, check, exercise, expect, number, whole
from alexnet_edu.check.given import Scores

__all__ = ["best_temperature", "calibration_error", "disagreement", "seen_box", "ten_crop", "topk_error"]


def _box(width: int, height: int, resize: int, size: int, *, side: float = 0.0) -> tuple[Within, ...]:
    """Left, top, right, bottom, each to a pixel of the resized picture; the crop's side in the photo may be given."""
    pixel = min(width, height) / resize
    side = side or size * pixel
    edges = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
    return tuple(Within(edge, max(1.0, 1.001 * pixel)) for edge in edges)


def _resized(width: int, height: int, resize: int, size: int) -> tuple[Within, ...]:
    pixel = min(width, height) / resize
    return tuple(Within(edge.value / pixel, 1.0) for edge in _box(width, height, resize, size))


@exercise(
    "now any map of the crop can be drawn on the photo that it came from.",
    right=_box,
    hint=(
        "How many pixels of the photo are one pixel of the resized picture?",
        "To one pixel of the resized picture is near enough.",
    ),
    mistakes=[
        (lambda *n: tuple(_box(*n)[i] for i in (1, 0, 3, 2)),
         "x and y are swapped: left and right belong to the width."),
        (_resized, "Those are pixels of the resized picture; the photo's are wanted."),
        (lambda *n: (0.0, 0.0, size := n[3] * min(n[:2]) / n[2], size), "The crop is cut from the centre, not from the "
         "corner."),
        (lambda *n: (..., ..., size := n[3] * min(n[:2]) / n[2], size), "The last two should be right and bottom, not "
         "width and height of the box."),
        (lambda *n: _box(*n, side=n[3]), "The photo is resized before it is cropped: how many of its pixels are `size` "
         "pixels then?"),
        (lambda *n: _box(*n, side=n[3] * max(n[:2]) / n[2]), "It is the *shorter* side that becomes `resize`."),
    ],
)  # fmt: skip
def seen_box(hidden: bool) -> Iterable[Inputs]:
    """Problem 1: left, top, right, bottom in the photo of what the network sees: ``(width, height, resize, size)``."""
    if not hidden:
        return [(512, 256, 256, 200), (600, 400, 256, 227)]
    drawn = [(whole(60, 4000), whole(60, 4000), whole(64, 300)) for _ in range(8)]
    return [(256, 256, 256, 227), *((*photo, resize, resize - whole(0, resize // 2)) for *photo, resize in drawn)]


def _error(scores: Tensor, labels: Tensor, k: int, *, found: Callable[[Tensor, Tensor, int], Tensor]) -> float:
    """The share of pictures that ``found(scores, score of the label, k)`` does not find."""
    own = scores.gather(1, labels[:, None])
    return 1 - found(scores, own, k).double().mean().item()


def _surely(scores: Tensor, own: Tensor, k: int) -> Tensor:
    return ((scores < own).sum(1) >= scores.shape[1] - k) & ~own[:, 0].isnan()


def _share(scores: Tensor, labels: Tensor, k: int) -> float:
    return _error(scores, labels, k, found=_surely)


@exercise(
    "neither ties nor a broken network make the error smaller.",
    right=_share,
    hint=("Take the pictures one by one: how many classes does the label surely beat?", "And if the score is nan?"),
    mistakes=[
        (lambda s, y, k: 1 - (s.topk(k).indices == y[:, None]).any(1).double().mean(),
         "Some classes have the same score, "
         "and their order decides which of them you count as found."),
        (lambda s, y, k: _error(s, y, k, found=lambda s, own, k: (s > own).sum(1) < k),
         "Of classes with the same score "
         "you let the label win: count what is found in *whatever* order."),
        (lambda s, y, k: _error(s, y, k, found=lambda s, own, k: (s >= own).sum(1) <= k), "A comparison with nan is "
         "false: what does yours then count?"),
        (lambda s, y, k: 1 - _share(s, y, k), "That is the share of right answers; the error is the rest."),
        (lambda s, y, k: 100 * _share(s, y, k), "A share from 0 to 1 is wanted, not per cent."),
        (lambda s, y, k: len(s) * _share(s, y, k), "That is a count; a share of all pictures is wanted."),
        (lambda s, y, k: _share(s, y, 1), "k is an argument: you look at the first guess alone."),
    ],
)  # fmt: skip
def topk_error(hidden: bool) -> Iterable[Inputs]:
    """Problem 2: the share of pictures whose label is not surely among the k best: ``(scores, labels, k)``."""
    for kind in ("coarse", "broken", "plain", "half", "single") if hidden else ("plain", "sure", "constant", "broken"):
        count, classes = (1 if kind == "single" else whole(20, 40), whole(6, 12)) if hidden else (40, 9)
        scores, labels = torch.randn(count, classes), torch.randint(classes, (count,))
        if kind == "coarse":
            scores = scores.round()
        elif kind == "half":
            scores = scores.round(decimals=1).half()
        elif kind == "constant":
            scores = torch.zeros_like(scores)
        elif kind == "broken":
            scores[whole(0, 3) :: 4] = torch.nan
        elif kind == "sure":
            scores[torch.arange(count), labels] = 20.0
        for k in sorted({1, whole(2, 5), classes}) if hidden else (1, 5, classes):
            yield scores, labels, k


@check("a single very sure view decides the mean of the scores, and only counts as one voice in the other.")
def disagreement(function: Callable[[int], Tensor], hidden: bool) -> None:
    """Problem 3: scores ``(V, classes)`` of several views for which the two means name different classes."""
    for classes in (2, whole(3, 9), whole(50, 200), 1000) if hidden else (3,):
        got, asked = as_tensor(function(classes)), f"Tried with classes={classes}."
        expect(isinstance(got, Tensor), f"a tensor of scores is wanted. {asked}")
        fits = got.ndim == 2 and got.shape[1] == classes and len(got) > 1
        shape = tuple(got.shape)
        expect(fits, f"the shape is {shape}, it should be (V, {classes}) with at least two views. {asked}")
        scores = got.double()
        expect(bool(scores.isfinite().all()), f"all scores should be finite. {asked}")
        means = {"scores": scores.mean(0), "probabilities": scores.softmax(1).mean(0)}
        for name, mean in means.items():
            first, second = mean.topk(2).values.tolist()
            expect(first - second > 0.01, f"the mean of the {name} has a tie, or nearly. {asked}")
        chosen = {int(mean.argmax()) for mean in means.values()}
        expect(len(chosen) == 2, f"both means name class {min(chosen)}. {asked}", "What can a score do that a "
               "probability cannot?")  # fmt: skip


def _places(side: int, size: int) -> list[tuple[int, int]]:
    """Where the corners' views start, and the centre's."""
    far, middle = side - size, (side - size) // 2
    return [(0, 0), (0, far), (far, 0), (far, far), (middle, middle)]


def _views(square: Tensor, size: int, *, axis: int | None = -1, views: int = 5) -> Tensor:
    places = _places(square.shape[-1], size)[:views]
    cut = torch.stack([square[:, y : y + size, x : x + size] for y, x in places])
    return cut if axis is None else torch.cat([cut, cut.flip(axis)])


def _mean(scores: Scores, views: Tensor) -> Tensor:
    return scores(views).softmax(1).mean(0)


@exercise(
    "ten views, ten softmaxes, one mean: the paper's test.",
    right=lambda scores, square, size: _mean(scores, _views(square, size)),
    hint=("Where does the view at the lower right begin, and the centre?", "How many rows are left on either side?"),
    mistakes=[
        (lambda f, x, n: f(_views(x, n)).mean(0).softmax(0), "You averaged scores; the paper averages ten softmax "
         "outputs."),
        (lambda f, x, n: f(_views(x, n)).mean(0), "These are mean scores; the paper averages probabilities."),
        (lambda f, x, n: 10 * _mean(f, _views(x, n)), "Yours sums to 10."),
        (lambda f, x, n: _mean(f, _views(x, n, axis=-2)), "You turned the views upside down; a mirror swaps left and "
         "right."),
        (lambda f, x, n: _mean(f, _views(x, n, axis=None)), "Those are five views; their mirror images are missing."),
        (lambda f, x, n: _mean(f, _views(x, n, views=4)), "Those are the corners; the centre is missing."),
        (lambda f, x, n: _mean(f, _views(x[:, :-1, :-1], n)), "Your last views end before the last row and column."),
    ],
)  # fmt: skip
def ten_crop(hidden: bool) -> Iterable[Inputs]:
    """Problem 4: class probabilities ``(K,)`` from ten views: ``(scores, square, size)``."""
    cases = [(size := whole(3, 9), size + 2 * whole(1, 4), whole(3, 9)) for _ in range(5)] if hidden else [(8, 12, 6)]
    for size, side, classes in cases:
        square = torch.rand(3, side, side, dtype=torch.float64 if hidden and whole(0, 1) else torch.float32)
        yield Scores(torch.randn(3 * size * size, classes), size), square, size


def _invented(pictures: int, classes: int, sharpness: float) -> tuple[Tensor, Tensor]:
    """Scores and labels of a network that is calibrated at the temperature ``sharpness``, by construction."""
    scores = 1.5 * torch.randn(pictures, classes)
    labels = torch.multinomial(scores.softmax(1), 1)[:, 0]
    return sharpness * scores, labels


def _calibration(
    probabilities: Tensor,
    labels: Tensor,
    bins: int,
    *,
    of_label: bool = False,
    weighed: bool = True,
    centres: bool = False,
    last: bool = True,
    above: bool = True,
) -> float:
    """The expected calibration error; the keywords make its usual mistakes."""
    confidence, first = probabilities.double().max(1)
    right = (first == labels).double()
    if of_label:
        confidence = probabilities.double().gather(1, labels[:, None])[:, 0]
    place = (confidence * bins).long() if above else (confidence * bins).ceil().long() - 1
    place = place.clamp_max(bins - 1) if last else place
    gaps, shares = [], []
    for i in sorted(set(place[place < bins].tolist())):
        inside = place == i
        sure = (i + 0.5) / bins if centres else float(confidence[inside].mean())
        gaps.append(abs(sure - float(right[inside].mean())))
        shares.append(float(inside.double().mean()))
    return float(sum(gap * share for gap, share in zip(gaps, shares, strict=True)) if weighed else fmean(gaps))


@exercise(
    "0 would mean: of all answers that are 70 % sure, 70 % are right.",
    right=_calibration,
    rtol=1e-3,
    hint=("Sort a few pictures into bins by hand.", "Where do confidences on an edge go, and one of exactly 1?"),
    mistakes=[
        (lambda *n: _calibration(*n, weighed=False), "Every bin counts the same in yours, however many pictures it "
         "holds."),
        (lambda *n: _calibration(*n, of_label=True), "Confidence is the probability of the *first* label, right or "
         "wrong."),
        (lambda p, y, b: _calibration(p, y, 1), "Over all pictures at once, too sure and too unsure cancel."),
        (lambda *n: _calibration(*n, centres=True), "Take the mean confidence in a bin, not its centre."),
        (lambda *n: _calibration(*n, last=False), "A confidence of exactly 1 belongs to the last bin."),
        (lambda *n: _calibration(*n, above=False), "A confidence on an edge belongs to the bin *above* it."),
        (lambda p, y, b: len(p) * _calibration(p, y, b), "That is a sum over pictures; a mean is wanted."),
    ],
)  # fmt: skip
def calibration_error(hidden: bool) -> Iterable[Inputs]:
    """Problem 5: the expected calibration error: ``(probabilities, labels, bins)``."""
    cases = [(300, 3.0, 10), (300, 0.5, 5)]
    drawn = [(whole(30, 300), whole(1, 12) / 3, whole(2, 20)) for _ in range(5)]
    for pictures, sharpness, bins in drawn if hidden else cases:
        scores, labels = _invented(pictures, 6, sharpness)
        probabilities = scores.softmax(1)
        probabilities[0] = torch.eye(6)[0]  # one answer that is exactly 1
        yield probabilities, labels, bins
    steps = (8, 16)[hidden and whole(0, 1)]  # confidences on edges of bins
    shares = torch.multinomial(torch.ones(80, 3), steps, replacement=True)
    probabilities = torch.nn.functional.one_hot(shares, 3).double().mean(1)
    confidence, first = probabilities.max(1)
    right = (steps * confidence).long() % 2 == 0  # in turn, so that it matters in which bin an edge is
    yield probabilities, torch.where(right, first, (first + 1) % 3), steps // 2


@check("the order of the labels is the same as before, and now the network says how sure it may be.")
def best_temperature(function: Callable[[Tensor, Tensor], float], hidden: bool) -> None:
    """Problem 6: the number that scores are divided by for the smallest log loss: ``(scores, labels)``."""
    for truth in (0.4, 1.0, whole(12, 20) / 10, whole(40, 70) / 10) if hidden else (3.0,):
        scores, labels = _invented(1000 + whole(0, 200), 8, truth)
        got = number(function(scores, labels))
        expect(got > 0, "a temperature is above 0: it divides the scores, and their order must stay.")
        grid = torch.logspace(-1.5, 1.5, 301)
        chances = (scores / grid[:, None, None]).log_softmax(2)  # (301, pictures, classes)
        losses = -chances.gather(2, labels.expand(len(grid), -1)[..., None]).mean((1, 2))
        best = float(grid[losses.argmin()])
        inverse = abs(got * best - 1) < 0.03 and abs(best - 1) > 0.1
        expect(not inverse, f"your {got:.3g} is what the scores should be *multiplied* by; a temperature divides.")
        worse = float(torch.nn.functional.cross_entropy(scores / got, labels)) - float(losses.min())
        sure = scores.softmax(1).max(1).values.mean().item()
        expect(worse < 5e-4, f"with T = {got:.3g} the log loss is {worse:.4f} above the smallest.", f"Scores that are "
               f"{sure:.0%} sure on average need {'more' if best > got else 'less'}.")  # fmt: skip
