"""Chooses the held-out photos that the package carries: ``alexnet_edu/assets/held_out``.

``python -m experiments.held_out --root CALTECH`` copies, for each of twenty kinds, the first ten test pictures by
number that are at most 20 kB large, have no near twin among the pictures that the embedded network was trained on or
among those already chosen, and are not in ``SKIPPED``. Files are as in Caltech-101, byte for byte.

Of each of the 101 kinds one more test picture goes on the wall, small: the one that the network names rightly and with
the highest probability. The two kinds of faces are shown so coarsely that nobody is recognised.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from PIL import Image, ImageOps

from alexnet_edu.images import load_image
from alexnet_edu.inference import Prediction, predict_many
from alexnet_edu.train.data import Data, open_data
from alexnet_edu.train.survey import thumbnails, twins
from alexnet_edu.weights import Pretrained, load_pretrained

FOLDER = Path(__file__).parents[1] / "alexnet_edu" / "assets" / "held_out"
NATURE = (
    "butterfly", "dalmatian", "dolphin", "elephant", "flamingo", "hawksbill", "kangaroo", "Leopards", "lotus",
    "sunflower",
)  # fmt: skip
MADE = (
    "airplanes", "Motorbikes", "chandelier", "electric_guitar", "grand_piano", "ketch", "laptop", "umbrella", "watch",
    "windsor_chair",
)  # fmt: skip
EACH = 10
LARGEST = 20_000  # bytes
TILE, COARSE = 54, 9  # pixels a side on the wall; and first, where it is a person's face
SKIPPED = (  # a person could be recognised, or the picture is of a computer's screen
    "dolphin/image_0008.jpg",
    "electric_guitar/image_0046.jpg",
    "electric_guitar/image_0058.jpg",
    "umbrella/image_0041.jpg",
    "wheelchair/image_0039.jpg",
)
LICENCE = {
    "collection": "Caltech-101, test pictures of the lists in ../splits, unchanged; on the wall made small",
    "authors": "Fei-Fei Li, Marco Andreeto, Marc'Aurelio Ranzato, Pietro Perona (California Institute of Technology)",
    "source": "https://data.caltech.edu/records/mzrjq-6wc02",
    "licence": "CC BY 4.0",
}


def chosen(data: Data) -> list[Path]:
    """The pictures, kind by kind."""
    paths = [Path(str(source)) for source in data.test.sources]
    looks = thumbnails(data.test)
    repeated = twins(looks, thumbnails(data.train) + thumbnails(data.val))
    found: list[int] = []
    for kind in (*NATURE, *MADE):
        own: list[int] = []
        for row in sorted((row for row, path in enumerate(paths) if path.parent.name == kind), key=paths.__getitem__):
            fits = paths[row].stat().st_size <= LARGEST and f"{kind}/{paths[row].name}" not in SKIPPED
            if fits and row not in repeated and not twins([looks[row]], [looks[one] for one in own]):
                own.append(row)
        found += own[:EACH]
    return [paths[row] for row in found]


def surest(data: Data, pretrained: Pretrained) -> dict[str, Path]:
    """Of each kind the test picture whose right label the network gives the highest probability, in first place."""
    best: dict[str, tuple[float, Path]] = {}
    for source, answer in predict_many(map(str, data.test.sources), pretrained, 1):
        kind = Path(source).parent.name
        assert isinstance(answer, Prediction)
        if f"{kind}/{Path(source).name}" in SKIPPED:
            continue
        if answer.labels[0] == kind and answer.probabilities[0] > best.get(kind, (0.0, source))[0]:
            best[kind] = answer.probabilities[0], Path(source)
    return {kind: best[kind][1] for kind in pretrained.categories}


def tile(path: Path) -> Image.Image:
    """The central square, small."""
    square = ImageOps.fit(load_image(path), (TILE, TILE), Image.Resampling.LANCZOS)
    if not path.parent.name.startswith("Faces"):
        return square
    return square.resize((COARSE, COARSE), Image.Resampling.BOX).resize((TILE, TILE), Image.Resampling.BILINEAR)


def main() -> None:
    """Copies the pictures and writes their list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of Caltech-101")
    data = open_data("caltech101", parser.parse_args().root)
    paths, wall = chosen(data), surest(data, load_pretrained("small"))
    shutil.rmtree(FOLDER, ignore_errors=True)
    entries = []
    for path in paths:
        kind = path.parent.name
        target = FOLDER / kind / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        entries.append({"file": f"{kind}/{path.name}", "kind": kind, "nature": kind in NATURE})
    (FOLDER / "wall").mkdir()
    for kind, path in wall.items():
        tile(path).save(FOLDER / "wall" / f"{kind}.webp", quality=50, method=6)
    sources = {kind: path.name for kind, path in wall.items()}
    text = json.dumps(LICENCE | {"pictures": entries, "wall": sources}, indent=1) + "\n"
    (FOLDER / "index.json").write_text(text, encoding="utf-8")
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    print(f"{len(entries)} pictures and {len(wall)} on the wall, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
