"""A figure, a picture or a drawing in a notebook, with a description for readers who don't see it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from alexnet_edu.errors import AlexNetError
from alexnet_edu.figures.parts import DPI
from alexnet_edu.labels import in_words

__all__ = ["Shown", "rendered", "show", "wall"]


@dataclass(frozen=True)
class Shown:
    """A picture with its description, as a notebook shows it.

    The picture is an HTML image because notebooks drop the description of any other kind of image output. Its text
    form is the description alone, the same on every machine.
    """

    alt: str
    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<picture: {self.alt}>"


def show(picture: Figure | Image.Image | str, alt: str | None = None) -> Shown:
    """Puts a figure, a PIL picture or SVG text into a notebook, with a description for readers who don't see it.

    Args:
        picture: what to show. SVG text brings its own title and description.
        alt: what the picture tells, in one sentence; by default the description that the figure's function gave it.

    Raises:
        AlexNetError: there is no description.
    """
    if isinstance(picture, str):
        alt = alt or unescape(_between(picture, "<title>", "</title>"))
        return Shown(alt, _svg_image(picture, alt))
    alt = alt or (str(picture.get_label()) if isinstance(picture, Figure) else "")
    if not alt.strip():
        raise AlexNetError("Say what the picture tells: show(picture, alt='...').")
    kind, data = _small_file(rendered(picture) if isinstance(picture, Figure) else picture.convert("RGB"))
    text = base64.b64encode(data).decode()
    return Shown(alt, f'<img alt="{escape(alt)}" style="max-width:100%" src="data:image/{kind};base64,{text}">')


def _svg_image(svg: str, alt: str) -> str:
    """SVG as an HTML image: JupyterLab shows inline SVG as bare words until a notebook is trusted."""
    words = f"{alt}. {unescape(_between(svg, '<desc>', '</desc>'))}".strip()
    style = _between(svg, 'style="', '"')
    data = base64.b64encode(svg.encode()).decode()
    image = f'<img alt="{escape(words)}" style="width:100%;{style}" src="data:image/svg+xml;base64,{data}">'
    return f'<div style="overflow-x:auto">{image}</div>'


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def wall(pictures: Mapping[str, Path], shares: Mapping[str, float], title: str) -> Shown:
    """Small WebP pictures with their labels, as many side by side as the window has room for.

    Args:
        pictures: from label to file.
        shares: from label to a share from 0 to 1, written behind the label.
        title: what the wall shows, and what the numbers mean.
    """
    parts = "".join(_on_wall(in_words(label), path, shares[label]) for label, path in pictures.items())
    return Shown(
        f"{title} {', '.join(map(in_words, pictures))}.",
        f'<div style="font-size:11px;line-height:1.1"><p>{escape(title)}</p>{parts}</div>',
    )


def _on_wall(label: str, path: Path, share: float) -> str:
    data, label = base64.b64encode(path.read_bytes()).decode(), escape(label)
    style = "display:inline-block;width:72px;margin:1px;vertical-align:top"
    image = f'<img alt="{label}" style=width:58px src="data:image/webp;base64,{data}">'
    return f'<span style="{style}">{image}<br>{label} {share:.2f}</span>'


def rendered(figure: Figure) -> Image.Image:
    """A figure as a picture, at the size that it has on the screen."""
    for ax in figure.axes:
        ax.title.set_wrap(True)  # a title wider than the figure takes two lines instead of losing its end
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return Image.open(buffer).convert("RGB")


def _small_file(picture: Image.Image) -> tuple[str, bytes]:
    """PNG with a palette or WebP, whichever is smaller: plots and tiles give the first, photos the second."""
    png, webp = io.BytesIO(), io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(png, "PNG", optimize=True)
    picture.save(webp, "WEBP", quality=50, method=6)
    return min(("png", png.getvalue()), ("webp", webp.getvalue()), key=lambda pair: len(pair[1]))
