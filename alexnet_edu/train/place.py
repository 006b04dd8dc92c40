"""Where a training runs: on which device, in one process or several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from alexnet_edu.errors import AlexNetError
from alexnet_edu.train.settings import DEVICES

__all__ = ["Place", "device_for"]


def device_for(name: str) -> torch.device:
    """The device called ``name``; "auto" is a GPU of NVIDIA's or AMD's if there is one, else the CPU.

    Raises:
        AlexNetError: there is no such device, or not on this machine.
    """
    if name not in DEVICES:
        raise AlexNetError(f"There is no device {name!r}; choose one of {', '.join(DEVICES)}.")
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if there["cuda"] else "cpu")
    if not there.get(name, True):
        raise AlexNetError(f"PyTorch finds no {name} device on this machine; choose cpu, or leave the choice to auto.")
    return torch.device(name)


@dataclass(frozen=True)
class Place:
    """Where this process runs: alone, or one of several under ``torchrun``."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @classmethod
    @contextmanager
    def find(cls, device: str = "auto") -> Iterator[Place]:
        """Joins the processes that ``torchrun`` started, if it did (nccl on GPUs, gloo on CPUs)."""
        found = device_for(device)
        if "WORLD_SIZE" not in os.environ:
            yield cls(found)
            return
        if found.type == "mps":
            raise AlexNetError("Several processes can't share an mps device; start one without torchrun.")
        if found.type == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl" if found.type == "cuda" else "gloo")
        try:
            yield cls(found, dist.get_rank(), dist.get_world_size())
        finally:
            dist.destroy_process_group()

    def sum(self, values: Tensor) -> Tensor:
        """Adds up what the processes hold."""
        if self.world > 1:
            values = values.to(self.device, copy=True)
            dist.all_reduce(values)
        return values.cpu()

    def each(self, values: Tensor) -> Tensor:
        """What every process holds, a row per process: the shape of ``values`` to (processes, ...)."""
        rows = torch.zeros(self.world, *values.shape, dtype=values.dtype)
        rows[self.rank] = values
        return self.sum(rows)

    def wait(self) -> None:
        """Returns once every process is here."""
        self.sum(torch.zeros(1))
