"""The atlas as pages: all layers, a layer's units, and a page for each unit of the embedded network.

``atlas/index.html``, ``atlas/conv3/index.html`` and ``atlas/conv3/150.html``: plain pages without scripts, made of the
data in the folder ``atlas/`` at the top of the repository and of the held-out photos in the package.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

from notebook_files import ROOT
from PIL import Image

from alexnet_edu.images import held_out_images
from alexnet_edu.labels import in_words
from alexnet_edu.weights import load_pretrained
from experiments.atlas import FOLDER, TILE, place

STYLE = ROOT / "website" / "static" / "atlas.css"
SHOWN = 12  # units of each layer on the first page
PIXELATED = 60  # receptive fields smaller than this are magnified as squares
SHARES = (
    "A share is one connection’s part in all that reaches a unit from the layer before: the size of the weights times"
    " that of the map over the photos. A minus says that the unit answers less."
)
OFTEN = 3  # photos of one kind among a unit's best that are worth a sentence

Entry = dict[str, Any]


class Atlas:
    """What is known, and how it is said."""

    def __init__(self) -> None:
        pretrained = load_pretrained("small")
        stored = json.loads((FOLDER / "atlas.json").read_text(encoding="utf-8"))
        self.made: Entry = stored["made"]
        self.layers: dict[str, Entry] = stored["layers"]
        self.size = pretrained.preprocess.size
        self.crop = pretrained.preprocess.crop
        self.categories = pretrained.categories
        self.photos = held_out_images()
        self.kinds = {photo.kind for photo in self.photos}
        if stored["photos"] != [f"{photo.kind}/{photo.path.name}" for photo in self.photos]:
            raise SystemExit("error: the atlas was made with other photos; run `python -m experiments.atlas` anew.")

    def units(self, layer: str) -> list[int]:
        """The numbers of a layer's units."""
        return [int(unit) for unit in self.layers[layer]["units"]]

    def name(self, layer: str, unit: int) -> str:
        """As in "conv3, channel 150" and "fc8, unit 3: aeroplane"."""
        if self.is_last(layer):
            return f"{layer}, unit {unit}: {in_words(self.categories[unit])}"
        return f"{layer}, {self.thing(layer)} {unit}"

    def is_last(self, layer: str) -> bool:
        """Whether a layer's units are the classes."""
        return layer == list(self.layers)[-1]

    def thing(self, layer: str) -> str:
        """What a unit is called."""
        return "channel" if layer.startswith("conv") else "unit"

    def short(self, layer: str, unit: int) -> str:
        """A name for a small place."""
        return in_words(self.categories[unit]) if self.is_last(layer) else f"{layer} {unit}"

    def sees(self, layer: str) -> str:
        """How much of a photo reaches a unit."""
        field = self.layers[layer]["field"]
        if field >= self.size:
            return "Each sees the whole photo."
        return f"Each position of one sees {field} × {field} pixels of the photo."


def write_atlas(folder: Path) -> int:
    """Writes all pages and their pictures into a folder; how many pages."""
    atlas = Atlas()
    shutil.rmtree(folder, ignore_errors=True)
    pages = {"index.html": first_page(atlas)}
    for layer in atlas.layers:
        pages[f"{layer}/index.html"] = layer_page(atlas, layer)
        pages |= {f"{layer}/{unit}.html": unit_page(atlas, layer, unit) for unit in atlas.units(layer)}
    for name, content in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8", newline="\n")
    write_pictures(atlas, folder)
    shutil.copy(STYLE, folder / "atlas.css")
    return len(pages)


def write_pictures(atlas: Atlas, folder: Path) -> None:
    """A file for each unit, cut from the sheets, and the photos as the network sees them."""
    for layer in atlas.layers:
        with Image.open(FOLDER / f"{layer}.webp") as sheet:
            whole = sheet.convert("RGB")
        for unit in atlas.units(layer):
            left, top = place(unit)
            whole.crop((left, top, left + TILE, top + TILE)).save(folder / layer / f"{unit}.webp", quality=82, method=2)
    (folder / "photos").mkdir()
    for number, photo in enumerate(atlas.photos):
        atlas.crop(photo).save(folder / "photos" / f"{number}.webp", quality=85, method=4)


# --- pages


