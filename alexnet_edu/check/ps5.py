"""Checks of problem set 5, inside the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from alexnet_edu.check.compare import as_tensor, same
from alexnet_edu.check.exercises import Inputs, check, exercise, expect, whole
from alexnet_edu.check.given import Spotlight

__all__ = ["best_patch", "for_angles", "kept_order", "occlusion_drop", "shift_error", "spread", "two_sparsities"]


def _limits(filters: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    return low[:, None, None].expand_as(filters), high[:, None, None].expand_as(filters)


def _patch(filters: Tensor, low: Tensor, high: Tensor) -> Tensor:
    lower, upper = _limits(filters, low, high)
    return torch.where(filters > 0, upper, lower)


def _stretched(filters: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The filter itself, from its least value at ``low`` to its largest at ``high``."""
    least, largest = filters.amin((1, 2, 3), keepdim=True), filters.amax((1, 2, 3), keepdim=True)
    return low[:, None, None] + (filters - least) / (largest - least) * (high - low)[:, None, None]


@exercise(
    "black and white at full strength: within these limits no patch excites the filter more.",
    right=_patch,
    hint=("Each pixel adds weight times value, whatever the others do.", "Which value in low..high is best for it?"),
    mistakes=[
        (lambda f, low, high: _patch(-f, low, high), "That patch has the *smallest* response."),
        (lambda f, low, high: f.maximum(_limits(f, low, high)[0]).minimum(_limits(f, low, high)[1]),
         "That is the filter, "
         "cut off at the limits: which pixels could still go further towards one?"),
        (lambda f, low, high: f, "Some pixels of your patch lie outside of low to high, colour by colour."),
        (lambda f, low, high: torch.where(f > 0, 1.0, -1.0), "low and high are arguments: yours goes from -1 to 1."),
        (lambda f, low, high: _patch(f, low[:1].expand(3), high[:1].expand(3)), "Each colour has its own limits."),
        (_stretched, "You stretched the filter between the "
         "limits: which pixels could still go further towards one?"),
        (lambda f, low, high: _patch(f.mean(1, keepdim=True).expand_as(f), low, high), "Each colour decides by its own "
         "weight, not by their mean."),
    ],
)  # fmt: skip
def best_patch(hidden: bool) -> Iterable[Inputs]:
    """Problem 1: the allowed patch with the largest response of each filter: ``(filters, low, high)``."""
    drawn = [(whole(1, 6), 3, side := whole(1, 11), side) for _ in range(6)]
    for shape in drawn if hidden else [(4, 3, 5, 5)]:
        dtype = torch.float64 if hidden and whole(0, 1) else torch.float32
        yield torch.randn(shape, dtype=dtype), -1 - torch.rand(3, dtype=dtype), 0.5 + torch.rand(3, dtype=dtype)


def _sparsities(activations: Tensor) -> tuple[Tensor, Tensor]:
    active = (activations > 0).double()
    return active.mean(0), active.mean(1)


@exercise(
    "how often a unit answers, and how many units answer to one picture.",
    right=_sparsities,
    hint=("Over which dimension do you take each mean?", "lifetime has one value per unit."),
    mistakes=[
        (lambda a: _sparsities(a)[::-1], "Right shares, wrong order: lifetime comes first."),
        (lambda a: (1 - _sparsities(a)[0], 1 - _sparsities(a)[1]),
         "Those are shares of zeros; of *answers* is wanted."),
        (lambda a: ((a > 0).double().sum(0), (a > 0).double().sum(1)), "Those are counts; shares are wanted."),
        (lambda a: (a.mean(0), a.mean(1)), "That is how strong the answers are; count how many there are."),
        (lambda a: (torch.ones_like(a[0]), torch.ones_like(a[:, 0])), "0 is no answer; a unit answers above 0."),
        (lambda a: ((a > 0).double().mean(), (a > 0).double().mean()), "One value per unit and one per picture are "
         "wanted, not one for all."),
    ],
)  # fmt: skip
def two_sparsities(hidden: bool) -> Iterable[Inputs]:
    """Problem 2: share of pictures each unit answers to, of units each picture excites: ``(activations (N, F),)``."""
    for pictures, units in [(whole(1, 9), whole(1, 9)) for _ in range(8)] if hidden else [(6, 4), (5, 9)]:
        activations = (torch.randn(pictures, units) + torch.linspace(-1.5, 1.5, units)).relu()
        activations[:, 0] = 0  # a unit that never answers
        yield (activations,)


def _squares(x: Tensor, patch: int, stride: int) -> list[list[tuple[int, int]]]:
    """Where the squares start, row by row."""
    tops, lefts = (range(0, side - patch + 1, stride) for side in x.shape[-2:])
    return [[(top, left) for left in lefts] for top in tops]


