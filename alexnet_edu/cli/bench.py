"""``alexnet-edu bench``: what this machine does with the networks, measured side by side, as a table or as JSON.

Every figure is the median of several runs after a warm-up, with its quartiles; work that a device does on its own time
is waited for. One MAC counts as two floating-point operations (FLOP). Notebook 07 builds these steps one by one.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from importlib.util import find_spec
from itertools import product
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from alexnet_edu.errors import AlexNetError
from alexnet_edu.features import neighbours, occlusion
from alexnet_edu.geometry import layer_table
from alexnet_edu.images import Sample, sample_images
from alexnet_edu.inference import class_probabilities, predict, predict_many, ten_crop, ten_views
from alexnet_edu.layers import LocalResponseNorm
from alexnet_edu.measure import Timing, bandwidth, layer_times, machine, matmul_peak, measure
from alexnet_edu.models import AlexNet, get_model
from alexnet_edu.palette import by
from alexnet_edu.specs import Spec, scaled
from alexnet_edu.speed import keep_freed_memory, optimize_for_inference
from alexnet_edu.tiles import filters_to_rgb, png_bytes, tile_pictures
from alexnet_edu.variants import get_spec
from alexnet_edu.weights import Preprocess, Pretrained

__all__ = ["Row", "add_arguments", "benchmark", "run"]

Device = torch.device


@dataclass(frozen=True)
class Row:
    """One figure of the benchmark.

    Attributes:
        group: what it belongs to: rows of one group are to be compared.
        name: what was timed.
        timing: of one call, in seconds.
        pictures: how many pictures one call takes; 0 where there are none.
        macs: multiply-accumulates of one call; 0 where they do not matter.
        bytes: smallest possible memory traffic of one call; 0 where it does not matter.
        note: how it was done or how its result differs from the first row of the group, where that was looked at.
    """

    group: str
    name: str
    timing: Timing
    pictures: int = 0
    macs: int = 0
    bytes: int = 0
    note: str = ""


# What is compared


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    device: Device
    seconds: float
    batches: tuple[int, ...]
    sides: tuple[int, ...]
    widths: tuple[float, ...]
    compiled: bool

    @property
    def batch(self) -> int:
        """The size of the large batches."""
        return self.batches[-1]

    @property
    def compiles(self) -> bool:
        """Whether to compile, asked only where something is to be: the answer loads the compiler."""
        return self.compiled and has_compiler()


QUICK = {"seconds": 0.15, "batches": (1, 8), "sides": (128, 224), "widths": (0.5, 1.0)}
FULL = {
    "seconds": 1.0,
    "batches": (1, 2, 4, 8, 16, 32),
    "sides": (96, 128, 160, 224, 320, 448),
    "widths": (0.25, 0.5, 1.0),
}

# An accelerator does all of it in milliseconds, and shows what it can only with much to do at once.
ACCELERATOR = {"seconds": 0.2, "batches": (1, 8, 32, 128, 512, 1024)}
PEAK_SIDES = {"quick": 1024, "cpu": 2048, "accelerator": 8192}  # of the matrices whose product is timed


def _pictures(spec: Spec, count: int, device: Device, side: int | None = None) -> Tensor:
    side = side or spec.input_size
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0)).to(device)


def _network_row(plan: Plan, group: str, name: str, model: nn.Module, x: Tensor, macs: int) -> Row:
    with torch.inference_mode():
        timing = measure(lambda: model(x), seconds=plan.seconds, device=plan.device)
    return Row(group, name, timing, pictures=len(x), macs=macs * len(x))


def _torchvision() -> nn.Module:
    """The peer, untouched; ours has the same layers with a faster pooling."""
    from torchvision.models import alexnet  # seconds to import, and only the benchmark needs it

    return alexnet()  # type: ignore[no-any-return]


def _networks(plan: Plan) -> dict[str, nn.Module]:
    models = {"torchvision": _torchvision(), "paper": get_model("paper")}
    return {name: model.eval().to(plan.device) for name, model in models.items()}


def by_batch(plan: Plan) -> Iterator[Row]:
    """Plain eager float32: torchvision's network as torchvision builds it, and the paper's as we do."""
    yield from _side_by_side(plan, "batch")


def by_memory(plan: Plan) -> Iterator[Row]:
    """Batches once more, with freed memory kept: the last part, since that lasts as long as the process."""
    if plan.device.type == "cpu" and keep_freed_memory():
        yield from _side_by_side(plan, "freed memory kept")


def _side_by_side(plan: Plan, group: str) -> Iterator[Row]:
    models = _networks(plan)
    for batch in plan.batches:
        for network, model in models.items():
            spec = get_spec(network)
            x = _pictures(spec, batch, plan.device)
            macs = layer_table(spec).total_macs
            yield _network_row(plan, f"{group}, {network}", f"batch {batch}", model, x, macs)


def by_side(plan: Plan) -> Iterator[Row]:
    """Growth with resolution; the network is torchvision's, whose pooling before fc6 adapts."""
    model = get_model("torchvision").eval().to(plan.device)
    for side in plan.sides:
        x = _pictures(model.spec, 4, plan.device, side)
        macs = layer_table(model.spec, side).total_macs
        yield _network_row(plan, "resolution, torchvision, batch 4", f"{side} pixels", model, x, macs)


