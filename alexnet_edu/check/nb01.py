"""Checks of notebook 01: errors, their spread, and which number belongs to which network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt

import torch
from torch import Tensor

from alexnet_edu.check import Hint, check, close, expect, same

__all__ = ["misleading_pair", "networks", "relative_drop", "sentences", "standard_error", "top_k", "top_k_error"]

TRUTH = {"a": False, "b": True, "c": False, "d": False, "e": True, "f": False}
_WHY = {
    "a": "how many networks made 15.3 %?",
    "b": "look up 18.2 in the table: which data, how many crops?",
    "c": "look up 19.8: who trained that network, and when?",
    "d": "look up 16.4: was anything else than the supplied pictures used?",
    "e": "look at what the table says of 20.9.",
    "f": "15.3 % and 15.4 % belong to the same networks; what differs?",
}


def top_k(scores: Tensor, labels: Tensor, k: int) -> float:
    """The share of pictures whose true label is not among the k highest scores.

    Args:
        scores: ``(N, C)``, a row a picture.
        labels: ``(N,)``, class numbers.
        k: how many guesses each picture gets.

    Returns:
        The error, from 0 to 1.
    """
    guesses = scores.topk(k, dim=1).indices
    found = (guesses == labels[:, None]).any(dim=1)
    return 1 - found.double().mean().item()


@check("a picture counts as an error when none of its k best guesses is the label.")
def top_k_error(function: Callable[[Tensor, Tensor, int], float]) -> None:
    """Exercise 1: ``function(scores (N, C), labels (N,), k)`` is the top-k error, from 0 to 1."""
    scores, labels = torch.randn(500, 20), torch.randint(20, (500,))
    for k in (1, 5, 3):
        got, want = function(scores, labels, k), top_k(scores, labels, k)
        if isinstance(got, Tensor):
            expect(got.numel() == 1, f"give one number for all pictures, not a tensor of shape {tuple(got.shape)}.")
            got = got.item()
        expect(abs(got - (1 - want)) > 1e-6, "that is the share of right answers; the error is what is left of 1.")
        expect(abs(got - 100 * want) > 1e-3, "that is in per cent; give the share, from 0 to 1.")
        if k > 1:
            expect(abs(got - top_k(scores, labels, 1)) > 1e-6, f"with k = {k} you still look at the best guess only.")
        close(torch.tensor(got), torch.tensor(want), f"for k = {k} the error should be {want:.3f}.", atol=1e-6)


@check("chance moves the result by about a tenth of a point; the gap of 2012 is almost a hundred times that.")
def standard_error(points: float) -> None:
    """Exercise 2: the standard error of 15.315 % on 100,000 pictures, in points."""
    p, n = 0.15315, 100_000
    want = 100 * sqrt(p * (1 - p) / n)
    off = "the standard deviation of a share is sqrt(p * (1 - p) / n)."
    if isinstance(points, (int, float)):
        expect(abs(points - want / 100) > 1e-6, "that is a share; in points it is a hundred times as much.")
        expect(abs(points - 100 * p * (1 - p) / n) > 1e-9, "that is the variance; take its square root.")
        expect(abs(points - sqrt(15.315 * abs(1 - 15.315) / n)) > 1e-6, "put the error in as a share, 0.15315.")
    same(points, want, off, tolerance=0.02)


@check("about 25 %, as the abstract of the 2017 paper says, so the copied 2.991 is consistent with it.")
def relative_drop(percent: float) -> None:
    """Exercise 3: by how many per cent the winning error fell from 2016 to 2017."""
    before, after = 2.991, 2.251
    if isinstance(percent, (int, float)):
        expect(abs(percent - (before - after)) > 0.01, "that is the difference in points; divide by the error of 2016.")
        expect(abs(percent - 100 * (before - after) / after) > 0.5, "divide by the error before the drop, not after.")
        expect(abs(percent - 100 * after / before) > 0.5, "that is what was left; how much is gone?")
        expect(abs(percent - (before - after) / before) > 0.01, "that is a share; in per cent it is 100 times it.")
    same(percent, 100 * (1 - after / before), "100 * (before - after) / before.", tolerance=0.02)


@check("six of six: a number needs its networks, its data, its crops and its training pictures.")
def sentences(answers: Mapping[str, bool]) -> None:
    """Exercise 4: for each sentence a to f, whether it is right."""
    expect(isinstance(answers, Mapping), 'give a dictionary such as {"a": True, "b": False, ...}.')
    for key in TRUTH:
        given = answers.get(key)
        expect(isinstance(given, bool), f"sentence {key} needs True or False, without quotes.")
    wrong = [key for key, right in TRUTH.items() if answers[key] != right]
    if wrong:
        right = len(TRUTH) - len(wrong)
        raise Hint(f"{right} of {len(TRUTH)} are right. Look again at {wrong[0]}: {_WHY[wrong[0]]}")


@check("all five differ, so the difference says nothing about any one of them.")
def misleading_pair(ids: Sequence[str], differs: set[str]) -> None:
    """Exercise 5: the two numbers called AlexNet's that lie farthest apart, and what differs between them."""
    names = sorted(map(str, ids))
    same(names, ["torchvision", "winner"], "take the ids of the smallest and the largest value of the table.")
    everything = {"networks", "data", "crops", "training pictures", "architecture"}
    expect(not isinstance(differs, str), 'put the words in curly brackets, such as {"networks", "data"}.')
    unknown = set(differs) - everything
    expect(not unknown, f"choose from {', '.join(sorted(everything))}; {', '.join(sorted(unknown))} is none of them.")
    missing = everything - set(differs)
    expect(not missing, f"{len(missing)} more: compare the two cards line by line.")


@check("five networks without extra pictures, seven with; network 145 is the one that the paper draws.")
def networks(function: Callable[[str], list[str]]) -> None:
    """Exercise 6: the networks that an entry's file name lists."""
    for name, want in (
        ("test-preds-131-137-145-135-145f.txt", ["131", "137", "145", "135", "145f"]),
        (
            "test-preds-141-146.2009-131-137-145-146.2011-145f.",
            ["141", "146.2009", "131", "137", "145", "146.2011", "145f"],
        ),
    ):
        got = function(name)
        expect(isinstance(got, list), f"a list of names is wanted, not {type(got).__name__}.")
        words = [str(one) for one in got]
        expect("test" not in words and "preds" not in words, "'test' and 'preds' are no networks: drop them.")
        expect(not any(one.endswith((".txt", ".")) for one in words), "the last name still has the file's ending.")
        expect("146" not in words, "'146.2009' is one name: the year tells what it was pre-trained on.")
        same(words, want, f"{name} lists {len(want)} networks, in this order: {', '.join(want[:2])}, ...")
