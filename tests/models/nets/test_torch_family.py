"""skorch nets: zeros that stay, removal that equals masking, skorch's own training."""

import pickle
import subprocess
import sys
from copy import deepcopy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_validate

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Callback
from skorch.dataset import Dataset
from torch import nn
from torch.nn import functional

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.weight_pruning import (
    ActivationCriterion,
    GradualSchedule,
    IterativeSchedule,
    MagnitudeCriterion,
    PenaltyCriterion,
    RandomCriterion,
    SecondOrderCriterion,
    TaylorCriterion,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch")


class Dense(nn.Sequential):
    def __init__(self, n_features=64, n_hidden=20, n_outputs=10):
        super().__init__(
            nn.Linear(n_features, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_outputs)
        )


class Residual(nn.Module):
    """Images, batch norms with offsets, a sum, a mean over places."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.inner = nn.Conv2d(6, 5, 3, padding=1, bias=False)
        self.inner_norm = nn.BatchNorm2d(5)
        self.outer = nn.Conv2d(5, 6, 3, padding=1)
        self.outer_norm = nn.BatchNorm2d(6, affine=False)
        self.last = nn.Linear(6, 10)

    def forward(self, X):
        X = torch.relu(self.norm(self.first(X)))
        inner = functional.relu(self.inner_norm(self.inner(X)))
        X = torch.relu(X + self.outer_norm(self.outer(inner)))
        return self.last(X.mean([2, 3]))


class Branching(nn.Module):
    """Control flow that depends on the rows: it cannot be traced."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(64, 12), nn.Linear(12, 10)

    def forward(self, X):
        hidden = self.first(X)
        if hidden.sum() > 1e9:
            hidden = -hidden
        return self.last(functional.relu(hidden))


class CountingDataset(Dataset):
    """Adds noise to rows, as an augmentation does, and counts how often it is asked."""

    asked = 0

    def transform(self, X, y):
        CountingDataset.asked += 1
        return super().transform(X, y)


def net(module=Dense, kind=NeuralNetClassifier, **settings):
    settings = {
        "criterion": nn.CrossEntropyLoss,
        "optimizer": torch.optim.Adam,
        "lr": 0.01,
        "batch_size": 50,
        "max_epochs": 4,
        "train_split": None,
        "iterator_train__shuffle": True,
        "verbose": 0,
        **settings,
    }
    return kind(module, **settings)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X / 8 - 1).astype(np.float32)[:600], y.astype(np.int64)[:600]


@pytest.fixture(scope="module")
def images(digits):
    return digits[0].reshape(-1, 1, 8, 8)[:300], digits[1][:300]


@pytest.fixture(scope="module")
def trained(digits):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return net().fit(*digits)


def zeros(model):
    values = model.compact_.full_values()
    return {name: value == 0 for name, value in values.items() if value.ndim > 1}


CASES = [
    ("weight", None),
    ("weight", MagnitudeCriterion("l1", scope="layer")),
    ("weight", MagnitudeCriterion(scope="adaptive")),
    ("weight", TaylorCriterion()),
    ("weight", SecondOrderCriterion()),
    ("weight", PenaltyCriterion("l1")),
    ("weight", PenaltyCriterion("l2")),
    ("weight", RandomCriterion()),
    ("neuron", None),
    ("neuron", ActivationCriterion("global")),
    ("neuron", MagnitudeCriterion()),
    ("neuron", TaylorCriterion()),
    ("neuron", SecondOrderCriterion()),
    ("neuron", PenaltyCriterion("l1")),
    ("neuron", RandomCriterion()),
    ("input", None),
    ("input", MagnitudeCriterion()),
    ("feature", None),
    ("auto", None),
]


@pytest.mark.parametrize(("unit", "criterion"), CASES)
def test_the_share_is_kept_and_zeros_survive(trained, digits, unit, criterion):
    X, y = digits
    model = PrunedClassifier(
        FrozenEstimator(trained), criterion, unit=unit, keep=0.3, random_state=0
    ).fit(X, y)
    n_units = {"neuron": 20, "input": 64, "feature": 64}.get(unit, 64 * 20 + 20 * 10)
    assert model.n_units_ == n_units
    if unit == "auto":
        assert model.report_.after["parameters"] <= 0.3 * 1510
        assert model.report_.after["parameters"] >= 0.8 * 0.3 * 1510
    else:
        assert len(model.kept_) == int(0.3 * n_units + 0.5)
    assert model.score(X, y) > (0.3 if unit in ("input", "feature") else 0.5)
    before = zeros(model)
    assert sum(mask.sum() for mask in before.values()) > 0.4 * 1480
    restored = model.estimator_
    np.testing.assert_allclose(
        restored.predict_proba(X), model.predict_proba(X), rtol=1e-4, atol=1e-6
    )
    restored.set_params(lr=0.02, batch_size=20).partial_fit(X, y)
    for name, value in restored.module_.state_dict().items():
        if name in before:
            assert not value.numpy()[before[name]].any()
    for same in (deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(same.predict(X), model.predict(X))
        same.partial_fit(X, y)
        assert not np.array_equal(same.predict_proba(X), model.predict_proba(X))
        for name, mask in zeros(same).items():
            assert mask[before[name]].all()


def test_keep_all_gives_the_predictions_of_the_net(trained, digits):
    X, y = digits
    model = PrunedClassifier(FrozenEstimator(trained), keep=1.0).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), trained.predict(X))
    np.testing.assert_allclose(
        model.predict_proba(X), trained.predict_proba(X), rtol=1e-5, atol=1e-7
    )
    assert len(pickle.dumps(model.compact_)) < 0.5 * len(pickle.dumps(trained))


