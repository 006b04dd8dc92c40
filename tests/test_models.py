import pytest
import torch

from alexnet_edu import AlexNetError, feature_maps, get_model, list_models
from alexnet_edu.models import unwrapped
from alexnet_edu.variants import SPECS


def test_list_models_has_the_stable_names() -> None:
    assert list_models() == ["paper", "museum", "caffe", "caffenet", "torchvision", "d2l", "ict1022", "small"]


def test_torchvision_weights_give_bit_equal_outputs() -> None:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    theirs = torchvision.models.alexnet(num_classes=10).eval()
    ours = get_model("torchvision", num_classes=10).eval()
    ours.load_state_dict(theirs.state_dict())
    for size in (63, 224, 300):
        x = torch.randn(2, 3, size, size)
        with torch.inference_mode():
            assert torch.equal(ours(x), theirs(x))


def test_state_dict_round_trip_and_foreign_keys() -> None:
    model = get_model("small", num_classes=3)
    model.load_state_dict(model.state_dict())
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_state_dict({"conv1.weight": model.get_parameter("conv1.weight")})


def test_children_in_order_are_the_network() -> None:
    torch.manual_seed(0)
    model = get_model("small", num_classes=5).eval()
    x = torch.randn(2, 3, 227, 227)
    with torch.inference_mode():
        step = x
        for layer in model.children():
            step = layer(step)
        assert torch.equal(step, model(x))
    assert [name for name, _ in model.named_children()] == [layer.name for layer in model.spec.layers]


def test_a_module_that_is_only_stored_is_not_run() -> None:
    torch.manual_seed(0)
    model = get_model("small", num_classes=5).eval()
    x = torch.randn(1, 3, 227, 227)
    with torch.inference_mode():
        expected = model(x)
        model.probability, model.criterion = torch.nn.Softmax(1), torch.nn.CrossEntropyLoss()
        assert torch.equal(model(x), expected)
        model.fc8 = torch.nn.Linear(model.fc8.in_features, 3)  # type: ignore[arg-type, union-attr]
        assert model(x).shape == (1, 3)
    assert list(feature_maps(model, x)) == [layer.name for layer in model.spec.layers]


def test_the_network_inside_its_wrappers() -> None:
    model = get_model("small", num_classes=2)
    for wrapped in (model, torch.nn.DataParallel(model), torch.compile(torch.nn.DataParallel(model))):
        assert unwrapped(wrapped) is model  # type: ignore[arg-type]
    assert unwrapped(torch.nn.Linear(1, 1)) is not None


def test_no_layer_works_in_place() -> None:
    for name in ("small", "torchvision"):
        for module in get_model(name, num_classes=2).modules():
            assert not getattr(module, "inplace", False)


@pytest.mark.parametrize("name", ["paper", "museum", "caffe"])
def test_weights_start_as_the_source_says(name: str) -> None:
    torch.manual_seed(0)
    model = get_model(name, num_classes=100)
    for layer in SPECS[name].layers:
        init = getattr(layer, "init", None)
        if init is not None:
            module = getattr(model, layer.name)
            assert module.weight.std().item() == pytest.approx(init.std, rel=0.02)
            assert (module.bias == init.bias).all()


@pytest.mark.parametrize(("size", "fits"), [(223, False), (224, True), (227, True), (255, True), (256, False)])
def test_sizes_are_taken_or_refused(size: int, fits: bool) -> None:
    model = get_model("small", num_classes=2).eval()
    x = torch.zeros(1, 3, size, size)
    if fits:
        assert model(x).shape == (1, 2)
    else:
        with pytest.raises(AlexNetError, match="224 to 255"):
            model(x)


@pytest.mark.parametrize("shape", [(3, 227, 227), (1, 1, 227, 227), (1, 4, 227, 227)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(AlexNetError, match=r"\(N, 3, H, W\)"):
        get_model("small", num_classes=2)(torch.zeros(shape))


def test_bad_names_and_class_counts() -> None:
    with pytest.raises(AlexNetError, match="choose one of paper"):
        get_model("resnet")
    with pytest.raises(AlexNetError, match="num_classes"):
        get_model("small", num_classes=0)


@pytest.mark.parametrize("name", ["small", "museum"])
def test_networks_export(name: str) -> None:
    torch.manual_seed(0)
    model = get_model(name, num_classes=2).eval()
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(torch.export.export(model, (x,)).module()(x), model(x), rtol=1e-4, atol=1e-4)
