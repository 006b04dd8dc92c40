"""The table of the lab: made from made-up runs with known effects, and from the committed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alexnet_edu.errors import AlexNetError
from alexnet_edu.intervals import holm
from alexnet_edu.train.claims.arms import ARMS, BASE, TASKS
from alexnet_edu.train.claims.runs import JUDGE, Run, best_rates, committed_runs, measured
from alexnet_edu.train.claims.verdicts import CLAIMS, OUTCOMES, WANTED, brief, differences, findings, sentence, table

LRN = next(claim for claim in CLAIMS if claim.name == "LRN")


def made_up(effects: dict[str, float], seeds: Iterable[int], scatter: float = 0.0, task: str = "cifar10") -> list[Run]:
    """Runs of the base and of arms whose errors are ``effects`` points higher, each at the second of the rates."""
    generator, rates, epochs = np.random.default_rng(0), TASKS[task].rates, TASKS[task].epochs
    runs = []
    for arm, effect in {BASE: 0.0, **effects}.items():
        runs += [Run(task, arm, rate, JUDGE, [0.5] * epochs, abs(rate - rates[1]), 0.4) for rate in rates]
        for seed in seeds:
            error = 0.4 + 0.01 * seed + (effect + scatter * generator.standard_normal()) / 100
            runs.append(Run(task, arm, rates[1], seed, [error] * epochs, 0.4, 0.3, test=error))
    return runs


def test_differences_are_paired_by_seed_and_in_points() -> None:
    runs = made_up({"no LRN": 1.5}, range(1, 5))
    assert differences(runs, LRN, "cifar10") == pytest.approx(dict.fromkeys(range(1, 5), 1.5))
    alone = [run for run in runs if (run.arm, run.seed) != (BASE, 3)]
    assert sorted(differences(alone, LRN, "cifar10")) == [1, 2, 4]


def test_runs_at_a_rate_that_was_not_chosen_do_not_count() -> None:
    runs = made_up({"no LRN": 1.5}, range(1, 5))
    wrong = Run("cifar10", "no LRN", TASKS["cifar10"].rates[0], 5, [0.1] * 8, 0.1, 0.1, test=0.1)
    assert differences([*runs, wrong], LRN, "cifar10") == differences(runs, LRN, "cifar10")


def test_verdicts_of_known_effects() -> None:
    arms = {"no LRN": 2.0, "plain pooling": -2.0, "no colour noise": 0.0, "no crops": 3.0, "batch norm for LRN": -3.0}
    rows = findings(made_up(arms, range(1, 13), scatter=0.3))
    assert {row.claim.name: row.verdict for row in rows} == {
        "LRN": "agrees", "overlapping pools": "contradicts", "colour noise": "undecided", "crops": "helps",
        "LRN, not batch norm": "harms",
    }  # fmt: skip
    assert [row.p for row in rows] == pytest.approx(holm([row.effect.p for row in rows]))


def test_more_seeds_narrow_a_row() -> None:
    few, many = (findings(made_up({"no LRN": 0.5}, range(1, n), scatter=1.0))[0] for n in (6, 40))
    assert many.effect.high - many.effect.low < few.effect.high - few.effect.low and many.visible < few.visible


def test_outcomes_by_hand() -> None:
    run = Run("cifar10", BASE, 0.01, 1, [0.8, 0.6, 0.5, 0.5, 0.4, 0.4, 0.4, 0.4], 0.5, 0.3, test=0.45)
    found = {name: outcome(run) for name, (outcome, _) in OUTCOMES.items()}
    assert found == pytest.approx({"error": 0.45, "gap": 0.15, "learning": 0.5, "early": 0.7})


def test_each_claim_names_an_arm_an_outcome_and_a_figure_of_the_paper() -> None:
    for claim in CLAIMS:
        assert claim.arm in ARMS and claim.outcome in OUTCOMES
        assert claim.points is None or claim.points > 0
    assert {arm for arm in ARMS if arm != BASE} == {claim.arm for claim in CLAIMS}


def test_a_sentence_says_effect_interval_and_verdict() -> None:
    text = sentence("LRN", made_up({"no LRN": 2.0}, range(1, 13), scatter=0.3))
    assert text.startswith("LRN, CIFAR-10, 10,000 pictures: agrees. Without it test error +")
    assert "12 seeds (the paper: +1.4 from one network each)." in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 88
    with pytest.raises(AlexNetError, match="no claim 'GELU'; choose one of ReLU; two towers"):
        sentence("GELU")


def test_a_brief_table_has_a_row_for_each_choice_and_data_set_in_the_order_asked_for() -> None:
    runs = made_up({"no LRN": 2.0, "no dropout": 0.0}, range(1, 13), scatter=0.3)
    found = brief(["dropout", "LRN"], runs)
    assert [row[0] for row in found.rows] == ["dropout", "LRN"] and found.rows[1][-1] == "agrees"
    assert [row[1] for row in brief(["LRN"]).rows] == list(WANTED)
    with pytest.raises(AlexNetError, match="no claim 'GELU'"):
        brief(["LRN", "GELU"])


def test_the_table_says_what_could_have_been_seen_before_what_was() -> None:
    found = table(findings(made_up({"no LRN": 2.0}, range(1, 13), scatter=0.3)))
    assert list(found.header).index("visible") < list(found.header).index("here")
    assert found.rows[0][1] == "LRN" and found.rows[0][-1] == "agrees"


def test_a_rate_at_the_edge_of_its_grid_is_marked() -> None:
    runs = made_up({"no LRN": 2.0}, range(1, 13), scatter=0.3)
    (inside,) = findings(runs)
    assert not inside.at_edge
    last = max(TASKS["cifar10"].rates)

    def at_last(run: Run) -> Run:
        """Without LRN, the last rate is the best one and the one that was measured."""
        if run.arm != "no LRN":
            return run
        return replace(run, select=abs(run.rate - last)) if run.seed == JUDGE else replace(run, rate=last)

    moved = [at_last(run) for run in runs]
    (edge,) = findings(moved)
    assert (
        edge.at_edge
        and str(table([edge]).rows[0][-1]) == "agrees*"
        and "last that was tried" in " ".join(sentence("LRN", moved).split())
    )


COMMITTED_RUNS = committed_runs()


def test_committed_runs_are_complete_pairs_at_rates_chosen_from_whole_grids() -> None:
    rates = best_rates(COMMITTED_RUNS)
    assert rates.keys() == {(task, arm) for task in TASKS for arm in ARMS}
    assert len(measured(COMMITTED_RUNS)) == sum(run.seed != JUDGE for run in COMMITTED_RUNS)
    for task in WANTED:
        for claim in CLAIMS:
            assert len(differences(COMMITTED_RUNS, claim, task)) >= 8
    assert all(
        0 <= error <= 1 for run in COMMITTED_RUNS for error in (*run.curve, run.select, run.trained, run.test or 0)
    )
    assert all(run.machine for run in COMMITTED_RUNS)


def test_the_table_of_the_committed_runs_by_another_way() -> None:
    """Every interval and every corrected p value again, with arrays and from the lines of the files."""
    limit = {9: 2.262, 10: 2.228}
    raised = []
    for row in findings(COMMITTED_RUNS):
        arms = []
        for arm in (row.claim.arm, BASE):
            own = {
                run.seed: run for run in COMMITTED_RUNS if (run.task, run.arm) == (row.task, arm) and run.seed != JUDGE
            }
            arms.append(own)
        seeds = sorted(arms[0].keys() & arms[1].keys())
        outcomes: dict[str, Callable[[Run], Any]] = {
            "error": lambda run: run.test,
            "gap": lambda run: (run.test or 0) - run.trained,
            "learning": lambda run: np.mean(run.curve),
            "early": lambda run: np.mean(run.curve[: len(run.curve) // 4]),
        }
        outcome = outcomes[row.claim.outcome]
        values = 100 * np.array([outcome(arms[0][seed]) - outcome(arms[1][seed]) for seed in seeds])
        half = limit[len(values) - 1] * values.std(ddof=1) / len(values) ** 0.5
        assert (row.effect.low, row.effect.high) == pytest.approx(
            (values.mean() - half, values.mean() + half), abs=0.01
        )
        raised.append(row.effect.p)
    ranked = np.maximum.accumulate(np.sort(raised) * (len(raised) - np.arange(len(raised)))).clip(max=1)
    assert sorted(row.p for row in findings(COMMITTED_RUNS)) == pytest.approx(sorted(ranked))
    print(table(findings(COMMITTED_RUNS)))


def test_at_least_seven_claims_of_the_paper_have_intervals_on_both_data_sets() -> None:
    for task in WANTED:
        assert sum(bool(row.claim.says) for row in findings(COMMITTED_RUNS) if row.task == task) >= 7
    for claim in CLAIMS:
        found = sentence(claim.name)
        assert found.count(f"{claim.name}, ") == len(WANTED) == found.count("Without it")
