"""``alexnet-edu predict``: what pictures show, one after the other, whatever is wrong with some of them."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from glob import glob
from typing import TYPE_CHECKING, Any

from alexnet_edu.cli.arguments import file_arguments, positive, print_error
from alexnet_edu.download import is_url, shown
from alexnet_edu.errors import AlexNetError

if TYPE_CHECKING:
    from alexnet_edu.inference import Prediction

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to ``parser``."""
    parser.add_argument(
        "pictures", nargs="*", metavar="PICTURE",
        help="a file, a folder of pictures, a pattern such as '*.jpg', an http(s) address, or - for standard input; "
        "without any, a photo that comes with the package",
    )  # fmt: skip
    parser.add_argument(
        "--model",
        default="auto",
        metavar="NAME",
        help="auto (the default), imagenet, small, or a file of weights",
    )
    file_arguments(parser)
    parser.add_argument("--top", type=positive, default=5, metavar="K", help="how many labels per picture (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per picture, each on its own line")


def run(args: argparse.Namespace) -> int:
    """Classifies every picture; the exit status is 1 when at least one could not be read, else 0."""
    from alexnet_edu.inference import predict_many
    from alexnet_edu.weights import load_pretrained

    with terminated_as_interrupted():
        pretrained = load_pretrained(args.model, model=args.network, categories=args.categories, announce=tell)
        top = min(args.top, len(pretrained.categories))
        status = 0
        for source, result in predict_many(sources(args.pictures or [bundled_photo()]), pretrained, top):
            file = shown(source) if isinstance(source, str) and is_url(source) else str(source)
            if isinstance(result, AlexNetError):
                status = 1
                print_error(result if file in str(result) else f"{file}: {result}")
            print_result(file, result, as_json=args.json)
    return status


def bundled_photo() -> str:
    """The path of a photo of which both ImageNet's network and the embedded one know the kind, and says so."""
    from alexnet_edu.images import held_out_images

    photo = held_out_images("flamingo")[0]
    tell(f"No picture was given; here is a photo of a {photo.kind}, which the embedded network was not trained on.")
    return str(photo.path)


class StandardInput(io.BytesIO):
    """What came through the pipe."""

    def __str__(self) -> str:
        return "-"


def sources(given: Iterable[str]) -> Iterator[str | StandardInput]:
    """The pictures meant: those of a folder, and of a pattern that the shell left as it is, as Windows' shells do."""
    from PIL import Image

    readable = Image.registered_extensions()
    for text in given:
        found = [text]
        if text == "-":
            yield StandardInput(sys.stdin.buffer.read())
            continue
        if os.path.isdir(text):
            files = [os.path.join(text, name) for name in sorted(os.listdir(text)) if not name.startswith(".")]
            found = [file for file in files if os.path.splitext(file)[1].lower() in readable]
        elif not os.path.exists(text) and not is_url(text) and any(sign in text for sign in "*?["):
            found = sorted(glob(os.path.expanduser(text), recursive=True))
        yield from found or [text]


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """In the block SIGTERM does what Ctrl-C does: downloads clean up, and what was printed is whole."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def tell(line: str) -> None:
    """Says which weights are used on stderr: stdout carries results alone."""
    print(line, file=sys.stderr)


def print_result(file: str, result: Prediction | AlexNetError, *, as_json: bool) -> None:
    """Prints one result at once, so that the reader of a pipe need not wait."""
    if as_json:
        print(json.dumps({"file": file, **as_dict(result)}, allow_nan=False), flush=True)
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
