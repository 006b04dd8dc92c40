"""Every check of every notebook and problem set: right answers pass in every form, wrong ones get a hint that fits."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import check_answers
import numpy as np
import pytest
import torch
from notebook_files import ROOT
from torch import Tensor, nn

from alexnet_edu.check import Exercise, Result
from alexnet_edu.check.compare import example, filled, same
from alexnet_edu.check.guard import run

NOTEBOOKS = sorted(path.stem for path in (ROOT / "alexnet_edu" / "check").glob("nb*.py"))
SETS = {path.stem.partition("_")[0]: path for path in sorted((ROOT / "assignments" / "answers").glob("*.py"))}
SEEDS = (1, 2, 4711)  # of hidden tests
WORDS = {"nb01.sentences", "nb01.misleading_pair", "nb01.networks", "nb02.first_right", "nb02.mystery", "nb08.evidence",
         "nb08.network_150"}  # fmt: skip  # whose answers are words, which have few forms
FORMED = {"nb04.first_turn": (1,), "nb04.small_change": (2,), "project.report": (0,)}  # the answers among the arguments
HIDDEN_ONLY = {"ps1.shapes", "ps1.parameters"}  # checks whose hidden test looks at the other half of the answer


def load(name: str) -> ModuleType:
    return importlib.import_module(f"alexnet_edu.check.{name}")


def checks(module: str) -> dict[str, Callable[..., Result]]:
    found = load(module)
    return {
        f"{module}.{name}": getattr(found, name) for name in found.__all__ if hasattr(getattr(found, name), "exercise")
    }


CHECKS: dict[str, Any] = {name: check for module in [*NOTEBOOKS, *SETS] for name, check in checks(module).items()}


def arguments(given: dict[str, Any]) -> tuple[Any, ...]:
    return (given["report"], given["result"]) if "report" in given else tuple(given.values())


def of_sets() -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """The right and wrong answers of the problem sets, in the form of ``check_answers``."""
    right: dict[str, list[Any]] = {}
    wrong: dict[str, list[Any]] = {}
    for module, path in SETS.items():
        spec = importlib.util.spec_from_file_location(f"answers_{module}", path)
        assert spec and spec.loader
        answers = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(answers)
        for name, given in answers.RIGHT:
            right.setdefault(f"{module}.{name}", []).append(arguments(given))
        for name, given, part in answers.WRONG:
            wrong.setdefault(f"{module}.{name}", []).append((arguments(given), part))
    return right, wrong


SETS_RIGHT, SETS_WRONG = of_sets()
RIGHT, WRONG = check_answers.RIGHT | SETS_RIGHT, check_answers.WRONG | SETS_WRONG


# The forms of an answer.


def mapped(value: Any, form: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {key: mapped(one, form) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, range)):
        return form([mapped(one, form) for one in value])
    return form(value)


def of_numpy(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().numpy()
    kinds = {bool: np.bool_, int: np.int64, float: np.float64, str: np.str_}
    return kinds.get(type(value), lambda one: one)(value)


def of_float32(value: Any) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().float().numpy()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return np.float32(value) if isinstance(value, float) or np.float32(value) == value else np.int32(value)
    return of_numpy(value)


def of_lists(value: Any) -> Any:
    return value.tolist() if isinstance(value, Tensor) else value


def of_tuples(value: Any) -> Any:
    value = of_lists(value)
    return tuple(map(of_tuples, value)) if isinstance(value, list) else float(value) if type(value) is int else value


def of_tensors(value: Any) -> Any:
    numbers = isinstance(value, (bool, int, float, Tensor))
    if isinstance(value, list) and value and all(isinstance(one, Tensor) and not one.ndim for one in value):
        return torch.stack([one.double() for one in value])
    return torch.as_tensor(value, dtype=torch.float64 if isinstance(value, float) else None) if numbers else value


FORMS = {
    "as it is": lambda value: value,
    "numpy": lambda value: mapped(value, of_numpy),
    "float32": lambda value: mapped(value, of_float32),
    "lists": lambda value: mapped(value, of_lists),
    "tuples": lambda value: mapped(value, of_tuples),
    "tensors": lambda value: mapped(value, of_tensors),
}


def formed(answer: Any, form: Callable[[Any], Any]) -> Any:
    """A value in another form, or a function that gives its results in it."""
    if isinstance(answer, (type(...), nn.Module)) or not callable(answer):
        return form(answer)
    return lambda *inputs: form(answer(*inputs))


def in_form(name: str, answers: tuple[Any, ...], form: str) -> tuple[Any, ...]:
    places = FORMED.get(name, range(len(answers)))
    return tuple(formed(one, FORMS[form]) if i in places else one for i, one in enumerate(answers))


RIGHT_CASES = [(name, number) for name in CHECKS for number in range(len(RIGHT.get(name, [])))]


@pytest.mark.parametrize(("name", "number"), RIGHT_CASES)
def test_a_right_answer_passes(name: str, number: int) -> None:
    for seed in (None, *SEEDS) if name.partition(".")[0] in SETS else (None,):
        result = CHECKS[name](*RIGHT[name][number], seed=seed)
        assert result, result


@pytest.mark.parametrize("form", list(FORMS)[1:])
@pytest.mark.parametrize("name", sorted(CHECKS.keys() & RIGHT.keys()))
def test_a_right_answer_passes_in_every_form(name: str, form: str) -> None:
    result = CHECKS[name](*in_form(name, RIGHT[name][0], form))
    assert result, result


@pytest.mark.parametrize(
    "name", [name for name in RIGHT if name.partition(".")[0] in SETS and callable(RIGHT[name][0][0])]
)
def test_a_right_answer_passes_from_another_process(name: str) -> None:
    """All that goes to and fro pickles; the answer is called where it lives."""
    check, answer = CHECKS[name], RIGHT[name][0][0]

    def stand_in(*inputs: Any) -> Any:
        return pickle.loads(pickle.dumps(run(answer, pickle.loads(pickle.dumps(inputs)), check.exercise.forbidden)))

    for seed in (None, 5):
        assert check(stand_in, seed=seed), check(stand_in, seed=seed)


def forms_of(name: str) -> int:
    """How many right forms the tests try: every answer, and what presents the first one in another way."""
    return len(RIGHT[name]) + (1 if name in WORDS else len(FORMS) - 1)


# Known mistakes: each stands once, in the table of its check.


def replayed(exercise: Exercise, mistake: Any, seed: int | None) -> Callable[..., Any]:
    """A function that makes the mistake, computed before the check begins, since it may use what is forbidden there."""
    results = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed or 0)
        for inputs in list(exercise.cases(seed is not None)):
            right = exercise.right(*inputs)
            try:
                results.append(example(filled(mistake(*inputs), example(right))))
            except Exception:  # no room for the mistake in this case
                results.append(example(right))
    replay: Iterator[Any] = iter(results)
    return lambda *inputs: next(replay, None)


def wrong_value(exercise: Exercise, mistake: Any) -> Any:
    return example(exercise.right) | mistake if isinstance(mistake, dict) else mistake


MISTAKES = [(name, number) for name, check in CHECKS.items() for number in range(len(check.exercise.mistakes))]


@pytest.mark.parametrize(("name", "number"), MISTAKES)
def test_a_known_mistake_gets_its_own_hint(name: str, number: int) -> None:
    """In everybody's check; of a problem set also, and at least, in the hidden one."""
    exercise: Exercise = CHECKS[name].exercise
    mistake, hint = exercise.mistakes[number]
    in_set = name.partition(".")[0] in SETS
    for seed in (None, *SEEDS) if in_set else (None,):
        if callable(exercise.right):
            result = CHECKS[name](replayed(exercise, mistake, seed), seed=seed)
        else:
            answer = wrong_value(exercise, mistake)
            takes = answer.values() if name in ("nb02.uses", "nb03.conv1_columns") else [answer]
            result = CHECKS[name](*takes, seed=seed)
        if result and in_set and (seed is None or name in HIDDEN_ONLY):
            continue  # the other test finds it
        assert not result and result.first.startswith(hint), result
    if name in HIDDEN_ONLY:
        assert not all(CHECKS[name](wrong_value(exercise, mistake), seed=seed) for seed in (None, 1))


