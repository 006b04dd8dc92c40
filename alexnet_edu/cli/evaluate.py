"""``alexnet-edu evaluate``: how good a trained network is on a data set, as JSON with intervals."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

from alexnet_edu.cli.arguments import compute_arguments, data_arguments, file_arguments
from alexnet_edu.train.settings import PARTS

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to ``parser``."""
    data_arguments(parser)
    compute_arguments(parser)
    parser.add_argument("--model", default="small", metavar="NAME", help="small (default), imagenet or a weights file")
    file_arguments(parser)
    parser.add_argument("--part", choices=PARTS, default="test", help="which (default test)")
    parser.add_argument("--ten-crop", action="store_true", help="average ten views, as the paper does")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, per class too")


def run(args: argparse.Namespace) -> int:
    """Prints the figures as one JSON line."""
    from alexnet_edu.speed import keep_freed_memory
    from alexnet_edu.train.files import try_place, write_atomically

    if args.json:
        try_place(args.json)
    keep_freed_memory()
    result = evaluate(args)
    if args.json:
        text = json.dumps(result, indent=1) + "\n"
        write_atomically(args.json, lambda path: path.write_text(text, encoding="utf-8"))
    print(json.dumps({name: value for name, value in result.items() if name != "per_class"}))
    return 0


def evaluate(args: argparse.Namespace) -> dict[str, Any]:
    """The figures of ``alexnet_edu.train.evaluate.score_pictures``, and what they are of."""
    from alexnet_edu.train.data import open_data
    from alexnet_edu.train.evaluate import (
        Prepare,
        batch_bytes,
        columns_by_name,
        picture_probabilities,
        score_pictures,
    )
    from alexnet_edu.train.pictures import workers_that_fit
    from alexnet_edu.train.place import device_for
    from alexnet_edu.weights import load_pretrained

    device = device_for(args.device)
    data = open_data(args.data, args.root, split=args.split, seed=args.seed)
    if data.ignored:
        print(data.ignored_sentence(), file=sys.stderr)
    with redirect_stdout(sys.stderr):
        pretrained = load_pretrained(args.model, model=args.network, categories=args.categories)
    columns = columns_by_name(data.categories, pretrained.categories)
    pictures = getattr(data, args.part)
    prepare = Prepare(pretrained.preprocess, ten=args.ten_crop)
    workers = workers_that_fit(args.workers, batch_bytes(prepare))
    answers = picture_probabilities(pretrained.model.to(device), pictures, prepare, workers=workers)
    if answers.rows:
        answers = replace(answers, probabilities=answers.probabilities[:, columns])
    facts = {"model": pretrained.name, "data": args.data, "note": data.note, "part": args.part}
    return facts | {"crops": 10 if args.ten_crop else 1} | score_pictures(pictures, answers, data.categories)
