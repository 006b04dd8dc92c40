"""``alexnet-edu check``: what is wrong with a data set, before anything is trained on it."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict

from alexnet_edu.cli.arguments import split_arguments, workers_argument
from alexnet_edu.train.settings import DATA_SETS

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to ``parser``."""
    parser.add_argument("root", metavar="DATA", help="the folder of the data set")
    parser.add_argument("--data", choices=DATA_SETS, default="folder", help="which data set (default folder)")
    split_arguments(parser)
    workers_argument(parser)
    parser.add_argument("--model", metavar="NAME", help="small, imagenet or a weights file: do the classes agree?")
    parser.add_argument("--json", action="store_true", help="print everything that was found as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Prints the findings; the exit status is 0 if nothing was found that spoils training or measuring, else 1."""
    from alexnet_edu.train.data import open_data
    from alexnet_edu.train.evaluate import Prepare, batch_bytes
    from alexnet_edu.train.pictures import workers_that_fit
    from alexnet_edu.train.survey import survey
    from alexnet_edu.weights import Preprocess, load_pretrained

    data = open_data(args.data, args.root, split=args.split, seed=args.seed)
    with redirect_stdout(sys.stderr):
        known = load_pretrained(args.model).categories if args.model else None
    found = survey(data, known)
    workers = workers_that_fit(args.workers, batch_bytes(Prepare(Preprocess(), ten=True)), quiet=args.json)
    if args.json:
        print(json.dumps(asdict(found) | {"loader_processes": workers, "in_order": found.in_order}))
    else:
        for line in (*found.lines(), data.ignored_sentence(), "Nothing is wrong." if found.in_order else ""):
            if line:
                print(line)
    return 0 if found.in_order else 1
