"""Calls an answer where the student's code lives, and says in plain data what came of it.

This module holds no right answer and imports nothing of the course, so it can stand in a student's process while the
check, its references and its inputs stay in another: there ``run(function, arguments, forbidden)`` gives an ``Outcome``
of exact built-in types and ``torch.Tensor``, which pickles.
"""

from __future__ import annotations

import dis
import inspect
import linecache
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.library import Library

__all__ = ["Alien", "Outcome", "Refused", "answered", "copied", "forbid", "plain", "run"]

LONGEST = 1_000_000  # values that are taken from an answer which never ends
_LIBRARIES = tuple({*map(str, sysconfig.get_paths().values()), str(Path(__file__).parents[1])})
_EXPLAINED = {
    "could not infer output dtype": "a comparison gives True and False, and PyTorch takes no mean of those: "
    "turn them into numbers first, with .float().",
}
_IDLE = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}  # all that a body without a statement does

# The operators of PyTorch behind every way of calling what a problem wants written by hand.
OPERATORS = {
    "conv": ("conv1d", "conv2d", "conv2d.padding", "conv3d", "convolution", "_convolution"),
    "pool": (
        *(f"{kind}_pool{n}d" for kind in ("max", "avg", "adaptive_max", "adaptive_avg") for n in (1, 2, 3)),
        *(f"max_pool{n}d_with_indices{way}" for n in (2, 3) for way in ("", "_backward")),
    ),
    "dropout": ("dropout", "dropout_", "native_dropout", "feature_dropout", "alpha_dropout"),
    "groups": ("convolution",),
    "autograd": (),
}


class Refused(Exception):
    """The answer did something that the problem rules out; the message is one sentence for the student."""


@dataclass(frozen=True)
class Alien:
    """In the place of a value that is no number, word, tensor or collection of these."""

    kind: str


@dataclass(frozen=True)
class Outcome:
    """What came of calling an answer.

    Attributes:
        value: what it returned, as ``plain`` gives it.
        problem: one sentence: why there is no value.
        answered: false where the function is still a stub.
        changed: names of the inputs that the function changed.
    """

    value: Any = None
    problem: str = ""
    answered: bool = True
    changed: tuple[str, ...] = ()


def run(function: Any, arguments: Sequence[Any], forbidden: Iterable[str] = ()) -> Outcome:
    """Calls ``function`` with copies of ``arguments``.

    Args:
        function: the student's.
        arguments: numbers, words, tensors, lists and dictionaries of these, or picklable callables.
        forbidden: keys of ``OPERATORS``: what may not be called meanwhile, in any thread.
    """
    if not answered(function):
        return Outcome(answered=False)
    if not callable(function):
        return Outcome(problem=f"a function is wanted, not {type(function).__name__}.")
    given = copied(arguments)
    try:
        with forbid(*forbidden):
            value = function(*given)
            value = value if isinstance(value, Outcome) else plain(value)
    except Refused as problem:
        return Outcome(problem=str(problem))
    except (Exception, SystemExit) as problem:  # whatever the student's code raises belongs to the answer
        return _stopped(problem)
    if isinstance(value, Outcome):  # the answer was called in another process
        return replace(value, value=plain(value.value))
    if value is None and not _is_stub(function):
        return Outcome(problem="your function gives nothing back: does it end with `return`?")
    if not answered(value):
        return Outcome(answered=False)
    pairs = zip(_names(function, len(given)), given, arguments, strict=True)
    return Outcome(value, changed=tuple(name for name, now, before in pairs if not _unchanged(now, before)))


def plain(value: Any) -> Any:
    """The same value without the student's or NumPy's types, so that no method of theirs takes part in a comparison.

    Numbers become ``int``, ``float`` or ``bool``, words ``str``, arrays and tensors detached ``torch.Tensor`` of their
    dtype, other collections ``list``, ``set`` or ``dict``; ``None`` and ``...`` stay, and all else is an ``Alien``.
    """
    numpy = sys.modules.get("numpy")
    if value is None or value is ... or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Tensor):
        with torch._C.DisableTorchFunctionSubclass():
            return Tensor.as_subclass(value, Tensor).detach().cpu().clone()
    if numpy and isinstance(value, numpy.ndarray):
        array = numpy.array(value, subok=False)
        return plain(array.tolist()) if array.dtype.kind in "OUSMmV" else torch.from_numpy(array)
    if numpy and type(value).__module__ == "numpy" and isinstance(value, numpy.generic):
        return plain(numpy.generic.item(value))
    for kind, exact in _EXACT.items():
        if isinstance(value, kind):
            return exact(value)
    if isinstance(value, (set, frozenset)):
        return {_hashable(one) for one in set.__iter__(set(value))}
    if isinstance(value, Mapping):
        return {_hashable(key): plain(one) for key, one in dict(value).items()}
    if isinstance(value, Iterable) and not isinstance(value, (bytes, type)):
        return [plain(one) for one in islice(value, LONGEST)]
    return Alien(type(value).__name__)


