"""Checks of notebook 04: each accepts a right answer and says why a wrong one is wrong."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from alexnet_edu.check import nb04

STUBS = [..., lambda *_: ...]


def share(width, height, resize, size):
    return size**2 / (resize**2 * max(width, height) / min(width, height))


def prepare(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return ((pixels / 255 - mean) / std).permute(2, 0, 1)[None]


def average(logits: Tensor) -> Tensor:
    return logits.softmax(1).mean(0)


def by_distance(query: Tensor, bank: Tensor, k: int) -> Tensor:
    return (bank - query).norm(dim=1).argsort()[:k]


def one_wrong(tensor: Tensor) -> Tensor:
    wrong = tensor.flatten().clone()
    wrong[-1] += 1
    return wrong.reshape(tensor.shape)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (nb04.seen_share, share),
        (nb04.to_input, prepare),
        (nb04.average_views, average),
        (nb04.nearest, by_distance),
        (nb04.nearest, lambda q, b, k: torch.cdist(q[None], b)[0].topk(k, largest=False).indices.tolist()),
    ],
)
def test_right_answers_pass(check, answer):
    result = check(answer)
    assert result, result


@pytest.mark.parametrize("check", [nb04.seen_share, nb04.to_input, nb04.average_views, nb04.nearest])
@pytest.mark.parametrize("stub", STUBS)
def test_stubs_are_not_answered(check, stub):
    assert not check(stub).answered


@pytest.mark.parametrize(
    ("check", "answer", "part"),
    [
        (nb04.seen_share, lambda w, h, r, s: 100 * share(w, h, r, s), "not a percentage"),
        (nb04.seen_share, lambda w, h, r, s: s**2 / (w * h), "how long are both sides"),
        (nb04.seen_share, lambda w, h, r, s: s**2 / r**2, "how long are both sides"),
        (nb04.seen_share, lambda w, h, r, s: share(w, h, r, s) * min(w, h) / max(w, h), "how long are both sides"),
        (nb04.to_input, lambda p, m, s: prepare(p, m, s)[0], "the shape is (3, 5, 4)"),
        (nb04.to_input, lambda p, m, s: ((p / 255 - m) / s)[None], "the shape is (1, 5, 4, 3)"),
        (nb04.to_input, lambda p, m, s: one_wrong(prepare(p, m, s)), "1 of 60 values differ"),
        (nb04.to_input, lambda p, m, s: ((p - 255 * m) / s).permute(2, 0, 1)[None], "Divide by 255"),
        (nb04.to_input, lambda p, m, s: ((p / 255 - m) / s).reshape(1, 3, 5, 4), "permute moves"),
        (nb04.to_input, lambda p, m, s: prepare(p, s, m), "minus the mean"),
        (nb04.average_views, lambda x: average(x)[None], "the shape is (1, 6)"),
        (nb04.average_views, lambda x: x.softmax(1).mean(1), "the shape is (10,)"),
        (nb04.average_views, lambda x: x.mean(0).softmax(0), "You averaged scores"),
        (nb04.average_views, lambda x: x.softmax(1).sum(0), "sum to 1"),
        (nb04.average_views, lambda x: average(x) + torch.tensor([0.1, -0.1, 0, 0, 0, 0]), "2 of 6 values"),
        (nb04.nearest, lambda q, b, k: by_distance(q, b, k + 1), "values are wanted"),
        (nb04.nearest, lambda q, b, k: (b - q).norm(dim=1).argsort(descending=True)[:k], "the farthest"),
        (nb04.nearest, lambda q, b, k: (b @ q / b.norm(dim=1)).argsort(descending=True)[:k], "smallest angle"),
        (nb04.nearest, lambda q, b, k: by_distance(q, b, k).flip(0), "from small to large"),
        (nb04.nearest, lambda q, b, k: by_distance(q, b, 40)[:k].roll(1), "from small to large"),
    ],
)
def test_wrong_answers_get_their_hint(check, answer, part):
    result = check(answer)
    assert result.answered and not result
    assert part in result.message and "\n" not in result.message


def label_at(angle: int) -> str:
    return "cat" if angle < 35 or angle > 300 else "dog"


def test_first_turn():
    assert nb04.first_turn(label_at, 35)
    for wrong in (30, 40, 0, 305, "35"):
        assert not nb04.first_turn(label_at, wrong)
    assert not nb04.first_turn(label_at, ...).answered
    assert "take another photo" in nb04.first_turn(lambda angle: "cat", 5).message


def test_small_change():
    torch.manual_seed(0)
    layer = nn.Linear(12, 3)

    def scores(pixels: Tensor) -> Tensor:
        return layer(pixels.flatten(1))

    original = torch.full((3, 2, 2), 0.5)
    layer.bias.data -= scores(original[None]).detach()[0]  # nearly a tie: any step in the right direction decides
    layer.bias.data[0] += 1e-4
    pixels = original.clone().requires_grad_()
    torch.nn.functional.cross_entropy(scores(pixels[None]), torch.tensor([0])).backward()
    assert pixels.grad is not None
    sign = pixels.grad.sign()
    assert nb04.small_change(scores, original, original + 8 / 255 * sign)
    wrong = {
        "the first answer": original - 8 / 255 * sign,
        "is allowed": original + 0.2 * sign,
        "clamp": original + 2 * sign,
        "the shape is (1, 3, 2, 2)": (original + sign / 255)[None],
        "a tensor is wanted": [1, 2],
    }
    for part, changed in wrong.items():
        result = nb04.small_change(scores, original, changed)
        assert not result and part in result.message
    assert not nb04.small_change(scores, original, ...).answered
