"""Inputs, outputs, options and refusals of `to_onnx`."""

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from sklearn_prune import PrunedClassifier, PrunedRegressor, predictors
from sklearn_prune.persistence import check_export
from sklearn_prune.weight_pruning import exporters
from tests.persistence.onnx_session import assert_same, run

X, y = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def extra():
    pytest.importorskip("skl2onnx")
    pytest.importorskip("onnxruntime")


def to_onnx(*args, **options):
    from sklearn_prune.persistence import to_onnx

    return to_onnx(*args, **options)


@pytest.fixture
def model():
    return PrunedClassifier(LogisticRegression(max_iter=500), keep=0.8).fit(X, y)


def frame():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(
        {
            "length": X[:, 0],
            "width": X[:, 1].astype(np.float32),
            "count": np.arange(150) % 4,
            "colour": np.array(["red", "green", "blue"])[np.arange(150) % 3],
        }
    )


def columns_of(rows):
    return {
        name: rows[name].to_numpy(object if rows[name].dtype.kind not in "biuf" else None)[
            :, None
        ]
        for name in rows.columns
    }


def test_columns_of_a_frame_are_inputs_by_name():
    rows = frame()
    encode = make_column_transformer(
        (StandardScaler(), ["length", "width"]),
        (OneHotEncoder(handle_unknown="ignore"), ["colour"]),
        ("passthrough", ["count"]),
    )
    for inner in (RandomForestClassifier(5, random_state=0), SVC()):
        model = make_pipeline(encode, PrunedClassifier(inner)).fit(rows, y)
        graph = to_onnx(model, rows[:2])
        assert [part.name for part in graph.graph.input] == list(rows.columns)
        results = run(graph, columns_of(rows))
        np.testing.assert_array_equal(results["label"], model.predict(rows))


def test_numeric_frames_and_features_that_are_left():
    rows = frame()[["length", "width", "count"]]
    model = PrunedClassifier(LogisticRegression(max_iter=500), unit="feature", keep=2).fit(
        rows, y
    )
    graph = to_onnx(model, rows[:2])
    results = run(graph, columns_of(rows))
    np.testing.assert_array_equal(results["label"], model.predict(rows))
    np.testing.assert_allclose(results["probabilities"], model.predict_proba(rows))
    with pytest.raises(ValueError, match="columns of fit"):
        to_onnx(model, rows[["width", "length", "count"]])


def test_categories_of_hist_boosting_by_their_texts():
    rows = frame()
    rows["colour"] = rows["colour"].astype("category")
    inner = HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype")
    model = PrunedClassifier(inner, keep=0.9).fit(rows, (y + np.arange(150)) % 3)
    graph = to_onnx(model, rows[:2])
    results = run(graph, columns_of(rows.assign(colour=rows["colour"].astype(object))))
    np.testing.assert_array_equal(results["label"], model.predict(rows))
    np.testing.assert_allclose(results["probabilities"], model.predict_proba(rows))


def test_polars_frames():
    polars = pytest.importorskip("polars")
    rows = polars.DataFrame({name: X[:, n] for n, name in enumerate("abcd")})
    model = PrunedClassifier(LogisticRegression(max_iter=500)).fit(rows, y)
    graph = to_onnx(model, rows)
    results = run(graph, {name: X[:, [n]] for n, name in enumerate("abcd")})
    np.testing.assert_array_equal(results["label"], model.predict(rows))


def test_ints_and_lists_as_rows():
    whole = (10 * X).astype(int)
    model = PrunedClassifier(RandomForestClassifier(5, random_state=0)).fit(whole, y)
    for rows in (whole, whole.astype(np.int32), whole.tolist()):
        results = run(to_onnx(model, rows), whole)
        np.testing.assert_array_equal(results["label"], model.predict(whole))