def by_width(plan: Plan) -> Iterator[Row]:
    """Growth with the number of maps."""
    for width in plan.widths:
        spec = scaled(get_spec("paper"), width)
        model = AlexNet(spec).eval().to(plan.device)
        x = _pictures(spec, 4, plan.device)
        macs = layer_table(spec).total_macs
        yield _network_row(plan, "width, paper, batch 4", f"width x {width:g}", model, x, macs)


def by_mode(plan: Plan) -> Iterator[Row]:
    """Dtype, memory layout and compilation, for one picture and for a batch."""
    for (network, base), batch in product(_networks(plan).items(), (1, plan.batch)):
        spec = get_spec(network)
        macs = layer_table(spec).total_macs
        x = _pictures(spec, batch, plan.device)
        with torch.inference_mode(), _tf32(False):
            want = base(x)
        for mode in _modes(plan):
            model = copy.deepcopy(base).to(dtype=mode.dtype, memory_format=mode.layout)  # type: ignore[call-overload]
            if mode.compiled:
                model = torch.compile(model, mode=mode.compiled)
            inputs = x.to(mode.dtype, memory_format=mode.layout)
            with _tf32(mode.tf32):
                row = _network_row(plan, f"mode, {network}, batch {batch}", mode.name, model, inputs, macs)
                with torch.inference_mode():
                    error = ((model(inputs).float() - want).norm() / want.norm()).item()
            yield replace(row, note=f"differs by {error:.1e} (relative)" if mode != PLAIN else "")


@dataclass(frozen=True)
class Mode:
    """A way to run a network.

    Attributes:
        name: what the row is called.
        dtype: of weights and inputs.
        layout: of weights and inputs in memory.
        compiled: ``torch.compile``'s mode; "": not compiled. "reduce-overhead" records CUDA graphs.
        tf32: whether float32 products may round their factors to 10 bits, which needs a GPU that can.
    """

    name: str
    dtype: torch.dtype = torch.float32
    layout: torch.memory_format = torch.contiguous_format
    compiled: str = ""
    tf32: bool = False


PLAIN = Mode("eager float32")


def _modes(plan: Plan) -> Iterator[Mode]:
    cuda = plan.device.type == "cuda"
    bf16, last = torch.bfloat16, torch.channels_last
    yield PLAIN
    if cuda:
        yield Mode("eager TF32", tf32=True)
    yield Mode("channels_last float32", layout=last)
    yield Mode("eager bfloat16", bf16)
    yield Mode("channels_last bfloat16", bf16, last)
    if plan.compiles:
        yield Mode("compiled float32", compiled="default")
        yield Mode("compiled channels_last bfloat16", bf16, last, "default")
    if plan.compiles and cuda:
        yield Mode("CUDA graphs, channels_last bfloat16", bf16, last, "reduce-overhead")


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """Convolutions and products may, or may not, use TF32; PyTorch allows it for convolutions unless told."""
    places: tuple[Any, Any] = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = allowed
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.allow_tf32 = value


