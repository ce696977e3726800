"""Every classifier and regressor of scikit-learn, pruned, on every kind of input."""

import pickle
import re
import warnings
from functools import cache, partial
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn import clone
from sklearn.base import BaseEstimator, RegressorMixin, is_classifier
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import minmax_scale
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances
from sklearn.utils._testing import set_random_state

from sklearn_prune import PrunedRegressor
from sklearn_prune._ranking import budget_size
from sklearn_prune.predictors import CompactModel
from tests import matrix
from tests.conftest import as_frame
from tests.matrix import (
    CLASSIFIERS,
    REGRESSORS,
    arrays_in,
    assert_same,
    fit_quietly,
    of,
    pruned,
)

pytestmark = pytest.mark.sampled(3)

answers = partial(matrix.answers, options=())
# Nothing to choose from: one column, or no parameter that belongs to a column.
NO_HALF = {"DummyClassifier", "DummyRegressor", "IsotonicRegression"}
# Trees of neighbours count their queries, so their pickle changes with each predict.
COUNTS_QUERIES = {"RadiusNeighborsClassifier", "RadiusNeighborsRegressor"}
TO_THE_BIT = re.compile("Tree|Forest|GradientBoosting|Bagging")
# Members without a compact form keep what they were fitted with.
HOLDS_ROWS = re.compile("Neighbors|Label|SVC|SVR|Kernel|GaussianProcess")


def instances():
    """One small instance of each class, as scikit-learn's own tests make them."""
    for kind in ("classifier", "regressor"):
        for name, cls in all_estimators(type_filter=kind):
            estimator = next(iter(_construct_instances(cls)))
            if "random_state" in estimator.get_params():
                estimator.set_params(random_state=0)
            if name == "QuadraticDiscriminantAnalysis":
                estimator.set_params(reg_param=0.1)
            yield pytest.param(estimator, id=name)


every = pytest.mark.parametrize("estimator", list(instances()))


@cache
def tables():
    X, y = make_classification(
        n_samples=120,
        n_features=6,
        n_informative=4,
        n_redundant=0,
        n_classes=3,
        n_clusters_per_class=1,
        random_state=0,
    )
    X = minmax_scale(X) + 0.01
    return X, y, 10 + X @ np.arange(6.0) + X[:, 0] ** 2


def rows_for(estimator):
    """Rows and targets that a class of models takes."""
    X, labels, values = tables()
    name = type(estimator).__name__
    if name == "CategoricalNB":
        return np.round(4 * X).clip(0, 3), labels
    if name == "IsotonicRegression":
        return X[:, :1], values
    if name == "ClassifierChain":
        return X, np.column_stack([labels > 0, labels > 1]).astype(int)
    if name == "MultiOutputClassifier":
        return X, np.column_stack([labels, labels[::-1]])
    if name in {"FixedThresholdClassifier", "TunedThresholdClassifierCV"}:
        return X, (labels > 0).astype(int)
    if name == "SelfTrainingClassifier":
        return X, np.where(np.arange(len(X)) % 3 == 0, -1, labels)
    if is_classifier(estimator):
        return X, np.array(["low", "mid", "top"])[labels]
    if name.startswith(("MultiTask", "MultiOutput", "RegressorChain", "CCA", "PLSCan")):
        return X, np.column_stack([values, values**2, X[:, 1] + values])
    return X, values


WHOLE = {}


def whole(estimator):
    """Rows, targets and the pruned model that keeps everything, fitted once."""
    key = type(estimator).__name__
    if key not in WHOLE:
        X, y = rows_for(estimator)
        WHOLE[key] = X, y, fit_quietly(pruned(estimator, keep=1.0), X, y)
    return WHOLE[key]


@every
def test_everything_kept_is_the_plain_fit(estimator):
    X, y, model = whole(estimator)
    plain = fit_quietly(clone(estimator), X, y)
    exact = TO_THE_BIT.search(type(estimator).__name__)
    expected = answers(plain, X)
    assert_same(answers(model, X), expected, 0.0 if exact else 1e-10)
    alone = pickle.loads(pickle.dumps(model.compact_)).warm_up()
    assert_same(answers(alone, X), answers(model, X))
    assert model.report_.after["parameters"] <= model.report_.before["parameters"]
    size = len(pickle.dumps(model))
    arguments = len(pickle.dumps(pruned(estimator, keep=1.0)))
    assert size < len(pickle.dumps(model.compact_)) + arguments + 2000


