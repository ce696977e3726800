"""Perceptrons of scikit-learn: working forms, what restores, and pruning as a whole."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_digits, make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.models.nets.mlp import MlpFamily, graph_of, living_layers
from sklearn_prune.models.nets.mlp_passes import Layers, activations_of
from sklearn_prune.weight_pruning import GradualSchedule, IterativeSchedule
from sklearn_prune.weight_pruning._context import PruningContext
from tests.estimators import sk

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, CLASSES = make_classification(
    200, 8, n_informative=5, n_classes=3, random_state=np.random.RandomState(0)
)
NUMBERS = X[:, 0] + np.sin(X[:, 1])
TARGETS = {
    "classes": np.array(["low", "mid", "top"])[CLASSES],
    "binary": CLASSES > 0,
    "multilabel": np.c_[CLASSES > 0, CLASSES > 1].astype(int),
    "numbers": NUMBERS,
    "two numbers": np.c_[NUMBERS, X[:, 2]],
    "poisson": np.exp(NUMBERS / 4),
}
FAMILY = MlpFamily()


def model_for(task, **params):
    cls = MLPClassifier if task in ("classes", "binary", "multilabel") else MLPRegressor
    if task == "poisson":
        params["loss"] = "poisson"
    settings = {"hidden_layer_sizes": (10, 6), "max_iter": 20, "random_state": 0}
    return cls(**settings | params)


def fitted(task, X=X, dropout=0.0, **params):
    """A fitted model, its context and its working form."""
    y = TARGETS[task]
    context = PruningContext(model_for(task, **params), X, y, seed=0, dropout=dropout)
    model = context.fit_first()
    return model, context, FAMILY.start(model, context)


def outputs(model, X):
    return model.predict_proba(X) if is_classifier(model) else model.predict(X)


def without(work, **units):
    """The working form without some units of each site, by its position."""
    masks = {name: np.ones(value.shape, dtype=bool) for name, value in work.values.items()}
    for number, site in enumerate(work.graph.sites):
        gone = units.get(f"site_{number}", [])
        for name, axis, *_ in (*site.makers, *site.readers):
            np.moveaxis(masks[name], axis, 0)[gone] = False
    return work.masked(masks)


def test_graph_lists_layers_and_sites():
    graph = graph_of([8, 10, 6, 3], "tanh")
    kinds = [operation.kind for operation in graph.operations]
    assert kinds == ["input", "dense", "activation", "dense", "activation", "dense"]
    assert [operation.inputs for operation in graph.operations[1:]] == [
        (number,) for number in range(5)
    ]
    assert [(site.unit, site.size, site.source) for site in graph.sites] == [
        ("input", 8, 0),
        ("neuron", 10, 2),
        ("neuron", 6, 4),
    ]
    assert graph.sites[1].makers == (("coefs_0", 0), ("intercepts_0", 0))
    assert graph.sites[1].readers == (("coefs_1", 1, 1),)


def test_start_copies_the_model():
    model, _, work = fitted("classes")
    np.testing.assert_array_equal(work.values["coefs_0"], model.coefs_[0].T)
    assert work.values["coefs_0"].flags.c_contiguous
    assert work.n_epochs == model.n_iter_
    for value in work.values.values():
        value[...] = 0
    assert all(value.any() for value in (*model.coefs_, *model.intercepts_))


@pytest.mark.parametrize("task", list(TARGETS))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_training_from_the_start_gives_the_model_again(task, dtype, solver):
    model, context, work = fitted(task, X.astype(dtype), solver=solver, max_iter=8)
    first = FAMILY.initial(work, context)
    assert first.values["coefs_0"].dtype == dtype
    assert (first.values["coefs_1"] != work.values["coefs_1"]).all()
    again = FAMILY.train(first, context)
    tolerance = 1e-8 if dtype == np.float64 else 1e-3
    for name, value in work.values.items():
        np.testing.assert_allclose(again.values[name], value, atol=tolerance)
    assert again.n_epochs == model.n_iter_


def test_the_first_parameters_do_not_depend_on_the_rows():
    _, context, work = fitted("classes")
    few = FAMILY.initial(work, context.on(np.flatnonzero(CLASSES == 1)[:20]))
    first = FAMILY.initial(work, context)
    np.testing.assert_array_equal(few.values["coefs_0"], first.values["coefs_0"])


@pytest.mark.parametrize("task", list(TARGETS))
def test_an_untrained_model_starts_there_too(task):
    _, context, work = fitted(task)
    model = FAMILY.untrained(model_for(task), context)
    assert model.get_params() == model_for(task).get_params()
    assert not hasattr(model, "_optimizer")
    start = FAMILY.start(model, context)
    assert start.n_epochs == 0
    for name, value in FAMILY.initial(work, context).values.items():
        np.testing.assert_array_equal(start.values[name], value)
    again = FAMILY.train(start, context)
    np.testing.assert_allclose(again.values["coefs_0"], work.values["coefs_0"], atol=1e-8)


@pytest.mark.parametrize("task", list(TARGETS))
@pytest.mark.parametrize("activation", ["logistic", "relu"])
def test_removed_units_are_gone_from_what_is_restored(task, activation):
    model, _, work = fitted(task, activation=activation)
    work = without(work, site_0=[0, 3], site_1=[1, 2, 5], site_2=[4])
    compact = FAMILY.compact(work)
    restored = FAMILY.restore(compact, model_for(task, activation=activation))
    assert restored.hidden_layer_sizes == (7, 5)
    assert [len(part) for part in restored.intercepts_] == [7, 5, model.n_outputs_]
    assert restored.coefs_[0].shape == (8, 7)
    assert not restored.coefs_[0][[0, 3]].any()
    for number in range(3):  # masking is removal
        model.coefs_[number] = work.values[f"coefs_{number}"].T
        model.intercepts_[number] = work.values[f"intercepts_{number}"]
    np.testing.assert_allclose(outputs(restored, X), outputs(model, X), rtol=1e-9)
    np.testing.assert_allclose(outputs(compact, X), outputs(model, X), rtol=1e-9)


@pytest.mark.parametrize("task", ["classes", "binary", "multilabel", "numbers"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_restored_models_train_on(task, solver):
    _, _, work = fitted(task, solver=solver, learning_rate="invscaling")
    compact = FAMILY.compact(without(work, site_1=[0, 1], site_2=[3]))
    template = model_for(task, solver=solver, learning_rate="invscaling")
    restored = FAMILY.restore(compact, template)
    before = restored.coefs_[0].copy()
    for _ in range(3):
        restored.partial_fit(X, TARGETS[task])
    assert restored.coefs_[0].shape == (8, 8)
    assert (restored.coefs_[0] != before).mean() > 0.9
    assert restored.t_ == 200 * 23
    assert len(restored.loss_curve_) == 3


def test_a_hidden_layer_keeps_a_unit():
    _, _, work = fitted("classes")
    work = without(work, site_1=list(range(10)), site_2=list(range(6)))
    compact = FAMILY.compact(work)
    restored = FAMILY.restore(compact, model_for("classes"))
    assert restored.hidden_layer_sizes == (1, 1)
    np.testing.assert_allclose(restored.predict_proba(X), compact.predict_proba(X))
    np.testing.assert_allclose(np.ptp(restored.predict_proba(X), axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_living_layers_compute_the_same(activation):
    generator = np.random.default_rng(0)
    layers = Layers([6, 12, 10, 8, 2], np.float64)
    layers.flat[:] = generator.normal(size=layers.flat.size)
    layers.flat *= generator.random(layers.flat.size) < 0.15
    coefs, intercepts = living_layers(layers.coefs, layers.intercepts, activation)
    small = Layers([6, *map(len, intercepts)], np.float64)
    for number, (left, right) in enumerate(zip(coefs, intercepts, strict=True)):
        small.coefs[number][...], small.intercepts[number][...] = left, right
    assert small.flat.size < layers.flat.size
    for number in range(3):
        assert coefs[number + 1].any(axis=1).all()
    rows = generator.normal(size=(20, 6))
    np.testing.assert_allclose(
        activations_of(small, activation, rows)[-1],
        activations_of(layers, activation, rows)[-1],
        atol=1e-12,
    )


def test_row_gradients_sum_to_the_slope_of_the_loss():
    """The mean over rows is what differences of scikit-learn's own loss give."""
    model, context, work = fitted("classes", alpha=0.0, activation="tanh")
    chunks = FAMILY.row_gradients(work, context)
    mean = sum(chunk["coefs_1"].sum(axis=0) for chunk in chunks) / len(X)

    def loss():
        rows = np.arange(len(X)), CLASSES
        return -np.log(model.predict_proba(X)[rows]).mean()

    for out, into in ((0, 0), (3, 7), (5, 9)):
        model.coefs_[1][into, out] += 1e-6
        above = loss()
        model.coefs_[1][into, out] -= 2e-6
        slope = (above - loss()) / 2e-6
        model.coefs_[1][into, out] += 1e-6
        assert mean[out, into] == pytest.approx(slope, abs=1e-7)


