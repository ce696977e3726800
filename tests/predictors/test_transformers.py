"""Fitted transformers in numpy, against scikit-learn's own `transform`."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import (
    CountVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import RadiusNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)

from sklearn_prune import PrunedClassifier, SampleSubsetTransformer
from sklearn_prune.models.readers import fitted_step
from sklearn_prune.predictors import CompactTransformer
from sklearn_prune.predictors.frames import CSR
from sklearn_prune.predictors.transformers import transformer_of
from sklearn_prune.weight_pruning import fitted_form

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

rng = np.random.default_rng(0)
X = np.round(rng.normal(size=(60, 4)) * [1, 10, 0.1, 3], 3)
X[:, 3] = np.abs(X[:, 3])
X[5] = 0
Y = rng.integers(0, 2, 60)
HOLES = np.where(rng.random(X.shape) < 0.2, np.nan, X)
NAMES = list("abcd")


def as_frame(library, rows):
    return library.DataFrame({name: rows[:, at] for at, name in enumerate(NAMES)})


CONTAINERS = {
    "array": lambda rows: rows,
    "single": lambda rows: rows.astype(np.float32),
    "half": lambda rows: rows.astype(np.float16),
    "fortran": np.asfortranarray,
    "one row": lambda rows: rows[:1],
    "list": lambda rows: rows.tolist(),
    "objects": lambda rows: rows.astype(object),
    "pandas": lambda rows: as_frame(pd, rows),
    "pandas single": lambda rows: as_frame(pd, rows.astype(np.float32)),
    "polars": lambda rows: as_frame(pl, rows),
    "polars single": lambda rows: as_frame(pl, rows.astype(np.float32)),
    "integers": lambda rows: np.nan_to_num(rows).astype(int),
}
SPARSE = {"csr": sparse.csr_matrix, "csc": sparse.csc_array}


def outcome(call, *args):
    """What a call gives or raises, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = call(*args)
        except Exception as error:
            found = error
    return found, {str(each.message).partition(", but")[0] for each in caught}


def same(found, expected):
    if isinstance(expected, Exception):
        assert isinstance(found, type(expected)), (found, expected)
        return
    assert not isinstance(found, Exception), found
    assert sparse.issparse(found) == sparse.issparse(expected)
    if sparse.issparse(expected):
        found, expected = found.toarray(), expected.toarray()
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if expected.dtype.kind in "OU":
        for one, other in zip(found.flat, expected.flat, strict=True):
            assert type(one) is type(other)
            assert one == other or (one != one and other != other)
    else:
        np.testing.assert_array_equal(found, expected)


# Errors of scikit-learn and scipy where our form has an answer: sparse float16, texts
# among numbers, pd.NA in sparse matrices, and functions of objects.
FAULTS = (
    *("not support dtype", "'isnan' not supported", "unseen labels", "NA is ambiguous"),
    "no callable",
)


def check(fitted, rows):
    ours, reason = transformer_of(fitted)
    assert reason is None
    expected, their_warnings = outcome(fitted.transform, rows)
    unchecked = hasattr(fitted, "get_support") and "Input" in str(expected)
    if isinstance(expected, Exception) and (
        unchecked or any(word in str(expected) for word in FAULTS)
    ):
        return expected
    found, our_warnings = outcome(ours.transform, rows)
    same(found, expected)
    if not isinstance(expected, Exception) and not isinstance(fitted, FunctionTransformer):
        assert our_warnings == their_warnings  # that one leaves names to the next step
    names, _ = outcome(lambda: ours.get_feature_names_out())
    same(names, outcome(lambda: fitted.get_feature_names_out())[0])
    if not hasattr(fitted, "get_support"):
        assert ours.__sklearn_tags__().input_tags == fitted.__sklearn_tags__().input_tags
    return expected


