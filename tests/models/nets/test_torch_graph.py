"""Following torch modules: their operations give what they give, and who makes what."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn
from torch.nn import functional

from sklearn_prune.models.nets.torch import TorchFamily, _missing_norms
from sklearn_prune.models.nets.torch_graph import NotFollowed, follow
from sklearn_prune.models.nets.torch_training import values_of
from sklearn_prune.models.nets.units import MaskedNet
from sklearn_prune.predictors.nets.net import CompactNet


class Called(nn.Module):
    """Layers by name, and a function that says how they are used."""

    def __init__(self, forward, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.called = forward

    def forward(self, X):
        return self.called(self, X)


class Net:
    """What the family asks of a fitted net."""

    def __init__(self, module):
        self.module_ = module


def unlike_new(module):
    """The module in evaluation mode, with facts of batch norms as after a training."""
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                if part.running_mean is not None:
                    part.running_mean.normal_()
                    part.running_var.uniform_(0.5, 2)
                if part.affine:
                    part.weight.uniform_(0.5, 2)
                    part.bias.normal_()
    return module.eval()


def rows_of(*shape, n_rows=5):
    return torch.randn(n_rows, *shape, generator=torch.Generator().manual_seed(0))


def followed(module, rows):
    """Graph and values as the compact form reads them."""
    graph = follow(module, rows)
    values = values_of(module)
    work = MaskedNet(Net(module), graph, values | _missing_norms(graph, module))
    return graph, TorchFamily().plain_values(work)


def images(*layers, n_channels=4):
    """Layers between a convolution and a dense layer, for images of 6 x 6."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(2, n_channels, 3, padding=1), *layers, nn.Flatten())
    n_read = body(rows_of(2, 6, 6)).shape[1]
    return nn.Sequential(*body, nn.Linear(n_read, 3))


def signals(*layers):
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv1d(2, 4, 3, padding=1), *layers, nn.Flatten())
    n_read = body(rows_of(2, 8)).shape[1]
    return nn.Sequential(*body, nn.Linear(n_read, 3))


def dense(*layers):
    return nn.Sequential(nn.Linear(5, 6), *layers, nn.Linear(6, 3))


def convolved(forward, **layers):
    """Makes a net: a convolution, what a function does, and a dense layer."""

    def make():
        own = {"conv": nn.Conv2d(2, 4, 3, padding=1), "last": nn.LazyLinear(3)} | layers
        module = Called(forward, **own)
        module(rows_of(2, 6, 6))
        return module

    return make


def called(forward, **layers):
    """Makes a net of these layers, or of one dense layer."""
    return lambda: Called(forward, **(layers or {"last": nn.Linear(5, 5)}))


def residual(norm=True):
    def forward(net, X):
        X = functional.relu(net.norm(net.first(X)))
        Y = net.second_norm(net.second(X))
        X = functional.relu(X + Y)
        return net.last(functional.adaptive_avg_pool2d(X, 1).flatten(1))

    layers = {
        "first": nn.Conv2d(2, 4, 3, padding=1, bias=not norm),
        "second": nn.Conv2d(4, 4, 3, padding=1, bias=not norm),
        "norm": nn.BatchNorm2d(4) if norm else nn.Identity(),
        "second_norm": nn.BatchNorm2d(4) if norm else nn.Identity(),
        "last": nn.Linear(4, 3),
    }
    return Called(forward, **layers)


def flat(net, X):
    return net.last(X.flatten(1))


