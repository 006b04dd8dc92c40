"""Answers to problem set 5 that its tests must accept, and wrong ones with a part of their hint.

``RIGHT``: (test cell, answers by name). ``WRONG``: the same and a part of the hint. Known mistakes are not here: they
stand in ``alexnet_edu.check.ps5``. A function stands alone: its source is also pasted into
made-up submissions.
"""

from __future__ import annotations

from typing import Any


def patch_by_sign(filters, low, high):
    middle, half = (low + high) / 2, (high - low) / 2
    return middle.reshape(3, 1, 1) + half.reshape(3, 1, 1) * filters.sign()


def patch_pixel_by_pixel(filters, low, high):
    import torch

    out = torch.empty_like(filters)
    for colour in range(3):
        out[:, colour] = low[colour]
        out[:, colour][filters[:, colour] > 0] = high[colour]
    return out


def patch_of_one_limit(filters, low, high):
    import torch

    return torch.where(filters > 0, high.min(), low.max())


def sparsities_by_counting(activations):
    import torch

    active = activations > 0
    pictures, units = activations.shape
    return torch.count_nonzero(active, 0) / pictures, torch.count_nonzero(active, 1) / units


def sparsities_by_loops(activations):
    import torch

    pictures, units = activations.shape
    lifetime = [sum(bool(activations[n, f] > 0) for n in range(pictures)) / pictures for f in range(units)]
    population = [sum(bool(activations[n, f] > 0) for f in range(units)) / units for n in range(pictures)]
    return [torch.tensor(lifetime), torch.tensor(population)]


def sparsities_one_number(activations):
    return (activations > 0).float().mean()


def drops_one_by_one(probability, x, patch, stride):
    import torch

    _, height, width = x.shape
    before = probability(x.unsqueeze(0)).item()
    rows = []
    for top in range(0, height - patch + 1, stride):
        row = []
        for left in range(0, width - patch + 1, stride):
            kept = x[:, top : top + patch, left : left + patch].clone()
            x[:, top : top + patch, left : left + patch] = 0
            row.append(before - probability(x.unsqueeze(0)).item())
            x[:, top : top + patch, left : left + patch] = kept
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