NUMERIC = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    StandardScaler(with_mean=False, with_std=False),
    MinMaxScaler(),
    MinMaxScaler((-1, 3), clip=True),
    MaxAbsScaler(),
    MaxAbsScaler(clip=True),
    RobustScaler(),
    RobustScaler(with_centering=False),
    RobustScaler(with_scaling=False, quantile_range=(10, 60)),
    Normalizer(),
    Normalizer("l1"),
    Normalizer("max"),
    Binarizer(),
    Binarizer(threshold=0.3),
    PCA(),
    PCA(2, whiten=True),
    PCA(2, svd_solver="arpack", random_state=0),
    TruncatedSVD(2, random_state=0),
    PolynomialFeatures(),
    PolynomialFeatures(3, interaction_only=True, include_bias=False),
    PolynomialFeatures((2, 3), order="F"),
    PolynomialFeatures((0, 0)),
    KBinsDiscretizer(3, encode="ordinal"),
    KBinsDiscretizer(3, encode="onehot"),
    KBinsDiscretizer([2, 3, 4, 5], encode="onehot-dense", strategy="uniform"),
    KBinsDiscretizer(3, encode="onehot-dense", dtype=np.float32),
    SimpleImputer(),
    SimpleImputer(strategy="median", add_indicator=True),
    SimpleImputer(strategy="most_frequent"),
    SimpleImputer(strategy="constant", fill_value=-1),
    SimpleImputer(strategy=np.max),
    SimpleImputer(missing_values=0, strategy="median"),
    SimpleImputer(missing_values=pd.NA, add_indicator=True),
    PowerTransformer(),
    PowerTransformer(standardize=False),
    QuantileTransformer(n_quantiles=20),
    FunctionTransformer(),
    FunctionTransformer(np.exp, np.log),
    VarianceThreshold(0.1),
    SelectKBest(k=2),
    FeatureUnion([("s", StandardScaler()), ("gone", "drop"), ("p", PCA(2))]),
    FeatureUnion(
        [("n", Normalizer()), ("same", "passthrough"), ("b", KBinsDiscretizer(3))],
        transformer_weights={"n": 2.5, "b": 0.5},
        verbose_feature_names_out=False,
    ),
    make_pipeline(SimpleImputer(), StandardScaler(), PolynomialFeatures(), PCA(3)),
    Pipeline([("none", "passthrough"), ("b", KBinsDiscretizer(3)), ("m", MaxAbsScaler())]),
    make_pipeline(KBinsDiscretizer(3), TruncatedSVD(2, random_state=0)),
    make_pipeline(KBinsDiscretizer(3), Normalizer(), PolynomialFeatures()),
]


def labelled(estimators):
    return [
        pytest.param(each, id=f"{at}-{type(each).__name__}")
        for at, each in enumerate(estimators)
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("transformer", labelled(NUMERIC))
def test_numbers(transformer):
    n_right = 0
    for fit in (lambda rows: rows, lambda rows: as_frame(pd, rows)):
        fitted = transformer.fit(fit(X), Y)
        for make in CONTAINERS.values():
            for rows in (X, HOLES):
                found = check(fitted, make(rows[:20]))
                n_right += not isinstance(found, Exception)
    fitted = transformer.fit(X, Y)
    for make in SPARSE.values():
        check(fitted, make(X[:20]))
    for rows in (X[:, :3], X[0], X[:0], np.where(X > 2, np.inf, X), np.full((2, 4), "a")):
        check(fitted, rows)
    assert n_right > 15


TEXTS = np.array(["x", "y", "z", "rare", "other"], dtype=object)
CITIES = pd.DataFrame(
    {
        "city": pd.Series(
            TEXTS[rng.choice(5, 60, p=[0.4, 0.3, 0.2, 0.05, 0.05])], dtype=object
        ),
        "size": rng.integers(0, 3, 60),
        "rate": np.where(rng.random(60) < 0.2, np.nan, rng.integers(0, 4, 60) / 2),
    }
)
CITIES.loc[7, "city"] = None
OTHER = pd.DataFrame(
    {"city": ["x", "new", None], "size": [0, 9, 1], "rate": [7.5, np.nan, 0.5]}
)
ENCODERS = [
    OneHotEncoder(),
    OneHotEncoder(sparse_output=False, dtype=np.int8),
    OneHotEncoder(handle_unknown="ignore", dtype=np.float32),
    OneHotEncoder(handle_unknown="ignore", drop="first", sparse_output=False),
    OneHotEncoder(drop="if_binary", handle_unknown="infrequent_if_exist", min_frequency=5),
    OneHotEncoder(drop=["x", 1, 0.5], handle_unknown="warn", max_categories=4),
    OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=0.3, drop="first"),
    OneHotEncoder(handle_unknown="ignore", max_categories=2, sparse_output=False),
    OneHotEncoder(handle_unknown="warn"),
    OrdinalEncoder(),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, min_frequency=6
    ),
    OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=-5,
        encoded_missing_value=-2,
        dtype=np.int32,
        max_categories=3,
    ),
]


