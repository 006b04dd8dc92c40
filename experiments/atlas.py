"""The atlas of the embedded network: each of its 1,813 units, drawn and described.

``python -m experiments.atlas --out FOLDER`` writes for each layer a sheet of what its units want to see, ``conv1.webp``
to ``fc8.webp``, and ``atlas.json``: how that was made, and of each unit the patches of the held-out photos that it
answers to most, what it feeds on and what it feeds. Ctrl-C loses one batch at most: the next run goes on from there.
``--layer conv3 --units 0,1`` makes these alone, anew. Minutes on a GPU, two hours on two cores of a CPU.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from alexnet_edu.features import Patch, feature_maps, layer_modules, top_patches
from alexnet_edu.geometry import layer_table
from alexnet_edu.images import held_out_images
from alexnet_edu.synthesis import visualise
from alexnet_edu.weights import ASSETS, Pretrained, load_pretrained

FOLDER = Path(__file__).parents[1] / "atlas"
LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
SETTINGS: dict[str, Any] = {"steps": 256, "seed": 0}  # of ``visualise``
TILE = 112  # side of a unit's picture on its sheet, in pixels
COLUMNS = 16  # pictures in a row of a sheet
ROOM = 64  # pixels that a unit's picture shows besides its receptive field: a texture must repeat to be seen
QUALITY = 88  # of a sheet, as WebP counts it
PATCHES = 9  # of as many photos, for each unit
CONNECTIONS = 6  # each way
AT_A_TIME = 64  # units whose patches are looked for in one pass: a patch of fc6 is a whole photo

Entry = dict[str, Any]


# --- what a unit wants


def window(pretrained: Pretrained, layer: str) -> int:
    """Side of the part of a visualisation that is shown for a layer."""
    field = layer_table(pretrained.model.spec)[layer].receptive_field
    size = pretrained.preprocess.size
    return size if field is None else min(size, field + ROOM)


def tiles(pretrained: Pretrained, layer: str, units: Sequence[int], settings: dict[str, Any]) -> list[Image.Image]:
    """The middle of each unit's visualisation, ``TILE`` pixels square."""
    pixels = visualise(pretrained, layer, list(units), batch_size=len(units), **settings)
    side = window(pretrained, layer)
    edge = (pixels.shape[-1] - side) // 2
    middle = pixels[:, :, edge : edge + side, edge : edge + side]
    levels = middle.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(one).resize((TILE, TILE), Image.Resampling.LANCZOS) for one in levels]


def place(unit: int) -> tuple[int, int]:
    """Left and top of a unit's picture on its sheet."""
    return unit % COLUMNS * TILE, unit // COLUMNS * TILE