def test_initial_types_in_place_of_rows(model):
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    graph = to_onnx(model, initial_types=[("rows", FloatTensorType([None, 4]))])
    results = run(graph, {"rows": X.astype(np.float32)})
    assert results["probabilities"].dtype == np.float32
    graph = to_onnx(model, initial_types=[("rows", DoubleTensorType([None, 4]))])
    results = run(graph, {"rows": X})
    np.testing.assert_allclose(results["probabilities"], model.predict_proba(X))


def test_missing_values_are_imputed():
    rows = X.copy()
    rows[::4, 1] = np.nan
    model = make_pipeline(SimpleImputer(strategy="median"), PrunedClassifier(SVC()))
    model.fit(rows, y)
    assert_same(model, rows)
    assert_same(model, rows.astype(np.float32))


def test_dictionaries_of_probabilities(model):
    for labels in (y, np.array(["a", "b", "c"])[y]):
        model.fit(X, labels)
        found = run(to_onnx(model, X[:1], zipmap=True), X[:3])["probabilities"]
        wanted = model.predict_proba(X[:3])
        for own, row in zip(found, wanted, strict=True):
            assert list(own) == model.classes_.tolist()
            np.testing.assert_allclose(list(own.values()), row, rtol=1e-6)


def test_raw_scores(model):
    graph = to_onnx(model, X[:1], raw_scores=True)
    np.testing.assert_allclose(run(graph, X)["scores"], model.decision_function(X))
    forest = PrunedClassifier(RandomForestClassifier(5)).fit(X, y).compact_
    if not hasattr(forest, "decision_function"):
        with pytest.raises(ValueError, match="decision_function"):
            to_onnx(forest, X[:1], raw_scores=True)


@pytest.mark.parametrize(
    "inner",
    [LogisticRegression(max_iter=500), SVC(), RandomForestClassifier(9, random_state=0)],
    ids=lambda model: type(model).__name__,
)
def test_single_precision_holds_no_doubles(inner):
    from onnx import TensorProto

    model = PrunedClassifier(inner, random_state=0).fit(X, y)
    rows = X.astype(np.float32)
    # Sums of kernels with coefficients up to 13 are rounded more.
    tolerance = 1e-4 if isinstance(inner, SVC) else 1e-5
    graph = assert_same(model, rows, precision="single", tolerance=tolerance)
    assert graph.ByteSize() <= to_onnx(model, rows[:1]).ByteSize()
    assert all(part.data_type != TensorProto.DOUBLE for part in graph.graph.initializer)
    assert not any(
        attribute.i == TensorProto.DOUBLE
        for node in graph.graph.node
        if node.op_type == "Cast"
        for attribute in node.attribute
    )


@pytest.mark.parametrize("target_opset", [15, 17, 20, {"": 18, "ai.onnx.ml": 5}])
def test_older_operators(model, target_opset):
    forest = PrunedClassifier(RandomForestClassifier(5, random_state=0)).fit(X, y)
    apart = X + np.random.default_rng(0).normal(scale=1e-4, size=X.shape)
    neighbours = PrunedClassifier(KNeighborsClassifier()).fit(apart, y)
    platt = PrunedClassifier(SVC(probability=True, random_state=0))
    with warnings.catch_warnings(action="ignore"):
        platt.fit(X, y)
    for each in (model, forest, neighbours, platt):
        graph = assert_same(each, X, target_opset=target_opset)
        versions = {part.domain: part.version for part in graph.opset_import}
        wanted = target_opset if isinstance(target_opset, int) else target_opset[""]
        assert versions[""] == wanted


def test_the_model_is_not_changed(model):
    import pickle

    before = pickle.dumps(model)
    to_onnx(model, X[:1])
    assert pickle.dumps(model) == before


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "Got neither"),
        ({"X": X, "initial_types": []}, "Got both"),
        ({"X": X, "precision": "half"}, "precision"),
        ({"X": X, "target_opset": 9}, "target_opset"),
        ({"X": X, "target_opset": {"com.example": 1}}, "target_opset"),
        ({"X": X[:, :3]}, "4 columns"),
        ({"initial_types": [("X", "float")]}, "initial_types"),
    ],
)
def test_arguments_that_are_refused(model, options, match):
    with pytest.raises(ValueError, match=match) as error:
        to_onnx(model, **options)
    assert "\n" not in str(error.value)


