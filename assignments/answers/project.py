"""Answers to the project's code problems that its tests must accept, and wrong ones with a part of their hint.

``RIGHT``: (test cell, answers by name). ``WRONG``: the same and a part of the hint. Known mistakes are not here: they
stand in ``alexnet_edu.check.project``. A function stands alone: its source is also pasted into
made-up submissions.
"""

from __future__ import annotations

from typing import Any


def leaks_by_loops(train, test, limit):
    found = []
    for number, thumbnail in enumerate(test.int()):
        for other in train.int():
            plain = (thumbnail - other).abs().double().mean()
            mirrored = (thumbnail - other.flip(-1)).abs().double().mean()
            if min(plain, mirrored) <= limit and number not in found:
                found.append(number)
    return found


def leaks_by_cdist(train, test, limit):
    import torch

    bank = torch.cat([train.flatten(1), train.flip(2).flatten(1)]).double()
    return torch.where((torch.cdist(test.flatten(1).double(), bank, p=1) / 64 <= limit).any(1))[0]


def summary_step_by_step(per_class):
    from math import sqrt

    right = total = largest = 0
    shares = []
    for name, (good, count) in per_class.items():
        right, total, largest = right + good, total + count, max(largest, count)
        if count > 0:
            shares.append((good / count, name))
    p, z = right / total, 1.96
    centre, spread = p + z * z / (2 * total), z * sqrt(p * (1 - p) / total + z * z / (4 * total**2))
    below = 1 + z * z / total
    mean = sum(share for share, _ in shares) / len(shares)
    low, high = (centre - spread) / below, (centre + spread) / below
    return dict(top1=p, mean_per_class=mean, baseline=largest / total, low=low, high=high, worst=min(shares)[1])


def summary_by_quadratic(per_class):
    import torch

    right, total = torch.tensor(list(per_class.values()), dtype=torch.float64).T
    seen = total > 0
    names = [name for name, there in zip(per_class, seen, strict=True) if there]
    # The ends are the shares q for which p lies 1.96 standard deviations from q.
    p, v = float(right.sum() / total.sum()), 1.96**2 / float(total.sum())
    root = ((2 * p + v) ** 2 - 4 * (1 + v) * p * p) ** 0.5
    low, high = (2 * p + v - root) / (2 + 2 * v), (2 * p + v + root) / (2 + 2 * v)
    shares = right[seen] / total[seen]
    return {
        "top1": (right.sum() / total.sum()).item(),
        "mean_per_class": shares.mean().item(),
        "baseline": (total.max() / total.sum()).item(),
        "low": low,
        "high": high,
        "worst": names[int(shares.argmin())],
    }


def summary_in_per_cent(per_class):
    right, total = sum(r for r, _ in per_class.values()), sum(n for _, n in per_class.values())
    return dict(top1=100 * right / total, mean_per_class=0.0, baseline=0.0, low=0.0, high=0.0, worst="")


def summary_as_tuple(per_class):
    right, total = sum(r for r, _ in per_class.values()), sum(n for _, n in per_class.values())
    return right / total, max(n for _, n in per_class.values()) / total


def _score(per_class: dict[str, list[int]], top5: float) -> dict[str, Any]:
    right, total = (sum(column) for column in zip(*per_class.values(), strict=True))
    return {"pictures": total, "top1": {"value": right / total}, "top5": {"value": top5}, "per_class": per_class}


OWLS = {"one_crop": _score({"owl": [8, 10], "bat": [25, 30]}, 0.95)}
OWLS["ten_crops"] = _score({"owl": [9, 10], "bat": [26, 30]}, 1.0)
STATED = {"pictures": 40, "top1": 82.5, "mean_per_class": 81.7, "baseline": 75.0, "low": 68.1, "high": 91.3}


def leaks_by_place(train, test, limit):
    return [1, len(test) - 1]


RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("leaks", {"leaks": leaks_by_loops}),
    ("leaks", {"leaks": leaks_by_cdist}),
    ("summary", {"summary": summary_step_by_step}),
    ("summary", {"summary": summary_by_quadratic}),
    ("report", {"result": OWLS, "report": STATED}),
    ("report", {"result": OWLS, "report": {**STATED, "top1": 82.50001, "mean_per_class": 81.67, "low": 68.05}}),
]

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("summary", {"summary": summary_in_per_cent}, "Take the figure that differs"),
    ("summary", {"summary": summary_as_tuple}, "a dictionary with the keys top1"),
    ("report", {"result": OWLS, "report": {**STATED, "top1": 87.5}}, "ten crops"),
    ("report", {"result": OWLS, "report": {**STATED, "top1": 95.0}}, "top-5 figure"),
    ("report", {"result": OWLS, "report": {**STATED, "top1": 17.5}}, "that is the error"),
    ("report", {"result": OWLS, "report": {**STATED, "top1": 0.825}}, "in per cent"),
    ("report", {"result": OWLS, "report": {**STATED, "baseline": 50.0}}, "result.json does not"),
    ("report", {"result": OWLS["one_crop"], "report": STATED}, "all of result.json"),
    ("leaks", {"leaks": leaks_by_place}, "Compare one pair by hand"),
]
