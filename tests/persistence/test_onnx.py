"""ONNX graphs of models on rows of numbers: the labels and scores that `predict` gives."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix, issparse
from sklearn.datasets import load_diabetes, load_digits
from sklearn.gaussian_process import kernels as gp
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
from tests.matrix import matrix, pruned
from tests.persistence.onnx_session import assert_same, run

pytestmark = pytest.mark.sampled(2)

DIGITS, DIGIT = load_digits(return_X_y=True)
DIGITS = DIGITS[:, 8:28] / 8 + np.random.default_rng(0).normal(scale=0.1, size=(1797, 20))
DIGIT //= 2
TEXTS = np.array(list("abcde"))[DIGIT]
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
N = 200

CLASSIFIERS = {
    "logistic": sk.LogisticRegression(max_iter=200),
    "linear SVC": sk.LinearSVC(),
    "ridge": sk.RidgeClassifier(),
    "modified huber": sk.SGDClassifier(loss="modified_huber", random_state=0),
    "tree": sk.DecisionTreeClassifier(max_depth=6, random_state=0),
    "forest": sk.RandomForestClassifier(10, random_state=0),
    "extra trees": sk.ExtraTreesClassifier(10, random_state=0),
    "bagged trees": sk.BaggingClassifier(random_state=0),
    "gradient boosting": sk.GradientBoostingClassifier(n_estimators=3, random_state=0),
    "hist boosting": sk.HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=8),
    "SVC": sk.SVC(),
    "linear kernel": sk.SVC(kernel="linear"),
    "SVC votes": sk.SVC(decision_function_shape="ovo"),
    "SVC ties": sk.SVC(break_ties=True),
    "NuSVC": sk.NuSVC(nu=0.1),
    "Platt": sk.SVC(probability=True, random_state=0),
    "neighbours": sk.KNeighborsClassifier(),
    "weighted neighbours": sk.KNeighborsClassifier(weights="distance", metric="manhattan"),
    "Gaussian": sk.GaussianNB(),
    "Bernoulli": sk.BernoulliNB(binarize=0.8),
    "LDA": sk.LinearDiscriminantAnalysis(),
    "QDA": sk.QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.1),
    "MLP": sk.MLPClassifier((12,), max_iter=20, random_state=0),
    "one vs rest": sk.OneVsRestClassifier(sk.LinearSVC()),
    "one vs one": sk.OneVsOneClassifier(sk.GaussianNB()),
    "output code": sk.OutputCodeClassifier(sk.LinearSVC(), random_state=0),
    "soft vote": sk.VotingClassifier(
        [("a", sk.GaussianNB()), ("b", sk.LogisticRegression())], voting="soft"
    ),
    "hard vote": sk.VotingClassifier(
        [("a", sk.GaussianNB()), ("b", sk.LinearSVC())], weights=[1, 2]
    ),
    "stack": sk.StackingClassifier([("a", sk.GaussianNB()), ("b", sk.LinearSVC())], cv=2),
    "sigmoid": sk.CalibratedClassifierCV(sk.LinearSVC(), cv=2),
    "isotonic": sk.CalibratedClassifierCV(sk.LinearSVC(), method="isotonic", cv=2),
    "temperature": sk.CalibratedClassifierCV(sk.LinearSVC(), method="temperature", cv=2),
    "bagged SVC": sk.BaggingClassifier(sk.SVC(), 2, max_features=0.5, random_state=0),
    "scaled": make_pipeline(sk.StandardScaler(), sk.SVC()),
    "AdaBoost": sk.AdaBoostClassifier(n_estimators=3, random_state=0),
}
# What is computed in single precision, here or there.
ROUNDED = {"SVC", "linear kernel", "SVC votes", "SVC ties", "NuSVC", "Platt", "scaled"}
ROUNDED |= {"bagged SVC", "AdaBoost"}

REGRESSORS = {
    "least squares": sk.LinearRegression(),
    "Poisson": sk.PoissonRegressor(),
    "SVR": sk.SVR(),
    "polynomial": sk.SVR(kernel="poly"),
    "Laplacian": sk.KernelRidge(kernel="laplacian"),
    "tree": sk.DecisionTreeRegressor(max_depth=5, random_state=0),
    "forest": sk.RandomForestRegressor(10, random_state=0),
    "extra trees": sk.ExtraTreesRegressor(10, random_state=0),
    "bagged": sk.BaggingRegressor(sk.SVR(), 2, random_state=0),
    "gradient boosting": sk.GradientBoostingRegressor(n_estimators=10, random_state=0),
    "hist boosting": sk.HistGradientBoostingRegressor(max_iter=5, loss="gamma"),
    "neighbours": sk.KNeighborsRegressor(weights="distance"),
    "MLP": sk.MLPRegressor(hidden_layer_sizes=(12,), activation="tanh", random_state=0),
    "Gaussian process": sk.GaussianProcessRegressor(
        gp.Matern(1.0, nu=1.5) + gp.WhiteKernel(), optimizer=None, normalize_y=True
    ),
    "vote": sk.VotingRegressor([("a", sk.Ridge()), ("b", sk.SVR())], weights=[2, 1]),
    "stack": sk.StackingRegressor(
        [("a", sk.Ridge()), ("b", sk.SVR())], cv=2, passthrough=True
    ),
    "exponential": sk.TransformedTargetRegressor(
        sk.Ridge(), func=np.log, inverse_func=np.exp
    ),
    "standardised": sk.TransformedTargetRegressor(
        sk.Ridge(), transformer=sk.StandardScaler()
    ),
    "partial least squares": sk.PLSRegression(),
}


def fitted(model, X, y, n=N):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X[:n], y[:n])


@pytest.mark.parametrize("binary", [False, True], ids=["five classes", "two classes"])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_predict_the_same(name, binary):
    y = np.where(DIGIT > 2, "large", "small") if binary else TEXTS
    model = fitted(pruned(CLASSIFIERS[name], keep=0.6), DIGITS, y)
    rows = DIGITS[N : N + 100]
    assert_same(model, rows, tolerance=1e-5 if name in ROUNDED else 1e-9)
    graph = assert_same(model, rows.astype(np.float32))
    used = {node.op_type for node in graph.graph.node}
    assert not any("Pruned" in op for op in used)


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors_predict_the_same(name):
    model = fitted(pruned(REGRESSORS[name], keep=0.6), DIABETES, PROGRESSION, 200)
    rows = DIABETES[200:300]
    assert_same(model, rows, tolerance=2e-6 if "least squares" in name else 1e-9)
    assert_same(model, rows.astype(np.float32))


@pytest.mark.parametrize(
    "model",
    [sk.SVC(), sk.KNeighborsClassifier(), pruned(sk.SVC(), keep=0.5)],
    ids=["SVC", "neighbours", "one basis"],
)
def test_models_of_sparse_rows(model):
    model = model.fit(csr_matrix(DIGITS[:N]), TEXTS[:N])
    assert_same(model, DIGITS[N : N + 50])


@pytest.mark.parametrize("scheme", ["float16", "int8", "codebook"])
@pytest.mark.parametrize(
    "inner", ["SVC", "forest", "gradient boosting", "neighbours", "LDA", "MLP"]
)
def test_rounded_models_keep_their_codes(inner, scheme):
    model = fitted(pruned(CLASSIFIERS[inner], keep=0.6, quantize=scheme), DIGITS, TEXTS)
    graph = assert_same(model, DIGITS[N : N + 50])
    codes = {"float16": 10, "int8": 3, "codebook": 2}[scheme]
    stored = [part for part in graph.graph.initializer if part.data_type == codes]
    n_stored = sum(int(np.prod(part.dims)) for part in stored)
    assert n_stored >= 20 or inner == "forest"  # whose shares are counts


@pytest.mark.parametrize("n_values", [5, 16])
def test_codes_of_four_bits(n_values):
    quantizer = Quantizer("codebook", n_values=n_values)
    model = pruned(sk.LogisticRegression(max_iter=200), keep=0.9, quantize=quantizer)
    assert_same(fitted(model, DIGITS, TEXTS), DIGITS[N : N + 50])


@pytest.mark.parametrize(
    "model",
    [
        SampleSubsetClassifier(
            sk.RandomForestClassifier(5, random_state=0), random_state=0
        ),
        SampleSubsetClassifier(
            make_pipeline(sk.StandardScaler(), sk.SVC()), random_state=0
        ),
        make_pipeline(
            sk.RobustScaler(), PrunedClassifier(SampleSubsetClassifier(sk.GaussianNB()))
        ),
        make_pipeline(sk.SelectKBest(k=9), PrunedClassifier(sk.LinearSVC())),
        make_pipeline(
            sk.MinMaxScaler(clip=True), PrunedClassifier(sk.SVC(), unit="feature")
        ),
        make_pipeline(
            SampleSubsetTransformer(
                sk.Nystroem(gamma=0.01, n_components=9, random_state=0)
            ),
            sk.LogisticRegression(),
        ),
        make_pipeline(
            sk.SelectKBest(k=9),
            sk.PolynomialFeatures(2, interaction_only=True),
            PrunedClassifier(sk.GaussianNB()),
        ),
        PrunedClassifier(sk.AdaBoostClassifier(n_estimators=3), unit="feature"),
        sk.FixedThresholdClassifier(PrunedClassifier(sk.GaussianNB()), threshold=0.9),
        sk.RandomForestClassifier(5, random_state=0),
        sk.HistGradientBoostingClassifier(max_iter=3),
    ],
    ids=lambda model: type(model).__name__,
)
def test_wrappers_pipelines_and_plain_models(model):
    model = fitted(model, DIGITS, (DIGIT > 2).astype(int))
    rows = DIGITS[N : N + 100]
    assert_same(model, rows)
    assert_same(sk.FrozenEstimator(model), rows.astype(np.float32))


def test_of_a_compact_form_and_of_a_subset_of_rows_for_regression():
    model = SampleSubsetRegressor(
        sk.RandomForestRegressor(5, random_state=0), random_state=0
    )
    assert_same(fitted(model, DIABETES, PROGRESSION), DIABETES, tolerance=1e-12)
    model = PrunedRegressor(sk.Ridge(), unit="feature", keep=4).fit(DIABETES, PROGRESSION)
    assert_same(model.compact_, DIABETES, tolerance=1e-12)


@pytest.mark.parametrize(
    "labels",
    [
        DIGIT,
        DIGIT * 7 - 3,
        DIGIT > 2,
        1.0 * DIGIT,
        DIGIT.astype(np.int32),
        TEXTS.astype(object),
    ],
    ids=["codes", "ints", "bools", "floats", "short ints", "objects"],
)
@pytest.mark.parametrize(
    "inner", [sk.LinearSVC(), sk.RandomForestClassifier(5, random_state=0)]
)
def test_labels_of_each_type(labels, inner):
    model = fitted(PrunedClassifier(inner), DIGITS, labels)
    assert_same(model, DIGITS[N : N + 50])


OUTPUTS = np.stack([DIGIT % 2, DIGIT % 3, DIGIT], axis=1)
SETS = np.stack([DIGIT % 2, DIGIT > 1, DIGIT > 2], axis=1).astype(int)
NUMBERS = np.stack([PROGRESSION, np.sqrt(PROGRESSION)], axis=1)


@pytest.mark.parametrize(
    ("inner", "y"),
    [
        (sk.RandomForestClassifier(5, random_state=0), OUTPUTS),
        (sk.KNeighborsClassifier(), OUTPUTS),
        (sk.MultiOutputClassifier(sk.LogisticRegression(max_iter=200)), OUTPUTS),
        (sk.OneVsRestClassifier(sk.LinearSVC()), SETS),
        (sk.MLPClassifier((9,), max_iter=20, random_state=0), SETS),
        (sk.ClassifierChain(sk.LogisticRegression(max_iter=200), order=[2, 0, 1]), SETS),
        (sk.RidgeClassifier(), SETS),
        (sk.LinearRegression(), NUMBERS),
        (sk.RandomForestRegressor(5, random_state=0), NUMBERS),
        (sk.MultiOutputRegressor(sk.SVR()), NUMBERS),
        (sk.RegressorChain(sk.Ridge(), order=[1, 0]), NUMBERS),
        (sk.KNeighborsRegressor(), NUMBERS),
        (sk.KernelRidge(), NUMBERS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_several_outputs(inner, y):
    rows = DIABETES if y is NUMBERS else DIGITS
    assert_same(fitted(pruned(inner), rows, y), rows[N : N + 100], tolerance=1e-9)


@pytest.mark.parametrize(
    ("kernel", "mode"),
    [
        (gp.ConstantKernel(2.0) * gp.RBF(np.full(5, 2.0)), "one_vs_rest"),
        (gp.Matern(2.0, nu=2.5), "one_vs_one"),
        (gp.RationalQuadratic(2.0) + gp.DotProduct() ** 2, "one_vs_rest"),
    ],
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_gaussian_process_classifiers(kernel, mode, n_classes):
    process = sk.GaussianProcessClassifier(kernel, optimizer=None, multi_class=mode)
    X = DIGITS[:, 9:14]
    model = fitted(PrunedClassifier(process), X, DIGIT % n_classes, 120)
    assert_same(model, X[120:200], tolerance=1e-9)


@pytest.mark.parametrize("kernel", ["sigmoid", "cosine", "additive_chi2", "linear", "rbf"])
def test_kernels_by_name(kernel):
    X = np.abs(DIGITS[:, 9:14])
    model = PrunedRegressor(sk.KernelRidge(kernel=kernel, alpha=0.1))
    assert_same(fitted(model, X, DIGIT.astype(float), 120), X[120:200], tolerance=1e-7)


@pytest.mark.parametrize("metric", ["euclidean", "chebyshev", "cosine", "minkowski"])
def test_distances_of_neighbours(metric):
    inner = sk.KNeighborsClassifier(metric=metric, p=3 if metric == "minkowski" else 2)
    model = fitted(PrunedClassifier(inner), DIGITS, TEXTS)
    assert_same(model, DIGITS[N : N + 100], tolerance=1e-12)


def test_counts_and_categories():
    X = np.abs(3 * DIGITS).astype(int) % 3
    for inner in (sk.CategoricalNB(min_categories=3), sk.MultinomialNB()):
        model = fitted(PrunedClassifier(inner, random_state=0), X.astype(float), DIGIT)
        assert_same(model, X[N : N + 100].astype(float), tolerance=1e-9)
    assert_same(model, X[N : N + 100].astype(np.float32), precision="single")


pytest.importorskip("skl2onnx")
pytest.importorskip("onnxruntime")

# skl2onnx knows neither, and neither has a form of its own here.
UNKNOWN = {"features": "NearestCentroid", "columns": "SplineTransformer"}
NAMES = [name for name, _, rows, _ in matrix() if not issparse(rows)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_graphs_answer_as_models(name, dtype, models):
    from sklearn_prune.persistence import to_onnx

    model, rows = models[name]
    rows = np.asarray(rows, dtype=dtype)
    if name in UNKNOWN:
        with pytest.raises(TypeError, match=UNKNOWN[name]) as caught:
            to_onnx(model, rows[:1])
        assert "\n" not in str(caught.value)
        return
    graph = to_onnx(model, rows[:1])
    assert not any("prune" in node.domain.lower() for node in graph.graph.node)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(model.predict(rows))
        labels, *rest = run(graph, rows).values()
        labels = np.asarray(labels).reshape(expected.shape)
        if expected.dtype.kind != "f":
            np.testing.assert_array_equal(labels, expected)
        else:
            relative = 2e-5 if dtype == np.float32 else 1e-7
            np.testing.assert_allclose(labels, expected, rtol=relative, atol=relative)
        if rest and hasattr(model, "predict_proba"):
            probabilities = model.predict_proba(rows)
            if not isinstance(probabilities, list):
                np.testing.assert_allclose(rest[0], probabilities, atol=1e-5)


RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6))
X[::7, 2] = np.nan
y = (np.nan_to_num(X[:, 2]) + X[:, 0] > 0).astype(int) + (X[:, 1] > 1)
OLD = {"": 17, "ai.onnx.ml": 3}


def at_thresholds(model, X):
    """Rows with values at thresholds, and one float to each side, in single precision."""
    rows = X[:60].copy()
    thresholds = {}
    for tree in model.estimators_:
        tree = getattr(tree, "tree_", tree)
        for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
            if feature >= 0:
                thresholds.setdefault(feature, []).append(threshold)
    for feature, values in thresholds.items():
        values = np.resize(values, len(rows)).astype(np.float32)
        rows[:20, feature] = values[:20]
        rows[20:40, feature] = np.nextafter(values[20:40], np.float32(np.inf))
        rows[40:, feature] = np.nextafter(values[40:], np.float32(-np.inf))
    return rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target_opset", [None, OLD])
def test_rows_on_the_thresholds(dtype, target_opset):
    whole = np.nan_to_num(X)
    forest = sk.RandomForestClassifier(10, random_state=0).fit(whole, y)
    rows = at_thresholds(forest, whole)
    model = PrunedClassifier(forest, keep=1.0).fit(whole, y)
    assert_same(model, rows.astype(dtype), target_opset=target_opset)
    assert_same(model, X[:50, :].astype(dtype) * 0 + 1e-42, target_opset=target_opset)


@pytest.mark.parametrize("target_opset", [None, OLD])
@pytest.mark.parametrize(
    "inner",
    [
        sk.RandomForestClassifier(5, random_state=0),
        sk.HistGradientBoostingClassifier(max_iter=5),
        sk.DecisionTreeClassifier(random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_missing_values_go_their_way(inner, target_opset):
    model = PrunedClassifier(inner, keep=0.8, random_state=0).fit(X[:200], y[:200])
    rows = X[200:].copy()
    rows[::3, 0] = np.nan
    for precise in (rows, rows.astype(np.float32)):
        assert_same(model, precise, target_opset=target_opset)


@pytest.mark.parametrize("target_opset", [None, OLD])
def test_sets_of_categories(target_opset):
    rows = X.copy()
    rows[:, 0], rows[:, 1] = np.arange(300) % 11, np.arange(300) % 4
    rows[::9, 1] = np.nan
    target = np.isin(rows[:, 0], [2, 3, 7]) + (rows[:, 1] == 2) + 0.1
    model = sk.HistGradientBoostingRegressor(
        max_iter=5, min_samples_leaf=5, categorical_features=[0, 1]
    )
    model = PrunedRegressor(model, keep=0.9).fit(rows[:200], target[:200])
    assert (model.compact_.trees_.to_arrays().category >= 0).any()
    asked = rows[200:].copy()
    asked[:5, 0] = [np.nan, 10.0, 30.0, 254.0, 5.0]
    assert_same(model, asked, tolerance=1e-12, target_opset=target_opset)


@pytest.mark.parametrize("target_opset", [None, OLD])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_stumps_and_trees_without_a_split(n_classes, target_opset):
    whole, labels = np.nan_to_num(X), y % n_classes
    for inner in (
        sk.GradientBoostingClassifier(n_estimators=4, max_depth=1, random_state=0),
        sk.GradientBoostingClassifier(
            n_estimators=3, max_leaf_nodes=2, min_samples_split=400
        ),
        sk.DecisionTreeClassifier(max_depth=1),
    ):
        model = PrunedClassifier(inner, keep=1.0).fit(whole, labels)
        assert_same(model, whole, tolerance=1e-12, target_opset=target_opset)
    constant = sk.DecisionTreeRegressor().fit(whole, np.full(300, 4.0))
    assert_same(constant, whole, tolerance=0, target_opset=target_opset)


@pytest.mark.parametrize("n_classes", [2, 40])
def test_ties_between_classes_go_as_in_predict(n_classes):
    labels = RNG.integers(n_classes, size=300)
    whole = np.nan_to_num(X)
    for keep in (1.0, 0.5):
        forest = sk.RandomForestClassifier(6, min_samples_leaf=3, random_state=0)
        model = PrunedClassifier(forest, keep=keep, random_state=0).fit(whole, labels)
        assert_same(model, whole + RNG.normal(size=X.shape), tolerance=1e-12)


def test_many_trees_of_many_outputs_are_summed_in_parts():
    labels = RNG.normal(size=(300, 300))
    forest = sk.RandomForestRegressor(9, max_depth=3, random_state=0)
    whole = np.nan_to_num(X)
    assert_same(forest.fit(whole, labels), whole, tolerance=1e-12)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_other_libraries(library, n_classes):
    pytest.importorskip(library)
    if library == "lightgbm":
        from lightgbm import LGBMClassifier

        inner = LGBMClassifier(n_estimators=4, min_child_samples=5, verbose=-1, n_jobs=1)
    else:
        from xgboost import XGBClassifier

        inner = XGBClassifier(n_estimators=4, n_jobs=1)
    labels = y % n_classes
    rows = X.copy()
    rows[::5, 4] = 0.0
    for keep in (0.8, 1.0):
        model = PrunedClassifier(inner, keep=keep, random_state=0)
        model.fit(rows[:200], labels[:200])
        tolerance = 1e-12 if library == "lightgbm" else 1e-6
        assert_same(model, rows[200:], tolerance=tolerance)
        assert_same(model, rows[200:].astype(np.float32))


def test_regressors_of_other_libraries():
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    target = np.exp(np.nan_to_num(X[:, 2]))
    for objective in ("poisson", "regression_l1", "huber"):
        inner = lightgbm.LGBMRegressor(
            n_estimators=4, verbose=-1, n_jobs=1, objective=objective
        )
        model = PrunedRegressor(inner, keep=0.8).fit(X, target)
        assert_same(model, X, tolerance=1e-12)
    model = PrunedRegressor(xgboost.XGBRegressor(n_estimators=4, n_jobs=1), keep=0.8).fit(
        X, target
    )
    assert_same(model, X, tolerance=1e-6)
