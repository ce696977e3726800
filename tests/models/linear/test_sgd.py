"""Models that learn row by row: cut while they train, set back to their start."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone, is_classifier
from sklearn.datasets import make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.preprocessing import scale

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.models.linear import sgd as _sgd
from sklearn_prune.models.linear.family import LinearFamily
from sklearn_prune.weight_pruning import (
    GradualSchedule,
    IterativeSchedule,
    MagnitudeCriterion,
    RandomCriterion,
)
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._protocol import PruningRequest

pytestmark = [
    pytest.mark.sampled(2),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
MODELS = [
    SGDClassifier(random_state=0),
    SGDClassifier(average=True, penalty="elasticnet", class_weight="balanced"),
    SGDClassifier(
        loss="log_loss", learning_rate="constant", eta0=0.01, early_stopping=True
    ),
    Perceptron(),
    SGDRegressor(average=10),
    SGDRegressor(loss="huber", penalty="l1", fit_intercept=False),
]


def problem(model, n_classes=3):
    X, y = make_classification(
        300, 12, n_informative=5, n_redundant=0, n_classes=n_classes, random_state=0
    )
    X = scale(X)
    if not is_classifier(model):
        y = X[:, :4] @ [3.0, -2.0, 1.0, 1.0]
    return X, y


def trained(model, X, y, unit="coefficient", share=0.3, schedule=None, **given):
    """The working form pruned while it trains."""
    dropout = given.pop("dropout", 0.0)
    context = PruningContext(clone(model), X, y, given, seed=0, dropout=dropout)
    family = LinearFamily()
    work = family.start(context.fit_first(), context)
    schedule = GradualSchedule() if schedule is None else schedule
    request = PruningRequest(unit, MagnitudeCriterion(), schedule)
    return family.reduce(work, [share], request, context)[0]


@pytest.mark.parametrize("make", [np.asarray, csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("unit", ["coefficient", "feature"])
@pytest.mark.parametrize(
    ("model", "n_classes"),
    [(model, n) for model in MODELS for n in (2, 3)[: 1 + is_classifier(model)]],
    ids=lambda value: str(value)[:60],
)
def test_what_is_cut_is_zero_in_the_end(model, n_classes, unit, make):
    X, y = problem(model, n_classes)
    weights = {"sample_weight": np.linspace(0.5, 2, len(y))}
    found = trained(model, make(X), y, unit, 0.5, **weights)
    again = trained(model, make(X), y, unit, 0.5, **weights)
    units = found.mask.any(axis=0) if unit == "feature" else found.mask
    assert units.sum() == units.size // 2
    assert not found.coefficients[~found.mask].any()
    assert np.isfinite(found.coefficients).all()
    assert found.coefficients[found.mask].any()
    assert np.array_equal(found.coefficients, again.coefficients)
    if model.fit_intercept is False:
        assert not np.any(found.intercepts)


def test_training_sees_the_rows_of_one_fit(monkeypatch):
    """Cuts lie in the first 60 % of the updates; all epochs of the first fit are run."""
    X, y = problem(SGDRegressor())
    log = []

    class Recorder(SGDRegressor):
        def partial_fit(self, X, y, **params):
            log.append(len(X))
            return super().partial_fit(X, y, **params)

    mask_by = _sgd._Training.mask_by
    monkeypatch.setattr(
        _sgd._Training,
        "mask_by",
        lambda self, mask: (log.append(int(mask.sum()) / 100), mask_by(self, mask))[1],
    )
    model = Recorder(max_iter=7, tol=None, random_state=0)
    trained(model, X, y, share=0.25, schedule=GradualSchedule(4, power=1))
    cuts = [at for at, entry in enumerate(log) if isinstance(entry, float)]
    assert [round(100 * log[at]) for at in cuts] == [10, 8, 5, 3]
    seen = [sum(entry for entry in log[:at] if isinstance(entry, int)) for at in cuts]
    assert seen == [int(0.6 * 7 * 300 * part) for part in (0.25, 0.5, 0.75, 1)]
    assert sum(entry for entry in log if isinstance(entry, int)) == 7 * 300


def test_without_cuts_it_is_partial_fit_by_epochs():
    """One cut that takes nothing: the same numbers as scikit-learn's own steps."""
    X, y = problem(SGDRegressor())
    model = SGDRegressor(max_iter=5, tol=None, shuffle=False, average=True)
    found = trained(model, X, y, share=1.0, schedule=GradualSchedule(1))
    for _ in range(5):
        model.partial_fit(X, y)
    np.testing.assert_allclose(found.coefficients[0], model.coef_, rtol=1e-10)
    np.testing.assert_allclose(found.intercepts, model.intercept_, rtol=1e-10)


