"""``alexnet-edu app``: the live page for people who do not program, served to this machine's browsers."""

from __future__ import annotations

import argparse
import threading
import webbrowser

from alexnet_edu.cli.arguments import positive, weights_argument
from alexnet_edu.page import make_server, page_files

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to ``parser``."""
    parser.add_argument("--port", type=port, default=8866, help="where the page is served (default 8866)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to serve; 0.0.0.0 lets everybody on the network in"
    )
    parser.add_argument("--no-browser", dest="browser", action="store_false", help="open no browser")
    weights_argument(parser)


def port(text: str) -> int:
    """A port's number, for argparse."""
    number = positive(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"must be at most 65535, not {number}")
    return number


def run(args: argparse.Namespace) -> int:
    """Serves the page until Ctrl-C or a signal ends it; the exit status is 0.

    Raises:
        AlexNetError: the port cannot be had.
        WeightsError: there are no such weights.
    """
    with make_server(page_files(args.weights), args.host, args.port) as server:
        address = f"http://{'127.0.0.1' if args.host in ('', '0.0.0.0') else args.host}:{args.port}/"
        print(f"The page is at {address} (Ctrl-C ends it).", flush=True)
        if args.browser:
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        server.serve_forever()
    return 0
