"""``alexnet-edu evaluate``: how good a trained network is on a data set, as JSON with intervals."""

from __future__ import annotations

import argparse
import json
from contextlib import redirect_stdout
from pathlib import Path
from sys import stderr
from typing import Any

from alexnet_edu.cli.arguments import data_arguments
from alexnet_edu.errors import AlexNetError

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to ``parser``."""
    data_arguments(parser)
    parser.add_argument("--model", default="small", metavar="NAME", help="small (default), imagenet or a weights file")
    parser.add_argument("--part", choices=("train", "val", "test"), default="test", help="which (default test)")
    parser.add_argument("--ten-crop", action="store_true", help="average ten views, as the paper does")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, per class too")


def run(args: argparse.Namespace) -> int:
    """Prints the figures as one JSON line."""
    from alexnet_edu.speed import keep_freed_memory

    keep_freed_memory()
    result = evaluate(args)
    if args.json:
        from alexnet_edu.train.files import write_atomically

        text = json.dumps(result, indent=1) + "\n"
        write_atomically(args.json, lambda path: path.write_text(text))
    print(json.dumps({name: value for name, value in result.items() if name != "per_class"}))
    return 0


def evaluate(args: argparse.Namespace) -> dict[str, Any]:
    """The figures of ``alexnet_edu.train.evaluate.score``, and what they are of."""
    import torch

    from alexnet_edu.train.data import open_data
    from alexnet_edu.train.evaluate import Prepare, class_scores, score
    from alexnet_edu.weights import load_pretrained

    data = open_data(args.data, args.root, split=args.split, seed=args.seed)
    with redirect_stdout(stderr):
        pretrained = load_pretrained(args.model)
    if len(pretrained.categories) != len(data.categories):
        raise AlexNetError(
            f"{pretrained.name} has {len(pretrained.categories)} classes, {args.data} {len(data.categories)}."
        )
    cuda = args.device == "cuda" or (args.device == "auto" and torch.cuda.is_available())
    pictures = getattr(data, args.part)
    prepare = Prepare(pretrained.preprocess, ten=args.ten_crop)
    model = pretrained.model.to("cuda" if cuda else "cpu")
    probabilities, skipped = class_scores(model, pictures, prepare, workers=args.workers)
    facts = {"model": pretrained.name, "data": args.data, "note": data.note, "part": args.part}
    figures = score(probabilities, torch.tensor(pictures.labels), data.categories)
    return facts | {"crops": 10 if args.ten_crop else 1, "skipped": skipped} | figures
