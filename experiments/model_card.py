"""Measures the embedded network and writes its model card.

``python -m experiments.model_card --root CALTECH --run RUN --standard30 RUN30`` measures the weights in the package on
the pictures under CALTECH and takes the training's log from the folder RUN (RUN30: of the 30-a-class training). Without
arguments it writes the card anew from what was measured; ``--check`` only tells whether it is up to date.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

ASSETS = Path(__file__).parents[1] / "alexnet_edu" / "assets"
REPORT, METRICS, CARD = ASSETS / "small_report.json", ASSETS / "small.json", ASSETS / "MODEL_CARD.md"
COMMAND = (
    "alexnet-edu train --data caltech101 --root PATH --model small --recipe modern --train-on train+val "
    "--export small.safetensors --half"
)


def measure(root: Path, run: Path, standard30: Path) -> dict[str, Any]:
    """Everything the card states, measured from the embedded weights and read from the training's folders."""
    import torch

    from alexnet_edu.features import concentration, filters
    from alexnet_edu.train.data import open_data
    from alexnet_edu.train.evaluate import Prepare, picture_probabilities, score
    from alexnet_edu.weights import load_pretrained

    data, pretrained = open_data("caltech101", root), load_pretrained("small")
    labels = torch.tensor(data.test.labels)
    one, ten = (
        picture_probabilities(
            pretrained.model, data.test, Prepare(pretrained.preprocess, ten=ten), workers=1
        ).probabilities
        for ten in (False, True)
    )
    fresh = ~near_duplicates(data)
    order = concentration(filters(pretrained.model))
    history = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    thirty = json.loads((standard30 / "result.json").read_text())
    for figures in thirty.values():
        if isinstance(figures, dict):
            figures.pop("per_class", None)
    return {
        "pictures": {"training": len(data.train) + len(data.val), "test": len(data.test)},
        "one_crop": score(one, labels, data.categories),
        "ten_crops": score(ten, labels, data.categories),
        "without_near_duplicates": score(one[fresh], labels[fresh], data.categories),
        "standard30": thirty,
        "confusions": confusions(one.argmax(1), labels, data.categories),
        "filters": {"concentration": [round(value, 4) for value in order.tolist()], "untrained": untrained_filters()},
        "dead_maps": dead_maps(pretrained, data.test),
        "samples": sample_predictions(pretrained),
        "history": history,
        "torch": torch.__version__,
    }


def untrained_filters() -> float:
    """The median concentration of random filters in the coordinates that conv1 is trained in."""
    import torch

    from alexnet_edu.features import concentration
    from alexnet_edu.train.network import Whitening
    from alexnet_edu.train.recipes import get_recipe

    start = torch.randn(1000, 3, 11, 11, generator=torch.Generator().manual_seed(0))
    return round(concentration(Whitening(11, get_recipe("modern").whitening)(start)).median().item(), 4)


def near_duplicates(data: Any) -> Any:
    """Which test pictures have a near twin among the training pictures: (N,) bool."""
    import torch

    from alexnet_edu.train.survey import thumbnails, twins

    found = torch.zeros(len(data.test), dtype=torch.bool)
    found[list(twins(thumbnails(data.test), thumbnails(data.train) + thumbnails(data.val)))] = True
    return found


def confusions(guesses: Any, labels: Any, categories: tuple[str, ...]) -> list[tuple[str, str, int]]:
    """The commonest mistakes: (is, taken for, how often)."""
    from collections import Counter

    pairs = Counter((int(i), int(g)) for i, g in zip(labels, guesses, strict=True) if i != g)
    return [(categories[i], categories[g], n) for (i, g), n in pairs.most_common(12)]


