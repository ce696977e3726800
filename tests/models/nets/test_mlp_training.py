"""Masked training of a perceptron: against scikit-learn's own fit, and its masks."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import label_binarize

from sklearn_prune.models.nets.mlp_passes import Layers
from sklearn_prune.models.nets.mlp_training import TrainingPlan, TrainingRows, train_masked
from sklearn_prune.models.nets.units import NetWork

X, CLASSES = make_classification(
    240, 10, n_informative=6, n_classes=3, random_state=np.random.RandomState(0)
)
NUMBERS = 2 * X[:, 0] + np.sin(X[:, 1])
TARGETS = {
    "log_loss": CLASSES,
    "binary_log_loss": (CLASSES > 0).astype(int),
    "multilabel": np.c_[CLASSES > 0, CLASSES > 1].astype(int),
    "squared_error": NUMBERS,
    "two numbers": np.c_[NUMBERS, X[:, 2]],
    "poisson": np.exp(NUMBERS / 4),
}
LOSSES = {"multilabel": "binary_log_loss", "two numbers": "squared_error"}
KEPT = {"coefs_0": 0.4, "coefs_1": 0.5, "intercepts_1": 0.8}


def model_for(task, **params):
    cls = MLPRegressor
    if task in ("log_loss", "binary_log_loss", "multilabel"):
        cls = MLPClassifier
    elif task == "poisson":
        params["loss"] = "poisson"
    settings = {
        "hidden_layer_sizes": (12, 7),
        "learning_rate_init": 0.01,
        "alpha": 0.05,
        "batch_size": 64,
        "tol": 1e-3,
        "max_iter": 30,
        "n_iter_no_change": 3,
        "random_state": 3,
    }
    return cls(**settings | params)


def rows_for(task, weights=None):
    y = TARGETS[task]
    if task == "log_loss":
        y = label_binarize(y, classes=[0, 1, 2])
    return TrainingRows(X, y.reshape(len(y), -1).astype(float), weights)


def by_name(model):
    values = {f"coefs_{number}": value.T for number, value in enumerate(model.coefs_)}
    numbered = enumerate(model.intercepts_)
    return values | {f"intercepts_{number}": value for number, value in numbered}


def quietly_fitted(model, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(*args, **kwargs)


def started(task, **params):
    """A working form with the parameters that fit draws, and the model."""
    model = model_for(task, **params)
    still = clone(model).set_params(
        solver="sgd", learning_rate_init=1e-300, max_iter=1, early_stopping=False
    )
    return NetWork(model, None, by_name(quietly_fitted(still, X, TARGETS[task]))), model


def masks_of(work):
    generator = np.random.default_rng(1)
    return {
        name: generator.random(work.values[name].shape) < share
        for name, share in KEPT.items()
    }


def trained(task, plan=None, weights=None, masked=False, **params):
    work, model = started(task, **params)
    if masked:
        work = work.masked(masks_of(work))
    rows = rows_for(task, weights)
    return train_masked(work, model, LOSSES.get(task, task), rows, plan)


SETTINGS = [
    {"solver": "sgd"},
    {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5, "shuffle": False},
    {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2},
    {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.05},
    {"solver": "sgd", "learning_rate": "adaptive", "early_stopping": True},
    {"solver": "adam", "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6},
    {"solver": "adam", "early_stopping": True, "batch_size": "auto"},
    {"solver": "adam", "batch_size": 1000, "hidden_layer_sizes": ()},
    {"solver": "lbfgs"},
]


@pytest.mark.parametrize("task", list(TARGETS))
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_without_masks_it_is_the_fit_of_scikit_learn(task, settings):
    for activation, weighted in (("relu", False), ("tanh", True)):
        weights = np.random.default_rng(0).uniform(0.5, 2, len(X)) if weighted else None
        found = trained(task, weights=weights, activation=activation, **settings)
        model = model_for(task, activation=activation, **settings)
        quietly_fitted(model, X, TARGETS[task], sample_weight=weights)
        assert found.n_epochs == model.n_iter_
        for name, value in by_name(model).items():
            np.testing.assert_allclose(found.values[name], value, atol=1e-8)


@pytest.mark.parametrize("activation", ["identity", "logistic"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_other_activations_are_those_of_scikit_learn(activation, solver):
    found = trained("log_loss", activation=activation, solver=solver)
    model = model_for("log_loss", activation=activation, solver=solver)
    quietly_fitted(model, X, CLASSES)
    for name, value in by_name(model).items():
        np.testing.assert_allclose(found.values[name], value, atol=1e-8)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_what_is_masked_stays_zero_and_the_rest_moves(solver, dropout, early_stopping):
    params = {"solver": solver, "early_stopping": early_stopping, "max_iter": 15}
    work, _ = started("log_loss", **params)
    plan = TrainingPlan(dropout=dropout, dropout_seed=0)
    found = trained("log_loss", plan, masked=True, **params)
    for name, mask in masks_of(work).items():
        assert not found.values[name][~mask].any()
        assert (found.values[name][mask] != work.values[name][mask]).mean() > 0.9
        np.testing.assert_array_equal(found.masks[name], mask)


def test_masked_inputs_train_like_a_net_without_them():
    """Zero columns of the first weights are as good as columns of zeros in X."""
    work, model = started("log_loss", solver="adam")
    mask = np.ones(work.values["coefs_0"].shape, dtype=bool)
    mask[:, 4:] = False
    work = work.masked({"coefs_0": mask})
    rows = rows_for("log_loss")
    found = train_masked(work, model, "log_loss", rows)
    empty = TrainingRows(np.where(np.arange(10) < 4, X, 0), rows.targets)
    same = train_masked(NetWork(work.model, None, work.values), model, "log_loss", empty)
    for name in work.values:
        np.testing.assert_allclose(found.values[name], same.values[name], atol=1e-10)


def halving(name, log):
    """A cut that drops half of what is left, by size, and logs what it was given."""

    def cut(work):
        log.append(work)
        sizes = np.abs(work.values[name])
        left = sizes[sizes > 0]
        mask = sizes > np.median(left)
        return work.masked({**work.masks, name: mask})

    return cut


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_cuts_come_on_time_and_hold(solver):
    log = []
    cuts = (halving("coefs_0", log),) * 3
    found = trained("log_loss", TrainingPlan(cuts), solver=solver, max_iter=20, tol=0.0)
    left = [np.count_nonzero(work.values["coefs_0"]) for work in log]
    assert left == [120, 60, 30]
    assert np.count_nonzero(found.values["coefs_0"]) == 15
    np.testing.assert_array_equal(found.values["coefs_0"] != 0, found.masks["coefs_0"])
    assert all(
        (log[number].values["coefs_1"] != found.values["coefs_1"]).all()
        for number in (0, 1)
    )


def test_cuts_are_made_after_the_promised_updates():
    """240 rows in 4 batches, 5 epochs: 20 updates, of which 12 see cuts."""
    n_updates, seen = [0], []

    def cut(work):
        seen.append(n_updates[0])
        return work

    def shrink(name, weight, total):
        n_updates[0] += name == "coefs_0"
        assert total == 20
        return weight

    work, model = started("log_loss", solver="adam", max_iter=5)
    work = NetWork(work.model, None, work.values, n_epochs=50)
    plan = TrainingPlan((cut,) * 5, shrink)
    found = train_masked(work, model, "log_loss", rows_for("log_loss"), plan)
    assert seen == [2, 4, 7, 9, 12]
    assert (n_updates[0], found.n_epochs) == (20, 55)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_training_does_not_stop_before_the_last_cut(early_stopping):
    params = {"tol": 10.0, "n_iter_no_change": 1, "max_iter": 20}
    log = []
    plan = TrainingPlan((halving("coefs_0", log),) * 2)
    found = trained("log_loss", plan, early_stopping=early_stopping, **params)
    assert trained("log_loss", early_stopping=early_stopping, **params).n_epochs < 5
    assert found.n_epochs > 11
    assert np.count_nonzero(found.values["coefs_0"]) == 30


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_shrinkage_takes_what_it_is_given(solver):
    work, model = started("squared_error", solver=solver, max_iter=7)
    work = NetWork(work.model, None, work.values, n_epochs=30)
    calls = []

    def shrink(name, weight, n_updates):
        assert weight.shape == work.values[name].shape
        calls.append(name)
        return weight * 0

    found = train_masked(
        work, model, "squared_error", rows_for("squared_error"), TrainingPlan((), shrink)
    )
    assert not any(found.values[name].any() for name in ("coefs_0", "coefs_1", "coefs_2"))
    assert calls.count("coefs_0") == (7 if solver == "lbfgs" else 28)


def test_a_teacher_is_followed():
    """With all of the share, the targets themselves do not count."""
    rows = rows_for("log_loss")
    taught = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    mixed = rows.taught(taught, 0.25)
    np.testing.assert_allclose(mixed.targets, 0.75 * rows.targets + 0.25 * taught)
    np.testing.assert_array_equal(mixed.truth, rows.targets)
    work, model = started("log_loss", early_stopping=True)
    shuffled = TrainingRows(X, rows.targets[::-1], truth=rows.targets)
    found = train_masked(work, model, "log_loss", shuffled.taught(taught, 1.0))
    same = train_masked(
        work, model, "log_loss", TrainingRows(X, taught, truth=rows.targets[::-1])
    )
    np.testing.assert_array_equal(found.values["coefs_0"], same.values["coefs_0"])


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_single_precision_stays(solver):
    work, model = started("log_loss", solver=solver)
    values = {name: value.astype(np.float32) for name, value in work.values.items()}
    rows = rows_for("log_loss", np.ones(len(X)))
    found = train_masked(NetWork(None, None, values), model, "log_loss", rows)
    assert {value.dtype for value in found.values.values()} == {np.dtype(np.float32)}
    assert all((work.values[name] == value).all() for name, value in work.values.items())


def test_sparse_rows_train_as_dense_ones():
    work, model = started("log_loss", early_stopping=True)
    rows = rows_for("log_loss")
    sparse = TrainingRows(csr_matrix(X), rows.targets)
    found = train_masked(work, model, "log_loss", sparse)
    dense = train_masked(work, model, "log_loss", rows)
    np.testing.assert_allclose(found.values["coefs_0"], dense.values["coefs_0"])


def test_rows_without_weight_do_not_count():
    """A batch that weighs nothing is passed over."""
    weights = np.zeros(len(X))
    weights[:64] = 1
    found = trained("log_loss", weights=weights, shuffle=False, max_iter=3)
    assert np.isfinite(found.values["coefs_0"]).all()
    rows = rows_for("log_loss").take(slice(0, 64))
    work, model = started("log_loss", shuffle=False, max_iter=3)
    same = train_masked(work, model, "log_loss", rows)
    np.testing.assert_allclose(found.values["coefs_0"], same.values["coefs_0"])


def test_dropout_is_drawn_by_its_seed():
    first, second, other = (
        trained("log_loss", TrainingPlan(dropout=0.5, dropout_seed=seed)).values["coefs_0"]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_the_random_state_of_the_model_is_left_alone():
    work, model = started("log_loss", max_iter=2)
    model.random_state = np.random.RandomState(5)
    first = train_masked(work, model, "log_loss", rows_for("log_loss"))
    second = train_masked(work, model, "log_loss", rows_for("log_loss"))
    np.testing.assert_array_equal(first.values["coefs_0"], second.values["coefs_0"])


def test_infinite_parameters_are_refused():
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match="must end with finite parameters"),
    ):
        trained(
            "squared_error", solver="sgd", activation="identity", learning_rate_init=1e6
        )


def test_parameters_given_are_not_changed():
    work, model = started("log_loss")
    before = Layers.of(work.values).flat
    train_masked(work, model, "log_loss", rows_for("log_loss"))
    np.testing.assert_array_equal(Layers.of(work.values).flat, before)