def blank(count: int) -> Image.Image:
    """A sheet without pictures: transparent where a unit has not been drawn."""
    return Image.new("RGBA", (min(count, COLUMNS) * TILE, -(-count // COLUMNS) * TILE))


def drawn(sheet: Image.Image, count: int) -> list[int]:
    """The units whose pictures are on a sheet."""
    opaque = np.asarray(sheet.getchannel("A"))
    return [unit for unit in range(count) if opaque[place(unit)[1], place(unit)[0]]]


def draw(pretrained: Pretrained, layer: str, folder: Path, given: argparse.Namespace) -> None:
    """Draws what is missing of a layer, a batch at a time; the finished sheet is WebP, an unfinished one PNG."""
    count = units_of(pretrained, layer)
    finished, begun = folder / f"{layer}.webp", folder / f"{layer}.png"
    stored = next((path for path in (begun, finished) if path.exists()), None)
    sheet = Image.open(stored).convert("RGBA") if stored else blank(count)
    present = set(drawn(sheet, count))
    wanted = given.units or [unit for unit in range(count) if unit not in present]
    for start in range(0, len(wanted), given.batch):
        some, began = wanted[start : start + given.batch], time.perf_counter()
        for unit, tile in zip(some, tiles(pretrained, layer, some, settings_of(given)), strict=True):
            sheet.paste(tile, place(unit))
        sheet.save(begun, compress_level=1)
        print(f"{layer}: {start + len(some)} of {len(wanted)}, {time.perf_counter() - began:.1f} s", flush=True)
    if wanted:
        present |= set(wanted)
        complete = len(present) == count
        (sheet.convert("RGB") if complete else sheet).save(finished, quality=QUALITY, method=6)
        begun.unlink(missing_ok=True)


def settings_of(given: argparse.Namespace) -> dict[str, Any]:
    """What ``visualise`` is called with."""
    return {**SETTINGS, "steps": given.steps}


# --- what it answers to


def patches(pretrained: Pretrained, layer: str, units: Sequence[int], photos: Tensor) -> list[list[list[float]]]:
    """For each unit ``[photo, top, left, activation]`` of its best places, one in each photo, best first.

    Top and left are pixels of the crop, and may lie outside of it: the receptive field does, at a picture's edge.
    """
    info = layer_table(pretrained.model.spec)[layer]
    start, jump = info.start or 0, info.jump or 0

    def entry(patch: Patch) -> list[float]:
        top, left = (start + i * jump for i in (patch.row, patch.col))
        return [patch.picture, top, left, round(patch.activation, 2)]

    found: list[list[Patch]] = []
    for first in range(0, len(units), AT_A_TIME):
        found += top_patches(pretrained, photos, layer, list(units[first : first + AT_A_TIME]), PATCHES, one_each=True)
    return [[entry(patch) for patch in own] for own in found]


# --- what it is connected with


def strengths(pretrained: Pretrained, layer: str, sizes: dict[str, Tensor]) -> Tensor:
    """``(O, I)``: the share that each map of the layer before has in what reaches a unit, negative where it holds back.

    A share is the norm of the weights between the two, times the map's size; its sign is that of the weights' sum. The
    shares of a unit add up to 1 without their signs.
    """
    module, weights, size = (
        layer_modules(pretrained)[layer],
        weight_of(pretrained, layer),
        sizes[before(pretrained, layer)],
    )
    groups = module.groups if isinstance(module, nn.Conv2d) else 1
    each = len(size) // groups
    kernels = weights.reshape(len(weights), each, -1)
    own = kernels.norm(dim=2) * kernels.sum(2).sign()
    from_all = torch.zeros(len(weights), len(size))
    for group, rows in enumerate(torch.arange(len(weights)).chunk(groups)):
        from_all[rows, group * each : (group + 1) * each] = own[rows]
    reaching = from_all * size
    return reaching / reaching.abs().sum(1, keepdim=True)


def before(pretrained: Pretrained, layer: str) -> str:
    """The layer whose maps a layer takes; the flattening in front of fc6 changes nothing but the order of numbers."""
    names = [name for name in layer_modules(pretrained) if name != "flatten"]
    return names[names.index(layer) - 1]


def map_sizes(pretrained: Pretrained, photos: Tensor) -> dict[str, Tensor]:
    """``(C,)`` for each layer that feeds another one of the atlas: the root mean square of its maps over photos."""
    names = [before(pretrained, layer) for layer in LAYERS[1:]]
    squares: dict[str, list[Tensor]] = {name: [] for name in names}
    for batch in photos.split(32):
        for name, maps in feature_maps(pretrained, batch, names).items():
            squares[name].append(maps.square().flatten(2).mean(2).cpu() if maps.ndim == 4 else maps.square().cpu())
    return {name: torch.cat(parts).mean(0).sqrt() for name, parts in squares.items()}


def strongest(shares: Tensor) -> list[list[list[int]]]:
    """For each row the ``[column, share in thousandths]`` of its largest shares, without those that are nothing."""
    found = shares.abs().topk(min(CONNECTIONS, shares.shape[1]), dim=1).indices
    rows = [
        [[int(column), round(1000 * float(row[column]))] for column in columns]
        for row, columns in zip(shares, found, strict=True)
    ]
    return [[pair for pair in row if pair[1]] for row in rows]


# --- all of it


def units_of(pretrained: Pretrained, layer: str) -> int:
    """How many maps or units a layer has."""
    return len(weight_of(pretrained, layer))


def weight_of(pretrained: Pretrained, layer: str) -> Tensor:
    """``(O, I, ...)`` on the CPU."""
    return pretrained.model.get_parameter(f"{layer}.weight").detach().cpu()


def describe(pretrained: Pretrained, layers: Sequence[str], units: Sequence[int] | None) -> Iterator[tuple[str, Entry]]:
    """Of each layer: its field, and of each unit its patches and connections."""
    photos = torch.stack([pretrained.preprocess(photo) for photo in held_out_images()])
    sizes = map_sizes(pretrained, photos)
    shares = {layer: strengths(pretrained, layer, sizes) for layer in LAYERS[1:]}
    for layer in layers:
        after = next((other for other in LAYERS if other > layer), None)  # conv1 to fc8 are in alphabetical order
        rows = list(range(units_of(pretrained, layer))) if units is None else list(units)
        own: dict[str, list[Any]] = {"patches": patches(pretrained, layer, rows, photos)}
        if layer in shares:
            own["from"] = strongest(shares[layer][rows])
        if after:
            own["to"] = strongest(shares[after].T[rows])
        entries = {str(unit): {key: values[i] for key, values in own.items()} for i, unit in enumerate(rows)}
        print(f"{layer}: {len(rows)} units described", flush=True)
        field = layer_table(pretrained.model.spec)[layer].receptive_field or pretrained.preprocess.size
        yield layer, {"field": field, "window": window(pretrained, layer), "units": entries}


def device_name(pretrained: Pretrained) -> str:
    """Where a network is, such as "cpu" or "NVIDIA H100 80GB HBM3"."""
    device = next(pretrained.model.parameters()).device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def made(pretrained: Pretrained, given: argparse.Namespace) -> Entry:
    """How it was made."""
    return {
        "command": "python -m experiments.atlas",
        "weights": f"small.safetensors, SHA-256 {sha256((ASSETS / 'small.safetensors').read_bytes()).hexdigest()}",
        "settings": settings_of(given),
        "device": device_name(pretrained),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Draws, describes and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the sheets and of atlas.json")
    parser.add_argument("--layer", choices=LAYERS, help="only this layer")
    parser.add_argument("--units", type=lambda text: [int(part) for part in text.split(",")], help="only these, anew")
    parser.add_argument("--device", default="cpu", help="where to draw, such as cuda")
    parser.add_argument("--batch", type=int, help="units drawn at a time")
    parser.add_argument("--steps", type=int, default=SETTINGS["steps"], help="of each visualisation")
    given = parser.parse_args(argv)
    if given.units and not given.layer:
        parser.error("--units needs --layer")
    given.batch = given.batch or (256 if given.device.startswith("cuda") else 8)
    given.out.mkdir(parents=True, exist_ok=True)
    pretrained = load_pretrained("small")
    pretrained.model.to(given.device)
    layers = [given.layer] if given.layer else LAYERS
    for layer in layers:
        draw(pretrained, layer, given.out, given)
    store(given.out / "atlas.json", made(pretrained, given), dict(describe(pretrained, layers, given.units)))


def store(path: Path, made: Entry, layers: dict[str, Entry]) -> None:
    """Adds layers, or units of them, to what a file holds."""
    atlas: Entry = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"layers": {}}
    for layer, entry in layers.items():
        units = atlas["layers"].get(layer, {}).get("units", {}) | entry["units"]
        atlas["layers"][layer] = entry | {"units": {key: units[key] for key in sorted(units, key=int)}}
    photos = [f"{photo.kind}/{photo.path.name}" for photo in held_out_images()]
    atlas = {"made": made, "photos": photos, "layers": {key: atlas["layers"][key] for key in sorted(atlas["layers"])}}
    path.write_text(json.dumps(atlas, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
