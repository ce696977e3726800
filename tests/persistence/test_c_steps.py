"""Steps of pipelines in C: rows as numpy makes them, bit by bit where numpy fixes them."""

import shutil
import subprocess
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline, make_union

from sklearn_prune import PrunedClassifier, compact
from sklearn_prune.persistence import to_c
from sklearn_prune.persistence.export.c import categories_of, coded
from tests.estimators import sk
from tests.persistence.c_library import GCC, agree, compiled

pytestmark = pytest.mark.skipif(GCC is None, reason="gcc is not installed")
RNG = np.random.default_rng(0)
N = 120
NUMBERS = RNG.normal(size=(N, 4)) * [1.0, 30.0, 0.01, 1e5]
NUMBERS[::17] = 0.0
GAPS = np.where(RNG.random(NUMBERS.shape) < 0.2, np.nan, NUMBERS)
EMPTY = np.where([False, True, False, False], np.nan, GAPS)
MARKED = np.where(np.isnan(EMPTY), -99.0, EMPTY)
CODES = np.stack(
    [
        RNG.integers(0, 5, N) * 1.0,
        RNG.choice([-1.5, 0.1, 2.0, 7.25, 1e300], N),
        RNG.choice([0.0, np.nan, 3.0], N, p=[0.2, 0.3, 0.5]),
    ],
    axis=1,
)
ASKED = {
    "numbers": np.concatenate(
        [NUMBERS, -1e6 * NUMBERS[:9], 1e-300 * NUMBERS[:9], NUMBERS[:9].round()]
    ),
    "positive": np.abs(NUMBERS) + 0.01,
    "gaps": np.concatenate([GAPS, np.full((1, 4), np.nan)]),
    "marked": MARKED,
    "codes": np.where(RNG.random(CODES.shape) < 0.2, [[7.0, 0.3, -1.0]], CODES),
}
FITTED = {
    "numbers": NUMBERS,
    "positive": ASKED["positive"],
    "gaps": EMPTY,
    "marked": MARKED,
    "codes": CODES,
}
IGNORE = {"handle_unknown": "ignore"}
GROUPS = {"max_categories": 3, "handle_unknown": "infrequent_if_exist"}
CODED = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
BINS = {"quantile_method": "linear"}
# Of each step the rows; numpy does not fix the last bits of those behind "near".
STEPS = {
    "standard": (sk.StandardScaler(), "gaps"),
    "standard_mean": (sk.StandardScaler(with_std=False), "numbers"),
    "min_max": (sk.MinMaxScaler((-2, 3)), "gaps"),
    "min_max_clip": (sk.MinMaxScaler(clip=True), "gaps"),
    "robust": (sk.RobustScaler(), "gaps"),
    "max_abs": (sk.MaxAbsScaler(clip=True), "gaps"),
    "l1": (sk.Normalizer("l1"), "numbers"),
    "largest": (sk.Normalizer("max"), "numbers"),
    "binary": (sk.Binarizer(threshold=0.1), "numbers"),
    "mean": (sk.SimpleImputer(), "gaps"),
    "median": (sk.SimpleImputer(strategy="median", add_indicator=True), "gaps"),
    "frequent": (sk.SimpleImputer(strategy="most_frequent"), "gaps"),
    "constant": (
        sk.SimpleImputer(strategy="constant", fill_value=0.1, keep_empty_features=True),
        "gaps",
    ),
    "marked": (sk.SimpleImputer(missing_values=-99.0, add_indicator=True), "marked"),
    "one_hot": (sk.OneHotEncoder(**IGNORE), "codes"),
    "one_hot_single": (sk.OneHotEncoder(dtype=np.float32, drop="first", **IGNORE), "codes"),
    "one_hot_groups": (sk.OneHotEncoder(dtype=np.int16, **GROUPS), "codes"),
    "one_hot_binary": (
        sk.OneHotEncoder(drop="if_binary", sparse_output=False, **IGNORE),
        "codes",
    ),
    "ordinal": (sk.OrdinalEncoder(**CODED), "codes"),
    "ordinal_missing": (sk.OrdinalEncoder(encoded_missing_value=-7.1, **CODED), "codes"),
    "ordinal_groups": (
        sk.OrdinalEncoder(
            max_categories=3, dtype=np.int32, encoded_missing_value=-5, **CODED
        ),
        "codes",
    ),
    "bins": (sk.KBinsDiscretizer(4, encode="ordinal", **BINS), "numbers"),
    "bins_single": (
        sk.KBinsDiscretizer(4, encode="onehot-dense", dtype=np.float32, **BINS),
        "numbers",
    ),
    "bins_sparse": (sk.KBinsDiscretizer(4, encode="onehot", **BINS), "numbers"),
    "products": (sk.PolynomialFeatures(3), "numbers"),
    "interactions": (
        sk.PolynomialFeatures(2, interaction_only=True, include_bias=False),
        "numbers",
    ),
    "ranks": (sk.QuantileTransformer(n_quantiles=20), "gaps"),
    "root": (sk.FunctionTransformer(np.sqrt), "positive"),
    "square": (sk.FunctionTransformer(np.square), "numbers"),
    "isnan": (sk.FunctionTransformer(np.isnan), "gaps"),
    "columns": (
        make_column_transformer(
            (sk.StandardScaler(), [3, 1]),
            ("passthrough", [0]),
            (make_pipeline(sk.SimpleImputer(), sk.PolynomialFeatures()), [2, 0, 1]),
        ),
        "gaps",
    ),
    "selected": (make_column_transformer(("passthrough", [3, 1]), ("drop", [0])), "gaps"),
    "joined": (
        sk.FeatureUnion(
            [("a", sk.StandardScaler()), ("b", sk.MaxAbsScaler())],
            transformer_weights={"a": 0.3},
        ),
        "numbers",
    ),
    "sparse": (
        make_pipeline(
            make_column_transformer(
                (sk.OneHotEncoder(**IGNORE), [0]), remainder="passthrough"
            ),
            sk.StandardScaler(with_mean=False),
            sk.MaxAbsScaler(),
        ),
        "codes",
    ),
    "chain": (
        make_pipeline(
            sk.SimpleImputer(add_indicator=True),
            sk.StandardScaler(),
            sk.PolynomialFeatures(2),
            sk.SelectPercentile(percentile=50),
            sk.MinMaxScaler(),
        ),
        "gaps",
    ),
    "near_l2": (sk.Normalizer(), "numbers"),
    "near_pca": (sk.PCA(3), "numbers"),
    "near_whitened": (sk.PCA(2, whiten=True), "numbers"),
    "near_svd": (sk.TruncatedSVD(2), "numbers"),
    "near_yeo_johnson": (sk.PowerTransformer(), "numbers"),
    "near_box_cox": (sk.PowerTransformer("box-cox"), "positive"),
    "near_tanh": (sk.FunctionTransformer(np.tanh), "numbers"),
}
Y = (NUMBERS[:, 0] > 0).astype(int)