def page(title: str, up: str, trail: str, body: str) -> str:
    """A whole page; ``up`` leads to the atlas's folder."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)} · the atlas of a small AlexNet</title>
<link rel="stylesheet" href="{up}atlas.css">
</head>
<body>
<nav aria-label="You are here">{trail}</nav>
<main>
{body}
</main>
</body>
</html>
"""


def first_page(atlas: Atlas) -> str:
    """All layers, a dozen units of each."""
    count, made = sum(len(atlas.units(layer)) for layer in atlas.layers), atlas.made
    device = "a CPU" if made["device"] == "cpu" else f"one {escape(made['device'])}"
    sections = "\n".join(_layer_section(atlas, layer) for layer in atlas.layers)
    body = f"""<h1>What {count:,} units want to see</h1>
<p class="lead">Every channel and unit of the course’s small trained AlexNet: a picture made so that it answers as
strongly as it can, the photos that it answered to most, and what it is connected with.</p>
<p>From layer to layer stripes become textures, textures parts, and parts things. Touch a picture.</p>
{sections}
<h2>How it was made</h2>
<p>Each picture began as noise and was changed in {made["settings"]["steps"]} steps, none of them by hand: a sum of
waves in decorrelated colours, climbed by Adam, moved a little at each step (Olah and others 2017). It shows what would
excite a unit most, not what the unit is for; the photos beside it show what did, among {len(atlas.photos)} that the
network was not trained on. Computed on {device} with PyTorch {escape(made["torch"])}; one command makes it again.
Photos: Caltech-101, Fei-Fei Li, Marco Andreeto, Marc’Aurelio Ranzato and Pietro Perona, CC BY 4.0.</p>"""
    return page("Contents", "", '<a href="../index.html">The course</a> › Atlas', body)


