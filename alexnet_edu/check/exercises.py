"""A check is a right answer and a table of known mistakes with their hints: how both are declared and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from textwrap import fill
from typing import Any, TypeVar

import torch
from torch import Tensor

from alexnet_edu.check.compare import RTOL, Difference, difference, filled, same
from alexnet_edu.check.guard import answered, plain, run

__all__ = ["Exercise", "Hint", "Result", "check", "exercise", "expect", "later", "number", "question", "whole"]

T = TypeVar("T")
Inputs = tuple[Any, ...]
Mistake = tuple[Any, str]
Hints = str | tuple[str, str]
Check = Callable[..., "Result"]

SHOWN = 80  # characters of an input in a message
COLUMNS = 96  # of a message: JupyterLab would break longer lines within words


@dataclass(frozen=True)
class Result:
    """What a check found.

    Attributes:
        name: the check's name.
        passed: whether the answer is right.
        message: one line: why it is right, a hint, or that there is no answer yet. A hint says more when the check
            before it, of the same name, had found the answer wrong as well.
        answered: whether there was an answer to look at.
        first: the message without that: what a graded cell shows.
    """

    name: str
    passed: bool
    message: str
    answered: bool = True
    first: str = ""

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return fill(self._line(self.message), COLUMNS, subsequent_indent="  ", break_long_words=False)

    def _line(self, message: str) -> str:
        mark = "✓" if self.passed else "✗" if self.answered else "…"
        return f"{mark} {self.name}: {message}"

    def required(self) -> Result:
        """The result itself, where the answer is right: what a graded cell asks for.

        Raises:
            AssertionError: the answer is wrong or missing; the message is the line with the first hint, always.
        """
        __tracebackhide__ = True
        if not self.passed:
            raise AssertionError(self._line(self.first or self.message))
        return self


class Hint(Exception):
    """Raised in a check: the answer is wrong. The sentence says where to look; ``more`` says what to compare."""

    def __init__(self, first: str, more: str = "") -> None:
        super().__init__(first)
        self.more = more


class _NotAnswered(Exception):
    """Raised in a check: there is still a ``...`` in the answer."""


def expect(condition: object, first: str, more: str = "") -> None:
    """Raises ``Hint`` unless ``condition`` is true."""
    if not condition:
        raise Hint(first, more)


def number(value: Any, about: str = "") -> float:
    """A plain value as a number; raises ``Hint`` where it is none, after the words of what it is ``about``."""
    found = difference(value, 0.0) or Difference()
    expect(not found.form, f"{about}{found.form}")
    return value.item() if isinstance(value, Tensor) else value  # type: ignore[no-any-return]


@dataclass
class Exercise:
    """What a check is made of; tests and graders read it as ``check.exercise``.

    Attributes:
        name: the check's, with its module's.
        praise: what a right answer gets to read: why it is right.
        examine: gets the exercise, the answers, and whether this is a hidden test; raises ``Hint`` for a wrong answer.
        mistakes: what a known mistake gives, a value or a function of the inputs, and the hint that names it. ``...``
            and missing keys stand for parts that the mistake leaves as they are.
        right: a right answer, a value or a function of the inputs; nothing where very different answers are right.
        cases: draws the inputs, for a hidden test others than those that everybody sees.
        forbidden: what the answer may not call, keys of ``guard.OPERATORS``.
        keeps: whether an answer that changes its inputs is wrong; otherwise it is told so.
        rtol: relative tolerance.
    """

    name: str
    praise: str
    examine: Callable[..., None]
    mistakes: Sequence[Mistake] = ()
    right: Any = None
    cases: Callable[[bool], Iterable[Inputs]] = lambda hidden: ()
    forbidden: tuple[str, ...] = ()
    keeps: bool = False
    rtol: float = RTOL
    remark: str = ""

    def judge(self, answers: Inputs, hidden: bool) -> Result:
        """The result for some answers, with what is drawn at random as it comes."""
        own, self.remark = self.name.rpartition(".")[2], ""
        _PASSED.pop(self.name, None)
        try:
            self.examine(self, *answers, hidden=hidden)
        except _NotAnswered:
            return Result(own, False, "not answered yet.", answered=False)
        except Exception as problem:  # a value that cannot even be compared, such as a list inside itself
            why = f"your answer cannot be compared ({type(problem).__name__}: {problem})."
            hint = problem if isinstance(problem, Hint) else Hint(why.replace("\n", " "))
            first, again = str(hint), self.name in _WRONG
            _WRONG.add(self.name)
            return Result(own, False, f"{first} {hint.more}" if again and hint.more else first, first=first)
        _WRONG.discard(self.name)
        _PASSED[self.name] = answers
        return Result(own, True, f"{self.praise} {self.remark}".strip())

    def call(self, function: Any, inputs: Inputs) -> Any:
        """What the student's function gives for copies of ``inputs``, as a plain value."""
        outcome = run(function, inputs, self.forbidden)
        if not outcome.answered:
            raise _NotAnswered
        expect(not outcome.problem, outcome.problem)
        if outcome.changed:
            changed = f"our function changes its input {' and '.join(outcome.changed)}"
            expect(not self.keeps, f"y{changed}: start from a copy, with .clone().")
            self.remark = f"(But y{changed}, which whoever calls it may still need.)"
        return outcome.value

    def same(self, got: Any, want: Any) -> bool:
        return same(got, want, rtol=self.rtol)


