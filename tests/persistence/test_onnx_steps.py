"""Steps before a model in ONNX graphs: as many columns, as many digits, or a refusal."""

import warnings

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.pipeline import make_pipeline

from sklearn_prune import PrunedClassifier
from sklearn_prune.persistence import check_export, to_onnx
from sklearn_prune.persistence.export import tied, witness_rows
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
        sk.KNNImputer(),
        sk.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
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
    model = sk.AdaBoostClassifier(n_estimators=2).fit(X, EVEN)
    with pytest.warns(UserWarning, match="AdaBoostClassifier.*single precision"):
        graph = to_onnx(model, X[:1])
    assert graph.metadata_props[0].key == "computes in single precision"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_onnx(model, X[:1], precision="single")


MISSING = np.where(np.random.default_rng(1).random(TUMOURS.shape) < 0.2, np.nan, TUMOURS)
SIGNS = TUMOURS - TUMOURS.mean(0) - 2.0
FAR = np.concatenate([SIGNS, -np.abs(SIGNS), 1e3 * SIGNS, 0 * SIGNS[:2], np.round(SIGNS)])
EMPTY = np.where([True, True, True, False], MISSING, np.nan)


@pytest.mark.parametrize(
    ("step", "X", "asked"),
    [
        *((sk.Normalizer(norm=norm), SIGNS, FAR) for norm in ("max", "l1", "l2")),
        (sk.Binarizer(threshold=-1.5), SIGNS, FAR),
        *(
            (
                sk.KBinsDiscretizer(
                    4, encode=encode, strategy=strategy, quantile_method="linear"
                ),
                SIGNS,
                FAR,
            )
            for encode in ("onehot", "ordinal")
            for strategy in ("uniform", "quantile")
        ),
        (sk.PowerTransformer(), SIGNS, FAR[: 2 * len(SIGNS)]),
        (sk.PowerTransformer("box-cox", standardize=False), TUMOURS, 9 * TUMOURS),
        (sk.QuantileTransformer(n_quantiles=9), SIGNS, FAR),
        (sk.MinMaxScaler((-2, 3), clip=True), SIGNS, FAR),
        (sk.KNNImputer(), MISSING, MISSING[::-1] * 1.1),
        (
            sk.KNNImputer(n_neighbors=3, add_indicator=True),
            MISSING,
            EMPTY,
        ),
        (sk.KNNImputer(keep_empty_features=True), EMPTY, MISSING),
        (sk.SimpleImputer(add_indicator=True, strategy="median"), MISSING, EMPTY),
        (sk.FeatureUnion([("a", sk.PCA(2)), ("b", sk.Normalizer(norm="max"))]), SIGNS, FAR),
        (sk.RFE(sk.LinearSVC(), n_features_to_select=2), SIGNS, FAR),
        (sk.KernelPCA(2, kernel="rbf"), SIGNS, SIGNS),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_steps_on_rows_of_every_sign_and_size(step, X, asked, dtype):
    model = (
        sk.DecisionTreeClassifier(max_depth=4) if dtype is np.float64 else sk.GaussianNB()
    )
    model = make_pipeline(step, sk.FunctionTransformer(accept_sparse=True), model)
    if type(step) is sk.KBinsDiscretizer and step.encode == "onehot":
        step.set_params(encode="onehot-dense")
    if type(step) is sk.KNNImputer and dtype is np.float32:
        pytest.skip("its distances in single precision are rounding")
    rows = X.astype(dtype)
    model.fit(rows, MALIGNANT)
    graph = to_onnx(model, rows[:1])
    asked = asked.astype(dtype)
    clear = ~tied(model, asked)  # which of equally far neighbours count is not promised
    found, wanted = labels(graph, {"X": asked}), model.predict(asked)
    np.testing.assert_array_equal(found[clear], wanted[clear])
    assert check_export(model, graph, asked).n_rows >= 64 + len(asked)
    kinds = [np.dtype(dtype)] * 4
    made = witness_rows(model[0].transform, model[0], kinds, documents=False)
    assert sum(len(rows) for rows, _ in made) >= 64


N_ROWS = 240
KINDS = np.random.default_rng(2).choice([*"abcde", "rare"], (N_ROWS, 2))
KINDS = KINDS.astype(object)
TARGETS = (KINDS[:, 0] < "c").astype(int) + (KINDS[:, 1] == "a")
GAPS = KINDS.copy()
GAPS[::7, 0], GAPS[::5, 1], GAPS[::11, 1] = np.nan, None, "rare"
OTHERS = GAPS[::-1].copy()
OTHERS[::4, 0] = "unknown"
IGNORE = {"handle_unknown": "ignore"}
CODED = {"handle_unknown": "use_encoded_value", "unknown_value": -1}


@pytest.mark.parametrize("X", [KINDS, GAPS], ids=["all there", "some missing"])
@pytest.mark.parametrize(
    "step",
    [
        sk.OneHotEncoder(**IGNORE),
        sk.OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=45),
        sk.OneHotEncoder(handle_unknown="infrequent_if_exist"),
        sk.OneHotEncoder(drop="first", max_categories=4, **IGNORE),
        sk.OneHotEncoder(handle_unknown="warn", min_frequency=45, sparse_output=False),
        sk.OrdinalEncoder(**CODED, encoded_missing_value=-2),
        sk.OrdinalEncoder(**CODED, encoded_missing_value=-2, min_frequency=45),
        sk.TargetEncoder(),
        sk.TargetEncoder(target_type="binary"),
        make_pipeline(
            sk.SimpleImputer(strategy="most_frequent"), sk.OneHotEncoder(**IGNORE)
        ),
        make_pipeline(
            sk.SimpleImputer(strategy="constant", fill_value="?"),
            sk.OneHotEncoder(**IGNORE),
        ),
        make_pipeline(
            sk.SimpleImputer(strategy="most_frequent", add_indicator=True),
            sk.OneHotEncoder(**IGNORE),
        ),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_categories_known_unknown_and_missing(step, X):
    y = TARGETS > 0 if getattr(step, "target_type", "") == "binary" else TARGETS
    model = make_pipeline(step, sk.LogisticRegression()).fit(X, y)
    graph = to_onnx(model, OTHERS[:1])
    texts = np.array([[str(each) for each in row] for row in OTHERS], dtype=object)
    np.testing.assert_array_equal(labels(graph, {"X": texts}), model.predict(OTHERS))
    assert check_export(model, graph, OTHERS).n_rows >= 64 + len(OTHERS)


@pytest.mark.parametrize("values", [[1, 2, 5, 9], [0.5, 1.5, np.nan], [True, False]])
def test_categories_that_are_numbers(values):
    X = np.resize(np.array(values), (N_ROWS, 1))
    model = make_pipeline(sk.OneHotEncoder(**IGNORE), sk.LogisticRegression())
    model.fit(X, TARGETS)
    asked = X if X.dtype == bool else np.concatenate([X, X + 1, X * 0])
    found = labels(to_onnx(model, X[:1]), {"X": asked})
    np.testing.assert_array_equal(found, model.predict(asked))


def test_unknown_categories_stay_an_error_and_texts_for_missing_ones_are_free():
    model = make_pipeline(sk.OrdinalEncoder(), sk.LogisticRegression()).fit(KINDS, TARGETS)
    graph = to_onnx(model, KINDS[:1])
    with pytest.raises(Exception, match="out of data bounds"):
        labels(graph, {"X": np.array([["unknown", "a"]], dtype=object)})
    both = GAPS.copy()
    both[0, 0] = "nan"
    model = make_pipeline(sk.OneHotEncoder(), sk.LogisticRegression()).fit(both, TARGETS)
    with pytest.raises(TypeError, match="'nan' stands for a missing value.*onehotencoder"):
        to_onnx(model, KINDS[:1])


def test_types_come_from_the_encoder_where_the_example_is_missing():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": GAPS[:, 0], "b": KINDS[:, 1], "n": np.arange(240.0)})
    step = make_column_transformer(
        (sk.OneHotEncoder(**IGNORE), ["a"]), (sk.StandardScaler(), ["n"])
    )
    model = make_pipeline(step, sk.LogisticRegression()).fit(frame, TARGETS)
    for rows in (frame[:1], frame[:1].assign(a=None), frame[:1].astype({"a": "category"})):
        graph = to_onnx(model, rows)
        kinds = [part.type.tensor_type.elem_type for part in graph.graph.input]
        assert kinds == [8, 8, 11]  # two texts and a double
        assert check_export(model, graph, frame).equal


@pytest.mark.parametrize("indicator", [True, False])
def test_texts_with_missing_values_of_pandas(indicator):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(GAPS, columns=["a", "b"]).astype("string")
    impute = sk.SimpleImputer(
        missing_values=pandas.NA, strategy="most_frequent", add_indicator=indicator
    )
    model = make_pipeline(impute, sk.OneHotEncoder(**IGNORE), sk.LogisticRegression())
    graph = to_onnx(model.fit(frame, TARGETS), frame[:1])
    texts = frame.astype(str)  # "<NA>" where a text is missing
    inputs = {name: texts[name].to_numpy(object)[:, None] for name in texts}
    np.testing.assert_array_equal(labels(graph, inputs), model.predict(frame))


CUBES = sk.FunctionTransformer(np.cbrt)
SPLINES = make_pipeline(
    sk.StandardScaler(), sk.FeatureUnion([("s", sk.SplineTransformer())])
)


@pytest.mark.parametrize(
    ("step", "names"),
    [
        (make_column_transformer((CUBES, [0])), "columntransformer__functiontransformer"),
        (
            make_column_transformer((SPLINES, [1])),
            "columntransformer__pipeline__featureunion__s'.*SplineTransformer",
        ),
    ],
)
def test_the_transformer_inside_is_named(step, names):
    model = make_pipeline(step, sk.LogisticRegression()).fit(TUMOURS, MALIGNANT)
    with pytest.raises(TypeError, match=names):
        to_onnx(model, TUMOURS[:1])


def test_the_reason_of_onnxruntime_is_given(monkeypatch):
    """A converter that asks for a locale that no machine has."""

    from sklearn_prune.persistence.export.onnx import steps

    def changed(step, rows):
        graph, lower = rows.first.graph, {"case_change_action": "LOWER"}
        texts = graph.node("Cast", [rows.first], dtype=object, to=8).ravel()
        return steps.Rows(
            [graph.node("StringNormalizer", [texts], locale="xx_YY", **lower)]
        )

    monkeypatch.setattr(steps, "_writer_of", lambda step, rows: changed)
    model = make_pipeline(sk.StandardScaler(), sk.LogisticRegression())
    model.fit(TUMOURS, MALIGNANT)
    with pytest.raises(TypeError, match="'standardscaler'.*locale with name:xx_YY"):
        to_onnx(model, TUMOURS[:1])


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