IMAGES = {
    "conv": lambda: images(nn.ReLU()),
    "no bias": lambda: images(nn.Conv2d(4, 3, 3, bias=False)),
    "stride, dilation": lambda: images(nn.Conv2d(4, 3, 3, (2, 1), (1, 2), (1, 2))),
    "groups": lambda: images(nn.Conv2d(4, 8, 3, groups=2)),
    "depthwise": lambda: images(nn.Conv2d(4, 4, 3, groups=4), nn.ReLU()),
    "same": lambda: images(nn.Conv2d(4, 3, (3, 5), padding="same", dilation=(2, 1))),
    "valid": lambda: images(nn.Conv2d(4, 3, 3, padding="valid")),
    "norm": lambda: images(nn.BatchNorm2d(4), nn.ReLU()),
    "norm without affine": lambda: images(nn.BatchNorm2d(4, affine=False), nn.ReLU()),
    "norm after relu": lambda: images(nn.ReLU(), nn.BatchNorm2d(4)),
    "dropout": lambda: images(nn.Dropout2d(0.9), nn.Dropout(0.9), nn.Identity()),
    "max pool": lambda: images(nn.MaxPool2d(2)),
    "max pool, all": lambda: images(nn.MaxPool2d(3, 2, 1, dilation=1, ceil_mode=True)),
    "mean pool": lambda: images(nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    "mean pool, padded": lambda: images(nn.AvgPool2d((2, 3), padding=(1, 0))),
    "adaptive mean": lambda: images(nn.AdaptiveAvgPool2d((2, 3))),
    "adaptive mean of one": lambda: images(nn.AdaptiveAvgPool2d(1)),
    "adaptive max": lambda: images(nn.AdaptiveMaxPool2d(2)),
    "prelu": lambda: images(nn.PReLU(4)),
    "prelu of one": lambda: images(nn.PReLU()),
    "residual": residual,
    "view": convolved(lambda net, X: net.last(net.conv(X).view(X.size(0), -1))),
    "view by shape": convolved(lambda net, X: net.last(net.conv(X).view(X.shape[0], -1))),
    "reshape": convolved(lambda net, X: net.last(net.conv(X).reshape(-1, 144))),
    "torch.flatten": convolved(lambda net, X: net.last(torch.flatten(net.conv(X), 1))),
    "mean of places": convolved(lambda net, X: net.last(net.conv(X).mean((2, 3)))),
    "mean of last": convolved(lambda net, X: net.last(net.conv(X).mean(dim=[-1, -2]))),
    "pool as function": convolved(
        lambda net, X: flat(net, functional.max_pool2d(net.conv(X).relu(), 2, stride=1))
    ),
    "mean pool as function": convolved(
        lambda net, X: flat(net, functional.avg_pool2d(net.conv(X), 3, 2, padding=1))
    ),
    "adaptive as function": convolved(
        lambda net, X: flat(net, functional.adaptive_avg_pool2d(net.conv(X), (2, 1)))
    ),
    "squeeze": convolved(
        lambda net, X: net.last(
            functional.adaptive_avg_pool2d(net.conv(X), 1).squeeze(-1).squeeze(-1)
        )
    ),
    "add in place": convolved(
        lambda net, X: flat(net, net.conv(X).add_(net.other(X))),
        other=nn.Conv2d(2, 4, 1),
    ),
    "dropout as function": convolved(
        lambda net, X: flat(net, functional.dropout(net.conv(X), 0.5, net.training))
    ),
}
SIGNALS = {
    "conv": lambda: signals(nn.ReLU(), nn.Conv1d(4, 5, 2, stride=2)),
    "norm": lambda: signals(nn.BatchNorm1d(4), nn.ReLU()),
    "max pool": lambda: signals(nn.MaxPool1d(2)),
    "mean pool": lambda: signals(nn.AvgPool1d(3, 2, 1)),
    "adaptive mean": lambda: signals(nn.AdaptiveAvgPool1d(3)),
    "same": lambda: signals(nn.Conv1d(4, 4, 5, padding="same"), nn.ReLU()),
}
ACTIVATIONS = (
    nn.ReLU(),
    nn.ReLU6(),
    nn.LeakyReLU(0.2),
    nn.ELU(0.7),
    nn.SELU(),
    nn.CELU(0.7),
    nn.GELU(),
    nn.GELU("tanh"),
    nn.SiLU(),
    nn.Mish(),
    nn.Tanh(),
    nn.Sigmoid(),
    nn.Softplus(2, 1),
    nn.Softsign(),
    nn.Hardtanh(-0.3, 0.4),
    nn.Hardsigmoid(),
    nn.Hardswish(),
    nn.LogSigmoid(),
    nn.PReLU(),
    nn.PReLU(6),
)
FUNCTIONS = {
    "relu": functional.relu,
    "relu of torch": torch.relu,
    "relu in place": lambda X: X.relu_(),
    "method": lambda X: X.tanh(),
    "leaky_relu": lambda X: functional.leaky_relu(X, 0.3),
    "leaky_relu by name": lambda X: functional.leaky_relu(X, negative_slope=0.3),
    "elu": lambda X: functional.elu(X, alpha=0.4),
    "gelu": lambda X: functional.gelu(X, approximate="tanh"),
    "hardtanh": lambda X: functional.hardtanh(X, -0.2, 0.3),
    "softplus": lambda X: functional.softplus(X, 3.0, threshold=1.0),
    "sigmoid": torch.sigmoid,
}


def assert_followed(module, rows):
    module = unlike_new(module)
    graph, values = followed(module, rows)
    with torch.no_grad():
        expected = module(rows).numpy()
    found = CompactNet.of(graph, values, None).forward(rows.numpy())
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("name", IMAGES)
def test_images(name):
    assert_followed(IMAGES[name](), rows_of(2, 6, 6))


@pytest.mark.parametrize("name", SIGNALS)
def test_signals(name):
    assert_followed(SIGNALS[name](), rows_of(2, 8))


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activations(activation):
    torch.manual_seed(0)
    assert_followed(dense(activation), 3 * rows_of(5))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    torch.manual_seed(0)
    module = Called(
        lambda net, X: net.last(FUNCTIONS[name](net.first(X))),
        first=nn.Linear(5, 6),
        last=nn.Linear(6, 3),
    )
    assert_followed(module, 3 * rows_of(5))


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.Softmax(-1), nn.LogSoftmax(1)], ids=str)
def test_softmax_at_the_end(last):
    torch.manual_seed(0)
    assert_followed(nn.Sequential(dense(nn.ReLU()), last), rows_of(5))


