"""What the runs say of the paper's claims: paired differences with intervals, and a verdict for each."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from statistics import fmean

from alexnet_edu.errors import AlexNetError
from alexnet_edu.intervals import Estimate, estimate, holm, smallest_effect
from alexnet_edu.tables import Table
from alexnet_edu.train.claims.arms import BASE, TASKS
from alexnet_edu.train.claims.runs import Run, best_rates, committed_runs, measured

__all__ = ["CLAIMS", "LEVEL", "OUTCOMES", "Claim", "Finding", "brief", "differences", "findings", "sentence", "table"]

LEVEL = 0.05
WIDTH = 88  # of a printed line, so that it is seen without scrolling
FEWEST = 3  # seeds from which a row of the table is made
WANTED = ("cifar10", "caltech101")  # the family of the table; the squares are for trying


def _early(run: Run) -> float:
    return fmean(run.curve[: max(1, len(run.curve) // 4)])


# What is compared, a share; what it is called.
OUTCOMES: dict[str, tuple[Callable[[Run], float | None], str]] = {
    "error": (lambda run: run.test, "test error"),
    "gap": (lambda run: None if run.test is None else run.test - run.trained, "test minus training error"),
    "learning": (lambda run: fmean(run.curve), "training error, mean of all epochs"),
    "early": (_early, "training error, first quarter"),
}


@dataclass(frozen=True)
class Claim:
    """Something that the paper says of a choice, or that is asked of it today.

    Attributes:
        name: the choice.
        says: the paper's words for it, shortened; empty if the paper claims nothing.
        section: of the paper.
        arm: the network without the choice.
        outcome: what is compared, one of ``OUTCOMES``; larger without the choice if the claim holds.
        figure: of ``claims.json``, the paper's points of error, if it prints any.
    """

    name: str
    says: str
    section: str
    arm: str
    outcome: str
    figure: str = ""

    @property
    def points(self) -> float | None:
        """By how much the paper's error grew without the choice, in points."""
        return float(_figures()[self.figure]["value"]) if self.figure else None


def _figures() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads(
        (files("alexnet_edu") / "assets" / "claims.json").read_text(encoding="utf-8")
    )
    return found


CLAIMS = (
    Claim("ReLU", "learns several times faster than tanh", "3.1", "tanh", "learning"),
    Claim(
        "two towers", "better than one of half the maps", "3.2", "one tower, equal parameters", "error", "ablation-half"
    ),
    Claim("LRN", "lowers the error", "3.3", "no LRN", "error", "ablation-lrn"),
    Claim("overlapping pools", "lower the error", "3.4", "plain pooling", "error", "ablation-pool"),
    Claim("augmentation", "stops substantial overfitting", "4.1", "no augmentation", "gap"),
    Claim("colour noise", "lowers the error", "4.1", "no colour noise", "error", "pca-noise-top1"),
    Claim("dropout", "stops substantial overfitting", "4.2", "no dropout", "gap"),
    Claim("biases of 1", "speed up the beginning", "5", "biases 0", "early"),
    Claim("crops", "", "4.1", "no crops", "error"),
    Claim("mirror images", "", "4.1", "no mirror images", "error"),
    Claim("dropout, for the error", "", "4.2", "no dropout", "error"),
    Claim("towers kept apart", "", "3.2", "one tower, equal maps", "error"),
    Claim("LRN, not batch norm", "", "3.3", "batch norm for LRN", "error"),
)


@dataclass(frozen=True)
class Finding:
    """A row of the table. Effects are in points: the outcome without the choice minus that with it, in percent.

    Attributes:
        claim: what it is about.
        task: the data set.
        effect: mean difference over seeds, with its interval.
        visible: the smallest effect that so many seeds would show four times in five, within this family.
        p: after Holm's correction for all rows.
        rates: the chosen ones, without the choice and with it.
    """

    claim: Claim
    task: str
    effect: Estimate
    visible: float
    p: float
    rates: tuple[float, float]

    @property
    def at_edge(self) -> bool:
        """Whether either rate is the first or last of its grid, so that a better one may lie outside."""
        grid = TASKS[self.task].rates
        return any(rate in (min(grid), max(grid)) for rate in self.rates)

    @property
    def verdict(self) -> str:
        """Whether the paper is right here; where it claims nothing, whether the choice helps."""
        if not self.p < LEVEL:
            return "undecided"
        words = ("agrees", "contradicts") if self.claim.says else ("helps", "harms")
        return words[self.effect.mean < 0]


def differences(runs: Collection[Run], claim: Claim, task: str) -> dict[int, float]:
    """By seed: the outcome without the choice minus that with it, in points; seeds that both have."""
    outcome, _ = OUTCOMES[claim.outcome]
    values = {
        arm: {run.seed: outcome(run) for run in measured(runs) if (run.task, run.arm) == (task, arm)}
        for arm in (BASE, claim.arm)
    }
    pairs = {seed: (values[claim.arm].get(seed), base) for seed, base in values[BASE].items()}
    return {
        seed: 100 * (without - base)
        for seed, (without, base) in sorted(pairs.items())
        if without is not None and base is not None
    }


