"""Answers to problem set 3 that its tests must accept, and wrong ones with a part of their hint.

``RIGHT``: (test cell, answers by name). ``WRONG``: the same and a part of the hint. Known mistakes are not here: they
stand in ``alexnet_edu.check.ps3``. A function stands alone: its source is also pasted into
made-up submissions.
"""

from __future__ import annotations

from typing import Any


def groups_by_pairs(state, channels):
    weights = {name[:-7]: tensor for name, tensor in state.items() if name.endswith(".weight") and tensor.dim() == 4}
    entering = [channels, *(tensor.shape[0] for tensor in weights.values())]
    return {name: before // weight.shape[1] for before, (name, weight) in zip(entering, weights.items(), strict=False)}


def groups_step_by_step(state, channels):
    found = {}
    for name in state:
        layer, _, kind = name.rpartition(".")
        if kind == "weight" and len(state[name].shape) == 4:
            kernels, reads, _, _ = state[name].shape
            found[layer] = int(channels / reads)
            channels = kernels
    return found


def groups_as_list(state, channels):
    return [channels // tensor.shape[1] for tensor in state.values() if tensor.ndim == 4]


def dense_by_blocks(weight, groups):
    import torch

    blocks = weight.chunk(groups)
    rows = []
    for g, block in enumerate(blocks):
        before, after = torch.zeros_like(block), torch.zeros_like(block)
        rows.append(torch.cat([before] * g + [block] + [after] * (groups - 1 - g), dim=1))
    return torch.cat(rows)


def dense_by_mask(weight, groups):
    import torch

    kernels, part = weight.shape[:2]
    which = torch.arange(kernels) * groups // kernels  # the group of each kernel
    reads = torch.arange(part * groups) // part  # the group of each map
    mask = (which[:, None] == reads[None]).to(weight.dtype)
    return weight.repeat(1, groups, 1, 1) * mask[:, :, None, None]


def split_by_chunk(state):
    halves = {name: tensor.chunk(2) for name, tensor in state.items() if name.split(".")[0] != "fc8"}
    return {name: half[0] for name, half in halves.items()}, {name: half[1] for name, half in halves.items()}


def split_by_loop(state):
    left, right = {}, {}
    for name in state:
        if "fc8" not in name:
            middle = state[name].shape[0] // 2
            left[name], right[name] = state[name][:middle].clone(), state[name][middle:].clone()
    return [left, right]


def tower_in_steps(x, tower):
    import torch.nn.functional as F

    x = F.relu(F.conv2d(x, tower["conv1.weight"], tower["conv1.bias"], stride=4))
    x = F.max_pool2d(F.local_response_norm(x, size=5, alpha=0.0005, beta=0.75, k=2), kernel_size=3, stride=2)
    x = F.relu(F.conv2d(x, tower["conv2.weight"], tower["conv2.bias"], padding=2))
    return F.max_pool2d(F.local_response_norm(x, size=5, alpha=0.0005, beta=0.75, k=2), kernel_size=3, stride=2)


def tower_by_formula(x, tower):
    import torch
    import torch.nn.functional as F

    for layer, options in (("conv1", {"stride": 4}), ("conv2", {"padding": 2})):
        x = torch.relu(F.conv2d(x, tower[layer + ".weight"], tower[layer + ".bias"], **options))
        maps = x.shape[1]
        total = torch.stack([x[:, max(0, i - 2) : min(maps, i + 3)].pow(2).sum(1) for i in range(maps)], dim=1)
        x = F.max_pool2d(x / (2 + 1e-4 * total) ** 0.75, 3, 2)
    return x


def network_in_steps(x, left, right, top):
    import torch
    import torch.nn.functional as F

    def tower(x, w):
        x = F.relu(F.conv2d(x, w["conv1.weight"], w["conv1.bias"], stride=4))
        x = F.max_pool2d(F.local_response_norm(x, 5, 5e-4, 0.75, 2), 3, 2)
        x = F.relu(F.conv2d(x, w["conv2.weight"], w["conv2.bias"], padding=2))
        return F.max_pool2d(F.local_response_norm(x, 5, 5e-4, 0.75, 2), 3, 2)

    def conv(x, w, name):
        return F.relu(F.conv2d(x, w[name + ".weight"], w[name + ".bias"], padding=1))

    both = torch.cat([tower(x, left), tower(x, right)], dim=1)
    a = conv(conv(conv(both, left, "conv3"), left, "conv4"), left, "conv5")
    b = conv(conv(conv(both, right, "conv3"), right, "conv4"), right, "conv5")
    both = F.max_pool2d(torch.cat([a, b], dim=1), 3, 2).flatten(1)
    for name in ("fc6", "fc7"):
        a = F.relu(both @ left[name + ".weight"].T + left[name + ".bias"])
        b = F.relu(both @ right[name + ".weight"].T + right[name + ".bias"])
        both = torch.cat([a, b], dim=1)
    return both @ top["fc8.weight"].T + top["fc8.bias"]


def network_joined_again(x, left, right, top):
    import torch
    import torch.nn.functional as F

    w = {name: torch.cat([left[name], right[name]]) for name in left} | top
    for name, stride, padding, groups in (("conv1", 4, 0, 1), ("conv2", 1, 2, 2)):
        x = F.conv2d(x, w[name + ".weight"], w[name + ".bias"], stride, padding, groups=groups).relu()
        halves = [F.local_response_norm(half, 5, 5e-4, 0.75, 2) for half in x.chunk(2, 1)]
        x = F.max_pool2d(torch.cat(halves, 1), 3, 2)
    for name, groups in (("conv3", 1), ("conv4", 2), ("conv5", 2)):
        x = F.conv2d(x, w[name + ".weight"], w[name + ".bias"], padding=1, groups=groups).relu()
    x = F.max_pool2d(x, 3, 2).flatten(1)
    for name in ("fc6", "fc7"):
        x = F.linear(x, w[name + ".weight"], w[name + ".bias"]).relu()
    return F.linear(x, w["fc8.weight"], w["fc8.bias"])


def network_deaf_conv3(x, left, right, top):
    import torch.nn.functional as F

    x = F.relu(F.conv2d(x, left["conv1.weight"], left["conv1.bias"], stride=4))
    x = F.max_pool2d(F.local_response_norm(x, 5, 5e-4, 0.75, 2), 3, 2)
    x = F.relu(F.conv2d(x, left["conv2.weight"], left["conv2.bias"], padding=2))
    x = F.max_pool2d(F.local_response_norm(x, 5, 5e-4, 0.75, 2), 3, 2)
    return F.relu(F.conv2d(x, left["conv3.weight"], left["conv3.bias"], padding=1))


def silent_by_mask(weight):
    import torch

    mask = torch.zeros(weight.shape[:2], dtype=weight.dtype)
    mask[: weight.shape[0] // 2, : weight.shape[1] // 2] = 1
    mask[weight.shape[0] // 2 :, weight.shape[1] // 2 :] = 1
    return weight * mask.reshape(*mask.shape, *[1] * (weight.ndim - 2))


def silent_by_blocks(weight):
    import torch

    rows = weight.chunk(2)
    (a, b), (c, d) = rows[0].chunk(2, 1), rows[1].chunk(2, 1)
    return torch.cat([torch.cat([a, 0 * b], 1), torch.cat([0 * c, d], 1)])


def network_of_two_pictures(x, left, right, top):
    import torch
    import torch.nn.functional as F

    def step(x, w, name, **options):
        return F.relu(F.conv2d(x, w[name + ".weight"], w[name + ".bias"], **options))

    towers = []
    for w in (left, right):
        maps = F.max_pool2d(F.local_response_norm(step(x, w, "conv1", stride=4), 5, 5e-4, 0.75, 2), 3, 2)
        towers.append(F.max_pool2d(F.local_response_norm(step(maps, w, "conv2", padding=2), 5, 5e-4, 0.75, 2), 3, 2))
    both, parts = torch.cat(towers, 1), []
    for w in (left, right):
        maps = both
        for name in ("conv3", "conv4", "conv5"):
            maps = step(maps, w, name, padding=1)
        parts.append(F.max_pool2d(maps, 3, 2).reshape(2, -1))
    for name in ("fc6", "fc7"):
        parts = [F.relu(F.linear(torch.cat(parts, 1), w[name + ".weight"], w[name + ".bias"])) for w in (left, right)]
    return F.linear(torch.cat(parts, 1), top["fc8.weight"], top["fc8.bias"])


def split_emptied(state):
    for tensor in state.values():
        tensor.zero_()
    below = {name: tensor for name, tensor in state.items() if "fc8" not in name}
    return {name: t[::2] for name, t in below.items()}, {name: t[1::2] for name, t in below.items()}


def silent_in_place(weight):
    weight[: weight.shape[0] // 2, weight.shape[1] // 2 :] = 0
    weight[weight.shape[0] // 2 :, : weight.shape[1] // 2] = 0
    return weight


RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("groups_of", {"groups_of": groups_by_pairs}),
    ("groups_of", {"groups_of": groups_step_by_step}),
    ("dense_weight", {"dense_weight": dense_by_blocks}),
    ("dense_weight", {"dense_weight": dense_by_mask}),
    ("split", {"split": split_by_chunk}),
    ("split", {"split": split_by_loop}),
    ("before_exchange", {"before_exchange": tower_in_steps}),
    ("before_exchange", {"before_exchange": tower_by_formula}),
    ("two_towers", {"two_towers": network_in_steps}),
    ("two_towers", {"two_towers": network_joined_again}),
    ("without_exchange", {"without_exchange": silent_by_mask}),
    ("without_exchange", {"without_exchange": silent_by_blocks}),
]

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("groups_of", {"groups_of": groups_as_list}, "a dictionary with the keys"),
    ("two_towers", {"two_towers": network_deaf_conv3}, "RuntimeError in line"),
    ("two_towers", {"two_towers": network_of_two_pictures}, "RuntimeError in line"),
    ("split", {"split": split_emptied}, "Compare one weight"),
    ("without_exchange", {"without_exchange": silent_in_place}, "changes its input weight"),
]
