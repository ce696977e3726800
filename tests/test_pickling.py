"""What a pickle of a fitted model holds, and that it predicts the same anywhere."""

import inspect
import io
import multiprocessing
import pickle
import warnings
from copy import deepcopy
from functools import cache

import joblib
import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import make_classification
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline

import sklearn_prune
from sklearn_prune import PrunedClassifier, SampleSubsetClassifier, compare_pruning
from sklearn_prune.sample_selection import L2PenaltySelector
from tests import matrix
from tests.estimators import sk
from tests.matrix import assert_same, fit_quietly
from tests.sample_selection.test_all_selectors import SELECTORS
from tests.test_common import INNER, PRUNED

pytestmark = pytest.mark.sampled(2)

#: How many of the training rows a model needs, where it needs any.
NEEDS_ROWS = {
    "SVC": lambda model, n_rows: len(model.support_),
    "SVR": lambda model, n_rows: len(model.support_),
    "Nystroem": lambda model, n_rows: len(model.component_indices_),
    "KNeighborsClassifier": lambda model, n_rows: n_rows,
    "KNeighborsRegressor": lambda model, n_rows: n_rows,
    "GaussianProcessClassifier": lambda model, n_rows: n_rows,
    "GaussianProcessRegressor": lambda model, n_rows: n_rows,
    "KernelRidge": lambda model, n_rows: n_rows,
}


def small(net):
    return net(hidden_layer_sizes=(4,), max_iter=4, random_state=0)


MORE_INNER = {
    "SampleSubsetClassifier": [
        small(sk.MLPClassifier),
        sk.GradientBoostingClassifier(n_estimators=3, subsample=0.5),
        sk.HistGradientBoostingClassifier(max_iter=3, max_features=0.5),
        sk.GaussianProcessClassifier(),
        make_pipeline(sk.StandardScaler(), small(sk.MLPClassifier)),
        sk.BaggingClassifier(small(sk.MLPClassifier), n_estimators=2),
        sk.VotingClassifier(
            [("net", small(sk.MLPClassifier)), ("line", sk.LogisticRegression())]
        ),
        sk.StackingClassifier([("net", small(sk.MLPClassifier))], cv=2),
        sk.OneVsRestClassifier(small(sk.MLPClassifier)),
        sk.CalibratedClassifierCV(small(sk.MLPClassifier), cv=2),
        sk.GridSearchCV(small(sk.MLPClassifier), {"alpha": [0.1, 1.0]}, cv=2),
    ],
    "SampleSubsetRegressor": [
        small(sk.MLPRegressor),
        sk.GradientBoostingRegressor(n_estimators=3),
        sk.GaussianProcessRegressor(),
    ],
    "SampleSubsetTransformer": [sk.NeighborhoodComponentsAnalysis(2, max_iter=3)],
    "PrunedClassifier": [
        small(sk.MLPClassifier),
        sk.BaggingClassifier(small(sk.MLPClassifier), n_estimators=2),
        SampleSubsetClassifier(small(sk.MLPClassifier), L2PenaltySelector()),
    ],
    "PrunedRegressor": [small(sk.MLPRegressor)],
}


def label(model):
    inner = [getattr(model, name, None) for name in ("estimator", "transformer")]
    names = [type(part).__name__ for part in (model, *inner) if part is not None]
    return "-".join([*names, str(getattr(model, "keep", ""))])


def models():
    """Every public estimator, the meta-estimators around several models."""
    found = list(SELECTORS)
    for name in sklearn_prune.__all__:
        cls = getattr(sklearn_prune, name)
        if not inspect.isclass(cls) or not issubclass(cls, BaseEstimator):
            continue
        inner = INNER.get(name, []) + PRUNED.get(name, []) + MORE_INNER.get(name, [])
        if not inner:
            found.append(cls(random_state=0))
        for model in inner:
            found.append(cls(model, random_state=0))
        for model in inner[:3]:
            found.append(cls(model, keep=1.0, random_state=0))
    return found


MODELS = models()
every = pytest.mark.parametrize(
    "number", range(len(MODELS)), ids=lambda i: label(MODELS[i])
)


#: Rows whose columns have mean 0 and deviation 1, classes, and values.
X, y = make_classification(
    n_samples=90,
    n_features=5,
    n_informative=4,
    n_redundant=0,
    n_classes=3,
    n_clusters_per_class=1,
    random_state=0,
)
X = sk.StandardScaler().fit_transform(X)
y, VALUES = np.array(["low", "mid", "top"])[y], X @ np.arange(5.0) + X[:, 0] ** 2


def fit_or_resample(model, *arguments):
    if hasattr(model, "fit_resample"):
        model.fit_resample(*arguments)
        return model
    return fit_quietly(model, *arguments)


