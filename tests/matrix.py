"""Unfitted models of every kind with their rows and targets, and what holds for them."""

import pickle
import re
import warnings
from types import FunctionType

import numpy as np
from scipy.sparse import csc_array, csr_matrix, issparse
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.datasets import load_iris
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.pipeline import make_pipeline

from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    SampleSubsetClassifier,
    SampleSubsetRegressor,
    SampleSubsetTransformer,
)
from sklearn_prune.weight_pruning import Quantizer
from tests.estimators import sk

#: The smallest model of each kind, for tests of whatever is around one.
CLASSIFIERS = {
    "logistic": sk.LogisticRegression(),
    "linear svc": sk.LinearSVC(),
    "tree": sk.DecisionTreeClassifier(),
    "forest": sk.RandomForestClassifier(4),
    "bagging": sk.BaggingClassifier(n_estimators=3),
    "boosting": sk.GradientBoostingClassifier(n_estimators=4),
    "hist": sk.HistGradientBoostingClassifier(max_iter=4, min_samples_leaf=5),
    "svc": sk.SVC(),
    "neighbors": sk.KNeighborsClassifier(3),
    "bayes": sk.GaussianNB(),
    "discriminant": sk.LinearDiscriminantAnalysis(),
    "net": sk.MLPClassifier(
        [4], max_iter=20, solver="sgd", learning_rate_init=0.1, tol=0.0
    ),
    "features": sk.AdaBoostClassifier(n_estimators=3),
    "pipeline": make_pipeline(sk.StandardScaler(), sk.LogisticRegression()),
}
REGRESSORS = {
    "linear": sk.LinearRegression(),
    "ridge": sk.Ridge(),
    "lasso": sk.Lasso(alpha=0.01),
    "linear svr": sk.LinearSVR(),
    "tree": sk.DecisionTreeRegressor(),
    "forest": sk.RandomForestRegressor(4),
    "boosting": sk.GradientBoostingRegressor(n_estimators=4),
    "hist": sk.HistGradientBoostingRegressor(max_iter=4, min_samples_leaf=5),
    "svr": sk.SVR(),
    "neighbors": sk.KNeighborsRegressor(3),
    "kernel": sk.KernelRidge(),
    "process": sk.GaussianProcessRegressor(),
    "features": sk.AdaBoostRegressor(n_estimators=3),
    "pipeline": make_pipeline(sk.StandardScaler(), sk.Ridge()),
}


def of(kinds, *names):
    """Some of `CLASSIFIERS` or `REGRESSORS`, in the order of the names."""
    return [kinds[name] for name in names]


X, LABELS = load_iris(return_X_y=True)
ROWS = np.random.default_rng(0).permutation(len(X))
X, LABELS = X[ROWS].round(1), LABELS[ROWS]
NAMES = np.array(["setosa", "versicolor", "virginica"])[LABELS]
TARGET = X[:, 3] * 2 + np.sin(X[:, 0])
BOTH = np.column_stack([TARGET, X[:, 2]])
BINARY = LABELS == 1
SETS = sk.MultiLabelBinarizer().fit_transform(
    [{y, (y + int(x > 5)) % 3} for y, x in zip(LABELS, X[:, 0], strict=True)]
)
MISSING = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
CODES = np.column_stack([LABELS, X[:, 1:]])
FOREST = sk.RandomForestClassifier(6, random_state=0)


def _classifier(model, keep=0.5, **params):
    return PrunedClassifier(model, keep=keep, random_state=0, **params)


def _regressor(model, keep=0.5, **params):
    return PrunedRegressor(model, keep=keep, random_state=0, **params)