def table_of(frame):
    return frame.to_numpy(dtype=object)


TABLES = {
    "pandas": lambda frame: frame,
    "pandas text": lambda frame: frame.astype({"city": "str"}),
    "pandas category": lambda frame: frame.astype({"city": "category"}),
    "objects": table_of,
    "list": lambda frame: table_of(frame).tolist(),
    "polars": lambda frame: pl.DataFrame(
        {
            name: [
                None if own is None or own != own else own for own in frame[name].tolist()
            ]
            for name in frame
        }
    ),
    "codes": lambda frame: frame[["size", "size", "rate"]].to_numpy(),
    "integers": lambda frame: frame[["size"] * 3].to_numpy(),
    "single": lambda frame: frame[["rate", "size", "rate"]].to_numpy(np.float32),
    "texts": lambda frame: frame.to_numpy().astype(str),
}


@pytest.mark.parametrize("encoder", labelled(ENCODERS))
def test_categories(encoder):
    n_right = 0
    for kind, make in TABLES.items():
        try:
            fitted = encoder.fit(make(CITIES))
        except Exception:  # drop=["x", ...] of a column of numbers
            continue
        for rows in (make(CITIES), make(CITIES[:3]), make(OTHER), make(OTHER[1:])):
            n_right += not isinstance(check(fitted, rows), Exception)
        if kind in ("pandas", "objects"):
            for other in TABLES.values():
                check(fitted, other(CITIES))
        check(fitted, make(CITIES)[:0] if kind != "list" else [])
    assert n_right > 5


IMPUTERS = [
    SimpleImputer(strategy="most_frequent", missing_values=None, add_indicator=True),
    SimpleImputer(strategy="constant", fill_value="gone"),
    SimpleImputer(strategy="most_frequent", missing_values="x"),
    SimpleImputer(strategy="most_frequent", missing_values=pd.NA),
    SimpleImputer(strategy="constant", missing_values=np.nan, keep_empty_features=True),
]


@pytest.mark.parametrize("imputer", labelled(IMPUTERS))
def test_missing_texts(imputer):
    n_right = 0
    for kind in ("pandas", "pandas text", "objects", "list", "polars"):
        for columns in (["city"], ["city", "size"]):
            rows = TABLES[kind](CITIES)
            rows = TABLES[kind](CITIES[columns]) if kind != "polars" else rows[columns]
            try:
                fitted = imputer.fit(rows)
            except Exception:
                continue
            n_right += not isinstance(check(fitted, rows), Exception)
    assert n_right > 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("standardize", [False, True])
def test_powers_of_positive_numbers(standardize):
    rows = np.abs(X) + 0.1
    fitted = PowerTransformer("box-cox", standardize=standardize).fit(rows)
    fitted.lambdas_[1] = 0
    for make in CONTAINERS.values():
        check(fitted, make(rows))
    check(fitted, X)
    form, _ = transformer_of(fitted)
    same(fitted_step(form).transform(rows), fitted.transform(rows))


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("indicator", [False, True])
def test_empty_columns(keep, indicator):
    rows = HOLES.copy()
    rows[:, 1] = np.nan
    for strategy in ("mean", "constant"):
        imputer = SimpleImputer(
            strategy=strategy, keep_empty_features=keep, add_indicator=indicator
        )
        check(imputer.fit(rows), HOLES)
        check(imputer.fit(as_frame(pd, rows)), as_frame(pd, HOLES))
        if strategy == "mean":
            check(imputer.fit(sparse.csc_matrix(rows)), sparse.csr_matrix(HOLES))