def by_norm(plan: Plan) -> Iterator[Row]:
    """Response normalisation beside its peer and beside a ReLU, which moves as many bytes."""
    x = torch.randn(plan.batch, 96, 55, 55, generator=torch.Generator().manual_seed(0)).to(plan.device)
    settings = {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0}
    ours = LocalResponseNorm(**settings)  # type: ignore[arg-type]
    calls: dict[str, Callable[[Tensor], Tensor]] = {
        "F.relu": F.relu,
        "torch.nn.LocalResponseNorm": nn.LocalResponseNorm(**settings),  # type: ignore[arg-type]
        "alexnet_edu LocalResponseNorm": ours,
    }
    if plan.compiles:
        calls["alexnet_edu, compiled"] = torch.compile(ours)
    for name, call in calls.items():
        with torch.inference_mode():
            timing = measure(lambda call=call: call(x), seconds=plan.seconds, device=plan.device)  # type: ignore[misc]
        yield Row(f"LRN, {by(*x.shape)}", name, timing, pictures=len(x), bytes=2 * x.nbytes)


def by_layer(plan: Plan) -> Iterator[Row]:
    """Each layer of the paper's network alone."""
    model = get_model("paper").eval().to(plan.device)
    table = layer_table(model.spec)
    for name, timing in layer_times(model, _pictures(model.spec, 8, plan.device), seconds=plan.seconds / 4).items():
        yield Row("layer, paper, batch 8", name, timing, pictures=8, macs=8 * table[name].macs)


def by_runtime(plan: Plan) -> Iterator[Row]:
    """onnxruntime on the same network, where it is installed."""
    if plan.device.type != "cpu" or not all(map(find_spec, ("onnxruntime", "onnx", "onnxscript"))):
        return
    import onnxruntime  # type: ignore[import-not-found, unused-ignore]

    model = get_model("torchvision").eval()
    for batch in (1, plan.batch):
        x = _pictures(model.spec, batch, plan.device)
        file = io.BytesIO()
        torch.onnx.export(nn.Sequential(*model.children()), (x,), file, dynamo=False)  # type: ignore[arg-type]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: x.numpy()}
        timing = measure(lambda feed=feed, session=session: session.run(None, feed), seconds=plan.seconds)  # type: ignore[misc]
        macs = layer_table(model.spec).total_macs * batch
        yield Row(f"mode, torchvision, batch {batch}", "onnxruntime float32", timing, pictures=batch, macs=macs)


def by_picture(plan: Plan) -> Iterator[Row]:
    """The filter grid: one composed picture beside the usual subplot per filter, both to PNG.

    The first part: matplotlib's time depends on when Python collects garbage, which a compiler's many objects change.
    """
    weights = get_model("torchvision").get_parameter("conv1.weight").detach().numpy()

    def subplots() -> None:
        figure = Figure(figsize=(8, 8))
        for i, kernel in enumerate(filters_to_rgb(weights, shared=False)):
            ax = figure.add_subplot(8, 8, i + 1)
            ax.imshow(kernel)
            ax.axis("off")
        figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")  # as a notebook shows a figure

    def composed() -> None:
        png_bytes(tile_pictures(filters_to_rgb(weights)))

    for name, call in (("one subplot per filter (matplotlib)", subplots), ("one composed picture", composed)):
        yield Row("picture of 64 filters", name, measure(call, seconds=plan.seconds, warm_up=1, least=3))


@dataclass(frozen=True)
class Task:
    """Something the course does with a network, and ways to do it: the loop over pictures first, then what replaces it.

    Attributes:
        name: what is done.
        pictures: how many pictures, places or queries one call takes.
        ways: calls that do it, by name.
    """

    name: str
    pictures: int
    ways: dict[str, Callable[[], object]]