def matrix():
    """Name, unfitted model, rows, targets; a stored artefact has the name of its model."""
    tree = sk.DecisionTreeClassifier(max_depth=3, random_state=0)
    svc = sk.SVC(random_state=0)
    logistic = sk.LogisticRegression()
    mlp = {"hidden_layer_sizes": (8,), "max_iter": 30, "random_state": 0}
    yield "forest", _classifier(FOREST, 1.0), X, NAMES
    yield "forest of names", _classifier(FOREST, 0.3), X, NAMES
    yield "forest in integers", _classifier(FOREST, quantize="int8"), X, LABELS
    yield "forest of shared values", _classifier(FOREST, quantize="codebook"), X, LABELS
    yield "forest of few rows", SampleSubsetClassifier(FOREST, random_state=0), X, LABELS
    yield "forest of two outputs", FOREST, X, np.column_stack([LABELS, BINARY])
    yield "forest with missing values", FOREST, MISSING, LABELS
    yield (
        "forest for numbers",
        _regressor(sk.ExtraTreesRegressor(5, random_state=0)),
        X,
        BOTH,
    )
    yield "tree", tree, X, BINARY
    yield "stump", sk.DecisionTreeClassifier(max_depth=1), X, NAMES
    yield "leaf", sk.DecisionTreeClassifier(max_depth=1, min_samples_leaf=80), X, LABELS
    yield "bagged trees", sk.BaggingClassifier(tree, 4, random_state=0), X, NAMES
    yield (
        "boosting",
        sk.GradientBoostingClassifier(n_estimators=4, random_state=0),
        X,
        NAMES,
    )
    hist = sk.HistGradientBoostingClassifier(max_iter=4, categorical_features=[0])
    yield "boosting by histograms", _classifier(hist, 0.6), CODES, NAMES
    hists = sk.HistGradientBoostingRegressor(max_iter=4)
    yield "boosting with missing values", hists, MISSING, TARGET
    yield "boosting in integers", _regressor(hists, quantize="int8"), X, TARGET
    yield "logistic", _classifier(logistic), X, NAMES
    yield "logistic in halves", _classifier(logistic, quantize="float16"), X, LABELS
    yield "lasso", sk.Lasso(0.1), X, TARGET
    yield "counts", sk.PoissonRegressor(), X, LABELS
    yield "bayesian", sk.BayesianRidge(), X, TARGET
    yield "linear machine", sk.LinearSVC(), X, BINARY
    yield "ridge of sets", sk.RidgeClassifier(), X, SETS
    yield "support vectors", _classifier(svc), X, NAMES
    yield "support vectors in integers", _classifier(svc, quantize="int8"), X, LABELS
    yield "support vectors of sparse rows", svc, csr_matrix(X), LABELS
    yield "support vectors of a line", sk.SVC(kernel="linear"), X, LABELS
    yield "support vectors for numbers", _regressor(sk.SVR()), X, TARGET
    yield "kernel ridge", sk.KernelRidge(kernel="laplacian"), X, BOTH
    kernel = ConstantKernel() * RBF() + WhiteKernel()
    yield "process", sk.GaussianProcessRegressor(kernel, optimizer=None), X, TARGET
    process = sk.GaussianProcessClassifier(Matern(), optimizer=None)
    yield "process of classes", process, X, LABELS
    yield "neighbours", _classifier(sk.KNeighborsClassifier(3)), X, NAMES
    yield "neighbours by distance", sk.KNeighborsRegressor(weights="distance"), X, BOTH
    yield "neighbours of sparse rows", sk.KNeighborsClassifier(), csr_matrix(X), LABELS
    yield "gaussian", sk.GaussianNB(), X, NAMES
    yield "bits", sk.BernoulliNB(binarize=3.0), X, NAMES
    yield "numbers of things", _classifier(sk.MultinomialNB()), X, LABELS
    yield "categories", sk.CategoricalNB(), X.astype(int), LABELS
    yield "discriminant", sk.LinearDiscriminantAnalysis(), X, NAMES
    yield "quadratic", sk.QuadraticDiscriminantAnalysis(reg_param=0.1), X, NAMES
    net, values = sk.MLPClassifier(**mlp), Quantizer("codebook", n_values=16)
    yield "net", _classifier(net), X, NAMES
    yield "net in integers", _classifier(net, 0.2, quantize="int8"), X, LABELS
    yield "net of shared values", _classifier(net, 1.0, quantize=values), X, LABELS
    yield "net for numbers", _regressor(sk.MLPRegressor(**mlp), 0.1), X, BOTH
    yield "features", _classifier(sk.NearestCentroid(), unit="feature"), X, NAMES
    boosted = sk.AdaBoostClassifier(tree, n_estimators=3, random_state=0)
    yield "boosted trees", boosted, X, NAMES
    steps = sk.StandardScaler(), sk.SelectKBest(k=2), _classifier(svc)
    yield "pipeline", make_pipeline(*steps), X, NAMES
    columns = sk.ColumnTransformer(
        [
            ("spline", sk.SplineTransformer(), [0, 1]),
            ("bins", sk.KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), [2]),
            ("codes", sk.OneHotEncoder(handle_unknown="ignore"), [3]),
            (
                "few",
                SampleSubsetTransformer(sk.Nystroem(n_components=3), random_state=0),
                slice(0, 4),
            ),
        ]
    )
    yield "columns", make_pipeline(columns, sk.PCA(3), logistic), X, NAMES
    vote = [("forest", _classifier(FOREST)), ("svc", SampleSubsetClassifier(svc))]
    yield "vote", sk.VotingClassifier(vote), X, NAMES
    soft = sk.VotingClassifier([("a", FOREST), ("b", logistic)], voting="soft")
    yield "soft vote", soft, X, NAMES
    mean = [("a", sk.SVR()), ("b", sk.Lasso(0.1))]
    yield "mean", sk.VotingRegressor(mean), X, TARGET
    yield "stack", sk.StackingClassifier(vote, cv=2), X, NAMES
    yield "stack for numbers", sk.StackingRegressor(mean, cv=2), X, TARGET
    yield (
        "search",
        sk.GridSearchCV(_classifier(FOREST), {"keep": [0.3, 1.0]}, cv=2),
        X,
        NAMES,
    )
    yield "one against the rest", sk.OneVsRestClassifier(svc), X, NAMES
    yield "one against one", sk.OneVsOneClassifier(sk.LinearSVC()), X, NAMES
    yield "code", sk.OutputCodeClassifier(tree, random_state=0), X, NAMES
    yield "outputs", sk.MultiOutputClassifier(FOREST), X, SETS
    yield "outputs for numbers", sk.MultiOutputRegressor(sk.SVR()), X, BOTH
    yield "chain", sk.ClassifierChain(logistic), X, SETS
    yield "chain for numbers", sk.RegressorChain(sk.Lasso(0.1)), X, BOTH
    bagged = sk.BaggingRegressor(sk.SVR(), 3, max_features=2, random_state=0)
    yield "bagged machines", bagged, X, TARGET
    yield "bagged models", sk.BaggingClassifier(logistic, 3, random_state=0), X, NAMES
    yield "calibrated", sk.CalibratedClassifierCV(tree, cv=2), X, NAMES
    yield "isotonic", sk.CalibratedClassifierCV(svc, cv=2, method="isotonic"), X, LABELS
    yield "threshold", sk.FixedThresholdClassifier(logistic, threshold=0.3), X, BINARY
    target = sk.TransformedTargetRegressor(
        _regressor(sk.SVR()), transformer=sk.StandardScaler()
    )
    yield "transformed target", target, X, TARGET
    yield "few rows for numbers", SampleSubsetRegressor(sk.SVR(), random_state=0), X, TARGET