def test_distillation_moves_towards_the_teacher():
    """The more its share counts, the closer a teacher that has learnt other labels."""
    _, context, own = fitted("classes", max_iter=100, learning_rate_init=0.01)
    other = replace(context, y=TARGETS["classes"][::-1])
    teacher = FAMILY.train(FAMILY.initial(own, context), other)
    aim = FAMILY.compact(teacher).predict_proba(X)
    distances = []
    for share in (0.0, 0.5, 1.0):
        student = FAMILY.train(own, context, teacher=teacher, distill=share)
        found = FAMILY.compact(student).predict_proba(X)
        distances.append(-(aim * np.log(found)).sum(axis=1).mean())
    assert distances[0] > distances[1] > distances[2]
    entropy = -(aim * np.log(aim)).sum(axis=1).mean()
    assert distances[2] - entropy < 0.1 * (distances[0] - entropy)


def test_dropout_of_the_context_is_used():
    _, context, work = fitted("numbers", dropout=0.5)
    _, plain, _ = fitted("numbers")
    first, second = FAMILY.train(work, context), FAMILY.train(work, context)
    np.testing.assert_array_equal(first.values["coefs_0"], second.values["coefs_0"])
    assert (FAMILY.train(work, plain).values["coefs_0"] != first.values["coefs_0"]).any()


