"""The exercises' machinery: what a right, a wrong, a broken and a missing answer get to read."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from alexnet_edu.check import Hint, answered, check, close, expect, later, same


@check("twice as much.")
def double(function) -> None:
    x = torch.arange(6.0).reshape(2, 3)
    close(function(x), 2 * x, "Multiply every value by two.")


def stub(x: Tensor) -> Tensor:
    """Twice the input."""
    ...


def half_finished(x: Tensor) -> Tensor:
    factor = ...
    return x * factor


def not_implemented(x: Tensor) -> Tensor:
    raise NotImplementedError("multiply x")


def in_place(x: Tensor) -> Tensor:
    return x.mul_(2)


def one_wrong_element(x: Tensor) -> Tensor:
    result = 2 * x
    result[1, 2] += 0.5
    return result


@pytest.mark.parametrize("answer", [lambda x: x * 2, in_place])
def test_a_right_answer_is_true_and_one_line(answer):
    result = double(answer)
    assert result and result.passed and result.answered
    assert repr(result) == "✓ double: twice as much."


@pytest.mark.parametrize("answer", [..., None, stub, half_finished, not_implemented, lambda x: ...])
def test_what_is_missing_is_not_wrong(answer):
    result = double(answer)
    assert not result and not result.answered
    assert repr(result) == "… double: not answered yet."


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (lambda x: x, "Multiply every value by two. (5 of 6 values differ, by up to 5.)"),
        (one_wrong_element, "1 of 6 values differ, by up to 0.5"),
        (lambda x: (2 * x).T, "the shape is (3, 2), it should be (2, 3)"),
        (lambda x: (2 * x).tolist(), "a tensor is wanted, not list"),
        (lambda x: x * float("nan"), "Multiply every value by two."),
        (lambda x: x.nonsense, "your code stopped with AttributeError: 'Tensor' object has no attribute 'nonsense'"),
        (lambda: 1, "your code stopped with TypeError"),
        (3, "your code stopped with TypeError: 'int' object is not callable"),
    ],
)
def test_a_wrong_answer_gets_a_hint_and_no_exception(answer, part):
    result = double(answer)
    assert not result.passed and result.answered
    assert part in result.message and "\n" not in result.message
    assert repr(result).startswith("✗ double: ")


def test_checks_draw_the_same_numbers_and_leave_the_learners_alone():
    drawn = []

    @check("drawn.")
    def draw(function) -> None:
        drawn.append(function())

    torch.manual_seed(7)
    want = torch.rand(3)
    torch.manual_seed(7)
    draw(lambda: torch.rand(2))
    draw(lambda: torch.rand(2))
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(torch.rand(3), want)


@pytest.mark.parametrize(
    ("got", "want", "tolerance"),
    [
        (55, 55, 0.0),
        (55.0, 55, 0.0),
        (0.33, 1 / 3, 0.02),
        ("conv1", "conv1", 0.0),
        ((1, 2), [1, 2], 0.0),
        (torch.tensor([1, 2]), [1, 2], 0.0),
        (torch.tensor(5), 5, 0.0),
        (True, True, 0.0),
    ],
)
def test_same_accepts(got, want, tolerance):
    same(got, want, "no", tolerance=tolerance)


@pytest.mark.parametrize(
    ("got", "want", "tolerance"),
    [
        (54, 55, 0.0),
        ("55", 55, 0.0),
        (True, 1, 0.0),
        (float("nan"), 1.0, 0.1),
        (0.3, 1 / 3, 0.02),
        ((1, 2), (1, 3), 0.0),
        ((1,), (1, 2), 0.0),
        (3, (1, 2), 0.0),
        ("ab", ("a", "b"), 0.0),
        (False, True, 0.0),
    ],
)
def test_same_refuses(got, want, tolerance):
    with pytest.raises(Hint, match="look again"):
        same(got, want, "look again", tolerance=tolerance)


def test_answered_looks_into_containers():
    assert answered(0) and answered("") and answered([1, (2, 3)]) and answered({"a": torch.zeros(2)})
    assert not answered(...) and not answered([1, (2, ...)]) and not answered({"a": None})


def test_later_falls_back_to_the_reference():
    def right(x: Tensor) -> Tensor:
        return x

    assert later(..., 3) == 3
    assert later(4, 3) == 4
    assert later(stub, right, torch.ones(2)) is right
    assert later(half_finished, right, torch.ones(2)) is right
    assert later(in_place, right, torch.ones(2)) is in_place


def test_expect():
    expect(1, "no")
    with pytest.raises(Hint, match="because"):
        expect([], "because")