def seen(width):
    """A regressor that gives the rows that it reads."""
    model = sk.LinearRegression().fit(np.eye(width), np.eye(width))
    model.coef_, model.intercept_ = np.eye(width), np.zeros(width)
    if width == 1:
        model.coef_, model.intercept_ = np.ones(1), 0.0
    return model


def pipeline(step, X, y=Y):
    """The fitted step, and a model that gives what it gives."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = clone(step).fit(X, y)
        model = seen(step.transform(X[:2]).shape[1])
        return sk.Pipeline([("step", step), ("model", model)])


@pytest.fixture(
    scope="module", params=["double", pytest.param("float", marks=pytest.mark.slow)]
)
def answers(request, tmp_path_factory):
    """Fitted pipelines, and their C."""
    models = {name: pipeline(step, FITTED[rows]) for name, (step, rows) in STEPS.items()}
    folder = tmp_path_factory.mktemp(request.param)
    return models, compiled(models, folder, precision=request.param)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.filterwarnings("ignore")
def test_rows_are_those_of_numpy(name, answers):
    models, found = answers
    single = found[name].types["input"] == "float"
    with np.errstate(all="ignore"):
        X = ASKED[STEPS[name][1]].astype(np.float32 if single else np.float64)
        X[np.isinf(X)] = 3e38
        wanted = models[name][:-1].transform(X)
        wanted = wanted.toarray() if hasattr(wanted, "toarray") else np.asarray(wanted)
        wanted = wanted.astype(X.dtype)
    got = found[name]("predict", X)
    if not name.startswith("near"):
        np.testing.assert_array_equal(got, wanted)
        return
    size = np.abs(wanted).max(axis=0)
    close = np.abs(got - wanted) <= (1e-5 if single else 1e-13) * (np.abs(wanted) + size)
    assert (close | (np.isnan(got) & np.isnan(wanted)) | (got == wanted)).all()


@pytest.mark.parametrize("name", STEPS)
def test_rows_of_the_artefact_are_replayed(name, answers):
    assert answers[1][name].selftest() == 0


def texts():
    """A frame with texts, gaps and numbers, and one to ask with unknown categories."""
    pandas = pytest.importorskip("pandas")
    columns = {
        "city": RNG.choice(['a"\\', "bb", "\u00fc\n", "d"], N),
        "shape": RNG.choice(["x", "y", None], N),
        "both": RNG.choice(["p", None, np.nan], N),
        "size": GAPS[:, 0],
        "rank": RNG.choice([10.0, 20.0, 50.0], N),
    }
    frame = pandas.DataFrame(
        {name: pandas.Series(own.tolist(), dtype=object) for name, own in columns.items()}
    ).astype({"size": float, "rank": float})
    frame.loc[::9, "city"] = np.nan
    asked = frame.copy()
    asked.loc[::6, "city"] = "other"
    asked.loc[::4, "shape"] = "zz"
    asked.loc[::7, "rank"] = 30.0
    return frame, asked


def models_of_texts(frame):
    fill = sk.SimpleImputer(strategy="constant", fill_value="bb")
    usual = sk.SimpleImputer(strategy="most_frequent")
    steps = {
        "plain": make_column_transformer(
            (sk.OneHotEncoder(**IGNORE), ["city", "shape", "both", "rank"]),
            (make_pipeline(sk.SimpleImputer(), sk.StandardScaler()), ["size"]),
        ),
        "filled": make_column_transformer(
            (make_pipeline(usual, sk.OrdinalEncoder(**CODED)), ["city", "rank"]),
            (make_pipeline(fill, sk.OneHotEncoder(**GROUPS)), ["shape", "city"]),
            remainder="drop",
        ),
        "twice": make_column_transformer(
            (
                sk.OneHotEncoder(categories=[["d", "bb"], ["y", "x"]], **IGNORE),
                ["city", "shape"],
            ),
            (
                sk.OrdinalEncoder(encoded_missing_value=-3, **CODED),
                ["shape", "city", "both"],
            ),
        ),
        "all": make_union(
            make_column_transformer(
                (make_pipeline(usual, sk.OrdinalEncoder(**CODED)), ["city"])
            ),
            make_column_transformer((usual, ["size", "rank"])),
        ),
    }
    return {name: pipeline(step, frame) for name, step in steps.items()}


@pytest.mark.filterwarnings("ignore")
def test_texts_are_read_as_codes(tmp_path):
    frame, asked = texts()
    models = models_of_texts(frame)
    found = compiled(models, tmp_path)
    for name, model in models.items():
        form = compact(model)
        rows = coded(form, asked)
        wanted = np.asarray(form.predict(asked)).reshape(len(asked), -1)
        np.testing.assert_array_equal(found[name]("predict", rows), wanted, err_msg=name)
        columns = {name: asked[name].tolist() for name in asked.columns}
        np.testing.assert_array_equal(coded(form, columns), rows)
        assert found[name].selftest() == 0
    known = categories_of(compact(models["plain"]))
    assert known[0].known == ['a"\\', "bb", "d", "\u00fc\n"]
    source = (tmp_path / "plain.c").read_text()
    assert '"a\\042\\134","bb","d","\\303\\274\\012"' in source
    assert "extern const char *const plain_categories_0[4];" in found["plain"].header


@pytest.mark.filterwarnings("ignore")
def test_models_read_categories(tmp_path):
    frame, asked = texts()
    category = frame[["city", "rank", "size"]].astype({"city": "category"})
    other = asked[["city", "rank", "size"]].astype({"city": category["city"].dtype})
    hist = sk.HistGradientBoostingClassifier(
        max_iter=8, min_samples_leaf=3, categorical_features=[0, 1], random_state=0
    )
    numeric = np.c_[CODES[:, :2], NUMBERS[:, 0]]
    numeric_asked = np.c_[ASKED["codes"][:, :2], NUMBERS[:, 1]]
    target = (CODES[:, 0] % 2 == CODES[:, 1] // 2).astype(int)
    behind = make_pipeline(
        make_column_transformer(
            ("passthrough", [2]),
            (sk.SimpleImputer(), [0]),
            ("passthrough", [1]),
        ),
        sk.HistGradientBoostingClassifier(
            max_iter=8, min_samples_leaf=3, categorical_features=[2], random_state=0
        ),
    )
    models = {
        "hist": (clone(hist).fit(category, target), other),
        "hist_numbers": (clone(hist).fit(numeric, target), numeric_asked),
        "hist_behind": (behind.fit(numeric, target), numeric_asked),
    }
    for name, kind, facts in (
        ("lightgbm", "LGBMClassifier", {"min_child_samples": 3, "verbose": -1}),
        ("xgboost", "XGBClassifier", {"enable_categorical": True}),
    ):
        inner = getattr(pytest.importorskip(name), kind)(n_estimators=8, n_jobs=1, **facts)
        model = PrunedClassifier(inner, keep=1.0).fit(category, target)
        models[name] = (model, other if name == "lightgbm" else category)
    found = compiled({name: model for name, (model, _) in models.items()}, tmp_path)
    for name, (model, X) in models.items():
        agree(found[name], model, X, atol=1e-12 if name != "xgboost" else 1e-6)
    assert "char *const hist_categories_0[4]" in found["hist"].header
    assert "categories_0" not in found["hist_numbers"].header
    assert "char *const lightgbm_categories_0[4]" in found["lightgbm"].header


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("precision", ["double", "float"])
def test_labels_behind_steps(precision, tmp_path):
    steps = make_pipeline(sk.SimpleImputer(), sk.StandardScaler(), sk.SelectKBest(k=3))
    classes = np.array(["no", "yes"])[Y]
    models = {
        "forest": sk.RandomForestClassifier(5, random_state=0),
        "boosting": sk.GradientBoostingClassifier(n_estimators=5, random_state=0),
        "logistic": sk.LogisticRegression(),
        "tree": sk.DecisionTreeClassifier(random_state=0),
    }
    models = {
        name: make_pipeline(clone(steps), model).fit(GAPS, classes)
        for name, model in models.items()
    }
    found = compiled(models, tmp_path, precision=precision)
    rows = ASKED["gaps"].astype(np.float32 if precision == "float" else np.float64)
    for name, model in models.items():
        agree(found[name], model, rows, atol=1e-12 if precision == "double" else 1e-6)
    source = (tmp_path / "forest.c").read_text()
    assert (
        source.count("static void step") == 1
    )  # one loop, and columns where they are read


@pytest.mark.filterwarnings("ignore")
def test_thresholds_and_transformed_targets(tmp_path):
    target = np.exp(NUMBERS[:, 0])
    classes = np.array(["no", "yes"])[Y]
    scaled = make_pipeline(sk.StandardScaler(), sk.LogisticRegression())
    forest = sk.RandomForestClassifier(5, random_state=0)
    models = {
        "scores": (sk.FixedThresholdClassifier(scaled, threshold=0.3), classes),
        "first": (
            sk.FixedThresholdClassifier(
                forest,
                threshold=0.4,
                pos_label="no",
                response_method="predict_proba",
            ),
            classes,
        ),
        "first_score": (
            sk.FixedThresholdClassifier(
                sk.LogisticRegression(),
                threshold=0.4,
                pos_label="no",
                response_method="decision_function",
            ),
            classes,
        ),
        "boosted": (
            sk.FixedThresholdClassifier(
                sk.HistGradientBoostingClassifier(max_iter=5),
                threshold=0.6,
                response_method="predict_proba",
            ),
            classes,
        ),
        "tuned": (sk.TunedThresholdClassifierCV(scaled, cv=2), classes),
        "exponential": (
            sk.TransformedTargetRegressor(
                make_pipeline(sk.StandardScaler(), sk.Ridge()),
                func=np.log,
                inverse_func=np.exp,
            ),
            target,
        ),
        "scaled": (
            sk.TransformedTargetRegressor(
                sk.DecisionTreeRegressor(max_depth=3), transformer=sk.StandardScaler()
            ),
            np.c_[target, NUMBERS[:, 1]],
        ),
        "min_max": (
            sk.TransformedTargetRegressor(sk.Ridge(), transformer=sk.MinMaxScaler()),
            target,
        ),
    }
    models = {name: clone(model).fit(NUMBERS, y) for name, (model, y) in models.items()}
    found = compiled(models, tmp_path)
    for name, model in models.items():
        agree(found[name], model, NUMBERS, atol=1e-12, rtol=1e-12)


def test_stages_share_two_arrays_of_a_type(tmp_path):
    step = make_pipeline(*[sk.PolynomialFeatures(1, include_bias=False)] * 5)
    to_c(pipeline(step, NUMBERS), tmp_path / "model.c")
    source = (tmp_path / "model.c").read_text()
    assert source.count("double doubles_") == 2


@pytest.mark.parametrize(
    ("step", "X", "match"),
    [
        (
            sk.TfidfVectorizer(),
            ["one two", "two"] * 60,
            "'step': TfidfVectorizer.*outside",
        ),
        (sk.KNNImputer(), GAPS, "KNNImputer.*save"),
        (sk.FunctionTransformer(np.spacing), NUMBERS, "Function, of 'spacing'"),
        (
            sk.OrdinalEncoder(dtype=np.float16),
            CODES[:, :2],
            "OrdinalEncoder, with dtype=float16",
        ),
    ],
    ids=["texts", "neighbours", "function", "half"],
)
def test_others_are_refused(step, X, match, tmp_path):
    model = sk.Pipeline([("step", step), ("model", sk.Ridge())]).fit(X, Y)
    with pytest.raises(TypeError, match=match):
        to_c(model, tmp_path / "model.c")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (sk.GaussianProcessClassifier(), "ProcessClassifier.*to_onnx"),
        (sk.KNeighborsClassifier(), "NeighborsClassifier.*to_onnx"),
        (sk.GaussianNB(), "Gaussian.*to_onnx"),
        (sk.VotingClassifier([("a", sk.GaussianNB())]), "SoftVoting|HardVoting"),
        (
            sk.TransformedTargetRegressor(
                sk.Ridge(), transformer=sk.PowerTransformer(standardize=False)
            ),
            "PowerTransformer transforms back",
        ),
    ],
    ids=["kernel", "neighbours", "bayes", "votes", "target"],
)
def test_other_models_are_refused(model, match, tmp_path):
    model = clone(model).fit(NUMBERS, Y)
    with pytest.raises(TypeError, match=match):
        to_c(model, tmp_path / "model.c")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("precision", ["double", "float"])
def test_no_compiler_warns(precision, tmp_path):
    models = {name: pipeline(step, FITTED[rows]) for name, (step, rows) in STEPS.items()}
    compiled(models, tmp_path, flags=("-O3", "-march=native"), precision=precision)
    for compiler, *flags in (
        ("g++", "-x", "c++", "-std=c++17"),
        ("clang", "-std=c99"),
        ("gcc", "-std=c99", "-O2"),
    ):
        if shutil.which(compiler):
            sources = [f"{name}.c" for name in models]
            command = [compiler, *flags, "-Wall", "-Wextra", "-pedantic", "-Werror", "-c"]
            run = subprocess.run(
                [*command, *sources], cwd=tmp_path, capture_output=True, text=True
            )
            assert run.returncode == 0, run.stderr[:2000]
