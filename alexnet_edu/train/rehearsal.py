"""A rehearsal: some training steps of one network in two processes, by each plan, with everything sent written down.

``rehearse`` starts the processes itself, by ``torchrun``, on the CPU of this machine. Pictures are random numbers: what
is looked at is the work and what it needs, not what is learned.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from alexnet_edu.division import PLANS, Plan, copies
from alexnet_edu.errors import AlexNetError
from alexnet_edu.models import AlexNet
from alexnet_edu.specs import Spec, scaled
from alexnet_edu.train.network import training_network
from alexnet_edu.train.optim import optimiser_for
from alexnet_edu.train.place import ONE_LEFT, Place
from alexnet_edu.train.recipes import get_recipe
from alexnet_edu.train.towers import DividedNetwork, Event, Wire, divide
from alexnet_edu.variants import get_spec

__all__ = ["Job", "Rehearsal", "Step", "alone", "rehearse"]

PROCESSES = 2


@dataclass(frozen=True)
class Job:
    """What to rehearse.

    Attributes:
        model: a name from ``list_models()``.
        width: of the network, in units of the model's.
        classes: how many.
        batch: pictures of a step, of all processes together.
        steps: how many.
        warm_up: steps before these, which are not written down.
        double: in float64, to compare; else float32, to time.
        ends: in which step process 1 ends without a word, to see what the other does.
    """

    model: str = "paper"
    width: float = 1.0
    classes: int = 1000
    batch: int = 128
    steps: int = 5
    warm_up: int = 0
    double: bool = False
    ends: int | None = None

    @property
    def spec(self) -> Spec:
        """The network."""
        return scaled(get_spec(self.model), self.width).with_classes(self.classes)

    @property
    def dtype(self) -> torch.dtype:
        """Of pictures and weights."""
        return torch.float64 if self.double else torch.float32

    def pictures(self, step: int) -> tuple[Tensor, Tensor]:
        """The batch of a step, the same in every process: ``(N, 3, S, S)`` and ``(N,)`` labels."""
        generator = torch.Generator().manual_seed(step)
        x = 60 * torch.randn(self.batch, *self.spec.input_shape, generator=generator, dtype=self.dtype)
        return x, torch.randint(self.classes, (self.batch,), generator=generator)


@dataclass(frozen=True)
class Step:
    """One training step of one process: when its parts ended (``time.perf_counter``), and what was sent."""

    start: float
    forward: float
    backward: float
    update: float
    events: tuple[Event, ...]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.update - self.start

    @property
    def bytes(self) -> int:
        """Sent by this process."""
        return sum(event.bytes for event in self.events)

    def spans(self) -> list[tuple[str, float, float]]:
        """What it did, from and to in milliseconds since it began; sending may overlap the rest."""
        parts = {"forward": (self.start, self.forward), "backward": (self.forward, self.backward),
                 "update": (self.backward, self.update)}  # fmt: skip
        sent = [("sending", (event.start, event.end)) for event in self.events]
        return [(what, 1e3 * (a - self.start), 1e3 * (b - self.start)) for what, (a, b) in [*parts.items(), *sent]]


@dataclass(frozen=True)
class Rehearsal:
    """What happened.

    Attributes:
        steps: of each process.
        losses: of each step.
        weights: of the whole network after the last step.
        counted: bytes that the system counted on the way between the processes; ``None`` where it does not say.
    """

    steps: list[list[Step]]
    losses: list[float]
    weights: dict[str, Tensor]
    counted: int | None


def alone(job: Job) -> Rehearsal:
    """The same steps in this process, with the whole network and all pictures: what the others are compared with."""
    return _run(job, copies(job.spec, 1), Wire(0, 1, []))


def rehearse(job: Job, plans: Sequence[str] = tuple(PLANS), *, threads: int | None = None) -> dict[str, Rehearsal]:
    """Runs ``job`` in two processes by each of ``plans``.

    Args:
        job: what to run.
        plans: names from ``PLANS``.
        threads: of each process; half of this one's by default.

    Raises:
        AlexNetError: one of the processes ended early.
    """
    threads = threads or max(1, torch.get_num_threads() // PROCESSES)
    with TemporaryDirectory() as folder:
        order = json.dumps({"job": asdict(job), "plans": list(plans), "folder": folder})
        done = subprocess.run(_command(order), env=_environment(threads), capture_output=True, text=True)
        if done.returncode:
            said = [path.read_text(encoding="utf-8") for path in Path(folder).glob("*.txt")]
            if ONE_LEFT not in said:
                raise RuntimeError("\n".join(["The rehearsal failed.", *said, done.stderr[-2000:]]))
            raise AlexNetError(
                f"One of the {PROCESSES} processes has ended, and none can go on alone; start the rehearsal again."
            )
        parts = [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(PROCESSES)]
    return {plan: _joined([part[plan] for part in parts]) for plan in plans}


def _command(order: str) -> list[str]:
    """The command line that anyone could type."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(PROCESSES)]
    return [*torchrun, "-m", __name__, order]