DOCUMENTS = [
    "The quick brown fox, don't panic",
    "quick QUICK fox; a b c",
    "naïve CAFÉ Straße fox 日本 語",
    "",
    "  the  \t\n the of and 12 x_y fox's",
]
VECTORIZERS = [
    {},
    {"ngram_range": (1, 3), "stop_words": "english"},
    {"ngram_range": (2, 2), "stop_words": ["fox", "the"], "lowercase": False},
    {"analyzer": "char", "ngram_range": (1, 3), "strip_accents": "ascii"},
    {"analyzer": "char_wb", "ngram_range": (2, 6), "strip_accents": "unicode"},
    {"binary": True, "token_pattern": r"(?u)\b(\w)\w*\b", "max_features": 5},
    {"vocabulary": {"fox": 1, "quick": 0}, "dtype": np.float32},
    {"min_df": 2},
]


@pytest.mark.parametrize("settings", VECTORIZERS)
def test_texts(settings):
    weights = [{}, {"norm": "l1", "sublinear_tf": True}, {"norm": None, "use_idf": False}]
    for fitted in (
        CountVectorizer(**settings),
        *(TfidfVectorizer(**{"dtype": np.float32} | settings | more) for more in weights),
        *(
            make_pipeline(CountVectorizer(**settings), TfidfTransformer(**more))
            for more in weights
        ),
    ):
        fitted.fit(DOCUMENTS)
        for rows in (
            DOCUMENTS,
            np.array(DOCUMENTS),
            pd.Series(DOCUMENTS),
            pl.Series(DOCUMENTS),
            [text.encode() for text in DOCUMENTS],
            ["nothing known"],
            "one text",
            [None],
        ):
            check_texts(fitted, rows)


def check_texts(fitted, rows):
    ours, reason = transformer_of(fitted)
    assert reason is None
    expected, _ = outcome(fitted.transform, rows)
    if isinstance(expected, AttributeError | TypeError):  # None has no `lower`
        expected = ValueError()
    same(outcome(ours.transform, rows)[0], expected)
    np.testing.assert_array_equal(
        ours.get_feature_names_out(), fitted.get_feature_names_out()
    )


FRAME = as_frame(pd, X).assign(
    city=CITIES["city"].fillna("x"), text=["a fox", "b dog"] * 30
)


def numeric(threshold=0.3, **more):
    return ColumnTransformer(
        [
            ("scale", StandardScaler(), ["b", "a"]),
            ("city", OneHotEncoder(handle_unknown="ignore"), ["city"]),
            ("words", TfidfVectorizer(), "text"),
            ("gone", "drop", ["c"]),
        ],
        sparse_threshold=threshold,
        **more,
    )


BY_COLUMN = [
    numeric(),
    numeric(0, remainder="passthrough", transformer_weights={"scale": 3}),
    numeric(
        1,
        remainder=MinMaxScaler(),
        verbose_feature_names_out="{feature_name}.{transformer_name}",
    ),
    numeric(0, verbose_feature_names_out=False),
    ColumnTransformer(
        [("s", StandardScaler(), slice("b", "d")), ("p", "passthrough", [0, -2])]
    ),
    ColumnTransformer([("m", MaxAbsScaler(), [True, False, True, True, False, False])]),
    ColumnTransformer(
        [
            (
                "n",
                make_pipeline(SimpleImputer(), StandardScaler()),
                make_column_selector("[ab]"),
            ),
            ("t", OrdinalEncoder(), ["city", "text"]),
            ("none", StandardScaler(), []),
        ],
        remainder="passthrough",
    ),
]


@pytest.mark.parametrize("transformer", labelled(BY_COLUMN))
def test_columns(transformer):
    fitted = transformer.fit(FRAME)
    extra = FRAME[FRAME.columns[::-1]].assign(more=1)
    for rows in (FRAME, FRAME[:1], extra, FRAME.drop(columns="c"), FRAME.drop(columns="a")):
        check(fitted, rows)
        check(fitted, pl.from_pandas(rows))
    check(fitted, FRAME.to_numpy(dtype=object))
    check(fitted, FRAME.astype(dict.fromkeys(NAMES, np.float32)))
    ours, _ = transformer_of(fitted)
    expected = ours.transform(FRAME)
    for rows in (
        FRAME.to_dict("records"),
        FRAME.to_dict("list"),
        FRAME.to_records(index=False),
    ):
        same(ours.transform(rows), expected)


