"""Whether what an answer gave is what is wanted, in whatever form it came, and how they differ if not.

Both sides are plain values (``guard.plain``). A wanted value may hold a ``OneOf`` or a ``Within``; a known mistake may
say ``...`` for a part that it says nothing about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from alexnet_edu.check.guard import Alien, plain

__all__ = ["RTOL", "Difference", "OneOf", "Within", "as_tensor", "difference", "example", "filled", "kind", "same"]

RTOL = 2e-5  # what float32 loses in the sums of the exercises
HALF = (torch.float16, torch.bfloat16)


class OneOf:
    """Any of several right values."""

    def __init__(self, *values: Any) -> None:
        self.values = values


@dataclass(frozen=True)
class Within:
    """A right number and how far from it an answer may lie."""

    value: float
    atol: float


@dataclass(frozen=True)
class Difference:
    """How two values differ.

    Attributes:
        form: what is wrong with the type, the shape or the length, as a sentence; empty where only values differ.
        count: how many values of a tensor differ, in brackets.
        pair: what was given and what is right, at the first place where they differ, as a sentence.
    """

    form: str = ""
    count: str = ""
    pair: str = ""


def same(got: Any, want: Any, *, rtol: float = RTOL) -> bool:
    """Whether ``got`` is right; ``rtol`` is relative, for a tensor to its largest value."""
    return difference(got, want, rtol=rtol) is None


def difference(got: Any, want: Any, *, rtol: float = RTOL) -> Difference | None:
    """How ``got`` differs from ``want``; nothing where it is right."""
    if isinstance(got, Within):
        got = got.value
    if isinstance(want, Within):
        near = isinstance(got, (int, float)) and abs(got - want.value) <= want.atol
        return None if near else _of_numbers(got, float(want.value), rtol)
    if isinstance(want, OneOf):
        found = [difference(got, one, rtol=rtol) for one in want.values]
        return None if None in found else found[0]
    if isinstance(want, Tensor):
        return _of_tensors(got, want, rtol)
    if isinstance(want, dict):
        return _of_dictionaries(got, want, rtol)
    if isinstance(want, (set, frozenset)):
        return _of_sets(got, want)
    if isinstance(want, (list, tuple)):
        return _of_sequences(got, want, rtol)
    if isinstance(want, (bool, str)):
        return _of_words(got, want)
    return _of_numbers(got, want, rtol)


def kind(value: Any) -> str:
    """What a plain value is, such as "a tensor of shape (2, 3)"."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, Alien):
        return value.kind
    names = {bool: "True or False", str: "words in quotes", list: "a list", dict: "a dictionary", set: "a set"}
    return names.get(type(value), "a number")


def values(count: int) -> str:
    """``1 value`` or ``3 values``, with the verb."""
    return "1 value is" if count == 1 else f"{count} values are"


def _of_numbers(got: Any, want: float, rtol: float) -> Difference | None:
    if isinstance(got, Tensor) and got.numel() == 1 and got.dtype != torch.bool:
        got = got.item()
    if isinstance(got, bool) or not isinstance(got, (int, float)):
        return Difference(f"a number is wanted, not {kind(got)}.")
    close = abs(got - want) <= (1e-6 if isinstance(want, int) and rtol == RTOL else max(rtol * abs(want), 1e-12))
    if close:
        return None
    if isinstance(want, int) and abs(got - want) < 1e-6 * abs(want):
        return Difference("that is right up to rounding: float32 holds seven digits, so count in whole numbers.")
    return Difference(pair=f"Yours gives {shown(got)}; right is {shown(want)}.")


def shown(number: float) -> str:
    """A number with the digits that one can compare."""
    return f"{number:,}" if isinstance(number, int) else f"{number:.6g}"


def _of_words(got: Any, want: str | bool) -> Difference | None:
    if isinstance(got, Tensor) and got.dtype == torch.bool and got.numel() == 1:
        got = got.item()
    if type(got) is not type(want):
        wanted = "True or False, without quotes, is" if isinstance(want, bool) else "a word in quotes is"
        return Difference(f"{wanted} wanted, not {kind(got)}.")
    return None if got == want else Difference(pair=f"Yours gives {got!r}; right is {want!r}.")


def _of_sets(got: Any, want: set[Any] | frozenset[Any]) -> Difference | None:
    got = got.flatten().tolist() if isinstance(got, Tensor) else got
    if not isinstance(got, (list, set)):
        return Difference(f"a list is wanted, not {kind(got)}.")
    try:
        return None if set(got) == want else Difference(pair=f"Yours gives {sorted(got)}; right is {sorted(want)}.")
    except TypeError:
        return Difference("a list of numbers or of words is wanted.")