def test_removal_of_channels_equals_masking(images):
    X, y = images
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = net(Residual, max_epochs=2).fit(X, y)
        for norm in (model.module_.norm, model.module_.inner_norm):
            norm.bias.data.normal_()
            norm.weight.data.normal_()
    pruned = PrunedClassifier(
        FrozenEstimator(model), unit="channel", keep=0.5, refit=False, random_state=0
    ).fit(X, y)
    assert pruned.n_units_ == 11
    left = pruned.get_support()
    values = pruned.compact_.full_values()
    # Units of the inner layer and of the sum, in whatever order: found by what is zero.
    inner = torch.as_tensor((values["outer.weight"] != 0).any(axis=(0, 2, 3)))
    outer = torch.as_tensor((values["last.weight"] != 0).any(axis=0))
    assert inner.sum() + outer.sum() == left.sum()
    assert not inner.all()
    assert not outer.all()
    module = deepcopy(model.module_).eval()

    def masked(X):
        X = torch.relu(module.norm(module.first(X))) * outer[:, None, None]
        hidden = torch.relu(module.inner_norm(module.inner(X))) * inner[:, None, None]
        X = torch.relu(X + module.outer_norm(module.outer(hidden)))
        return module.last((X * outer[:, None, None]).mean([2, 3]))

    with torch.inference_mode():
        expected = masked(torch.from_numpy(X)).softmax(1).numpy()
    np.testing.assert_allclose(pruned.predict_proba(X), expected, atol=1e-5)
    np.testing.assert_allclose(
        pruned.estimator_.predict_proba(X), expected, rtol=1e-3, atol=1e-5
    )


def test_a_pruned_net_predicts_where_torch_is_not(trained, digits, tmp_path):
    X, y = digits
    model = PrunedClassifier(FrozenEstimator(trained), keep=0.2, random_state=0).fit(X, y)
    (tmp_path / "compact.pickle").write_bytes(pickle.dumps(model.compact_))
    np.save(tmp_path / "X.npy", X)
    code = (
        "import sys, pickle\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'skorch'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "import numpy as np\n"
        f"compact = pickle.load(open({str(tmp_path / 'compact.pickle')!r}, 'rb'))\n"
        f"print(compact.predict(np.load({str(tmp_path / 'X.npy')!r})).tolist())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == str(model.predict(X).tolist()), found.stderr


def test_the_datasets_of_the_user_stay_in_use(digits):
    X, y = digits
    CountingDataset.asked = 0
    PrunedClassifier(net(dataset=CountingDataset), keep=0.5, random_state=0).fit(X, y)
    assert CountingDataset.asked >= 2 * 4 * len(X)  # both trainings


class Reload(Callback):
    """Sets saved parameters whenever a training begins."""

    def __init__(self, saved):
        self.saved = saved

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        net.module_.load_state_dict(self.saved)


def test_callbacks_of_the_user_do_not_undo_the_pruning(digits):
    X, y = digits
    saved = Dense().state_dict()
    model = PrunedClassifier(
        net(callbacks=[("reload", Reload(saved))]), unit="weight", keep=0.2, random_state=0
    ).fit(X, y)
    kept = sum(np.count_nonzero(~mask) for mask in zeros(model).values())
    assert kept <= 0.2 * 1480 + 1
    assert model.score(X, y) > 0.6


def test_gradual_pruning_is_one_fit_of_its_own_epochs(digits):
    X, y = digits
    model = PrunedClassifier(
        net(max_epochs=6), unit="weight", keep=0.25, schedule=GradualSchedule(5)
    ).fit(X, y)
    assert model.n_iter_ == 6
    assert len(model.kept_) == 370
    assert model.score(X, y) > 0.7
    for keep, kept in ((np.float32(0.25), 370), (200, 200)):
        same = clone(model).set_params(keep=keep).fit(X, y)
        assert len(same.kept_) == kept
    once = PrunedClassifier(net(max_epochs=6), unit="weight", keep=0.25).fit(X, y)
    assert once.n_iter_ == 12


def test_rewinding_starts_from_the_initial_parameters(digits):
    X, y = digits
    starts = []

    class Spy(Callback):
        def on_batch_begin(self, net, training=None, **kwargs):
            if training and len(net.history) == 1 and len(net.history[0]["batches"]) == 1:
                starts.append(net.module_[0].weight.detach().numpy().copy())

    model = PrunedClassifier(
        net(callbacks=[("spy", Spy)]),
        unit="weight",
        keep=0.3,
        schedule=IterativeSchedule(2, rewind="init"),
        random_state=0,
    ).fit(X, y)
    assert model.n_iter_ == 12
    assert len(starts) == 3
    for start in starts[1:]:
        alive = start != 0
        assert not alive.all()
        np.testing.assert_array_equal(start[alive], starts[0][alive])


def test_a_net_that_cannot_be_followed_loses_weights(digits):
    X, y = digits
    model = PrunedClassifier(net(Branching), unit="neuron", keep=0.3, random_state=0)
    with pytest.warns(UserWarning, match="Single weights are pruned instead of neurons"):
        model.fit(X, y)
    assert len(model.kept_) == round(0.3 * (64 * 12 + 120))
    np.testing.assert_allclose(
        model.estimator_.predict_proba(X), model.predict_proba(X), rtol=1e-5
    )
    copy = pickle.loads(pickle.dumps(model.compact_))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))