@pytest.mark.parametrize("make", [*CONTAINERS.values(), *SPARSE.values()])
def test_columns_of_arrays(make):
    fitted = ColumnTransformer(
        [
            ("p", PCA(2), [0, 1]),
            ("s", MaxAbsScaler(), slice(1, 4)),
            ("one", "passthrough", [3]),
        ]
    ).fit(X)
    check(fitted, make(X))


def test_what_has_no_form_keeps_its_reason():
    class Own(StandardScaler):
        pass

    for transformer, word in (
        (Own(), "Own"),
        (SplineTransformer(), "SplineTransformer"),
        (
            ColumnTransformer(
                [("m", MinMaxScaler(), [0])], verbose_feature_names_out="{feature_name:>9}"
            ),
            "verbose_feature_names_out",
        ),
        (QuantileTransformer(n_quantiles=5, output_distribution="normal"), "distribution"),
        (StandardScaler().set_output(transform="polars"), "set_output"),
        (FunctionTransformer(lambda rows: rows), "func"),
        (make_pipeline(StandardScaler(), Own()), "Own"),
        (ColumnTransformer([("s", SplineTransformer(), [0])]), "SplineTransformer"),
    ):
        made, reason = transformer_of(transformer.fit(X))
        assert made is None
        assert word in reason
    for settings in ({"tokenizer": str.split}, {"analyzer": str.split}, {"input": "file"}):
        made, reason = transformer_of(CountVectorizer(**settings))
        assert made is None
        assert next(iter(settings)) in reason