def fitted_models():
    """Name -> (fitted model, rows)."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, model, rows, target in matrix():
            found[name] = (clone(model).fit(rows, target), rows)
    return found


METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
)


def bytes_of(model):
    try:
        return pickle.dumps(model)
    except (AttributeError, pickle.PicklingError):  # lambdas
        return None


def pruned(model, **arguments):
    """The model in the meta-estimator of its task."""
    wrapper = PrunedClassifier if is_classifier(model) else PrunedRegressor
    return wrapper(model, **{"random_state": 0, "cv": 2, **arguments})


def fit_quietly(model, *data, **params):
    """The model, fitted; the library's own remarks on odd data are not ours."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return model.fit(*data, **params)


def fitted(model, *data, **params):
    """A fitted clone of the model, or what its own fit gives if it is no estimator."""
    model = clone(model) if isinstance(model, BaseEstimator) else model
    return fit_quietly(model, *data, **params)


def answers(model, X, options=("return_std", "return_cov")):
    """What each method says; one that raises gives the class of its error."""
    found = {}
    calls = [(method, {}) for method in METHODS if hasattr(model, method)]
    calls += [("predict", {name: True}) for name in options]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for method, params in calls:
            try:
                found[method, *params] = getattr(model, method)(X, **params)
            except Exception as error:
                found[method, *params] = type(error)
    return found


