"""The errors this package raises on bad input: each message is one sentence that says what to do."""

import operator

__all__ = ["AlexNetError", "ImageError", "WeightsError", "check_type", "check_whole"]


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
