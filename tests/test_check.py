"""The exercises' machinery: what a right, a wrong, a broken and a missing answer get to read."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet_edu.check import Hint, check, exercise, expect, later, question
from alexnet_edu.check.compare import OneOf, Within, difference, same
from alexnet_edu.check.given import Scores, Spotlight
from alexnet_edu.check.guard import Alien, Outcome, Refused, answered, forbid, plain, run


@exercise(
    "twice as much.",
    right=lambda x: 2 * x,
    hint=("Look at one value.", "What is it multiplied by?"),
    mistakes=[(lambda x: x * x, "That is the square."), (lambda x: x / 2, "Half as much.")],
)
def double() -> list[Any]:
    return [(torch.arange(6.0).reshape(2, 3),)]


@question("two of two.", right={"a": 1, "b": 2}, hint={"a": "how many?", "b": ("and here?", "Count again.")})
def pair(answers: dict[str, Any]) -> Any:
    return answers


def stub(x: Tensor) -> Tensor:  # type: ignore[empty-body]
    """Twice the input."""
    ...


def half_finished(x: Tensor) -> Tensor:
    factor = ...
    return x * factor  # type: ignore[operator]


def not_implemented(x: Tensor) -> Tensor:
    raise NotImplementedError("multiply x")


def without_return(x: Tensor) -> Tensor:  # type: ignore[return]
    x * 2


def in_place(x: Tensor) -> Tensor:
    return x.mul_(2)


def one_wrong_element(x: Tensor) -> Tensor:
    result = 2 * x
    result[1, 2] += 0.5
    return result


def outer(x: Tensor) -> Tensor:
    return inner(x) + 1


def inner(x: Tensor) -> Tensor:
    return x.reshape(7)


@pytest.mark.parametrize("answer", [
    lambda x: x * 2,
    lambda x: (2 * x).tolist(),
    lambda x: tuple(2 * x),
    lambda x: (2 * x).numpy(),
    lambda x: (2 * x).double(),
    lambda x: torch.nn.Parameter(2 * x),
    lambda x: (list(row) for row in 2 * x),
])  # fmt: skip
def test_a_right_answer_is_true_and_one_line_in_every_form(answer: Any) -> None:
    result = double(answer)
    assert result and result.passed and result.answered
    assert repr(result) == "✓ double: twice as much."


def test_changing_the_input_is_told() -> None:
    told = repr(double(in_place))
    assert " ".join(told.split()) == (
        "✓ double: twice as much. (But your function changes its input x, which whoever calls it may still need.)"
    )
    assert max(map(len, told.splitlines())) <= 96

    @exercise("kept.", right=lambda state: 0, hint="?", keeps=True)
    def kept() -> list[Any]:
        return [({"weight": torch.ones(2), "more": [torch.ones(1)]},)]

    assert kept(lambda state: 0)
    for change in (lambda state: state["weight"].zero_(), lambda state: state["more"][0].add_(1), dict.clear):
        assert "changes its input" in kept(lambda state, change=change: change(state) is None or 0).message


@pytest.mark.parametrize("answer", [..., None, stub, half_finished, not_implemented, lambda x: ...])
def test_what_is_missing_is_not_wrong(answer: Any) -> None:
    result = double(answer)
    assert not result and not result.answered
    assert repr(result) == "… double: not answered yet."


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (without_return, "your function gives nothing back: does it end with `return`?"),
        (lambda x: x, "Look at one value. (5 of 6 values differ, by up to 5.) Tried with x=float32 (2, 3)."),
        (one_wrong_element, "(1 of 6 values differ, by up to 0.5.)"),
        (lambda x: (2 * x).T, "the shape is (3, 2), it should be (2, 3)"),
        (lambda x: "2x", "a tensor is wanted, not words in quotes"),
        (lambda x: [[1, 2], [3]], "a tensor is wanted, not a list"),
        (lambda x: x * float("nan"), "Look at one value."),
        (lambda x: (2 * x + 0.5).half(), "Look at one value."),
        (lambda x: (2.001 * x).half(), "right up to the rounding of float16"),
        (lambda x: x.nonsense, "your code stopped with AttributeError in line"),
        (outer, "in line 71, `return x.reshape(7)`: shape '[7]' is invalid for input of size 6."),
        (lambda x: (x == 0).mean(), "a comparison gives True and False, and PyTorch takes no mean of those"),
        (lambda: 1, "your code stopped with TypeError: "),
        (3, "a function is wanted, not int."),
    ],
)
def test_a_wrong_answer_gets_a_hint_and_no_exception(answer: Any, part: str) -> None:
    result = double(answer)
    assert not result.passed and result.answered
    assert part in result.message and "\n" not in result.message
    assert repr(result).startswith("✗ double: ")


def test_hints_climb_and_graded_ones_do_not() -> None:
    assert double(lambda x: 2 * x)
    wrong = [double(lambda x: x + 1) for _ in range(3)]
    assert "What is it multiplied by?" not in wrong[0].message
    for later_one in wrong[1:]:
        assert later_one.message == wrong[0].message + (
            " What is it multiplied by? At [0, 0] yours gives 1; right is 0."
        )
        with pytest.raises(AssertionError) as problem:
            later_one.required()
        assert str(problem.value) == repr(wrong[0])
    assert double(lambda x: 2 * x)
    assert double(lambda x: x + 1).message == wrong[0].message


def test_a_known_mistake_is_named() -> None:
    assert double(lambda x: x**2).first == "That is the square. Tried with x=float32 (2, 3)."
    assert double(lambda x: (x / 2).tolist()).first.startswith("Half as much.")


def test_a_mistake_that_gives_every_result_goes_before_one_that_gives_the_first() -> None:
    @exercise("sum.", right=lambda a, b: a + b, hint="?", mistakes=[
        (lambda a, b: a, "Only a."), (lambda a, b: a * b, "The product."), (lambda a, b: (a, ...),
         "never")])  # fmt: skip
    def total() -> list[Any]:
        return [(3, 1), (4, 5)]

    assert total(lambda a, b: a * b).first.startswith("The product. Tried with a=3, b=1.")
    assert total(lambda a, b: a).first.startswith("Only a.")


def test_a_hint_stands_beside_inputs_that_show_its_mistake() -> None:
    """Both values are wrong: the mistake in the first is seen at the second inputs only."""

    @exercise("both.", right=lambda a, b: (a // b, a * b), hint="?", mistakes=[(lambda a, b: (a, ...), "Divide.")])
    def both() -> list[Any]:
        return [(3, 1), (8, 2)]

    assert both(lambda a, b: (a, a + b)).first == "Divide. Tried with a=8, b=2."


def test_a_question_says_how_many_are_right() -> None:
    assert pair({"a": np.int64(1), "b": torch.tensor(2.0)})
    assert pair({"a": 1, "b": 3}).message == "1 of 2 are right. Look again at b: and here?"
    assert pair({"a": 1, "b": 3}).message.endswith("and here? Count again.")
    assert pair({"a": 1}).message == "b is missing in your dictionary."
    assert pair({"a": 1, "b": 2, "c": 3}).message == "c should not be in your dictionary."
    assert pair([1, 2]).message == "a dictionary with the keys a, b is wanted, not a list."
    assert not pair({"a": 1, "b": ...}).answered


def test_a_check_never_raises() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for answers in ([endless], [], [1, 2], [{"a": endless, "b": 2}]):
        result = pair(*answers)
        assert not result and "cannot be compared" in result.message and "\n" not in result.message


def test_checks_draw_the_same_numbers_and_leave_the_learners_alone() -> None:
    drawn = []

    @check("drawn.")
    def draw(function: Any) -> None:
        drawn.append(function())

    torch.manual_seed(7)
    want = torch.rand(3)
    torch.manual_seed(7)
    draw(lambda: torch.rand(2))
    draw(lambda: torch.rand(2))
    draw(lambda: torch.rand(2), seed=3)
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert torch.equal(torch.rand(3), want)


class Yes(int):
    def __sub__(self, other: object) -> int:
        return 0

    __rsub__ = __eq__ = __sub__  # type: ignore[assignment]
    __hash__ = int.__hash__


class Agreeing(Tensor):
    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return (
            torch.tensor(True)
            if func.__name__ in ("isclose", "equal")
            else super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call]
        )


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (55, 55), (55.0, 55), (Fraction(1, 3), 1 / 3), (np.float32(0.1), 0.1), (np.int64(7), 7), (torch.tensor([5]), 5),
        ("conv1", "conv1"), (np.str_("conv1"), "conv1"), (True, True), (np.bool_(True), True),
         (torch.tensor(True), True),
        ((1, 2), [1, 2]), (torch.tensor([1, 2]), [1, 2]), (np.arange(3), (0, 1, 2)), (range(3), [0, 1, 2]),
        ({2, 1}, {1, 2}), ([2, 1], {1, 2}), (np.array([[1.0, 2.0]]), torch.tensor([[1, 2]])), ([[1],
         [2]], torch.tensor([[1.0], [2.0]])),
        ([torch.ones(2), torch.ones(2)], torch.ones(2, 2)), ({"a": np.float64(1)}, {"a": 1}), (3, OneOf(2, 3)),
         (9.2, Within(9, 0.5)),
        (torch.ones(2, 3), [torch.ones(3), torch.ones(3)]), (torch.full((2,), 1 + 1e-6), torch.ones(2)),
    ],
)  # fmt: skip
def test_the_same_in_another_form(got: Any, want: Any) -> None:
    assert same(plain(got), want), difference(plain(got), want)


@pytest.mark.parametrize(
    ("got", "want", "form"),
    [
        (54, 55, ""), ("55", 55, "a number is wanted, not words in quotes."), (True, 1,
         "a number is wanted, not True or False."),
        (float("nan"), 1.0, ""), (0.3, 1 / 3, ""), (Yes(54), 55, ""), ((1, 2), (1, 3), ""), ((1,), (1, 2),
         "2 values are wanted, not 1."),
        ((1, 2), (1,), "1 value is wanted, not 2."), (3, (1, 2), "2 values are wanted, not a number."),
        (np.float32(60_965_225), 60_965_226,
         "that is right up to rounding: float32 holds seven digits, so count in whole numbers."),
        ("ab", ("a", "b"), "2 values are wanted, not words in quotes."), (False, True, ""), (1, True,
         "True or False, without quotes, is wanted, not a number."),
        (torch.zeros(2).as_subclass(Agreeing), torch.ones(2), ""), (object(), 1, "a number is wanted, not object."),
        ([{1: 2}], {1, 2}, "a list of numbers or of words is wanted."), (torch.ones(2) * 1j, torch.ones(2),
         "real numbers are wanted, not complex ones."),
    ],
)  # fmt: skip
def test_what_is_not_the_same(got: Any, want: Any, form: str) -> None:
    found = difference(plain(got), want)
    assert found and found.form == form


def test_plain_values_have_exact_types() -> None:
    value = plain({"a": (Yes(3), np.float32(2)), "b": Agreeing(torch.ones(2)), 3: {Yes(1)}, "c": object()})
    assert value.keys() == {"a", "b", 3, "c"} and [type(one) for one in value["a"]] == [int, float]
    assert type(value["b"]) is Tensor and {type(one) for one in value[3]} == {int} and value["c"] == Alien("object")


def test_answered_looks_into_containers() -> None:
    assert answered(0) and answered("") and answered([1, (2, 3)]) and answered({"a": torch.zeros(2)})
    assert not answered(...) and not answered([1, (2, ...)]) and not answered({"a": None})


def test_later_hands_on_what_its_check_found_right() -> None:
    def right(x: Tensor) -> Tensor:
        return 2 * x

    def also_right(x: Tensor) -> Tensor:
        return x + x

    assert later(also_right, right) is right, "not checked yet"
    assert double(also_right) and later(also_right, right) is also_right
    assert not double(one_wrong_element) and later(one_wrong_element, right) is right
    assert later(also_right, right) is right, "the last answer counts"
    assert later(stub, right) is right and later(..., 3) == 3


def test_expect() -> None:
    expect(1, "no")
    with pytest.raises(Hint, match="because") as problem:
        expect([], "because", "more")
    assert problem.value.more == "more"


def test_an_answer_may_live_elsewhere() -> None:
    """What another process sends back pickles; a check takes it for the answer's own result."""

    def far_away(answer: Any) -> Any:
        def ask(*inputs: Any) -> Any:
            inputs = pickle.loads(pickle.dumps(inputs))
            return pickle.loads(pickle.dumps(run(answer, inputs, double.exercise.forbidden)))  # type: ignore[attr-defined]

        return ask

    assert double(far_away(lambda x: 2 * x))
    assert double(far_away(lambda x: x**2)).first.startswith("That is the square.")
    assert not double(far_away(stub)).answered
    for broken in (without_return, outer, in_place):
        assert double(far_away(broken)).first == double(broken).first
    forged = Outcome(value=Yes(3), changed=())
    assert not double(lambda x: forged)
    for given in (Scores(torch.ones(12, 2), 2), Spotlight(1, 2)):
        assert type(pickle.loads(pickle.dumps(given))) is type(given)
        with pytest.raises(Refused, match="takes a batch"):
            given(torch.ones(3, 2, 2))


