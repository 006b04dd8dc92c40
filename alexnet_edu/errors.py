"""The errors this package raises on bad input: each message is one sentence that says what to do."""

import operator
from collections.abc import Iterable

__all__ = [
    "AlexNetError",
    "ImageError",
    "WeightsError",
    "check_counted",
    "check_number",
    "check_times",
    "check_type",
    "check_whole",
]

_MOST_TIMES = 10_000


class AlexNetError(ValueError):
    """A value that the caller can correct: a wrong name, size, file or option."""


class ImageError(AlexNetError):
    """A picture that cannot be read."""


class WeightsError(AlexNetError):
    """Trained weights that cannot be found, downloaded, verified or matched with a network."""


def check_type(name: str, value: object, kind: type | tuple[type, ...], what: str) -> None:
    """Refuses a value of another type than ``kind``, which the message calls ``what``.

    Raises:
        TypeError: the message gives the argument's ``name``.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {what}, not a {type(value).__name__}.")


def check_whole(name: str, value: object) -> None:
    """Refuses what is no whole number where one is meant.

    Raises:
        TypeError: ``value`` is of another type; the message gives the argument's ``name``.
    """
    try:
        operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not a {type(value).__name__}.") from None


def check_times(name: str, value: int) -> None:
    """Refuses what says how often something is done, and is not between 1 and 10,000.

    Raises:
        TypeError: ``value`` is no whole number.
        AlexNetError: it is out of these bounds.
    """
    check_whole(name, value)
    if not 1 <= value <= _MOST_TIMES:
        raise AlexNetError(f"{name} must be between 1 and {_MOST_TIMES:,}, not {value}.")


def check_number(name: str, value: float, least: float = -1e6) -> None:
    """Refuses what is no number from ``least`` to a million.

    Raises:
        TypeError: ``value`` is of another type.
        AlexNetError: it is out of these bounds.
    """
    check_type(name, value, (int, float), "a number")
    if not least <= value <= 1e6:
        raise AlexNetError(f"{name} must be between {least:g} and 1,000,000, not {value}.")


def check_counted(numbers: Iterable[int], count: int, there_are: str) -> None:
    """Refuses a number that is not one of ``count`` things, which the message begins to name: "There are 101 classes".

    Raises:
        AlexNetError: a number is negative, or ``count`` and more.
    """
    wrong = [number for number in numbers if not 0 <= number < count]
    if wrong:
        raise AlexNetError(f"{there_are}, counted from 0; there is no {wrong[0]}.")