_WRONG: set[str] = set()  # checks whose last answer in this session was wrong
_PASSED: dict[str, Inputs] = {}  # the answers that each check found right last


def later(answer: T, reference: T) -> T:
    """The student's answer where its check passed, else ``reference``, so that what follows rests on a right one.

    Args:
        answer: a value or a function that a check of this session has seen.
        reference: what to use instead.
    """
    passed = (one for answers in _PASSED.values() for one in answers)
    return answer if any(answer is one for one in passed) else reference


def _as_check(maker: Callable[..., Any], exercise: Exercise) -> Check:
    @wraps(maker)
    def checked(*answers: Any, seed: int | None = None) -> Result:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed or 0)
            return exercise.judge(answers, seed is not None)

    del checked.__wrapped__  # type: ignore[attr-defined]
    checked.exercise = exercise  # type: ignore[attr-defined]
    return checked


def _name(maker: Callable[..., Any]) -> str:
    return f"{maker.__module__.rpartition('.')[2]}.{maker.__name__}"


def exercise(
    praise: str,
    *,
    right: Callable[..., Any],
    hint: Hints,
    mistakes: Sequence[Mistake] = (),
    forbidden: tuple[str, ...] = (),
    keeps: bool = False,
    rtol: float = RTOL,
    then: Callable[[Callable[..., Any]], None] = lambda call: None,
) -> Callable[[Callable[..., Iterable[Inputs]]], Check]:
    """Makes a check of a function out of what draws its inputs: ``(hidden: bool)``, or nothing where all see the same.

    Args:
        praise: what a right answer gets to read.
        right: gives the right result for the same inputs; its parameters name them in messages.
        hint: for a result that is no known mistake: where to look, and perhaps what to compare.
        mistakes: see ``Exercise``.
        forbidden, keeps, rtol: see there.
        then: looks at the function again once its results are right; raises ``Hint``.
    """

    def decorate(draw: Callable[..., Iterable[Inputs]]) -> Check:
        def cases(hidden: bool) -> Iterable[Inputs]:
            return draw(hidden) if signature(draw).parameters else draw()

        def examine(exercise: Exercise, function: Any, hidden: bool) -> None:
            _examine_function(exercise, function, list(cases(hidden)), hint)
            then(lambda *inputs: exercise.call(function, inputs))

        return _as_check(draw, Exercise(_name(draw), praise, examine, mistakes, right, cases, forbidden, keeps, rtol))

    return decorate


@dataclass(frozen=True)
class _Run:
    inputs: Inputs
    got: Any
    want: Any


def _examine_function(exercise: Exercise, function: Any, cases: Iterable[Inputs], hint: Hints) -> None:
    runs: list[_Run] = []
    stopped: Hint | None = None
    for inputs in cases:
        want = exercise.right(*inputs)
        try:
            runs.append(_Run(inputs, exercise.call(function, inputs), want))
        except Hint as problem:
            stopped = Hint(f"{problem} {_tried(exercise.right, inputs)}".strip())
            break
    wrong = [one for one in runs if not exercise.same(one.got, one.want)]
    if wrong:
        raise _explained(exercise, runs, wrong, hint)
    if stopped:
        raise stopped


def _explained(exercise: Exercise, runs: Sequence[_Run], wrong: Sequence[_Run], hint: Hints) -> Hint:
    """The hint of the mistake that gives all results, or else the first wrong one, or else the general hint."""
    for these in (runs, wrong[:1]):
        for mistake, words in exercise.mistakes:
            shows = _shows(exercise, mistake, these)
            if shows:
                found = difference(shows.got, shows.want, rtol=exercise.rtol) or Difference()
                return Hint(f"{words} {_tried(exercise.right, shows.inputs)}".strip(), found.pair)
    found = difference(wrong[0].got, wrong[0].want, rtol=exercise.rtol) or Difference()
    tried = _tried(exercise.right, wrong[0].inputs)
    first, more = (hint, "") if isinstance(hint, str) else hint
    told = found.form or " ".join(filter(None, [first, found.count]))
    return Hint(f"{told} {tried}".strip(), " ".join(filter(None, [more, found.pair])))


def _shows(exercise: Exercise, mistake: Any, runs: Sequence[_Run]) -> _Run | None:
    """The first of ``runs`` in which a mistake gives a wrong result, if it gives the results of all of them."""
    first = None
    for one in runs:
        try:
            given = mistake(*one.inputs)
        except Exception:  # a mistake that these inputs leave no room for
            return None
        if not exercise.same(one.got, filled(given, one.got)):
            return None
        if first is None and not exercise.same(filled(given, one.want), one.want):
            first = one
    return first


