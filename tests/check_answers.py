"""Answers to the notebooks' checks, by check: written independently of the checks, and what careless readers write.

The problem sets' are in ``assignments/answers``. ``RIGHT`` and ``WRONG`` hold what a check is called with; a wrong
answer comes with a part of its hint. Known mistakes are not here: they stand in the checks, and the tests try each.
"""

from __future__ import annotations

import re
from math import ceil
from statistics import median, quantiles
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet_edu.check import nb01, nb08
from alexnet_edu.intervals import smallest_effect
from alexnet_edu.layers import LocalResponseNorm
from alexnet_edu.museum import NETWORK_145

Answers = tuple[Any, ...]


def top_k_by_sorting(scores: Tensor, labels: Tensor, k: int) -> Tensor:
    best = scores.argsort(dim=1, descending=True)[:, :k]
    return (best != labels[:, None]).all(dim=1).float().mean()


def top_k_by_loop(scores: Tensor, labels: Tensor, k: int) -> float:
    wrong = 0
    for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
        wrong += sum(other > row[label] for other in row) >= k
    return wrong / len(labels)


def scaled_rows(features: Tensor, chosen: list[int]) -> Tensor:
    mean = sum(features[i] for i in chosen) / len(chosen)
    length = sum(((features[i] - mean) ** 2).sum() ** 0.5 for i in chosen) / len(chosen)
    return torch.stack([(row - mean) / length for row in features])


def misled_by_count(values: list[float]) -> float:
    positive = sum(values) > 0
    return sum((value <= 0) if positive else (value >= 0) for value in values) / len(values)


def interval_by_hand(values: list[float]) -> list[float]:
    n, mean = len(values), sum(values) / len(values)
    error = (sum((value - mean) ** 2 for value in values) / (n - 1) / n) ** 0.5
    limit = {3: 4.302653, 6: 2.570582}[n]
    return [mean - limit * error, mean + limit * error]


def seeds_by_doubling(deviation: float, effect: float) -> int:
    high = 2
    while smallest_effect(deviation, high) > effect:
        high *= 2
    return min(n for n in range(2, high + 1) if smallest_effect(deviation, n) <= effect)


def holm_by_ranks(chances: list[float]) -> list[float]:
    order = np.argsort(chances, kind="stable")
    factors = len(chances) - np.arange(len(chances))
    lifted = np.minimum(1, np.maximum.accumulate(np.array(chances)[order] * factors))
    return [float(lifted[list(order).index(i)]) for i in range(len(chances))]


