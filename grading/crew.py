"""Several submissions at a time, each core one: a worker process that ends, ends one submission only."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from queue import SimpleQueue
from typing import Any

import psutil

from grading.run import adopt, end

Job = tuple[str, tuple[Any, ...]]  # whose, and the arguments


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start() -> None:
    """What a worker does first."""
    adopt()
    try:
        import torch

        torch.set_num_threads(1)  # each core has a worker
    except ImportError:
        pass


def worker() -> ProcessPoolExecutor:
    """One process that waits for jobs."""
    return ProcessPoolExecutor(1, get_context("spawn"), start)


def run_all(work: Callable[..., Any], jobs: Iterable[Job], workers: int) -> Iterator[tuple[str, Any]]:
    """Yields what ``work`` returned for each job, or the exception that ended it, as they are done.

    Args:
        work: a function of a module.
        jobs: at most twice as many as workers are taken at a time.
        workers: processes.
    """
    adopt()
    idle: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
    for _ in range(workers):
        idle.put(worker())

    def one(arguments: tuple[Any, ...]) -> Any:
        mine = idle.get()
        try:
            return mine.submit(work, *arguments).result()
        except BrokenProcessPool:  # the submission ended the worker: the next one gets another
            mine.shutdown(wait=False)
            end_orphans()
            mine = worker()
            return RuntimeError("the grader's process ended while it ran")
        except Exception as problem:
            return problem
        finally:
            idle.put(mine)

    try:
        with ThreadPoolExecutor(workers) as threads:
            yield from gathered(threads, one, iter(jobs), 2 * workers)
    finally:
        while not idle.empty():
            idle.get().shutdown(wait=False, cancel_futures=True)


def gathered(
    threads: ThreadPoolExecutor, one: Callable[..., Any], jobs: Iterator[Job], most: int
) -> Iterator[tuple[str, Any]]:
    """Yields results as they are done, while ``most`` jobs are waiting or at work."""
    waiting: dict[Future[Any], str] = {}
    for whose, arguments in jobs:
        waiting[threads.submit(one, arguments)] = whose
        while len(waiting) >= most:
            yield from taken(waiting)
    while waiting:
        yield from taken(waiting)


def taken(waiting: dict[Future[Any], str]) -> Iterator[tuple[str, Any]]:
    """Waits for at least one job and takes those that are done."""
    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
        yield waiting.pop(future), future.result()


def end_orphans() -> None:
    """Ends what a worker that is no more has left: kernels have sessions of their own, workers share this one."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, OSError):
            if os.getsid(child.pid) != os.getsid(0):
                end(child)