def test_rows_of_one_dimension_become_images():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 3, 3), nn.Flatten())
    assert_followed(nn.Sequential(*module, nn.Linear(12, 2)), rows_of(16))
    viewed = Called(
        lambda net, X: net.last(net.conv(X.view(-1, 1, 4, 4)).flatten(1)),
        conv=nn.Conv2d(1, 3, 3),
        last=nn.Linear(12, 2),
    )
    assert_followed(viewed, rows_of(16))


def test_norms_of_dense_layers():
    torch.manual_seed(0)
    assert_followed(dense(nn.BatchNorm1d(6), nn.ReLU()), rows_of(5))
    assert_followed(dense(nn.ReLU(), nn.BatchNorm1d(6, affine=False)), rows_of(5))


def test_mode_and_parameters_stay():
    module = dense(nn.BatchNorm1d(6), nn.Dropout(0.5)).train()
    module[2].eval()
    before = values_of(module)
    follow(module, rows_of(5))
    after = values_of(module)
    assert [part.training for part in module] == [True, True, False, True]
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name])


def branching(net, X):
    return net.last(X) if X.sum() > 0 else -net.last(X)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(5, 3)

    def forward(self, X, Y):
        return self.last(X + Y)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 4, batch_first=True)
        self.last = nn.Linear(4, 3)

    def forward(self, X):
        return self.last(self.lstm(X)[0][:, -1])


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(5))
        self.last = nn.Linear(5, 3)

    def forward(self, X):
        return self.last(X * self.factor)


def shared():
    layer = nn.Linear(5, 5)
    return nn.Sequential(layer, nn.ReLU(), layer)