def test_what_cannot_be_is_said_in_one_line(trained, digits):
    X, y = digits
    frozen = FrozenEstimator(trained)
    with pytest.raises(ValueError, match="Write unit='weight' or 'input' or 'neuron'"):
        PrunedClassifier(frozen, unit="channel").fit(X, y)
    schedule = IterativeSchedule(rewind="init")
    with pytest.raises(ValueError, match="rewind") as found:
        PrunedClassifier(frozen, schedule=schedule).fit(X, y)
    assert "\n" not in str(found.value)
    with pytest.raises(ValueError, match="quantize must be"):
        PrunedClassifier(frozen, quantize="int3").fit(X, y)
    with pytest.warns(UserWarning, match="single neuron"):
        PrunedClassifier(frozen, unit="neuron", keep=0.01, refit=False).fit(X, y)


def test_regressors_and_two_classes(digits):
    X, y = load_diabetes(return_X_y=True)
    X = (X * 20).astype(np.float32)
    y = ((y - y.mean()) / y.std()).astype(np.float32)[:, None]
    regressor = net(Dense, NeuralNetRegressor, criterion=nn.MSELoss, max_epochs=20)
    regressor.set_params(module__n_features=10, module__n_outputs=1)
    model = PrunedRegressor(regressor, keep=0.4, random_state=0).fit(X, y)
    assert model.predict(X).shape == (len(X), 1)
    assert model.score(X, y) > 0.3
    np.testing.assert_allclose(model.estimator_.predict(X), model.predict(X), atol=1e-4)
    X, y = digits
    two = (y > 4).astype(np.float32)
    binary = net(Dense, NeuralNetBinaryClassifier, criterion=nn.BCEWithLogitsLoss)
    binary.set_params(module__n_outputs=1)
    model = PrunedClassifier(binary, keep=0.4, random_state=0).fit(X, two)
    assert model.score(X, two) > 0.8
    np.testing.assert_allclose(
        model.estimator_.predict_proba(X), model.predict_proba(X), atol=1e-4
    )


def test_grid_search_and_cross_validation_in_processes(digits):
    X, y = digits
    model = PrunedClassifier(net(max_epochs=2), schedule=GradualSchedule(3), random_state=0)
    grid = {"keep": [1.0, 0.3], "schedule__n_steps": [2, 4], "estimator__lr": [0.01, 0.02]}
    search = GridSearchCV(model, grid, cv=2, n_jobs=2).fit(X, y)
    assert len(search.cv_results_["mean_test_score"]) == 8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert pickle.loads(pickle.dumps(search)).best_score_ == search.best_score_
    alone = GridSearchCV(model, grid, cv=2).fit(X, y)
    np.testing.assert_array_equal(
        alone.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"]
    )
    found = cross_validate(model, X, y, cv=2, n_jobs=2, return_estimator=True)
    for fitted in found["estimator"]:
        kept = sum(np.count_nonzero(~mask) for mask in zeros(fitted).values())
        assert kept <= 0.5 * 1510


def test_a_seed_fixes_all_and_nothing_global_moves(digits):
    X, y = digits
    torch.manual_seed(7)
    np.random.seed(7)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    model = PrunedClassifier(net(), keep=0.3, dropout=0.2, random_state=1)
    first = clone(model).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(clone(model).fit(X, y).predict_proba(X), first)
    other = clone(model).set_params(random_state=2).fit(X, y).predict_proba(X)
    assert not np.array_equal(other, first)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert not torch.cuda.is_initialized()


class Fails(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise RuntimeError("stopped by the user's callback")


def test_an_interrupted_fit_leaves_the_net_as_it_was(trained, digits):
    X, y = digits
    before = deepcopy(trained.module_.state_dict())
    state = torch.random.get_rng_state()
    model = PrunedClassifier(
        FrozenEstimator(trained),
        keep=0.3,
        dropout=0.1,
        refit={"callbacks": [("fails", Fails())]},
        random_state=0,
    )
    with pytest.raises(RuntimeError, match="stopped"):
        model.fit(X, y)
    for name, value in trained.module_.state_dict().items():
        assert torch.equal(value, before[name])
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(module._forward_pre_hooks for module in trained.module_.modules())
    assert not hasattr(model, "compact_")
