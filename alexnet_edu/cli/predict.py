"""``alexnet-edu predict``: what pictures show, one after the other, whatever is wrong with some of them."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from alexnet_edu.cli.arguments import positive, print_error
from alexnet_edu.errors import AlexNetError

if TYPE_CHECKING:
    from alexnet_edu.inference import Prediction

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


def run(args: argparse.Namespace) -> int:
    """Classifies every picture; the exit status is 1 when at least one could not be read, else 0."""
    from alexnet_edu.inference import predict_many
    from alexnet_edu.weights import load_pretrained

    pretrained = load_pretrained(args.model, announce=tell)
    top = min(args.top, len(pretrained.categories))
    status = 0
    for file, result in predict_many(args.pictures, pretrained, top):
        if isinstance(result, AlexNetError):
            status = 1
            print_error(result if file in str(result) else f"{file}: {result}")
        show(file, result, as_json=args.json)
    return status


def tell(line: str) -> None:
    """Says which weights are used on stderr: stdout carries results alone."""
    print(line, file=sys.stderr)


def show(file: str, result: Prediction | AlexNetError, *, as_json: bool) -> None:
    """Prints one result at once, so that the reader of a pipe need not wait."""
    if as_json:
        print(json.dumps({"file": file, **as_dict(result)}), flush=True)
    elif not isinstance(result, AlexNetError):
        print(f"{file} ({result.model})\n{result}", flush=True)


def as_dict(result: Prediction | AlexNetError) -> dict[str, Any]:
    """What JSON says of a picture: the model and its labels, most probable first, or what was wrong."""
    if isinstance(result, AlexNetError):
        return {"error": str(result)}
    pairs = zip(result.labels, result.probabilities, strict=True)
    return {
        "model": result.model,
        "predictions": [{"label": label, "probability": round(p, 6)} for label, p in pairs],
    }
