"""``alexnet-edu page``: the live page as one file for a USB stick or a course page, or as a folder for a web host."""

from __future__ import annotations

import argparse
from pathlib import Path

from alexnet_edu.cli.arguments import weights_argument
from alexnet_edu.page import page_files, single_file, write_folder

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to ``parser``."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="a file that ends in .html, or else a folder"
    )
    weights_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the page and says how large it is; the exit status is 0.

    Raises:
        WeightsError: there are no such weights.
    """
    files = page_files(args.weights)
    if args.out.suffix.lower() in (".html", ".htm"):
        text = single_file(files).encode()
        args.out.write_bytes(text)
        print(f"{args.out}: {len(text) / 1e6:.1f} MB in one file; open it in a browser.")
    else:
        write_folder(files, args.out)
        size = sum(map(len, files.values()))
        print(f"{args.out}: {len(files)} files, {size / 1e6:.1f} MB, for any host of static files.")
    return 0
