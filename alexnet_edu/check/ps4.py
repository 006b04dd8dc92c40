"""Checks of problem set 4, inference."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from alexnet_edu.check import Hint, check, close, expect, same
from alexnet_edu.check.common import differs, number, unlike

__all__ = ["best_temperature", "calibration_error", "disagreement", "seen_box", "ten_crop", "topk_error"]


@check("now any map of the crop can be drawn on the photo that it came from.")
def seen_box(
    function: Callable[[int, int, int, int], tuple[float, float, float, float]],
    *,
    cases: Iterable[tuple[int, int, int, int]] = ((512, 256, 256, 200), (600, 400, 256, 227)),
) -> None:
    """Left, top, right, bottom in the photo of what the network sees; a case is width, height, resize, size."""
    for width, height, resize, size in cases:
        got = function(width, height, resize, size)
        scale = min(width, height) / resize
        side = size * scale
        want = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
        asked = f"width {width}, height {height}, resize {resize}, size {size}"
        expect(isinstance(got, tuple | list) and len(got) == 4, "Four numbers are wanted: left, top, right, bottom.")
        values = [float(value) for value in got]
        resized = [(edge / scale) for edge in want]
        corner = [want[0], want[1], side, side]
        for wrong, hint in (
            ([want[1], want[0], want[3], want[2]], "x and y are swapped: left and right belong to the width."),
            (resized, "those are pixels of the resized picture; scale them back to the photo's."),
            (corner, "the last two should be right and bottom, not width and height of the box."),
            ([0.0, 0.0, side, side], "the crop is cut from the centre, not from the corner."),
            ([(width - size) / 2, (height - size) / 2, (width + size) / 2, (height + size) / 2],
             "the photo is resized before it is cropped: how many of its pixels are `size` pixels then?"),
        ):  # fmt: skip
            expect(not _beside(values, wrong) or _beside(wrong, want), f"{asked}: {hint}")
        hint = "how many pixels of the photo are one pixel of the resized picture?"
        expect(_beside(values, want), f"{asked}: it should be {tuple(round(edge, 1) for edge in want)}; {hint}")


def _beside(values: Iterable[float], others: Iterable[float]) -> bool:
    """Whether two boxes agree to a pixel: the resized picture has whole pixels."""
    return all(abs(one - other) <= 1 for one, other in zip(values, others, strict=True))


def _scores(kind: str) -> tuple[Tensor, Tensor]:
    """Scores ``(N, K)`` and labels ``(N,)`` of a kind of network."""
    scores, labels = torch.randn(40, 9), torch.randint(9, (40,))
    if kind == "coarse":
        scores = scores.round()
    elif kind == "constant":
        scores = torch.zeros(40, 9)
    elif kind == "broken":
        scores[::4] = torch.nan
    elif kind == "sure":
        scores[torch.arange(40), labels] = 20.0
    return scores, labels


@check("ties and broken networks get no present.")
def topk_error(
    function: Callable[[Tensor, Tensor, int], float], *, kinds: Iterable[str] = ("plain", "sure", "constant")
) -> None:
    """The share of pictures whose label is not surely among the k best; a kind of scores is a case."""
    for kind in kinds:
        scores, labels = _scores(kind)
        own = scores.gather(1, labels[:, None])
        for k in (1, 5, 9):
            got = number(function(scores, labels, k))
            below = (scores < own).sum(1)
            want = 1 - (below >= 9 - k).float().mean().item()
            if kind == "broken":
                want = 1 - ((below >= 9 - k) & ~own[:, 0].isnan()).float().mean().item()
            _examine_error(got, want, scores, labels, k, kind)


def _examine_error(got: float, want: float, scores: Tensor, labels: Tensor, k: int, kind: str) -> None:
    if abs(got - want) < 1e-5:
        return
    asked = f"{kind} scores, k = {k}"
    tied = "every class has the same score" if kind == "constant" else "some scores are equal"
    expect(
        kind not in ("constant", "coarse") or got > want,
        f"{asked}: {tied}, and you count labels as found that only the order of the classes puts among the {k}.",
    )
    expect(abs(got - (1 - want)) > 1e-5, f"{asked}: that is the share of right answers; the error is the rest.")
    expect(abs(got - 100 * want) > 1e-3, f"{asked}: a share from 0 to 1 is wanted, not per cent.")
    expect(abs(got - len(labels) * want) > 1e-3, f"{asked}: that is a count; divide by the number of pictures.")
    expect(
        kind != "broken" or got > want,
        f"{asked}: a comparison with nan is false; count what is surely found, and the rest is an error.",
    )
    raise Hint(f"{asked}: it should be {want:.3f}, not {got:.3f}. How many classes does the label surely beat?")


@check("a single very sure view decides the mean of the scores, and only counts as one voice in the other.")
def disagreement(function: Callable[[int], Tensor], *, cases: Iterable[int] = (3,)) -> None:
    """Scores of several views ``(V, classes)`` for which the two means name different classes; a case is a number."""
    for classes in cases:
        got = function(classes)
        if not isinstance(got, Tensor):
            raise Hint(f"a tensor is wanted, not {type(got).__name__}.")
        expect(
            got.ndim == 2 and got.shape[1] == classes and len(got) > 1,
            f"the shape is {tuple(got.shape)}, it should be (V, {classes}) with at least two views.",
        )
        scores = got.detach().double()
        expect(bool(scores.isfinite().all()), "All scores should be finite.")
        by_score, by_probability = scores.mean(0), scores.softmax(1).mean(0)
        for mean, name in ((by_score, "scores"), (by_probability, "probabilities")):
            first, second = mean.topk(2).values.tolist()
            expect(first - second > 0.01, f"{classes} classes: the mean of the {name} has a tie, or nearly.")
        chosen = int(by_score.argmax())
        expect(
            chosen != int(by_probability.argmax()),
            f"{classes} classes: both means name class {chosen}. Let one view be very sure of one class, and the "
            "others a little sure of another.",
        )


@check("ten views, ten softmaxes, one mean: the paper's test.")
def ten_crop(
    function: Callable[[Callable[[Tensor], Tensor], Tensor, int], Tensor],
    *,
    cases: Iterable[tuple[int, int]] = ((12, 8),),
) -> None:
    """Class probabilities ``(K,)`` from ten views; a case is the square's side and the crop's."""
    for side, size in cases:
        square, weight = torch.rand(3, side, side), torch.randn(3 * size * size, 6)

        def scores(x: Tensor, size: int = size, weight: Tensor = weight) -> Tensor:
            wanted = (3, size, size)
            expect(
                x.ndim == 4 and x.shape[1:] == wanted,
                f"the network takes a batch (N, {wanted[0]}, {size}, {size}), not {tuple(x.shape)}.",
            )
            return x.flatten(1).to(weight.dtype) @ weight

        got = function(scores, square, size)
        far, middle = side - size, (side - size) // 2
        corners = [(0, 0), (0, far), (far, 0), (far, far)]
        centred = [*corners, (middle, middle)]
        want = _averaged(scores, square, size, centred, -1)
        logits = torch.cat([v for v in _views(square, size, centred, -1)])
        unlike(
            got, want, scores(logits).mean(0).softmax(0), "You averaged scores; the paper averages ten softmax outputs."
        )
        unlike(
            got, want, scores(logits).mean(0), "These are mean scores; take the softmax of each view, then the mean."
        )
        unlike(got, want, want * 10, "That is the sum of the ten; divide by ten.")
        turned = _averaged(scores, square, size, centred, -2)
        unlike(got, want, turned, "You turned the views upside down; a mirror swaps left and right.")
        five = torch.cat(_views(square, size, centred, -1)[:1])
        unlike(got, want, scores(five).softmax(1).mean(0), "Those are five views; their mirror images are missing.")
        unlike(got, want, _averaged(scores, square, size, corners, -1), "Those are the corners; the centre is missing.")
        close(got, want, f"Side {side}, size {size}: where does the view at the lower right begin, and the centre?")


def _views(square: Tensor, size: int, places: list[tuple[int, int]], axis: int) -> list[Tensor]:
    cut = torch.stack([square[:, y : y + size, x : x + size] for y, x in places])
    return [cut, cut.flip(axis)]


def _averaged(
    scores: Callable[[Tensor], Tensor], square: Tensor, size: int, places: list[tuple[int, int]], axis: int
) -> Tensor:
    return scores(torch.cat(_views(square, size, places, axis))).softmax(1).mean(0)


def _invented(pictures: int, classes: int, sharpness: float) -> tuple[Tensor, Tensor]:
    """Scores and labels of a network that is calibrated at the temperature ``sharpness``, by construction."""
    scores = 1.5 * torch.randn(pictures, classes)
    labels = torch.multinomial(scores.softmax(1), 1)[:, 0]
    return sharpness * scores, labels


@check("0 would mean: of all answers that are 70 % sure, 70 % are right.")
def calibration_error(
    function: Callable[[Tensor, Tensor, int], float],
    *,
    cases: Iterable[tuple[int, float, int]] = ((300, 3.0, 10), (300, 0.5, 5)),
) -> None:
    """The expected calibration error; a case is pictures, sharpness of the scores and bins."""
    for pictures, sharpness, bins in cases:
        scores, labels = _invented(pictures, 6, sharpness)
        probabilities = scores.softmax(1)
        probabilities[0] = torch.eye(6)[0]  # one answer that is exactly 1
        got = number(function(probabilities, labels, bins))
        confidence, first = probabilities.max(1)
        right = (first == labels).float()
        want, plain = _gaps(confidence, right, bins)
        own = probabilities.gather(1, labels[:, None])[:, 0]
        for wrong, hint in (
            (plain, "every bin counts the same in yours; weigh it with the share of the pictures in it."),
            (_gaps(own, right, bins)[0], "confidence is the probability of the *first* label, right or wrong."),
            (abs(float((confidence - right).mean())), "over all pictures at once, too sure and too unsure cancel."),
            (_gaps(confidence, right, bins, centres=True)[0], "take the mean confidence in a bin, not its centre."),
            (pictures * want, "that is a sum over pictures; divide by their number."),
        ):
            differs(got, want, wrong, f"{bins} bins: {hint}")
        ask = f"{bins} bins: it should be {want:.4f}. Is a confidence of exactly 1 in your last bin?"
        same(got, want, ask, tolerance=1e-3)


def _gaps(confidence: Tensor, right: Tensor, bins: int, *, centres: bool = False) -> tuple[float, float]:
    """The mean gap, weighed by pictures, and the plain mean over the bins that are not empty."""
    place = (confidence * bins).long().clamp_max(bins - 1)
    gaps, shares = [], []
    for i in range(bins):
        inside = place == i
        if inside.any():
            sure = (i + 0.5) / bins if centres else float(confidence[inside].mean())
            gaps.append(abs(sure - float(right[inside].mean())))
            shares.append(float(inside.float().mean()))
    return sum(g * s for g, s in zip(gaps, shares, strict=True)), sum(gaps) / len(gaps)


@check("the order of the labels is the same as before, and now the network says how sure it may be.")
def best_temperature(
    function: Callable[[Tensor, Tensor], float], *, cases: Iterable[float] = (3.0,), pictures: int = 1000
) -> None:
    """The number that scores are divided by for the smallest log loss; a case is the true one."""
    for truth in cases:
        scores, labels = _invented(pictures, 8, truth)
        got = number(function(scores, labels))
        expect(got > 0, "A temperature is above 0: it divides the scores, and their order must stay.")
        grid = torch.logspace(-1.5, 1.5, 301)
        chances = (scores / grid[:, None, None]).log_softmax(2)  # (301, pictures, classes)
        losses = -chances.gather(2, labels.expand(len(grid), -1)[..., None]).mean((1, 2))
        best = float(grid[losses.argmin()])
        expect(
            abs(got * best - 1) > 0.03 or abs(best - 1) < 0.1,
            f"Your {got:.3g} is what the scores should be *multiplied* by; the temperature divides them.",
        )
        mean = scores.softmax(1).max(1).values.mean().item()
        worse = float(torch.nn.functional.cross_entropy(scores / got, labels)) - float(losses.min())
        expect(worse < 5e-4, f"With T = {got:.3g} the log loss is {worse:.4f} above the smallest; scores that are "
               f"{mean:.0%} sure on average need {'more' if best > got else 'less'}.")  # fmt: skip
