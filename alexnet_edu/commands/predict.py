"""``alexnet-edu predict``: what pictures show, one after the other, whatever is wrong with some of them."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from alexnet_edu.cli import print_error
from alexnet_edu.errors import AlexNetError

if TYPE_CHECKING:
    from alexnet_edu.weights import Pretrained

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to ``parser``."""
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="a file or an http(s) address")
    parser.add_argument(
        "--model",
        default="auto",
        metavar="NAME",
        help="auto (the default), imagenet, small, or a file of weights",
    )
    parser.add_argument("--top", type=positive, default=5, metavar="K", help="how many labels a picture (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a picture, each on its own line")


def positive(text: str) -> int:
    """A whole number above 0, for argparse."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, not {text!r}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Classifies every picture; the exit status is 1 when at least one could not be read, else 0."""
    from alexnet_edu.weights import load_pretrained

    with redirect_stdout(sys.stderr):  # stdout carries results alone
        pretrained = load_pretrained(args.model)
    failed = 0
    for file in args.pictures:
        try:
            result = classify(file, pretrained, args.top)
        except (AlexNetError, OSError) as problem:
            failed += 1
            print_error(problem if file in str(problem) else f"{file}: {problem}")
            result = {"file": file, "error": str(problem)}
        show(result, as_json=args.json)
    return 1 if failed else 0


def classify(file: str, pretrained: Pretrained, top: int) -> dict[str, Any]:
    """One picture's ``top`` labels with their probabilities, most probable first."""
    from alexnet_edu.images import load_image
    from alexnet_edu.inference import predict

    prediction = predict(load_image(file), pretrained, top_k=min(top, len(pretrained.categories)))
    pairs = zip(prediction.labels, prediction.probabilities, strict=True)
    return {
        "file": file,
        "model": pretrained.name,
        "predictions": [{"label": label, "probability": round(float(p), 6)} for label, p in pairs],
    }


def show(result: dict[str, Any], *, as_json: bool) -> None:
    """Prints one result at once, so that a reader of a pipe need not wait; errors show on stderr or as JSON."""
    if as_json:
        print(json.dumps(result), flush=True)
    elif "error" not in result:
        print(f"{result['file']} ({result['model']})")
        for guess in result["predictions"]:
            print(f"  {guess['probability']:6.1%}  {guess['label']}", flush=True)