def by_use(plan: Plan) -> Iterator[Row]:
    """Whole tasks of the course beside the loop over pictures that they replace; the weights are random."""
    plain = _random_pretrained(plan.device)
    chosen: list[str] = []
    fast = optimize_for_inference(plain, announce=chosen.append)
    photos = list(sample_images().values()) * (36 if plan.compiled else 1)
    for task in (
        _crop_task(plain, fast, photos[0]),
        _occlusion_task(plain, fast, photos[0]),
        _neighbour_task(),
        _photo_task(plain, fast, photos, _pictures(get_spec("torchvision"), len(photos), plan.device), plan.batch),
    ):
        for name, call in task.ways.items():
            with torch.inference_mode():
                timing = measure(call, seconds=plan.seconds, warm_up=1, least=3, device=plan.device)
            note = chosen[0] if name.endswith("optimized") else ""
            yield Row(task.name, name, timing, pictures=task.pictures, note=note)


def _random_pretrained(device: Device) -> Pretrained:
    """torchvision's network with a fixed start: with some, bfloat16 changes a label and is not taken."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = get_model("torchvision").eval().to(device)
    return Pretrained(model, Preprocess(), tuple(map(str, range(1000))), "random", "drawn for this benchmark")


def _crop_task(plain: Pretrained, fast: Pretrained, photo: Sample) -> Task:
    ways: dict[str, Callable[[], object]] = {
        "one crop at a time": lambda: [predict(view, plain) for view in ten_views(plain.preprocess, photo)],
        "ten_crop": lambda: ten_crop(photo, plain),
        "ten_crop, optimized": lambda: ten_crop(photo, fast),
    }
    return Task("ten crops of a photo", 1, ways)


def _occlusion_task(plain: Pretrained, fast: Pretrained, photo: Sample, patch: int = 32) -> Task:
    x = plain.preprocess(photo)
    starts = range(0, x.shape[-1] - patch + 1, patch)
    places = list(product(starts, starts))

    def hide(top: int, left: int) -> Tensor:
        hidden = x.clone()
        hidden[:, top : top + patch, left : left + patch] = 0
        return hidden[None]

    ways: dict[str, Callable[[], object]] = {
        "one place at a time": lambda: [class_probabilities(plain.model, hide(*place)) for place in places],
        "occlusion": lambda: occlusion(plain, x, 0, patch=patch, stride=patch),
        "occlusion, optimized": lambda: occlusion(fast, x, 0, patch=patch, stride=patch),
    }
    return Task(f"occlusion, {len(places)} places", len(places), ways)


def _neighbour_task() -> Task:
    bank = torch.randn(2000, 4096)
    ways: dict[str, Callable[[], object]] = {
        "one query at a time": lambda: [(bank - row).norm(dim=1).topk(6, largest=False) for row in bank[:100]],
        "neighbours": lambda: neighbours(bank[:100], bank),
    }
    return Task(f"nearest of {len(bank):,} vectors, 100 queries", 100, ways)


def _photo_task(plain: Pretrained, fast: Pretrained, photos: list[Sample], ready: Tensor, batch: int) -> Task:
    ways: dict[str, Callable[[], object]] = {
        "network alone, plain eager": lambda: [plain.model(part) for part in torch.split(ready, batch)],
        "one photo at a time": lambda: [predict(one, plain) for one in photos],
        "predict_many": lambda: list(predict_many(photos, plain)),
        "predict_many, optimized": lambda: list(predict_many(photos, fast)),
    }
    return Task(f"{len(photos)} photos from files", len(photos), ways)


PARTS: dict[str, Callable[[Plan], Iterator[Row]]] = {
    "picture": by_picture,
    "batch": by_batch,
    "mode": by_mode,
    "runtime": by_runtime,
    "norm": by_norm,
    "layer": by_layer,
    "side": by_side,
    "width": by_width,
    "use": by_use,
    "memory": by_memory,
}


@cache
def has_compiler() -> bool:
    """Whether ``torch.compile`` works here; it needs a C++ compiler or, on a GPU, Triton."""
    try:
        return bool(torch.compile(lambda x: x.relu() + 1)(torch.ones(8)).sum() == 16)
    except Exception:
        return False


def benchmark(
    *,
    quick: bool = False,
    device: Device | str = "cpu",
    parts: Sequence[str] = (),
    tell: Callable[[str], object] = lambda line: None,
) -> dict[str, Any]:
    """Runs everything, or some parts of it.

    Args:
        quick: fewer sizes, shorter runs, nothing compiled.
        device: where.
        parts: names from ``PARTS``; none: all.
        tell: called with one line per figure, as soon as it is there.

    Returns:
        ``machine``, ``date``, ``quick``, ``peaks`` (FLOP/s by dtype, bytes/s) and ``rows``, fit for JSON.
    """
    settings: dict[str, Any] = QUICK if quick else FULL
    if not quick and torch.device(device).type == "cuda":
        settings = settings | ACCELERATOR
    plan = Plan(device=torch.device(device), compiled=not quick, **settings)
    with _tf32(False):  # "float32" means float32; the one row of TF32 asks for it
        peaks, rows = _measured(plan, parts or tuple(PARTS), tell)
    return {
        "machine": machine(device),
        "date": datetime.now(UTC).date().isoformat(),
        "quick": quick,
        "peaks": peaks,
        "rows": [row_as_json(row, peaks) for row in rows],
    }


def _measured(plan: Plan, parts: Sequence[str], tell: Callable[[str], object]) -> tuple[dict[str, float], list[Row]]:
    """The machine's peaks and every row, each told as soon as it is there."""
    peaks = _peaks(plan)
    tell(", ".join(f"{name} {value / 1e9:,.0f} G/s" for name, value in peaks.items()))
    rows = []
    for part in parts:
        for row in PARTS[part](plan):
            rows.append(row)
            tell(row_as_text(row_as_json(row, peaks)))
    again = _peaks(plan)  # a busy moment at the start would make every share too large
    return {name: max(value, again[name]) for name, value in peaks.items()}, rows


