"""Predictors that were sent to another process need numpy only, and give the same bits."""

import os
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from copy import copy, deepcopy

import numpy as np
import pytest
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.gaussian_process import kernels

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.predictors import CompactSVC
from sklearn_prune.predictors.trees import flat
from sklearn_prune.weight_pruning import fitted_form
from tests.estimators import sk
from tests.matrix import BINARY, BOTH, LABELS, NAMES, TARGET, X, answers

# Models and transformers that have no form of their own.
WHOLE = {"features", "boosted trees", "columns", "pipeline"}
CHILD = r"""
import pickle
import sys

BLOCKED = ("joblib", "numba", "pandas", "scipy", "skops", "sklearn", "torch")
# Their support vectors are refitted in single precision.
SINGLE = ("support vectors", "support vectors in integers", "pipeline")


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")


sys.meta_path.insert(0, Missing())

import numpy as np

import sklearn_prune.predictors


def arrays(found):
    found = found if isinstance(found, list) else [found]
    return [part.toarray() if hasattr(part, "toarray") else part for part in found]


def check(one, other, method):
    if one.dtype.kind != "f" or "equal" in sys.argv:
        np.testing.assert_array_equal(one, other, err_msg=method)
    elif "links" in sys.argv:
        np.testing.assert_array_max_ulp(one, other, 4)
    else:
        single = one.dtype == np.float32 or name in SINGLE
        largest = np.abs(other, where=np.isfinite(other), out=np.zeros(other.shape)).max()
        tolerance = (1e-6 if single else 1e-12) * largest
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance, err_msg=method)


with open(sys.argv[1], "rb") as file:
    cases = pickle.load(file)
for name, (content, rows, expected) in cases.items():
    try:
        predictor = pickle.loads(content)
        for method, theirs in expected.items():
            ours = arrays(getattr(predictor, method)(rows))
            for one, other in zip(ours, arrays(theirs), strict=True):
                check(one, other, method)
    except Exception as error:
        print(name, type(error).__name__, str(error).replace("\n", " "), sep=": ")
print("imported", sorted(set(BLOCKED) & set(sys.modules)))
"""