def test_what_is_not_accepted():
    sparse = MLPClassifier((2,), max_iter=1).fit(X, csr_matrix(TARGETS["multilabel"]))
    assert FAMILY.accepts(sparse).reason == "its labels are a sparse matrix"
    single = MLPClassifier((2,), max_iter=1).fit(X, np.ones(len(X), dtype=int))
    assert FAMILY.accepts(single).reason == "it has seen only one class"
    assert FAMILY.accepts(fitted("classes")[0])
    assert FAMILY.accepts(model_for("numbers"))


@pytest.mark.parametrize(
    ("unit", "keep"), [("weight", 0.2), ("neuron", 4), ("input", 5), ("auto", 0.3)]
)
@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_every_unit_is_pruned_to_its_budget(task, unit, keep):
    cls = PrunedClassifier if task == "classes" else PrunedRegressor
    model = model_for(task, hidden_layer_sizes=(16,), max_iter=60)
    pruned = cls(model, unit=unit, keep=keep, random_state=0).fit(X, TARGETS[task])
    full = clone(model).fit(X, TARGETS[task])
    restored = pruned.estimator_
    n_weights = sum(part.size for part in full.coefs_)
    n_left = sum(np.count_nonzero(part) for part in restored.coefs_)
    if unit == "neuron":
        assert restored.hidden_layer_sizes == (4,)
    elif unit == "input":
        assert restored.coefs_[0].any(axis=1).sum() == 5
    elif unit == "weight":
        assert n_left <= round(keep * n_weights)
    else:
        assert pruned.compact_.n_parameters() <= keep * (
            n_weights + len(full.coefs_[0][0]) + 3
        )
    np.testing.assert_allclose(outputs(restored, X), outputs(pruned, X), rtol=1e-8)


def test_pruning_digits_costs_little():
    """A quarter of the parameters, at most two points below the full net."""
    digits, y = load_digits(return_X_y=True)
    digits = (digits / 16).astype(np.float32)
    model = MLPClassifier((64,), max_iter=40, random_state=0)
    pruned = PrunedClassifier(model, keep=0.25, random_state=0).fit(digits[::2], y[::2])
    full = clone(model).fit(digits[::2], y[::2])
    assert pruned.score(digits[1::2], y[1::2]) > full.score(digits[1::2], y[1::2]) - 0.02
    n_full = sum(part.size for part in (*full.coefs_, *full.intercepts_))
    assert pruned.compact_.n_nonzero() <= 0.25 * n_full
    assert len(pickle.dumps(pruned.compact_)) < len(pickle.dumps(full)) / 8


def test_partial_fit_keeps_what_is_gone():
    pruned = PrunedClassifier(model_for("classes"), unit="weight", keep=0.3, random_state=0)
    pruned.fit(X, TARGETS["classes"])
    before = pruned.estimator_
    n_iter = pruned.n_iter_
    pruned.partial_fit(X, TARGETS["classes"])
    after = pruned.estimator_
    assert pruned.n_iter_ == n_iter + 1
    for old, new in zip(before.coefs_, after.coefs_, strict=True):
        np.testing.assert_array_equal(old != 0, new != 0)
        assert (old != new).any()
    with pytest.raises(
        ValueError, match="y must have a label in each row. Got None in row 0"
    ):
        pruned.partial_fit(X[:2], [None, 1])


