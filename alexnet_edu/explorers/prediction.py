"""What the network says of a picture that the reader turns, brightens, covers or disturbs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from html import escape
from typing import Any

import ipywidgets as widgets
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from alexnet_edu.explorers.pictures import PictureMenu, pictures_to_try
from alexnet_edu.explorers.widgets import Explorer, control_layout, draw, image_view, slider
from alexnet_edu.images import HeldOut, Sample, held_out_images, sample_images
from alexnet_edu.inference import class_probabilities, default_pretrained
from alexnet_edu.labels import certainty, fitting, in_words
from alexnet_edu.palette import SKY, VERMILLION
from alexnet_edu.weights import Pretrained


@dataclass(frozen=True)
class Change:
    """What is done to a picture before the network sees it."""

    zoom: int = 100  # percent
    rotation: int = 0  # degrees, anticlockwise
    brightness: int = 100  # percent
    noise: int = 0  # standard deviation, percent of the full range
    patch: int = 0  # side of a grey square, pixels
    row: int = 50  # of the patch's middle, percent of the height
    column: int = 50  # percent of the width

    def of(self, crop: Image.Image) -> Image.Image:
        """The changed crop, of the same size."""
        side = crop.width
        if self.rotation:
            crop = crop.rotate(self.rotation, Image.Resampling.BILINEAR, fillcolor=(124, 116, 104))
        if self.zoom != 100:
            margin = side * (1 - 100 / self.zoom) / 2
            box = (margin, margin, side - margin, side - margin)
            crop = crop.resize((side, side), Image.Resampling.BILINEAR, box=box)
        if self.brightness != 100:
            crop = ImageEnhance.Brightness(crop).enhance(self.brightness / 100)
        if self.noise:
            noisy = np.asarray(crop, np.float32) + _noise(side) * (self.noise * 2.55)
            crop = Image.fromarray(np.rint(noisy.clip(0, 255)).astype(np.uint8))
        if self.patch:
            top, left = (round(side * at / 100 - self.patch / 2) for at in (self.row, self.column))
            crop = crop.copy()
            crop.paste((124, 116, 104), (left, top, left + self.patch, top + self.patch))
        return crop


_UNCHANGED = Change()
FIRST_PATCH = 64  # pixels
PLACES = 12  # a side of the picture, to click on


@cache
def _noise(side: int) -> NDArray[np.float32]:
    """Always the same normal noise, so that the same setting gives the same answer."""
    return np.random.default_rng(0).standard_normal((side, side, 3), np.float32)


class PredictionExplorer(Explorer):
    """What the network says about a picture while you turn, brighten, cover or disturb it.

    Args:
        pretrained: from ``load_pretrained``; by default what ``load_pretrained("auto")`` gives.
        pictures: by name, in any form that ``load_image`` takes; by default a held-out photo of each kind, then the
            bundled samples.
        top_k: how many labels. The label that was first stays in view, whatever is done to the picture.
    """

    def __init__(
        self, pretrained: Pretrained | None = None, pictures: Mapping[str, Any] | None = None, top_k: int = 5
    ) -> None:
        super().__init__()
        self.pretrained = pretrained or default_pretrained()
        self._top_k = min(top_k, len(self.pretrained.categories))
        side = self.pretrained.preprocess.size
        self.pictures = PictureMenu(self, pictures_to_try() if pictures is None else pictures, self._new_picture)
        self.picture, self.upload = self.pictures.menu, self.pictures.upload
        self.changes = {
            "zoom": slider("Zoom (%)", 400, value=_UNCHANGED.zoom, minimum=100, step=10),
            "rotation": slider("Rotation (°)", 180, value=_UNCHANGED.rotation, minimum=-180, step=5),
            "brightness": slider("Brightness (%)", 300, value=_UNCHANGED.brightness, step=10),
            "noise": slider("Noise (%)", 50, value=_UNCHANGED.noise, step=2),
            "patch": slider("Grey square (px)", side, value=_UNCHANGED.patch, step=8),
            "row": slider("Square row (%)", 100, value=_UNCHANGED.row),
            "column": slider("Square col. (%)", 100, value=_UNCHANGED.column),
        }
        self.reset = widgets.Button(description="Undo all changes", layout=control_layout("200px"))
        self.image = image_view(360, sharp=False)
        self.bars = widgets.HTML(
            layout=widgets.Layout(flex="1 1 300px", width="auto", min_width="0", max_width="520px")
        )
        for control in self.changes.values():
            self.on_change(control, self._update)
        self.reset.on_click(lambda _: self.attempt(self._undo))
        controls = [self.picture, self.upload, self.reset, *self.changes.values()]
        self.place = self.touchable(self.image, self._cover)
        self.place.lay(PLACES, PLACES)
        self.arrange(controls, [self.place, self.bars])
        self.attempt(self._new_picture)

    def _state(self) -> Mapping[str, object]:
        change = asdict(self._change())
        changed = {name: value for name, value in change.items() if value != getattr(_UNCHANGED, name)}
        return {"weights": self.pretrained.name, "picture": self.picture.value, **changed}

    def still(self) -> str:
        return f"{super().still()}{self.bars.value}"

    def _change(self) -> Change:
        return Change(**{name: control.value for name, control in self.changes.items()})

    def _cover(self, number: int) -> None:
        """Puts the grey square where the reader clicked; the square is made visible first, if it has no size yet."""
        row, column = (round(100 * (at + 0.5) / PLACES) for at in divmod(number, PLACES))
        self.changes["row"].value, self.changes["column"].value = row, column
        if not self.changes["patch"].value:
            self.changes["patch"].value = FIRST_PATCH
        self._update()

    def _undo(self) -> None:
        for name, control in self.changes.items():
            control.value = getattr(_UNCHANGED, name)
        self._update()

    def _new_picture(self) -> None:
        crop = self.pretrained.preprocess.crop(self.pictures.source())
        self._crop, self._before = crop, self._probabilities(crop)
        self._update()

    def _probabilities(self, crop: Image.Image) -> NDArray[np.float32]:
        batch = self.pretrained.preprocess.batch([crop])
        return class_probabilities(self.pretrained.model, batch)[0].numpy()

    def _update(self) -> None:
        crop = self._change().of(self._crop)
        chances = self._probabilities(crop)
        top = np.argsort(-chances, kind="stable")[: self._top_k].tolist()
        draw(self.image, crop, f"{self.picture.value} as the network sees it")
        self.bars.value = self._table(top, chances)
        self.say(self._verdict(chances))

    def _verdict(self, chances: NDArray[np.float32]) -> str:
        """What was said of the untouched picture, whether that was right, and what is said now."""
        first, before = int(chances.argmax()), int(self._before.argmax())
        said = f"{self._named(before)} ({certainty(float(self._before[before]))}{self._judged(before)})"
        now = f"{self._named(first)} ({certainty(float(chances[first]))})"
        verdict = f"still {now}" if first == before else f"now {now}"
        return f"{escape(self.picture.value)}, unchanged: {said}. As shown: {verdict}."

    def _named(self, index: int) -> str:
        return f"<b>{escape(in_words(self.pretrained.categories[index]))}</b>"

    def _fitting(self) -> list[str] | None:
        """The right labels; none where the network lacks them, ``None`` where nobody said which is right."""
        source = self.pictures.source()
        if not isinstance(source, HeldOut | Sample) or self._own_labels:
            return None
        return fitting(source.kind if isinstance(source, HeldOut) else source.name, self.pretrained.categories)

    @cached_property
    def _own_labels(self) -> bool:
        """Whether the network has labels of the reader's, such as "made" and "nature", and no name of a thing."""
        names = {photo.kind for photo in held_out_images()} | set(sample_images())
        return not any(fitting(name, self.pretrained.categories) for name in names)

    def _judged(self, index: int) -> str:
        right = self._fitting()
        if right is None:
            return ""
        if not right:
            return "; it has no label that fits"
        return "; right" if self.pretrained.categories[index] in right else "; wrong"

    def _table(self, top: list[int], chances: NDArray[np.float32]) -> str:
        """The likeliest labels and the one that was first, as bars, with the change against the untouched picture."""
        first, right = int(self._before.argmax()), self._fitting() or ()
        rows = ""
        for i in top if first in top else [*top, first]:
            mark = " ✓" if self.pretrained.categories[i] in right else ""
            label = in_words(self.pretrained.categories[i]) + mark
            rows += _bar_row(label, float(chances[i]), float(self._before[i]), was_first=i == first)
        head = "".join(
            f'<th scope="col" style="text-align:left">{text}</th>' for text in ("label", "probability", "change")
        )
        marks = "orange: first before any change" + ("; ✓: right" if right else "")
        caption = f"<caption>{escape(self.pretrained.name)}: the {len(top)} likeliest labels ({marks})</caption>"
        return f'<table style="width:100%">{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _bar_row(label: str, chance: float, before: float, *, was_first: bool) -> str:
    change = round(100 * (chance - before), 1) + 0.0  # no "-0.0"
    colour, weight = (VERMILLION, "bold") if was_first else (SKY, "normal")
    bar = f'<div style="background:{colour};height:0.9em;width:{100 * chance:.1f}%;min-width:1px"></div>'
    return (
        f'<tr><th scope="row" style="text-align:left;font-weight:{weight}">{escape(label)}</th>'
        f'<td style="width:45%">{bar}{chance:.1%}</td><td style="white-space:nowrap">{change:+.1f} points</td></tr>'
    )