FLAT, IMAGE = (5,), (2, 6, 6)
REFUSED = {
    "lstm": (Recurrent, (4, 5), "lstm is a LSTM"),
    "control flow": (called(branching), FLAT, "torch.fx cannot trace it"),
    "two inputs": (TwoInputs, FLAT, "several inputs|cannot trace it"),
    "used twice": (shared, FLAT, "is used twice"),
    "called twice": (
        called(lambda net, X: net.last(net.last(X))),
        FLAT,
        "last is used twice",
    ),
    "softmax over places": (
        lambda: images(nn.Softmax(2)),
        IMAGE,
        "softmax over no columns",
    ),
    "softmax over rows": (
        called(lambda net, X: net.last(X).softmax(0)),
        FLAT,
        "softmax over no columns",
    ),
    "dense over places": (
        called(lambda net, X: net.last(X)),
        (4, 5),
        "rows of more than one",
    ),
    "layer norm": (lambda: dense(nn.LayerNorm(6)), FLAT, "1 is a LayerNorm"),
    "own parameter": (Scaled, FLAT, "reads factor outside of a layer"),
    "circular": (
        lambda: images(nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular")),
        IMAGE,
        "pads by circular",
    ),
    "uneven same": (
        lambda: images(nn.Conv2d(4, 4, 2, padding="same")),
        IMAGE,
        "pads its two sides differently",
    ),
    "no running mean": (
        lambda: images(nn.BatchNorm2d(4, track_running_stats=False)),
        IMAGE,
        "no running mean",
    ),
    "constant": (called(lambda net, X: net.last(X) + 1), FLAT, "adds a constant"),
    "factor": (called(lambda net, X: net.last(X) * 2), FLAT, "it calls mul"),
    "sum with factor": (
        called(lambda net, X: torch.add(net.last(X), X, alpha=2)),
        FLAT,
        "adds with a factor",
    ),
    "mean of channels": (
        convolved(lambda net, X: net.last(net.conv(X).mean(1).flatten(1))),
        IMAGE,
        "a mean over something else than places",
    ),
    "several outputs": (
        called(lambda net, X: (net.last(X), X)),
        FLAT,
        "its output is no single tensor",
    ),
    "flatten from 0": (called(lambda net, X: net.last(X).flatten()), FLAT, "mixes rows"),
    "part of the columns": (
        called(lambda net, X: net.last(X[:, :3]), last=nn.Linear(3, 3)),
        FLAT,
        "it calls getitem",
    ),
    "concatenation": (
        called(lambda net, X: net.last(torch.cat([X, X], 1)), last=nn.Linear(10, 3)),
        FLAT,
        "it calls cat",
    ),
    "raises": (
        called(lambda net, X: net.last(X.missing)),
        FLAT,
        "torch.fx cannot trace it",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    make, shape, reason = REFUSED[name]
    module = make().train()
    with pytest.raises(NotFollowed, match=reason) as raised:
        follow(module, rows_of(*shape))
    assert "\n" not in str(raised.value)
    assert module.training


def sites_by_unit(module, rows):
    return [
        (site.unit, site.size, set(site.makers), set(site.readers))
        for site in follow(module, rows).sites
    ]


BOTH_LAYERS = {(f"{n}.{name}", 0) for n in (0, 1) for name in ("weight", "bias")}


def test_sites_of_a_perceptron():
    assert sites_by_unit(dense(nn.BatchNorm1d(6), nn.ReLU()), rows_of(5)) == [
        ("input", 5, set(), {("0.weight", 1, 1)}),
        (
            "neuron",
            6,
            BOTH_LAYERS,
            {("3.weight", 1, 1)},
        ),
    ]


def test_sites_of_flattened_channels():
    module = images(nn.MaxPool2d(2))
    assert sites_by_unit(module, rows_of(2, 6, 6))[1:] == [
        ("channel", 4, {("0.weight", 0), ("0.bias", 0)}, {("3.weight", 1, 9)})
    ]


def test_channels_that_are_added_go_together():
    assert sites_by_unit(residual(), rows_of(2, 6, 6)) == [
        ("input", 2, set(), {("first.weight", 1, 1)}),
        (
            "channel",
            4,
            {
                (f"{layer}.{name}", 0)
                for layer in ("norm", "second_norm")
                for name in ("weight", "bias")
            }
            | {("first.weight", 0), ("second.weight", 0)},
            {("second.weight", 1, 1), ("last.weight", 1, 1)},
        ),
    ]


def test_depthwise_convolutions_belong_to_their_channels():
    module = images(nn.Conv2d(4, 4, 3, groups=4), nn.ReLU())
    (site,) = [site for site in follow(module, rows_of(2, 6, 6)).sites if site.makers]
    assert set(site.makers) == BOTH_LAYERS
    assert site.readers == (("4.weight", 1, 16),)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (lambda: nn.Sequential(nn.Linear(5, 3)), (5,)),
        (lambda: dense(nn.Softmax(1)), (5,)),
        (lambda: images(nn.Conv2d(4, 8, 3, groups=2)), (2, 6, 6)),
    ],
    ids=["outputs", "softmax inside", "groups"],
)
def test_units_that_cannot_go(module, shape):
    module = module()
    outputs = len(list(module.parameters())[-1])
    sites = [site for site in follow(module, rows_of(*shape)).sites if site.makers]
    assert all(site.size != outputs for site in sites)
    if isinstance(module[1] if len(module) > 1 else None, nn.Softmax):
        assert not sites


@pytest.mark.parametrize("name", ["conv", "depthwise", "norm", "residual", "same"])
def test_what_a_site_names_is_all_that_belongs_to_its_units(name):
    module = unlike_new(IMAGES[name]())
    rows = rows_of(2, 6, 6)
    graph, values = followed(module, rows)
    rng = np.random.default_rng(0)
    for site in graph.sites:
        if not site.makers:
            continue
        # Zero what makes a unit: then what reads it is of no account.
        values = {key: value.copy() for key, value in values.items()}
        for maker, axis in site.makers:
            np.moveaxis(values[maker], axis, 0)[1] = 0
        expected = CompactNet.of(graph, values, None).forward(rows.numpy())
        for reader, axis, block in site.readers:
            part = np.moveaxis(values[reader], axis, 0)[block : 2 * block]
            part[...] = rng.normal(size=part.shape)
        found = CompactNet.of(graph, values, None).forward(rows.numpy())
        np.testing.assert_allclose(found, expected, atol=1e-5)
