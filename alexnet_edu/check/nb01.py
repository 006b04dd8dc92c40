"""Checks of notebook 01: errors, their spread, and which number belongs to which network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt

import torch
from torch import Tensor

from alexnet_edu.check.exercises import Inputs, check, exercise, expect, question

__all__ = ["misleading_pair", "networks", "relative_drop", "sentences", "standard_error", "top_k", "top_k_error"]

TRUTH = {"a": False, "b": True, "c": False, "d": False, "e": True, "f": False}
P, N = 0.15315, 100_000
BEFORE, AFTER = 2.991, 2.251
DIFFERENCES = {"networks", "data", "crops", "training pictures", "architecture"}


def top_k(scores: Tensor, labels: Tensor, k: int) -> float:
    """The share of pictures whose true label is not among the k highest scores.

    Args:
        scores: ``(N, C)``, one row for each picture.
        labels: ``(N,)``, class numbers.
        k: how many guesses each picture gets.

    Returns:
        The error, from 0 to 1.
    """
    guesses = scores.topk(k, dim=1).indices
    found = (guesses == labels[:, None]).any(dim=1)
    return 1 - found.double().mean().item()


@exercise(
    "a picture counts as an error when none of its k best guesses is the label.",
    right=top_k,
    hint="Take one picture of two or three classes, and follow it by hand.",
    mistakes=[
        (lambda s, y, k: 1 - top_k(s, y, k), "That is the share of right answers, and the error is asked for."),
        (lambda s, y, k: 100 * top_k(s, y, k), "That is in per cent; a share from 0 to 1 is wanted."),
        (lambda s, y, k: top_k(s, y, 1), "You look at the best guess alone: what does k do in your function?"),
        (lambda s, y, k: len(s) * top_k(s, y, k), "That is a count; a share of all pictures is wanted."),
        (lambda s, y, k: top_k(-s, y, k), "You take the k lowest scores: which end does your sorting begin with?"),
        (lambda s, y, k: (s.topk(k).indices != y[:, None]).double().mean(), "A picture with one hit among its k "
         "guesses is no error at all, and yours counts the other guesses against it."),
    ],
)  # fmt: skip
def top_k_error() -> Iterable[Inputs]:
    """Exercise 1: ``function(scores (N, C), labels (N,), k)`` is the top-k error, from 0 to 1."""
    scores, labels = torch.randn(500, 20), torch.randint(20, (500,))
    return [(scores, labels, k) for k in (1, 5, 3)]


@question(
    "chance moves the result by about a tenth of a point; the gap of 2012 is almost a hundred times that.",
    right=100 * sqrt(P * (1 - P) / N),
    rtol=0.05,
    hint=("Each picture is like the toss of a coin.", "How far does the share of heads among n tosses vary?"),
    mistakes=[
        (sqrt(P * (1 - P) / N), "That is a share; points are hundredths."),
        (100 * P * (1 - P) / N, "That is the variance; in which unit is it?"),
        (sqrt(15.315 * 14.315 / N), "Put the error in as a share, 0.15315."),
        (100 * sqrt(P * (1 - P)), "That is how far one picture varies; 100,000 of them are averaged."),
        (100 * sqrt(P / N), "Nearly: if all pictures were wrong, nothing could vary."),
    ],
)
def standard_error(points: float) -> object:
    """Exercise 2: the standard error of 15.315 % on 100,000 pictures, in points, to 5 %."""
    return points


@question(
    "about 25 %, as the abstract of the 2017 paper says, so the copied 2.991 is consistent with it.",
    right=100 * (BEFORE - AFTER) / BEFORE,
    rtol=0.005,
    hint=("A drop is relative to something: to which of the two errors?", "What would be a drop by 50 %?"),
    mistakes=[
        (25, "That is the abstract's own figure; what do the two errors give, to two decimals?"),
        (BEFORE - AFTER, "That is the difference in points; relative to what is it?"),
        (100 * (BEFORE - AFTER) / AFTER, "You compare with the error after the drop."),
        (100 * AFTER / BEFORE, "That is what was left; how much is gone?"),
        ((BEFORE - AFTER) / BEFORE, "That is a share; per cent are wanted."),
        (-100 * (BEFORE - AFTER) / BEFORE, "A fall *by* 25 % is a positive number."),
    ],
)
def relative_drop(percent: float) -> object:
    """Exercise 3: by how many per cent the winning error fell from 2016 to 2017, to half a per cent of itself."""
    return percent


@question(
    "six of six: a number needs its networks, its data, its crops and its training pictures.",
    right=TRUTH,
    hint={
        "a": "how many networks made 15.3 %?",
        "b": "look up 18.2 in the table: which data, how many crops?",
        "c": "look up 19.8: who trained that network, and when?",
        "d": "look up 16.4: was anything else than the supplied pictures used?",
        "e": "look at what the table says of 20.9.",
        "f": "15.3 % and 15.4 % belong to the same networks; what differs?",
    },
)
def sentences(answers: Mapping[str, bool]) -> object:
    """Exercise 4: for each sentence a to f, whether it is right."""
    return answers


@check("all five differ, so the difference says nothing about any one of them.")
def misleading_pair(ids: Sequence[str], differs: set[str]) -> None:
    """Exercise 5: the two numbers called AlexNet's that lie farthest apart, and what differs between them."""
    names = sorted(map(str, ids)) if isinstance(ids, (list, set)) else []
    expect(
        names == ["torchvision", "winner"],
        "Take the ids of the smallest and of the largest value of the table.",
        "The smallest is the result of the contest; look for the largest among the networks of later years.",
    )
    expect(isinstance(differs, (set, list)), 'Put the words in curly brackets, such as {"networks", "data"}.')
    unknown = sorted(map(str, set(differs) - DIFFERENCES))
    choice = ", ".join(sorted(DIFFERENCES))
    expect(not unknown, f"Choose from {choice}; {', '.join(unknown)} is none of them.")
    missing = len(DIFFERENCES - set(differs))
    expect(not missing, f"{missing} more: compare the two cards line by line.")


def _networks(name: str) -> list[str]:
    return name.removeprefix("test-preds-").removesuffix(".txt").removesuffix(".").split("-")


@exercise(
    "five networks without extra pictures, seven with; network 145 is the one that the paper draws.",
    right=_networks,
    hint="Compare your list with the file's name, word by word.",
    mistakes=[
        (lambda name: name.split("-"), "'test' and 'preds' are no networks."),
        (lambda name: name.split("-")[2:], "The last name still has the ending of the file."),
        (lambda name: name.split(".")[0].split("-")[2:], "A dot may belong to a name: '146.2009' is one network."),
        (lambda name: [one.split(".")[0] for one in _networks(name)], "'146.2009' is one name: the year tells what it "
         "was pre-trained on."),
        (lambda name: sorted(_networks(name)), "Keep the order of the file's name."),
    ],
)  # fmt: skip
def networks() -> Iterable[Inputs]:
    """Exercise 6: the networks that an entry's file name lists."""
    return [
        ("test-preds-131-137-145-135-145f.txt",),
        ("test-preds-141-146.2009-131-137-145-146.2011-145f.",),
    ]