@pytest.mark.parametrize("name", CHECKS)
def test_hints_differ_and_no_mistake_is_right(name: str) -> None:
    exercise: Exercise = CHECKS[name].exercise
    hints = [hint for _, hint in exercise.mistakes]
    assert len(set(hints)) == len(hints)
    if not callable(exercise.right) and exercise.right is not None:
        for mistake, hint in exercise.mistakes:
            assert not same(wrong_value(exercise, mistake), exercise.right, rtol=exercise.rtol), hint


WRONG_CASES = [(name, number) for name in CHECKS for number in range(len(WRONG.get(name, [])))]


@pytest.mark.parametrize(("name", "number"), WRONG_CASES)
def test_a_wrong_answer_gets_a_hint(name: str, number: int) -> None:
    answers, part = WRONG[name][number]
    seeds = (None, 4711) if name.partition(".")[0] in SETS else (None,)
    results = [CHECKS[name](*answers, seed=seed) for seed in seeds]
    wrong = next(result for result in results if not result)
    assert wrong.answered and part in wrong.message and "\n" not in wrong.message, wrong


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_has_five_right_forms_and_five_wrong_ones(name: str) -> None:
    assert name in RIGHT, f"{name} needs right answers in tests/check_answers.py or assignments/answers"
    assert forms_of(name) >= (2 if name in WORDS else 5)
    assert len(CHECKS[name].exercise.mistakes) + len(WRONG.get(name, [])) >= 5


@pytest.mark.parametrize("name", CHECKS)
def test_an_open_answer_is_no_mistake(name: str) -> None:
    result = CHECKS[name](*[...] * len(RIGHT.get(name, [(...,)])[0]))
    assert not result and not result.answered and "not answered yet" in result.message


@pytest.mark.parametrize("name", [name for name, check in CHECKS.items() if callable(check.exercise.right)])
def test_what_every_function_may_get_wrong(name: str) -> None:
    def stub(*inputs: Any) -> Any:
        """What it is for."""
        ...

    def forgotten(*inputs: Any) -> Any:
        inputs[0]

    def broken(*inputs: Any) -> Any:
        return inputs[0].nonsense

    check = CHECKS[name]
    assert not check(stub).answered
    assert "gives nothing back" in check(forgotten).message and check(forgotten).answered
    assert "AttributeError in line" in check(broken).message and "`return inputs[0].nonsense`" in check(broken).message