def conv_cost(
    side: int, channels: int, kernels: int, size: int, stride: int, padding: int, groups: int
) -> tuple[int, int, int]:
    out = 1 + (side + 2 * padding - size) // stride
    weights = kernels * (channels // groups) * size**2
    return out, weights + kernels, weights * out**2


def fitting(kernel: int, stride: int, padding: int, ceil: bool) -> list[int]:
    def out(side: int) -> int:
        span = side + 2 * padding - kernel
        return 1 + (-(-span // stride) if ceil else span // stride)

    return [side for side in range(200, 241) if out(side) == 55]


def field_by_cumprod(stack: list[tuple[int, int]]) -> Any:
    if not stack:
        return 1
    kernels, strides = np.array(stack).T
    return 1 + ((kernels - 1) * np.cumprod([1, *strides[:-1]])).sum()


def towers(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    parts = zip(x.chunk(2, 1), weight.chunk(2), bias.chunk(2), strict=True)
    return torch.cat([F.conv2d(*part, padding=2) for part in parts], dim=1)


def lrn_by_pool(x: Tensor) -> Tensor:
    mean = F.avg_pool3d(x.square().unsqueeze(1), (5, 1, 1), stride=1, padding=(2, 0, 0)).squeeze(1)
    return x / (2 + 5 * 1e-4 * mean) ** 0.75


def lrn_by_shifts(x: Tensor) -> Tensor:
    square = F.pad(x.square(), (0, 0, 0, 0, 2, 2))
    return x / (2 + 1e-4 * sum(square[:, i : i + x.shape[1]] for i in range(5))) ** 0.75


def lrn_by_loop(x: Tensor) -> Tensor:
    maps = [x[:, i] / (2 + 1e-4 * x[:, max(0, i - 2) : i + 3].square().sum(1)) ** 0.75 for i in range(x.shape[1])]
    return torch.stack(maps, 1)


def views(picture: Tensor, size: int, up: int = 0) -> Tensor:
    height, width = picture.shape[-2:]
    far_y, far_x = height - size, width - size
    corners = [(0, 0), (0, far_x), (far_y, 0), (far_y, far_x), ((far_y + up) // 2, (far_x + up) // 2)]
    squares = torch.stack([picture[:, y : y + size, x : x + size] for y, x in corners])
    return torch.cat([squares, squares.flip(-1)])


def views_mirrored_first(picture: Tensor, size: int) -> list[Tensor]:
    return [*views(picture, size, 1)[:5], *views(picture.flip(-1), size, 1)[:5]]


def update(
    weight: Tensor, velocity: Tensor, gradient: Tensor, rate: float, momentum: float = 0.9, decay: float = 0.0005
) -> tuple[Tensor, Tensor]:
    velocity = momentum * velocity - decay * rate * weight - rate * gradient
    return weight + velocity, velocity


def label_at(angle: int) -> str:
    return "cat" if angle < 35 or angle > 300 else "dog"


LAYER = torch.linspace(-1, 1, 36).reshape(3, 12)
ORIGINAL = torch.full((3, 2, 2), 0.5)


def scores(pixels: Tensor) -> Tensor:
    """Nearly a tie for ``ORIGINAL``: any step in the right direction decides."""
    return (pixels - ORIGINAL).flatten(1) @ LAYER.T + torch.tensor([1e-4, 0.0, 0.0])


STEP = 8 / 255 * (LAYER[2] - LAYER[0]).sign().reshape(3, 2, 2)


def by_distance(query: Tensor, bank: Tensor, k: int) -> Tensor:
    near: Tensor = torch.cdist(query[None], bank)[0].topk(k, largest=False).indices
    return near


def cosines(w: Tensor) -> Tensor:
    flat = w.flatten(1)
    found: Tensor = (flat @ flat.T) / flat.norm(dim=1) / flat.norm(dim=1)[:, None]
    return found


def chroma(w: Tensor) -> Tensor:
    return (w - w.mean(1, keepdim=True)).square().sum((1, 2, 3)) / w.square().sum((1, 2, 3))


def concentration(w: Tensor) -> Tensor:
    spectrum = torch.fft.fft2(w - w.mean((2, 3), keepdim=True)).abs().pow(2).sum(1).flatten(1)
    found: Tensor = spectrum.sort(descending=True).values[:, :12].sum(1) / spectrum.sum(1)
    return found


def recorder(model: nn.Module, layer: nn.Module, x: Tensor, *, clone: bool = True, remove: bool = True) -> Tensor:
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, args, out: kept.append(out.clone() if clone else out))
    with torch.no_grad():
        model(x)
    if remove:
        handle.remove()
    return kept[0]


def recorder_that_meddles(model: nn.Module, layer: nn.Module, x: Tensor) -> Tensor:
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return recorder(model, layer, x, clone=False)


def hidden(x: Tensor, top: int, left: int, side: int) -> Tensor:
    mask = torch.ones_like(x)
    mask[:, top : top + side, left : left + side] = 0
    return x * mask


def hidden_for_ever(x: Tensor, top: int, left: int, side: int) -> Tensor:
    x[:, top : top + side, left : left + side] = 0
    return x


def quartiles_of_school(times: list[float]) -> tuple[float, float, float]:
    times, half = sorted(times), len(times) // 2
    return median(times[:half]), median(times), median(times[-half:])


def cmrnorm_by_loop(x: Tensor, size: int, scale: float, power: float, min_div: float) -> Tensor:
    out = torch.empty_like(x)
    for i in range(x.shape[1]):
        near = x[:, max(0, i - size // 2) : i + size // 2 + 1]
        out[:, i] = x[:, i] * (min_div + scale * near.pow(2).sum(1) / size) ** -power
    return out


def rates_by_table(epoch: int) -> list[float]:
    cuts = [(79, 1e-5), (51, 1e-4), (25, 1e-3), (0, 1e-2)]
    others = next(rate for start, rate in cuts if epoch >= start)
    return [0.0 if epoch > 71 else 1e-5 if epoch > 66 else others, others]


TEXT = NETWORK_145.read_text()
FULL_150 = NETWORK_145.with_name("150.cfg").read_text()
SECTION = r"\[{}\]\n(?:.+\n)+"


def change(text: str, section: str, **keys: object) -> str:
    """The text with other values for some keys of one section."""

    def one(match: re.Match[str]) -> str:
        lines = (line.partition(" = ") for line in match[0].splitlines())
        return "\n".join(f"{key} = {keys[key]}" if key in keys else key + is_ + old for key, is_, old in lines) + "\n"

    return re.sub(SECTION.format(section), one, text)


def cut(text: str, *, layers: tuple[str, ...] = ("conv3", "fc6", "fc7")) -> str:
    """The text with towers that do not meet in some layers."""
    for own in "ab":
        if "conv3" in layers:
            singles = {"inputs": f"pool2{own}", "filters": 192, "filterSize": 3, "padding": 1, "initW": 0.03}
            text = change(text, f"conv3{own}", channels=128, **singles)
        if "fc6" in layers:
            text = change(text, f"fc6{own}", inputs=f"pool5{own}", initW=0.01)
        if "fc7" in layers:
            text = change(text, f"fc7{own}", inputs=f"drop6{own}", initW=0.01)
    return text


def widen(text: str, maps: int = 160, units: int = 4096) -> str:
    """The text with other widths of conv2 and fc6, as network 150 has them."""
    for own in "ab":
        text = change(text, f"conv2{own}", filters=maps)
        for reader in ("lrn2", "space2", "pool2", "conv3"):
            text = change(text, reader + own, channels=maps)
        text = change(text, f"fc6{own}", outputs=units)
    return text


def crossed(text: str) -> str:
    """Each tower's conv3 reads the other tower."""
    return change(change(text, "conv3a", inputs="pool2b"), "conv3b", inputs="pool2a")


def score_gradient(scores: Any, x: Tensor, target: int) -> Tensor:
    x = x.clone().requires_grad_(True)
    scores(x)[:, target].sum().backward()
    assert x.grad is not None
    return x.grad


def score_gradient_one_by_one(scores: Any, x: Tensor, target: int) -> Tensor:
    return torch.cat([score_gradient(scores, one[None], target) for one in x])


def path_gradient(gradient: Any, x: Tensor, start: Tensor, steps: int) -> Tensor:
    places = [(2 * k + 1) / (2 * steps) for k in range(steps)]
    return (x - start) * torch.stack([gradient((1 - t) * start + t * x) for t in places]).mean(0)


def weighted_maps(maps: Tensor, grads: Tensor) -> Tensor:
    weights = grads.flatten(2).mean(2)
    return torch.einsum("nc,nchw->nhw", weights, maps).clamp(min=0)


def spearman(a: Tensor, b: Tensor) -> float:
    places = [{value: rank for rank, value in enumerate(sorted(each.tolist()))} for each in (a, b)]
    squares = sum((places[0][x] - places[1][y]) ** 2 for x, y in zip(a.tolist(), b.tolist(), strict=True))
    return 1 - 6 * squares / (len(a) * (len(a) ** 2 - 1))


def shared_places(answers: Tensor, mask: Tensor, share: float) -> float:
    count = round(share * answers.numel())
    lowest = answers.flatten().sort(descending=True).values[count - 1]
    top = answers >= lowest
    return (top & mask).sum().item() / (top | mask).sum().item()


WHAT_DIFFERS = {"networks", "data", "crops", "training pictures", "architecture"}
VARIANTS = {"A": "ict1022", "B": "torchvision", "C": "d2l", "D": "paper", "E": "torchvision"}
SHIFTS = {"conv1": 4, "pool1": 8, "conv2": 8, "pool2": 16, "conv5": 16}

RIGHT: dict[str, list[Answers]] = {
    "nb01.top_k_error": [(top_k_by_sorting,), (top_k_by_loop,)],
    "nb01.standard_error": [(0.114,), (0.11,), (100 * (0.15315 * 0.84685 / 100_000) ** 0.5,)],
    "nb01.relative_drop": [(24.74,), (24.7,)],
    "nb01.sentences": [(nb01.TRUTH,)],
    "nb01.misleading_pair": [
        (("winner", "torchvision"), WHAT_DIFFERS),
        (["torchvision", "winner"], sorted(WHAT_DIFFERS)),
        ({"torchvision", "winner"}, tuple(WHAT_DIFFERS)),
    ],
    "nb01.networks": [(lambda name: re.findall(r"\d\d\d(?:\.\d{4}|f)?", name),), (lambda name: tuple(
        one for one in name.rstrip(".").removesuffix(".txt").split("-") if one not in ("test", "preds")),)],
    "nb02.conv_cost": [(conv_cost,), (lambda *n: np.array(conv_cost(*n)),)],
    "nb02.uses": [(3025, 1), (55 * 55, 1.0)],
    "nb02.sizes": [(fitting,), (lambda *n: range(fitting(*n)[0], fitting(*n)[-1] + 1),)],
    "nb02.first_right": [("pool1", "pool1")],
    "nb02.receptive_field": [(field_by_cumprod,), (lambda stack: 1 + sum(
        (k - 1) * int(np.prod([s for _, s in stack[:i]])) for i, (k, _) in enumerate(stack)),)],
    "nb02.two_towers": [(towers,), (lambda x, w, b: torch.stack([towers(one[None], w, b)[0] for one in x]),)],
    "nb02.mystery": [(VARIANTS,), ({**VARIANTS, "D": "caffenet"},), ({**VARIANTS, "D": "museum"},)],
    "nb03.conv1_columns": [(55, 56), (55.0, 56)],
    "nb03.channels_at_the_border": [([46, 47, 48, 49],), (torch.tensor([49, 48, 47, 46]),), (range(46, 50),),
     ({46, 47, 48, 49},)],
    "nb03.fast_lrn": [
        (lrn_by_pool,),
        (lrn_by_shifts,),
        (nn.LocalResponseNorm(5, alpha=5e-4, k=2),),
        (LocalResponseNorm(5, alpha=5e-4, k=2.0),),
    ],
    "nb03.dropout_today": [
        (lambda x, kept, p, training: x * kept / (1 - p) if training else x,),
        (lambda x, kept, p, training: torch.where(kept, x / (1 - p), 0) if training else x,),
    ],
    "nb03.ten_views": [(views,), (lambda picture, size: views(picture, size, 1),), (views_mirrored_first,)],
    "nb03.update_2012": [(update,), (lambda *n: list(update(*n)),)],
    "nb04.seen_share": [(lambda w, h, r, s: s * s / (r * r) / (max(w, h) / min(w, h)),),
     (lambda w, h, r, s: (s / r) ** 2
                         * min(w, h) / max(w, h),)],
    "nb04.to_input": [(lambda p, m, s: ((p / 255 - m) / s).permute(2, 0, 1)[None],), (lambda p, m, s: (
        (p.double().movedim(-1, 0) / 255 - m[:, None, None]) / s[:, None, None]).unsqueeze(0),)],
    "nb04.first_turn": [(label_at, 35)],
    "nb04.average_views": [(lambda x: torch.stack([row.softmax(0) for row in x]).mean(0),), (lambda x: (
        x.exp() / x.exp().sum(1, keepdim=True)).sum(0) / len(x),)],
    "nb04.small_change": [(scores, ORIGINAL, ORIGINAL + STEP), (scores, ORIGINAL,
     (ORIGINAL + STEP / 2).requires_grad_())],
    "nb04.nearest": [(by_distance,),
     (lambda q, b, k: sorted(range(len(b)), key=lambda i: float((b[i] - q).norm()))[:k],)],
    "nb05.opposite": [(lambda w: cosines(w).argmin(1),),
     (lambda w: [row.index(min(row)) for row in cosines(w).tolist()],)],
    "nb05.chroma": [(chroma,), (lambda w: torch.stack([chroma(one[None])[0] for one in w]),)],
    "nb05.p_value": [(lambda o, s: sum(abs(one) >= abs(o) for one in s.tolist()) / len(s),), (lambda o, s: 1 - (
        s.abs() < abs(o)).float().mean(),)],
    "nb05.concentration": [(concentration,), (lambda w: concentration(w.double()),)],
    "nb05.without_colour": [(lambda w: w.mean(1, keepdim=True).repeat(1, 3, 1, 1),), (lambda w: torch.stack(
        [(w[:, 0] + w[:, 1] + w[:, 2]) / 3] * 3, 1),)],
    "nb06.field": [(lambda c, k, s, p: (c * s - p, c * s - p + k - 1),), (lambda c, k, s, p: [c * s - p,
     (c * s - p) + (k - 1)],)],
    "nb06.sparsity": [(lambda m: (m == 0).float().mean((0, 2, 3)),), (lambda m: [1 - (m[:, c] != 0).double().mean()
                       for c in range(m.shape[1])],)],
    "nb06.smallest_shifts": [(SHIFTS,), ({name: float(one) for name, one in SHIFTS.items()},)],
    "nb06.capture": [(recorder,)],
    "nb06.hide": [(hidden,)],
    "nb09.gradient": [(score_gradient,), (score_gradient_one_by_one,)],
    "nb09.integrated": [(path_gradient,)],
    "nb09.guided": [(lambda saw, back: torch.where((saw > 0) & (back > 0), back, 0.0),), (lambda saw, back: back *
                     (back > 0) * (saw > 0),)],
    "nb09.cam": [(weighted_maps,)],
    "nb09.rank_correlation": [(spearman,), (lambda a, b: np.corrcoef(a.argsort().argsort(),
                               b.argsort().argsort())[0, 1],)],
    "nb09.fooled": [(lambda x, g, e: torch.clip(x + e * torch.sign(g), 0, 1),), (lambda x, g, e: torch.where(
        g > 0, x + e, x - e).clamp(0, 1),)],
    "nb09.overlap": [(shared_places,)],
    "nb06.strongest": [(lambda m, c, k: m[:, c].amax((1, 2)).topk(k).indices,), (lambda m, c, k: sorted(
        range(len(m)), key=lambda i: -m[i, c].max())[:k],)],
    "nb07.summary": [
        (lambda times: tuple(torch.tensor(times).quantile(torch.tensor([0.25, 0.5, 0.75])).tolist()),),
        (lambda times: quantiles(times, n=4),),
        (lambda times: np.percentile(times, [25, 50, 75]),),
        (quartiles_of_school,),
        (lambda times: (sorted(times)[len(times) // 4], median(times), sorted(times)[-1 - len(times) // 4]),),
    ],
    "nb07.dense_intensity": [(lambda i, o, b, s: 2 / s / (1 / o + 1 / i + 1 / b),),
     (lambda i, o, b, s: 2 * b * i * o / (
        s * b * i + s * b * o + s * i * o),)],
    "nb07.batch_at_the_ridge": [(20,), (20.0,)],
    "nb07.training_days": [(lambda m, n, p, f: 3 * 2 * m * n * p / f / 86400,),
     (lambda m, n, p, f: m * n * p / (f / 6) / 3600
                            / 24,)],
    "nb08.side": [(lambda s, k, t, p: (s + 2 * p - k + t - 1) // t + 1,),
     (lambda s, k, t, p: 1 + ceil((s + 2 * p - k) / t),)],
    "nb08.edge_share": [(109 / 3025,), (1 - (54 / 55) ** 2,)],
    "nb08.cmrnorm": [(cmrnorm_by_loop,), (F.local_response_norm,)],
    "nb08.network_150": [(widen(cut(TEXT)),), (FULL_150,)],
    "nb08.rates": [(rates_by_table,), (lambda epoch: np.array(rates_by_table(epoch)),)],
    "nb08.update": [(lambda w, v, g, r, m, d: update(w, v, g, r, m, d),),
     (lambda w, v, g, r, m, d: [w + (n := m * v - r * (
        d * w + g)), n],)],
    "nb08.blurred_parameters": [(60_870_376,), (60_870_376.0,)],
    "nb08.evidence": [(nb08.EVIDENCE,)],
    "nb10.head_size": [(lambda features, classes: features * classes + classes,)],
    "nb10.other_kinds": [
        (lambda kinds, chosen: [i for i in range(len(kinds)) if kinds[i] not in [kinds[j] for j in chosen]],),
        (lambda kinds, chosen: tuple(i for i, one in enumerate(kinds) if all(one != kinds[j] for j in chosen)),),
    ],
    "nb10.learning": [(lambda layers, last: [one for i, one in enumerate(layers) if i > layers.index(last)],)],
    "nb10.standardised": [(scaled_rows,)],
    "nb10.at_stake": [
        (lambda p, h: p * (1 - p) * (1.96 / h) ** 2,),
        (lambda p, h: ceil(p * (1 - p) * (1.96 / h) ** 2),),
    ],
    "nb11.paired": [(lambda a, b: [(a[k] - b[k]) * 100 for k in sorted(set(a) & set(b))],)],
    "nb11.misled": [(misled_by_count,)],
    "nb11.interval": [(interval_by_hand,)],
    "nb11.seeds_needed": [(seeds_by_doubling,)],
    "nb11.raised": [(holm_by_ranks,)],
    "nb12.exchanged": [
        (lambda layers: [name for i, (name, kind, groups) in enumerate(layers) if groups == 1 and i > 0],),
        (lambda layers: tuple(row[0] for row in layers[1:] if row[2] == 1),),
    ],
    "nb12.exchange_bytes": [
        (lambda batch, values, n: 4 * batch * (values - values / n),),
        (lambda batch, values, n: 4 * batch * values * (n - 1) // n,),
    ],
    "nb12.balance": [(997,), (997.0,)],
    "nb12.ring_bytes": [(lambda parameters, n: 8 * (parameters - parameters / n),)],
    "nb12.plan_for": [({"a": "towers", "b": "copies", "c": "one weird trick", "d": "towers"},)],
}  # fmt: skip

WRONG: dict[str, list[tuple[Answers, str]]] = {
    "nb01.top_k_error": [
        ((lambda s, y, k: (s.argmax(1) != y).float(),), "a number is wanted, not a tensor of shape (500,)"),
        ((lambda s, y, k: top_k_by_loop(s, y, k) + 0.002,), "Take one picture"),
    ],
    "nb01.standard_error": [((0.36,), "toss of a coin"), (("0.114",), "a number is wanted, not words in quotes")],
    "nb01.relative_drop": [((40,), "relative to something")],
    "nb01.sentences": [
        (({**nb01.TRUTH, "a": True},), "5 of 6 are right. Look again at a"),
        (({**nb01.TRUTH, "f": True},), "Look again at f"),
        ((dict.fromkeys("abcdef", True),), "2 of 6"),
        ((dict.fromkeys("abcdef", "True"),), "without quotes"),
        (({"a": False},), "b is missing"),
        (([False, True, False, False, True, False],), "a dictionary with the keys a, b, c, d, e, f is wanted"),
    ],
    "nb01.misleading_pair": [
        ((("winner", "caffe"), {"networks"}), "smallest and of the largest"),
        ((("winner", "torchvision"), {"networks", "data"}), "3 more"),
        ((("winner", "torchvision"), {"luck"}), "none of them"),
        ((("winner", "torchvision"), "networks"), "curly brackets"),
        (((15.3, 20.9), {"networks"}), "ids"),
    ],
    "nb01.networks": [((lambda name: len(name),), "5 values are wanted, not a number")],
    "nb02.conv_cost": [((lambda *n: conv_cost(*n)[:2],), "3 values are wanted, not 2"), ((lambda *n: print(end=""),),
     "gives nothing")],
    "nb02.uses": [((3026, 1), "to how many positions"), ((3025, 2), "what does one of its weights connect")],
    "nb02.sizes": [((lambda *n: 227,), "wanted, not a number"), ((lambda *n: fitting(*n)[1:],), "values are wanted")],
    "nb02.first_right": [
        (("conv1", "pool1"), "conv1 of caffe still gives"),
        (("pool1", "conv1"), "conv1 of ict1022 still gives"),
        (("conv2", "pool1"), "before it"),
        (("pool1", "lrn1"), "ict1022 has no layer 'lrn1'"),
        (("pool9", "pool1"), "no layer"),
    ],
    "nb02.receptive_field": [((lambda stack: field_by_cumprod(stack) + 3 * (len(stack) > 2),), "first layer on")],
    "nb02.two_towers": [((lambda x, w, b: F.conv2d(x, w, b, padding=2, groups=2),),
     "`groups` is what yours is compared with"),
                        ((lambda x, w, b: towers(x.flip(1), w, b),), "Which half of the channels")],
    "nb02.mystery": [
        (({**VARIANTS, "B": "caffe"},), "Look again at B"),
        ((["paper"],), "dictionary"),
    ],
    "nb03.conv1_columns": [(("55", 56), "a number is wanted"), ((50, 56), "how far can the window move")],
    "nb03.channels_at_the_border": [
        ((4,), "a list is wanted"),
        ((range(44, 52),), "Which windows reach over the border?"),
    ],
    "nb03.fast_lrn": [
        ((lrn_by_loop,), "still a loop over channels"),
        ((lambda x: lrn_by_pool(x.roll(1, 1)).roll(-1, 1),), "loop above"),
    ],
    "nb03.dropout_today": [((lambda x, kept, p, training: F.dropout(x, p, training),), "the means of your output")],
    "nb03.ten_views": [((lambda p, s: views(p, s - 1),), "the shape is (10, 3, 9, 9)")],
    "nb03.update_2012": [((lambda *n: update(*n)[0],), "2 values are wanted"),
     ((lambda *n: [one[:2] for one in update(*n)],), "shape")],
    "nb04.seen_share": [((lambda w, h, r, s: 0.6,), "How long are both sides")],
    "nb04.to_input": [((lambda p, m, s: p,), "the shape is (5, 4, 3)")],
    "nb04.first_turn": [
        ((label_at, 30), "the label is still"),
        ((label_at, 40), "at a smaller angle"),
        ((label_at, 0), "the label is still"),
        ((label_at, 37), "steps of 5"),
        ((label_at, 305), "the label is still, or again"),
        ((label_at, "35"), "a number is wanted, not words in quotes"),
        ((lambda angle: "cat", 5), "take another photo"),
    ],
    "nb04.average_views": [((lambda x: x,), "the shape is (10, 6)")],
    "nb04.small_change": [
        ((scores, ORIGINAL, ORIGINAL - STEP), "still gives the first answer"),
        ((scores, ORIGINAL, ORIGINAL + 6 * STEP), "8/255 is allowed"),
        ((scores, ORIGINAL, ORIGINAL + 60 * STEP), "clamp"),
        ((scores, ORIGINAL, (ORIGINAL + STEP)[None]), "The shape is (1, 3, 2, 2)"),
        ((scores, ORIGINAL, "changed"), "A tensor of pixels"),
        ((scores, ORIGINAL, ORIGINAL * torch.nan), "no numbers"),
    ],
    "nb04.nearest": [((lambda q, b, k: by_distance(q, b, 40)[:k].roll(1),), "the first three rows")],
    "nb05.opposite": [((lambda w: cosines(w).argmin(1)[:-1],), "8 values are wanted, not 7")],
    "nb05.chroma": [((lambda w: chroma(w)[:, None],), "the shape is (6, 1)")],
    "nb05.p_value": [((lambda o, s: (s.abs() >= abs(o)).mean(),), "takes no mean"), ((lambda o, s: 0.6,),
     "Count by hand")],
    "nb05.concentration": [((lambda w: concentration(w)[0],), "the shape is ()")],
    "nb05.without_colour": [((lambda w: w,), "Look at one place")],
    "nb06.field": [((lambda c, k, s, p: c * s - p,), "2 values are wanted, not a number")],
    "nb06.sparsity": [((lambda m: (m == 0).mean((0, 2, 3)),), "takes no mean")],
    "nb06.smallest_shifts": [(({"conv1": 4},), "pool1 is missing"), (({**SHIFTS, "conv1": 11},),
     "Look again at conv1")],
    "nb06.capture": [
        ((lambda m, f, x: recorder(m, f, x, clone=False),), "your hook kept"),
        ((lambda m, f, x: recorder(m, f, x, remove=False),), "still on the layer"),
        ((lambda m, f, x: m(x),), "whole model"),
        ((lambda m, f, x: f(x).clone(),), "inside the model it reads"),
        ((recorder_that_meddles,), "its ReLU works in place"),
        ((lambda m, f, x: recorder(m, f, x) + 1,), "something else"),
    ],
    "nb06.hide": [((hidden_for_ever,), "your function changes its input x"), ((lambda x, t, f, s: x,),
     "Which rows and columns")],
    "nb06.strongest": [((lambda m, c, k: m[:, c].amax((1, 2)).topk(k + 1).indices,), "3 values are wanted, not 4")],
    "nb07.summary": [((lambda t: [one + 0.5 for one in quartiles_of_school(t)],), "Order the times first")],
    "nb07.dense_intensity": [((lambda i, o, b, s: float(b),), "Count for one input")],
    "nb07.batch_at_the_ridge": [((19,), "How many FLOP"), (("twenty",), "a number is wanted")],
    "nb07.training_days": [((lambda m, n, p, f: 1.0,), "Which factors")],
    "nb08.side": [((lambda s, k, t, p: 55,), "Draw the padded side")],
    "nb08.edge_share": [((0,), "beyond pixel 223")],
    "nb08.cmrnorm": [((lambda x, n, s, p, m: cmrnorm_by_loop(x, n, s, p, m)[:1],), "the shape is (1, 8, 3, 4)"),
                     ((lambda x, *n: cmrnorm_by_loop(x.roll(1, 1), *n).roll(-1, 1),), "Compare map by map")],
    "nb08.network_150": [
        ((TEXT,), "conv3a reads: pool2a, pool2b"),
        ((crossed(widen(cut(TEXT))),), "conv3a reads: pool2b"),
        ((widen(cut(TEXT, layers=("conv3",))),), "fc6a reads"),
        ((cut(TEXT),), "622,383,648"),
        ((widen(cut(TEXT), units=2048),), "which layers grew in return"),
        ((change(TEXT, "conv3a", inputs="pool2a"),), "the reader says"),
        ((change(widen(cut(TEXT)), "fc8", outputs=999),), "compare fc8"),
        ((3,), "text"),
    ],
    "nb08.rates": [((lambda epoch: 0.01,), "2 values are wanted, not a number")],
    "nb08.update": [((lambda w, *n: w,), "2 values are wanted"), ((lambda w, v, g, *n: update(w, v, 2 * g, *n),),
     "Take numbers")],
    "nb08.blurred_parameters": [((60_000_000,), "Two layers change")],
    "nb09.gradient": [((lambda s, x, t: 0 * x,), "Of which number")],
    "nb09.integrated": [((lambda g, x, b, n: path_gradient(g, x, b, n + 1),), "At which places")],
    "nb09.guided": [((lambda saw, back: saw * 0,), "Two things stop")],
    "nb09.cam": [((lambda m, g: m.sum(1).relu(),), "How many weights")],
    "nb09.rank_correlation": [((lambda a, b: a,), "a number is wanted")],
    "nb09.fooled": [((lambda x, g, e: (x + 2 * e * g.sign()).clamp(0, 1),), "How far")],
    "nb09.overlap": [((lambda a, m, s: shared_places(a, m, s / 2),), "How many places")],
    "nb12.exchanged": [((lambda layers: [name for name, kind, groups in layers if kind == "ReLU"],),
                        "2 values are wanted")],
    "nb12.exchange_bytes": [((lambda batch, values, n: 8 * batch * n,), "Count for one picture")],
    "nb12.balance": [((500,), "grows with the batch")],
    "nb12.ring_bytes": [((lambda parameters, n: 8 * n,), "How large is a piece")],
    "nb12.plan_for": [(({"a": "copies", "b": "copies", "c": "one weird trick", "d": "towers"},), "leave room")],
    "nb10.head_size": [((lambda features, classes: features,), "how many numbers make one output")],
    "nb10.other_kinds": [
        ((lambda kinds, chosen: list(chosen),), "3 values are wanted"),
        ((lambda kinds, chosen: [i + 1 for i, one in enumerate(kinds) if one not in {kinds[j] for j in chosen}],),
         "Which kinds do the chosen photos show"),
    ],
    "nb10.learning": [((lambda layers, last: layers,), "3 values are wanted")],
    "nb10.standardised": [((lambda features, chosen: features,), "Which rows decide")],
    "nb10.at_stake": [((lambda p, h: 100,), "How wide is the interval")],
    "nb11.paired": [((lambda a, b: [],), "values are wanted")],
    "nb11.misled": [((lambda v: 0.4,), "On which side of 0")],
    "nb11.interval": [((lambda v: (0.0, 1.0),), "give or take the limit")],
    "nb11.seeds_needed": [((lambda d, e: 8,), "Try n from 2 upwards")],
    "nb11.raised": [((lambda p: [x / 2 for x in p],), "multiply by how many are left")],
    "nb08.evidence": [
        ((nb08.EVIDENCE | {"b": "log"},), "Look again at b"),
        ((dict.fromkeys("abcdefg", "code"),), "2 of 7 are right. Look again at b"),
        ((nb08.EVIDENCE | {"f": "sure"},), "needs one of"),
        (({"a": "code"},), "b is missing"),
        ((["code"],), "dictionary"),
    ],
}  # fmt: skip