INNER = [
    (MLPClassifier((4,), max_iter=3), True),
    (MLPRegressor(hidden_layer_sizes=(4,), max_iter=3), True),
    (FrozenEstimator(MLPClassifier((4,), max_iter=3)), True),
    (make_pipeline(sk.StandardScaler(), MLPClassifier((4,), max_iter=3)), False),
    *[(inner, False) for inner in (sk.SGDClassifier(), sk.SGDRegressor(), sk.Perceptron())],
    *[(inner, False) for inner in (sk.GaussianNB(), sk.MultinomialNB())],
    (sk.LogisticRegression(), False),
]


@pytest.mark.parametrize(("inner", "trains"), INNER)
def test_partial_fit_is_there_before_fit_where_it_is_after(inner, trains):
    y = CLASSES if is_classifier(inner) else NUMBERS
    wrapper = PrunedClassifier if is_classifier(inner) else PrunedRegressor
    if isinstance(inner, FrozenEstimator):
        inner = FrozenEstimator(clone(inner.estimator).fit(X, y))
    for params in ({}, {"keep": 1.0}, {"unit": "feature"}):
        model = wrapper(inner, **params)
        there = trains and params.get("unit") != "feature"
        assert hasattr(model, "partial_fit") == there, params
        if isinstance(inner, FrozenEstimator) and "unit" in params:
            continue
        assert hasattr(model.fit(abs(X), y), "partial_fit") == there, params


def test_the_first_partial_fit_is_a_fit():
    y = CLASSES
    model = PrunedClassifier(MLPClassifier((4,), max_iter=5), random_state=0)
    first = clone(model).partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_array_equal(first.predict_proba(X), model.fit(X, y).predict_proba(X))
    n_iter = first.n_iter_
    assert first.partial_fit(X[:60], y[:60], classes=[0, 1, 2]).n_iter_ == n_iter + 1
    for X_new, y_new, message in (
        (X[:, :7], y, "X has 7 features"),
        (X, y + 1, "y must hold classes that fit has seen. Got 3"),
        (np.where(X > 2, np.nan, X), y, "NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            first.partial_fit(X_new, y_new)
    with pytest.raises(ValueError, match="with a row of each. Got 2"):
        clone(model).partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    with pytest.raises(ValueError, match="classes must be those of the first call"):
        first.partial_fit(X, y, classes=[0, 1, 5])


@pytest.mark.parametrize("params", [{}, {"unit": "neuron"}, {"refit": False}])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("left_out", [[0], [1], [0, 2]])
def test_a_class_whose_rows_weigh_nothing_is_not_predicted(left_out, solver, params):
    far = np.random.default_rng(0).normal(size=(500, 8)) * 20
    for y in (CLASSES, np.minimum(CLASSES, 1)):
        if len(left_out) == len(np.unique(y)):
            continue
        weights = (~np.isin(y, left_out)).astype(float)
        net = MLPClassifier((4,), max_iter=3, solver=solver)
        model = PrunedClassifier(net, random_state=0, **params)
        model.fit(X, y, sample_weight=weights)
        assert not np.isin(model.predict(far), left_out).any()
        assert not np.isin(model.estimator_.predict(far), left_out).any()
        report = model.report_
        assert report.after["nonzero"] <= 0.75 * report.before["nonzero"]


@pytest.mark.parametrize(
    "schedule", [GradualSchedule(4), IterativeSchedule(2, rewind="init")]
)
def test_schedules(schedule):
    model = model_for("classes", max_iter=30, learning_rate_init=0.03)
    pruned = PrunedClassifier(
        model, unit="weight", keep=0.25, schedule=schedule, random_state=0
    ).fit(X, TARGETS["classes"])
    n_weights = 8 * 10 + 10 * 6 + 6 * 3
    n_left = sum(np.count_nonzero(part) for part in pruned.estimator_.coefs_)
    assert n_left <= round(0.25 * n_weights)
    gradual = isinstance(schedule, GradualSchedule)
    assert pruned.n_iter_ == (30 if gradual else 90)
    assert pruned.score(X, TARGETS["classes"]) > 0.7


def test_no_warning_of_convergence_from_the_refit():
    """The first fit has said it."""
    _, context, work = fitted("classes", max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FAMILY.train(work, context)
        FAMILY.initial(work, context)