@cache
def fitted(number):
    model = clone(MODELS[number])
    if "random_state" in model.get_params(deep=False):
        model.set_params(random_state=0)
    return fit_or_resample(model, X, VALUES if "Regressor" in type(model).__name__ else y)


def answers(model, X):
    found = matrix.answers(model, X, options=())
    if hasattr(model, "transform"):
        found["transform",] = model.transform(X)
    return found


def assert_same_attributes(one, other):
    """Equal fitted attributes, or those of estimators in turn."""
    names = {name for name in vars(one) if name.endswith("_") and name[0] != "_"}
    assert names == {name for name in vars(other) if name.endswith("_") and name[0] != "_"}
    for name in names:
        ours, theirs = getattr(one, name), getattr(other, name)
        assert isinstance(ours, type(theirs)), name
        if isinstance(ours, BaseEstimator):
            assert_same_attributes(ours, theirs)
        elif isinstance(ours, float | int | str) or (
            isinstance(ours, np.ndarray) and ours.dtype.kind != "O"
        ):
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


class Recorder(pickle.Pickler):
    """A pickler that notes every object that it meets."""

    def __init__(self):
        super().__init__(io.BytesIO(), protocol=5)
        self.met = []

    def persistent_id(self, thing):
        self.met.append(thing)


def contents(thing):
    """Every object in the pickle of a thing, and in pickles inside it."""
    recorder = Recorder()
    recorder.dump(thing)
    found = recorder.met
    for part in [part for part in found if isinstance(part, bytes)]:
        if part[:1] == b"\x80" and part[-1:] == b".":
            found += contents(pickle.loads(part))
    return found


def n_rows_in(things, X):
    """How many rows of X are among the things, in any floating dtype and order."""
    held = np.zeros(len(X), dtype=bool)
    for thing in things:
        if isinstance(thing, np.ndarray) and thing.dtype.kind == "f" and thing.size:
            tolerance = {2: 1e-3, 4: 1e-6}.get(thing.itemsize, 1e-9)
            values = np.sort(thing.astype(np.float64), axis=None)
            after = np.searchsorted(values, X).clip(1, len(values) - 1)
            near = [np.abs(values[place] - X) for place in (after - 1, after)]
            held |= (np.minimum(*near) <= tolerance * np.abs(X)).all(axis=1)
    return held.sum()


def n_rows_in_bytes(data, X):
    """How many rows of X are in a file, in any floating dtype."""
    held = np.zeros(len(X), dtype=bool)
    for dtype in (np.float64, np.float32, np.float16):
        held |= [row.astype(dtype).tobytes() in data for row in X]
    return held.sum()


def n_rows_needed(model):
    """How many training rows the model that predicts needs."""
    if hasattr(model, "compact_"):
        inner = getattr(model, "estimator", None)  # which readable models do not have
        return len(model.kept_) if type(inner).__name__ in NEEDS_ROWS else 0
    inner = getattr(model, "estimator_", getattr(model, "transformer_", None))
    if type(inner).__name__ not in NEEDS_ROWS:
        return 0
    return NEEDS_ROWS[type(inner).__name__](inner, len(model.sample_indices_))


def test_each_way_of_finding_a_row_works():
    for array in (X[3], X[:, ::-1].copy(), X.T, X.astype(np.float32), X.astype(np.float16)):
        assert n_rows_in(contents({"deep": [array]}), X) >= 1
    assert n_rows_in(contents(X.mean(axis=0)), X) == 0
    for array in (X, X.astype(np.float32), X.astype(np.float16)):
        assert n_rows_in_bytes(pickle.dumps(array), X) == len(X)


@every
def test_a_loaded_model_is_the_same(number, tmp_path):
    model = fitted(number)
    expected = answers(model, X)
    joblib.dump(model, tmp_path / "model.joblib")
    loaded = [pickle.loads(pickle.dumps(model, protocol=protocol)) for protocol in (4, 5)]
    loaded.append(joblib.load(tmp_path / "model.joblib", mmap_mode="r"))
    loaded.append(deepcopy(model))
    for other in loaded:
        assert_same(answers(other, X), expected)
        assert_same_attributes(other, model)
        assert repr(other) == repr(model)
    again = pickle.loads(pickle.dumps(loaded[0]))
    assert_same(answers(again, X), expected)


@every
def test_a_saved_model_holds_no_needless_rows(number):
    model = fitted(number)
    needed = n_rows_needed(model)
    assert n_rows_in(contents(model), X) <= needed
    assert n_rows_in_bytes(pickle.dumps(model), X) <= needed
    assert n_rows_in_bytes(pickle.dumps(model, protocol=0), X) <= needed


