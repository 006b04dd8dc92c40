"""The checks of notebook 03: right answers pass, wrong ones get the hint that fits."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet_edu.check import nb03
from alexnet_edu.layers import LocalResponseNorm


def lrn(x: Tensor) -> Tensor:
    mean = F.avg_pool3d(x.square().unsqueeze(1), (5, 1, 1), stride=1, padding=(2, 0, 0)).squeeze(1)
    return x / (2 + 5 * 1e-4 * mean) ** 0.75


def views(picture: Tensor, size: int) -> Tensor:
    height, width = picture.shape[-2:]
    far_y, far_x = height - size, width - size
    corners = [(0, 0), (0, far_x), (far_y, 0), (far_y, far_x), (far_y // 2, far_x // 2)]
    squares = torch.stack([picture[:, y : y + size, x : x + size] for y, x in corners])
    return torch.cat([squares, squares.flip(-1)])


def update(weight: Tensor, velocity: Tensor, gradient: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    velocity = 0.9 * velocity - 0.0005 * rate * weight - rate * gradient
    return weight + velocity, velocity


def spoiled(function, place):
    """The same function with one wrong element."""

    def wrong(*args):
        result = function(*args)
        (result[1] if isinstance(result, tuple) else result)[place] += 1
        return result

    return wrong


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("conv1_columns", (55, 56)),
        ("maps_at_the_border", ([46, 47, 48, 49],)),
        ("maps_at_the_border", (torch.tensor([49, 48, 47, 46]),)),
        ("maps_at_the_border", (range(46, 50),)),
        ("fast_lrn", (lrn,)),
        ("fast_lrn", (nn.LocalResponseNorm(5, alpha=5e-4, k=2),)),
        ("fast_lrn", (LocalResponseNorm(5, alpha=5e-4, k=2.0),)),
        ("ten_views", (views,)),
        ("update_2012", (update,)),
    ],
)
def test_right_answers_pass(name, answers):
    result = getattr(nb03, name)(*answers)
    assert result, result


WRONG = [
    ("conv1_columns", (54, 55), "without padding"),
    ("conv1_columns", (56, 57), "down"),
    ("conv1_columns", (55, 55), "only without padding"),
    ("conv1_columns", (55, 57), "For 227"),
    ("conv1_columns", ("55", 56), "For 224"),
    ("maps_at_the_border", ([47, 48, 49, 50],), "from 0"),
    ("maps_at_the_border", ([47, 48],), "two maps to either side"),
    ("maps_at_the_border", ([46, 47, 48],), "missing"),
    ("maps_at_the_border", (range(45, 51),), "same five maps"),
    ("maps_at_the_border", (4,), "list"),
    ("fast_lrn", (nn.LocalResponseNorm(5, alpha=1e-4, k=2),), "mean of the squares"),
    ("fast_lrn", (nn.LocalResponseNorm(5, alpha=25e-4, k=2),), "five times too large"),
    ("fast_lrn", (nn.LocalResponseNorm(5, alpha=5e-4, k=1),), "k is 2"),
    ("fast_lrn", (lambda x: x / (2 + 25e-4 * F.avg_pool2d(x.square(), 5, 1, 2)) ** 0.75,), "rows and columns"),
    ("fast_lrn", (lambda x: lrn(x)[:, 2:-2],), "the shape is"),
    ("fast_lrn", (spoiled(lrn, (1, 11, 2, 3)),), "1 of 288 values"),
    ("fast_lrn", (lambda x: lrn(x.roll(1, 1)).roll(-1, 1),), "first and the last"),
    ("ten_views", (lambda p, s: views(p, s)[:5],), "the shape is (5, 3, 10, 10)"),
    ("ten_views", (lambda p, s: torch.cat([views(p, s)[:5], views(p, s)[:5].flip(-2)]),), "upside down"),
    ("ten_views", (lambda p, s: views(p, s)[[0, 5, 1, 6, 2, 7, 3, 8, 4, 9]],), "All five squares come first"),
    ("ten_views", (lambda p, s: views(p, s)[[4, 0, 1, 2, 3, 9, 5, 6, 7, 8]],), "another order"),
    ("ten_views", (spoiled(views, (9, 2, 9, 9)),), "1 of 3,000 values"),
    ("update_2012", (lambda w, v, g, r: (w + (n := 0.9 * v - 0.0005 * w - r * g), n),), "multiplied by the rate"),
    ("update_2012", (lambda w, v, g, r: (w + (n := 0.9 * v - r * g), n),), "decay of the weight is missing"),
    ("update_2012", (lambda w, v, g, r: (w - r * (n := 0.9 * v + 0.0005 * w + g), n),), "PyTorch's velocity"),
    ("update_2012", (lambda w, v, g, r: (w + (n := 0.9 * v + 0.0005 * r * w + r * g), n),), "downhill"),
    ("update_2012", (lambda w, v, g, r: (w + v, update(w, v, g, r)[1]),), "not by the old one"),
    ("update_2012", (lambda w, v, g, r: update(w, v, g, r)[0],), "two tensors"),
    ("update_2012", (lambda w, v, g, r: tuple(t[:2] for t in update(w, v, g, r)),), "the shape is"),
    ("update_2012", (spoiled(update, (3, 4)),), "1 of 20 values"),
]


@pytest.mark.parametrize(("name", "answers", "part"), WRONG)
def test_wrong_answers_get_the_hint_that_fits(name, answers, part):
    result = getattr(nb03, name)(*answers)
    assert not result and result.answered
    assert part in result.message, result


@pytest.mark.parametrize("name", nb03.__all__)
def test_every_check_has_wrong_answers_and_takes_none(name):
    assert sum(name == other for other, _, _ in WRONG) >= 3
    unanswered = getattr(nb03, name)(*[...] * (2 if name == "conv1_columns" else 1))
    assert not unanswered and not unanswered.answered
