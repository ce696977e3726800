"""Models of torchvision lose channels; skipped where it is not installed."""

from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn_prune.models.nets.torch_cut import proved_cut, safe_units
from sklearn_prune.models.nets.torch_parts import plain_copy
from tests.models.nets import vision

slow = pytest.mark.slow
WHOLE = [
    "squeezenet1_1",
    *(
        pytest.param(name, marks=slow)
        for name in (
            *("resnet18", "vgg11", "vgg11_bn", "mobilenet_v2", "mobilenet_v3_small"),
            *("mobilenet_v3_large", "densenet121", "efficientnet_b0", "googlenet"),
            *("regnet_x_400mf", "convnext_tiny"),
        )
    ),
]


def units_of(name, size=64):
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    torch.manual_seed(0)
    module = plain_copy(vision.make(name)).eval()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    X = torch.randn(4, 3, size, size)

    def run(module, X):
        return module(X)

    return module, run, X, safe_units(module, run, X[:2], proof=X)


def half_of(units):
    groups = [np.flatnonzero(units.groups == group) for group in range(len(units.kinds))]
    return np.sort(np.concatenate([own[: -(-len(own) // 2)] for own in groups]))


@pytest.mark.parametrize("name", WHOLE)
def test_every_layer_is_cut(name):
    module, run, X, units = units_of(name)
    assert units.uncut == {}
    small = proved_cut(module, units, half_of(units), run, X)
    sizes = [sum(value.numel() for value in m.parameters()) for m in (small, module)]
    assert sizes[0] < 0.4 * sizes[1]


@slow
@pytest.mark.parametrize(("name", "size"), [("shufflenet_v2_x0_5", 64), ("swin_t", 224)])
def test_the_rest_is_cut_where_channels_are_shuffled_or_attention_is_written_by_hand(
    name, size
):
    module, run, X, units = units_of(name, size)
    assert units.uncut
    assert proved_cut(module, units, half_of(units), run, X) is not None