def answers_of_files(paths, X):
    """Run in another process."""
    return [answers(joblib.load(path), X) for path in paths]


def test_other_processes_predict_the_same(tmp_path):
    numbers = range(len(MODELS))
    paths = [tmp_path / f"{number}.joblib" for number in numbers]
    for number, path in zip(numbers, paths, strict=True):
        joblib.dump(fitted(number), path, compress=3)
    expected = [answers(fitted(number), X) for number in numbers]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        spawned = pool.apply(answers_of_files, (paths, X))
    sent = Parallel(n_jobs=2)(delayed(answers)(fitted(number), X) for number in numbers)
    for found in (spawned, sent):
        for ours, theirs in zip(found, expected, strict=True):
            assert_same(ours, theirs)


def around_a_tree_and_a_net():
    tree = sk.DecisionTreeClassifier(max_leaf_nodes=20)
    return [
        SampleSubsetClassifier(
            small(sk.MLPClassifier), L2PenaltySelector(), random_state=0
        ),
        SampleSubsetClassifier(
            sk.GradientBoostingClassifier(n_estimators=3), random_state=0
        ),
        PrunedClassifier(tree, random_state=0),
        PrunedClassifier(small(sk.MLPClassifier), random_state=0),
    ]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", around_a_tree_and_a_net(), ids=label)
def test_folds_and_searches_in_other_processes_find_the_same(model):
    folds = StratifiedKFold(2)
    one, two = (
        cross_validate(model, X, y, cv=folds, n_jobs=n_jobs, return_estimator=True)
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(one["test_score"], two["test_score"])
    for here, there in zip(one["estimator"], two["estimator"], strict=True):
        assert_same(answers(there, X), answers(here, X))
        assert_same_attributes(there, here)
    searches = [
        sk.GridSearchCV(model, {"keep": [0.5, 1.0]}, cv=folds, n_jobs=n_jobs).fit(X, y)
        for n_jobs in (1, 2)
    ]
    for name in ("mean_test_score", "param_keep"):
        np.testing.assert_array_equal(*(search.cv_results_[name] for search in searches))
    assert_same(*(answers(search, X) for search in searches))


def test_a_frozen_net_is_stored_once():
    frozen = sk.FrozenEstimator(fit_quietly(small(sk.MLPClassifier), X, y))
    model = SampleSubsetClassifier(frozen).fit(X, y)
    loaded = pickle.loads(pickle.dumps(model))
    assert loaded.estimator is loaded.estimator_
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_a_comparison_holds_no_rows():
    tree = sk.DecisionTreeClassifier()
    variants = {
        "all": tree,
        "half": SampleSubsetClassifier(tree, L2PenaltySelector()),
        "small": PrunedClassifier(tree),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = compare_pruning(variants, X, y, cv=StratifiedKFold(2), margin=0.1)
    assert n_rows_in(contents(found), X) == n_rows_in_bytes(pickle.dumps(found), X) == 0
    pytest.importorskip("pandas")
    loaded = pickle.loads(pickle.dumps(found))
    assert loaded.manifest == found.manifest
    assert loaded.verdicts().equals(found.verdicts())


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_boosters_of_other_libraries_hold_no_rows(library):
    module = pytest.importorskip(library)
    codes = np.unique(y, return_inverse=True)[1]
    name = {"lightgbm": "LGBMClassifier", "xgboost": "XGBClassifier"}[library]
    booster = getattr(module, name)(n_estimators=3, n_jobs=1)
    if library == "lightgbm":
        booster.set_params(verbose=-1)
    for wrapper in (SampleSubsetClassifier, PrunedClassifier):
        model = fit_quietly(wrapper(booster, random_state=0), X, codes)
        assert n_rows_in(contents(model), X) == n_rows_in_bytes(pickle.dumps(model), X) == 0
        loaded = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("wrapper", [SampleSubsetClassifier, PrunedClassifier])
def test_skorch_nets_hold_no_rows(wrapper):
    torch, skorch = pytest.importorskip("torch"), pytest.importorskip("skorch")
    rows, codes = X.astype(np.float32), np.unique(y, return_inverse=True)[1]
    net = skorch.NeuralNetClassifier(
        torch.nn.Linear,
        module__in_features=5,
        module__out_features=3,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        max_epochs=3,
        verbose=0,
    )
    model = fit_quietly(wrapper(net, random_state=0), rows, codes)
    data = pickle.dumps(model)
    assert n_rows_in(contents(model), rows) == n_rows_in_bytes(data, rows) == 0
    np.testing.assert_array_equal(
        pickle.loads(data).predict_proba(rows), model.predict_proba(rows)
    )
