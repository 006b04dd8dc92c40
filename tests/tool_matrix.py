"""What engineers do to a network with other tools: each entry runs one on one network and checks what comes out.

``tests/test_compatibility.py`` runs them all; ``docs/bring-your-own.md`` shows them as a table.
"""

from __future__ import annotations

import copy
import io
import logging
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from alexnet_edu.geometry import layer_table
from alexnet_edu.layers import Dropout2012, LocalResponseNorm, SpatialResponseNorm
from alexnet_edu.models import AlexNet, get_model
from alexnet_edu.specs import scaled
from alexnet_edu.variants import get_spec

WIDTH = 1 / 16  # of the networks whose structure is tried; what is counted is counted at full width


@dataclass(frozen=True)
class Case:
    """A network in eval mode with two pictures and their scores."""

    name: str
    model: AlexNet
    x: Tensor
    y: Tensor

    def full(self) -> tuple[AlexNet, Tensor]:
        """The network at full width, without memory for its weights, and one picture."""
        with torch.device("meta"):
            model = get_model(self.name).eval()
            return model, torch.empty(1, *model.spec.input_shape)

    def agrees(self, call: Callable[[Tensor], Any], tolerance: float = 1e-4) -> None:
        """``call`` gives the network's scores for one, two and six pictures."""
        for x in (self.x[:1], self.x, self.x.repeat(3, 1, 1, 1)):
            with torch.no_grad():
                close(torch.as_tensor(call(x)), self.model(x), tolerance)


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    scale = float(expected.detach().abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * scale)


@cache
def case(name: str) -> Case:
    """A narrow copy with weights that keep the activations' size, so that every layer matters."""
    torch.manual_seed(0)
    spec = scaled(get_spec(name).with_classes(10), WIDTH)
    model = AlexNet(spec).eval()
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    x = torch.randn(2, *spec.input_shape)
    with torch.no_grad():
        return Case(name, model, x, model(x))


def copies(case: Case) -> None:
    for copied in (copy.deepcopy(case.model), pickle.loads(pickle.dumps(case.model)), nn.DataParallel(case.model)):
        case.agrees(copied)


def compile_(case: Case) -> None:
    torch.compiler.reset()
    compiled = torch.compile(case.model, backend="eager", fullgraph=True, dynamic=True)
    for x in (case.x, case.x.repeat(3, 1, 1, 1)):
        with torch.no_grad():
            close(compiled(x), case.model(x))


def export(case: Case) -> None:
    free = ({0: torch.export.Dim("batch", min=1, max=64)},)
    case.agrees(torch.export.export(case.model, (case.x,), dynamic_shapes=free).module())


def onnx(case: Case) -> None:
    free = ({0: torch.export.Dim("batch", min=1, max=64)},)
    file = io.BytesIO()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    program: Any = torch.onnx.export(case.model, (case.x,), dynamo=True, dynamic_shapes=free, verbose=False)
    assert program is not None
    program.save(file)
    case.agrees(session(file), 1e-3)


def old_onnx(case: Case) -> None:
    file = io.BytesIO()
    free = {"pictures": {0: "batch"}}
    torch.onnx.export(case.model, (case.x,), file, dynamo=False, input_names=["pictures"], dynamic_axes=free)  # type: ignore[arg-type]
    case.agrees(session(file), 1e-3)


def session(file: io.BytesIO) -> Callable[[Tensor], Any]:
    import onnxruntime

    made = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    name = made.get_inputs()[0].name
    return lambda x: made.run(None, {name: x.numpy()})[0]


