"""The pictures to choose from, and a reader's own: a menu and an upload button."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import ipywidgets as widgets

from alexnet_edu.errors import AlexNetError, ImageError
from alexnet_edu.explorers.widgets import Explorer, control_layout, menu, offer
from alexnet_edu.images import MAX_UPLOAD_BYTES, held_out_images, load_image, sample_images
from alexnet_edu.labels import in_words


def pictures_to_try() -> dict[str, Any]:
    """By name: the first held-out photo of each kind, most of which the embedded network knows; then the samples."""
    first: dict[str, Any] = {}
    for photo in held_out_images():
        first.setdefault(in_words(photo.kind), photo)
    return {**dict(sorted(first.items(), key=lambda item: item[0].casefold())), **sample_images()}


class PictureMenu:
    """The pictures to choose from: a menu and an upload button, for the explorer that they belong to."""

    def __init__(self, explorer: Explorer, pictures: Mapping[str, Any] | None, react: Callable[[], None]) -> None:
        self.sources = dict(sample_images() if pictures is None else pictures)
        if not self.sources:
            raise AlexNetError("An explorer needs at least one picture.")
        self._explorer, self._react = explorer, react
        self.menu = menu("Picture", list(self.sources), next(iter(self.sources)))
        self.upload = upload_button()
        self._good = self.menu.value
        explorer.on_change(self.menu, self._show)
        explorer.on_change(self.upload, self._take_upload)

    def _take_upload(self) -> None:
        if found := uploaded(self.upload.value):
            self.add(*found)

    def add(self, name: str, data: bytes) -> None:
        """Goes to one more picture, given as the bytes of a file, which take less memory than its pixels.

        Raises:
            ImageError: it is too large, or no picture; then nothing has changed.
        """
        if len(data) > MAX_UPLOAD_BYTES:
            raise ImageError(f"{name} is larger than {MAX_UPLOAD_BYTES / 1e6:.0f} MB; choose a smaller photo.")
        try:
            load_image(data)
        except ImageError as error:
            raise ImageError(f"{name} cannot be shown: {error}") from error
        known = dict(self.sources)
        key = f"{name} ({sha256(data).hexdigest()[:6]})"
        with self._explorer.silently():
            self._offer({**known, key: data}, key)
            try:
                self._show()
            except Exception:
                self._offer(known, self._good)
                raise

    def _offer(self, sources: dict[str, Any], chosen: str) -> None:
        self.sources = sources
        offer(self.menu, list(sources), chosen)

    def _show(self) -> None:
        """Goes to the chosen picture, or back to the last good one if this one fails."""
        try:
            self._react()
        except Exception:
            self.menu.value = self._good
            raise
        self._good = self.menu.value

    def source(self) -> Any:
        """The chosen picture, in a form that ``load_image`` takes."""
        return self.sources[self.menu.value]


def upload_button() -> Any:
    """Takes a photo from the reader's machine."""
    limit = f"{MAX_UPLOAD_BYTES / 1e6:.0f} MB"  # said before: JupyterLab drops a larger file without a word
    return widgets.FileUpload(
        accept="image/*", multiple=False, description=f"Your photo, up to {limit}", layout=control_layout("240px")
    )


def uploaded(value: Any) -> tuple[str, bytes] | None:
    """The name and the bytes of the last upload, as ipywidgets 7 (a dict) or 8 (a tuple) hands them over."""
    if not value:
        return None
    if isinstance(value, dict):
        name, entry = list(value.items())[-1]
        return name, bytes(entry["content"])
    return value[-1]["name"], bytes(value[-1]["content"])
