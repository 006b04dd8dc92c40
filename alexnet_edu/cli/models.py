"""``alexnet-edu models``: the networks by name, with the cost of one picture. Needs no PyTorch."""

from __future__ import annotations

import argparse
import json
from typing import Any

from alexnet_edu.geometry import layer_table
from alexnet_edu.palette import by
from alexnet_edu.specs import Spec
from alexnet_edu.variants import SPECS

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to ``parser``."""
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")


def run(args: argparse.Namespace) -> int:
    """Prints the networks; the exit status is 0."""
    networks = [describe(spec) for spec in SPECS.values()]
    if args.json:
        print(json.dumps(networks))
        return 0
    width = max(map(len, SPECS))
    print(f"{'name':{width}}  input      parameters           MACs  title")
    for network in networks:
        side = network["input_size"]
        cost = f"{network['parameters']:>12,}  {network['macs']:>13,}"
        print(f"{network['name']:{width}}  {by(side, side)}  {cost}  {network['title']}")
    return 0


def describe(spec: Spec) -> dict[str, Any]:
    """One network as JSON has it: names, source, input size in pixels, parameters, and MACs for one picture."""
    table = layer_table(spec)
    return {
        "name": spec.name,
        "title": spec.title,
        "source": spec.source,
        "input_size": spec.input_size,
        "parameters": table.total_parameters,
        "macs": table.total_macs,
    }