def findings(runs: Collection[Run], tasks: Iterable[str] = WANTED, claims: Iterable[Claim] = CLAIMS) -> list[Finding]:
    """The table's rows, those with at least ``FEWEST`` seeds, data set after data set."""
    found = {(claim, task): list(differences(runs, claim, task).values()) for task in tasks for claim in claims}
    effects = {key: estimate(values) for key, values in found.items() if len(values) >= FEWEST}
    raised = holm([effect.p for effect in effects.values()])
    rates = best_rates(runs)
    return [
        Finding(claim, task, effect, _visible(effect, len(effects)), p, (rates[task, claim.arm], rates[task, BASE]))
        for ((claim, task), effect), p in zip(effects.items(), raised, strict=True)
    ]


def _visible(effect: Estimate, family: int) -> float:
    return smallest_effect(effect.deviation, effect.number, level=LEVEL / family)


def table(rows: Iterable[Finding]) -> Table:
    """Claim, what the paper measured, what could be seen here, what was seen, and the verdict."""
    header = [
        "section",
        "choice",
        "without it",
        "paper",
        "data",
        "seeds",
        "visible",
        "here",
        "95 % interval",
        "verdict",
    ]
    caption = "Points of error that leaving a choice out costs. *: a chosen rate is the last that was tried"
    return Table(header, [_line(row) for row in rows], caption, left=5)


def _line(row: Finding) -> list[object]:
    claim, effect = row.claim, row.effect
    return [
        claim.section, claim.name, OUTCOMES[claim.outcome][1],
        "-" if not claim.says else claim.says if claim.points is None else f"+{claim.points:g}, one run each",
        row.task, effect.number, f"{row.visible:.1f}", *_effect_cells(row),
    ]  # fmt: skip


def _effect_cells(row: Finding) -> tuple[str, str, str]:
    """Mean, interval and verdict, with a star where a rate is at the edge of its grid."""
    effect = row.effect
    return f"{effect.mean:+.1f}", f"{effect.low:+.1f} to {effect.high:+.1f}", row.verdict + "*" * row.at_edge


def sentence(name: str, runs: Collection[Run] | None = None) -> str:
    """What the lab found about a choice, for a notebook to cite: a sentence or two a data set, the verdict first.

    Args:
        name: of a claim, such as "LRN".
        runs: the committed ones if None.

    Raises:
        AlexNetError: there is no such claim.

    Example:
        >>> sentence("LRN").splitlines()[0].startswith("LRN, ")
        True
    """
    return "\n".join(_told(row) for row in _found([name], runs))


def brief(names: Sequence[str], runs: Collection[Run] | None = None) -> Table:
    """What the lab found about some choices, as a small table for a notebook to cite: a row a data set.

    Args:
        names: of claims, such as "LRN", in the order of the rows.
        runs: as in ``sentence``.

    Raises:
        AlexNetError: there is no such claim.

    Example:
        >>> brief(["LRN"]).rows[0][:2]
        ('LRN', 'cifar10')
    """
    header = ["choice", "data", "what leaving it out adds to", "points", "95 % interval", "verdict"]
    rows = [
        (row.claim.name, row.task, OUTCOMES[row.claim.outcome][1], *_effect_cells(row))
        for row in sorted(_found(names, runs), key=lambda row: names.index(row.claim.name))
    ]
    caption = (
        "*: a chosen learning rate is the last that was tried. Undecided although the interval leaves out 0: "
        "of many questions, one comes out so by chance"
    )
    return Table(header, rows, caption, left=3)


def _found(names: Sequence[str], runs: Collection[Run] | None) -> list[Finding]:
    for name in names:
        if name not in {claim.name for claim in CLAIMS}:
            known = "; ".join(claim.name for claim in CLAIMS)
            raise AlexNetError(f"The lab has no claim {name!r}; choose one of {known}.")
    return [row for row in findings(committed_runs() if runs is None else runs) if row.claim.name in names]


def _told(row: Finding) -> str:
    effect, claim = row.effect, row.claim
    paper = "" if claim.points is None else f" (the paper: {claim.points:+g} from one network each)"
    edge = "; a chosen rate is the last that was tried" if row.at_edge else ""
    clear_of_0 = effect.low * effect.high > 0
    counted = ", as one of many questions" if row.verdict == "undecided" and clear_of_0 else ""
    said = (
        f"{claim.name}, {TASKS[row.task].title}: {row.verdict}{counted}. Without it {OUTCOMES[claim.outcome][1]} "
        f"{effect.mean:+.1f} points, {effect.low:+.1f} to {effect.high:+.1f}, {effect.number} seeds{paper}{edge}."
    )
    return textwrap.fill(said, WIDTH, subsequent_indent="    ")
