"""The kernel in which a submission runs: Jupyter's own, with limits, and a door through which the judge asks.

Started by ``grading.nursery`` as ``python -m grading.kernel``. The judge's messages reach this process directly,
whatever the notebook has done to IPython. Nothing here knows a right answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import sys
from collections.abc import Iterator
from typing import Any

import torch
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp

from alexnet_edu.check import guard
from grading.values import pack

LIMITS = {"MEMORY": "RLIMIT_DATA", "FILE": "RLIMIT_FSIZE"}  # by the variable ALEXNET_EDU_LIMIT_... that sets it, bytes


class AnswerKernel(IPythonKernel):  # type: ignore[misc]
    """Jupyter's kernel that also understands ``answer_request``."""

    implementation = "alexnet-edu"
    msg_types = (*IPythonKernel.msg_types, "answer_request")

    async def answer_request(self, socket: Any, ident: Any, parent: Any) -> None:
        """Gives the judge a value of the notebook, or what came of calling one of its functions."""
        try:
            packed = pack(self._answered(pickle.loads(parent["buffers"][0])))
        except BaseException as problem:  # also an interruption: it belongs to the answer
            packed = pack({"problem": f"your code stopped with {type(problem).__name__}."})
        self.session.send(socket, "answer_reply", {}, parent, buffers=packed, ident=ident)

    def _answered(self, request: dict[str, Any]) -> dict[str, Any]:
        names, name = self.shell.user_ns, request["name"]
        if name not in names:
            return {"missing": True}
        if "inputs" not in request:
            answer = names[name]
            return {"function": True} if callable(answer) else {"value": guard.plain(answer)}
        with quiet(), seeded(request["seed"]):
            return vars(guard.run(names[name], request["inputs"], request["forbidden"]))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing that the block prints is kept: it may have the hidden inputs in it."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """PyTorch's random numbers are those of ``seed`` in the block, and go on as before after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def limit() -> None:
    """Sets the limits of this process and its children, where the system has such limits (not on Windows)."""
    try:
        import resource
    except ImportError:
        return
    for name, kind in LIMITS.items():
        if most := os.environ.pop(f"ALEXNET_EDU_LIMIT_{name}", ""):
            resource.setrlimit(getattr(resource, kind), (int(most), int(most)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def nursery() -> None:
    """Becomes a kernel in a child of this process for each line that comes in; see ``grading.nursery``."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    for line in sys.stdin:
        order = json.loads(line)
        if child := os.fork():
            print(child, flush=True)
        else:
            become(order["arguments"], order["env"], order["folder"])
            return


def become(arguments: list[str], env: dict[str, str], folder: str) -> None:
    """Runs a kernel in this process, which has just been forked."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    start(arguments)


def start(arguments: list[str]) -> None:
    """Runs a kernel."""
    limit()
    IPKernelApp.launch_instance(argv=arguments, kernel_class=AnswerKernel)


if __name__ == "__main__":
    nursery() if sys.argv[1:] == ["--nursery"] else start(sys.argv[1:])