def drops_by_masks(probability, x, patch, stride):
    import torch

    rows, columns = ((side - patch) // stride + 1 for side in x.shape[1:])
    masks = torch.ones(rows, columns, *x.shape[1:], dtype=x.dtype)
    for i in range(rows):
        masks[i, :, i * stride : i * stride + patch] -= 0.5
    for j in range(columns):
        masks[:, j, :, j * stride : j * stride + patch] -= 0.5
    masks = (masks > 0.1).to(x.dtype)
    return probability(x[None])[0] - probability((masks[:, :, None] * x).flatten(0, 1)).reshape(rows, columns)


def drops_last_square_missing(probability, x, patch, stride):
    import torch

    tops, lefts = (range(0, side - patch, stride) for side in x.shape[1:])
    out = torch.empty(len(tops), len(lefts), dtype=torch.float64)
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            one = x.clone()
            one[:, top : top + patch, left : left + patch] = 0
            out[i, j] = probability(x[None])[0] - probability(one[None])[0]
    return out


def drops_unbatched(probability, x, patch, stride):
    return probability(x)


def spread_pixel_by_pixel(drops, patch, stride, height, width):
    import torch

    out = torch.zeros(height, width, dtype=drops.dtype)
    for y in range(height):
        for x in range(width):
            over = [
                drops[i, j]
                for i in range(drops.shape[0])
                for j in range(drops.shape[1])
                if 0 <= y - i * stride < patch and 0 <= x - j * stride < patch
            ]
            if over:
                out[y, x] = sum(over) / len(over)
    return out


def spread_by_fold(drops, patch, stride, height, width):
    import torch

    def laid_out(values):
        size = [(n - 1) * stride + patch for n in drops.shape]
        columns = values.flatten().expand(patch * patch, -1)[None]
        folded = torch.nn.functional.fold(columns, size, patch, stride=stride)[0, 0]
        return torch.nn.functional.pad(folded, (0, width - size[1], 0, height - size[0]))

    count = laid_out(torch.ones_like(drops))
    return torch.where(count > 0, laid_out(drops) / count.clamp(min=1), torch.zeros_like(count))


def spread_interpolated(drops, patch, stride, height, width):
    import torch

    return torch.nn.functional.interpolate(drops[None, None], size=(height, width), mode="bilinear")[0, 0]


def angles_by_normalize(vectors):
    import torch

    return torch.nn.functional.normalize(vectors, dim=1)


def angles_row_by_row(vectors):
    import torch

    rows = []
    for row in vectors:
        length = row.dot(row).sqrt()
        rows.append(row * (10 / length) if length > 0 else torch.full_like(row, 3.0))
    return torch.stack(rows)


def angles_with_nan(vectors):
    return vectors / vectors.norm(dim=1, keepdim=True)


def angles_of_columns(vectors):
    return vectors / vectors.norm(dim=0, keepdim=True).clamp_min(1e-9)


def angles_of_all(vectors):
    return vectors / vectors.norm()


def angles_centred(vectors):
    import torch

    return torch.nn.functional.normalize(vectors - vectors.mean(0), dim=1)


def angles_by_largest(vectors):
    return vectors / vectors.amax(1, keepdim=True).clamp_min(1e-9)


def angles_unchanged(vectors):
    return vectors


def angles_as_cosines(vectors):
    import torch

    unit = torch.nn.functional.normalize(vectors, dim=1)
    return unit @ unit.T


def shift_by_columns(before, after, cells, border):
    height, width = before.shape[-2:]
    largest = error = 0.0
    for column in range(border, width - border - cells):
        was = before[:, border : height - border, column]
        now = after[:, border : height - border, column + cells]
        error, largest = max(error, (now - was).abs().max().item()), max(largest, was.abs().max().item())
    return error / largest


def shift_by_mask(before, after, cells, border):
    import torch

    _, height, width = before.shape
    inside = torch.zeros(height, width, dtype=torch.bool)
    inside[border : height - border, border + cells : width - border] = True
    moved = before.roll(cells, dims=2)
    return (after - moved)[:, inside].abs().max() / moved[:, inside].abs().max()


def shift_to_the_left(before, after, cells, border):
    height, width = before.shape[1:]
    was = before[:, border : height - border, border + cells : width - border]
    now = after[:, border : height - border, border : width - border - cells]
    return ((now - was).abs().max() / now.abs().max()).item()


def shift_with_minus_zero(before, after, cells, border):
    was = before[:, border:-border, border : -border - cells] if border else before[:, :, :-cells]
    now = after[:, border:-border, border + cells : -border] if border else after[:, :, cells:]
    return ((now - was).abs().max() / was.abs().max()).item()


def kept_by_loops(before, after):
    def correlation(a, b):
        a, b = a.flatten().tolist(), b.flatten().tolist()
        first = {value: rank for rank, value in enumerate(sorted(a))}
        second = {value: rank for rank, value in enumerate(sorted(b))}
        squares = sum((first[x] - second[y]) ** 2 for x, y in zip(a, b, strict=True))
        return 1 - 6 * squares / (len(a) * (len(a) ** 2 - 1))

    count = len(before)
    kept = sum(correlation(before[i], after[i]) for i in range(count)) / count
    others = [correlation(before[i], before[j]) for i in range(count) for j in range(i)]
    return kept, sum(others) / len(others)


def kept_by_corrcoef(before, after):
    import torch

    ranks = [maps.flatten(1).argsort(1).argsort(1).double() for maps in (before, after)]
    count = len(before)
    table = torch.corrcoef(torch.cat(ranks))
    among = table[:count, :count][~torch.eye(count, dtype=torch.bool)]
    return table[:count, count:].diagonal().mean(), among.mean()


def kept_without_chance(before, after):
    return kept_by_corrcoef(before, after)[0]


def kept_of_signs(before, after):
    return (before.sign() * after.sign()).mean(), 0.5


RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("best_patch", {"best_patch": patch_by_sign}),
    ("best_patch", {"best_patch": patch_pixel_by_pixel}),
    ("two_sparsities", {"two_sparsities": sparsities_by_counting}),
    ("two_sparsities", {"two_sparsities": sparsities_by_loops}),
    ("occlusion_drop", {"occlusion_drop": drops_one_by_one}),
    ("occlusion_drop", {"occlusion_drop": drops_by_masks}),
    ("spread", {"spread": spread_pixel_by_pixel}),
    ("spread", {"spread": spread_by_fold}),
    ("for_angles", {"for_angles": angles_by_normalize}),
    ("for_angles", {"for_angles": angles_row_by_row}),
    ("shift_error", {"shift_error": shift_by_columns}),
    ("shift_error", {"shift_error": shift_by_mask}),
    ("kept_order", {"kept_order": kept_by_loops}),
    ("kept_order", {"kept_order": kept_by_corrcoef}),
]

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("best_patch", {"best_patch": patch_of_one_limit}, "weight times value"),
    ("two_sparsities", {"two_sparsities": sparsities_one_number}, "2 values are wanted"),
    ("occlusion_drop", {"occlusion_drop": drops_last_square_missing}, "the shape is"),
    ("occlusion_drop", {"occlusion_drop": drops_unbatched}, "takes a batch"),
    ("spread", {"spread": spread_interpolated}, "does square [i, j] cover"),
    ("for_angles", {"for_angles": angles_with_nan}, "became nan"),
    ("for_angles", {"for_angles": angles_of_columns}, "one vector is a row"),
    ("for_angles", {"for_angles": angles_of_all}, "each row has its own"),
    ("for_angles", {"for_angles": angles_centred}, "no longer those of the old ones"),
    ("for_angles", {"for_angles": angles_by_largest}, "times as long as"),
    ("for_angles", {"for_angles": angles_unchanged}, "each row has its own"),
    ("for_angles", {"for_angles": angles_as_cosines}, "a tensor of shape"),
    ("shift_error", {"shift_error": shift_to_the_left}, "Which columns are in both"),
    ("shift_error", {"shift_error": shift_with_minus_zero}, "your code stopped"),
    ("kept_order", {"kept_order": kept_without_chance}, "2 values are wanted"),
    ("kept_order", {"kept_order": kept_of_signs}, "Which two maps"),
]
