"""Steps before a model in ONNX graphs: as many columns, as many digits, or a refusal."""

import warnings

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.pipeline import make_pipeline

from sklearn_prune import PrunedClassifier
from sklearn_prune.persistence import to_onnx
from tests.estimators import sk

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")
TUMOURS, MALIGNANT = load_breast_cancer(return_X_y=True)
TUMOURS = TUMOURS[:, :4]
IRIS = load_iris(return_X_y=True)
SECONDS = 1.6e9 + np.random.default_rng(0).integers(0, 100_000, 600) * 1.0
EVEN = (SECONDS // 60 % 2 == 0).astype(int)


def labels(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, inputs)[0]


@pytest.mark.parametrize(
    "step",
    [
        sk.SimpleImputer(),
        sk.SimpleImputer(strategy="constant", fill_value=0.0),
        sk.SimpleImputer(keep_empty_features=True),
        sk.PolynomialFeatures(3, interaction_only=True),
        make_column_transformer((sk.SimpleImputer(), [0]), (sk.PolynomialFeatures(), [0])),
    ],
    ids=repr,
)
def test_no_digit_of_a_double_is_lost(step):
    X = SECONDS[:, None]
    model = make_pipeline(step, sk.KNeighborsClassifier(1)).fit(X, EVEN)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph = to_onnx(model, X[:1])
    np.testing.assert_array_equal(labels(graph, {"X": X}), model.predict(X))


def test_columns_of_several_kinds_keep_their_digits():
    pandas = pytest.importorskip("pandas")
    texts = np.random.default_rng(1).choice(list("abc"), 600)
    frame = pandas.DataFrame({"text": texts, "time": SECONDS})
    step = make_column_transformer(
        (sk.OneHotEncoder(), ["text"]), (sk.SimpleImputer(), ["time"])
    )
    model = make_pipeline(step, sk.KNeighborsClassifier(1)).fit(frame, EVEN)
    inputs = {"text": frame[["text"]].to_numpy(object), "time": SECONDS[:, None]}
    found = labels(to_onnx(model, frame[:1]), inputs)
    np.testing.assert_array_equal(found, model.predict(frame))


def test_single_precision_is_said():
    X = SECONDS[:, None]
    step = sk.KBinsDiscretizer(
        20, encode="ordinal", quantile_method="averaged_inverted_cdf"
    )
    model = make_pipeline(step, sk.DecisionTreeClassifier()).fit(X, EVEN)
    with pytest.warns(UserWarning, match="'kbinsdiscretizer'.*single precision"):
        to_onnx(model, X[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_onnx(model, X[:1], precision="single")


@pytest.mark.parametrize("empty", [True, False], ids=["empty", "some missing"])
@pytest.mark.parametrize("indicator", [True, False], ids=["marked", "unmarked"])
@pytest.mark.parametrize("keep_empty", [True, False], ids=["kept", "dropped"])
@pytest.mark.parametrize("strategy", ["mean", "most_frequent", "constant"])
def test_imputers_give_as_many_columns(strategy, keep_empty, indicator, empty):
    X = TUMOURS.copy()
    X[::9, 0] = np.nan
    if empty:
        X[:, 1] = np.nan
    fill = 0.0 if strategy == "constant" else None
    imputer = sk.SimpleImputer(
        strategy=strategy,
        fill_value=fill,
        keep_empty_features=keep_empty,
        add_indicator=indicator,
    )
    step = make_column_transformer((imputer, [0, 1]), ("passthrough", [2, 3]))
    for model in (
        sk.DecisionTreeClassifier(max_depth=4, random_state=0),
        PrunedClassifier(sk.LinearSVC(), keep=0.4, random_state=0),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = make_pipeline(step, model).fit(X, MALIGNANT)
            wanted = whole.predict(X)
        np.testing.assert_array_equal(labels(to_onnx(whole, X[:1]), {"X": X}), wanted)


@pytest.mark.parametrize("options", [{}, {"solver": "eigen"}, {"n_components": 1}])
def test_discriminants_as_a_step(options):
    X, y = IRIS
    model = make_pipeline(sk.LinearDiscriminantAnalysis(**options), sk.LogisticRegression())
    found = labels(to_onnx(model.fit(X, y), X[:1]), {"X": X})
    np.testing.assert_array_equal(found, model.predict(X))


def test_weighted_parts_of_a_column_transformer():
    X, y = IRIS
    step = make_column_transformer(
        (sk.PolynomialFeatures(), [1, 3]), (sk.OrdinalEncoder(), [0])
    )
    step.set_params(
        transformer_weights={"polynomialfeatures": 3.0}, remainder="passthrough"
    )
    model = make_pipeline(step, sk.KNeighborsClassifier()).fit(X, y)
    found = labels(to_onnx(model, X[:1]), {"X": X})
    np.testing.assert_array_equal(found, model.predict(X))


@pytest.mark.parametrize(
    "model",
    [
        sk.RadiusNeighborsClassifier(50, algorithm="brute", outlier_label="most_frequent"),
        sk.RadiusNeighborsRegressor(50, algorithm="brute"),
    ],
    ids=lambda model: type(model).__name__,
)
def test_graphs_that_do_not_run_are_refused_by_name(model):
    X, y = load_wine(return_X_y=True)
    with pytest.raises(TypeError, match=type(model).__name__):
        to_onnx(model.fit(X, y), X[:1])


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda X: X[0], {}, "X must be rows"),
        (lambda X: X, {"name": ""}, "name must be a text"),
        (lambda X: X, {"target_opset": "a"}, "target_opset must be"),
        (lambda X: X, {"target_opset": (1,)}, "target_opset must be"),
        (lambda X: None, {"initial_types": 5}, "initial_types must be a list"),
        (lambda X: None, {"initial_types": []}, "initial_types must be a list"),
    ],
)
def test_wrong_arguments(change, options, message):
    X, y = IRIS
    with pytest.raises(ValueError, match=message):
        to_onnx(sk.SVC().fit(X, y), change(X), **options)


def test_no_model_and_no_best_model():
    X, y = IRIS
    for thing in (None, sk.SVC):
        with pytest.raises(TypeError, match="to_onnx writes a fitted estimator"):
            to_onnx(thing, X)
    search = sk.GridSearchCV(sk.SVC(), {"C": [1]}, refit=False).fit(X, y)
    with pytest.raises(TypeError, match=r"Write refit=True\."):
        to_onnx(search, X)


def test_bytes_in_the_other_order_are_doubles():
    X, y = IRIS
    graph = to_onnx(sk.SVC().fit(X, y), X.astype(">f8"))
    np.testing.assert_array_equal(
        labels(graph, {"X": X}), labels(to_onnx(sk.SVC().fit(X, y), X), {"X": X})
    )
