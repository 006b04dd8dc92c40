"""``alexnet-edu app``: the explorers as a web page for people who do not program, served by Voila.

Every open page has a kernel of its own. The server starts no more of them than ``--visitors``, ends those that rest,
lets pages send nothing but what widgets send, and shows no files.
"""

from __future__ import annotations

import argparse
import logging
import os
import threading
import webbrowser
from pathlib import Path
from typing import Any

from alexnet_edu.cli.arguments import positive
from alexnet_edu.errors import AlexNetError
from alexnet_edu.images import MAX_UPLOAD_BYTES

__all__ = ["add_arguments", "run"]

ASSETS = Path(__file__).parent.parent / "assets"
NOTEBOOK = ASSETS / "app.ipynb"
TEMPLATES = ASSETS / "jupyter"  # a Jupyter data folder that holds the page's Voila template
IDLE_SECONDS = 1800
WIDGETS = [  # the page loads these extensions of JupyterLab and no others that may be installed
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager7",
    "@voila-dashboards/widgets-manager8",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to ``parser``."""
    parser.add_argument("--port", type=port, default=8866, help="where the page is served (default 8866)")
    parser.add_argument(
        "--host", default="localhost", help="the address to serve; 0.0.0.0 lets everybody on the network in"
    )
    parser.add_argument("--no-browser", dest="browser", action="store_false", help="open no browser")
    parser.add_argument(
        "--visitors", type=positive, default=8, metavar="N", help="how many pages may be open at once (default 8)"
    )
    parser.add_argument(
        "--weights",
        default=os.environ.get("ALEXNET_EDU_WEIGHTS") or "small",
        metavar="NAME",
        help="small, imagenet (fetched once, 233 MiB), auto, or a file of weights; by default what the variable "
        "ALEXNET_EDU_WEIGHTS says, else small",
    )


def port(text: str) -> int:
    """A port's number, for argparse."""
    number = positive(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"must be at most 65535, not {number}")
    return number


def run(args: argparse.Namespace) -> int:
    """Serves the page until Ctrl-C or a signal ends it; the exit status is 0.

    Raises:
        AlexNetError: Voila is not installed, or the port cannot be had.
        WeightsError: there are no such weights.
    """
    try:
        import voila.app  # noqa: F401
    except ImportError:
        raise AlexNetError("The page needs Voila; install it with: pip install voila") from None
    check_port(args.host, args.port)
    if args.weights != "small":
        from alexnet_edu.weights import load_pretrained

        load_pretrained(args.weights)  # here, where a fault can be said, and a download happens once
    os.environ["ALEXNET_EDU_WEIGHTS"] = args.weights
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(TEMPLATES), os.environ.get("JUPYTER_PATH")]))
    serve(args)
    return 0


def check_port(host: str, port: int) -> None:
    """Takes the port for a moment: Voila itself would fail without a word of advice."""
    from tornado.netutil import bind_sockets

    try:
        for socket in bind_sockets(port, host):
            socket.close()
    except OSError as error:
        why = error.strerror or error
        raise AlexNetError(f"Port {port} of {host} cannot be used ({why}); choose another one with --port.") from None


def serve(args: argparse.Namespace) -> None:
    """Runs the server, and says and shows where it is once it listens."""
    from tornado.ioloop import IOLoop
    from voila.app import Voila

    logging.basicConfig(level=logging.ERROR)  # libraries warn of what nobody who only looks at a page can act on
    server = Voila(config=settings(args))
    server.initialize([str(NOTEBOOK)])
    address = f"http://{'localhost' if args.host in ('', '0.0.0.0') else args.host}:{args.port}/"

    def announce() -> None:
        print(f"The page is at {address} (Ctrl-C ends it).", flush=True)
        if args.browser:
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()

    IOLoop.current().add_callback(announce)  # runs once the server listens
    server.start()


def settings(args: argparse.Namespace) -> Any:
    """Voila's configuration; the user's own configuration files play no part."""
    from traitlets.config import Config

    return Config(
        Voila={
            "ip": args.host,
            "port": args.port,
            "port_retries": 0,
            "open_browser": False,
            "log_level": "ERROR",
            "config_file_paths": [],
            "tornado_settings": {
                # Room for the largest upload; the server hangs up on anything larger before it has read it.
                "websocket_max_message_size": MAX_UPLOAD_BYTES + 1_000_000,
                # Without logins no cookie guards the request with which a closing page ends its kernel; its id does.
                "disable_check_xsrf": True,
            },
        },
        VoilaConfiguration={
            "template": "alexnet-edu",
            "allow_template_override": "NO",
            "allow_theme_override": "NO",
            "file_allowlist": [],
            "extension_allowlist": WIDGETS,
            "multi_kernel_manager_class": kernels(args.visitors),
        },
        MappingKernelManager={"cull_idle_timeout": IDLE_SECONDS, "cull_interval": 60, "cull_connected": True},
    )


def kernels(limit: int) -> type:
    """A class of kernel managers that hold at most ``limit`` kernels."""
    from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
    from tornado.web import HTTPError

    class LimitedKernels(AsyncMappingKernelManager):  # type: ignore[misc]
        async def start_kernel(self, **arguments: Any) -> Any:  # type: ignore[override]
            if len(self) >= limit:
                raise HTTPError(
                    503, f"All {limit} places are taken. Try again in a few minutes.", reason="Just a moment"
                )
            # Its warning that connections on this machine are not encrypted says nothing to a visitor.
            return await super().start_kernel(**arguments, extra_arguments=["--log-level=ERROR"])

    return LimitedKernels
