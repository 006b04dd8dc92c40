"""What both notebooks 03 build from scratch is what the package has, and folded solutions pass their checks.

All of it is taken from the notebooks themselves.
"""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from notebook_files import NOTEBOOKS, read
from torch import nn
from torch.testing import assert_close

from alexnet_edu import layers
from alexnet_edu.models import AlexNet
from alexnet_edu.specs import scaled
from alexnet_edu.train.optim import Sgd2012
from alexnet_edu.train.transforms import PCANoise
from alexnet_edu.variants import get_spec
from experiments import initialisation

BOTH = (NOTEBOOKS / "03_from_scratch.ipynb", NOTEBOOKS / "03b_network_and_training.ipynb")


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    """Imports, functions and classes of both notebooks, without running anything else."""
    names: dict[str, Any] = {}
    for tree in (ast.parse(cell.source) for path in BOTH for cell in code_of(path)):
        kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
        tree.body = [node for node in tree.body if isinstance(node, kinds)]
        exec(compile(tree, "03_from_scratch.ipynb", "exec"), names)
    return names


def code_of(path: Path) -> list[Any]:
    """A notebook's own code cells."""
    cells = read(path).cells
    return [cell for cell in cells if cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", [])]


def definitions(path: Path) -> dict[str, str]:
    """The functions and classes of a notebook, as they are written there."""
    trees = [ast.parse(cell.source) for cell in code_of(path)]
    found = [node for tree in trees for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    return {node.name: ast.unparse(node) for node in found}


def test_the_second_part_has_the_layers_of_the_first() -> None:
    layers, network = map(definitions, BOTH)
    shared = layers.keys() & network.keys()
    assert {"conv2d", "max_pool", "dropout_2012"} <= shared
    assert {name: layers[name] for name in shared} == {name: network[name] for name in shared}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_convolution_by_loops(notebook: dict[str, Any]) -> None:
    x, weight, bias = torch.randn(2, 3, 9, 8), torch.randn(4, 3, 3, 3), torch.randn(4)
    assert_close(notebook["conv2d_loops"](x, weight, bias, stride=2), F.conv2d(x, weight, bias, stride=2))


@pytest.mark.parametrize("settings", [{}, {"stride": 4}, {"padding": 2}, {"stride": 2, "padding": 1, "groups": 2}])
def test_convolution_by_unfold(notebook: dict[str, Any], settings: dict[str, int]) -> None:
    x, bias = torch.randn(2, 6, 23, 17), torch.randn(4)
    weight = torch.randn(4, 6 // settings.get("groups", 1), 5, 5)
    want = F.conv2d(x, weight, bias, **settings)
    assert_close(notebook["conv2d"](x, weight, bias, **settings), want, atol=1e-4, rtol=1e-4)


def test_normalisation_is_the_specs(notebook: dict[str, Any]) -> None:
    norm: Any = get_spec("paper")["lrn1"]
    packaged = layers.LocalResponseNorm(norm.size, norm.alpha, norm.beta, norm.k, norm.groups)
    x = 200 * torch.randn(2, 96, 5, 5)
    assert_close(torch.cat([notebook["local_response_norm"](tower) for tower in x.chunk(2, 1)], 1), packaged(x))


def test_pooling(notebook: dict[str, Any]) -> None:
    pool: Any = get_spec("paper")["pool1"]
    x = torch.randn(2, 3, 27, 13)
    assert torch.equal(notebook["max_pool"](x), nn.MaxPool2d(pool.kernel_size, pool.stride)(x))


def test_dropout(notebook: dict[str, Any]) -> None:
    x, packaged = torch.rand(10_000) + 1, layers.Dropout2012(0.3)
    assert torch.equal(notebook["dropout_2012"](x, 0.3, False), packaged.eval()(x))
    for dropped in (notebook["dropout_2012"](x, 0.3, True), packaged.train()(x)):
        kept = dropped != 0
        assert torch.equal(dropped[kept], x[kept])
        assert abs(kept.float().mean() - 0.7) < 0.03


def test_the_whole_network_at_a_quarter_of_its_width(notebook: dict[str, Any]) -> None:
    spec = scaled(get_spec("paper"), 0.25)
    packaged = AlexNet(spec).eval()
    notebook["he_start"](packaged)
    mine = notebook["TwoTowers"]((24, 64, 96, 96, 64), 1024, 1000).eval()
    mine.load_state_dict(packaged.state_dict())
    pictures = 50 * torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        theirs, ours = packaged(pictures), mine(pictures)
    assert notebook["difference"](ours, theirs) < 1e-4


def test_colour_noise_is_the_training_packages(notebook: dict[str, Any]) -> None:
    deviations, directions = torch.tensor([120.0, 40.0, 20.0]), torch.linalg.qr(torch.randn(3, 3)).Q
    picture = 255 * torch.rand(3, 6, 6)
    noise = PCANoise(deviations, directions, std=0.1, divide=False)
    torch.manual_seed(3)
    want = noise(picture)
    torch.manual_seed(3)
    got = notebook["pca_noise"](picture, deviations, directions, 0.1 * torch.randn(3))
    assert_close(got, want)


def test_the_update_in_the_solution_is_the_training_packages() -> None:
    """The solution of the exercise, typed from the notebook's own text."""
    prose = "\n".join(cell.source for cell in read(BOTH[1]).cells)
    _, _, rest = prose.partition("```python\ndef update_2012")
    names: dict[str, Any] = {}
    exec("def update_2012" + rest.partition("```")[0], names)
    weight = nn.Parameter(torch.randn(5))
    optimiser = Sgd2012([weight], lr=0.1, momentum=0.9, weight_decay=0.0005)
    mine, velocity = weight.detach().clone(), torch.zeros(5)
    for _ in range(3):
        weight.grad = torch.randn(5)
        mine, velocity = names["update_2012"](mine, velocity, weight.grad, 0.1)
        optimiser.step()
    assert_close(mine, weight.detach())


@pytest.mark.parametrize("name", ["03_from_scratch", "03b_network_and_training", "07_benchmarks"])
def test_folded_solutions_pass_their_checks(name: str) -> None:
    prose = "\n".join(cell.source for cell in read(NOTEBOOKS / f"{name}.ipynb").cells if cell.cell_type == "markdown")
    checks = import_module(f"alexnet_edu.check.nb{name[:2]}")
    solutions = re.findall(r"```python\n(def (\w+)\(.*?)```", prose, flags=re.DOTALL)
    assert solutions
    for source, function in solutions:
        names: dict[str, Any] = {"torch": torch, "F": F}
        exec(source, names)
        result = getattr(checks, function)(names[function])
        assert result, result


def test_what_is_stored_of_starts_is_measured_by_the_notebooks_cells() -> None:
    *cells, grid = initialisation.measured_cells()
    names = initialisation.names_of(cells)
    assert "def start_and_train" in grid.source and "cases = " in grid.source
    run = initialisation.from_he(names, seed=0, epochs=1)
    assert {part: len(values) for part, values in run.items()} == {"loss": 1, "training": 1, "validation": 1}
    (first, *_), edge = next(iter(initialisation.centres(names)(names["train_x"], names["train_y"]))), 8
    assert first.shape == (32, 3, names["VIEW"], names["VIEW"]) and (names["SIDE"] - names["VIEW"]) // 2 == edge
