"""What several commands share: the parser with its one-line errors, and the options that more than one of them has."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path
from typing import NoReturn

from alexnet_edu.train.settings import DATA_SETS, DEVICES, LARGEST_SEED, SPLITS

__all__ = [
    "Parser",
    "compute_arguments",
    "data_arguments",
    "file_arguments",
    "positive",
    "print_error",
    "seconds",
    "weights_argument",
    "whole",
]


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints look like every other error of the command."""

    def error(self, message: str) -> NoReturn:
        print_error(f"{message} (see {self.prog} --help)")
        self.exit(2)


def print_error(problem: object) -> None:
    """Prints ``error: ...`` on one line of stderr."""
    print("error:", " ".join(str(problem).split()), file=sys.stderr)


def positive(text: str) -> int:
    """A whole number above 0, for argparse."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, not {text!r}")
    return int(text)


def whole(text: str) -> int:
    """A whole number, 0 or more, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, not {text!r}")
    if int(text) > LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"must be at most {LARGEST_SEED}, not {text}")
    return int(text)


def seconds(text: str) -> float:
    """A time of 0 or more, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds of at least 0, not {text!r}")
    return value


def names(path: str) -> list[str]:
    """The lines of a text file, or its JSON list, for argparse."""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
        found = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or "it is no list of names in UTF-8"
        raise argparse.ArgumentTypeError(f"cannot read {path!r}: {why}") from None
    labels = [label.strip() if isinstance(label, str) else "" for label in found]
    while labels and not labels[-1]:
        labels.pop()
    if not labels or not all(labels):
        raise argparse.ArgumentTypeError(f"{path!r} must hold a name on each line, or a JSON list of names")
    return labels


def file_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say what a file of weights does not say itself."""
    parser.add_argument("--network", metavar="NAME", help="of a file of weights: its network (see alexnet-edu models)")
    parser.add_argument(
        "--categories", type=names, metavar="FILE",
        help="of a file of weights: a text file with the name of each class on a line, in order, or a JSON list",
    )  # fmt: skip


def data_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which pictures."""
    parser.add_argument("--data", required=True, choices=DATA_SETS, help="which data set")
    parser.add_argument("--root", required=True, metavar="PATH", help="its folder")
    split_arguments(parser)


def split_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say how a data set is divided."""
    parser.add_argument(
        "--split", choices=SPLITS, default=SPLITS[0],
        help="caltech101: the committed lists (default), or 30 training pictures per class",
    )  # fmt: skip
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="fixes every random choice (default 0)")


def compute_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say with what to compute."""
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default: cuda or cpu)")
    workers_argument(parser)


def workers_argument(parser: argparse.ArgumentParser) -> None:
    """The option that says how many processes read pictures."""
    parser.add_argument(
        "--workers", type=whole, default=min(2, os.cpu_count() or 1), metavar="N", help="loader processes (default 2)"
    )


def weights_argument(parser: argparse.ArgumentParser) -> None:
    """The option that says which network the page shows."""
    parser.add_argument(
        "--weights",
        default=os.environ.get("ALEXNET_EDU_WEIGHTS") or "small",
        metavar="NAME",
        help="small, imagenet (fetched once, 233 MiB), auto, or a file of weights; by default what the variable "
        "ALEXNET_EDU_WEIGHTS says, else small",
    )
