"""Starts kernels quickly: a process that has loaded PyTorch once becomes each of them by forking.

It holds nothing of the tests and nothing of earlier submissions. Linux only: elsewhere a process that has loaded
PyTorch may not fork, and every kernel starts from nothing, which takes a second or two longer.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Any

import psutil
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

KERNEL = [sys.executable, "-m", "grading.kernel"]
FORKS = sys.platform == "linux"
PROVISIONER = "alexnet-edu-grading"


class Forked(psutil.Process):  # type: ignore[misc]
    """A process that is not this one's child, with what jupyter_client asks of ``subprocess.Popen``."""

    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        return None if self.is_running() and self.status() != psutil.STATUS_ZOMBIE else 0

    def send_signal(self, sig: int) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            super().send_signal(sig)

    def wait(self, timeout: float | None = None) -> int:
        return 0


class Nursery:
    """The process that forks; it is started when the first kernel is wanted, and again if a submission ended it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def fork(self, arguments: list[str], env: dict[str, str], folder: str) -> Forked:
        """A new kernel.

        Args:
            arguments: its command line.
            env: its environment.
            folder: where it works.
        """
        order = json.dumps({"arguments": arguments, "env": env, "folder": folder})
        if self.process is None or self.process.poll() is not None:
            pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
            self.process = subprocess.Popen(
                [*KERNEL, "--nursery"],
                stdin=pipe,
                stdout=pipe,
                stderr=quiet,
                env=env,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()
        return Forked(int(self.process.stdout.readline()))

    def family(self) -> list[psutil.Process]:
        """The kernels that it has started and that still run, and what became its children since."""
        return psutil.Process(self.process.pid).children() if self.process and self.process.poll() is None else []


NURSERY = Nursery()


class ForkingProvisioner(LocalProvisioner):  # type: ignore[misc]
    """jupyter_client's way to start a kernel here, by forking."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        self.process = NURSERY.fork(cmd[len(KERNEL) :], kwargs["env"], kwargs["cwd"])
        self.pid = self.pgid = self.process.pid
        self.cwd = kwargs["cwd"]
        return self.connection_info


def manager() -> AsyncKernelManager:
    """A manager that starts ``grading.kernel``."""
    made = AsyncKernelManager(kernel_name="python3")
    metadata = {"kernel_provisioner": {"provisioner_name": PROVISIONER, "config": {}}} if FORKS else {}
    made._kernel_spec = KernelSpec(
        argv=[*KERNEL, "-f", "{connection_file}"], display_name="Python 3", language="python", metadata=metadata
    )
    group = KernelProvisionerFactory.GROUP_NAME
    entry = EntryPoint(PROVISIONER, f"{__name__}:{ForkingProvisioner.__name__}", group)
    KernelProvisionerFactory.instance().provisioners[PROVISIONER] = entry
    return made