def _remaining(probability: Spotlight, x: Tensor, patch: int, stride: int, *, piling: bool = False) -> Tensor:
    """The probability with each square covered; ``piling`` leaves earlier squares covered."""
    rows, covered = [], x.clone()
    for row in _squares(x, patch, stride):
        for top, left in row:
            covered = covered if piling else x.clone()
            covered[:, top : top + patch, left : left + patch] = 0
            rows.append(probability(covered[None])[0])
    return torch.stack(rows).reshape(len(_squares(x, patch, stride)), -1)


def _drops(probability: Spotlight, x: Tensor, patch: int, stride: int) -> Tensor:
    return probability(x[None])[0] - _remaining(probability, x, patch, stride)


@exercise(
    "large where the network was looking.",
    right=_drops,
    hint=("Cover one square by hand.", "Each value is the change for one square alone, with the rest of x whole."),
    mistakes=[
        (_remaining, "That is the probability that remains; how far did it fall?"),
        (lambda f, *n: -_drops(f, *n), "The sign is turned round: a drop is positive where covering hurts."),
        (lambda f, x, *n: _drops(f, x, *n) / f(x[None])[0], "That is a share of the probability; take the difference."),
        (lambda f, x, *n: f(x[None])[0] - _remaining(f, x, *n, piling=True), "Earlier squares are still covered: start "
         "each from a fresh copy."),
        (lambda f, *n: _drops(f, *n).T, "Rows and columns are swapped."),
        (lambda f, x, patch, stride: _drops(f, x[:, :-1, :-1], patch, stride), "A square that just fits counts, too."),
        (lambda f, *n: _drops(f, *n).abs(), "Where covering helps the drop is negative: keep its sign."),
    ],
)  # fmt: skip
def occlusion_drop(hidden: bool) -> Iterable[Inputs]:
    """Problem 3: how far the probability falls, square by square: ``(probability, x, patch, stride)``."""
    drawn = [(whole(10, 18), whole(10, 18), whole(2, 7), whole(1, 5)) for _ in range(5)]
    for height, width, patch, stride in [*drawn, (10, 10, 10, 1)] if hidden else [(12, 12, 4, 4), (13, 18, 5, 3)]:
        x = torch.rand(3, height, width, dtype=torch.float64) + 0.5
        x[:, :4, -4:] -= 2  # here covering helps
        yield Spotlight(whole(2, height - 5), whole(2, width - 5)), x, patch, stride