GUIDE = Path(__file__).parents[2] / "docs" / "parameters.md"


@every
def test_a_model_without_a_smaller_form_is_reported(estimator):
    """It is also in the table of the guide."""
    model, name = whole(estimator)[2], type(estimator).__name__
    kept = name in {type(part.model_).__name__ for part in models_kept_in(model.compact_)}
    said = [note for note in model.report_.notes if "has no smaller form" in note]
    assert [note.split()[0] for note in said] == [name] * kept
    table = GUIDE.read_text().partition("## Models without a smaller form")[2]
    assert (f"`{name}`" in table.partition("with these parameters")[0]) == kept


def models_kept_in(compact):
    found = arrays_in(compact).values()
    return [part for part in found if isinstance(part, CompactModel)]


@every
def test_options_of_predict_are_taken_or_refused_by_name(estimator):
    X, y, model = whole(estimator)
    plain = None
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        if not hasattr(model, method):
            continue
        parameters = list(signature(getattr(type(estimator), method)).parameters.values())
        given = {p.name: p.default for p in parameters[2:] if p.kind is not p.VAR_KEYWORD}
        given |= {name: True for name in given if name.startswith("return_")}
        for name, value in given.items():
            plain = fit_quietly(clone(estimator), X, y) if plain is None else plain
            with warnings.catch_warnings(action="ignore"):
                expected = getattr(plain, method)(X, **{name: value})
                found = getattr(model, method)(X, **{name: value})
            assert_same({method: found}, {method: expected}, 1e-6)
        with pytest.raises((TypeError, ValueError), match="foo") as raised:
            getattr(model, method)(X, foo=3)
        assert "\n" not in str(raised.value)
    if type(estimator).__name__.startswith("KNeighbors"):
        with pytest.raises(ValueError, match="Got X=None. Pass the rows"):
            model.predict(None)


@every
def test_estimator_is_what_compact_says_or_tells_why(estimator):
    X, _, model = whole(estimator)
    assert_estimator_agrees(model, X)


def assert_estimator_agrees(model, X):
    try:
        restored = model.estimator_
    except AttributeError as error:
        reason = str(error)
    else:
        reason = None
    if reason is not None:
        assert "compact_" in reason
        assert "\n" not in reason
        return
    assert_same(answers(restored, X), answers(model, X), 1e-6)


def assert_reads_well(model):
    report = model.report_
    mask = model.get_support()
    assert len(mask) == model.n_units_ == report.before["units"]
    assert len(model.kept_) == mask.sum() == report.after["units"]
    assert np.array_equal(model.get_support(indices=True), model.kept_)
    assert 0 < report.after["nonzero"] <= report.after["parameters"]
    assert 0 <= model.sparsity_ < 1
    assert "parameters" in str(report)
    assert "<pre>" in report._repr_html_()


@pytest.mark.slow
@every
def test_half_of_the_parameters(estimator):
    X, y = rows_for(estimator)
    model = fit_quietly(pruned(estimator, keep=0.5), X, y)
    assert_reads_well(model)
    plain = answers(fit_quietly(clone(estimator), X, y), X)
    found = answers(model, X)
    assert set(found) == set(plain)
    for method, values in plain.items():
        assert np.shape(found[method]) == np.shape(values)
    assert_estimator_agrees(model, X)
    if type(estimator).__name__ in NO_HALF or model.unit_ == "feature":
        return  # a column is not a parameter
    before = model.report_.before["parameters"]
    assert model.report_.after["nonzero"] <= budget_size(0.5, before)
    assert model.report_.after["parameters"] <= budget_size(0.5, before)


