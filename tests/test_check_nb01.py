"""The checks of notebook 01 accept right answers and turn down wrong ones with a hint that fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from alexnet_edu.check import nb01


def by_sorting(scores: Tensor, labels: Tensor, k: int) -> Tensor:
    """Another right way than the reference's, and a tensor instead of a float."""
    best = scores.argsort(dim=1, descending=True)[:, :k]
    return (best != labels[:, None]).all(dim=1).float().mean()


def named(file: str) -> list[str]:
    return file.removesuffix(".txt").removesuffix(".").removeprefix("test-preds-").split("-")


RIGHT: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (nb01.top_k_error, (nb01.top_k,)),
    (nb01.top_k_error, (by_sorting,)),
    (nb01.standard_error, (0.114,)),
    (nb01.standard_error, (100 * (0.15315 * 0.84685 / 100_000) ** 0.5,)),
    (nb01.relative_drop, (24.74,)),
    (nb01.relative_drop, (25,)),
    (nb01.sentences, (nb01.TRUTH,)),
    (nb01.networks, (named,)),
    (
        nb01.misleading_pair,
        (("winner", "torchvision"), {"networks", "data", "crops", "training pictures", "architecture"}),
    ),
]

WRONG: list[tuple[Callable[..., Any], tuple[Any, ...], str]] = [
    (nb01.top_k_error, (lambda s, y, k: 1 - nb01.top_k(s, y, k),), "right answers"),
    (nb01.top_k_error, (lambda s, y, k: 100 * nb01.top_k(s, y, k),), "per cent"),
    (nb01.top_k_error, (lambda s, y, k: nb01.top_k(s, y, 1),), "best guess only"),
    (nb01.top_k_error, (lambda s, y, k: (s.argmax(1) != y).float(),), "shape (500,)"),
    (nb01.top_k_error, (lambda s, y, k: nb01.top_k(s, y, k + 1),), "k = 1"),
    (nb01.top_k_error, (lambda s, y, k: nb01.top_k(-s, y, k),), "should be"),
    (nb01.top_k_error, (lambda s, y, k: nb01.top_k(s, y, k) + 0.002,), "should be"),
    (nb01.top_k_error, (lambda s, y, k: s.nonsense,), "AttributeError"),
    (nb01.standard_error, (0.00114,), "a share"),
    (nb01.standard_error, (100 * 0.15315 * 0.84685 / 100_000,), "square root"),
    (nb01.standard_error, ((15.315 * 14.315 / 100_000) ** 0.5,), "0.15315"),
    (nb01.standard_error, (0.36,), "sqrt"),
    (nb01.standard_error, ("0.114",), "sqrt"),
    (nb01.relative_drop, (0.74,), "points"),
    (nb01.relative_drop, (32.9,), "before the drop"),
    (nb01.relative_drop, (75.26,), "left"),
    (nb01.relative_drop, (0.2474,), "per cent"),
    (nb01.relative_drop, (40,), "before - after"),
    (nb01.sentences, ({**nb01.TRUTH, "a": True},), "5 of 6 are right. Look again at a"),
    (nb01.sentences, ({**nb01.TRUTH, "f": True},), "Look again at f"),
    (nb01.sentences, (dict.fromkeys("abcdef", True),), "2 of 6"),
    (nb01.sentences, (dict.fromkeys("abcdef", "True"),), "without quotes"),
    (nb01.sentences, ({"a": False},), "needs True or False"),
    (nb01.sentences, ([False, True, False, False, True, False],), "dictionary"),
    (nb01.networks, (lambda name: name.split("-"),), "'test'"),
    (nb01.networks, (lambda name: name.split("-")[2:],), "ending"),
    (nb01.networks, (lambda name: [one.partition(".")[0] for one in name.split("-")[2:]],), "one name"),
    (nb01.networks, (lambda name: sorted(named(name)),), "in this order"),
    (nb01.networks, (lambda name: len(named(name)),), "list"),
    (nb01.misleading_pair, (("winner", "caffe"), {"networks"}), "smallest and the largest"),
    (nb01.misleading_pair, (("winner", "torchvision"), {"networks", "data"}), "3 more"),
    (nb01.misleading_pair, (("winner", "torchvision"), {"luck"}), "none of them"),
    (nb01.misleading_pair, (("winner", "torchvision"), "networks"), "curly brackets"),
    (nb01.misleading_pair, ((15.3, 20.9), {"networks"}), "ids"),
]


@pytest.mark.parametrize(("checked", "answers"), RIGHT)
def test_right_answers_pass(checked: Callable[..., Any], answers: tuple[Any, ...]) -> None:
    assert checked(*answers), checked(*answers)


@pytest.mark.parametrize(("checked", "answers", "hint"), WRONG)
def test_wrong_answers_get_a_hint(checked: Callable[..., Any], answers: tuple[Any, ...], hint: str) -> None:
    result = checked(*answers)
    assert not result
    assert result.answered
    assert hint in result.message


@pytest.mark.parametrize(
    ("checked", "count"),
    [
        (nb01.top_k_error, 1),
        (nb01.standard_error, 1),
        (nb01.relative_drop, 1),
        (nb01.sentences, 1),
        (nb01.networks, 1),
        (nb01.misleading_pair, 2),
    ],
)
def test_stubs_are_not_answered_yet(checked: Callable[..., Any], count: int) -> None:
    result = checked(*[...] * count)
    assert not result.answered
    assert "not answered" in result.message


def test_half_an_answer_is_no_answer_yet() -> None:
    assert not nb01.misleading_pair(("winner", "torchvision"), {...}).answered


def test_top_k_by_hand() -> None:
    scores = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    labels = torch.tensor([1, 2])
    assert [nb01.top_k(scores, labels, k) for k in (1, 2, 3)] == [1.0, 0.5, 0.0]
