"""The slow pictures of notebook 09, computed once: ``alexnet_edu/assets/inside``.

``python -m experiments.inside`` writes ``inversions.webp`` (the cat, inverted from one layer after the other),
``patch.png`` (a square that makes a sunflower of anything), ``units.webp`` (some units of each layer, from the atlas)
and ``inside.json``: how they were made, and what the patch does to photos that it was not made on.
Seconds on a GPU, a quarter of an hour on two cores; ``--only inversions`` makes one of them anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from alexnet_edu.images import held_out_images, sample_images
from alexnet_edu.inference import class_probabilities
from alexnet_edu.synthesis import invert, pasted, universal_patch
from alexnet_edu.weights import ASSETS, Pretrained, load_pretrained
from experiments import atlas

FOLDER = ASSETS / "inside"
INVERSIONS: dict[str, Any] = {"layers": ["pool1", "pool2", "relu3", "relu4", "pool5", "fc6", "fc7"], "steps": 512}
PATCH: dict[str, Any] = {"target": "sunflower", "side": 64, "steps": 300, "batch_size": 32, "seed": 0}
OF_EACH_LAYER = 12  # units, evenly spread over the layer

Entry = dict[str, Any]


def strip(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one size side by side."""
    width, height = pictures[0].size
    row = Image.new("RGB", (width * len(pictures), height))
    for number, picture in enumerate(pictures):
        row.paste(picture, (number * width, 0))
    return row


def as_pictures(pixels: Tensor) -> list[Image.Image]:
    """``(N, 3, H, W)``, 0 to 1, as PIL's."""
    return [Image.fromarray(one) for one in pixels.mul(255).round().byte().permute(0, 2, 3, 1).numpy()]


def inversions(pretrained: Pretrained, folder: Path) -> Entry:
    """The cat, inverted from each layer, in a row."""
    photo, (layers, steps) = sample_images()["cat"], INVERSIONS.values()
    found = torch.cat([invert(pretrained, photo, layer, steps=steps) for layer in layers])
    strip(as_pictures(found)).save(folder / "inversions.webp", quality=90, method=6)
    return {"picture": "cat", **INVERSIONS}


def patch(pretrained: Pretrained, folder: Path) -> Entry:
    """A universal patch from every other held-out photo, and the share of the rest that it turns."""
    target = pretrained.categories.index(PATCH["target"])
    photos = [photo for photo in held_out_images() if photo.kind != PATCH["target"]]
    square = universal_patch(pretrained, photos[::2], **PATCH)
    as_pictures(square[None])[0].save(folder / "patch.png")
    rest = torch.stack([pretrained.preprocess.denormalize(pretrained.preprocess(photo)) for photo in photos[1::2]])
    shares = {}
    for name, cover in (("grey", torch.full_like(square, 0.5)), ("patch", square)):
        covered = pretrained.preprocess.normalize(pasted(rest, cover, seed=1))
        answers = torch.cat([class_probabilities(pretrained.model, batch) for batch in covered.split(32)]).argmax(1)
        shares[name] = round(answers.eq(target).float().mean().item(), 3)
    return {**PATCH, "tried_on": len(rest), "share": shares}


def units(pretrained: Pretrained, folder: Path) -> Entry:
    """A row of units for each layer, from the atlas."""
    rows, chosen = [], {}
    for layer in atlas.LAYERS:
        count = atlas.units_of(pretrained, layer)
        chosen[layer] = [number * count // OF_EACH_LAYER for number in range(OF_EACH_LAYER)]
        with Image.open(atlas.FOLDER / f"{layer}.webp") as sheet:
            corners = [atlas.place(unit) for unit in chosen[layer]]
            rows.append(strip([sheet.crop((x, y, x + atlas.TILE, y + atlas.TILE)) for x, y in corners]))
    grid = Image.new("RGB", (rows[0].width, atlas.TILE * len(rows)))
    for number, row in enumerate(rows):
        grid.paste(row, (0, number * atlas.TILE))
    grid.save(folder / "units.webp", quality=85, method=6)
    return {"from": "atlas", "tile": atlas.TILE, "layers": chosen}


PARTS: dict[str, Callable[[Pretrained, Path], Entry]] = {"inversions": inversions, "patch": patch, "units": units}


def main(argv: Sequence[str] | None = None) -> None:
    """Makes the pictures and says how."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the pictures")
    parser.add_argument("--only", choices=PARTS, action="append", help="one of the pictures; may be repeated")
    parser.add_argument("--device", default="cpu", help="where to compute, such as cuda")
    given = parser.parse_args(argv)
    given.out.mkdir(parents=True, exist_ok=True)
    pretrained = load_pretrained("small")
    pretrained.model.to(given.device)
    path = given.out / "inside.json"
    told: Entry = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name in given.only or PARTS:
        where = {"device": atlas.device_name(pretrained), "torch": torch.__version__}
        told[name] = PARTS[name](pretrained, given.out) | where
        path.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(name, told[name], flush=True)


if __name__ == "__main__":
    main()
