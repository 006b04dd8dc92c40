"""``alexnet-edu museum``: what a 2012 network file describes, and the release fetched. Needs no PyTorch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from alexnet_edu.errors import AlexNetError
from alexnet_edu.museum import NetworkFile, network_svg, read_network
from alexnet_edu.museum.release import COMMIT, LAYER_FILES, fetch_release

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to ``parser``."""
    parser.add_argument("layers", nargs="?", metavar="FILE", help="a layer file, such as layers-145.cfg")
    parser.add_argument("params", nargs="?", metavar="FILE", help="its parameter file, such as layer-params-145.cfg")
    parser.add_argument("--size", type=int, default=224, help="side of the picture in pixels (224; CIFAR files: 24)")
    parser.add_argument("--classes", type=int, default=1000, help="outputs of a treefc layer (1000)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="also draw the graph into this file")
    parser.add_argument(
        "--fetch",
        type=Path,
        metavar="FOLDER",
        help=f"clone the release of 2025 with git, at commit {COMMIT}, and check it",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the network; the exit status is 0."""
    if args.fetch:
        release = fetch_release(args.fetch)
        print(f"{args.fetch}: commit {release.commit}, {len(release.layer_files)} of {LAYER_FILES} layer files")
    if args.layers is None:
        if args.fetch:
            return 0
        raise AlexNetError("Give a layer file, or --fetch FOLDER for the files of the release.")
    params = None if args.params is None else Path(args.params)
    network = read_network(Path(args.layers), params, input_shape=(3, args.size, args.size), num_classes=args.classes)
    if args.svg:
        args.svg.write_text(network_svg(network), encoding="utf-8")
    print(json.dumps(describe(network)) if args.json else network)
    return 0


def describe(network: NetworkFile) -> dict[str, Any]:
    """A network as JSON has it."""
    keys = ("name", "type", "inputs", "output_shape", "parameters", "macs", "gpu")
    return {
        "name": network.name,
        "input_shape": network.input_shape,
        "total_parameters": network.total_parameters,
        "total_macs": network.total_macs,
        "layers": [{key: getattr(layer, key) for key in keys} for layer in network.layers],
        "rates": {name: [rate._asdict() for rate in rates] for name, rates in network.rates.items()},
        "notes": network.notes,
    }