@pytest.mark.slow
@every
def test_half_of_the_features(estimator):
    X, y = rows_for(estimator)
    model = fit_quietly(pruned(estimator, unit="feature", keep=0.5), X, y)
    assert_reads_well(model)
    assert len(model.kept_) == max(budget_size(0.5, model.n_units_), 1)
    assert_estimator_agrees(model, X)


@pytest.mark.slow
@every
def test_the_smallest_that_is_not_worse(estimator):
    X, y = rows_for(estimator)
    model = fit_quietly(pruned(estimator, keep="auto", tolerance=0.1, cv=2), X, y)
    assert_reads_well(model)
    assert model.predict(X).shape[0] == len(X)


@pytest.mark.slow
@pytest.mark.parametrize("refit", [True, False])
@every
def test_a_frozen_model_stays_as_it_is(estimator, refit):
    X, y = rows_for(estimator)
    fitted = fit_quietly(clone(estimator), X, y)
    before = pickle.dumps(fitted)
    model = pruned(FrozenEstimator(fitted), keep=0.5, refit=refit)
    message = None
    try:
        fit_quietly(model, X, y).predict(X)
    except ValueError as error:
        message = str(error)
    assert message is None or (not refit and "Write refit=True" in message), message
    if type(estimator).__name__ not in COUNTS_QUERIES:
        assert pickle.dumps(fitted) == before


@pytest.mark.slow
@every
def test_a_seed_fixes_everything(estimator):
    X, y = rows_for(estimator)
    model = pruned(estimator, keep=0.5, cv=2)
    fits = [fit_quietly(clone(model).set_params(n_jobs=jobs), X, y) for jobs in (1, 1, 2)]
    for other in fits[1:]:
        assert np.array_equal(fits[0].kept_, other.kept_)
        if not str(type(estimator).__name__).startswith("Dummy"):
            assert_same(answers(other, X), answers(fits[0], X))


@every
def test_arguments_are_arguments(estimator):
    model = pruned(estimator, keep=0.3)
    again = clone(model).set_params(keep=0.7, unit="feature")
    assert again.get_params()["keep"] == 0.7
    assert model.get_params()["keep"] == 0.3
    for name, value in estimator.get_params(deep=False).items():
        assert f"estimator__{name}" in model.get_params()
        assert repr(again.get_params()[f"estimator__{name}"]) == repr(value)


def seeded(kinds, *names):
    """Some models of the matrix with a seed."""
    models = [clone(model) for model in of(kinds, *names)]
    for model in models:
        set_random_state(model, 0)
    return models


SOME_CLASSIFIERS = seeded(
    CLASSIFIERS,
    *("tree", "forest", "bagging", "boosting", "hist", "logistic", "svc", "neighbors"),
    *("bayes", "pipeline"),
)
SOME_REGRESSORS = seeded(
    REGRESSORS, "forest", "hist", "linear", "ridge", "svr", "neighbors"
)
SOME_REGRESSORS.append(KernelRidge(kernel="rbf"))
some = pytest.mark.parametrize(
    "estimator", [*SOME_CLASSIFIERS, *SOME_REGRESSORS], ids=lambda e: type(e).__name__
)


def constant(X):
    X = X.copy()
    X[:, 2] = 1.0
    return X


def holed(X):
    X = X.copy()
    X[::7, 1] = np.nan
    return X


def weighted(X):
    weights = np.ones(len(X))
    weights[::2] = 0
    return weights


CONTAINERS = {
    "float32": lambda X: X.astype(np.float32),
    "csr": csr_array,
    "pandas": lambda X: as_frame(X, "pandas"),
    "polars": lambda X: as_frame(X, "polars"),
    "list": lambda X: X.tolist(),
    "constant": constant,
    "nan": holed,
}


