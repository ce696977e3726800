"""Nets of skorch without some of their units: smaller modules, trained on, stored."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator

torch = pytest.importorskip("torch")
skorch = pytest.importorskip("skorch")

from skorch import NeuralNetClassifier
from skorch.helper import SliceDict
from torch import nn

from sklearn_prune import PrunedClassifier
from sklearn_prune import weight_pruning as wp
from sklearn_prune.models.nets.torch_units import with_new_statistics
from sklearn_prune.persistence import load, save
from sklearn_prune.weight_pruning._context import PruningContext
from tests.models.nets import zoo

PIXELS, DIGITS = load_digits(return_X_y=True)
PIXELS, DIGITS = PIXELS[:120].astype(np.float32) / 16, DIGITS[:120].astype(np.int64)
IMAGES = np.pad(PIXELS.reshape(-1, 1, 8, 8), ((0, 0), (0, 0), (10, 10), (10, 10)))
rng = np.random.default_rng(0)
TEXTS, TOPICS = rng.integers(0, 400, (120, 20)), DIGITS % 4
TABLE = SliceDict(
    numbers=rng.normal(size=(120, 10)).astype(np.float32),
    categories=rng.integers(0, 12, (120, 3)),
)
ROWS = {zoo.images: (IMAGES, DIGITS), zoo.texts: (TEXTS, TOPICS)}
ROWS[zoo.mixed] = (TABLE, DIGITS % 2)
UNITS = [
    *((name, "channel") for name in ("residual", "concatenating", "squeezing", "mobile")),
    *((name, "neuron") for name in ("transformer", "words", "recurrent", "wide and deep")),
]
CRITERIA = [
    wp.MagnitudeCriterion(),
    wp.MagnitudeCriterion("l1", scope="adaptive"),
    wp.ActivationCriterion(),
    wp.TaylorCriterion(),
    wp.SecondOrderCriterion(),
    wp.RandomCriterion(),
]


def make_net(module, **params):
    settings = {"max_epochs": 1, "lr": 0.01, "train_split": None, "verbose": 0}
    settings |= {"optimizer": torch.optim.Adam, "criterion": nn.CrossEntropyLoss}
    return NeuralNetClassifier(module, **settings | params)


def make_model(net, criterion=None, **params):
    return PrunedClassifier(net, criterion, **{"random_state": 0, "keep": 0.5} | params)


def of_zoo(name):
    make, inputs = zoo.ZOO[name]
    return make_net(make), *ROWS[inputs]


def n_parameters(net):
    return sum(value.numel() for value in net.module_.parameters())


def assert_small(model, X, y, whole):
    """The predictor, `estimator_` and training on agree with each other in size."""
    inner = model.estimator_
    np.testing.assert_allclose(
        model.predict_proba(X), inner.predict_proba(X), atol=1e-5, rtol=1e-4
    )
    n_left = n_parameters(inner)
    assert n_left < 0.8 * whole
    assert all(value.all() for value in inner.module_.parameters() if value.ndim > 1)
    assert model.report_.after["parameters"] <= n_left
    again = clone(inner).initialize()
    np.testing.assert_allclose(again.predict_proba(X), inner.predict_proba(X), atol=1e-6)
    inner.partial_fit(X, y)
    assert n_parameters(inner) == n_left
    model = pickle.loads(pickle.dumps(model)).partial_fit(X, y)
    assert n_parameters(model.estimator_) == n_left


@pytest.mark.parametrize(("name", "unit"), UNITS)
@pytest.mark.parametrize("refit", [True, False])
def test_nets_of_the_zoo_become_smaller(name, unit, refit):
    net, X, y = of_zoo(name)
    model = make_model(net, unit=unit, refit=refit).fit(X, y)
    assert len(model.kept_) == model.n_units_ // 2
    assert model.unit_ == unit
    assert_small(model, X, y, n_parameters(net.initialize()))


@pytest.mark.parametrize("criterion", CRITERIA, ids=str)
@pytest.mark.parametrize("name", ["recurrent", "wide and deep", "transformer"])
def test_criteria(name, criterion):
    net, X, y = of_zoo(name)
    model = make_model(net, criterion, unit="neuron", refit=False).fit(X, y)
    assert len(model.kept_) == model.n_units_ // 2
    other = make_model(net, criterion, unit="neuron", refit=False, keep=0.3).fit(X, y)
    assert set(other.kept_) <= set(model.kept_)


@pytest.mark.parametrize("criterion", ["l1", "l2"])
def test_penalties(criterion):
    net, X, y = of_zoo("recurrent")
    model = make_model(net, wp.PenaltyCriterion(criterion), unit="neuron").fit(X, y)
    assert len(model.kept_) == model.n_units_ // 2


class Dead(nn.Module):
    """Of eight hidden units, which are read by two layers, three do nothing."""

    def __init__(self):
        super().__init__()
        self.first, self.a, self.b = nn.Linear(64, 8), nn.Linear(8, 6), nn.Linear(8, 10)
        self.last = nn.Linear(6, 10)
        with torch.no_grad():
            self.a.weight[:, 2:5] = self.b.weight[:, 2:5] = 0

    def forward(self, X):
        X = self.first(X).tanh()
        return self.last(self.a(X).relu()) + self.b(X)


@pytest.mark.parametrize(
    "criterion",
    [wp.ActivationCriterion(), wp.TaylorCriterion(), wp.SecondOrderCriterion()],
    ids=str,
)
def test_units_that_nothing_reads_go_first(criterion):
    net = make_net(Dead, lr=0.0).fit(PIXELS, DIGITS)
    model = make_model(FrozenEstimator(net), criterion, unit="neuron", keep=0.6)
    kept = set(model.set_params(refit=False).fit(PIXELS, DIGITS).kept_)
    assert not kept & {2, 3, 4}
    assert {0, 1, 5, 6, 7} <= kept


def test_effect_of_a_unit_is_the_derivative_by_a_factor_on_it():
    from sklearn_prune.models.nets.torch import TorchFamily

    net = make_net(Dead).fit(PIXELS, DIGITS)
    context = PruningContext(FrozenEstimator(net), PIXELS, DIGITS, seed=0)
    family = TorchFamily()
    work = family.start(net, context)
    found = family.gradient_effects(work, "neuron", context)[:8]
    module = net.module_.eval()
    factor = torch.ones(120, 8, requires_grad=True)
    hidden = module.first(torch.as_tensor(PIXELS)).tanh() * factor
    scores = module.last(module.a(hidden).relu()) + module.b(hidden)
    loss = nn.functional.cross_entropy(scores, torch.as_tensor(DIGITS), reduction="sum")
    loss.backward()
    expected = (factor.grad.numpy() ** 2).mean(0) ** 0.5
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-8)


class Split(nn.Module):
    """One of its layers is split by a number in the code."""

    def __init__(self, n_halves=2):
        super().__init__()
        self.a, self.b = nn.Linear(64, 16), nn.Linear(16 * n_halves // 2, 8)
        self.last = nn.Linear(8, 10)

    def forward(self, X):
        left, right = self.a(X).view(-1, 2, 8).unbind(1)
        return self.last(self.b(torch.cat([right, left], 1)).relu())


class One(nn.Module):
    """One output, of a module that no graph follows."""

    def __init__(self):
        super().__init__()
        self.a, self.last = nn.Linear(64, 16), nn.Linear(16, 1)

    def forward(self, X):
        return self.last(self.a(X) * 2)


class Softened(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.last = nn.Linear(64, 16), nn.Linear(16, 10)

    def forward(self, X):
        return self.last(self.a(X).softmax(1))


def test_layers_that_stay_are_named_in_a_warning_or_an_error():
    model = make_model(make_net(Split), unit="neuron")
    with pytest.warns(UserWarning, match=r"of Split keep all of their neurons.* a \(") as w:
        model.fit(PIXELS, DIGITS)
    assert w[0].filename == __file__
    inner = model.estimator_.module_
    assert inner.a.weight.shape == (16, 64)
    assert inner.b.weight.shape == (4, 16)
    with pytest.raises(
        ValueError, match=r"Got Softened, in which all stay: a \(last reads"
    ):
        make_model(make_net(Softened), unit="neuron").fit(PIXELS, DIGITS)


def test_size_out_of_reach_is_the_smallest_with_a_warning():
    net, X, y = of_zoo("wide and deep")
    model = make_model(net, unit="neuron", keep=2)
    with pytest.warns(UserWarning, match="left with a single neuron"):
        model.fit(X, y)
    assert len(model.kept_) == 6


@pytest.mark.parametrize("name", ["transformer", "residual"])
@pytest.mark.parametrize(
    "schedule", [wp.GradualSchedule(2), wp.IterativeSchedule(2, rewind="init")], ids=str
)
def test_schedules(name, schedule):
    net, X, y = of_zoo(name)
    unit = "channel" if name == "residual" else "neuron"
    whole = n_parameters(net.initialize())
    model = make_model(net, unit=unit, schedule=schedule).fit(X, y)
    assert len(model.kept_) == model.n_units_ // 2
    assert_small(model, X, y, whole)


def test_a_global_scope_on_units_is_refused():
    for criterion in (
        wp.MagnitudeCriterion(scope="global"),
        wp.ActivationCriterion("global"),
    ):
        with pytest.raises(ValueError, match="scope='global' .* neuron"):
            make_model(make_net(Dead), criterion, unit="neuron").fit(PIXELS, DIGITS)


def trained_norms():
    """A residual net whose norms have learned, and its rows."""
    net, X, y = of_zoo("residual")
    return net.set_params(max_epochs=3).fit(X, y), X, y


def test_norms_keep_their_facts_and_go_on_from_them():
    net, X, y = trained_norms()
    frozen = FrozenEstimator(net)
    model = make_model(frozen, unit="channel", refit=False).fit(X, y)
    whole = make_model(frozen, keep=1.0).fit(X, y)
    assert type(model.compact_).__name__ == "CompactNetClassifier"
    for inner in (model.estimator_.module_, whole.estimator_.module_):
        for name, part in inner.named_modules():
            if isinstance(part, nn.BatchNorm2d):
                own = net.module_.get_submodule(name)
                if len(part.bias) == len(own.bias):
                    torch.testing.assert_close(part.bias, own.bias)
                    torch.testing.assert_close(part.weight.abs(), own.weight.abs())
    inner = whole.estimator_
    for each in (net, inner):
        each.module_.train()
    torch.testing.assert_close(
        inner.module_(torch.as_tensor(X)),
        net.module_(torch.as_tensor(X)),
        atol=1e-3,  # eps of the norms is added on another scale
        rtol=1e-3,
    )


def test_statistics_are_taken_anew():
    net, X, y = trained_norms()
    context = PruningContext(FrozenEstimator(net), 3 * X + 1, y, seed=0)
    with_new_statistics(net, context)
    stem = net.module_.stem
    with torch.no_grad():
        seen = stem[0](torch.as_tensor(3 * X + 1))
    torch.testing.assert_close(
        stem[1].running_mean, seen.mean((0, 2, 3)), atol=1e-3, rtol=0.02
    )
    assert stem[1].momentum == 0.1
    assert not net.module_.training


@pytest.mark.parametrize("quantize", [None, "int8"])
@pytest.mark.parametrize("name", ["concatenating", "transformer", "recurrent", "residual"])
def test_files_of_nets_that_were_cut(name, quantize, tmp_path):
    net, X, y = of_zoo(name)
    unit = dict(UNITS)[name]
    model = make_model(net, unit=unit, quantize=quantize).fit(X, y)
    save(model, tmp_path / "net.skprune")
    whole = make_model(net, keep=1.0, quantize=quantize).fit(X, y)
    save(whole, tmp_path / "whole.skprune")
    sizes = [(tmp_path / f"{each}.skprune").stat().st_size for each in ("net", "whole")]
    assert sizes[0] < 0.7 * sizes[1]
    loaded = load(tmp_path / "net.skprune", modules=[zoo.ZOO[name][0]])
    np.testing.assert_allclose(loaded.predict_proba(X), model.predict_proba(X), atol=1e-6)
    assert loaded.n_parameters() == model.compact_.n_parameters()
    save(loaded, tmp_path / "again.skprune")
    again = load(tmp_path / "again.skprune", modules=[zoo.ZOO[name][0]])
    np.testing.assert_array_equal(again.predict_proba(X), loaded.predict_proba(X))


def test_the_net_of_the_user_is_not_changed():
    net, X, y = of_zoo("transformer")
    net.fit(X, y)
    before = {name: value.clone() for name, value in net.module_.state_dict().items()}
    expected = net.predict_proba(X)
    make_model(FrozenEstimator(net), unit="neuron").fit(X, y)
    for name, value in net.module_.state_dict().items():
        assert torch.equal(value, before[name])
    np.testing.assert_array_equal(net.predict_proba(X), expected)
