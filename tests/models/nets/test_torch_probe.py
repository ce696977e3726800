"""Units of torch modules: a cut gives what silencing gives, and what cannot go is named."""

from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn
from torch.nn import functional, utils
from torch.nn.utils import prune

from sklearn_prune.models.nets import torch_cut
from sklearn_prune.models.nets.torch_cut import cut, difference, proved_cut, silenced
from sklearn_prune.models.nets.torch_parts import SlimAttention, plain_copy
from sklearn_prune.models.nets.torch_probe import find_units
from tests.models.nets.zoo import ZOO, Recurrent, images, texts


class Called(nn.Module):
    """Layers by name, and a function that says how they are used."""

    def __init__(self, forward, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.called = forward

    def forward(self, *inputs):
        return self.called(self, *inputs)


def unlike_new(module):
    """The module in evaluation mode, with facts of batch norms as after a training."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats:
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return module.eval()


def prepared(make, inputs):
    """A plain copy of a new module, and what runs it."""
    torch.manual_seed(0)
    module, rows = unlike_new(make()), inputs()

    def run(module, inputs=rows):
        return module(*inputs)

    plain = plain_copy(module).eval()
    with torch.no_grad():
        torch.testing.assert_close(run(plain), run(module), atol=1e-5, rtol=1e-5)
    return plain, run


def safe_units(module, run):
    return torch_cut.safe_units(module, run, run.__defaults__[0])


def some_of(units, share=0.4, seed=0):
    """Positions of some of the units of each group, at least one."""
    rng = np.random.default_rng(seed)
    kept = [
        rng.permutation(own)[: max(1, int(share * len(own)))]
        for group in range(len(units.kinds))
        if len(own := np.flatnonzero(units.groups == group))
    ]
    return np.sort(np.concatenate(kept))


def assert_exact(module, units, run):
    kept = some_of(units)
    small = proved_cut(module, units, kept, run, run.__defaults__[0])
    n_before, n_after = (
        sum(value.numel() for value in each.parameters()) for each in (module, small)
    )
    assert n_after < n_before
    again = units.after_cut(kept)
    np.testing.assert_array_equal(again.ids, units.ids[kept])
    few = some_of(again, 0.5)
    small = cut(small, again, few)
    assert difference(small, silenced(module, units, kept[few]), run) <= 1e-5


@pytest.mark.parametrize("name", ZOO)
def test_every_layer_of_the_zoo_is_cut(name):
    module, run = prepared(*ZOO[name])
    units = safe_units(module, run)
    assert units.uncut == {}
    assert_exact(module, units, run)
    kept = some_of(units)
    found = find_units(cut(module, units, kept), run)
    expected = np.bincount(units.groups[kept])
    np.testing.assert_array_equal(np.bincount(found.groups), expected)


def images_of(*layers, groups=1):
    layers = [nn.Conv2d(1, 16, 3), *layers, nn.ReLU(), nn.Conv2d(16, 12, 3, groups=groups)]
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(48, 3))


def rows_of(*layers):
    return nn.Sequential(nn.Linear(12, 16), *layers, nn.ReLU(), nn.Linear(16, 3))


def two_ways(net, X):
    return net.last(net.up(net.a(X)).relu() + net.other(X))


def summed_embeddings(net, X):
    return net.last((net.words(X) + net.places[: X.shape[1]]).mean(1))


def thrice(net, X):
    X = net.first(X).relu()
    for _ in range(3):
        X = net.again(X).relu()
    return net.last(X)


def encoder_and_decoder(net, X):
    memory = net.encoder(net.first(X))
    return net.last(net.decoder(net.second(X[:, :3]), memory).mean(1))


def tied(net, X):
    X = net.first(X)
    return net.last(net.b(net.a(X).relu()).relu())


def tied_layers(n_in=16):
    a, b = nn.Linear(n_in, n_in, bias=False), nn.Linear(n_in, n_in, bias=False)
    b.weight = a.weight
    first = nn.Linear(12, n_in) if n_in == 16 else nn.Identity()
    return Called(tied, first=first, a=a, b=b, last=nn.Linear(n_in, 3))


def packed(net, X):
    X = utils.rnn.pack_padded_sequence(net.first(X), [5, 4, 2], batch_first=True)
    return net.last(net.memory(X)[1])[0]


def flat(n=3):
    return (torch.randn(n, 12),)


def sequences(n=3):
    return (torch.randn(n, 5, 12),)


class Positions(nn.Module):
    """Parameters, and a buffer, outside of layers."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(12, 16), nn.Linear(16, 3)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.place = nn.Parameter(torch.randn(6, 16))
        self.scale = nn.Parameter(torch.randn(()))
        self.factor = nn.Parameter(torch.randn(16))
        self.register_buffer("shift", torch.randn(16), persistent=False)

    def forward(self, X):
        X = torch.cat([self.token.expand(len(X), 1, -1), self.first(X)], 1)
        X = (X + self.place) * self.scale * self.factor + self.shift
        return self.last(X.relu().mean(1))


def transformer(**params):
    torch.manual_seed(1)
    layer = partial(nn.TransformerEncoderLayer, 16, 4, 24, 0.0, **params)
    decoder = nn.TransformerDecoderLayer(16, 2, 24, 0.0, batch_first=True)
    return Called(
        encoder_and_decoder,
        first=nn.Linear(12, 16),
        second=nn.Linear(12, 16),
        encoder=nn.TransformerEncoder(layer(batch_first=True), 1),
        decoder=nn.TransformerDecoder(decoder, 1),
        last=nn.Linear(16, 3),
    )


CUT = {
    "same layer thrice": (
        lambda: Called(
            thrice,
            first=nn.Linear(12, 16),
            again=nn.Linear(16, 16),
            last=nn.Linear(16, 3),
        ),
        flat,
    ),
    "two layers, one weight": (tied_layers, flat),
    "positions, a token, factors, a buffer": (Positions, sequences),
    "two ways that are added": (
        lambda: Called(
            two_ways,
            a=nn.Linear(12, 8),
            up=nn.Linear(8, 16),
            other=nn.Linear(12, 16),
            last=nn.Linear(16, 3),
        ),
        flat,
    ),
    "layer norm": (lambda: rows_of(nn.LayerNorm(16)), flat),
    "batch norm without factors": (lambda: rows_of(nn.BatchNorm1d(16, affine=False)), flat),
    "batch norm of the batch": (
        lambda: rows_of(nn.BatchNorm1d(16, track_running_stats=False)),
        flat,
    ),
    "instance norm": (
        lambda: images_of(nn.InstanceNorm2d(16, affine=True, track_running_stats=True)),
        images,
    ),
    "slopes": (lambda: images_of(nn.PReLU(16)), images),
    "one slope": (lambda: images_of(nn.PReLU()), images),
    "groups": (lambda: images_of(groups=4), images),
    "group norm": (lambda: images_of(nn.GroupNorm(4, 16)), images),
    "depthwise": (lambda: images_of(nn.Conv2d(16, 16, 3, groups=16)), images),
    "depthwise, two each": (
        lambda: images_of(nn.Conv2d(16, 32, 3, groups=16), nn.Conv2d(32, 16, 1)),
        images,
    ),
    "transposed": (lambda: images_of(nn.ConvTranspose2d(16, 16, 3)), images),
    "gru": (
        partial(Recurrent, nn.GRU, num_layers=2, bidirectional=True, hidden=12),
        texts,
    ),
    "lstm of two layers": (partial(Recurrent, num_layers=2, hidden=12), texts),
    "rnn": (partial(Recurrent, nn.RNN, hidden=12), texts),
    "packed sequences": (
        lambda: Called(
            packed,
            first=nn.Linear(12, 8),
            memory=nn.GRU(8, 6, batch_first=True),
            last=nn.Linear(6, 3),
        ),
        sequences,
    ),
    "encoder and decoder": (transformer, sequences),
    "encoder, norm first": (partial(transformer, norm_first=True), sequences),
    "prune masks": (lambda: masked(partial(prune.l1_unstructured, amount=0.6)), flat),
    "weight norm": (lambda: masked(utils.parametrizations.weight_norm), flat),
    "spectral norm": (lambda: masked(utils.parametrizations.spectral_norm), flat),
    "old spectral norm": (lambda: masked(utils.spectral_norm), flat),
    "orthogonal": (lambda: masked(utils.parametrizations.orthogonal), flat),
}


def masked(make):
    module = rows_of()
    make(module[0], "weight")
    module(*flat())
    return module


@pytest.mark.parametrize("name", CUT)
def test_all_is_cut(name):
    module, run = prepared(*CUT[name])
    units = safe_units(module, run)
    assert units.uncut == {}
    assert_exact(module, units, run)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning")
def test_old_weight_norm_after_training():
    make = partial(masked, utils.weight_norm)  # its weight is no leaf
    module, run = prepared(make, flat)
    assert dict(module.named_parameters()).keys() >= {"0.weight"}
    assert_exact(module, safe_units(module, run), run)


def test_whole_heads_and_the_width():
    module, run = prepared(*ZOO["transformer"])
    units = safe_units(module, run)
    heads = [g for g, layers in enumerate(units.layers) if ".q" in layers]
    assert [np.sum(units.groups == group) for group in heads] == [4, 4]
    (width,) = (g for g, layers in enumerate(units.layers) if "first" in layers)
    small = cut(module, units, some_of(units, 0.5))
    attention = small.encoder.layers[0].self_attn
    assert attention.num_heads == 2
    assert attention.q.weight.shape == (24, np.sum(units.groups == width) / 2)
    assert small.place.shape == (1, 28, 24)


def shuffled(net, X):
    X = net.a(X).relu()
    X = X.view(len(X), 2, 8, *X.shape[2:]).transpose(1, 2).reshape(X.shape)
    return net.last(X.mean((2, 3)))


def sliced(net, X):
    X = net.a(X).relu()
    return net.last(net.b(X[:, :8]).relu() + X)


def counted(net, X):
    X = net.b(net.a(X).relu()).relu()
    return net.last(functional.adaptive_avg_pool2d(X, 2).view(-1, 64))


def own_attention(net, X):
    def split(X):
        return X.view(*X.shape[:2], 4, -1).transpose(1, 2)

    q, k, v = (split(make(X)) for make in (net.q, net.k, net.v))
    X = torch.softmax(q @ k.transpose(-1, -2) / 2, -1) @ v
    return net.last(net.out(X.transpose(1, 2).flatten(2)).relu().mean(1))


def normalised(net, X):
    return net.last(net.b(functional.softmax(net.a(X), 1)).relu())


def stateful(net, X):
    _, state = net.memory(X, net.a(X[:, 0])[None])
    return net.last(net.b(state[0]).relu())


def functional_weight(net, X):
    return net.last(functional.linear(net.a(X).relu(), net.own) + 0)


def asserting(net, X):
    X = net.a(X)
    assert not X.isnan().any()
    return net.last(net.b(X.relu()).relu())


def linear(n_in=12, n_out=16):
    return nn.Linear(n_in, n_out)


REFUSED = {
    "shuffle": (
        lambda: Called(shuffled, a=nn.Conv2d(1, 16, 3), last=linear(16, 3)),
        images,
        {"a"},
    ),
    "two layers, one weight": (partial(tied_layers, 12), flat, {"a", "b"}),
    "slice": (
        lambda: Called(sliced, a=linear(), b=linear(8), last=linear(16, 3)),
        flat,
        {"a", "b"},
    ),
    "a number in the code": (
        lambda: Called(
            counted, a=nn.Conv2d(1, 8, 3), b=nn.Conv2d(8, 16, 3), last=linear(64, 3)
        ),
        images,
        {"b"},
    ),
    "own attention": (
        lambda: Called(
            own_attention,
            q=linear(),
            k=linear(),
            v=linear(),
            out=linear(16),
            last=linear(16, 3),
        ),
        sequences,
        {"q", "k", "v"},
    ),
    "softmax": (
        lambda: Called(normalised, a=linear(), b=linear(16), last=linear(16, 3)),
        flat,
        {"a"},
    ),
    "a hidden state": (
        lambda: Called(
            stateful,
            a=linear(12, 6),
            memory=nn.GRU(12, 6, batch_first=True),
            b=linear(6),
            last=linear(16, 3),
        ),
        sequences,
        {"a", "memory"},
    ),
    "a product by hand": (
        lambda: Called(
            functional_weight,
            a=linear(),
            own=nn.Parameter(torch.randn(16, 16)),
            last=linear(16, 3),
        ),
        flat,
        {"a"},
    ),
    "refuses NaN": (
        lambda: Called(asserting, a=linear(), b=linear(16), last=linear(16, 3)),
        flat,
        {"a"},
    ),
    "a projection": (
        lambda: Called(
            lambda net, X: net.last(net.memory(net.first(X))[0].mean(1)),
            first=linear(12, 8),
            memory=nn.LSTM(8, 6, batch_first=True, proj_size=4),
            last=linear(4, 3),
        ),
        sequences,
        {"first"},
    ),
    "no factors": (
        lambda: rows_of(nn.LayerNorm(16, elementwise_affine=False)),
        flat,
        {"0"},
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_go_is_named_and_the_rest_is_cut(name):
    make, inputs, refused = REFUSED[name]
    module, run = prepared(make, inputs)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    units = safe_units(module, run)
    assert set(units.uncut) == refused
    assert all(units.uncut.values())
    if len(units):
        assert_exact(module, units, run)
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key])
    assert all("forward" not in vars(part) for part in module.modules())


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_attention_gives_what_torch_gives(bias, batch_first):
    torch.manual_seed(0)
    whole = nn.MultiheadAttention(12, 3, bias=bias, batch_first=batch_first).eval()
    slim = SlimAttention(whole)
    q, k = torch.randn(5, 5, 12), torch.randn(5, 5, 12)
    padding = torch.zeros(5, 5, dtype=torch.bool)
    padding[1, 3:] = True
    causal = torch.ones(5, 5, dtype=torch.bool).triu(1)
    by_head = torch.randn(15, 5, 5)
    for params in (
        {},
        {"key_padding_mask": padding},
        {"attn_mask": causal, "need_weights": False},
        {"attn_mask": by_head, "average_attn_weights": False},
        {"attn_mask": by_head, "key_padding_mask": padding.float(), "need_weights": False},
    ):
        for found, expected in zip(
            slim(q, k, k, **params), whole(q, k, k, **params), strict=True
        ):
            assert (found is None) == (expected is None)
            if expected is not None:
                torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    for found, expected in zip(
        slim(q[0], k[0], k[0]), whole(q[0], k[0], k[0]), strict=True
    ):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_columns_of_the_inputs():
    torch.manual_seed(0)
    module = nn.Sequential(nn.BatchNorm1d(12), *rows_of()).eval()
    units = find_units(module, lambda module, X: module(X), inputs=flat()[0])
    np.testing.assert_array_equal(units.ids, np.arange(12))
    assert units.kinds == ("input",)
    np.testing.assert_array_equal(units.slices["1.weight", 1], np.arange(12))
