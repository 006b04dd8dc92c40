"""Answers to problem set 4 that its tests must accept, and wrong ones with a part of their hint.

``RIGHT``: (test cell, answers by name). ``WRONG``: the same and a part of the hint. Known mistakes are not here: they
stand in ``alexnet_edu.check.ps4``. A function stands alone: its source is also pasted into
made-up submissions.
"""

from __future__ import annotations

from typing import Any


def box_by_margins(width, height, resize, size):
    scale = resize / min(width, height)
    left, top = (width * scale - size) / 2 / scale, (height * scale - size) / 2 / scale
    return left, top, width - left, height - top


def box_in_whole_pixels(width, height, resize, size):
    short = min(width, height)
    half = round(short * size / resize / 2)
    return [width // 2 - half, height // 2 - half, width // 2 + half, height // 2 + half]


def error_by_rank(scores, labels, k):
    import torch

    wrong = 0
    for row, label in zip(scores, labels, strict=True):
        own = row[label]
        others = torch.cat([row[:label], row[label + 1 :]])
        at_least = (others >= own).sum()
        wrong += bool(own.isnan()) or bool(at_least >= k)
    return wrong / len(labels)


def error_with_bad_luck(scores, labels, k):
    import torch

    rows = torch.arange(len(labels))
    pushed = scores.double().clone()
    pushed[rows, labels] -= 1e-9  # loses every tie
    pushed = pushed.nan_to_num(nan=0.0)
    hit = (pushed.topk(k).indices == labels[:, None]).any(1)
    return 1 - (hit & ~scores[rows, labels].isnan()).double().mean()


def disagreement_of_many(classes):
    import torch

    scores = torch.full((5, classes), -30.0)
    scores[:, 0], scores[:, 1] = -1.0, 1.0
    scores[4, 0], scores[4, 1] = 50.0, -50.0
    return scores


def disagreement_by_search(classes):
    import torch

    generator = torch.Generator().manual_seed(1)
    while True:
        scores = 6 * torch.randn(3, classes, generator=generator, dtype=torch.float64)
        means = scores.mean(0), scores.softmax(1).mean(0)
        gaps = [float(mean.topk(2).values.diff().abs()) for mean in means]
        if means[0].argmax() != means[1].argmax() and min(gaps) > 0.01:
            return scores


def disagreement_random(classes):
    import torch

    return torch.randn(4, classes, generator=torch.Generator().manual_seed(3))


def disagreement_as_probabilities(classes):
    import torch

    scores = torch.zeros(3, classes)
    scores[0, 0], scores[1, 1], scores[2, 1] = 1.0, 0.6, 0.6
    return scores


def disagreement_infinite(classes):
    import torch

    scores = torch.full((3, classes), -20.0)
    scores[:, 0], scores[:, 1] = -1.0, 1.0
    scores[0, 0] = float("inf")
    return scores


def disagreement_tied(classes):
    import torch

    return torch.eye(classes)


def disagreement_of_three(classes):
    import torch

    return torch.tensor([[9.0, -9.0, -20.0], [-1.0, 1.0, -20.0], [-1.0, 1.0, -20.0]])


def crops_one_by_one(scores, square, size):
    import torch

    far = square.shape[1] - size
    total = 0
    for y, x in ((0, 0), (0, far), (far, 0), (far, far), (far // 2, far // 2)):
        view = square[:, y : y + size, x : x + size]
        for one in (view, torch.flip(view, [2])):
            total = total + scores(one[None]).softmax(1)[0]
    return total / 10


def crops_of_mirrored_square(scores, square, size):
    import torch

    far, half = square.shape[1] - size, (square.shape[1] - size) // 2
    views = []
    for picture in (square, square.flip(2)):
        views += [picture[:, :size, :size], picture[:, :size, far:], picture[:, far:, :size], picture[:, far:, far:]]
        views.append(picture[:, half : half + size, half : half + size])
    return torch.softmax(scores(torch.stack(views)), dim=1).mean(dim=0)


def crops_unbatched(scores, square, size):
    return scores(square[:, :size, :size]).softmax(0)


def calibration_by_loop(probabilities, labels, bins):
    groups = [[] for _ in range(bins)]
    for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True):
        sure = max(row)
        groups[min(int(sure * bins), bins - 1)].append((sure, row.index(sure) == label))
    error = 0.0
    for group in groups:
        if group:
            error += abs(sum(sure for sure, _ in group) - sum(right for _, right in group)) / len(labels)
    return error


def calibration_by_sums(probabilities, labels, bins):
    import torch

    sure, first = probabilities.double().max(1)
    place = (sure * bins).floor().clamp(max=bins - 1).long()
    gaps = torch.zeros(bins, dtype=torch.double).index_add(0, place, sure - (first == labels).double())
    return gaps.abs().sum() / len(labels)


def temperature_by_golden_section(scores, labels):
    from math import exp

    import torch

    def loss(log_t):
        return torch.nn.functional.cross_entropy(scores / exp(log_t), labels).item()

    low, high = -2.5, 2.5
    for _ in range(40):
        third = (high - low) / 3
        low, high = (low, high - third) if loss(low + third) < loss(high - third) else (low + third, high)
    return exp((low + high) / 2)


def temperature_by_derivative(scores, labels):
    # Where the loss is smallest, the mean score of the label equals the mean expected score.
    own = scores.gather(1, labels[:, None]).mean().item()
    low, high = 0.01, 100.0
    for _ in range(40):
        middle = (low * high) ** 0.5
        expected = (scores * (scores / middle).softmax(1)).sum(1).mean().item()
        low, high = (middle, high) if expected > own else (low, middle)
    return (low * high) ** 0.5


def temperature_as_factor(scores, labels):
    import torch

    candidates = torch.logspace(-1, 1, 201)
    losses = [torch.nn.functional.cross_entropy(scores * t, labels).item() for t in candidates]
    return candidates[losses.index(min(losses))].item()


def temperature_of_one(scores, labels):
    return 1.0


def temperature_largest_loss(scores, labels):
    import torch

    candidates = torch.logspace(-1, 1, 201)
    losses = [torch.nn.functional.cross_entropy(scores / t, labels).item() for t in candidates]
    return candidates[losses.index(max(losses))].item()


def temperature_without_labels(scores, labels):
    return scores.std().item()


def temperature_below_zero(scores, labels):
    return -3.0


def temperature_whole_numbers(scores, labels):
    import torch

    losses = {t: torch.nn.functional.cross_entropy(scores / t, labels).item() for t in range(1, 20)}
    return min(losses, key=losses.get)


RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("seen_box", {"seen_box": box_by_margins}),
    ("seen_box", {"seen_box": box_in_whole_pixels}),
    ("topk_error", {"topk_error": error_by_rank}),
    ("topk_error", {"topk_error": error_with_bad_luck}),
    ("disagreement", {"disagreement": disagreement_of_many}),
    ("disagreement", {"disagreement": disagreement_by_search}),
    ("ten_crop", {"ten_crop": crops_one_by_one}),
    ("ten_crop", {"ten_crop": crops_of_mirrored_square}),
    ("calibration_error", {"calibration_error": calibration_by_loop}),
    ("calibration_error", {"calibration_error": calibration_by_sums}),
    ("best_temperature", {"best_temperature": temperature_by_golden_section}),
    ("best_temperature", {"best_temperature": temperature_by_derivative}),
]

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("disagreement", {"disagreement": disagreement_random}, "both means name class"),
    ("disagreement", {"disagreement": disagreement_as_probabilities}, "both means name class"),
    ("disagreement", {"disagreement": disagreement_infinite}, "finite"),
    ("disagreement", {"disagreement": disagreement_tied}, "tie"),
    ("disagreement", {"disagreement": disagreement_of_three}, "it should be (V, 2)"),
    ("ten_crop", {"ten_crop": crops_unbatched}, "takes a batch"),
    ("best_temperature", {"best_temperature": temperature_as_factor}, "*multiplied* by"),
    ("best_temperature", {"best_temperature": temperature_of_one}, "log loss is"),
    ("best_temperature", {"best_temperature": temperature_largest_loss}, "log loss is"),
    ("best_temperature", {"best_temperature": temperature_without_labels}, "log loss is"),
    ("best_temperature", {"best_temperature": temperature_below_zero}, "above 0"),
    ("best_temperature", {"best_temperature": temperature_whole_numbers}, "log loss is"),
]
