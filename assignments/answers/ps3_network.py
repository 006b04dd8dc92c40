"""Answers to problem set 3 that its tests must accept, and wrong ones with the feedback they must get, for teachers.

``RIGHT``: (test cell, answers by name). ``WRONG``: the same and a part of the feedback. A function stands alone: its
source is also pasted into made-up submissions.
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


def groups_of_own_kernels(state, channels):
    return {
        name.removesuffix(".weight"): tensor.shape[0] // tensor.shape[1]
        for name, tensor in state.items()
        if tensor.ndim == 4
    }


def groups_all_one(state, channels):
    return {name.removesuffix(".weight"): 1 for name, tensor in state.items() if tensor.ndim == 4}


def groups_with_fc(state, channels):
    found = {}
    for name, tensor in state.items():
        if name.endswith("weight"):
            found[name.removesuffix(".weight")] = max(1, channels // tensor.shape[1])
            channels = tensor.shape[0]
    return found


def groups_as_list(state, channels):
    return [channels // tensor.shape[1] for tensor in state.values() if tensor.ndim == 4]


def groups_from_the_end(state, channels):
    found, entering = {}, None
    for name, tensor in state.items():
        if tensor.ndim == 4:
            found[name.removesuffix(".weight")] = tensor.shape[1] // (entering or channels) or 1
            entering = tensor.shape[0]
    return found


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


def dense_repeated(weight, groups):
    return weight.repeat(1, groups, 1, 1)


def dense_mirrored(weight, groups):
    import torch

    part = weight.shape[1]
    dense = torch.zeros(weight.shape[0], part * groups, *weight.shape[2:], dtype=weight.dtype)
    for g, block in enumerate(weight.chunk(groups)):
        start = (groups - 1 - g) * part
        dense[g * len(block) : (g + 1) * len(block), start : start + part] = block
    return dense


def dense_woven(weight, groups):
    import torch

    part = weight.shape[1]
    dense = torch.zeros(weight.shape[0], part * groups, *weight.shape[2:], dtype=weight.dtype)
    for g, block in enumerate(weight.chunk(groups)):
        dense[g * len(block) : (g + 1) * len(block), g::groups] = block
    return dense


def dense_unchanged(weight, groups):
    return weight


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


def split_woven(state):
    below = {name: tensor for name, tensor in state.items() if "fc8" not in name}
    return {name: t[::2] for name, t in below.items()}, {name: t[1::2] for name, t in below.items()}


def split_what_is_read(state):
    left, right = {}, {}
    for name, tensor in state.items():
        if "fc8" not in name:
            dimension = 1 if tensor.ndim > 1 and tensor.shape[1] % 2 == 0 else 0
            left[name], right[name] = tensor.chunk(2, dimension)
    return left, right


def split_with_fc8(state):
    return {n: t.chunk(2)[0] for n, t in state.items()}, {n: t.chunk(2)[1] for n, t in state.items()}


def split_whole_biases(state):
    below = {name: tensor for name, tensor in state.items() if "fc8" not in name}
    left = {name: t.chunk(2)[0] if t.ndim > 1 else t for name, t in below.items()}
    return left, {name: t.chunk(2)[1] if t.ndim > 1 else t for name, t in below.items()}


def split_one_side(state):
    return {name: tensor[: len(tensor) // 2] for name, tensor in state.items() if "fc8" not in name}


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


def tower_alpha_of_the_paper(x, tower):
    import torch.nn.functional as F

    for layer, stride, padding in (("conv1", 4, 0), ("conv2", 1, 2)):
        x = F.relu(F.conv2d(x, tower[f"{layer}.weight"], tower[f"{layer}.bias"], stride, padding))
        x = F.max_pool2d(F.local_response_norm(x, 5, 1e-4, 0.75, 2), 3, 2)
    return x


def tower_default_k(x, tower):
    import torch.nn.functional as F

    for layer, stride, padding in (("conv1", 4, 0), ("conv2", 1, 2)):
        x = F.relu(F.conv2d(x, tower[f"{layer}.weight"], tower[f"{layer}.bias"], stride, padding))
        x = F.max_pool2d(F.local_response_norm(x, 5, alpha=5e-4), 3, 2)
    return x


def tower_small_windows(x, tower):
    import torch.nn.functional as F

    for layer, stride, padding in (("conv1", 4, 0), ("conv2", 1, 2)):
        x = F.relu(F.conv2d(x, tower[f"{layer}.weight"], tower[f"{layer}.bias"], stride, padding))
        x = F.max_pool2d(F.local_response_norm(x, 5, 5e-4, 0.75, 2), 2, 2)
    return x


def tower_without_relu(x, tower):
    import torch.nn.functional as F

    for layer, stride, padding in (("conv1", 4, 0), ("conv2", 1, 2)):
        x = F.conv2d(x, tower[f"{layer}.weight"], tower[f"{layer}.bias"], stride, padding)
        x = F.max_pool2d(F.local_response_norm(x, 5, 5e-4, 0.75, 2), 3, 2)
    return x


def tower_pool_first(x, tower):
    import torch.nn.functional as F

    for layer, stride, padding in (("conv1", 4, 0), ("conv2", 1, 2)):
        x = F.relu(F.conv2d(x, tower[f"{layer}.weight"], tower[f"{layer}.bias"], stride, padding))
        x = F.local_response_norm(F.max_pool2d(x, 3, 2), 5, 5e-4, 0.75, 2)
    return x


def tower_unpadded(x, tower):
    import torch.nn.functional as F

    for layer, stride in (("conv1", 4), ("conv2", 1)):
        x = F.relu(F.conv2d(x, tower[f"{layer}.weight"], tower[f"{layer}.bias"], stride))
        x = F.max_pool2d(F.local_response_norm(x, 5, 5e-4, 0.75, 2), 3, 2)
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


def network_own_first(x, left, right, top):
    import torch
    import torch.nn.functional as F

    def tower(x, w):
        x = F.relu(F.conv2d(x, w["conv1.weight"], w["conv1.bias"], stride=4))
        x = F.max_pool2d(F.local_response_norm(x, 5, 5e-4, 0.75, 2), 3, 2)
        x = F.relu(F.conv2d(x, w["conv2.weight"], w["conv2.bias"], padding=2))
        return F.max_pool2d(F.local_response_norm(x, 5, 5e-4, 0.75, 2), 3, 2)

    def step(x, w, name):
        if name.startswith("conv"):
            return F.relu(F.conv2d(x, w[name + ".weight"], w[name + ".bias"], padding=1))
        return F.relu(F.linear(x, w[name + ".weight"], w[name + ".bias"]))

    a, b = tower(x, left), tower(x, right)
    a, b = step(torch.cat([a, b], 1), left, "conv3"), step(torch.cat([b, a], 1), right, "conv3")
    for name in ("conv4", "conv5"):
        a, b = step(a, left, name), step(b, right, name)
    a, b = F.max_pool2d(a, 3, 2).flatten(1), F.max_pool2d(b, 3, 2).flatten(1)
    for name in ("fc6", "fc7"):
        a, b = step(torch.cat([a, b], 1), left, name), step(torch.cat([b, a], 1), right, name)
    return F.linear(torch.cat([a, b], 1), top["fc8.weight"], top["fc8.bias"])


def network_silent_fc7(x, left, right, top):
    import torch
    import torch.nn.functional as F

    w = {name: torch.cat([left[name], right[name]]) for name in left} | top
    for name, stride, padding, groups in (("conv1", 4, 0, 1), ("conv2", 1, 2, 2)):
        x = F.conv2d(x, w[name + ".weight"], w[name + ".bias"], stride, padding, groups=groups).relu()
        halves = [F.local_response_norm(half, 5, 5e-4, 0.75, 2) for half in x.chunk(2, 1)]
        x = F.max_pool2d(torch.cat(halves, 1), 3, 2)
    for name, groups in (("conv3", 1), ("conv4", 2), ("conv5", 2)):
        x = F.conv2d(x, w[name + ".weight"], w[name + ".bias"], padding=1, groups=groups).relu()
    x = F.linear(F.max_pool2d(x, 3, 2).flatten(1), w["fc6.weight"], w["fc6.bias"]).relu()
    return F.linear(F.linear(x, w["fc7.weight"], w["fc7.bias"]), w["fc8.weight"], w["fc8.bias"])


def network_with_probabilities(x, left, right, top):
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
    return F.linear(x, w["fc8.weight"], w["fc8.bias"]).softmax(1)


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


def silent_inside(weight):
    rows, reads = weight.shape[0] // 2, weight.shape[1] // 2
    weight = weight.clone()
    weight[:rows, :reads] = 0
    weight[rows:, reads:] = 0
    return weight


def silent_one_way(weight):
    weight = weight.clone()
    weight[: weight.shape[0] // 2, weight.shape[1] // 2 :] = 0
    return weight


def silent_other_way(weight):
    weight = weight.clone()
    weight[weight.shape[0] // 2 :, : weight.shape[1] // 2] = 0
    return weight


def silent_smaller(weight):
    import torch

    a, b = weight.chunk(2)
    half = weight.shape[1] // 2
    return torch.cat([a[:, :half], b[:, half:]])


def silent_woven(weight):
    weight = weight.clone()
    weight[::2, 1::2] = 0
    weight[1::2, ::2] = 0
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
    ("groups_of", {"groups_of": groups_of_own_kernels}, "divide the maps that *enter* it"),
    ("groups_of", {"groups_of": groups_all_one}, "conv2: how many maps enter it"),
    ("groups_of", {"groups_of": groups_with_fc}, "fc6 is no convolution"),
    ("groups_of", {"groups_of": groups_as_list}, "A dictionary is wanted"),
    ("groups_of", {"groups_of": groups_from_the_end}, "how many maps enter it"),
    ("dense_weight", {"dense_weight": dense_repeated}, "the rest is zero"),
    ("dense_weight", {"dense_weight": dense_mirrored}, "the wrong group's maps"),
    ("dense_weight", {"dense_weight": dense_woven}, "not every second one"),
    ("dense_weight", {"dense_weight": dense_unchanged}, "it should be (6, 4, 3, 3)"),
    ("split", {"split": split_woven}, "not every second one"),
    ("split", {"split": split_what_is_read}, "halve the kernels"),
    ("split", {"split": split_with_fc8}, "fc8 stays whole"),
    ("split", {"split": split_whole_biases}, "the shape is"),
    ("split", {"split": split_one_side}, "two dictionaries"),
    ("before_exchange", {"before_exchange": tower_alpha_of_the_paper}, "PyTorch needs 5e-4"),
    ("before_exchange", {"before_exchange": tower_default_k}, "the paper's k is 2"),
    ("before_exchange", {"before_exchange": tower_small_windows}, "3 x 3 and overlap"),
    ("before_exchange", {"before_exchange": tower_without_relu}, "no ReLU after"),
    ("before_exchange", {"before_exchange": tower_pool_first}, "normalises first"),
    ("before_exchange", {"before_exchange": tower_unpadded}, "the shape is"),
    ("two_towers", {"two_towers": network_own_first}, "left, then right"),
    ("two_towers", {"two_towers": network_silent_fc7}, "no ReLU after fc7"),
    ("two_towers", {"two_towers": network_with_probabilities}, "scores before the softmax"),
    ("two_towers", {"two_towers": network_deaf_conv3}, "shapes do not fit"),
    ("without_exchange", {"without_exchange": silent_inside}, "keep each tower's own"),
    ("without_exchange", {"without_exchange": silent_one_way}, "the right tower still hears the left"),
    ("without_exchange", {"without_exchange": silent_other_way}, "the left tower still hears the right"),
    ("without_exchange", {"without_exchange": silent_smaller}, "the shape is"),
    ("without_exchange", {"without_exchange": silent_woven}, "halve both"),
]