def test_names_of_columns():
    """Those that the graph gives to its own parts are free, those of outputs are not."""
    pandas = pytest.importorskip("pandas")
    model = LogisticRegression(max_iter=500)
    frame = pandas.DataFrame(X, columns=["constant_1", "matmul_2", "found_1", "inside_1"])
    graph = to_onnx(model.fit(frame, y), frame[:1])
    found = run(graph, columns_of(frame))["label"]
    np.testing.assert_array_equal(found, model.predict(frame))
    for names, message in (("label", "name of an output"), ("found_1", "name of its own")):
        other = frame.set_axis([names, *frame.columns[1:]], axis=1)
        model.fit(other if names == "label" else X, y)
        with pytest.raises(ValueError, match=message):
            to_onnx(model, other[:1])


@pytest.mark.parametrize("steps", [[], ["passthrough"], [None], [make_pipeline(None)]])
def test_pipelines_without_a_transformer(steps):
    for last in (LogisticRegression(max_iter=500), RandomForestClassifier(3)):
        model = make_pipeline(*steps, last).fit(X, y)
        assert check_export(model, to_onnx(model, X[:1]), X).n_rows > len(X) + 64


def test_dicts_and_one_text_are_refused():
    dicts = [{"a": str(n % 3)} for n in range(9)]
    model = make_pipeline(DictVectorizer(), LogisticRegression()).fit(dicts, [0, 1, 1] * 3)
    with pytest.raises(TypeError, match="Got dicts, for DictVectorizer"):
        to_onnx(model, dicts[:1])
    model = make_pipeline(CountVectorizer(), LogisticRegression())
    model.fit(["one", "two"], [0, 1])
    with pytest.raises(ValueError, match=r"to_onnx\(model, \[text\]\)"):
        to_onnx(model, "one")


def test_models_that_are_refused():
    with pytest.raises(NotFittedError):
        to_onnx(PrunedClassifier(SVC()), X[:1])
    for other in (StandardScaler(), IsolationForest(n_estimators=2), KMeans(2)):
        with pytest.raises(TypeError, match=type(other).__name__):
            to_onnx(other.fit(X), X[:1])
    metric = KNeighborsClassifier(metric="canberra")
    with pytest.raises(TypeError, match="canberra"):
        to_onnx(PrunedClassifier(metric).fit(X, y), X[:1])
    own = make_pipeline(FunctionTransformer(np.cbrt), PrunedRegressor(Ridge())).fit(X, y)
    with pytest.raises(TypeError, match="step 'functiontransformer'") as error:
        to_onnx(own, X[:1])
    assert "\n" not in str(error.value)


def test_no_graph_without_the_extra(model, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match="sklearn-prune\\[onnx\\]"):
        to_onnx(model, X[:1])


def test_every_compact_form_is_written():
    known = exporters("onnx")
    for name in predictors.__all__:
        found = getattr(predictors, name)
        if hasattr(found, "predict"):  # not Compact itself
            assert any(base.__name__ in known for base in found.__mro__), found


def test_scores_by_skl2onnx_are_not_trusted():
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import AdaBoostClassifier

    inner = AdaBoostClassifier(n_estimators=2)
    model = PrunedClassifier(CalibratedClassifierCV(inner), keep=1.0).fit(X, y)
    with pytest.raises(TypeError, match="decision_function of AdaBoostClassifier"):
        to_onnx(model, X[:1])
    with pytest.raises(ValueError, match="raw_scores"):
        to_onnx(inner.fit(X, y), X[:1], raw_scores=True)