def dead_maps(pretrained: Any, pictures: Any) -> dict[str, int]:
    """How many maps of each convolution are zero after ReLU on every test picture."""
    import torch

    from alexnet_edu.features import feature_maps

    layers = [f"relu{i}" for i in range(1, 6)]
    alive: dict[str, Any] = {}
    for k in range(0, len(pictures), 64):
        crops = [pretrained.preprocess.crop(source) for source in pictures.sources[k : k + 64]]
        for name, maps in feature_maps(pretrained, pretrained.preprocess.batch(crops), layers).items():
            found = maps.amax((0, 2, 3)) > 0
            alive[name] = alive.get(name, torch.zeros_like(found)) | found
    return {name.replace("relu", "conv"): int((~found).sum()) for name, found in alive.items()}


def sample_predictions(pretrained: Any) -> dict[str, list[tuple[str, float]]]:
    """What the network says of the bundled photos, by caption: the two likeliest labels."""
    from alexnet_edu.images import sample_images
    from alexnet_edu.inference import predict

    found = {}
    for sample in sample_images().values():
        prediction = predict(sample, pretrained, top_k=2)
        chances = [round(chance, 3) for chance in prediction.probabilities]
        found[sample.caption] = list(zip(prediction.labels, chances, strict=True))
    return found


def percent(figure: dict[str, Any]) -> str:
    """``75.1 % (73.0 to 77.1)``."""
    low, high = figure["interval"]
    return f"{100 * figure['value']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def one_of(pair: tuple[str, float]) -> str:
    """``chair 71 %``."""
    return f"{pair[0]} {100 * pair[1]:.0f} %"


def metrics(report: dict[str, Any]) -> dict[str, float | str]:
    """What travels with the weights: on which pictures, and a few scores in percent, in torchvision's words."""
    one, ten = report["one_crop"], report["ten_crops"]
    names = {"acc@1": one["top1"], "acc@5": one["top5"], "mean per class": one["mean_per_class"]}
    names |= {"acc@1, ten crops": ten["top1"], "mean per class, ten crops": ten["mean_per_class"]}
    data = f"{one['pictures']:,} test pictures of Caltech-101"
    return {"data": data, **{name: round(100 * figure["value"], 2) for name, figure in names.items()}}


