"""What both notebooks 03 build from scratch is what the package has, and folded solutions pass their checks.

All of it is taken from the notebooks themselves.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import replace
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
from alexnet_edu.geometry import layer_table
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


def test_shapes_beside_the_listing_of_notebook_02_are_so() -> None:
    listing = next(cell.source for cell in read(NOTEBOOKS / "02_architecture.ipynb").cells if cell.id == "cell-02")
    names: dict[str, Any] = {}
    exec(listing, names)
    lines = [line for line in listing.splitlines() if line.startswith("    nn.")]
    x = torch.zeros(1, 3, 224, 224)
    for line, layer in zip(lines, names["alexnet"], strict=True):
        before, x = x.shape, layer(x)
        said = re.search(r"# \(N, (.*)\)$", line)
        assert bool(said) == (x.shape != before), line
        assert not said or said[1] == ", ".join(map(str, x.shape[1:])), line


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
    notebook["he_initialisation"](packaged)
    mine = notebook["TwoTowers"]((24, 64, 96, 96, 64), 1024, 1000).eval()
    mine.load_state_dict(packaged.state_dict())
    pictures = 50 * torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        theirs, ours = packaged(pictures), mine(pictures)
    assert notebook["difference"](ours, theirs) < 1e-4


def test_normalisation_without_a_loop_is_the_one_with(notebook: dict[str, Any]) -> None:
    x = 200 * torch.randn(2, 12, 5, 5)
    assert_close(notebook["lrn"](x), notebook["local_response_norm"](x))


def test_it_learns_as_the_packaged_network_does(notebook: dict[str, Any]) -> None:
    """Gradients of every weight, in training mode: dropout draws the same units from the same seed."""
    spec = replace(scaled(get_spec("paper"), 0.125), input_size=99).with_classes(9)
    packaged, mine = AlexNet(spec), notebook["TwoTowers"]((12, 32, 48, 48, 32), 512, 9, 2)
    packaged.load_state_dict(mine.state_dict())
    batch = 50 * torch.randn(4, 3, 99, 99, dtype=torch.float64), torch.arange(4)
    theirs, ours = (notebook["gradients"](network, *batch) for network in (packaged, mine))
    assert len(ours) == 8 and all(gradient.abs().max() > 0 for gradient in ours)
    for a, b in zip(ours, theirs, strict=True):
        assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def taken_along(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that the last cells of the second part write, out of the cells as they are stored."""
    cells = [cell.source for cell in code_of(BOTH[1])]
    names: dict[str, Any] = {"re": re}
    exec(next(cell for cell in cells if "def one_file" in cell), names)
    path = tmp_path_factory.mktemp("taken") / "my_alexnet.py"
    path.write_text(names["one_file"](["1 + 1", *cells]), encoding="utf-8")
    return path


def test_the_file_that_is_taken_along_needs_pytorch_alone_and_learns(taken_along: Path) -> None:
    tree = ast.parse(taken_along.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert {name.partition(".")[0] for node in imports for name in imported(node)} == {"torch"}
    command = [sys.executable, "-I", taken_along.name]
    done = subprocess.run(command, cwd=taken_along.parent, capture_output=True, text=True, check=True)
    losses = [float(line.rpartition(" ")[2]) for line in done.stdout.splitlines()]
    assert len(losses) == 20 and min(losses[-5:]) < losses[0] - 0.3, done.stdout


def imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]


def test_the_class_that_is_taken_along_is_the_papers_and_starts_ready_to_learn(taken_along: Path) -> None:
    names: dict[str, Any] = {"__name__": "my_alexnet"}
    exec(taken_along.read_text(encoding="utf-8"), names)
    with torch.device("meta"):
        whole = names["TwoTowers"]()
    assert sum(p.numel() for p in whole.parameters()) == layer_table(get_spec("paper")).total_parameters
    network = names["TwoTowers"]((12, 32, 48, 48, 32), 512, 9, 2)
    F.cross_entropy(network(torch.randn(4, 3, 99, 99)), torch.arange(4)).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


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
    names = initialisation.names_of(initialisation.measured_cells())
    assert names["initialise_and_train"].__code__.co_varnames[:3] == ("look", "std", "seed")
    losses = names["by_heart"](0.5, seed=0, epochs=1)
    assert {side: len(values) for side, values in losses.items()} == {"training": 1, "validation": 1}
    run = initialisation.from_he(names, seed=0, epochs=1)
    assert {part: len(values) for part, values in run.items()} == {"loss": 1, "training": 1, "validation": 1}
    (first, *_), edge = next(iter(initialisation.centres(names)(names["train_x"], names["train_y"]))), 8
    assert first.shape == (32, 3, names["VIEW"], names["VIEW"]) and (names["SIDE"] - names["VIEW"]) // 2 == edge
