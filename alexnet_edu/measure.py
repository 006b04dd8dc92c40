"""The instruments that notebook 07 teaches: how long a call takes, what a machine can reach, and which machine it was.

A time is the median of several runs after a warm-up, with its quartiles; work that a device does on its own time is
waited for. One multiply-accumulate (MAC) counts as two floating-point operations (FLOP).
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import quantiles
from time import perf_counter, process_time
from typing import Any

import torch
from torch import Tensor

from alexnet_edu.models import AlexNet
from alexnet_edu.speed import bf16_hardware

__all__ = [
    "Noise",
    "Timing",
    "bandwidth",
    "committed_results",
    "layer_times",
    "machine",
    "matmul_peak",
    "measure",
    "noise",
    "synchronize",
    "unsteady",
]

_PATIENCE = 20  # a call so slow that `least` runs take this many times the time wanted gets fewer
UNSTEADY = 0.25  # quartiles further apart than this share of the median say more about the machine than about the call
WHOLE = 0.8  # of the processor time that a quiet machine gives; a little goes to the system, always
RUNS = Path(__file__).with_name("assets") / "benchmarks"
Device = torch.device


@dataclass(frozen=True)
class Timing:
    """How long a call takes, in seconds.

    Attributes:
        median: half of the runs were faster.
        low: a quarter of the runs were faster.
        high: three quarters of the runs were faster.
        runs: how many were timed.
    """

    median: float
    low: float
    high: float
    runs: int

    @property
    def spread(self) -> float:
        """How far the quartiles are apart, as a share of the median."""
        return (self.high - self.low) / self.median

    def __str__(self) -> str:
        median, low, high = (_three_digits(1e3 * value) for value in (self.median, self.low, self.high))
        return f"{median} ms ({low} to {high}, {self.runs} runs)"


def _three_digits(number: float) -> str:
    """Three digits, and no power of ten where there are more."""
    return f"{number:,.0f}" if number >= 999.5 else f"{number:.3g}"


def synchronize(device: Device | str = "cpu") -> None:
    """Waits until an accelerator has done all that it was asked; a CPU works while it is being called."""
    kind = torch.device(device).type
    if kind == "cuda":
        torch.cuda.synchronize(device)
    elif kind == "mps":
        torch.mps.synchronize()


def measure(
    call: Callable[[], object],
    *,
    seconds: float = 0.5,
    warm_up: int = 2,
    least: int = 5,
    device: Device | str = "cpu",
) -> Timing:
    """Times ``call``, each run by itself.

    ``torch.utils.benchmark.Timer`` finds the same median; it times blocks of runs, so it knows no quartiles of single
    ones, and it has no limit for a call that is slow.

    Args:
        call: what to time.
        seconds: goes on for at least this long, and
        least: at least this often.
        warm_up: calls before that which are not counted: first calls allocate, choose kernels and fill caches.
        device: what the call works on.
    """
    for _ in range(warm_up):
        call()
    synchronize(device)
    times: list[float] = []
    while len(times) < 2 or (
        (len(times) < least or sum(times) < seconds) and sum(times) < _PATIENCE * max(seconds, 0.1)
    ):
        start = perf_counter()
        call()
        synchronize(device)
        times.append(perf_counter() - start)
    low, median, high = quantiles(times, n=4, method="inclusive")
    return Timing(median, low, high, len(times))


def unsteady(timings: Mapping[str, Timing]) -> str:
    """In words: which of these figures are not to be trusted, because their own runs disagree."""
    names = [name for name, timing in timings.items() if timing.spread > UNSTEADY]
    if not names:
        return f"Steady: the quartiles lie within {100 * UNSTEADY:.0f} % of each median."
    return (
        f"Not to be trusted: {'; '.join(names)} (quartiles more than {100 * UNSTEADY:.0f} % of the median apart).\n"
        "Close other programs and run the cell again."
    )


@dataclass(frozen=True)
class Noise:
    """Whether the machine was busy with something else.

    Attributes:
        share: of the processor time that this process could use and asked for, how much it got.
        timing: of the work that asked.
    """

    share: float
    timing: Timing

    @property
    def quiet(self) -> bool:
        """Whether figures measured at this moment are worth something."""
        return self.share >= WHOLE and self.timing.spread <= UNSTEADY

    def __str__(self) -> str:
        share, spread = 100 * min(1, self.share), 100 * self.timing.spread
        got = f"this process got {share:.0f} % of the processor, quartiles {spread:.0f} % apart"
        if self.quiet:
            return f"Quiet: {got}."
        return f"Busy: {got}.\nClose other programs; until this says quiet, trust no time that is measured here."


def noise(seconds: float = 0.5) -> Noise:
    """Keeps all threads of PyTorch busy for a while, and looks how much of the processor they were given.

    Processor time against the clock shows what other programs take even where they take it evenly, so that no run is
    slower than another.
    """
    x = torch.rand(1 << 20)
    torch.sin(x, out=x)  # starts the threads
    cpu, clock = process_time(), perf_counter()
    timing = measure(lambda: torch.sin(x, out=x), seconds=seconds, warm_up=0)
    asked = (perf_counter() - clock) * min(torch.get_num_threads(), os.cpu_count() or 1)
    return Noise((process_time() - cpu) / asked, timing)


def layer_times(model: AlexNet, x: Tensor, *, seconds: float = 0.1) -> dict[str, Timing]:
    """The time of each layer of a network alone, by name, on the values that reach it from ``x`` (N, 3, H, W)."""
    times = {}
    with torch.inference_mode():
        for name, layer in model.named_children():
            times[name] = measure(lambda layer=layer, x=x: layer(x), seconds=seconds, device=x.device)  # type: ignore[misc]
            x = layer(x)
    return times


def matmul_peak(
    dtype: torch.dtype = torch.float32, *, side: int = 2048, device: Device | str = "cpu", seconds: float = 0.5
) -> float:
    """FLOP/s of the fastest run of a product of two square matrices: what the arithmetic of this machine can reach."""
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / _fastest(lambda: a @ b, seconds, device)


def bandwidth(*, megabytes: int = 256, device: Device | str = "cpu", seconds: float = 0.5) -> float:
    """Bytes/s of the fastest copy of a large tensor, read and write counted: what the memory can reach."""
    source = torch.ones(megabytes * 2**18, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _fastest(lambda: target.copy_(source), seconds, device)


def _fastest(call: Callable[[], object], seconds: float, device: Device | str) -> float:
    """A peak is a limit, so the fastest run counts, not the middle one."""
    best = float("inf")

    def timed() -> None:
        nonlocal best
        start = perf_counter()
        call()
        synchronize(device)
        best = min(best, perf_counter() - start)

    measure(timed, seconds=seconds, device=device)
    return best


def machine(device: Device | str = "cpu") -> dict[str, Any]:
    """What the figures belong to: processor, threads, versions."""
    kind = torch.device(device).type
    return {
        "device": torch.cuda.get_device_name(device) if kind == "cuda" else kind,
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bf16_hardware": bf16_hardware(device),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "alexnet_edu": _version("alexnet-edu"),
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def committed_results() -> dict[str, dict[str, Any]]:
    """The measured runs that the package carries, by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RUNS.glob("*.json"))}