def _tried(right: Callable[..., Any], inputs: Inputs) -> str:
    """The inputs, so that one can try them: numbers and words as they are, tensors by dtype and shape."""
    shown = [f"{name}={text}" for name, one in zip(signature(right).parameters, inputs, strict=False)
             if (text := _shown(one))]  # fmt: skip
    return f"Tried with {', '.join(shown)}." if shown else ""


def _shown(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).partition('.')[2]} {tuple(value.shape)}"
    simple = isinstance(value, (bool, int, float, str, list, tuple)) and not _holds_tensor(value)
    return text if simple and len(text := repr(value)) <= SHOWN else ""


def _holds_tensor(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(isinstance(one, Tensor) or _holds_tensor(one) for one in value)


def question(
    praise: str,
    *,
    right: Any,
    hint: Hints | Mapping[str, Hints],
    mistakes: Sequence[Mistake] = (),
    among: Sequence[str] = (),
    shown: Sequence[str] = (),
    rtol: float = RTOL,
) -> Callable[[Callable[..., Any]], Check]:
    """Makes a check of values out of a function that puts the answers into the form of ``right``.

    Args:
        praise: what a right answer gets to read.
        right: a value, or a dictionary of them, which is looked at key by key.
        hint: where to look, and what to compare; for a dictionary also by key.
        mistakes: see ``Exercise``; of a dictionary only the keys that matter.
        among: words that an answer has to be chosen from.
        shown: keys that everybody's check looks at; the others are left to the hidden test.
        rtol: relative tolerance.
    """

    def decorate(form: Callable[..., Any]) -> Check:
        def examine(exercise: Exercise, *answers: Any, hidden: bool) -> None:
            want = {key: right[key] for key in right if (key in shown) != hidden} if shown else right
            got = plain(form(*answers))
            if isinstance(right, dict) and isinstance(got, dict):
                got = {key: one for key, one in got.items() if key in want or key not in right}
            if not answered(got):
                raise _NotAnswered
            _examine_value(exercise, got, want, hint, among)

        return _as_check(form, Exercise(_name(form), praise, examine, mistakes, right, rtol=rtol))

    return decorate


def _examine_value(exercise: Exercise, got: Any, want: Any, hint: Any, among: Sequence[str]) -> None:
    found = difference(got, want, rtol=exercise.rtol)
    if not found:
        return
    for mistake, words in exercise.mistakes:
        if isinstance(mistake, dict) and isinstance(got, dict) and mistake.keys() <= got.keys():
            given, wanted = ({key: one.get(key) for key in mistake} for one in (got, want))
        else:
            given, wanted = got, want
        if exercise.same(given, mistake) and not exercise.same(mistake, wanted):
            raise Hint(words)
    if isinstance(want, dict) and not isinstance(got, dict):
        found = difference(got, exercise.right) or found
    expect(not found.form, found.form)
    if isinstance(want, dict):
        wrong = [key for key in want if not exercise.same(got[key], want[key])]
        for key in wrong:
            expect(not among or got[key] in among, f"{key} needs one of {', '.join(among)}.")
        first, more = _pair(hint[wrong[0]] if isinstance(hint, Mapping) else hint)
        share = f"{len(want) - len(wrong)} of {len(want)} are right. Look again at " if len(want) > 1 else ""
        raise Hint(f"{share}{wrong[0]}: {first}", more)
    raise Hint(*_pair(hint))


def _pair(hint: Hints) -> tuple[str, str]:
    return (hint, "") if isinstance(hint, str) else hint


def check(
    praise: str, *, forbidden: tuple[str, ...] = (), keeps: bool = False
) -> Callable[[Callable[..., None]], Check]:
    """Makes a check of a function that raises ``Hint`` for wrong answers: for what has more than one right answer.

    A function among the answers reaches it wrapped: it gives plain values, and says what is wrong with it otherwise. A
    parameter ``hidden`` tells a hidden test from the one that everybody sees.
    """

    def decorate(look: Callable[..., None]) -> Check:
        takes_hidden = "hidden" in signature(look).parameters

        def examine(exercise: Exercise, *answers: Any, hidden: bool) -> None:
            given = [_reached(exercise, answer) for answer in answers]
            look(*given, **({"hidden": hidden} if takes_hidden else {}))

        return _as_check(look, Exercise(_name(look), praise, examine, forbidden=forbidden, keeps=keeps))

    return decorate


def _reached(exercise: Exercise, answer: Any) -> Any:
    if callable(answer):
        return lambda *inputs: exercise.call(answer, inputs)
    if not answered(value := plain(answer)):
        raise _NotAnswered
    return value


def whole(low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included, drawn from the check's seed."""
    return int(torch.randint(low, high + 1, ()))