def run(path, script, cases, *arguments, **variables):
    path = path / "cases.pkl"
    path.write_bytes(pickle.dumps(cases))
    command = [sys.executable, "-c", script, str(path), *arguments]
    env = {**os.environ, **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def case(model, rows):
    """A predictor as it is sent, dense rows, and what it answers by numpy."""
    content = pickle.dumps(fitted_form(model))
    rows = rows.toarray() if issparse(rows) else rows
    found = answers(pickle.loads(content), rows, options=())
    found = {key[0]: ours for key, ours in found.items() if not isinstance(ours, type)}
    assert "predict" in found
    return content, rows, found


def more_models():
    """Kinds that the matrix of models leaves out."""
    cats = X.copy()
    cats[:, 0] = LABELS
    for name in ("poly", "sigmoid", "rbf"):
        yield f"svr {name}", sk.SVR(kernel=name), X, TARGET
        yield f"svc {name}", sk.SVC(kernel=name), X, NAMES
    yield "binary machine", sk.SVC(), X, BINARY
    for name in ("chi2", "cosine", "polynomial", "linear"):
        yield f"ridge {name}", sk.KernelRidge(kernel=name, gamma=0.5), X, BOTH
    of_processes = {
        "periodic": kernels.ExpSineSquared(5.0, 40.0) + kernels.DotProduct() ** 2,
        "smooth": kernels.RationalQuadratic() * kernels.Matern([1.0, 2, 3, 4], nu=2.5),
        "flat": kernels.ConstantKernel(2.0) * kernels.RBF() + kernels.WhiteKernel(0.1),
    }
    for name, kernel in of_processes.items():
        process = sk.GaussianProcessRegressor(kernel, optimizer=None, alpha=1.0)
        yield name, process, X, TARGET
    yield "process of two", sk.GaussianProcessClassifier(optimizer=None), X, BINARY
    for metric in ("manhattan", "chebyshev", "cosine", "canberra", "nan_euclidean"):
        yield f"near {metric}", sk.KNeighborsClassifier(metric=metric), X, NAMES
    yield "temperature", sk.CalibratedClassifierCV(cv=2, method="temperature"), X, NAMES
    yield "sigmoid", sk.CalibratedClassifierCV(sk.GaussianNB(), cv=2), X, BINARY
    yield (
        "soft",
        sk.MLPClassifier(hidden_layer_sizes=(4,), activation="logistic", max_iter=9),
        X,
        NAMES,
    )
    yield (
        "tanh",
        sk.MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", max_iter=9),
        X,
        TARGET,
    )
    half = {"keep": 0.3, "random_state": 0}
    forest = sk.RandomForestClassifier(5, random_state=0)
    yield "scores", PrunedClassifier(forest, **half), X, BINARY
    sparse = PrunedRegressor(
        sk.MLPRegressor(hidden_layer_sizes=(30,), max_iter=9, random_state=0), **half
    )
    yield "sparse net", sparse, X, TARGET
    for scheme in ("int8", "float16", "codebook"):
        net = sk.MLPClassifier(hidden_layer_sizes=(30,), max_iter=9, random_state=0)
        yield f"{scheme} net", PrunedClassifier(net, quantize=scheme, **half), X, NAMES
    target = sk.TransformedTargetRegressor(sk.Lasso(0.1), func=np.log, inverse_func=np.exp)
    yield "exponential", target, X, TARGET + 9
    hist = sk.HistGradientBoostingClassifier(max_iter=4, categorical_features=[0])
    yield "categories of two", hist, cats, BINARY
    for module, model in (("lightgbm", "LGBM"), ("xgboost", "XGB")):
        library = pytest.importorskip(module)
        quiet = {"verbose": -1} if model == "LGBM" else {}
        for task, y in (
            ("Classifier", LABELS),
            ("Classifier", BINARY),
            ("Regressor", TARGET),
        ):
            made = getattr(library, model + task)(n_estimators=4, **quiet)
            yield f"{module} {task} {y.dtype}", made, X, y.astype(float) * 1


def test_predictors_need_numpy_only(models, tmp_path):
    cases = {name: case(*pair) for name, pair in models.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, model, rows, y in more_models():
            cases[name] = case(clone(model).fit(rows, y), rows)
    *failed, imported = run(tmp_path, CHILD, cases, "equal")
    assert {line.partition(":")[0] for line in failed} <= WHOLE, failed
    assert imported == "imported []"


def test_other_processors_give_what_the_docs_say(models, tmp_path):
    umath = pytest.importorskip("numpy._core._multiarray_umath")
    features = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]]
    cases = {name: case(*pair) for name, pair in models.items()}
    other = {"NPY_DISABLE_CPU_FEATURES": " ".join(features), "OPENBLAS_CORETYPE": "Nehalem"}
    *failed, _ = run(tmp_path, CHILD, cases, **other)
    assert {line.partition(":")[0] for line in failed} <= WHOLE, failed
    links = ("predict_proba", "predict_log_proba")  # exponentials and logarithms round
    kinds = ("forest", "tree", "stump", "leaf", "bagged trees", "boosting")
    trees = {name: found for name, found in cases.items() if name.startswith(kinds)}
    assert len(trees) > 12
    assert run(tmp_path, CHILD, trees, "links", **other) == ["imported []"]
    for content, rows, found in trees.values():
        for key in links:
            found.pop(key, None)
        if hasattr(predictor := pickle.loads(content), "apply"):
            found["apply"] = predictor.apply(rows)
    assert run(tmp_path, CHILD, trees, "equal", **other) == ["imported []"]