def arrays_of(found):
    return found if isinstance(found, list | tuple) else [found]


def assert_same(found, expected, rtol=0.0, atol=None, *, same_dtype=True, same_error=False):
    """Two `answers` are equal, floats to `rtol` of the largest unless `atol` is given."""
    assert set(found) >= set(expected)
    for key, theirs in expected.items():
        ours = found[key]
        if isinstance(theirs, type):
            assert isinstance(ours, type), (key, theirs)
            assert ours is theirs or not same_error, (key, ours, theirs)
            continue
        assert not isinstance(ours, type), (key, ours)
        assert isinstance(ours, type(theirs)), key
        for one, other in zip(arrays_of(ours), arrays_of(theirs), strict=True):
            assert issparse(one) == issparse(other), key
            if issparse(one):
                one, other = one.toarray(), other.toarray()
            one, other = np.asarray(one), np.asarray(other)
            assert one.shape == other.shape, key
            assert one.dtype == other.dtype or not same_dtype, key
            if other.dtype.kind != "f":
                assert np.array_equal(one, other), key
                continue
            scale = np.abs(other[np.isfinite(other)]).max(initial=0.0)
            near = rtol * scale if atol is None else atol
            np.testing.assert_allclose(one, other, rtol=rtol, atol=near, err_msg=str(key))


def is_single(X):
    return getattr(X, "dtype", None) == np.float32


WITHOUT_PARTS = (type, str, bytes, int, float, np.generic, np.dtype, np.ufunc, FunctionType)


def arrays_in(thing, found=None):
    """All arrays and mutable objects that an object reaches, by their ids."""
    found = {} if found is None else found
    if id(thing) in found or thing is None or isinstance(thing, WITHOUT_PARTS):
        return found
    if isinstance(thing, tuple):
        parts = thing
    elif isinstance(thing, dict):
        parts = thing.values()
    elif isinstance(thing, list | set):
        parts = thing
    elif isinstance(thing, np.ndarray):
        parts = thing.tolist() if thing.dtype.kind == "O" else ()
    elif hasattr(thing, "__dict__"):
        parts = vars(thing).values()
    elif hasattr(thing, "__getstate__"):
        parts = thing.__getstate__() or ()
    else:
        raise AssertionError(f"what is in a {type(thing)}?")
    if not isinstance(thing, tuple):
        found[id(thing)] = thing
    for part in parts:
        arrays_in(part, found)
    return found


def assert_apart(one, other):
    """Two objects share no array memory that can be written, and no mutable object."""
    first, second = arrays_in(one), arrays_in(other)
    shared = [first[key] for key in first.keys() & second.keys()]
    assert not shared, [type(thing) for thing in shared]
    arrays = [
        [thing for thing in found.values() if isinstance(thing, np.ndarray)]
        for found in (first, second)
    ]
    for mine in arrays[0]:
        for theirs in arrays[1]:
            assert not np.may_share_memory(mine, theirs), (mine.shape, theirs.shape)


def restored_or_reason(model):
    try:
        return model.estimator_
    except AttributeError as error:
        return str(error)


def rows_like(X):
    """Rows for predict: one, many, and in other containers than those of fit."""
    if hasattr(X, "iloc"):
        return {"one": X.iloc[:1], "many": X.iloc[::-1], "array": X.to_numpy()}
    if np.ndim(X) == 1 and not issparse(X):
        return {"one": X[:1], "many": np.linspace(-9, 9, 50)}
    rows = X.tocsr() if issparse(X) else X
    dense = X.toarray() if issparse(X) else X
    return {
        "one": rows[:1],
        "many": rows[np.arange(300) % X.shape[0]],
        "list": dense[:5].tolist(),
        "fortran": np.asfortranarray(dense[:7]),
        "single": dense[:5].astype(np.float32),
        "sparse": csc_array(dense[:9]),
        "matrix": csr_matrix(dense[:3]),
        "whole": np.round(dense[:9]).astype(np.int64),
        "not finite": np.where(np.arange(3)[:, None] == 1, np.nan, dense[:3]),
        "too narrow": dense[:2, 1:],
        "none": dense[:0],
    }