FITTED = [
    *((each, X) for each in NUMERIC),
    *((each, table_of(CITIES)) for each in ENCODERS[:5] + ENCODERS[6:]),
    *((each, CITIES[["city"]].astype("str")) for each in IMPUTERS[1:4:2]),
    *((CountVectorizer(**settings), DOCUMENTS) for settings in VECTORIZERS),
    *((TfidfVectorizer(**settings), DOCUMENTS) for settings in VECTORIZERS[:3]),
    *((each, FRAME) for each in BY_COLUMN),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("at", range(len(FITTED)))
def test_forms_become_fitted_transformers_again(at):
    transformer, rows = FITTED[at]
    fitted = clone(transformer).fit(rows, Y if len(rows) == 60 else None)
    form, reason = transformer_of(fitted)
    assert reason is None
    expected = fitted.transform(rows)
    for made in (fitted_step(form, transformer), fitted_step(form)):
        if not hasattr(form, "get_support"):
            assert type(made) is type(fitted)
        same(made.transform(rows), expected)
        same(transformer_of(made)[0].transform(rows), expected)
    if isinstance(form, CompactTransformer):
        form.check_attributes()


SCRIPT = r"""
import pickle
import sys


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("joblib", "numba", "pandas", "scipy", "sklearn"):
            raise ImportError(f"{name} is blocked")


sys.meta_path.insert(0, Missing())
found = []
for form, method, rows in pickle.loads(sys.stdin.buffer.read()):
    made = getattr(form, method)(rows)
    found.append(made.toarray() if hasattr(made, "toarray") else made)
sys.stdout.buffer.write(pickle.dumps(found))
"""


def with_numpy_alone(*asked):
    """What methods give in a process without scikit-learn: (object, method, rows)."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=pickle.dumps(asked),
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()
    return pickle.loads(run.stdout)


@pytest.mark.filterwarnings("ignore")
def test_transform_with_numpy_alone():
    asked, expected = [], []
    for transformer, rows in FITTED:
        fitted = clone(transformer).fit(rows, Y if len(rows) == 60 else None)
        form, _ = transformer_of(fitted)
        plain = rows
        if isinstance(rows, pd.DataFrame):
            plain = {name: np.asarray(rows[name]) for name in rows}
        asked.append((form, "transform", plain))
        expected.append(fitted.transform(rows))
        if rows is X and form.__sklearn_tags__().input_tags.sparse:
            theirs = sparse.csr_matrix(rows)
            ours = CSR(theirs.data, theirs.indices, theirs.indptr, theirs.shape)
            found, _ = outcome(fitted.transform, theirs)
            if not isinstance(found, Exception):
                asked.append((form, "transform", ours))
                expected.append(found)
    for found, wanted in zip(with_numpy_alone(*asked), expected, strict=True):
        same(found, wanted.toarray() if sparse.issparse(wanted) else wanted)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("threshold", [0, 1])
def test_pipelines_predict_with_numpy_alone(threshold):
    asked, expected = [], []
    labels = np.where(Y > 0, "yes", "no")
    for last in (LogisticRegression(), RandomForestClassifier(3, random_state=0)):
        model = make_pipeline(numeric(threshold), MaxAbsScaler(), last).fit(FRAME, labels)
        for rows in (FRAME.to_dict("records"), FRAME.to_dict("list")):
            asked.append((fitted_form(model), "predict_proba", rows))
            expected.append(model.predict_proba(FRAME))
    for found, wanted in zip(with_numpy_alone(*asked), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.filterwarnings("ignore:.*keeps its")
def test_a_pipeline_is_restored_with_transformers_of_scikit_learn():
    last = LogisticRegression(max_iter=300)
    pipeline = make_pipeline(numeric(remainder=MinMaxScaler()), MaxAbsScaler(), last)
    model = PrunedClassifier(pipeline, keep=1.0).fit(FRAME, Y)
    restored = model.estimator_
    assert [type(step) for _, step in restored.steps] == [
        type(step) for _, step in pipeline.steps
    ]
    assert np.array_equal(restored.predict_proba(FRAME), model.predict_proba(FRAME))
    assert (
        restored.named_steps["columntransformer"].named_transformers_["scale"].mean_.shape
    )
    clone(restored).fit(FRAME, Y)
    sizes = [len(pickle.dumps(each)) for each in (model.compact_, restored)]
    assert sizes[0] < 0.7 * sizes[1]


def test_wrapped_transformers_have_the_form_of_what_is_inside():
    frozen = FrozenEstimator(StandardScaler().fit(X))
    subset = SampleSubsetTransformer(PCA(2), keep=0.5, random_state=0)
    pipeline = make_pipeline(frozen, subset, LogisticRegression())
    model = PrunedClassifier(pipeline, keep=1.0).fit(X, Y)
    expected = model.predict_proba(X)
    (found,) = with_numpy_alone((model.compact_, "predict_proba", X))
    np.testing.assert_array_equal(found, expected)
    restored = model.estimator_
    np.testing.assert_array_equal(restored.predict_proba(X), expected)
    assert [type(step) for _, step in restored.steps] == [
        type(step) for _, step in pipeline.steps
    ]


def test_columns_of_a_pruned_model_are_read_by_their_names():
    frame = as_frame(pd, X)
    model = PrunedClassifier(LogisticRegression(), keep=2, unit="feature").fit(frame, Y)
    compact, expected = model.compact_, model.predict_proba(frame)
    kept = [name for name, used in zip(NAMES, model.get_support(), strict=True) if used]
    few = frame[kept[::-1]]
    for rows in (few.to_dict("records"), few.to_dict("list"), few.to_records(index=False)):
        np.testing.assert_array_equal(compact.predict_proba(rows), expected)
    others = frame.assign(**dict.fromkeys(set(NAMES) - set(kept), "text"))
    np.testing.assert_array_equal(compact.predict_proba(others), expected)
    with pytest.raises(ValueError, match=kept[0]):
        compact.predict(few[kept[1:]].to_dict("records"))
    with pytest.raises(ValueError, match="same order"):
        compact.predict(frame[NAMES[::-1]])


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("last", [LogisticRegression(), RandomForestClassifier(3)])
def test_steps_that_give_frames(library, last):
    by_column = ColumnTransformer(
        [
            ("scale", make_pipeline(SimpleImputer(), StandardScaler()), ["b", "a"]),
            ("city", OneHotEncoder(sparse_output=False), ["city"]),
        ],
        remainder="drop",
    )
    again = ColumnTransformer(
        [("m", MinMaxScaler(), ["scale__b"])], remainder="passthrough"
    )
    pipeline = make_pipeline(by_column, again, VarianceThreshold(), MaxAbsScaler(), last)
    pipeline.set_output(transform=library)
    frame = FRAME if library == "pandas" else pl.from_pandas(FRAME)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = PrunedClassifier(pipeline, keep=1.0, random_state=0).fit(frame, Y)
        compact, restored = model.compact_, model.estimator_
        expected = restored.predict_proba(frame)
        found = compact.predict_proba(frame)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(compact.predict_proba(FRAME.to_dict("list")), found)
    assert not any(
        type(step).__module__.startswith("sklearn.") for _, step in compact.steps_
    )
    (again,) = with_numpy_alone((compact, "predict_proba", FRAME.to_dict("records")))
    np.testing.assert_array_equal(again, found)


def test_models_without_a_form_keep_the_steps_that_give_them_frames():
    frame = as_frame(pd, X)
    pipeline = make_pipeline(StandardScaler(), RadiusNeighborsClassifier(9.0))
    pipeline.set_output(transform="pandas").fit(frame, Y)
    compact = fitted_form(pipeline)
    assert type(compact.steps_[0][1]) is StandardScaler
    assert np.array_equal(compact.predict(frame), pipeline.predict(frame))
    pipeline.set_output(transform="default").fit(frame, Y)
    assert type(fitted_form(pipeline).steps_[0][1]) is not StandardScaler


@pytest.mark.parametrize(
    "steps",
    [
        [FunctionTransformer(), StandardScaler()],
        [FunctionTransformer(np.exp), StandardScaler()],
        [FeatureUnion([("s", StandardScaler()), ("p", "passthrough")])],
        [make_pipeline(FunctionTransformer(), MaxAbsScaler())],
        [SplineTransformer()],
        [],
    ],
)
def test_names_are_checked_by_the_first_step_that_reads_them(steps):
    frame = as_frame(pd, X)
    pipeline = make_pipeline(*steps, LogisticRegression(max_iter=500)).fit(frame, Y)
    compact, expected = fitted_form(pipeline), pipeline.predict_proba(frame)
    turned = frame[NAMES[::-1]]
    for rows in (frame, turned.to_dict("records"), turned.to_dict("list")):
        np.testing.assert_array_equal(compact.predict_proba(rows), expected)
    for rows in (turned, frame[["a"]], frame.rename(columns={"a": "e"})):
        for model in (pipeline, compact):
            with pytest.raises(ValueError, match="feature names should match"):
                model.predict(rows)
    with pytest.warns(UserWarning, match="valid feature names"):
        compact.predict(X)


@pytest.mark.parametrize(
    "rows", [sparse.csr_matrix(X), pd.Series(X[:, 0]), X[0].tolist(), X]
)
def test_encoders_refuse_what_scikit_learn_refuses(rows):
    for encoder in (OneHotEncoder(), OrdinalEncoder()):
        assert isinstance(check(encoder.fit(X[:, :3]), rows), Exception)


WRONG = [
    (OneHotEncoder(min_frequency=6), "grouped", lambda own: [np.array([10**9] * 6)] * 3),
    (OneHotEncoder(drop="first"), "dropped", lambda own: [9] * 3),
    (OrdinalEncoder(), "categories_", lambda own: own[:2]),
    (KBinsDiscretizer(3), "n_bins_", lambda own: own + 1),
    (PolynomialFeatures(2), "degrees", lambda own: [1, 60]),
    (SimpleImputer(), "statistics_", lambda own: own[:2]),
    (SimpleImputer(add_indicator=True), "indicated", lambda own: np.array([9])),
    (PCA(2), "steps", lambda own: ["a", 1]),
    (PowerTransformer(), "lambdas_", lambda own: own[:2]),
    (QuantileTransformer(n_quantiles=9), "references_", lambda own: own[:2]),
    (TfidfTransformer(), "idf_", lambda own: own[:2]),
    (TfidfVectorizer(), "terms", lambda own: own[:2]),
    (CountVectorizer(), "ngram_range", lambda own: [2, 1]),
]


@pytest.mark.parametrize(("transformer", "name", "change"), WRONG)
def test_attributes_that_do_not_fit_are_refused(transformer, name, change):
    rows = DOCUMENTS if hasattr(transformer, "vocabulary") else np.abs(X)
    rows = table_of(CITIES) if hasattr(transformer, "categories") else rows
    form, _ = transformer_of(transformer.fit(rows))
    form.check_attributes()
    setattr(form, name, change(getattr(form, name)))
    with pytest.raises(ValueError, match="does not fit the rest"):
        form.check_attributes()