def card(report: dict[str, Any]) -> str:
    """The model card, in Markdown."""
    from alexnet_edu.geometry import layer_table
    from alexnet_edu.variants import SMALL

    one, ten, thirty = report["one_crop"], report["ten_crops"], report["standard30"]["one_crop"]
    values = sorted(report["filters"]["concentration"])
    table = layer_table(SMALL.with_classes(len(one["per_class"])))
    history = report["history"]
    minutes = sum(line["seconds"] for line in history) / 60
    rows = [
        ("test pictures", f"{one['pictures']:,}", f"{ten['pictures']:,}", f"{thirty['pictures']:,}"),
        *(
            (label, percent(one[key]), percent(ten[key]), percent(thirty[key]))
            for key, label in (("top1", "top-1"), ("top5", "top-5"), ("mean_per_class", "mean per class"))
        ),
    ]
    classes = sorted(one["per_class"].items(), key=lambda item: item[1][0] / item[1][1])
    return f"""# Model card: `small`

A two-tower AlexNet at half width, trained on photographs of 101 kinds of things, carried inside this package so
that a lesson works without a network. Written by `experiments/model_card.py` from `small_report.json`; change those.

- **Network**: `get_model("small", num_classes={len(one["per_class"])})`, {table.total_parameters:,} parameters,
  {table.total_macs:,} multiply-accumulates a picture; the paper's sequence with half the maps and 512 hidden units
  (`alexnet_edu/variants.py`). Stored in half precision.
- **Input**: the short side becomes 256 pixels, the middle {SMALL.input_size} x {SMALL.input_size} are cut out,
  ImageNet's mean and deviation are taken off.
- **Data**: Caltech-101 (Li, Andreetto, Ranzato, Perona; CC BY 4.0), {report["pictures"]["training"]:,} training and
  {report["pictures"]["test"]:,} test pictures, fixed by the lists in `splits/`. `Faces` and `Faces_easy` show the
  same photographs, so both copies are on the same side. The background class is not used; no other data is.
- **Licence of the weights**: CC BY 4.0, as the pictures.

## Recipe

    {COMMAND}

Recipe `modern` in `alexnet_edu/train/recipes.py`, seed 0, {len(history)} epochs, torch {report["torch"]}. It took
{minutes:.0f} minutes on 2 cores of a Xeon with bfloat16 units, shared with other work. Choices were made without the
test pictures, which were classified when the weights were done. `alexnet-edu evaluate --data caltech101
--root PATH --model small` repeats the measurement. While training, each convolution and hidden layer is followed by
batch norm, and conv1 learns in whitened coordinates; both are folded into the weights at the end. LRN stands as the
constant 2^-0.75 that it comes to at these activations; the exported network has the real LRN, and is what was measured.

![Two charts: loss and top-1 error on the augmented training pictures fall over {len(history)} epochs; the error is
high because pictures are blended in pairs](small_curves.png)

## Accuracy

With 95 % intervals. The last column is another network: the standard protocol, 30 training pictures per class drawn
at random, at most 50 test pictures per class, from scratch (`--split standard30 --seed 1`).

| | one crop | ten crops | 30 per class, one crop |
|---|---|---|---|
{chr(10).join("| " + " | ".join(row) + " |" for row in rows)}

Some pictures of Caltech-101 occur twice. Without the {one["pictures"] - report["without_near_duplicates"]["pictures"]}
test pictures that have a near twin in training, top-1 is {percent(report["without_near_duplicates"]["top1"])} and the
mean per class {percent(report["without_near_duplicates"]["mean_per_class"])}.

## Filters

The strongest tenth of a first-layer filter's frequencies holds 0.22 of its power in white noise, and
{report["filters"]["untrained"]:.2f} (median) in random filters in the coordinates that conv1 learns in. Here the
median of the {len(values)} filters is {median(values):.2f}, and {sum(v > 0.6 for v in values)} are above 0.60. The
strength of the whitening was chosen by how the filters look.
Maps that stay zero on every test picture: {", ".join(f"{n} {k}" for n, k in report["dead_maps"].items())}.

## Where it fails

The commonest mistakes on the test pictures:

| it is | taken for | pictures |
|---|---|---|
{chr(10).join(f"| {a} | {b} | {n} |" for a, b, n in report["confusions"])}

It knows {len(one["per_class"])} kinds of things, mostly single objects in the middle of the picture, and names one of
them whatever it is shown. {sum(total < 15 for _, total in one["per_class"].values())} classes have fewer than 15 test
pictures, so their own figures are rough. Of the bundled photos, most of which show none of its classes, it says:

| photo | first | second |
|---|---|---|
{chr(10).join(f"| {caption} | {one_of(a)} | {one_of(b)} |" for caption, (a, b) in report["samples"].items())}

**Not to be used** to recognise people, to decide anything about anyone, or where a mistake costs something. It is
made for lessons.

## Right answers by class, one crop, fewest first

| class | right | of |
|---|---|---|
{chr(10).join(f"| {name} | {right} | {total} |" for name, (right, total) in classes)}
"""


def main() -> int:
    """Measures, writes or checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="folder of Caltech-101")
    parser.add_argument("--run", type=Path, help="folder of the training")
    parser.add_argument("--standard30", type=Path, help="folder of the 30-a-class training")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file is out of date")
    args = parser.parse_args()
    if args.root:
        from alexnet_edu.figures import learning_curve

        report = measure(args.root, args.run, args.standard30)
        REPORT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        history = report["history"]
        epochs, losses = [line["epoch"] for line in history], [line["loss"] for line in history]
        errors = {"training, augmented": [1 - line["train_top1"] for line in history]}
        figure = learning_curve(epochs, {"training, augmented": losses}, errors, title="Training of small")
        figure.savefig(ASSETS / "small_curves.png", dpi=100)
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    wanted = {CARD: card(report), METRICS: json.dumps(metrics(report), indent=1) + "\n"}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if not args.check:
            path.write_text(wanted[path], encoding="utf-8")
        print(f"{path.name} {'is out of date' if args.check else 'written'}")
    return int(args.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
