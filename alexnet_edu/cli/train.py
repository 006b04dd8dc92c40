"""``alexnet-edu train``: train a network by a recipe, or go on with a training that was stopped."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from alexnet_edu.cli.arguments import compute_arguments, data_arguments, seconds
from alexnet_edu.train.recipes import DETAILS, RECIPES, get_recipe
from alexnet_edu.train.settings import TRAIN_ON, Settings

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to ``parser``."""
    data_arguments(parser)
    compute_arguments(parser)
    parser.add_argument(
        "--init", metavar="WEIGHTS", help="start from small, imagenet or a weights file, with a new last layer"
    )
    parser.add_argument(
        "--freeze-to", metavar="LAYER", help="with --init: keep this layer and all before it as they are"
    )
    parser.add_argument("--model", metavar="NAME", help="see alexnet-edu models (default small, or that of --init)")
    parser.add_argument(
        "--recipe", choices=RECIPES,
        help="2012's, today's (modern, the default), or for trained weights (transfer, the default with --init)",
    )  # fmt: skip
    parser.add_argument(
        "--details", choices=tuple(DETAILS), default="source",
        help="for --recipe paper: where text and code of 2012 differ, which one (default source)",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of the recipe; repeatable"
    )
    parser.add_argument(
        "--train-on", choices=TRAIN_ON, default="train",
        help="train+val trains on the selection pictures too, once all is chosen",
    )  # fmt: skip
    parser.add_argument(
        "--towers", action="store_true",
        help="under torchrun: each process holds a tower of the network, as in 2012, not a share of the pictures",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("run"), metavar="PATH", help="checkpoint, log and curves (default run)"
    )
    parser.add_argument(
        "--save-every", type=seconds, default=600.0, metavar="S", help="seconds between checkpoints (default 600)"
    )
    parser.add_argument("--export", type=Path, metavar="FILE", help="write the trained weights, a .safetensors file")
    parser.add_argument("--half", action="store_true", help="export in half precision")


def chosen_settings(args: argparse.Namespace) -> Settings:
    """What the command line asks for; with weights to start from, network and recipe are those that fit them."""
    named = args.recipe or ("modern" if args.init is None else "transfer")
    recipe = get_recipe(named, args.details).changed(args.set)
    model = args.model or ("small" if args.init is None else network_of(args.init))
    return Settings(
        args.data, args.root, model, recipe, args.split, args.seed, args.train_on, args.init, args.freeze_to
    )  # fmt: skip


def network_of(weights: str) -> str:
    """The name of the network that these weights are of."""
    from alexnet_edu.weights import load_pretrained

    return load_pretrained(weights, head=["any"]).model.spec.name


def run(args: argparse.Namespace) -> int:
    """Trains; the exit status is 130 when Ctrl-C stopped it, with everything saved."""
    from alexnet_edu.speed import keep_freed_memory
    from alexnet_edu.train.loop import Interrupted, train

    settings = chosen_settings(args)
    keep_freed_memory()
    try:
        result = train(
            settings, args.out, device=args.device, towers=args.towers, workers=args.workers,
            save_every=args.save_every, export=args.export, half=args.half,
        )  # fmt: skip
    except Interrupted:
        print(f"Saved in {args.out}; the same command goes on from here.", file=sys.stderr)
        return 130
    if int(os.environ.get("RANK", "0")) == 0:
        if args.export:
            found = result["export_difference"]
            print(
                f"{args.export}: exported and trained logits differ by at most {found['largest']:.2g}, with a standard "
                f"deviation of {found['spread']:.2g}: what LRN's limit or a mean image leaves out.",
                file=sys.stderr,
            )
        brief = {name: {k: v for k, v in part.items() if k != "per_class"} for name, part in result.items()}
        print(json.dumps(brief))
    return 0