def _of_sequences(got: Any, want: Sequence[Any], rtol: float) -> Difference | None:
    if isinstance(got, Tensor) and got.ndim:
        got = list(got.unbind()) if want and isinstance(want[0], Tensor) else got.tolist()
    if not isinstance(got, list):
        return Difference(f"{values(len(want))} wanted, not {kind(got)}.")
    if len(got) != len(want):
        return Difference(f"{values(len(want))} wanted, not {len(got)}.")
    for place, (one, other) in enumerate(zip(got, want, strict=True), start=1):
        if found := difference(one, other, rtol=rtol):
            simple = not any(isinstance(part, (list, tuple, dict, Tensor)) for part in (*got, *want))
            pair = found.pair
            if simple and len(want) < 12:
                pair = f"Yours gives {_listed(got)}; right is {_listed(example(want))}."
            return replace(found, form=found.form and f"value {place}: {found.form}", pair=pair)
    return None


def _listed(several: Sequence[Any]) -> str:
    return "(" + ", ".join(shown(one) if isinstance(one, (int, float)) else repr(one) for one in several) + ")"


def _of_dictionaries(got: Any, want: dict[Any, Any], rtol: float) -> Difference | None:
    if not isinstance(got, dict):
        return Difference(f"a dictionary with the keys {', '.join(map(str, want))} is wanted, not {kind(got)}.")
    if more := [str(key) for key in got if key not in want]:
        return Difference(f"{', '.join(more)} should not be in your dictionary.")
    for key, one in want.items():
        if key not in got:
            return Difference(f"{key} is missing in your dictionary.")
        if found := difference(got[key], one, rtol=rtol):
            return replace(
                found, form=found.form and f"{key}: {found.form}", pair=found.pair and f"{key}: {found.pair}"
            )
    return None


def _of_tensors(got: Any, want: Tensor, rtol: float) -> Difference | None:
    got = as_tensor(got)
    if not isinstance(got, Tensor):
        return Difference(f"a tensor is wanted, not {kind(got)}.")
    if got.shape != want.shape:
        return Difference(f"the shape is {tuple(got.shape)}, it should be {tuple(want.shape)}.")
    if got.is_complex():
        return Difference("real numbers are wanted, not complex ones.")
    given, right = got.double(), want.detach().double()
    scale = float(right[right.isfinite()].abs().max()) if right.isfinite().any() else 1.0
    wrong = ~given.isclose(right, rtol=rtol, atol=0.1 * rtol * max(scale, 1e-12), equal_nan=True)
    if not wrong.any():
        return None
    if got.dtype in HALF and given.isclose(right, rtol=0, atol=0.005 * scale).all():
        return Difference(f"that is right up to the rounding of {str(got.dtype).partition('.')[2]}: use float32.")
    place = tuple(wrong.nonzero()[0].tolist())
    largest = float((given - right).abs().max())
    return Difference(
        count=f"({int(wrong.sum()):,} of {values(wrong.numel()).rpartition(' ')[0]} differ, by up to {largest:.2g}.)",
        pair=f"At {list(place)} yours gives {shown(float(given[place]))}; right is {shown(float(right[place]))}.",
    )


def as_tensor(value: Any) -> Any:
    """A nested list of numbers or tensors as one tensor, where it is one."""
    if not isinstance(value, list):
        return torch.tensor(value) if isinstance(value, (int, float)) else value
    parts = [as_tensor(one) for one in value]
    if all(isinstance(one, Tensor) for one in parts) and len({one.shape for one in parts}) == 1:
        return torch.stack([one.double() for one in parts])
    return value


def example(want: Any) -> Any:
    """A right value, of what may be several."""
    if isinstance(want, OneOf):
        return example(want.values[0])
    if isinstance(want, Within):
        return want.value
    if isinstance(want, dict):
        return {key: example(one) for key, one in want.items()}
    return [example(one) for one in want] if isinstance(want, (list, tuple)) else want


def filled(mistake: Any, rest: Any) -> Any:
    """The mistake with its ``...`` taken from ``rest``, a plain value or a right one."""
    if mistake is ...:
        return rest
    if isinstance(mistake, Within) or isinstance(rest, OneOf):
        return mistake
    if isinstance(mistake, dict) and isinstance(rest, dict):
        return {key: filled(one, rest.get(key)) for key, one in mistake.items()}
    if isinstance(mistake, (list, tuple)) and isinstance(rest, (list, tuple)) and len(mistake) == len(rest):
        return [filled(one, other) for one, other in zip(mistake, rest, strict=True)]
    return plain(mistake)