@pytest.mark.parametrize("keep", [1.0, 0.5])
@pytest.mark.parametrize("container", CONTAINERS)
@some
def test_containers(estimator, container, keep):
    X, y = rows_for(estimator)
    given = CONTAINERS[container](X)
    try:
        plain = fit_quietly(clone(estimator), given, y)
    except (TypeError, ValueError):
        with pytest.raises((TypeError, ValueError)):
            fit_quietly(pruned(estimator, keep=keep), given, y)
        return
    model = fit_quietly(pruned(estimator, keep=keep), given, y)
    expected, found = answers(plain, given), answers(model, given)
    assert set(found) == set(expected)
    for method, values in expected.items():
        assert found[method].shape == values.shape
        assert found[method].dtype == values.dtype
    if keep == 1.0:
        exact = TO_THE_BIT.search(type(estimator).__name__)
        single = container == "float32"
        assert_same(found, expected, 0.0 if exact else 1e-5 if single else 1e-10)
    if container in {"pandas", "polars"}:
        with pytest.raises(ValueError, match="feature names"):
            model.predict(given[list(given.columns)[::-1]])
        with pytest.raises(ValueError, match="feature names"):
            model.compact_.predict(given[list(given.columns)[::-1]])


@pytest.mark.parametrize("keep", [1.0, 0.5])
@pytest.mark.parametrize(
    "labels", ["text", "object", "bool", "float", "one", "rare", "column"]
)
@pytest.mark.parametrize("estimator", SOME_CLASSIFIERS, ids=lambda e: type(e).__name__)
def test_labels(estimator, labels, keep):
    X, codes, _ = tables()
    text = np.array(["low", "mid", "top"])[codes]
    y = {
        "text": text,
        "object": text.astype(object),
        "bool": codes > 0,
        "float": codes.astype(float),
        "one": np.zeros(len(X), dtype=int),
        "rare": np.r_[7, codes[1:]],
        "column": codes[:, None],
    }[labels]
    try:
        plain = fit_quietly(clone(estimator), X, y)
    except ValueError:
        with pytest.raises(ValueError):
            fit_quietly(pruned(estimator, keep=keep), X, y)
        return
    model = fit_quietly(pruned(estimator, keep=keep), X, y)
    assert np.array_equal(model.classes_, plain.classes_)
    found, expected = model.predict(X), plain.predict(X)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if keep == 1.0:
        assert np.array_equal(found, expected)
    if hasattr(plain, "predict_proba"):
        assert model.predict_proba(X).shape == plain.predict_proba(X).shape


@pytest.mark.parametrize("keep", [1.0, 0.5, "auto"])
@some
def test_rows_of_weight_zero(estimator, keep):
    X, y = rows_for(estimator)
    try:
        plain = fit_quietly(clone(estimator), X, y, sample_weight=weighted(X))
    except (TypeError, ValueError):
        with pytest.raises((TypeError, ValueError)):
            fit_quietly(pruned(estimator, keep=keep), X, y, sample_weight=weighted(X))
        return
    model = pruned(estimator, keep=keep, cv=2)
    fit_quietly(model, X, y, sample_weight=weighted(X))
    if keep == 1.0:
        assert np.array_equal(model.predict(X).shape, plain.predict(X).shape)
        np.testing.assert_allclose(
            *(np.unique(m.predict(X), return_inverse=True)[1] for m in (model, plain))
        ) if is_classifier(estimator) else np.testing.assert_allclose(
            model.predict(X), plain.predict(X), rtol=1e-9
        )


@pytest.mark.parametrize("keep", [1.0, 0.5, "auto"])
@some
def test_five_rows(estimator, keep):
    X, y = rows_for(estimator)
    if is_classifier(estimator):
        y = np.array(["no", "yes", "no", "yes", "yes"])
    X, y = X[:5], y[:5]
    plain = fit_quietly(clone(estimator), X, y)
    message, model = None, pruned(estimator, keep=keep, cv=2)
    try:
        fit_quietly(model, X, y)
    except ValueError as error:
        message = str(error)
    if message is not None:
        assert keep == "auto", message
        assert re.search(r"Write|Pass", message), message
        return
    assert model.predict(X).shape == plain.predict(X).shape


@some
def test_groups_without_routing(estimator):
    X, y = rows_for(estimator)
    groups = np.arange(len(X)) // 4
    model = pruned(estimator, keep="auto", cv=2)
    fit_quietly(model, X, y, groups=groups)
    assert model.predict(X).shape[0] == len(X)