# How a subclass becomes its base, by the base's own method.
_EXACT: dict[type, Callable[[Any], Any]] = {
    int: lambda value: int.__add__(value, 0),
    float: lambda value: float.__add__(value, 0.0),
    str: lambda value: str.__str__(value),
    Fraction: lambda value: value.numerator / value.denominator,
}


def _hashable(value: Any) -> Any:
    value = plain(value)
    return value if isinstance(value, (bool, int, float, str, type(None), type(...))) else repr(value)


def answered(value: Any) -> bool:
    """Whether there is an answer: no ``...`` and no ``None``, also not inside a list, set or dictionary."""
    if isinstance(value, dict):
        return answered(list(value.values()))
    if isinstance(value, (tuple, list, set)):
        return all(map(answered, value))
    return value is not None and value is not ...


def copied(value: Any) -> Any:
    """A copy of tensors and of the lists, tuples and dictionaries that hold them; strides stay as they are."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, (list, tuple)):
        return type(value)(map(copied, value))
    return {key: copied(one) for key, one in value.items()} if isinstance(value, dict) else value


def _unchanged(now: Any, before: Any) -> bool:
    if isinstance(before, Tensor):
        same_form = now.shape == before.shape and now.dtype == before.dtype
        return same_form and torch.equal(now.nan_to_num(), before.nan_to_num())
    if isinstance(before, (list, tuple)):
        return len(now) == len(before) and all(map(_unchanged, now, before))
    if isinstance(before, dict):
        return list(now) == list(before) and all(_unchanged(now[key], before[key]) for key in before)
    return bool(now is before or now == before)


def _names(function: Any, count: int) -> list[str]:
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    return (names + [f"input {i + 1}" for i in range(len(names), count)])[:count]


def _is_stub(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and all(one.opname in _IDLE for one in dis.get_instructions(code))


def _stopped(problem: BaseException) -> Outcome:
    """What an exception in the student's code means: a ``...`` that is still there is no mistake."""
    frames = list(_frames(problem))
    raised = frames and _raises(frames[-1]) and frames[-1].tb_next is None
    if (isinstance(problem, NotImplementedError) and raised) or "ellipsis" in str(problem).lower():
        return Outcome(answered=False)
    message = (str(problem).splitlines() or [""])[0]
    for sign, why in _EXPLAINED.items():
        message = why if sign in message else message
    return Outcome(problem=f"your code stopped with {type(problem).__name__}{_place(frames)}: {message.rstrip('.')}.")


def _frames(problem: BaseException) -> Iterator[Any]:
    """The traceback's entries that lie in the student's code, the innermost last."""
    entry = problem.__traceback__
    while entry:
        if not entry.tb_frame.f_code.co_filename.startswith(_LIBRARIES):
            yield entry
        entry = entry.tb_next


def _raises(entry: Any) -> bool:
    return bool(entry.tb_frame.f_code.co_code[entry.tb_lasti] == dis.opmap["RAISE_VARARGS"])


def _place(frames: Sequence[Any]) -> str:
    if not frames:
        return ""
    file, line = frames[-1].tb_frame.f_code.co_filename, frames[-1].tb_lineno
    source = linecache.getline(file, line).strip()
    return f" in line {line}" + (f", `{source}`" if source else "")


@contextmanager
def forbid(*names: str) -> Iterator[None]:
    """While active, PyTorch's own version of what is to be written raises ``Refused``, whatever it is called by.

    It is the operator that is replaced, in the whole process: aliases, modules, ``autograd`` and threads lead to it.
    Only operators on the CPU are, and a matrix product or a Fourier transform that does the same work is allowed.

    Args:
        names: keys of ``OPERATORS``.
    """
    if not names:
        yield
        return
    library: Any = Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    try:
        for name in names:
            for operator in OPERATORS[name]:
                kernel = _ungrouped if name == "groups" else _refuse(operator.partition(".")[0])
                library.impl(operator, kernel, "CPU")
        with ExitStack() as stack:
            if "autograd" in names:
                for place in _ENGINES:
                    stack.enter_context(patch(place, _refuse("autograd")))
            yield
    finally:
        library._destroy()


_ENGINES = (
    "torch.autograd._engine_run_backward",
    "torch.autograd.graph._engine_run_backward",
    "torch.autograd.forward_ad.enter_dual_level",
)


def _refuse(name: str) -> Callable[..., Any]:
    def refused(*args: Any, **kwargs: Any) -> Any:
        raise Refused(f"PyTorch's {name.strip('_')} is what yours is compared with; write it without.")

    return refused


def _ungrouped(*args: Any) -> Tensor:
    """PyTorch's convolution, as long as it has one group, its last argument."""
    if args[-1] != 1:
        raise Refused("PyTorch's `groups` is what yours is compared with; write it without.")
    result: Tensor = torch.ops.aten._convolution.default(*args, False, False, True, True)
    return result