def assert_whole(estimator, X, y, params, *, net=False):
    """With everything kept the answers are those of the model, and nothing is shared.

    A net rounds small probabilities to 0, and computes in single precision what is single.
    """
    plain = fitted(estimator, X, y, **params)
    expected = {kind: answers(plain, rows) for kind, rows in rows_like(X).items()}
    before = bytes_of(plain)
    model = fit_quietly(pruned(sk.FrozenEstimator(plain), keep=1.0), X, y, **params)
    assert bytes_of(plain) == before
    assert_apart(model.compact_, plain)
    assert_apart(model.compact_, [X, y, params])
    for kind, rows in rows_like(X).items():
        rtol = 1e-5 if is_single(X) or kind == "single" else 1e-10
        wanted, found = dict(expected[kind]), answers(model, rows)
        if kind in ("sparse", "matrix") and "precomputed" in repr(estimator):
            continue  # KernelRidge gives an array of matrices
        if isinstance(wanted["predict",], type) and kind in ("sparse", "matrix"):
            if isinstance(found["predict",], type):
                continue
            wanted = answers(plain, rows.toarray())  # more than the model can
        if net and isinstance(wanted.get(("predict_log_proba",)), np.ndarray):
            ours, theirs = (said["predict_log_proba",] for said in (found, wanted))
            unlikely = np.isneginf(theirs)
            assert (ours[unlikely] < -700).all()
            wanted["predict_log_proba",] = np.where(unlikely, ours, theirs)
        try:
            assert_same(found, wanted, rtol, same_dtype=not (net and is_single(X)))
        except AssertionError as error:
            raise AssertionError(f"{kind}: {error}") from error
    restored = restored_or_reason(model)
    if isinstance(restored, str):
        assert not net
        assert "Use compact_ instead" in restored
        return
    assert_apart(restored, model.compact_)
    assert type(restored) is type(plain)
    found, rtol = answers(restored, rows_like(X)["many"]), 1e-5 if is_single(X) else 1e-9
    assert_same(found, expected["many"], 1e-5 if net else rtol)


def assert_valid(model, plain, X, same_dtype=True):
    """The pruned model answers all that the plain one does, and finitely."""
    classes = getattr(plain, "classes_", None)
    if classes is not None:
        many = isinstance(classes, list) and np.ndim(classes[0])
        for one, other in (
            zip(model.classes_, classes, strict=True)
            if many
            else [(model.classes_, classes)]
        ):
            assert np.array_equal(one, other)
    expected, found = answers(plain, X), answers(model, X)
    if not is_classifier(plain):  # skorch gives regressors a predict_proba
        expected.pop(("predict_proba",), None)
    for key, theirs in expected.items():
        if isinstance(theirs, type) or key[1:]:
            continue
        ours = found[key]
        assert not isinstance(ours, type), (key, ours)
        for one, other in zip(arrays_of(ours), arrays_of(theirs), strict=True):
            one, other = np.asarray(one), np.asarray(other)
            assert one.shape == other.shape, key
            assert one.dtype == other.dtype or not same_dtype, key
            if one.dtype.kind == "f" and np.isfinite(other).all():
                assert not np.isnan(one).any(), key
                assert np.isfinite(one).all() or key[0] == "predict_log_proba", key
            if key[0] == "predict_proba" and other.min() >= 0 and other.max() <= 1:
                assert one.min() >= 0
                assert one.max() <= 1 + 1e-6
            if key[0] == "predict_proba" and np.allclose(other.sum(axis=-1), 1, atol=1e-3):
                np.testing.assert_allclose(one.sum(axis=-1), 1, rtol=1e-5)
    if (
        hasattr(plain, "predict_proba")
        and isinstance(classes, np.ndarray)
        and classes.size > 1
        and not isinstance(found["predict_proba",], type)
    ):
        assert found["predict_proba",].shape[1] == len(classes)
    labels = found["predict",]
    if is_classifier(plain) and (isinstance(classes, list) or np.ndim(labels) == 1):
        known = classes if isinstance(classes, list) else [classes]
        for column, own in zip(np.atleast_2d(np.asarray(labels).T), known, strict=False):
            assert own is None or np.isin(column, own).all()


def assert_refused(message):
    assert "\n" not in message.strip()
    assert re.search(r"Write|Pass|Use", message), message
