"""The errors this package raises on bad input: each message is one sentence that says what to do."""

__all__ = ["AlexNetError", "ImageError", "WeightsError"]


class AlexNetError(ValueError):
    """A value that the caller can correct: a wrong name, size, file or option."""


class ImageError(AlexNetError):
    """A picture that cannot be read."""


class WeightsError(AlexNetError):
    """Trained weights that cannot be found, downloaded, verified or matched with a network."""
