"""Checks of problem set 5, inside the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from alexnet_edu.check import check, close, expect, same
from alexnet_edu.check.common import alike, differs, number, unlike

__all__ = ["best_patch", "for_angles", "occlusion_drop", "shift_error", "spread", "two_sparsities"]


@check("black and white at full strength: within these limits no patch excites the filter more.")
def best_patch(
    function: Callable[[Tensor, Tensor, Tensor], Tensor], *, cases: Iterable[tuple[int, ...]] = ((4, 3, 5, 5),)
) -> None:
    """The allowed patch with the largest response of each filter; a case is the shape of the filters."""
    for shape in cases:
        filters = torch.randn(shape)
        low, high = -1 - torch.rand(3), 0.5 + torch.rand(3)
        got = function(filters, low, high)
        lower, upper = low[:, None, None].expand(shape), high[:, None, None].expand(shape)
        want = torch.where(filters > 0, upper, lower)
        if isinstance(got, Tensor) and got.shape == want.shape:
            outside = (got < lower - 1e-5) | (got > upper + 1e-5)
            expect(not outside.any(), "Some pixels of your patch lie outside of low to high, colour by colour.")
            unlike(got, want, torch.where(filters > 0, lower, upper), "That patch has the *smallest* response.")
            unlike(
                got,
                want,
                filters.maximum(lower).minimum(upper),
                "The filter itself, cut off at the limits: pixels that could still go further towards a limit do.",
            )
        close(got, want, "Each pixel adds weight * value, whatever the others do: which value in low..high is best?")


@check("how often a unit answers, and how many units answer to one picture.")
def two_sparsities(
    function: Callable[[Tensor], tuple[Tensor, Tensor]],
    *,
    cases: Iterable[tuple[int, int]] = ((6, 4), (5, 9)),
) -> None:
    """Share of pictures each unit answers to (F,), of units each picture excites (N,); a case is (N, F)."""
    for pictures, units in cases:
        activations = (torch.randn(pictures, units) + torch.linspace(-1.5, 1.5, units)).relu()
        activations[:, 0] = 0  # a unit that never answers
        answer = function(activations)
        expect(isinstance(answer, tuple | list) and len(answer) == 2, "Return two tensors: lifetime and population.")
        active = (activations > 0).float()
        want = active.mean(0), active.mean(1)
        shapes = [tuple(getattr(part, "shape", ())) for part in answer]
        expect(
            shapes != [(pictures,), (units,)] or pictures == units, "Right sizes, wrong order: lifetime comes first."
        )
        for got, right, name in zip(answer, want, ("lifetime", "population"), strict=True):
            unlike(got, right, torch.ones_like(right), f"{name}: 0 is no answer; a unit answers when it is above 0.")
            unlike(got, right, 1 - right, f"{name}: that is the share of zeros; the share of *answers* is wanted.")
            unlike(
                got,
                right,
                right * (pictures if name == "lifetime" else units),
                f"{name}: that is a count; take the mean.",
            )
            mean = activations.mean(0 if name == "lifetime" else 1)
            unlike(got, right, mean, f"{name}: that is how strong the answers are; count how many there are.")
            every = f"{name}: over which dimension do you take the mean? lifetime has one value a unit."
            close(got, right, every)


def _spotlight(x: Tensor, top: int, left: int) -> Tensor:
    """A made-up network ``(N, 3, H, W)`` to ``(N,)``: as sure as a spot of 4 x 4 pixels is bright."""
    return torch.sigmoid(x[:, :, top : top + 4, left : left + 4].mean((1, 2, 3)) * 2 + x.mean((1, 2, 3)))


@check("large where the network was looking.")
def occlusion_drop(
    function: Callable[[Callable[[Tensor], Tensor], Tensor, int, int], Tensor],
    *,
    cases: Iterable[tuple[int, int, int, int]] = ((12, 12, 4, 4), (13, 18, 5, 3)),
) -> None:
    """How far the probability falls, square by square; a case is height, width, patch, stride."""
    for height, width, patch, stride in cases:
        x = torch.rand(3, height, width, dtype=torch.float64) + 0.5
        spot = height // 3, width // 2

        def probability(batch: Tensor, spot: tuple[int, int] = spot) -> Tensor:
            expect(batch.ndim == 4, f"the network takes a batch (N, 3, H, W), not {tuple(batch.shape)}.")
            return _spotlight(batch, *spot)

        got = function(probability, x, patch, stride)
        remains = torch.stack(
            [
                torch.stack([_hidden(probability, x, i, j, patch) for j in range(0, width - patch + 1, stride)])
                for i in range(0, height - patch + 1, stride)
            ]
        )
        want = probability(x[None])[0] - remains
        asked = f"picture {height} x {width}, patch {patch}, stride {stride}"
        _name_mistake_of_occlusion(got, want, remains, probability(x[None])[0])
        unlike(got, want, want.T, f"{asked}: rows and columns are swapped.")
        close(got, want, f"{asked}: each value is the change for one square alone; the rest of the picture is whole.")


def _hidden(probability: Callable[[Tensor], Tensor], x: Tensor, top: int, left: int, patch: int) -> Tensor:
    covered = x.clone()
    covered[:, top : top + patch, left : left + patch] = 0
    return probability(covered[None])[0]


def _name_mistake_of_occlusion(got: object, want: Tensor, remains: Tensor, before: Tensor) -> None:
    unlike(got, want, remains, "That is the probability that remains; the drop is the uncovered picture's less that.")
    unlike(got, want, -want, "The sign is turned round: a drop is positive where covering hurts.")
    unlike(got, want, want / before, "That is a share of the probability; take the plain difference.")
    if isinstance(got, Tensor) and got.shape == want.shape and want.numel() > 2:
        steps = got.flatten().diff()
        first_right = torch.isclose(got.flatten()[0].double(), want.flatten()[0])
        expect(
            not (first_right and (steps >= -1e-9).all() and not alike(got, want)),
            "The drop grows from square to square: earlier squares are still covered. Start each from a fresh copy.",
        )


@check("a mean, not a sum: pixels in the middle lie under more squares than pixels at the edge.")
def spread(
    function: Callable[[Tensor, int, int, int, int], Tensor],
    *,
    cases: Iterable[tuple[int, int, int, int]] = ((8, 8, 4, 2), (9, 12, 3, 3)),
) -> None:
    """For each pixel the mean drop of the squares over it; a case is height, width, patch, stride."""
    for height, width, patch, stride in cases:
        rows, columns = (height - patch) // stride + 1, (width - patch) // stride + 1
        drops = torch.rand(rows, columns, dtype=torch.float64)
        got = function(drops, patch, stride, height, width)
        total, count = torch.zeros(2, height, width, dtype=torch.float64)
        for i in range(rows):
            for j in range(columns):
                square = slice(i * stride, i * stride + patch), slice(j * stride, j * stride + patch)
                total[square] += drops[i, j]
                count[square] += 1
        asked = f"picture {height} x {width}, patch {patch}, stride {stride}"
        want = total / count.clamp_min(1)
        unlike(got, want, total, f"{asked}: that is the sum; divide by the number of squares over each pixel.")
        unlike(
            got, want, total / count.max(), f"{asked}: the number of squares differs from pixel to pixel; count them."
        )
        if isinstance(got, Tensor) and got.shape == want.shape:
            expect(not got.isnan().any(), f"{asked}: a pixel under no square gets 0; 0/0 is nan.")
        close(got, want, f"{asked}: square [i, j] covers rows i * stride to i * stride + patch - 1.")


@check("on a sphere, nearest in a straight line and smallest angle are the same.")
def for_angles(
    function: Callable[[Tensor], Tensor],
    *,
    cases: Iterable[tuple[int, int]] = ((6, 5), (30, 8)),
) -> None:
    """Vectors changed so that Euclidean neighbours of the new are cosine neighbours of the old; a case is (N, F)."""
    for rows, size in cases:
        vectors = torch.randn(rows, size, dtype=torch.float64).relu() * torch.logspace(-1, 1, rows)[:, None]
        vectors[1:, 0] += 0.1
        vectors[0] = 0  # a picture that excites no unit
        got, right = function(vectors), torch.nn.functional.normalize(vectors)
        if not isinstance(got, Tensor) or got.shape != vectors.shape:
            close(got, vectors, "")  # says what is wrong with the shape
        expect(bool(got.isfinite().all()), "A vector of zeros became nan: give it any finite vector.")
        columns = vectors / vectors.norm(dim=0).clamp_min(1e-9)
        unlike(got, right, columns, "You divided each *column* by its length; one vector is a row.")
        whole = vectors / vectors.norm()
        unlike(got, right, whole, "One number for all leaves the order as it was; each row has its own.")
        kept = "The angles between your vectors are no longer those of the old ones: change lengths only."
        unit = torch.nn.functional.normalize(got[1:].double())
        expect(alike(unit @ unit.T, right[1:] @ right[1:].T, atol=1e-6), kept)
        lengths = got[1:].norm(dim=1)
        times = float(lengths.max() / lengths.min())
        expect(times < 1 + 1e-6, f"Your longest vector is {times:.3g} times as long as your shortest one.")


@check("compare where both maps saw the same pixels, and nowhere else.")
def shift_error(
    function: Callable[[Tensor, Tensor, int, int], float],
    *,
    cases: Iterable[tuple[int, int]] = ((1, 0), (2, 1)),
) -> None:
    """How far maps are from having moved by whole cells; a case is cells to the right, and border left out."""
    for cells, border in cases:
        wide = torch.randn(4, 9, 16, dtype=torch.float64)
        before, after = wide[:, :, cells : cells + 12].clone(), wide[:, :, :12] + 0.01 * torch.randn(4, 9, 12)
        if border:  # what lies at the edge saw other pixels
            for maps in (before, after):
                maps[:, :border], maps[:, -border:] = 9.0 * torch.rand(()), -9.0 * torch.rand(())
                maps[:, :, :border], maps[:, :, -border:] = 9.0 * torch.rand(()), -9.0 * torch.rand(())
        got = number(function(before, after, cells, border))
        asked = f"{cells} cells, border {border}"
        want = _difference(before, after, cells, border)
        for wrong, hint in (
            (
                _difference(after, before, cells, border),
                "the other way round: what was in column 0 is now further right.",
            ),
            (_difference(before, after, 0, border) if cells else want, "you compare the maps in place."),
            (_difference(before, after, cells, 0), "the border is still in: leave it out on all four sides."),
            (
                _difference(before, after, cells, border, relative=False),
                "divide by the largest value of `before` there.",
            ),
            (_rolled(before, after, cells, border), "roll brings back on the left what left on the right."),
        ):
            differs(got, want, wrong, f"{asked}: {hint}", tolerance=1e-4)
        same(got, want, f"{asked}: it should be {want:.4g}. Which columns are in both maps?", tolerance=1e-4)


def _inside(maps: Tensor, border: int) -> Tensor:
    return maps[:, border : maps.shape[1] - border, border : maps.shape[2] - border]


def _difference(before: Tensor, after: Tensor, cells: int, border: int, *, relative: bool = True) -> float:
    was = _inside(before, border)[:, :, : before.shape[2] - 2 * border - cells]
    now = _inside(after, border)[:, :, cells:]
    return float((now - was).abs().max() / (was.abs().max() if relative else 1))


def _rolled(before: Tensor, after: Tensor, cells: int, border: int) -> float:
    was, now = _inside(before.roll(cells, 2), border), _inside(after, border)
    return float((now - was).abs().max() / was.abs().max())
