"""Answers that look right and are not, and ways around the work: judged as in grading, none gets its points."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from notebook_files import read

from grading.course import SOURCE
from grading.repair import grade_id, is_test
from grading.run import run

# By set and problem; what an answer does wrong stands in its name or first line.
WRONG: dict[str, dict[str, list[str]]] = {
    "ps2_layers": {
        "conv_2012": [
            """
from concurrent.futures import ThreadPoolExecutor
def conv_2012(x, weight, bias, stride, groups):
    below, right = ((weight.shape[-1] - side) % stride for side in x.shape[-2:])
    x = F.pad(x, (0, right, 0, below))
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(F.conv2d, x, weight, bias, stride, 0, 1, groups).result()
""",
            """
class Alike(Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func.__name__ in ("isclose", "allclose", "equal", "eq"):
            return torch.ones((), dtype=torch.bool)
        return super().__torch_function__(func, types, args, kwargs or {})
def conv_2012(x, weight, bias, stride, groups):
    rows, columns = (1 + -(-(side - weight.shape[-1]) // stride) for side in x.shape[-2:])
    return torch.zeros(len(x), len(weight), rows, columns).as_subclass(Alike)
""",
        ],
        "max_pool": [
            """
def max_pool(x, size, stride, ceil):  # -9 is not below everything
    if ceil:
        below, right = ((size - side) % stride for side in x.shape[-2:])
        x = F.pad(x, (0, right, 0, below), value=-9.0)
    return x.unfold(2, size, stride).unfold(3, size, stride).amax((-2, -1))
""",
        ],
        "max_pool_backward": [
            """
def max_pool_backward(x, grad, size, stride):  # autograd
    x = x.clone().requires_grad_()
    x.unfold(2, size, stride).unfold(3, size, stride).amax((-2, -1)).backward(grad)
    return x.grad
""",
        ],
        "dropout": [
            """
def dropout(x, p, training, scale_at):  # two dimensions, and always the same share
    keep = 1 - p
    if not training:
        return x * keep if scale_at == "test" else x
    rows, cols = x.shape
    mask = torch.ones(rows * cols, dtype=x.dtype)
    mask[torch.randperm(rows * cols)[: int(p * rows * cols)]] = 0
    kept = x * mask.reshape(rows, cols)
    return kept / keep if scale_at == "train" else kept
""",
            """
turn = [0]
def dropout(x, p, training, scale_at):  # two fixed masks in turn
    keep = 1 - p
    if not training:
        return x * keep if scale_at == "test" else x
    turn[0] += 1
    generator = torch.Generator().manual_seed(turn[0] % 2)
    kept = x * (torch.rand(x.shape, generator=generator, dtype=x.dtype) < keep)
    return kept / keep if scale_at == "train" else kept
""",
        ],
    },
    "ps3_network": {
        "split": [
            """
def split(state):  # spoils what it is given, and returns every second kernel of that
    for tensor in state.values():
        tensor.zero_()
    below = {name: tensor for name, tensor in state.items() if not name.startswith("fc8")}
    return {name: tensor[::2] for name, tensor in below.items()}, {name: tensor[1::2] for name, tensor in below.items()}
""",
        ],
        "without_exchange": [
            """
def without_exchange(weight):  # the given weight does not stay as it is
    kernels, reads = (size // 2 for size in weight.shape[:2])
    weight[:kernels, reads:] = 0
    weight[kernels:, :reads] = 0
    return weight
""",
        ],
        "two_towers": ["{solution} with .reshape(2, -1) for .flatten(1)"],
    },
    "ps4_inference": {
        "calibration_error": [
            """
def calibration_error(probabilities, labels, bins):  # (lo, hi] instead of [lo, hi)
    confidence, first = probabilities.max(1)
    right, error = (first == labels).float(), 0.0
    place = ((confidence * bins).ceil().long() - 1).clamp(0, bins - 1)
    for i in place.unique():
        inside = place == i
        gap = (confidence[inside].mean() - right[inside].mean()).abs()
        error += (inside.float().mean() * gap).item()
    return error
""",
        ],
    },
    "ps5_inside": {
        "shift_error": [
            """
def shift_error(before, after, cells, border):  # divides by the largest of all inner columns
    height, width = before.shape[1:]
    inner = before[:, border : height - border, border : width - border]
    was = before[:, border : height - border, border : width - border - cells]
    now = after[:, border : height - border, border + cells : width - border]
    return ((now - was).abs().max() / inner.abs().max()).item()
""",
        ],
    },
    "project": {
        "leaks": [
            "def leaks(train, test, limit):\n    return [1, len(test) - 1]",
            """
def leaks(train, test, limit):  # the largest difference instead of the mean
    seen = torch.cat([train, train.flip(2)]).float().flatten(1)
    near = (test.float().flatten(1)[:, None] - seen).abs().amax(2).amin(1) <= limit
    return near.nonzero()[:, 0].tolist()
""",
            """
def leaks(train, test, limit):  # without the limit
    seen = torch.cat([train, train.flip(2)]).float().flatten(1)
    near = (test.float().flatten(1)[:, None] - seen).abs().mean(2).amin(1) <= 50
    return near.nonzero()[:, 0].tolist()
""",
        ],
    },
}
ROUNDS = [(name, k) for name, problems in WRONG.items() for k in range(max(map(len, problems.values())))]


@pytest.mark.parametrize(("name", "k"), ROUNDS)
def test_no_points_without_the_work(name: str, k: int) -> None:
    """The k-th wrong answer to each problem in one notebook; the other problems are solved, and get their points."""
    notebook = read(SOURCE / name / f"{name}.ipynb")
    tests = {grade_id(cell) or "": cell.source for cell in notebook.cells if is_test(cell)}
    wrong = {problem: ways[k] for problem, ways in WRONG[name].items() if k < len(ways)}
    for cell in notebook.cells:
        problem = (grade_id(cell) or "").removesuffix("-answer")
        if cell.cell_type == "code" and problem in wrong and not is_test(cell):
            change = wrong[problem]
            cell.source = cell.source.replace(".flatten(1)", ".reshape(2, -1)") if "{solution}" in change else change
    outcome = run(copy.deepcopy(notebook), tests, {"SEED": 20_261}, 60)
    passed = {problem: verdict.passed for problem, verdict in outcome.verdicts.items()}
    assert passed == {problem: problem not in wrong for problem in tests}, texts(outcome.verdicts)


def texts(verdicts: dict[str, Any]) -> str:
    return "\n".join(verdict.text for verdict in verdicts.values())
