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

ONE_LEFT = (
    "Another process of this training has ended, so this one stops, too; "
    "the same command goes on from the last checkpoint."
)


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
    """Where this process runs: alone, or one of several under ``torchrun``.

    Several processes divide either the pictures of each batch (data parallelism) or the network (a tower each).

    Attributes:
        device: where tensors are.
        rank, world: which share of the pictures is this process's, and of how many.
        tower, towers: which part of the network is this process's, and of how many.
    """

    device: torch.device
    rank: int = 0
    world: int = 1
    tower: int = 0
    towers: int = 1

    @classmethod
    @contextmanager
    def find(cls, device: str = "auto", *, towers: bool = False) -> Iterator[Place]:
        """Joins the processes that ``torchrun`` started, if it did (nccl on GPUs, gloo on CPUs).

        Args:
            device: see ``device_for``.
            towers: the processes divide the network, not the pictures.

        Raises:
            AlexNetError: towers without other processes, a device that they can't share, or one of them has ended.
        """
        found = device_for(device)
        if "WORLD_SIZE" not in os.environ:
            if towers:
                raise AlexNetError(
                    "Towers need a process each: torchrun --nproc-per-node 2 -m alexnet_edu train --towers ..."
                )
            yield cls(found)
            return
        _own_device(found)
        dist.init_process_group("nccl" if found.type == "cuda" else "gloo")
        one, all_of_them = dist.get_rank(), dist.get_world_size()
        try:
            yield cls(found, tower=one, towers=all_of_them) if towers else cls(found, one, all_of_them)
        except RuntimeError as error:
            if not _connection_lost(error):
                raise
            raise AlexNetError(ONE_LEFT) from error
        finally:
            dist.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0 and self.tower == 0

    @property
    def processes(self) -> int:
        """How many there are."""
        return self.world * self.towers

    def sum(self, values: Tensor) -> Tensor:
        """Adds up what the processes hold of their pictures."""
        return self._added(values) if self.world > 1 else values.cpu()

    def votes(self, values: Tensor) -> Tensor:
        """Adds up what all processes hold, whatever they divide."""
        return self._added(values) if self.processes > 1 else values.cpu()

    def _added(self, values: Tensor) -> Tensor:
        values = values.to(self.device, copy=True)
        dist.all_reduce(values)
        return values.cpu()

    def each(self, values: Tensor) -> Tensor:
        """What every process holds of its pictures, a row per process: ``values``' shape to (processes, ...)."""
        rows = torch.zeros(self.world, *values.shape, dtype=values.dtype)
        rows[self.rank] = values
        return self.sum(rows)

    def wait(self) -> None:
        """Returns once every process is here."""
        self.votes(torch.zeros(1))


def _own_device(device: torch.device) -> None:
    """Each process takes the GPU of its number."""
    if device.type == "mps":
        raise AlexNetError("Several processes can't share an mps device; start one without torchrun.")
    if device.type == "cuda":
        own, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if own >= there:
            raise AlexNetError(f"There are more processes than GPUs ({there}); start as many, or choose --device cpu.")
        torch.cuda.set_device(own)


def _connection_lost(error: RuntimeError) -> bool:
    """gloo raises a plain RuntimeError with a place in its source text; nccl an error of its own."""
    return isinstance(error, dist.DistError) or "gloo/transport" in str(error)
