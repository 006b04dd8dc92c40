"""The claims lab: what the paper says of its choices, each arm with many seeds [alexnet_edu.train.claims].

``python -m experiments.claims_lab --cifar10 CIFAR --caltech101 CALTECH --hours 6`` says what six hours are enough for,
does that, and adds a line to a file after each run. Stopped at any moment, the same command goes on where it was. With
neither folder it trains on squares cut from the photos in the package. The committed runs count: others start with
``--first-seed 101``, so that their seeds add to those.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from itertools import islice
from pathlib import Path

import torch

from alexnet_edu.errors import AlexNetError
from alexnet_edu.train.claims.arms import ARMS, TASKS, one_of
from alexnet_edu.train.claims.pictures import material_for
from alexnet_edu.train.claims.runs import JUDGE, Run, Trial, committed_runs, missing, pooled, read_runs
from alexnet_edu.train.claims.trial import Laboratory
from alexnet_edu.train.files import only_writer, write_atomically
from alexnet_edu.train.place import device_for

__all__ = ["conduct", "forecast", "main"]

Ask = Callable[[list[Run]], Iterator[Trial]]  # what is missing beside these runs

# Of a worker process.
_laboratories: dict[str, Laboratory] = {}
_settings: tuple[Path, str, bool | None] | None = None


def _begin(kept: Path, device: str, graphs: bool | None) -> None:
    global _settings
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    _settings = kept, device, graphs


def _laboratory(task: str) -> Laboratory:
    if task not in _laboratories:
        assert _settings is not None
        kept, device, graphs = _settings
        material = material_for(TASKS[task], None, kept / f"{task}.safetensors")
        _laboratories[task] = Laboratory(TASKS[task], material, torch.device(device), graphs=graphs)
    return _laboratories[task]


def _train(trial: Trial) -> Run:
    return _laboratory(trial.task).run(trial)


def _estimate(task: str) -> float:
    return _laboratory(task).seconds_a_run()


def conduct(
    pool: Executor, workers: int, runs: list[Run], ask: Ask, seconds: dict[str, float], until: float,
    keep: Callable[[Run], object], train: Callable[[Trial], Run] = _train,
) -> None:  # fmt: skip
    """Trains what is missing until nothing is, or until another run would end after ``until``.

    Args:
        pool: does the training.
        workers: how many trainings at a time.
        runs: what there is; grows.
        ask: what is missing.
        seconds: about how long a run of each task takes; corrected by what is measured.
        until: a value of ``time.monotonic()``.
        keep: called with each new run.
        train: what the pool does with a trial.
    """
    waiting: dict[Future[Run], Trial] = {}
    taken: dict[str, list[float]] = {task: [] for task in seconds}
    while True:
        for trial in islice((t for t in ask(runs) if t not in waiting.values()), workers - len(waiting)):
            expected = statistics.median(taken[trial.task] or [seconds[trial.task]])
            if time.monotonic() + expected > until:
                break
            waiting[pool.submit(train, trial)] = trial
        if not waiting:
            return
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            run = future.result()
            taken[waiting.pop(future).task].append(run.seconds)
            runs.append(run)
            keep(run)


def forecast(
    runs: list[Run], tasks: Sequence[str], arms: Sequence[str], seeds: range, seconds: dict[str, float], budget: float
) -> str:
    """What ``budget`` seconds of one worker are enough for, in a sentence."""
    done = {run.trial for run in runs}
    grid = [Trial(task, arm, rate, JUDGE) for task in tasks for arm in arms for rate in TASKS[task].rates]
    choosing = sum(seconds[trial.task] for trial in grid if trial not in done)
    each = sum(seconds[task] for task in tasks) * len(arms)
    measured = {(run.task, run.arm, run.seed) for run in runs}
    whole = [s for s in seeds if all((task, arm, s) in measured for task in tasks for arm in arms)]
    more = min(len(seeds) - len(whole), max(0, math.floor((budget - choosing) / each)))
    needed = "choosing the rates takes it all" if budget < choosing else f"about {more} more seeds of every arm"
    times = ", ".join(f"{task} {seconds[task]:.1f} s" for task in tasks)
    return (
        f"A run takes about: {times}. Complete: {len(whole)} seeds of {len(arms)} arms. "
        f"Choosing the rates: {choosing / 60:.1f} minutes of one worker; a seed of every arm: {each / 60:.1f}. "
        f"The time is enough for {budget / 60:.1f}: {needed}."
    )


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The claims lab: the paper's choices, one by one, with many seeds.")
    parser.add_argument("--cifar10", type=Path, help="folder of CIFAR-10")
    parser.add_argument("--caltech101", type=Path, help="folder of Caltech-101")
    parser.add_argument(
        "--out", type=Path, default=Path("claims_lab/runs.jsonl"), help="the runs (default %(default)s)"
    )
    parser.add_argument("--hours", type=float, default=1.0, help="for how long (default %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="trainings at a time (default %(default)s)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default %(default)s)")
    parser.add_argument("--no-graphs", action="store_true", help="on a GPU, train without CUDA graphs")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), help="which arms, each in quotes (default: all)")
    parser.add_argument("--seeds", type=int, default=8, help="measured seeds of each arm (default %(default)s)")
    parser.add_argument("--first-seed", type=int, default=1, help="others than your neighbour's (default %(default)s)")
    args = parser.parse_args(argv)
    if args.first_seed < 1 or args.seeds < 1 or args.workers < 1 or not args.hours > 0:
        raise AlexNetError("--first-seed, --seeds and --workers must be at least 1, and --hours above 0.")
    for name in args.arms:
        one_of(ARMS, name, "arm")
    return args


def main(argv: list[str] | None = None) -> None:
    """The command line: what the time is enough for, then run after run."""
    args = _arguments(argv)
    began = time.monotonic()
    roots = {name: root for name, root in vars(args).items() if name in TASKS and root} or {"squares": None}
    device, folder = device_for(args.device), args.out.parent
    folder.mkdir(parents=True, exist_ok=True)
    with only_writer(folder, [args.out.name]):
        for task, root in roots.items():
            material_for(TASKS[task], root, folder / f"{task}.safetensors")
        print(f"Pictures ready after {time.monotonic() - began:.0f} s.", flush=True)
        own = read_runs(args.out) if args.out.exists() else []
        runs = pooled([*committed_runs(), *own])
        context = multiprocessing.get_context("spawn")
        begin = (folder, str(device), False if args.no_graphs else None)
        with ProcessPoolExecutor(args.workers, context, _begin, begin) as pool:
            _measure(pool, args, list(roots), runs, own, began)


def _measure(
    pool: Executor, args: argparse.Namespace, tasks: list[str], runs: list[Run], own: list[Run], began: float
) -> None:
    seconds = dict(zip(tasks, pool.map(_estimate, tasks), strict=True))
    seeds, until = range(args.first_seed, args.first_seed + args.seeds), began + 3600 * args.hours
    print(forecast(runs, tasks, args.arms, seeds, seconds, (until - time.monotonic()) * args.workers), flush=True)
    told, before = time.monotonic(), len(own)

    def keep(run: Run) -> None:
        nonlocal told
        own.append(run)
        text = "".join(f"{run.line()}\n" for run in own)
        write_atomically(args.out, lambda path: path.write_text(text, encoding="utf-8"))
        if time.monotonic() - told > 10:
            told = time.monotonic()
            print(
                f"{told - began:.0f} s: {len(own) - before} runs, now {run.task}, seed {run.seed}, {run.arm}",
                flush=True,
            )

    conduct(pool, args.workers, runs, lambda runs: missing(runs, tasks, args.arms, seeds), seconds, until, keep)
    print(f"{len(own)} runs in {args.out} after {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    try:
        main()
    except AlexNetError as error:
        raise SystemExit(f"error: {error}") from None