def trace(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traced.pt"
        torch.jit.trace(case.model, case.x).save(path)  # type: ignore[no-untyped-call]
        case.agrees(torch.jit.load(path))  # type: ignore[no-untyped-call]


def fx(case: Case) -> None:
    case.agrees(torch.fx.symbolic_trace(case.model))


def extractor(case: Case) -> None:
    from torchvision.models.feature_extraction import create_feature_extractor

    found = create_feature_extractor(case.model, ["conv1", "fc8"]).eval()(case.x)
    close(found["fc8"], case.y)
    close(found["conv1"], case.model.get_submodule("conv1")(case.x))


def per_sample(case: Case) -> None:
    from torch.func import functional_call, grad, vmap

    def loss(parameters: dict[str, Tensor], picture: Tensor) -> Tensor:
        scores: Tensor = functional_call(case.model, parameters, (picture[None],))
        return scores.square().sum()

    found = vmap(grad(loss), (None, 0))(dict(case.model.named_parameters()), case.x)
    for number, picture in enumerate(case.x):
        case.model.zero_grad()
        case.model(picture[None]).square().sum().backward()
        for name, parameter in case.model.named_parameters():
            assert parameter.grad is not None
            close(found[name][number], parameter.grad, 1e-3)
    case.model.zero_grad()


def forward_mode(case: Case) -> None:
    """The derivative along a direction, forwards and backwards."""
    direction = torch.randn(case.x.shape, generator=torch.Generator().manual_seed(1))
    _, forwards = torch.func.jvp(case.model, (case.x,), (direction,))  # type: ignore[misc]
    _, transposed = torch.func.vjp(case.model, case.x)  # type: ignore[misc]
    for index in range(3):
        (gradient,) = transposed(torch.eye(10)[index].expand(2, -1))
        close((gradient * direction).sum((1, 2, 3)), forwards[:, index], 1e-2)


def twice(case: Case) -> None:
    """A penalty on the gradient, and its gradient beside a difference quotient."""

    def penalty(scale: Tensor) -> Tensor:
        x = (case.x * scale).requires_grad_()
        (gradient,) = torch.autograd.grad(case.model(x)[:, 0].square().sum(), x, create_graph=True)
        return gradient.square().sum()

    scale = torch.ones((), requires_grad=True)
    (found,) = torch.autograd.grad(penalty(scale), scale)
    step = 1e-3
    quotient = (penalty(torch.tensor(1 + step)) - penalty(torch.tensor(1 - step))) / (2 * step)
    close(found, quotient.detach(), 0.05)


def macs(model: AlexNet) -> dict[str, int]:
    return {row.name: row.macs for row in layer_table(model.spec)}


def on_cpu(model: AlexNet, x: Tensor) -> tuple[AlexNet, Tensor]:
    """With memory whose content does not matter to who counts."""
    return model.to_empty(device="cpu"), torch.zeros(x.shape)


def fvcore(case: Case) -> None:
    from fvcore.nn import FlopCountAnalysis

    model, x = on_cpu(*case.full())
    counted = FlopCountAnalysis(model, x).unsupported_ops_warnings(False)
    pooled = counted.by_operator()["adaptive_avg_pool2d"]  # fvcore counts its additions, too
    assert counted.total() - pooled == layer_table(model.spec).total_macs
    found = counted.by_module()
    assert all(found[name] == count for name, count in macs(model).items() if count)


def thop(case: Case) -> None:
    from thop import profile

    model, x = on_cpu(*case.full())
    _, _, layers = profile(model, (x,), verbose=False, ret_layer_info=True)
    found = {name: round(count) for name, (count, *_) in layers.items()}
    found.pop("avgpool", None)  # thop counts additions and divisions here
    expected = macs(model)
    expected.pop("avgpool", None)
    assert found == expected


def flop_counter(case: Case) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model, x = case.full()
    with FlopCounterMode(display=False) as counter:
        model(x)
    assert counter.get_total_flops() == 2 * layer_table(model.spec).total_macs


def lrp(case: Case) -> None:
    """Relevance is kept: with biases of zero that of the pixels sums to the score, where LRN is nearly linear."""
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule

    model = copy.deepcopy(case.model)
    for layer in model.modules():
        if isinstance(layer, (LocalResponseNorm, SpatialResponseNorm, Dropout2012, nn.Flatten)):
            layer.rule = EpsilonRule()  # type: ignore[assignment]
    found = LRP(model).attribute(case.x, target=0).sum((1, 2, 3))  # type: ignore[no-untyped-call]
    close(found.detach(), case.y[:, 0], 0.02)


def deep_lift(case: Case) -> None:
    from captum.attr import DeepLift

    baseline = torch.zeros_like(case.x)
    found = DeepLift(case.model).attribute(case.x, baseline, target=0)  # type: ignore[no-untyped-call]
    assert found.shape == case.x.shape and found.isfinite().all()


TOOLS: dict[str, tuple[str, Callable[[Case], None]]] = {
    "`copy.deepcopy`, `pickle`, `DataParallel`": ("the same scores", copies),
    "`torch.compile`": ("one graph, any batch size", compile_),
    "`torch.export`": ("free batch size", export),
    "`torch.onnx.export(dynamo=True)`": ("free batch size; run by onnxruntime", onnx),
    "`torch.onnx.export(dynamo=False)`": ("free batch size; run by onnxruntime", old_onnx),
    "`torch.jit.trace`": ("saved, loaded, other batch sizes", trace),
    "`torch.fx.symbolic_trace`": ("the same scores", fx),
    "`create_feature_extractor`": ("torchvision's; nodes by layer", extractor),
    "`torch.func.grad` in `vmap`": ("gradients per picture", per_sample),
    "`torch.func.jvp`, `vjp`": ("forward mode equals backward mode", forward_mode),
    "`autograd.grad(create_graph=True)`": ("gradient of a gradient penalty", twice),
    "fvcore": ("multiplications per layer equal ours", fvcore),
    "thop": ("multiplications per layer equal ours", thop),
    "`torch.utils.flop_counter`": ("twice our multiplications", flop_counter),
    "captum `LRP`": ("with `layer.rule = EpsilonRule()` for LRN, 2012's dropout and `flatten`", lrp),
    "captum `DeepLift`": ("finite values", deep_lift),
}
