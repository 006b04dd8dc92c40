"""The ``alexnet-edu`` command: a thin door to the package.

A subcommand is a line in ``COMMANDS``: its name, the module that does the work and one sentence for ``--help``.
The module has ``add_arguments(parser)`` and ``run(args) -> int`` (the exit status), and is imported only when its
command is called.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import alexnet_edu
from alexnet_edu.cli.arguments import Parser, print_error
from alexnet_edu.errors import AlexNetError

__all__ = ["COMMANDS", "build_parser", "main"]

COMMANDS = {
    "app": ("alexnet_edu.cli.app", "open a page that shows the network to people who do not program"),
    "bench": ("alexnet_edu.cli.bench", "measure this machine with the networks"),
    "models": ("alexnet_edu.cli.models", "list the networks and what each costs"),
    "check": ("alexnet_edu.cli.check", "say what is wrong with a data set before training on it"),
    "museum": ("alexnet_edu.cli.museum", "say what a 2012 network file describes"),
    "page": ("alexnet_edu.cli.page", "write that page as one file or a folder"),
    "predict": ("alexnet_edu.cli.predict", "say what pictures show"),
    "train": ("alexnet_edu.cli.train", "train a network by a recipe"),
    "evaluate": ("alexnet_edu.cli.evaluate", "measure a trained network on a data set"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand.

    Args:
        argv: what follows the command's name; ``None`` takes the process's own arguments.

    Returns:
        The exit status: 0 when all went well, 1 when something could not be done, 2 for a wrong call, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may hold what the terminal can't show
    args = build_parser(arguments[:1]).parse_args(arguments)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except (AlexNetError, OSError) as problem:
        return close_stdout() if isinstance(problem, BrokenPipeError) else report(problem)
    except KeyboardInterrupt:
        return 130
    return status


def build_parser(called: Sequence[str]) -> Parser:
    """All commands by name; only those in ``called`` are imported and know their arguments."""
    parser = Parser(prog="alexnet-edu", description=(alexnet_edu.__doc__ or "").partition("\n")[0])
    parser.add_argument("--version", action="version", version=f"alexnet-edu {alexnet_edu.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for name, (module, sentence) in COMMANDS.items():
        command = commands.add_parser(name, help=sentence, description=f"{sentence.capitalize()}.")
        if name in called:
            worker = import_module(module)
            worker.add_arguments(command)
            command.set_defaults(run=worker.run)
    return parser


def report(problem: Exception) -> int:
    """Prints the problem; the exit status that goes with it."""
    print_error(problem)
    return 1


def close_stdout() -> int:
    """After ``alexnet-edu ... | head``: nobody listens any more, so nothing may be written at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
