"""Answers to the project's code problems that its tests must accept, and wrong ones with the feedback they must get.

``RIGHT``: (test cell, answers by name). ``WRONG``: the same and a part of the feedback. A function stands alone: its
source is also pasted into made-up submissions. For teachers.
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


def leaks_exact(train, test, limit):
    return [m for m, one in enumerate(test) if any(one.equal(t) or one.equal(t.flip(1)) for t in train)]


def leaks_wrapped(train, test, limit):
    import torch

    bank = torch.cat([train, train.flip(2)])
    difference = (test[:, None] - bank).abs().float().mean((2, 3))
    return (difference.amin(1) <= limit).nonzero()[:, 0].tolist()


def leaks_without_mirror(train, test, limit):
    difference = (test[:, None].float() - train.float()).abs().mean((2, 3))
    return (difference.amin(1) <= limit).nonzero()[:, 0].tolist()


def leaks_upside_down(train, test, limit):
    import torch

    bank = torch.cat([train, train.flip(1)]).float()
    difference = (test[:, None].float() - bank).abs().mean((2, 3))
    return (difference.amin(1) <= limit).nonzero()[:, 0].tolist()


def leaks_of_training(train, test, limit):
    import torch

    bank = torch.cat([test, test.flip(2)]).float()
    difference = (train[:, None].float() - bank).abs().mean((2, 3))
    return (difference.amin(1) <= limit).nonzero()[:, 0].tolist()


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


def summary_of_mean(per_class):
    shares = [right / total for right, total in per_class.values() if total]
    return dict(top1=sum(shares) / len(shares), mean_per_class=0.0, baseline=0.0, low=0.0, high=0.0, worst="")


def summary_in_per_cent(per_class):
    right, total = sum(r for r, _ in per_class.values()), sum(n for _, n in per_class.values())
    return dict(top1=100 * right / total, mean_per_class=0.0, baseline=0.0, low=0.0, high=0.0, worst="")


def summary_of_guessing(per_class):
    right, total = sum(r for r, _ in per_class.values()), sum(n for _, n in per_class.values())
    shares = [r / n for r, n in per_class.values() if n]
    mean, guess = sum(shares) / len(shares), 1 / len(per_class)
    return dict(top1=right / total, mean_per_class=mean, baseline=guess, low=0.0, high=0.0, worst="")


def summary_simple_interval(per_class):
    right, total = sum(r for r, _ in per_class.values()), sum(n for _, n in per_class.values())
    shares = {name: r / n for name, (r, n) in per_class.items() if n}
    p = right / total
    half = 1.96 * (p * (1 - p) / total) ** 0.5
    return {
        "top1": p,
        "mean_per_class": sum(shares.values()) / len(shares),
        "baseline": max(n for _, n in per_class.values()) / total,
        "low": p - half,
        "high": p + half,
        "worst": min(shares, key=shares.get),
    }


def summary_most_errors(per_class):
    right, total = sum(r for r, _ in per_class.values()), sum(n for _, n in per_class.values())
    shares = {name: r / n for name, (r, n) in per_class.items() if n}
    p, v = right / total, 1.96**2 / total
    root = ((2 * p + v) ** 2 - 4 * (1 + v) * p * p) ** 0.5
    low, high = (2 * p + v - root) / (2 + 2 * v), (2 * p + v + root) / (2 + 2 * v)
    return {
        "top1": p,
        "mean_per_class": sum(shares.values()) / len(shares),
        "baseline": max(n for _, n in per_class.values()) / total,
        "low": low,
        "high": high,
        "worst": max(per_class, key=lambda name: per_class[name][1] - per_class[name][0]),
    }


def summary_as_tuple(per_class):
    right, total = sum(r for r, _ in per_class.values()), sum(n for _, n in per_class.values())
    return right / total, max(n for _, n in per_class.values()) / total


def _score(per_class: dict[str, list[int]], top5: float) -> dict[str, Any]:
    right, total = (sum(column) for column in zip(*per_class.values(), strict=True))
    return {"pictures": total, "top1": {"value": right / total}, "top5": {"value": top5}, "per_class": per_class}


OWLS = {"one_crop": _score({"owl": [8, 10], "bat": [25, 30]}, 0.95)}
OWLS["ten_crops"] = _score({"owl": [9, 10], "bat": [26, 30]}, 1.0)
STATED = {"pictures": 40, "top1": 82.5, "mean_per_class": 81.7, "baseline": 75.0, "low": 68.1, "high": 91.3}

RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("leaks", {"leaks": leaks_by_loops}),
    ("leaks", {"leaks": leaks_by_cdist}),
    ("summary", {"summary": summary_step_by_step}),
    ("summary", {"summary": summary_by_quadratic}),
    ("report", {"result": OWLS, "report": STATED}),
    ("report", {"result": OWLS, "report": {**STATED, "top1": 82.50001, "mean_per_class": 81.67, "low": 68.05}}),
]

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("leaks", {"leaks": leaks_exact}, "differs by a little"),
    ("leaks", {"leaks": leaks_wrapped}, "wraps around"),
    ("leaks", {"leaks": leaks_without_mirror}, "compare with mirror images"),
    ("leaks", {"leaks": leaks_upside_down}, "not top and bottom"),
    ("leaks", {"leaks": leaks_of_training}, "numbers of the training pictures"),
    ("summary", {"summary": summary_of_mean}, "top1 counts every picture once"),
    ("summary", {"summary": summary_in_per_cent}, "not per cent"),
    ("summary", {"summary": summary_of_guessing}, "*largest* class"),
    ("summary", {"summary": summary_simple_interval}, "use Wilson's"),
    ("summary", {"summary": summary_most_errors}, "smallest *share*"),
    ("summary", {"summary": summary_as_tuple}, "a dictionary is wanted"),
    ("report", {"result": OWLS, "report": {**STATED, "top1": 87.5}}, "ten crops"),
    ("report", {"result": OWLS, "report": {**STATED, "top1": 95.0}}, "top-5 figure"),
    ("report", {"result": OWLS, "report": {**STATED, "top1": 17.5}}, "that is the error"),
    ("report", {"result": OWLS, "report": {**STATED, "top1": 0.825}}, "in per cent"),
    ("report", {"result": OWLS, "report": {**STATED, "baseline": 50.0}}, "result.json says 75.0"),
    ("report", {"result": OWLS["one_crop"], "report": STATED}, "all of result.json"),
]
