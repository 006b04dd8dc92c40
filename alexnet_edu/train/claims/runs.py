"""What the lab has measured, a line of JSON a run, and what it measures next."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from alexnet_edu.errors import AlexNetError
from alexnet_edu.train.claims.arms import ARMS, TASKS

__all__ = [
    "COMMITTED",
    "JUDGE",
    "Run",
    "Trial",
    "best_rate",
    "best_rates",
    "committed_runs",
    "measured",
    "missing",
    "pooled",
    "read_runs",
]

COMMITTED = Path(__file__).parents[2] / "assets" / "claims_lab"
JUDGE = 0  # the seed that rates are chosen with; it is never among those that are measured


@dataclass(frozen=True)
class Trial:
    """A training to do."""

    task: str
    arm: str
    rate: float
    seed: int


@dataclass(frozen=True)
class Run(Trial):
    """A training that was done. Errors are shares, 0 to 1.

    Attributes:
        curve: the training error of each epoch, with random views and dropout.
        select: the error on the pictures that select, by which a rate is chosen.
        trained: the error on the pictures that it was trained on, as they are and without dropout.
        test: the error on the test pictures; None where a rate was chosen.
        seconds: how long it took, other runs beside it.
        machine: device and version of PyTorch.
    """

    curve: list[float]
    select: float
    trained: float
    test: float | None = None
    seconds: float = 0.0
    machine: str = ""

    @property
    def trial(self) -> Trial:
        """What was to do."""
        return Trial(self.task, self.arm, self.rate, self.seed)

    def line(self) -> str:
        """A line of JSON."""
        return json.dumps(asdict(self))


def read_runs(*places: Path) -> list[Run]:
    """The runs in files, or in all ``*.jsonl`` of folders; of two runs of one trial, the first.

    Raises:
        AlexNetError: a line is no run; the sentence says which.
    """
    paths = [path for place in places for path in (sorted(place.glob("*.jsonl")) if place.is_dir() else [place])]
    lines = (
        (line, f"{path}, line {number}")
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    )
    return pooled(_parsed(line, where) for line, where in lines)


def pooled(runs: Iterable[Run]) -> list[Run]:
    """Runs from several places; of two runs of one trial, the first."""
    found: dict[Trial, Run] = {}
    for run in runs:
        found.setdefault(run.trial, run)
    return list(found.values())


def _parsed(line: str, where: str) -> Run:
    try:
        values: dict[str, Any] = json.loads(line)
        run = Run(**values)
    except (ValueError, TypeError) as error:
        raise AlexNetError(f"{where} is no run of the lab ({error}); each line must have {_names()}.") from None
    if run.task not in TASKS or run.arm not in ARMS:
        raise AlexNetError(f"{where}: there is no arm {run.arm!r} of {run.task!r} in this version of the lab.")
    if len(run.curve) != TASKS[run.task].epochs:
        raise AlexNetError(
            f"{where} has {len(run.curve)} epochs, not {TASKS[run.task].epochs}: another budget can't be pooled."
        )
    return run


def _names() -> str:
    return ", ".join(field.name for field in fields(Run))


def committed_runs() -> list[Run]:
    """The runs that the package carries."""
    return read_runs(*sorted(COMMITTED.glob("*.jsonl")))


def best_rate(runs: Iterable[Run], task: str, arm: str) -> float | None:
    """The rate with the smallest error on the pictures that select; None until the whole grid was tried."""
    tried = {run.rate: run.select for run in runs if (run.task, run.arm, run.seed) == (task, arm, JUDGE)}
    if not set(TASKS[task].rates) <= tried.keys():
        return None
    return min(sorted(TASKS[task].rates), key=tried.__getitem__)


def best_rates(runs: Collection[Run]) -> dict[tuple[str, str], float]:
    """The chosen rate of each (task, arm) whose grid is complete."""
    pairs = dict.fromkeys((run.task, run.arm) for run in runs)
    found = {pair: best_rate(runs, *pair) for pair in pairs}
    return {pair: rate for pair, rate in found.items() if rate is not None}


def measured(runs: Collection[Run]) -> list[Run]:
    """The runs that count: measured on the test pictures, each arm at its own best rate."""
    rates = best_rates(runs)
    return [run for run in runs if run.seed != JUDGE and rates.get((run.task, run.arm)) == run.rate]


def missing(runs: Collection[Run], tasks: Sequence[str], arms: Sequence[str], seeds: Iterable[int]) -> Iterator[Trial]:
    """What to train next, in an order that can be stopped anywhere: first all rates, then seed after seed of all arms.

    Arms whose grid is not complete yet wait: ask again when more runs are there.
    """
    done = {run.trial for run in runs}
    grid = (Trial(task, arm, rate, JUDGE) for arm in arms for task in tasks for rate in TASKS[task].rates)
    yield from (trial for trial in grid if trial not in done)
    rates = best_rates(runs)
    pairs = [(task, arm) for arm in arms for task in tasks if (task, arm) in rates]
    for seed in seeds:
        for task, arm in pairs:
            trial = Trial(task, arm, rates[task, arm], seed)
            if trial not in done:
                yield trial
