"""Nets of skorch: zeros that stay, training, removal, and what a fit leaves alone."""

import pickle
import re
import subprocess
import sys
from copy import deepcopy
from functools import partial

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_info

pytestmark = pytest.mark.sampled(2)

torch = pytest.importorskip("torch")
skorch = pytest.importorskip("skorch")

from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from skorch.dataset import ValidSplit
from skorch.helper import SliceDict
from torch import nn
from torch.nn import utils
from torch.nn.utils import prune

from sklearn_prune import PrunedClassifier, PrunedRegressor, SampleSubsetClassifier
from sklearn_prune import weight_pruning as wp
from sklearn_prune.comparison import compare_pruning
from sklearn_prune.models.nets.torch import TorchFamily
from sklearn_prune.sample_selection import L2PenaltySelector, LossSelector

_PIXELS, CLASSES = load_digits(return_X_y=True)
X = (_PIXELS[:300] / 16).astype(np.float32)
CLASSES = CLASSES[:300].astype(np.int64)
IMAGES = X.reshape(-1, 1, 8, 8)


class Perceptron(nn.Sequential):
    def __init__(self, n_in=64, n_hidden=16, n_out=10):
        super().__init__(
            nn.Linear(n_in, n_hidden),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(n_hidden, n_out),
        )


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 6, 3, padding=1)
        self.second_norm = nn.BatchNorm2d(6)
        self.last = nn.Linear(6 * 16, 10)

    def forward(self, X):
        X = self.norm(self.first(X)).relu()
        X = (X + self.second_norm(self.second(X))).relu()
        return self.last(nn.functional.max_pool2d(X, 2).flatten(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.last = nn.Linear(6, 10)

    def forward(self, X):
        return self.last(self.lstm(X.view(-1, 8, 8))[0][:, -1])


class PlainNorms(Residual):
    """Norms that learn no factors."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(6, affine=False)
        self.second_norm = nn.BatchNorm2d(6, affine=False)


class Normed(nn.Module):
    """A norm in a module that cannot be followed, for it multiplies."""

    def __init__(self, norm, *shape):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(64, 24), norm, nn.Linear(24, 10)
        self.shape = shape or (24,)
        self.register_buffer("shift", torch.randn(24), persistent=False)

    def forward(self, X):
        X = (self.first(X) + self.shift) * 2
        return self.last(self.norm(X.reshape(-1, *self.shape)).relu().flatten(1))


class OwnNorm(nn.Module):
    """Running statistics that are no norm of torch."""

    def __init__(self):
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(24))
        self.register_buffer("running_var", torch.ones(24))

    def forward(self, X):
        if self.training:
            self.running_mean.lerp_(X.detach().mean(0), 0.1)
            self.running_var.lerp_(X.detach().var(0), 0.1)
        return (X - self.running_mean) / self.running_var.sqrt()


def normed(make, *shape):
    return Normed(make(), *shape)


def seen(make, name="weight"):
    """A perceptron whose first layer is seen through something of `torch.nn.utils`."""
    module = Perceptron()
    make(module[0], name)
    return module


def make_net(module=Perceptron, cls=NeuralNetClassifier, **params):
    settings = {
        "optimizer": torch.optim.Adam,
        "lr": 0.01,
        "batch_size": 50,
        "max_epochs": 2,
        "train_split": None,
        "iterator_train__shuffle": True,
        "verbose": 0,
    }
    if cls is NeuralNetClassifier:
        settings["criterion"] = nn.CrossEntropyLoss
    return cls(module, **settings | params)


def make_model(net=None, criterion=None, **params):
    net = make_net() if net is None else net
    settings = {"unit": "weight", "keep": 0.3, "random_state": 0}
    return PrunedClassifier(net, criterion, **settings | params)


def weights_of(net):
    return {
        name: value.detach().numpy().copy()
        for name, value in net.module_.named_parameters()
        if value.ndim > 1
    }


def assert_same_zeros(before, after):
    """Both nets are zero at the same places, and after training differ elsewhere."""
    assert any((value == 0).any() for value in before.values())
    for name, value in before.items():
        np.testing.assert_array_equal(value == 0, after[name] == 0, err_msg=name)


def assert_restored_agrees(model, rows, atol=1e-5):
    expected = model.estimator_.predict_proba(rows)
    np.testing.assert_allclose(model.predict_proba(rows), expected, atol=atol)


def assert_zeros_by_unit(model, unit):
    """As many exact zeros as units went, and more: a weight of a dead unit is zero, too."""
    weights = weights_of(model.estimator_)
    if unit == "weight":
        n_left = sum(np.count_nonzero(value) for value in weights.values())
        assert 0.7 * len(model.kept_) < n_left <= len(model.kept_)
        return
    names = {"input": ["0.weight"], "neuron": ["3.weight"]}.get(unit)
    names = names or ["second.weight"]
    read = sum(
        (weights[name] != 0).swapaxes(0, 1).reshape(len(weights[name][0]), -1).any(1)
        for name in names
    )
    assert np.count_nonzero(read) == len(model.kept_)


UNIT_CRITERIA = [
    wp.MagnitudeCriterion(),
    wp.RandomCriterion(),
    wp.TaylorCriterion(),
    wp.SecondOrderCriterion(),
    wp.PenaltyCriterion("l1"),
    wp.PenaltyCriterion("l2"),
    wp.ActivationCriterion(),
]


@pytest.mark.parametrize("criterion", UNIT_CRITERIA, ids=str)
@pytest.mark.parametrize("unit", ["weight", "neuron", "input", "channel"])
def test_zeros_are_exact(unit, criterion):
    if unit == "weight" and isinstance(criterion, wp.ActivationCriterion):
        pytest.skip("single weights have no output")
    net, rows = (make_net(Residual), IMAGES) if unit == "channel" else (make_net(), X)
    model = make_model(net, criterion, unit=unit, keep=0.5).fit(rows[:150], CLASSES[:150])
    n_units = {"weight": 74 * 16, "neuron": 16, "input": 64, "channel": 6}[unit]
    assert len(model.kept_) == n_units // 2
    assert_zeros_by_unit(model, unit)
    assert_restored_agrees(model, rows)


@pytest.mark.parametrize("scope", ["layer", "global", "adaptive"])
def test_scope(scope):
    model = make_model(criterion=wp.MagnitudeCriterion(scope=scope)).fit(X, CLASSES)
    left = {
        name: np.mean(value != 0) for name, value in weights_of(model.estimator_).items()
    }
    assert abs(left["0.weight"] - 0.3) < 0.01 if scope == "layer" else True
    assert len(model.kept_) == int(0.3 * 1184)


@pytest.mark.parametrize("unit", ["weight", "input"])
def test_zeros_survive_training(unit):
    model = make_model(unit=unit).fit(X, CLASSES)
    before = weights_of(model.estimator_)
    n_iter = model.n_iter_
    model.partial_fit(X, CLASSES)
    after = weights_of(model.estimator_)
    assert_same_zeros(before, after)
    assert not np.array_equal(before["0.weight"], after["0.weight"])
    assert model.n_iter_ == n_iter + 2
    inner = model.estimator_
    inner.partial_fit(X, CLASSES)
    assert_same_zeros(before, weights_of(inner))
    inner.set_params(lr=0.1, max_epochs=1, optimizer__weight_decay=0.1)
    inner.partial_fit(X, CLASSES)
    assert_same_zeros(before, weights_of(inner))
    for again in (pickle.loads(pickle.dumps(inner)), deepcopy(inner)):
        again.partial_fit(X, CLASSES)
        assert_same_zeros(before, weights_of(again))


@pytest.mark.parametrize(
    "copied", [deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_copies_predict_the_same(copied):
    model = make_model().fit(X, CLASSES)
    other = copied(model)
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))
    assert_same_zeros(weights_of(model.estimator_), weights_of(other.estimator_))
    other.partial_fit(X, CLASSES)
    assert_same_zeros(weights_of(model.estimator_), weights_of(other.estimator_))


def test_set_params_of_the_model_and_clone():
    model = make_model().fit(X, CLASSES)
    before = weights_of(model.estimator_)
    model.set_params(estimator__lr=0.001, estimator__max_epochs=3)
    model.partial_fit(X, CLASSES)
    assert_same_zeros(before, weights_of(model.estimator_))
    assert model.n_iter_ == 2 + 2 + 3
    fresh = clone(model)
    assert not hasattr(fresh, "compact_")
    fresh.set_params(estimator__lr=0.01, estimator__max_epochs=2).fit(X, CLASSES)
    assert fresh.n_iter_ == 4
    for name, value in weights_of(fresh.estimator_).items():
        np.testing.assert_array_equal(value == 0, before[name] == 0)


def test_cross_validate_in_two_processes():
    results = [
        cross_validate(make_model(), X, CLASSES, cv=2, n_jobs=n_jobs, return_estimator=True)
        for n_jobs in (1, 2)
    ]
    for one, two in zip(*(result["estimator"] for result in results), strict=True):
        np.testing.assert_array_equal(one.kept_, two.kept_)
        for name, value in weights_of(one.estimator_).items():
            np.testing.assert_array_equal(value, weights_of(two.estimator_)[name])
        assert sum(
            np.count_nonzero(value) for value in weights_of(two.estimator_).values()
        ) == len(two.kept_)


@pytest.mark.parametrize(
    "params", [{}, {"dropout": 0.3}, {"schedule": wp.GradualSchedule(2)}]
)
def test_nothing_is_left_on_the_module(params):
    net = make_model(**params).fit(X, CLASSES).estimator_
    for part in net.module_.modules():
        hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks)
        assert not any(hooks)
        assert not hasattr(part, "parametrizations")
    names = [name for name, _ in net.module_.named_parameters()]
    assert names == [name for name, _ in Perceptron().named_parameters()]
    assert "get_loss" not in vars(net)


def test_stored_bytes():
    net = make_net(module__n_hidden=200)
    model = make_model(net, keep=0.1).fit(X, CLASSES)
    dense = 4 * (64 * 200 + 200 + 2000 + 10)
    assert len(pickle.dumps(model.compact_)) < 0.4 * dense
    assert b"Adam" not in pickle.dumps(model.compact_)
    recurrent = make_model(make_net(Recurrent, callbacks=None), keep=0.1)
    recurrent.fit(X, CLASSES)
    assert b"exp_avg" not in pickle.dumps(recurrent.compact_)


def unlike_new(net):
    """Batch norms with facts as after a long training."""
    torch.manual_seed(1)
    with torch.no_grad():
        for part in net.module_.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
                part.weight.uniform_(0.5, 2)
                part.bias.normal_()
    return net


def test_removal_equals_masking():
    with torch.random.fork_rng():
        net = unlike_new(make_net(Residual).fit(IMAGES, CLASSES))
    model = make_model(FrozenEstimator(net), unit="channel", keep=0.5, refit=False)
    model.fit(IMAGES, CLASSES)
    gone = np.setdiff1d(np.arange(6), model.kept_)
    assert len(gone) == 3

    def drop(module, inputs, output):
        output = output.clone()
        output[:, gone] = 0
        return output

    masked = deepcopy(net)
    for name in ("norm", "second_norm"):
        masked.module_.get_submodule(name).register_forward_hook(drop)
    expected = masked.predict_proba(IMAGES)
    assert abs(expected - net.predict_proba(IMAGES)).max() > 0.01
    np.testing.assert_allclose(model.predict_proba(IMAGES), expected, atol=1e-5)
    np.testing.assert_allclose(model.estimator_.predict_proba(IMAGES), expected, atol=1e-5)
    assert len(model.compact_.layers_[0].weights) == 3


WITHOUT_TORCH = """
import pickle, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "skorch"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
with open(sys.argv[1], "rb") as file:
    compact, rows, expected = pickle.load(file)
assert abs(compact.predict_proba(rows) - expected).max() < 1e-6
assert not {"torch", "skorch"} & set(sys.modules)
print(len(compact.predict(rows)))
"""


@pytest.mark.parametrize(
    ("module", "rows"), [(Perceptron, X), (Residual, IMAGES)], ids=["dense", "conv"]
)
def test_predicts_without_torch(module, rows, tmp_path):
    model = make_model(make_net(module)).fit(rows, CLASSES)
    path = tmp_path / "model.pickle"
    facts = (model.compact_, rows, model.estimator_.predict_proba(rows))
    path.write_bytes(pickle.dumps(facts))
    command = [sys.executable, "-c", WITHOUT_TORCH, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "300", done.stderr


class Shifted(skorch.dataset.Dataset):
    """Augmentation: rows of training are moved at random; counts how often."""

    n_calls = 0

    def transform(self, X, y):
        Shifted.n_calls += 1
        X, y = super().transform(X, y)
        return np.roll(X, np.random.default_rng(Shifted.n_calls).integers(-1, 2)), y


class Scaled(torch.utils.data.Dataset):
    """A transform that prediction needs, too."""

    def __init__(self, X, y=None, factor=3.0):
        self.X, self.y, self.factor = X, y, factor

    def __len__(self):
        return len(self.X)

    def __getitem__(self, number):
        target = 0 if self.y is None else self.y[number]
        return self.X[number] * self.factor - 1, target


@pytest.mark.parametrize("schedule", [None, wp.GradualSchedule(3), wp.IterativeSchedule(2)])
def test_augmentation_goes_on_during_refit(schedule):
    Shifted.n_calls = 0
    net = make_net(dataset=Shifted)
    model = make_model(net, schedule=schedule, random_state=0).fit(X, CLASSES)
    assert Shifted.n_calls >= 300 * model.n_iter_
    assert (
        model.n_iter_
        == {type(None): 4, wp.GradualSchedule: 2, wp.IterativeSchedule: 6}[type(schedule)]
    )


@pytest.mark.parametrize("unit", ["weight", "neuron", "input"])
@pytest.mark.parametrize("factor", [None, 0.5])
def test_dataset_is_asked_in_predict(unit, factor):
    params = {} if factor is None else {"dataset__factor": factor}
    model = make_model(make_net(dataset=Scaled, **params), unit=unit).fit(X, CLASSES)
    expected = model.estimator_.predict_proba(X)
    for copied in (model, pickle.loads(pickle.dumps(model))):
        np.testing.assert_allclose(copied.predict_proba(X), expected, atol=1e-5)
        np.testing.assert_array_equal(copied.predict(X), model.estimator_.predict(X))


class Reload(Callback):
    """Set the parameters to saved ones when training begins."""

    def __init__(self, saved):
        self.saved = saved

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        net.module_.load_state_dict(
            {name: torch.as_tensor(value) for name, value in self.saved.items()}
        )


class Spy(Callback):
    """Note the parameters at the first batch of each training."""

    starts = []

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.fresh_ = True

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        if self.fresh_:
            Spy.starts.append(weights_of(net))
        self.fresh_ = False


def test_rewind_to_the_initial_values():
    Spy.starts = []
    net = make_net(callbacks=[("spy", Spy())])
    model = make_model(net, schedule=wp.IterativeSchedule(3, rewind="init")).fit(X, CLASSES)
    first, *rounds = Spy.starts
    assert len(rounds) == 3
    shares = [0.3 ** (number / 3) for number in (1, 2, 3)]
    for start, share in zip(rounds, shares, strict=True):
        for name, value in start.items():
            kept = value != 0
            np.testing.assert_array_equal(value[kept], first[name][kept])
        n_left = sum(np.count_nonzero(value) for value in start.values())
        assert abs(n_left - share * 1184) <= 3
    assert_zeros_by_unit(model, "weight")
    assert model.n_iter_ == 2 * 4


@pytest.mark.parametrize("schedule", [None, wp.GradualSchedule(4), wp.IterativeSchedule(2)])
@pytest.mark.parametrize("unit", ["weight", "auto", "neuron"])
def test_early_stopping_that_loads_the_best(schedule, unit):
    net = make_net(
        max_epochs=6,
        train_split=ValidSplit(3),
        callbacks=[
            ("stop", EarlyStopping(patience=1, threshold=1.0, load_best=True)),
            ("rate", LRScheduler("StepLR", step_size=2)),
        ],
    )
    model = make_model(net, schedule=schedule, unit=unit).fit(X, CLASSES)
    if unit == "auto":
        assert model.report_.after["parameters"] <= 0.3 * model.report_.before["parameters"]
    else:
        assert_zeros_by_unit(model, unit)
    assert_restored_agrees(model, X)


@pytest.mark.parametrize("keep", [0.25, 0.1, 100])
@pytest.mark.parametrize("frozen", [False, True])
def test_gradual_schedule_reaches_keep_in_one_fit(keep, frozen):
    net = make_net(max_epochs=4)
    net = FrozenEstimator(net.fit(X, CLASSES)) if frozen else net
    model = make_model(net, keep=keep, schedule=wp.GradualSchedule(7)).fit(X, CLASSES)
    assert len(model.kept_) == (keep if isinstance(keep, int) else int(keep * 1184))
    assert model.n_iter_ == (8 if frozen else 4)
    assert_zeros_by_unit(model, "weight")


def test_more_cuts_than_updates():
    net = make_net(max_epochs=1, batch_size=200)
    model = make_model(net, schedule=wp.GradualSchedule(30)).fit(X, CLASSES)
    assert model.n_iter_ == 1
    assert_zeros_by_unit(model, "weight")
    assert len(model.kept_) == int(0.3 * 1184)


def test_callbacks_of_the_user_do_not_undo_the_pruning():
    saved = {name: value.numpy() for name, value in Perceptron().state_dict().items()}
    model = make_model(make_net(callbacks=[("reload", Reload(saved))])).fit(X, CLASSES)
    assert_zeros_by_unit(model, "weight")


def error_of(model, rows=X, y=CLASSES):
    with pytest.raises(ValueError) as raised:
        model.fit(rows, y)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_refusals_in_one_line():
    frozen = FrozenEstimator(make_net().fit(X, CLASSES))
    message = error_of(make_model(frozen, schedule=wp.IterativeSchedule(rewind="init")))
    assert "Pass the unfitted NeuralNetClassifier" in message
    message = error_of(make_model(unit="channel"))
    assert "unit='channel' needs layers whose channels can go" in message
    assert "Write unit='weight' or 'input' or 'neuron'" in message
    assert "quantize" in error_of(make_model(quantize="int3"))
    message = error_of(make_model(criterion=wp.ActivationCriterion()))
    assert "ActivationCriterion" in message
    assert "unit" in error_of(make_model(unit="tree"))
    error_of(make_model(keep=10**6))
    error_of(make_model(unit="auto", keep=5))


@pytest.mark.parametrize("unit", ["weight", "auto"])
def test_module_that_cannot_be_followed(unit):
    model = make_model(make_net(Recurrent), unit=unit).fit(X, CLASSES)
    assert model.report_.after["nonzero"] <= 0.3 * model.report_.before["nonzero"] + 100
    assert model.unit_ == "weight"
    assert_restored_agrees(model, X, 1e-6)
    before = weights_of(model.estimator_)
    again = pickle.loads(pickle.dumps(model)).partial_fit(X, CLASSES)
    assert_same_zeros(before, weights_of(again.estimator_))


def test_columns_that_are_read_mixed_are_no_inputs():
    pipeline = make_pipeline(FunctionTransformer(), make_net(Recurrent))
    for net in (make_net(Recurrent), pipeline):
        message = error_of(make_model(net, unit="input"))
        assert "unit='input' needs layers whose inputs can go. Got Recurrent" in message
        assert "Write unit='weight' or 'neuron'." in message


NORMS = {
    "batch": (partial(nn.BatchNorm1d, 24),),
    "no factors": (partial(nn.BatchNorm1d, 24, affine=False),),
    "mean of all": (partial(nn.BatchNorm1d, 24, momentum=None),),
    "of the batch": (partial(nn.BatchNorm1d, 24, track_running_stats=False),),
    "lazy": (nn.LazyBatchNorm1d,),
    "synchronised": (partial(nn.SyncBatchNorm, 24),),
    "volumes": (partial(nn.BatchNorm3d, 3), 3, 2, 2, 2),
    "instance": (partial(nn.InstanceNorm1d, 4, track_running_stats=True), 4, 6),
    "instance with factors": (
        partial(nn.InstanceNorm1d, 4, affine=True, track_running_stats=True),
        *(4, 6),
    ),
    "groups": (partial(nn.GroupNorm, 3, 24),),
    "own": (OwnNorm,),
}


@pytest.mark.parametrize("name", NORMS)
def test_norms_of_a_module_that_cannot_be_followed(name):
    torch.manual_seed(0)
    make = partial(normed, *NORMS[name])
    net = make_net(make, lr=0.05, iterator_train__shuffle=False).fit(3 * X + 2, CLASSES)
    rows = 3 * X + 2
    model = make_model(FrozenEstimator(net), keep=1.0).fit(rows, CLASSES)
    whole = net.predict_proba(rows)
    np.testing.assert_array_equal(model.predict_proba(rows), whole)
    np.testing.assert_array_equal(model.estimator_.predict_proba(rows), whole)
    net.set_params(lr=0.0, max_epochs=1)  # one more pass moves the running statistics only
    model.partial_fit(rows, CLASSES)
    net.partial_fit(rows, CLASSES)
    np.testing.assert_allclose(
        model.predict_proba(rows), net.predict_proba(rows), atol=1e-6
    )
    smaller = make_model(FrozenEstimator(net), refit=False).fit(rows, CLASSES)
    assert_restored_agrees(smaller, rows, 1e-6)


def test_a_norm_that_is_not_called():
    class Unused(Perceptron):
        def __init__(self):
            super().__init__()
            self.unused = nn.BatchNorm1d(3)

        def forward(self, X):
            return self[3](self[1](self[0](X)))

    model = make_model(make_net(Unused)).fit(X, CLASSES)
    assert type(model.compact_).__name__ == "CompactNetClassifier"
    assert_restored_agrees(model, X)


@pytest.mark.parametrize("criterion", [*UNIT_CRITERIA, wp.GradualSchedule(2)], ids=str)
@pytest.mark.parametrize("unit", ["channel", "weight"])
def test_norms_without_factors(unit, criterion):
    if unit == "weight" and isinstance(criterion, wp.ActivationCriterion):
        pytest.skip("single weights have no output")
    params = {"criterion": criterion}
    if isinstance(criterion, wp.GradualSchedule):
        params = {"schedule": criterion}
    model = make_model(make_net(PlainNorms), unit=unit, keep=0.5, **params)
    model.fit(IMAGES[:150], CLASSES[:150])
    assert len(model.kept_) == (3 if unit == "channel" else model.n_units_ // 2)
    assert_zeros_by_unit(model, unit)
    assert_restored_agrees(model, IMAGES)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(("unit", "keep"), [("auto", 0.1), ("input", 0.1), ("neuron", 2)])
def test_a_norm_of_the_inputs(unit, keep, affine):
    class First(nn.Sequential):
        def __init__(self):
            super().__init__(nn.BatchNorm1d(64, affine=affine), *Perceptron())

    model = make_model(make_net(First), unit=unit, keep=keep).fit(X, CLASSES)
    assert_restored_agrees(model, X)


COMPUTED = {
    "mask": partial(prune.l1_unstructured, amount=0.5),
    "mask of units": partial(prune.ln_structured, amount=0.2, n=2, dim=0),
    "weight norm": utils.weight_norm,
    "spectral norm": utils.spectral_norm,
    "new weight norm": utils.parametrizations.weight_norm,
    "new spectral norm": utils.parametrizations.spectral_norm,
    "orthogonal": utils.parametrizations.orthogonal,
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning")
@pytest.mark.parametrize("followed", [True, False])
@pytest.mark.parametrize("kind", COMPUTED)
def test_computed_weights_name_the_call_to_make_first(kind, followed):
    make = partial(seen, COMPUTED[kind])
    if not followed:
        make = partial(normed, partial(seen_norm, COMPUTED[kind]))
    net = make_net(make).fit(X, CLASSES)
    whole = net.predict_proba(X)
    for params in ({}, {"refit": False}, {"unit": "input"}, {"unit": "auto"}):
        message = error_of(make_model(FrozenEstimator(net), **params))
    state = {name: value.clone() for name, value in net.module_.state_dict().items()}
    for params in ({}, {"refit": False}):
        model = make_model(FrozenEstimator(net), unit="neuron", keep=0.5, **params)
        assert_restored_agrees(model.fit(X, CLASSES), X)
        assert len(model.kept_) == model.n_units_ / 2
        sizes = [
            sum(part.numel() for part in each.module_.parameters())
            for each in (model.estimator_, net)
        ]
        assert sizes[0] < sizes[1]
    np.testing.assert_array_equal(net.predict_proba(X), whole)
    for name, value in net.module_.state_dict().items():
        assert torch.equal(value, state[name])
    assert error_of(make_model(make_pipeline(FunctionTransformer(), make_net(make))))
    if kind in ("mask", "weight norm", "spectral norm"):
        model = make_model(FrozenEstimator(net), keep=1.0).fit(X, CLASSES)
        np.testing.assert_array_equal(model.predict_proba(X), whole)
    call = re.search(r"call (torch\.nn\.utils\..+\)), and", message)[1]
    eval(call, {"torch": torch, "net": net})
    np.testing.assert_allclose(net.predict_proba(X), whole, atol=1e-6)
    if kind == "new weight norm" and not followed:
        return  # it leaves a hook that cannot be pickled
    model = make_model(FrozenEstimator(net), refit=False).fit(X, CLASSES)
    assert np.isfinite(model.predict_proba(X)).all()
    assert "constructor" in error_of(make_model(FrozenEstimator(net)))  # it has no refit
    with pytest.raises(AttributeError, match="constructor"):
        model.estimator_


def seen_norm(make):
    layer = nn.Linear(24, 24)
    make(layer, "weight")
    return layer


@pytest.mark.parametrize("schedule", [None, wp.GradualSchedule(3)])
@pytest.mark.parametrize("unit", ["neuron", "channel"])
def test_floor_of_one_unit(unit, schedule):
    net = make_net(Residual if unit == "channel" else Perceptron)
    rows = IMAGES if unit == "channel" else X
    model = make_model(net, unit=unit, keep=0.01, schedule=schedule)
    with pytest.warns(UserWarning, match=f"left with a single {unit}"):
        model.fit(rows, CLASSES)
    assert len(model.kept_) == 1
    assert model.predict(rows).shape == (300,)


@pytest.mark.parametrize(("unit", "keep"), [("neuron", 5), ("input", 20), ("weight", 77)])
def test_int_keep(unit, keep):
    model = make_model(None, wp.MagnitudeCriterion(), unit=unit, keep=keep)
    assert len(model.fit(X, CLASSES).kept_) == keep
    assert_zeros_by_unit(model, unit)


def test_one_shot_weights_that_nothing_reads_are_not_kept():
    model = make_model(keep=77).fit(X, CLASSES)
    assert 0.8 * 77 < len(model.kept_) <= 77
    n_left = sum(np.count_nonzero(part) for part in weights_of(model.estimator_).values())
    assert n_left == len(model.kept_)


def softmax_module():
    return nn.Sequential(*Perceptron(), nn.Softmax(dim=-1))


class Binary(Perceptron):
    def __init__(self):
        super().__init__(n_out=1)

    def forward(self, X):
        return super().forward(X).squeeze(-1)


@pytest.mark.parametrize("unit", ["weight", "neuron", "auto"])
@pytest.mark.parametrize(
    "params",
    [
        {"module": softmax_module, "criterion": nn.NLLLoss},
        {"module": Perceptron, "criterion": nn.CrossEntropyLoss},
        {"module": Perceptron, "criterion__label_smoothing": 0.1},
        {"module": Perceptron, "predict_nonlinearity": lambda scores: scores.sigmoid()},
        {"module": Perceptron, "predict_nonlinearity": None},
    ],
)
def test_losses_of_classifiers(params, unit):
    model = make_model(make_net(**params), unit=unit).fit(X, CLASSES)
    inner = model.estimator_
    np.testing.assert_allclose(
        model.predict_proba(X), inner.predict_proba(X), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(model.predict(X), inner.predict(X))
    np.testing.assert_array_equal(model.classes_, np.arange(10))


@pytest.mark.parametrize("threshold", [0.5, 0.3])
@pytest.mark.parametrize("module__n_out", [1])
def test_binary_classifier(threshold, module__n_out):
    y = (CLASSES > 4).astype(np.float32)
    for params in ({"module": Binary}, {"module": Perceptron, "module__n_out": 1}):
        net = make_net(cls=NeuralNetBinaryClassifier, threshold=threshold, **params)
        model = make_model(net, wp.TaylorCriterion()).fit(X, y)
        inner = model.estimator_
        np.testing.assert_array_equal(model.predict(X), inner.predict(X))
        np.testing.assert_allclose(
            model.predict_proba(X), inner.predict_proba(X), atol=1e-5
        )
        assert_zeros_by_unit(model, "weight")


@pytest.mark.parametrize("n_out", [1, 2])
@pytest.mark.parametrize("unit", ["weight", "neuron"])
def test_regressor(n_out, unit):
    y = np.c_[X.sum(axis=1), X[:, 20]][:, :n_out]
    net = make_net(cls=NeuralNetRegressor, module__n_out=n_out)
    model = PrunedRegressor(net, unit=unit, keep=0.4, random_state=0).fit(X, y)
    assert model.predict(X).shape == net.initialize().predict(X).shape == (300, n_out)
    np.testing.assert_allclose(model.predict(X), model.estimator_.predict(X), rtol=1e-5)
    assert_zeros_by_unit(model, unit)


def test_labels_as_strings():
    names = np.array([f"class {number}" for number in range(10)])[CLASSES]

    net = make_net()
    try:
        net.fit(X, names)
    except Exception as error:  # skorch's own refusal is ours
        with pytest.raises(type(error)):
            make_model().fit(X, names)
    else:
        assert set(make_model().fit(X, names).predict(X)) <= set(names)


def test_frame_as_rows():
    import pandas as pd

    frame = pd.DataFrame(X, columns=[f"pixel {number}" for number in range(64)])
    try:
        make_net().fit(frame, CLASSES)
    except Exception as error:
        with pytest.raises(type(error)):
            make_model().fit(frame, CLASSES)


def test_double_rows_are_refused_as_skorch_does():
    with pytest.raises(RuntimeError):
        make_net().fit(X.astype(np.float64), CLASSES)
    with pytest.raises(RuntimeError):
        make_model().fit(X.astype(np.float64), CLASSES)


def test_tensors_as_rows():
    model = make_model().fit(torch.as_tensor(X), torch.as_tensor(CLASSES))
    same = make_model().fit(X, CLASSES)
    np.testing.assert_array_equal(model.kept_, same.kept_)
    np.testing.assert_allclose(
        model.predict_proba(torch.as_tensor(X)), same.predict_proba(X), atol=1e-6
    )


def test_grid_search_in_two_processes():
    grid = {"keep": [0.2, 0.5], "schedule__n_steps": [1, 3], "estimator__lr": [0.01, 0.05]}
    model = make_model(make_net(max_epochs=1), schedule=wp.GradualSchedule())
    search = GridSearchCV(model, grid, cv=2, n_jobs=2, error_score="raise")
    search.fit(X[:120], CLASSES[:120])
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))
    best = search.best_estimator_
    assert len(best.kept_) == int(search.best_params_["keep"] * 1184)
    assert best.schedule.n_steps == search.best_params_["schedule__n_steps"]
    assert best.estimator_.lr == search.best_params_["estimator__lr"]


class Interrupted(RuntimeError):
    pass


class Raise(Callback):
    """Raise at the batches of one training, counted from 1."""

    n_trainings = 0

    def __init__(self, training, error):
        self.training = training
        self.error = error

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        Raise.n_trainings += 1

    def on_batch_end(self, net, batch=None, training=None, **kwargs):
        if Raise.n_trainings == self.training:
            raise self.error


def state_of_the_process(net):
    return (
        torch.random.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),
        [pool["num_threads"] for pool in threadpool_info()],
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        pickle.dumps(net),
    )


def test_an_error_while_refitting_leaves_a_frozen_net_as_it_was():
    Raise.n_trainings = 0
    net = make_net().fit(X, CLASSES)
    refit = {"callbacks": [("raise", Raise(1, Interrupted()))]}
    model = make_model(FrozenEstimator(net), refit=refit)
    before = state_of_the_process(net)
    with pytest.raises(Interrupted):
        model.fit(X, CLASSES)
    assert state_of_the_process(net) == before
    assert not any(part._forward_pre_hooks for part in net.module_.modules())
    assert not hasattr(model, "compact_")


def test_interrupt_from_the_keyboard_ends_the_fit():
    Raise.n_trainings = 0
    error = KeyboardInterrupt()
    vars(error)  # pickled once it exists, and copying an error may make it
    net = make_net(callbacks=[("raise", Raise(2, error))])
    model = make_model(net)
    before = state_of_the_process(net)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, CLASSES)
    assert not hasattr(model, "compact_")
    assert state_of_the_process(net) == before


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"unit": "auto"},
        {"dropout": 0.2, "unit": "neuron"},
        {"criterion": wp.RandomCriterion()},
        {"schedule": wp.GradualSchedule(3)},
        {"schedule": wp.IterativeSchedule(2, rewind="init")},
    ],
    ids=str,
)
def test_same_seed_same_net(params):
    one = make_model(**params).fit(X, CLASSES)
    torch.rand(3)
    two = make_model(**params).fit(X, CLASSES)
    np.testing.assert_array_equal(one.kept_, two.kept_)
    for name, value in weights_of(one.estimator_).items():
        np.testing.assert_array_equal(value, weights_of(two.estimator_)[name])
    other = make_model(**params | {"random_state": 1}).fit(X, CLASSES)
    assert not np.array_equal(
        weights_of(one.estimator_)["0.weight"], weights_of(other.estimator_)["0.weight"]
    )


def test_automatic_keep_with_two_jobs():
    results = []
    for n_jobs in (1, 2):
        model = make_model(keep="auto", cv=2, n_jobs=n_jobs, tolerance=0.2)
        model.fit(X[:150], CLASSES[:150])
        results.append((model.kept_, [step["loss"] for step in model.report_.path]))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


@pytest.mark.parametrize("scheme", ["float16", "int8", "codebook"])
@pytest.mark.parametrize(
    ("module", "rows"), [(Perceptron, X), (Residual, IMAGES), (Recurrent, X)]
)
def test_quantized(scheme, module, rows):
    model = make_model(make_net(module), quantize=scheme, keep=0.5).fit(rows, CLASSES)
    plain = make_model(make_net(module), keep=0.5).fit(rows, CLASSES)
    gap = abs(model.predict_proba(rows) - plain.predict_proba(rows))
    assert gap.max() < (0.01 if scheme == "float16" else 0.2)
    assert_restored_agrees(model, rows)


@pytest.mark.parametrize("keep", [0.3, 0.6])
def test_a_refit_starts_from_one_shot_weights(keep):
    one_shot = make_model(keep=keep, refit=False).fit(X, CLASSES)
    still = make_model(keep=keep, refit={"max_epochs": 1, "lr": 0.0}).fit(X, CLASSES)
    assert (one_shot.n_iter_, still.n_iter_) == (2, 3)
    for name, value in weights_of(one_shot.estimator_).items():
        np.testing.assert_array_equal(value, weights_of(still.estimator_)[name])
    dense = make_model(keep=1.0).fit(X, CLASSES)
    assert one_shot.score(X, CLASSES) > dense.score(X, CLASSES) - 0.05


def test_convolutions_have_one_shot_weights():
    net = make_net(Residual, max_epochs=4, lr=0.02).fit(IMAGES, CLASSES)
    scores = [
        make_model(FrozenEstimator(net), criterion, keep=0.3, refit=False)
        .fit(IMAGES, CLASSES)
        .score(IMAGES, CLASSES)
        for criterion in (None, wp.RandomCriterion())
    ]
    assert scores[0] > max(scores[1], net.score(IMAGES, CLASSES) - 0.1)


def test_slice_dataset_as_rows():
    from skorch.helper import SliceDataset

    dataset = skorch.dataset.Dataset(X, CLASSES)
    rows = SliceDataset(dataset, idx=0)
    model = make_model().fit(rows, CLASSES)
    same = make_model().fit(X, CLASSES)
    np.testing.assert_array_equal(model.kept_, same.kept_)
    np.testing.assert_array_equal(model.predict(rows), same.predict(X))


class TwoInputs(Perceptron):
    def forward(self, left, right):
        return super().forward(torch.cat([left, right], 1))


class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return len(X)

    def __getitem__(self, number):
        return X[number], CLASSES[number]


def test_a_dict_of_inputs():
    rows = {"left": X[:, :30], "right": X[:, 30:]}
    net = make_net(TwoInputs)
    subset = SampleSubsetClassifier(net, random_state=0)
    for model in (make_model(net), subset, make_model(net, keep=1.0), L2PenaltySelector()):
        with pytest.raises(TypeError, match=r"Got a dict.*SliceDict\(\*\*X\)"):
            model.fit(rows, CLASSES)
    sliced = SliceDict(**rows)
    model = make_model(net, refit=False).fit(sliced, CLASSES)
    assert_restored_agrees(model, sliced, 1e-6)
    np.testing.assert_array_equal(model.predict(sliced), model.predict(rows))
    assert make_model(net, keep="auto", cv=2, refit=False).fit(sliced, CLASSES).n_units_
    assert len(subset.fit(sliced, CLASSES).sample_indices_) == 150
    subset.set_params(selector=LossSelector(cv=2)).fit(sliced, CLASSES)
    message = error_of(make_model(net, wp.TaylorCriterion()), sliced)
    assert "Got a dict of inputs. Write MagnitudeCriterion()" in message
    assert "dict of inputs" in error_of(L2PenaltySelector(), sliced)


@pytest.mark.parametrize("y", [CLASSES, None])
def test_datasets_as_rows_name_the_class_that_can_be_sliced(y):
    dataset = Rows()
    both = (X, CLASSES.copy())
    tensors = torch.utils.data.TensorDataset(*map(torch.as_tensor, both))
    kinds = [dataset, tensors, torch.utils.data.Subset(dataset, range(300))]
    kinds += [torch.utils.data.DataLoader(dataset), dataset + dataset]
    net = make_net()
    subset = SampleSubsetClassifier(net, random_state=0)
    for rows in kinds:
        for model in (make_model(net), make_model(net, keep=1.0), subset):
            with pytest.raises(TypeError, match=r"SliceDataset\(dataset, idx=0\)"):
                model.fit(rows, y)
    with pytest.raises(TypeError, match=r"^y must .* idx=1\)"):
        make_model(net).fit(X, dataset)
    with pytest.raises(TypeError, match="SliceDataset"):
        compare_pruning({"all": net, "half": subset}, dataset, CLASSES)


def test_cuda_stays_asleep():
    make_model(unit="neuron").fit(X, CLASSES).partial_fit(X, CLASSES)
    assert not torch.cuda.is_initialized()


def test_units_of_the_family():
    family = TorchFamily()
    net = make_net(Residual).fit(IMAGES, CLASSES)
    from sklearn_prune.weight_pruning._context import PruningContext

    context = PruningContext(FrozenEstimator(net), IMAGES, CLASSES, seed=0)
    work = family.start(net, context)
    assert work.reason is None
    for unit, size in (("channel", 6), ("input", 1)):
        table = family.table(work, unit, context)
        assert len(table.ids) == size
    n_parameters, n_nonzero = family.count(work)
    assert n_parameters == sum(p.numel() for p in net.module_.parameters())
    assert n_nonzero <= n_parameters


@pytest.mark.parametrize("module", [Perceptron, Residual])
def test_row_gradients_equal_one_row_at_a_time(module):
    from sklearn_prune.weight_pruning._context import PruningContext

    rows = X[:40] if module is Perceptron else IMAGES[:40]
    net = make_net(module).fit(rows, CLASSES[:40])
    context = PruningContext(FrozenEstimator(net), rows, CLASSES[:40], seed=0)
    family = TorchFamily()
    found = list(family.row_gradients(family.start(net, context), context))
    assert (
        sum(len(part["last.bias" if module is Residual else "3.bias"]) for part in found)
        == 40
    )
    net.module_.eval()
    for number in (0, 33):
        net.module_.zero_grad()
        scores = net.module_(torch.as_tensor(rows[number : number + 1]))
        target = torch.as_tensor(CLASSES[number : number + 1])
        nn.functional.cross_entropy(scores, target).backward()
        for name, parameter in net.module_.named_parameters():
            joined = np.concatenate([part[name] for part in found])
            np.testing.assert_allclose(
                joined[number], parameter.grad.numpy(), atol=1e-5, rtol=1e-4
            )