X, W = torch.randn(1, 4, 5, 5), torch.randn(6, 2, 3, 3)
CONVOLUTIONS: dict[str, Any] = {
    "function": lambda: F.conv2d(X, W, groups=2),
    "alias": lambda: torch.conv2d(X, W, padding="same", groups=2),
    "operator": lambda: torch.ops.aten.convolution(X, W, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 2),
    "module": lambda: torch.nn.Conv2d(4, 6, 3, groups=2)(X),
    "with autograd": lambda: F.conv2d(X.clone().requires_grad_(), W, groups=2),
    "thread": lambda: ThreadPoolExecutor(1).submit(F.conv2d, X, W, groups=2).result(),
}


@pytest.mark.parametrize("way", CONVOLUTIONS)
@pytest.mark.parametrize("name", ["conv", "groups"])
def test_what_is_forbidden_is_refused_whatever_it_is_called_by(name: str, way: str) -> None:
    with forbid(name), pytest.raises(Refused, match="write it without"):
        CONVOLUTIONS[way]()
    assert CONVOLUTIONS[way]() is not None


def test_a_thread_that_was_there_before_is_no_way_round() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(threading.get_ident).result()
        with forbid("pool"), pytest.raises(Refused):
            pool.submit(F.max_pool2d, X, 2).result()


@pytest.mark.parametrize("gradient", [
    lambda x: torch.autograd.grad(x.requires_grad_().amax(), x),
    lambda x: x.requires_grad_().amax().backward(),
    lambda x: torch.func.grad(torch.amax)(x),
    lambda x: torch.func.jvp(torch.amax, (x,), (x,)),
])  # fmt: skip
def test_autograd_can_be_forbidden(gradient: Any) -> None:
    with forbid("autograd"), pytest.raises(Refused, match="autograd"):
        gradient(torch.rand(3))
    gradient(torch.rand(3))


def test_what_is_not_forbidden_works() -> None:
    with forbid("groups"):
        assert torch.equal(F.conv2d(X, W.repeat(1, 2, 1, 1), torch.ones(6), padding=1).shape and X, X)  # type: ignore[arg-type]
    with forbid("dropout", "conv", "pool"):
        assert torch.bernoulli(torch.full((3,), 0.5)).shape == (3,) and F.unfold(X, 3).shape == (1, 36, 9)
    with forbid("dropout"), pytest.raises(Refused):
        F.dropout(X)