def _peaks(plan: Plan) -> dict[str, float]:
    side = PEAK_SIDES["quick" if not plan.compiled else "cpu" if plan.device.type == "cpu" else "accelerator"]
    measured = partial(matmul_peak, side=side, device=plan.device, seconds=plan.seconds)
    peaks = {"float32 FLOP": measured(torch.float32), "bfloat16 FLOP": measured(torch.bfloat16)}
    if plan.device.type == "cuda":
        with _tf32(True):
            peaks["TF32 FLOP"] = measured(torch.float32)
    return peaks | {"memory bytes": bandwidth(device=plan.device, seconds=plan.seconds)}


def row_as_json(row: Row, peaks: dict[str, float]) -> dict[str, Any]:
    """One figure with its rates and its share of the machine's peak."""
    seconds = row.timing.median
    data = asdict(row)
    if row.pictures:
        data["pictures_per_second"] = row.pictures / seconds
    if row.macs:
        data["flops"] = 2 * row.macs / seconds
        kind = next((kind for kind in ("bfloat16", "TF32") if kind in row.name), "float32")
        data["share_of_peak"] = data["flops"] / peaks[f"{kind} FLOP"]
    if row.bytes:
        data["share_of_peak"] = row.bytes / seconds / peaks["memory bytes"]
    return data


def row_as_text(row: dict[str, Any]) -> str:
    """One line of the table."""
    share = f"{row['share_of_peak']:6.0%} of peak" if "share_of_peak" in row else ""
    rate = f"{row['pictures_per_second']:9,.1f} pictures/s" if "pictures_per_second" in row else ""
    timing = str(Timing(**row["timing"]))
    return f"{row['group']:34}  {row['name']:34}  {timing:40}  {rate:21}  {share:15}  {row['note']}".rstrip()


# The command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to ``parser``."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; nothing compiled")
    parser.add_argument("--device", default="cpu", help="cpu (the default), cuda or mps")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=(), help="measure these only (default: all)")


def run(args: argparse.Namespace) -> int:
    """Measures and prints; the exit status is 0."""
    _require(args.device)
    out = sys.stderr if args.json else sys.stdout
    result = benchmark(
        quick=args.quick,
        device=args.device,
        parts=args.parts,
        tell=lambda line: print(line, file=out, flush=True),
    )
    if args.json:
        print(json.dumps(result, indent=1))
    else:
        print(", ".join(f"{name}: {value}" for name, value in result["machine"].items()))
    return 0


def _require(device: str) -> None:
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        raise AlexNetError(f"There is no device {device!r} here; choose cpu, cuda or mps.") from problem