def _layer_section(atlas: Atlas, layer: str) -> str:
    units = atlas.units(layer)
    some = units[:: max(1, len(units) // SHOWN)][:SHOWN]
    tiles = "\n".join(tile(atlas, layer, unit, f"{layer}/") for unit in some)
    return f"""<section>
<h2><a href="{layer}/index.html">{layer}</a> <small>{len(units)} {atlas.thing(layer)}s. {atlas.sees(layer)}</small></h2>
<div class="tiles">
{tiles}
</div>
</section>"""


def tile(atlas: Atlas, layer: str, unit: int, to: str, name: str = "") -> str:
    """A unit's picture as a link to its page; with a name below it, the picture itself needs no words."""
    alt = "" if name else escape(atlas.name(layer, unit))
    below = f"<span>{escape(name)}</span>" if name else ""
    picture = f'<img src="{to}{unit}.webp" width="{TILE}" height="{TILE}" loading="lazy" alt="{alt}">'
    return f'<a href="{to}{unit}.html">{picture}{below}</a>'


def layer_page(atlas: Atlas, layer: str) -> str:
    """All units of a layer."""
    units, names, last = atlas.units(layer), list(atlas.layers), atlas.is_last(layer)
    tiles = "\n".join(tile(atlas, layer, unit, "", atlas.short(layer, unit) if last else "") for unit in units)
    around = _around(names, names.index(layer), lambda other: f"../{other}/index.html", str)
    body = f"""<h1>{layer}: {len(units)} {atlas.thing(layer)}s</h1>
<p>{atlas.sees(layer)} Touch a picture for the photos that its {atlas.thing(layer)} answered to most.</p>
{around}
<div class="tiles{" named" if last else " many"}">
{tiles}
</div>"""
    return page(
        layer, "../", f'<a href="../../index.html">The course</a> › <a href="../index.html">Atlas</a> › {layer}', body
    )


def unit_page(atlas: Atlas, layer: str, unit: int) -> str:
    """What a unit wants, what it answered to, what feeds it and what it feeds."""
    own = atlas.layers[layer]["units"][str(unit)]
    units, names = atlas.units(layer), list(atlas.layers)
    at = names.index(layer)
    title = atlas.name(layer, unit)
    around = _around(units, units.index(unit), lambda other: f"{other}.html", lambda other: atlas.short(layer, other))
    parts = [
        f'<div class="unit">\n<figure class="wants"><img src="{unit}.webp" width="{TILE}" height="{TILE}" '
        f'alt="A picture made so that {escape(title)} answers as strongly as it can">'
        "<figcaption>What it wants to see</figcaption></figure>",
        "<section><h2>What it answered to most</h2>",
        f"{_patches(atlas, layer, unit, own['patches'])}\n</section>\n</div>",
    ]
    parts += (
        [_connections(atlas, names[at - 1], own["from"], f"What feeds it, from {names[at - 1]}")]
        if "from" in own
        else []
    )
    parts += (
        [_connections(atlas, names[at + 1], own["to"], f"What it feeds, in {names[at + 1]}")] if "to" in own else []
    )
    parts.append(f"<p>{SHARES}</p>")
    live = f"../../live/index.html#layer={layer}&amp;channel={unit}"
    body = f"""<h1>{escape(title)}</h1>
{around}
{chr(10).join(parts)}
<p><a href="{live}">See it at work on a photo</a> on the live page.</p>"""
    trail = (
        '<a href="../../index.html">The course</a> › <a href="../index.html">Atlas</a> › '
        f'<a href="index.html">{layer}</a> › {unit}'
    )
    return page(title, "../", trail, body)


def _around(these: list[Any], at: int, to: Any, say: Any) -> str:
    """Links to the one before and the one after."""
    links = []
    if at:
        links.append(f'<a href="{to(these[at - 1])}" rel="prev">‹ {escape(say(these[at - 1]))}</a>')
    if at + 1 < len(these):
        links.append(f'<a href="{to(these[at + 1])}" rel="next">{escape(say(these[at + 1]))} ›</a>')
    return f'<p class="around">{" ".join(links)}</p>'


def _patches(atlas: Atlas, layer: str, unit: int, patches: list[list[float]]) -> str:
    """The best places, cut from the photos by the browser; what lies outside of a photo stays empty."""
    field = atlas.layers[layer]["field"]
    squares = " pixels" if field < PIXELATED else ""
    what = "Photo" if field >= atlas.size else "Part of a photo"
    figures = []
    for photo, top, left, value in patches:
        words = escape(in_words(atlas.photos[int(photo)].kind))
        where = ";".join(f"{key}:{share:.1%}" for key, share in _cut(field, left, top, atlas.size).items())
        figures.append(
            f'<figure><div class="crop{squares}"><img src="../photos/{int(photo)}.webp" width="{atlas.size}" '
            f'height="{atlas.size}" loading="lazy" alt="{what}: {words}" style="{where}"></div>'
            f"<figcaption>{words} <small>{value:.1f}</small></figcaption></figure>"
        )
    return f'<p>{_said(atlas, layer, unit, patches)}</p>\n<div class="patches">\n{chr(10).join(figures)}\n</div>'


def _said(atlas: Atlas, layer: str, unit: int, patches: list[list[float]]) -> str:
    """What there is to know about the best places."""
    field = atlas.layers[layer]["field"]
    kind, times = Counter(atlas.photos[int(patch[0])].kind for patch in patches).most_common(1)[0]
    where = "The photos" if field >= atlas.size else "Its best places, one in each photo,"
    said = [f"{where} with its values."]
    if field >= PIXELATED and times >= OFTEN:
        said.append(f"{times} of them show: {escape(in_words(kind))}.")
    if atlas.is_last(layer) and atlas.categories[unit] not in atlas.kinds:
        said.append("There is none of its own kind among the photos.")
    if any(corner < 0 or corner + field > atlas.size for patch in patches for corner in patch[1:3]):
        said.append("Hatched: beyond the edge of the photo, where the network is given zeros.")
    return " ".join(said)


def _cut(field: int, left: float, top: float, size: int) -> dict[str, float]:
    """Where a whole photo lies, in shares of the square through which one sees a field of it."""
    return {"width": size / field, "left": -left / field, "top": -top / field}


def _connections(atlas: Atlas, layer: str, pairs: list[list[int]], heading: str) -> str:
    """The strongest connections with another layer, as links with their shares."""
    items = "\n".join(
        f'<li class="{"more" if share > 0 else "less"}">'
        f"{tile(atlas, layer, unit, f'../{layer}/', atlas.short(layer, unit))}"
        f"<b>{'+' if share > 0 else '−'}{abs(share) / 10:.1f} %</b></li>"
        for unit, share in pairs
    )
    return f'<section><h2>{heading}</h2>\n<ul class="connections">\n{items}\n</ul>\n</section>'
