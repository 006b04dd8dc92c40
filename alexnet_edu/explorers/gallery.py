"""The bundled pictures to click on, for several explorers at once."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from html import escape
from io import BytesIO
from typing import Any

import ipywidgets as widgets
from PIL import ImageOps

from alexnet_edu.explorers.maps import FeatureMapExplorer
from alexnet_edu.explorers.pictures import upload_button, uploaded
from alexnet_edu.explorers.prediction import PredictionExplorer
from alexnet_edu.explorers.widgets import Explorer, wrapping
from alexnet_edu.images import MAX_UPLOAD_BYTES, Sample, sample_images

_PHOTO = "alexnet-edu-photo"
_CHOSEN = "alexnet-edu-chosen"
_THUMBNAIL = (86, 65)
_GALLERY_STYLE = f"""<style data-max-upload-bytes="{MAX_UPLOAD_BYTES}">
.jupyter-button.{_PHOTO} {{
  width: {_THUMBNAIL[0] + 8}px; height: {_THUMBNAIL[1] + 30}px; padding: {_THUMBNAIL[1] + 4}px 0 0; line-height: 22px;
  background: center 4px / {_THUMBNAIL[0]}px {_THUMBNAIL[1]}px no-repeat #fff; color: #222;
  border: 1px solid #bbb; border-radius: 4px; box-shadow: none;
}}
.jupyter-button.{_PHOTO}.{_CHOSEN} {{ border-color: #005a9c; box-shadow: 0 0 0 2px #005a9c; font-weight: bold; }}
</style>"""


class PictureGallery(Explorer):
    """The bundled pictures to click on, and a button for the reader's photo: one choice for several explorers.

    Args:
        explorers: those that show the chosen picture. Their own upload buttons give way to the gallery's.
    """

    def __init__(self, *explorers: FeatureMapExplorer | PredictionExplorer) -> None:
        super().__init__()
        self.explorers, self.samples = explorers, sample_images()
        self.buttons = {name: self._button(name) for name in self.samples}
        self.upload = upload_button()
        self.on_change(self.upload, self._take_upload)
        for explorer in explorers:
            explorer.upload.layout.display = "none"
            self.on_change(explorer.picture, partial(self._follow, explorer))
        row = widgets.Box(list(self.buttons.values()), layout=wrapping())
        pictures = "".join(_thumbnail_style(sample) for sample in self.samples.values())
        style = widgets.HTML(f"{_GALLERY_STYLE}<style>{pictures}</style>")
        self.children = [style, row, self.upload, self.message]
        self._mark(explorers[0].picture.value if explorers else next(iter(self.samples)))

    def _state(self) -> Mapping[str, object]:
        return {"pictures": len(self.samples), "explorers": len(self.explorers)}

    def _button(self, name: str) -> Any:
        button = widgets.Button(description=name, tooltip=self.samples[name].caption)
        button.add_class(_PHOTO).add_class(f"{_PHOTO}-{name}")
        button.on_click(lambda _: self.attempt(partial(self._choose, name)))
        return button

    def _choose(self, name: str) -> None:
        for explorer in self.explorers:
            if name in explorer.picture.options:
                explorer.picture.value = name
        self._mark(name)

    def _follow(self, explorer: FeatureMapExplorer | PredictionExplorer) -> None:
        self._choose(explorer.picture.value)

    def _take_upload(self) -> None:
        if found := uploaded(self.upload.value):
            for explorer in self.explorers:
                explorer.pictures.add(*found)
            self._mark(found[0])

    def _mark(self, chosen: str) -> None:
        for name, button in self.buttons.items():
            (button.add_class if name == chosen else button.remove_class)(_CHOSEN)
        caption = f": {escape(self.samples[chosen].caption)}" if chosen in self.samples else ""
        self.say(f"Shown below: <b>{escape(chosen)}</b>{caption}.")


def _thumbnail_style(sample: Sample) -> str:
    """The picture as a button's background: core widgets have no button with a picture in it."""
    file = BytesIO()
    twice = (2 * _THUMBNAIL[0], 2 * _THUMBNAIL[1])  # for fine screens
    ImageOps.fit(sample.open(), twice).save(file, "JPEG", quality=75)
    data = b64encode(file.getvalue()).decode()
    return f".jupyter-button.{_PHOTO}-{sample.name} {{ background-image: url(data:image/jpeg;base64,{data}); }}"