@pytest.mark.parametrize("keep", [1.0, 0.5])
@pytest.mark.parametrize("unit", ["auto", "feature"])
@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestRegressor(4, random_state=0),
        Ridge(),
        KNeighborsRegressor(3),
        KernelRidge(kernel="rbf"),
        RandomForestClassifier(4, random_state=0),
        KNeighborsClassifier(3),
    ],
    ids=lambda e: type(e).__name__,
)
def test_several_targets(estimator, unit, keep):
    X, codes, values = tables()
    column = codes if is_classifier(estimator) else values
    y = np.column_stack([column, column[::-1]])
    model = fit_quietly(pruned(estimator, unit=unit, keep=keep), X, y)
    assert model.predict(X).shape == y.shape
    if keep == 1.0:
        plain = fit_quietly(clone(estimator), X, y)
        np.testing.assert_allclose(model.predict(X), plain.predict(X), rtol=1e-10)


@pytest.mark.parametrize("keep", [1.0, 0.5])
@pytest.mark.parametrize("wrong", ["width", "labels"])
@pytest.mark.parametrize("estimator", SOME_CLASSIFIERS, ids=lambda e: type(e).__name__)
def test_a_frozen_model_refuses_rows_that_are_not_its_own(estimator, wrong, keep):
    X, codes, _ = tables()
    fitted = fit_quietly(clone(estimator), X, codes)
    given = (X[:, :3], codes) if wrong == "width" else (X, codes + 5)
    with pytest.raises(ValueError, match="features" if wrong == "width" else "class|label"):
        fit_quietly(pruned(FrozenEstimator(fitted), keep=keep), *given)


@pytest.mark.parametrize(
    "estimator",
    [RandomForestClassifier(4, random_state=0), KNeighborsClassifier(3)],
    ids=lambda e: type(e).__name__,
)
def test_features_left_are_counted(estimator):
    X, codes, _ = tables()
    given = X if isinstance(estimator, RandomForestClassifier) else csr_array(X)
    model = pruned(estimator, unit="feature", keep=3)
    fit_quietly(model, given, codes)
    plain = pruned(estimator, keep=1.0).fit(given[:, model.kept_], codes)
    for name in ("parameters", "nonzero"):
        assert model.report_.after[name] == plain.report_.after[name] > 0


class FailsLater(RegressorMixin, BaseEstimator):
    """A ridge that raises on its second fit."""

    fits = 0

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def fit(self, X, y):
        type(self).fits += 1
        if type(self).fits == 2:
            raise RuntimeError("the second fit")
        model = Ridge(self.alpha).fit(X, y)
        self.coef_, self.n_features_in_ = model.coef_, X.shape[1]
        self.intercept_ = model.intercept_
        return self

    def predict(self, X):
        return X @ self.coef_ + self.intercept_


@pytest.mark.parametrize("keep", [0.5, "auto"])
def test_an_interrupted_fit_leaves_all_as_it_was(keep):
    X, _, y = tables()
    inner = FailsLater()
    FailsLater.fits = 10
    model = fit_quietly(PrunedRegressor(inner, keep=0.5, random_state=0), X, y)
    before = {name: pickle.dumps(value) for name, value in vars(model).items()}
    FailsLater.fits = 0
    model.keep = keep
    before["keep"] = pickle.dumps(keep)
    with pytest.raises(ValueError, match="the second fit"):
        fit_quietly(model, X[:80], y[:80])
    assert {name: pickle.dumps(value) for name, value in vars(model).items()} == before
    assert vars(inner) == {"alpha": 1.0}


@every
def test_the_compact_form_refers_to_nothing_else(estimator):
    X, y, model = whole(estimator)
    reached = arrays_in(model.compact_)
    assert id(model.estimator) not in reached
    arrays = [thing for thing in reached.values() if isinstance(thing, np.ndarray)]
    assert not any(np.may_share_memory(own, rows) for own in arrays for rows in (X, y))
    name = type(estimator).__name__
    if HOLDS_ROWS.search(name) or TO_THE_BIT.search(name):  # a leaf for each row
        return
    long = [own.shape for own in arrays if len(X) in own.shape]
    assert long == []