def test_convolutions_need_numpy_only(tmp_path):
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")

    def block(width):
        return (
            torch.nn.Conv2d(width, 4, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
        )

    module = torch.nn.Sequential(
        *block(1), *block(4), torch.nn.Flatten(), torch.nn.Linear(16, 3), torch.nn.GELU()
    )
    net = skorch.NeuralNetClassifier(
        module, criterion=torch.nn.CrossEntropyLoss, max_epochs=1, verbose=0
    )
    rows = np.random.default_rng(0).normal(size=(60, 1, 8, 8)).astype(np.float32)
    compact = (
        PrunedClassifier(net, keep=0.5, random_state=0).fit(rows, LABELS[:60]).compact_
    )
    content, _, found = case(compact, rows)
    found.pop("predict")  # rows may be at a tie
    assert run(tmp_path, CHILD, {"net": (content, rows, found)}) == ["imported []"]


EXACT = {
    "forest": (sk.RandomForestClassifier(20, random_state=0), NAMES),
    "forest for numbers": (sk.ExtraTreesRegressor(20, random_state=0), BOTH),
    "boosting": (sk.GradientBoostingClassifier(n_estimators=20), NAMES),
    "boosting of two": (sk.GradientBoostingClassifier(n_estimators=20), BINARY),
    "hist": (sk.HistGradientBoostingClassifier(max_iter=10), NAMES),
    "hist for numbers": (sk.HistGradientBoostingRegressor(max_iter=10), TARGET),
    "logistic": (sk.LogisticRegression(), NAMES),
    "logistic of two": (sk.LogisticRegression(), BINARY),
    "net": (
        sk.MLPClassifier(hidden_layer_sizes=(30, 9), max_iter=20, random_state=0),
        NAMES,
    ),
    "net of two": (
        sk.MLPClassifier(hidden_layer_sizes=(30,), max_iter=20, random_state=0),
        BINARY,
    ),
    "net for numbers": (
        sk.MLPRegressor(hidden_layer_sizes=(30,), max_iter=20, random_state=0),
        TARGET,
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_bits_for_any_number_of_rows(name, monkeypatch):
    model, y = EXACT[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = clone(model).fit(X, y)
    compact = fitted_form(model)
    sent = pickle.loads(pickle.dumps(compact))
    random = np.random.default_rng(0)
    many = X[random.integers(len(X), size=10_000)] + random.normal(size=(10_000, 4))
    for n_rows in (1, 2, 3, 5, 9, 17, 10_000):
        rows = many[:n_rows]
        compiled = answers(compact, rows, options=())
        with monkeypatch.context() as patch:
            patch.setattr(flat, "kernels_for", lambda *_: None)
            found = answers(sent, rows, options=())
        theirs = answers(model, rows, options=())
        assert found.keys() == compiled.keys() >= theirs.keys()
        for key, values in theirs.items():
            if "net" in name and key[0] == "predict_log_proba":
                continue  # ours is exact where a probability rounds to 0
            np.testing.assert_array_equal(found[key], compiled[key])
            np.testing.assert_array_equal(found[key], values)


def test_eight_threads_give_the_same(models):
    with ThreadPoolExecutor(8) as threads:
        for name, (model, rows) in models.items():
            content, dense, expected = case(model, rows)
            fresh = pickle.loads(content)
            jobs = [threads.submit(fresh.predict, dense) for _ in range(16)]
            for job in jobs:
                found = job.result()
                found = found.toarray() if issparse(found) else found
                np.testing.assert_array_equal(found, expected["predict"], err_msg=name)


def test_a_loaded_machine_is_compiled_on_request_only():
    machine = fitted_form(sk.SVC().fit(X, NAMES))
    assert isinstance(machine, CompactSVC)
    for other in (copy(machine), deepcopy(machine)):
        np.testing.assert_array_equal(
            other.decision_function(X), machine.decision_function(X)
        )
    sent = pickle.loads(pickle.dumps(machine))
    fitted, loaded = machine.decision_function(X), sent.decision_function(X)
    assert not np.array_equal(fitted, loaded)  # the last bits
    np.testing.assert_allclose(fitted, loaded, rtol=1e-12)
    np.testing.assert_array_equal(machine.predict(X), sent.predict(X))
    assert b"_compiled" not in pickle.dumps(sent.warm_up())
    np.testing.assert_array_equal(sent.decision_function(X), fitted)


@pytest.mark.parametrize("kernel", ["rbf", "sigmoid"])
@pytest.mark.parametrize("y", [BINARY, NAMES], ids=["two", "three"])
def test_values_near_zero_are_those_of_libsvm(kernel, y, monkeypatch):
    machine = fitted_form(sk.SVC(kernel=kernel, gamma=0.1).fit(X, y))
    expected = machine._of_libsvm(X)
    monkeypatch.delitem(sys.modules, "sklearn.svm")
    np.testing.assert_array_equal(machine._of_libsvm(X), expected)


LATER = r"""
import pickle
import sys

from sklearn_prune.predictors import base

with open(sys.argv[1], "rb") as file:
    content, rows = pickle.load(file)
forest = pickle.loads(content)
first = forest.predict_proba(rows)
print("numba" in sys.modules)
if sys.argv[2] == "many":
    base.WORTH_AN_IMPORT = 10
elif sys.argv[2] == "asked":
    forest.warm_up()
else:  # numba cannot write its files
    base.WORTH_AN_IMPORT = 10
    sys.modules["sklearn_prune.predictors.trees.kernels"] = None
again = forest.predict_proba(rows)
print("numba" in sys.modules, (first == again).all())
"""


@pytest.mark.parametrize("why", ["many", "asked", "cannot"])
def test_numba_is_imported_where_it_is_worth_it(why, models, tmp_path):
    model, rows = models["forest"]
    cases = pickle.dumps(fitted_form(model)), rows
    imported = why != "cannot"
    assert run(tmp_path, LATER, cases, why) == ["False", f"{imported} True"]