def _over(drops: Tensor, patch: int, stride: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """For each pixel the sum of the squares over it, and their number."""
    total, count = torch.zeros(2, height, width, dtype=drops.dtype)
    for i, j in torch.cartesian_prod(*map(torch.arange, drops.shape)).tolist():
        square = slice(i * stride, i * stride + patch), slice(j * stride, j * stride + patch)
        total[square] += drops[i, j]
        count[square] += 1
    return total, count


def _spread(drops: Tensor, patch: int, stride: int, height: int, width: int) -> Tensor:
    total, count = _over(drops, patch, stride, height, width)
    return total / count.clamp_min(1)


def _overwritten(drops: Tensor, patch: int, stride: int, height: int, width: int) -> Tensor:
    out = torch.zeros(height, width, dtype=drops.dtype)
    for i, j in torch.cartesian_prod(*map(torch.arange, drops.shape)).tolist():
        out[i * stride : i * stride + patch, j * stride : j * stride + patch] = drops[i, j]
    return out


@exercise(
    "a mean, not a sum: pixels in the middle lie under more squares than pixels at the edge.",
    right=_spread,
    hint=("Which rows and columns does square [i, j] cover?", "Take one pixel, and list the squares over it."),
    mistakes=[
        (lambda *n: _over(*n)[0], "That is the sum of the squares over a pixel; how many are there?"),
        (lambda *n: _over(*n)[0] / _over(*n)[1].max(), "The number of squares differs from pixel to pixel."),
        (lambda *n: _over(*n)[0] / _over(*n)[1], "A pixel under no square gets 0, and 0/0 is nan."),
        (_overwritten, "Where squares overlap, your last one wins."),
        (lambda d, p, s, h, w: torch.nn.functional.interpolate(d[None, None], (h, w))[0, 0], "Stretching the map moves "
         "its squares: they start every `stride` pixels."),
        (lambda d, p, s, h, w: _spread(d, p, p, h, w), "Squares start every `stride` pixels, not side by side."),
        (lambda d, p, s, h, w: _spread(d, s, s, h, w), "A square is `patch` pixels wide, not `stride`."),
    ],
)  # fmt: skip
def spread(hidden: bool) -> Iterable[Inputs]:
    """Problem 4: for each pixel the mean drop of the squares over it: ``(drops, patch, stride, height, width)``."""
    drawn = [(whole(6, 16), whole(6, 16), whole(1, 5), whole(1, 6)) for _ in range(7)]
    cases = [(8, 8, 4, 2), (9, 12, 3, 3), (9, 9, 2, 3)]
    for height, width, patch, stride in [*drawn, (10, 12, 4, 3), (9, 9, 2, 4)] if hidden else cases:
        rows, columns = (len(range(0, side - patch + 1, stride)) for side in (height, width))
        yield torch.rand(rows, columns, dtype=torch.float64) - 0.2, patch, stride, height, width


@check("on a sphere, nearest in a straight line and smallest angle are the same.")
def for_angles(function: Callable[[Tensor], Tensor], hidden: bool) -> None:
    """Problem 5: vectors whose Euclidean neighbours are the cosine neighbours of the old: ``(vectors (N, F),)``."""
    drawn = [(whole(3, 40), whole(2, 12)) for _ in range(5)]
    for rows, size in drawn if hidden else ((6, 5), (30, 8)):
        vectors = torch.randn(rows, size, dtype=torch.float64).relu() * torch.logspace(-1, 1, rows)[:, None]
        vectors[1:, 0] += 0.1
        vectors[0] = 0  # a picture that excites no unit
        got, asked = as_tensor(function(vectors)), f"Tried with vectors {(rows, size)}."
        fits = isinstance(got, Tensor) and got.shape == vectors.shape
        shape = tuple(getattr(got, "shape", ()))
        expect(fits, f"a tensor of shape {(rows, size)} is wanted, not {shape or type(got).__name__}. {asked}")
        expect(bool(got.isfinite().all()), f"a vector of zeros became nan: give it any finite vector. {asked}")
        got, right = got.double(), torch.nn.functional.normalize(vectors)
        by_column = vectors / vectors.norm(dim=0).clamp_min(1e-9)
        expect(not same(got, by_column), f"you divided each *column* by its length; one vector is a row. {asked}")
        whole_one = same(got, vectors / vectors.norm()) or same(got, vectors)
        expect(not whole_one, f"one number for all leaves the order as it was: each row has its own length. {asked}")
        unit = torch.nn.functional.normalize(got[1:])
        kept = same(unit @ unit.T, right[1:] @ right[1:].T, rtol=1e-4)
        expect(kept, f"the angles between your vectors are no longer those of the old ones. {asked}",
               "Which changes of a vector leave its direction as it is?")  # fmt: skip
        lengths = got[1:].norm(dim=1)
        times = float(lengths.max() / lengths.min())
        expect(times < 1 + 1e-5, f"your longest vector is {times:.3g} times as long as your shortest one. {asked}")


def _inside(maps: Tensor, border: int) -> Tensor:
    return maps[:, border : maps.shape[1] - border, border : maps.shape[2] - border]


def _error(before: Tensor, after: Tensor, cells: int, border: int, *, over: str = "compared", left: int = 0) -> float:
    """The error of a shift; ``over`` and ``left`` make its usual mistakes: another divisor, another direction."""
    was, now = _inside(before, border), _inside(after, border)
    width = was.shape[2]
    same_was, same_now = was[:, :, left : width - cells + left], now[:, :, cells - left : width - left]
    divisors = {"compared": same_was, "inside": was, "all": before, "after": same_now, "nothing": torch.ones(1)}
    return float((same_now - same_was).abs().max() / divisors[over].abs().max())


def _rolled(before: Tensor, after: Tensor, cells: int, border: int) -> float:
    was, now = _inside(before.roll(cells, 2), border), _inside(after, border)
    return float((now - was).abs().max() / was.abs().max())


@exercise(
    "compare where both maps saw the same pixels, and nowhere else.",
    right=_error,
    hint=("Which columns are in both maps?", "Write down the first and the last column of `before` that you compare."),
    mistakes=[
        (lambda b, a, c, e: _error(b, a, c, e, left=c),
         "The other way round: what was in column 0 is now further right."),
        (lambda b, a, c, e: _error(b, a, 0, e), "You compare the maps in place."),
        (lambda b, a, c, e: _error(b, a, c, 0), "The border is still in: leave it out on all four sides."),
        (lambda b, a, c, e: _error(b, a, c, e, over="nothing"), "The result should not depend on the maps' strength."),
        (lambda b, a, c, e: _error(b, a, c, e, over="inside"), "The largest value of `before` counts only among the "
         "cells that are compared."),
        (lambda b, a, c, e: _error(b, a, c, e, over="all"),
         "The largest value of `before` may stand in its border; only "
         "the cells that are compared count."),
        (_rolled, "roll brings back on the left what left on the right."),
    ],
)  # fmt: skip
def shift_error(hidden: bool) -> Iterable[Inputs]:
    """Problem 6: how far maps are from having moved by whole cells: ``(before, after, cells, border)``."""
    cases = [(0, 0), (0, 2), *((whole(1, 3), whole(0, 2)) for _ in range(4))] if hidden else [(1, 0), (2, 1)]
    for cells, border in cases:
        channels, height, width = (whole(1, 4), whole(6, 9), whole(9, 13)) if hidden else (4, 9, 12)
        wide = torch.randn(channels, height, width + cells, dtype=torch.float64)
        wide[0, border + 1, width - border - 1 + cells] = 6.0  # in no column of `after`
        before, after = wide[:, :, cells:].clone(), wide[:, :, :width] + 0.01 * torch.randn(channels, height, width)
        if border:  # what lies at the edge saw other pixels
            for maps in (before, after):
                maps[:, :border], maps[:, -border:] = 9 + torch.rand(()), -9 - torch.rand(())
                maps[:, :, :border], maps[:, :, -border:] = 9 + torch.rand(()), -9 - torch.rand(())
        yield before, after, cells, border


def _ranked(maps: Tensor) -> Tensor:
    return maps.flatten(1).argsort(1).argsort(1).double()


def _kept(
    before: Tensor, after: Tensor, *, order: Callable[[Tensor], Tensor] = _ranked, own: bool = False
) -> tuple[float, float]:
    """Correlations with the own map after and with others before; ``own`` counts a map among its others."""
    one, two = (torch.nn.functional.normalize(x - x.mean(1, keepdim=True)) for x in (order(before), order(after)))
    pairs, count = one @ one.T, len(one)
    others = pairs.mean() if own else (pairs.sum() - pairs.trace()) / (count * (count - 1))
    return float((one * two).sum(1).mean()), float(others)


def _values(maps: Tensor) -> Tensor:
    return maps.flatten(1).double()


def _against_after(before: Tensor, after: Tensor) -> float:
    pairs = torch.nn.functional.normalize(_ranked(before) - _ranked(before).mean(1, keepdim=True)) @ (
        torch.nn.functional.normalize(_ranked(after) - _ranked(after).mean(1, keepdim=True)).T
    )
    return float((pairs.sum() - pairs.trace()) / (len(pairs) * (len(pairs) - 1)))


@exercise(
    "what a map keeps means something only beside what unrelated maps have in common.",
    right=_kept,
    hint=(
        "Which two maps do you compare for each of the numbers?",
        "With two pictures there is one own pair each, and one pair of others.",
    ),
    mistakes=[
        (lambda b, a: _kept(b, a)[::-1], "Right numbers, wrong order: what is kept comes first."),
        (
            lambda b, a: _kept(b, a, order=_values),
            "Those are correlations of the values, which a few large ones decide; take ranks.",
        ),
        (
            lambda b, a: _kept(b, a, order=lambda maps: _values(maps).argsort(1).double()),
            "`argsort` once gives the places in order, not each value's rank.",
        ),
        (
            lambda b, a: (..., _kept(b, a, own=True)[1]),
            "A map is no other map: leave each picture out of its own chance.",
        ),
        (
            lambda b, a: (..., _against_after(b, a)),
            "Chance compares maps of one network, the trained one: both of `before`.",
        ),
        (lambda b, a: (..., 0.0), "Unrelated maps do agree a little, since all have edges and a middle: measure it."),
        (
            lambda b, a: (
                float(torch.corrcoef(torch.stack([_ranked(m.flatten()[None])[0] for m in (b, a)]))[0, 1]),
                ...,
            ),
            "Rank within each picture; you ranked the pixels of all pictures together.",
        ),
    ],
)
def kept_order(hidden: bool) -> Iterable[Inputs]:
    """Problem 7: mean rank correlation of maps with their own and with others' maps: ``(before, after)``."""
    drawn = [(whole(2, 7), whole(3, 9), whole(3, 9)) for _ in range(5)]
    for count, height, width in drawn if hidden else [(2, 4, 5), (5, 6, 6)]:
        middle = torch.randn(height, width, dtype=torch.float64)  # what all maps have in common
        before = (torch.randn(count, height, width, dtype=torch.float64) + middle).exp()
        strength = 10.0 ** torch.arange(count)[:, None, None]  # pictures have their own scales
        yield before * strength, (before + torch.randn_like(before)).pow(3) * strength.flip(0)
