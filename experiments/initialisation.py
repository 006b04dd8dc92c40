"""What notebook 03b says of initialisation, of its exercise 4 and of dropout, measured with two to four seeds.

``python -m experiments.initialisation`` runs the notebook's own cells that are tagged ``measured``, so that what is
stored was measured by what is shown, and writes ``alexnet_edu/assets/initialisation.json``. A few minutes on a CPU.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import nbformat
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "03b_network_and_training.ipynb"
RESULT = ROOT / "alexnet_edu" / "assets" / "initialisation.json"

Names = dict[str, Any]  # what the notebook's cells define
Run = dict[str, Any]


def measured_cells() -> list[Any]:
    """The notebook's cells that are tagged, in order: what is defined, and the data."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    return [cell for cell in cells if "measured" in cell.metadata.get("tags", [])]


def names_of(cells: list[Any]) -> Names:
    """Everything that cells define, run in order."""
    names: Names = {}
    for cell in cells:
        exec(compile(cell.source, cell.id, "exec"), names)
    return names


def case(name: str, runs: list[Run]) -> Run:
    """The runs of one case in a line: the mean share of the picture, and how each run ended."""
    ends = {f"{part}_error": [round(run[part][-1], 3) for run in runs] for part in ("training", "validation")}
    return {"name": name, "share": sum(run["share"] for run in runs) / len(runs), **ends}


def two_by_two(names: Names, seeds: range) -> Iterator[Run]:
    """Normalised or raw, 0.01 or 0.03; then raw and 0.03 with the std of 2012 whatever the width."""
    for look, std in product(names["scales"], (0.01, 0.03)):
        runs = [names["initialise_and_train"](look, std, seed) for seed in seeds]
        yield case(f"{look}, std {std}", runs)
    network = names["AlexNet"](names["spec"])
    corrected = names["inputs_2012"]
    names["inputs_2012"] = {name: p[0].numel() for name, p in network.named_parameters()}
    yield case("raw, std 0.03, not widened", [names["initialise_and_train"]("raw", 0.03, seed) for seed in seeds])
    names["inputs_2012"] = corrected


def from_he(names: Names, seed: int, **settings: Any) -> Run:
    """One training with He initialisation on normalised inputs, as the exercise asks for it."""
    torch.manual_seed(seed)
    model = names["AlexNet"](names["spec"])
    names["he_initialisation"](model)
    run: Run = names["train"](model, names["scales"]["normalised"], **settings)
    return run


def centres(names: Names) -> Any:
    """The notebook's ``batches`` without mirror images and random crops."""
    edge, view = (names["SIDE"] - names["VIEW"]) // 2, names["VIEW"]

    def batches(x: Tensor, y: Tensor, size: int = 32) -> Iterator[tuple[Tensor, Tensor]]:
        for picked in torch.randperm(len(x)).split(size):  # type: ignore[no-untyped-call]
            yield x[picked, :, edge : edge + view, edge : edge + view], y[picked]

    return batches


def rate_and_views(names: Names) -> dict[str, list[Run]]:
    """Ten times the rate with four seeds; with and without random crops with three."""
    found = {
        "ten times the rate": [from_he(names, seed, epochs=6, rate=0.05) for seed in range(4)],
        "random views": [from_he(names, seed) for seed in range(3)],
    }
    names["batches"] = centres(names)
    found["the centre alone"] = [from_he(names, seed) for seed in range(3)]
    return found


def by_heart(names: Names, seeds: range) -> dict[str, Run]:
    """The last losses of training with the centres alone, without dropout and with it, in pairs of one seed."""
    runs = {f"p = {p:g}": [names["by_heart"](p, seed) for seed in seeds] for p in (0.0, 0.5)}
    sides = ("training", "validation")
    return {p: {side: [round(run[side][-1], 2) for run in of_p] for side in sides} for p, of_p in runs.items()}


def rounded(value: Any) -> Any:
    """Numbers at any depth, to three decimals: more would be noise."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list) else round(value, 3)


def main() -> None:
    """Measures and writes."""
    names = names_of(measured_cells())
    cases = list(two_by_two(names, range(3)))
    result = {"command": "python -m experiments.initialisation", "epochs": 16, "cases": cases}
    result["by heart"] = by_heart(names, range(2))
    result["rate and views"] = rounded(rate_and_views(names))
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for line in cases:
        print(line)


if __name__ == "__main__":
    main()
