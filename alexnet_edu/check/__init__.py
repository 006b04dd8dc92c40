"""What the exercises call: named checks that say in one line whether an answer is right, and if not, where to look.

There is one module for each notebook and problem set, such as ``from alexnet_edu.check import nb03``. A check takes the
student's answer (a value, a tensor, a function or a module) and returns a ``Result``: true when the answer is right,
and one line when it is the last expression of a notebook cell. It never raises, so that an unsolved exercise does not
stop "Run all"; a graded cell adds ``.required()``, which does.

**A check is a right answer and a table of known mistakes with their hints** (``exercise``). Of a function:

    @exercise(
        "seven windows of 3, every 2, fit into 15 columns.",
        right=_pooled_width,
        hint="How far can the first window move before it reaches the last column?",
        mistakes=[(lambda side, size, stride: (side - size) // stride, "n steps make n + 1 positions.")],
    )
    def pooled_width() -> Cases:
        return [(15, 3, 2), (8, 3, 2)]

where the decorated function draws the inputs. Of values: ``@question``, whose function puts the answers into the form
of ``right``. What has many right answers is a ``@check``: a function that raises ``Hint``, mostly through ``expect``.
Answers are compared as plain values (``guard.plain``): lists, tuples, NumPy's and PyTorch's numbers, of any dtype,
are all right if their values are. The tests try every mistake of every table.

Hints climb: the first says where to look; a check whose last answer in this session was wrong too adds what to compare.
``Result.required()`` always raises with the first. ``later`` hands an answer on only if its check passed.

**For graders.** ``check.exercise`` is the declaration of a check. Nothing in it looks at the student's source.

- ``ps2.conv_2012(answer)`` is the visible test. ``ps2.conv_2012(answer, seed=SEED)`` is the hidden one: it draws
  shapes, sizes and values from the seed, among them batches of 1, other dtypes, tensors that are not contiguous, and
  edges.
- ``answer`` may be a stand-in: any callable that takes the inputs and gives plain values or, better, the ``Outcome``
  of ``guard.run(function, inputs, forbidden)``. Call ``guard.run`` where the student's code lives; ``Outcome``, the
  inputs and the made-up networks among them (``given``) pickle, and neither ``guard`` nor ``given`` holds a right
  answer. ``check.exercise.forbidden`` says what may not be called meanwhile; ``guard.forbid`` bars it in the whole
  process.
- Answers that are values go through ``guard.plain`` there; exact built-in types and detached tensors come out.
- An answer never sees the tensors that it is judged by, only copies, and is told if it changes these.
- An exception, a ``...``, a missing ``return`` and an answer in another process all end in a ``Result``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Hint", "Result", "answered", "check", "close", "expect", "later", "same"]

T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """What a check found.

    Attributes:
        name: the check's name.
        passed: whether the answer is right.
        message: one line: why it is right, a hint, or that there is no answer yet.
        answered: whether there was an answer to look at.
    """

    name: str
    passed: bool
    message: str
    answered: bool = True

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        mark = "✓" if self.passed else "✗" if self.answered else "…"
        return f"{mark} {self.name}: {self.message}"

    def required(self) -> Result:
        """The result itself, where the answer is right: what a graded cell asks for.

        Raises:
            AssertionError: the answer is wrong or missing; the message is the line with the hint.
        """
        __tracebackhide__ = True
        if not self.passed:
            raise AssertionError(repr(self))
        return self


class Hint(Exception):
    """Raised in a check: the answer is wrong, and this one sentence helps."""


class _NotAnswered(Exception):
    """Raised in a check: there is still a ``...`` in the answer."""


def check(praise: str) -> Callable[[Callable[..., None]], Callable[..., Result]]:
    """Makes a named check of a function that raises ``Hint`` for wrong answers.

    Random numbers are the same in every run of a check and go on as before after it. A keyword ``seed`` draws others,
    and any other keyword goes on to the function: so a problem set's hidden test is the same check on other inputs.

    Args:
        praise: what a right answer gets to read: why it is right.
    """

    def decorate(examine: Callable[..., None]) -> Callable[..., Result]:
        name = examine.__name__

        @wraps(examine)
        def checked(*answers: Any, seed: int = 0, **inputs: Any) -> Result:
            try:
                with _seeded(seed):
                    examine(*map(_guard, answers), **inputs)
            except _NotAnswered:
                return Result(name, False, "not answered yet.", answered=False)
            except Hint as hint:
                return Result(name, False, str(hint))
            except (Exception, SystemExit) as problem:  # whatever the learner's code raises belongs to the answer
                first = (str(problem).splitlines() or [""])[0]
                return Result(name, False, f"your code stopped with {type(problem).__name__}: {first}")
            return Result(name, True, praise)

        return checked

    return decorate


def answered(value: object) -> bool:
    """Whether there is an answer: no ``...`` and no ``None``, also not inside a tuple, list, set or dictionary."""
    if isinstance(value, dict):
        return answered(list(value.values()))
    if isinstance(value, (tuple, list, set)):
        return all(map(answered, value))
    return value is not None and value is not ...


def later(answer: T, reference: T, *example: Any) -> T:
    """The learner's answer where there is one, else ``reference``, so that the cells that follow have something to use.

    Args:
        answer: a value, or a function.
        reference: what to use instead.
        example: for a function: arguments to try it with; without them, only a value of ``...`` counts as unanswered.
    """
    try:
        done = answered(answer) and (not example or answered(_guard(answer)(*example)))
    except Exception:
        done = False
    return answer if done else reference


def expect(condition: object, hint: str) -> None:
    """Raises ``Hint`` unless ``condition`` is true."""
    if not condition:
        raise Hint(hint)


def same(got: object, want: object, hint: str, *, tolerance: float = 0.0) -> None:
    """Numbers (with a relative ``tolerance``), words, sequences of them: raises ``Hint`` where they differ."""
    _demand(got)
    got, want = (value.tolist() if _is_tensor(value) else value for value in (got, want))
    if isinstance(want, Iterable) and not isinstance(want, str):
        expected = list(want)
        values = list(got) if isinstance(got, Iterable) and not isinstance(got, str) else None
        expect(values is not None and len(values) == len(expected), f"{len(expected)} values are wanted. {hint}")
        for one, other in zip(values or [], expected, strict=True):
            same(one, other, hint, tolerance=tolerance)
    elif isinstance(want, float | int) and not isinstance(want, bool):
        number = isinstance(got, float | int) and not isinstance(got, bool)
        expect(number and abs(got - want) <= tolerance * abs(want), hint)  # type: ignore[operator]
    else:
        expect(got == want, hint)


def close(got: object, want: Tensor, hint: str, *, rtol: float = 1e-4, atol: float = 1e-6) -> None:
    """Tensors: raises ``Hint`` when the shape differs (and says how) or any element does (``hint``, largest error).

    Args:
        got: the learner's tensor; its dtype may differ.
        want: the right one.
        hint: the sentence for a tensor of the right shape with wrong values.
        rtol: relative tolerance of an element.
        atol: absolute tolerance of an element.
    """
    _demand(got)
    if not _is_tensor(got):
        raise Hint(f"a tensor is wanted, not {type(got).__name__}.")
    expect(got.shape == want.shape, f"the shape is {tuple(got.shape)}, it should be {tuple(want.shape)}.")
    got, want = got.detach().double(), want.detach().double()
    wrong = ~got.isclose(want, rtol=rtol, atol=atol)
    if wrong.any():
        error = (got - want).abs().max().item()
        raise Hint(f"{hint} ({int(wrong.sum()):,} of {wrong.numel():,} values differ, by up to {error:.2g}.)")


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The block draws from ``seed``, and PyTorch's numbers go on as before after it. Imports no torch by itself."""
    if torch := sys.modules.get("torch"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    else:
        yield


def _is_tensor(value: object) -> TypeGuard[Tensor]:
    """Where torch has not been imported, nothing is a tensor."""
    return "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor)


def _demand(value: object) -> None:
    if not answered(value):
        raise _NotAnswered


def _guard(answer: Any) -> Any:
    """The answer, or a function that behaves like it but says when it has a ``...`` in it and keeps its inputs."""
    _demand(answer)
    if not isinstance(answer, FunctionType):
        return answer

    @wraps(answer)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            value = answer(*(arg.clone() if _is_tensor(arg) else arg for arg in args), **kwargs)
        except NotImplementedError:
            raise _NotAnswered from None
        except (TypeError, AttributeError, IndexError) as problem:
            _blame(problem)
        _demand(value)
        return value

    return guarded


def _blame(problem: Exception) -> NoReturn:
    """Arithmetic on a ``...`` that is still there is no mistake, just not answered yet."""
    if "ellipsis" in str(problem).lower():
        raise _NotAnswered from None
    raise problem
