"""Work in threads: results in order, bounded memory, and an error in the place of the item that caused it.

Does not import torch.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from alexnet_edu.errors import AlexNetError, check_whole

__all__ = ["WORKERS", "attempt", "in_batches", "in_threads", "prepared", "unwrap"]

WORKERS = min(8, os.cpu_count() or 1)

Item = TypeVar("Item")
T = TypeVar("T")


def prepared(
    items: Iterable[Item], prepare: Callable[[Item], T], batch_size: int
) -> Iterator[list[tuple[Item, T | AlexNetError]]]:
    """Batches of items with what ``prepare`` makes of them, made in threads while the caller works on the last batch.

    An ``AlexNetError`` takes the place of the result of its item. At most two batches are held.

    Raises:
        AlexNetError: ``batch_size`` is less than 1.
    """
    results = in_threads(lambda item: (item, attempt(prepare, item)), items, WORKERS, 2 * batch_size)
    return in_batches(results, batch_size)


def in_batches(items: Iterable[Item], batch_size: int) -> Iterator[list[Item]]:
    """Lists of ``batch_size`` items; the last one may be shorter.

    Raises:
        AlexNetError: ``batch_size`` is less than 1.
    """
    check_whole("batch_size", batch_size)
    if batch_size < 1:
        raise AlexNetError(f"batch_size must be at least 1, not {batch_size}.")
    todo = iter(items)
    return iter(lambda: list(islice(todo, batch_size)), [])


def in_threads(
    work: Callable[[Item], T],
    items: Iterable[Item],
    threads: int,
    ahead: int,
    begin: Callable[[], object] | None = None,
) -> Iterator[T]:
    """Yields ``work(item)`` for each item, in order.

    Args:
        work: called in one of the threads.
        items: may have no end.
        threads: how many.
        ahead: how many items may be in work, or done and not yet taken.
        begin: called once by each thread before its first item.
    """
    pool = ThreadPoolExecutor(threads, initializer=begin)
    waiting: deque[Future[T]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def attempt(work: Callable[[Item], T], item: Item) -> T | AlexNetError:
    """``work(item)``, or the ``AlexNetError`` that it raises.

    The error comes without the frames it went through: they hold the file and its pixels, and a reference cycle would
    keep these until Python next looks for cycles, which it does by the number of objects and not by their size.
    """
    try:
        return work(item)
    except AlexNetError as error:
        _forget(error)
        return error


def _forget(error: BaseException | None) -> None:
    """Takes the frames from an error and from those that led to it: in a chain, each may hold the frames of another."""
    while error is not None:
        before = error.__cause__ or error.__context__
        error.__cause__ = error.__context__ = error.__traceback__ = None
        error = before


def unwrap(result: T | AlexNetError) -> T:
    """The result of ``attempt``, for those who cannot go on without it: an error is raised."""
    if isinstance(result, AlexNetError):
        raise result
    return result