def test_gradual_cuts_find_the_columns_that_matter():
    X, y = problem(SGDRegressor())
    small = PrunedRegressor(
        SGDRegressor(random_state=0),
        MagnitudeCriterion(),
        unit="coefficient",
        keep=4,
        schedule=GradualSchedule(),
        random_state=0,
    ).fit(X, y)
    assert list(small.kept_) == [0, 1, 2, 3]
    assert small.score(X, y) > 0.99
    assert np.count_nonzero(small.coef_) == 4


@pytest.mark.parametrize("criterion", [None, MagnitudeCriterion(), RandomCriterion(0)])
@pytest.mark.parametrize("keep", [0.4, 9])
def test_pruned_classifier(criterion, keep):
    X, y = problem(SGDClassifier())
    small = PrunedClassifier(
        SGDClassifier(loss="log_loss", random_state=0),
        criterion,
        unit="coefficient",
        keep=keep,
        schedule=GradualSchedule(5),
        random_state=0,
    ).fit(X, y)
    assert np.count_nonzero(small.coef_) == (9 if keep == 9 else round(0.4 * 36))
    assert np.array_equal(np.flatnonzero(small.coef_), small.kept_)
    restored = small.estimator_
    assert np.array_equal(restored.predict(X), small.predict(X))


def test_frozen_models_train_on():
    X, y = problem(SGDRegressor())
    model = SGDRegressor(max_iter=50, tol=None, random_state=0).fit(X, y)
    before = model.coef_.copy()
    small = PrunedRegressor(
        FrozenEstimator(model),
        MagnitudeCriterion(),
        unit="coefficient",
        keep=4,
        refit={"max_iter": 1},
        schedule=GradualSchedule(2),
    ).fit(X, y)
    assert np.array_equal(model.coef_, before)
    assert list(small.kept_) == [0, 1, 2, 3]
    np.testing.assert_allclose(small.coef_[:4], before[:4], atol=0.05)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_training_starts_from_what_was_given(given, average):
    X, y = problem(SGDRegressor())
    start = np.arange(12.0) * given
    model = SGDRegressor(max_iter=1, tol=None, eta0=1e-12, average=average)
    params = {"coef_init": start, "intercept_init": np.array([2.0])} if given else {}
    found = trained(model, X, y, share=0.5, schedule=GradualSchedule(1), **params)
    context = PruningContext(clone(model), X, y, params, seed=0)
    rewound = LinearFamily().rewind(found, context)
    refitted = LinearFamily().refit(rewound, "coefficient", context)
    for work in (rewound, refitted, *([] if average else [found])):
        np.testing.assert_allclose(
            work.coefficients[0], np.where(found.mask[0], start, 0), atol=1e-6
        )
        np.testing.assert_allclose(work.intercepts, [2.0 * given], atol=1e-6)


def test_rewinding_in_rounds():
    X, y = problem(SGDClassifier())
    small = PrunedClassifier(
        SGDClassifier(random_state=0),
        MagnitudeCriterion(),
        unit="coefficient",
        keep=12,
        schedule=IterativeSchedule(3, rewind="init"),
        random_state=0,
    ).fit(X, y)
    assert np.count_nonzero(small.coef_) == 12
    assert small.score(X, y) > 0.5


def test_dropout_while_training_shrinks():
    X, y = problem(SGDRegressor())
    model = SGDRegressor(max_iter=200, tol=None, random_state=0, average=True)
    plain = trained(model, X, y, share=4)
    dropped = trained(model, X, y, share=4, dropout=0.5)
    ratio = np.linalg.norm(dropped.coefficients) / np.linalg.norm(plain.coefficients)
    np.testing.assert_allclose(ratio, 0.5, atol=0.1)  # unit columns: 1 / (1 + p / (1 - p))


def test_on_columns_reads_fewer():
    X, y = problem(SGDClassifier())
    family = LinearFamily()
    found = trained(SGDClassifier(random_state=0), X, y, "feature", 4)
    columns = np.flatnonzero(found.mask.any(axis=0))
    narrow = family.compact(family.on_columns(found, columns))
    assert np.array_equal(
        narrow.decision_function(X[:, columns]), family.compact(found).decision_function(X)
    )