def _environment(threads: int) -> dict[str, str]:
    """The way between the processes stays on this machine, on Linux and macOS by the name of its interface."""
    interface = {"linux": {"GLOO_SOCKET_IFNAME": "lo"}, "darwin": {"GLOO_SOCKET_IFNAME": "lo0"}}
    windows = {"win32": {"USE_LIBUV": "0"}}  # PyTorch's builds for Windows lack it
    return os.environ | {"OMP_NUM_THREADS": str(threads)} | (interface | windows).get(sys.platform, {})


def _joined(parts: list[dict[str, Any]]) -> Rehearsal:
    steps = [
        [Step(**step | {"events": tuple(Event(**event) for event in step["events"])}) for step in part["steps"]]
        for part in parts
    ]
    return Rehearsal(steps, parts[0]["losses"], parts[0]["weights"], parts[0]["counted"])


def _run(job: Job, plan: Plan, wire: Wire) -> Rehearsal:
    """This process's part of the job."""
    torch.manual_seed(0)
    recipe = get_recipe("paper")
    network = divide(training_network(AlexNet(job.spec).to(job.dtype), recipe), plan, wire)
    parallel = _copied(network) if wire.world > 1 and not plan.exchanges else network
    optimiser, steps, losses = optimiser_for(network, recipe), [], []
    for number in range(job.warm_up + job.steps):
        if number == job.warm_up:
            counted = _counted(wire)
        if number == job.ends and wire.rank == 1:
            os._exit(1)  # as if it had been killed
        step, loss = _step(job, number, network, parallel, optimiser)
        steps.append(step)
        losses.append(loss)
    after = _counted(wire)
    weights = network.state_dict() if wire.world == 1 else network.joined(network.state_dict())
    sent = None if counted is None or after is None else after - counted
    return Rehearsal([steps[job.warm_up :]], losses[job.warm_up :], weights or {}, sent)


def _step(
    job: Job, number: int, network: DividedNetwork, parallel: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[Step, float]:
    """One training step, and its loss over all pictures."""
    plan, wire = network.plan, network.wire
    x, labels = job.pictures(number)
    own = x.tensor_split(wire.world)[wire.rank] if plan.pictures else x
    targets = labels if plan.exchanges else labels.tensor_split(wire.world)[wire.rank]
    torch.manual_seed(number)
    wire.events = []
    _meet(wire)
    times = [perf_counter()]
    loss = F.cross_entropy(parallel(own), targets)
    times.append(perf_counter())
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if plan.pictures and plan.exchanges:
        network.add_up_gradients()
    times.append(perf_counter())
    optimiser.step()
    times.append(perf_counter())
    return Step(times[0], times[1], times[2], times[3], tuple(wire.events)), _mean(loss.item(), plan, wire)


def _meet(wire: Wire) -> None:
    """All begin a step together."""
    if wire.world > 1:
        dist.barrier()


def _mean(loss: float, plan: Plan, wire: Wire) -> float:
    """Over all pictures: where each process knows the loss of its own only, the mean of all."""
    if plan.exchanges or wire.world == 1:
        return loss
    total = torch.tensor(loss, dtype=torch.float64)
    dist.all_reduce(total)
    return total.item() / wire.world


def _copied(network: DividedNetwork) -> DistributedDataParallel:
    """Data parallelism by PyTorch, which sends gradients while it still computes others; with each bucket noted."""
    parallel, wire = DistributedDataParallel(network), network.wire

    def noted(bucket: Any) -> Any:
        values, start = bucket.buffer().div_(wire.world), perf_counter()
        sent, name = values.nbytes * 2 * (wire.world - 1) // wire.world, f"bucket {bucket.index() + 1}"

        def done(future: Any) -> Tensor:
            if wire.events is not None:
                wire.events.append(Event(name, "gradients", sent, start, perf_counter()))
            return future.value()[0]  # type: ignore[no-any-return]

        return dist.all_reduce(values, async_op=True).get_future().then(done)

    parallel.register_comm_hook(None, lambda _, bucket: noted(bucket))
    return parallel


def _counted(wire: Wire) -> int | None:
    """Bytes that went over this machine's own interface so far, from all that run on it; Linux knows."""
    _meet(wire)
    table = Path("/proc/net/dev")
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    own = [line.split(":")[1].split() for line in lines if line.strip().startswith("lo:")]
    return int(own[0][8]) if own else None


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What went wrong, for the process that started this one."""
    try:
        yield
    except Exception as problem:
        text = str(problem) if isinstance(problem, AlexNetError) else traceback.format_exc()
        (folder / f"{os.environ['RANK']}.txt").write_text(text, encoding="utf-8")
        sys.exit(1)


def main(order: dict[str, Any]) -> None:
    """One of the processes."""
    job, folder = Job(**order["job"]), Path(order["folder"])
    with _told(folder), Place.find("cpu") as place:
        found = {
            name: asdict(_run(job, PLANS[name](job.spec, place.world), Wire(place.rank, place.world, [])))
            for name in order["plans"]
        }
        own = {name: run | {"steps": run["steps"][0]} for name, run in found.items()}
        torch.save(own, folder / f"{place.rank}.pt")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
