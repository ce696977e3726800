from datetime import datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    NearestCentroid,
    RadiusNeighborsRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_prune import PrunedClassifier, SampleSubsetClassifier, _space
from sklearn_prune._graph import neighbor_graph
from sklearn_prune._space import (
    MixedRows,
    Space,
    column_numbers,
    measured_by,
    model_inside,
    rows_of_model,
    standardized_rows,
)
from sklearn_prune.sample_selection import ENNSelector


def test_standardized_rows_are_those_of_the_scaler():
    X = np.random.default_rng(0).normal(3, [1, 50, 1e-3], (40, 3))
    np.testing.assert_allclose(standardized_rows(X), StandardScaler().fit_transform(X))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8, -3.3])
def test_a_constant_column_counts_for_nothing(value):
    X = np.column_stack([np.full(7, value), np.arange(7.0)])
    for dtype in (np.float64, np.float32):
        assert not standardized_rows(X.astype(dtype))[:, 0].any()


def test_a_missing_value_counts_as_the_mean():
    X = np.array([[1.0, 2.0], [np.nan, 4.0], [3.0, 6.0]])
    points = standardized_rows(X)
    assert points[1, 0] == 0
    assert np.isnan(X[1, 0])  # the rows are left alone


def test_sparse_rows_have_the_distances_of_dense_ones(monkeypatch):
    X = np.random.default_rng(0).poisson(0.4, (30, 12)).astype(float)
    monkeypatch.setattr(_space, "DENSE_LIMIT", 0)
    for metric in ("seuclidean", "euclidean", "cosine"):
        sparse = Space.of(csr_array(X), metric, sparse=True).points.toarray()
        dense = Space.of(X, metric).points
        gap = dense[:, None] - dense[None] - (sparse[:, None] - sparse[None])
        assert np.abs(gap).max() < 1e-12


def test_what_is_too_large_to_be_dense_says_what_to_type():
    X = csr_array((100_000, 10_000))
    with pytest.raises(ValueError, match=r"take 7 GiB.*TruncatedSVD\(100\), Herd\(\)"):
        Space.of(X, owner="Herd")


FRAME = {
    "size": [1.0, None, 3.0],
    "colour": ["red", None, "blue"],
    "flag": [True, False, True],
}


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_numbers_and_categories(library):
    rows = MixedRows.of(pytest.importorskip(library).DataFrame(FRAME))
    assert rows.nominal.tolist() == [False, True, True]
    np.testing.assert_array_equal(np.isnan(rows.values[1]), [True, True, False])
    assert rows.values[0, 1] != rows.values[2, 1]


def test_kinds_of_columns():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "category of numbers": pd.Categorical([3, 1, 3]),
            "nullable": pd.array([1, None, 2], dtype="Int64"),
            "decimal-like objects": np.array([1, 2.5, None], dtype=object),
            "mixed": np.array([1, "1", 1], dtype=object),
        }
    )
    rows = MixedRows.of(frame)
    assert rows.nominal.tolist() == [True, False, False, True]
    assert rows.values[0, 3] != rows.values[1, 3]  # the number 1 is not the text "1"
    assert np.isnan(rows.values[1, 1])
    assert np.isnan(rows.values[2, 2])


STAMPS = [
    datetime(2024, 1, 1) + timedelta(seconds=int(s))
    for s in np.random.default_rng(0).integers(0, 10**7, 30)
]
SPANS = [stamp - datetime(2024, 1, 1) for stamp in STAMPS]
AWARE = [stamp.replace(tzinfo=timezone(timedelta(hours=2))) for stamp in STAMPS]
NUMBERS = [Decimal(span.days) for span in SPANS]


def frames(library):
    """Columns of times and exact numbers, with what each counts in."""
    rows = {"stamp": STAMPS, "aware": AWARE, "span": SPANS, "number": NUMBERS}
    rows["date"] = [stamp.date() for stamp in STAMPS]
    rows["hour"] = [stamp.time() for stamp in STAMPS]
    if library == "numpy":
        return {
            "stamp": np.array(STAMPS, dtype="M8[us]")[:, None],
            "date": np.array(STAMPS, dtype="M8[D]")[:, None],
            "span": np.array(SPANS, dtype="m8[s]")[:, None],
            **{k: np.array(v, dtype=object)[:, None] for k, v in rows.items()},
        }
    module = pytest.importorskip(library)
    found = {name: module.DataFrame({name: values}) for name, values in rows.items()}
    if library == "pandas":
        pa = pytest.importorskip("pyarrow")
        stamps, zone = module.Series(STAMPS), "Asia/Tokyo"
        found |= {
            "stamp in a zone": stamps.dt.tz_localize(zone).to_frame(),
            "stamp of periods": stamps.dt.to_period("s").to_frame(),
            "stamp of arrow": stamps.astype(
                module.ArrowDtype(pa.timestamp("us"))
            ).to_frame(),
            "date of arrow": module.Series(
                rows["date"], dtype="date32[pyarrow]"
            ).to_frame(),
            "number of arrow": module.Series(
                NUMBERS, dtype=module.ArrowDtype(pa.decimal128(9, 2))
            ).to_frame(),
        }
    return found


@pytest.mark.parametrize("library", ["numpy", "pandas", "polars"])
def test_times_and_decimals_are_numbers(library):
    days = np.array([span.days for span in SPANS], dtype=float)
    seconds = np.array([span.total_seconds() for span in SPANS])
    wanted = {"date": days, "number": days, "hour": seconds % 86400}
    for name, frame in frames(library).items():
        rows = MixedRows.of(frame)
        assert not rows.nominal[0], name
        numbers, right = rows.values[:, 0], wanted.get(name.split()[0], seconds)
        gaps = (numbers - numbers.min()) / np.ptp(numbers)
        np.testing.assert_allclose(
            gaps, (right - right.min()) / np.ptp(right), err_msg=name
        )


def test_missing_times_and_small_steps():
    start = np.datetime64("2024-01-01T00:00:00.000000000")
    raw = np.array([start + 3, "NaT", start, start + 1], dtype="M8[ns]")
    np.testing.assert_array_equal(column_numbers(raw), [3, np.nan, 0, 1])
    objects = np.array([Decimal("NaN"), None, Decimal(2), Fraction(1, 2)], dtype=object)
    np.testing.assert_array_equal(column_numbers(objects), [np.nan, np.nan, 2, 0.5])
    far = np.array(["1700-01-01", "2200-01-01"], dtype="M8[ns]")  # over 2**63 ns apart
    assert column_numbers(far)[1] == pytest.approx(1.5778e19, rel=1e-3)
    for mixed in (["2024-01-01", 1], [STAMPS[0], 1], [STAMPS[0], SPANS[0]], ["NaT", "a"]):
        assert column_numbers(np.array(mixed, dtype=object)) is None


def test_rows_by_time_are_ranked_as_by_seconds():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    seconds = rng.integers(0, 10**7, 200)
    y = (seconds // 10**6 % 2) ^ (rng.random(200) < 0.1)
    other, times = rng.normal(size=200), np.datetime64("2024-01-01") + seconds
    by_time = pd.DataFrame({"when": times, "x": other})
    by_number = pd.DataFrame({"when": seconds, "x": other})
    kept = [
        ENNSelector(metric="gower").fit(frame, y).natural_size_
        for frame in (by_time, by_number, by_time.astype({"when": str}))
    ]
    assert kept[0] == kept[1] > kept[2]


def sum_of_roots(a, b):
    return np.sqrt(np.abs(a - b)).sum()


WEIGHTS = np.linspace(1, 3, 4)
METRICS_OF_MODELS = {
    "euclidean": {},
    "manhattan": {"p": 1},
    "manhattan ": {"metric": "cityblock"},
    "chebyshev": {"p": np.inf},
    "chebyshev ": {"metric": "infinity", "algorithm": "ball_tree"},
    "minkowski": {"p": 3},
    "minkowski with weights": {"p": 3, "metric_params": {"w": WEIGHTS}},
    "euclidean with weights": {"metric_params": {"w": WEIGHTS}},
    "manhattan with weights": {"p": 1, "metric_params": {"w": WEIGHTS}},
    "sqeuclidean": {"metric": "sqeuclidean"},
    "seuclidean": {"metric": "seuclidean", "metric_params": {"V": WEIGHTS}},
    "mahalanobis": {"metric": "mahalanobis", "metric_params": {"VI": np.diag(WEIGHTS)}},
    "cosine": {"metric": "cosine"},
    "correlation": {"metric": "correlation"},
    "canberra": {"metric": "canberra"},
    "hamming": {"metric": "hamming"},
    "jaccard": {"metric": "jaccard"},
    "nan_euclidean": {"metric": "nan_euclidean"},
    "a function": {"metric": sum_of_roots},
}


@pytest.mark.parametrize("name", METRICS_OF_MODELS)
@pytest.mark.filterwarnings("ignore:Data was converted to boolean")
def test_rows_are_as_far_apart_as_for_the_model(name):
    X = np.random.default_rng(0).integers(0, 4, (40, 4)) * 1.0
    if name == "nan_euclidean":
        X[::5, 1] = np.nan
    model = KNeighborsClassifier(39, **METRICS_OF_MODELS[name])
    y = np.arange(40) % 2
    rows, metric, found = measured_by(model, X)
    assert callable(found) or found == name.split()[0]
    distances, neighbors = model.fit(X, y).kneighbors()
    ours = neighbor_graph(rows, 39, metric=metric)
    for i in range(40):
        own = np.empty(40)
        own[ours.indices[i]] = ours.distances[i]
        wanted = np.sqrt(distances[i]) if name == "sqeuclidean" else distances[i]
        np.testing.assert_allclose(own[neighbors[i]], wanted, atol=1e-9)


def test_a_metric_without_a_space_takes_pairs_of_few_rows():
    X = np.zeros((17_000, 1))
    with pytest.raises(ValueError, match="Drop3 reads metric='canberra'.*16384 rows"):
        measured_by(KNeighborsClassifier(metric="canberra"), X, owner="Drop3")
    with pytest.raises(ValueError, match="precomputed.*square"):
        measured_by(KNeighborsClassifier(metric="precomputed"), X)
    graph = csr_array([[0, 1.0, 0], [1.0, 0, 2.0], [0, 2.0, 0]])
    rows, metric, _ = measured_by(KNeighborsClassifier(metric="precomputed"), graph)
    assert metric == "precomputed"
    assert rows[0, 1] == 1
    assert rows[0, 2] > 2


KNN, SCALE = KNeighborsClassifier(2), StandardScaler()
FITTED = make_pipeline(SCALE, KNN).fit(np.eye(4), [0, 1, 0, 1])
INSIDE = {
    "itself": (KNN, 0),
    "radius": (RadiusNeighborsRegressor(), 0),
    "pipeline": (make_pipeline(SCALE, KNN), 1),
    "pipelines": (make_pipeline(SCALE, make_pipeline(SCALE, KNN)), 2),
    "frozen": (FrozenEstimator(FITTED), 1),
    "search": (GridSearchCV(make_pipeline(SCALE, KNN), {"memory": [None]}), 1),
    "calibrated": (CalibratedClassifierCV(KNN), 0),
    "threshold": (FixedThresholdClassifier(make_pipeline(SCALE, KNN)), 1),
    "one against the rest": (OneVsRestClassifier(KNN), 0),
    "outputs": (MultiOutputClassifier(KNN), 0),
    "bagging": (BaggingClassifier(KNN), 0),
    "target": (TransformedTargetRegressor(KNeighborsRegressor()), 0),
    "pruned": (PrunedClassifier(make_pipeline(SCALE, KNN)), 1),
    "subset": (SampleSubsetClassifier(KNN), 0),
    "bagging of columns": (BaggingClassifier(KNN, max_features=0.5), None),
    "voting": (VotingClassifier([("a", KNN)]), None),
    "centroids": (NearestCentroid(), None),
    "bagged trees": (BaggingClassifier(), None),
    "another": (make_pipeline(SCALE, LogisticRegression()), None),
}


@pytest.mark.parametrize("name", INSIDE)
def test_the_model_that_compares_rows_is_found(name):
    model, n_steps = INSIDE[name]
    found = model_inside(model)
    assert (found is None) == (n_steps is None)
    if found is not None:
        assert len(found[0]) == n_steps
        assert "Neighbors" in type(found[1]).__name__
    if name == "frozen":
        X = np.arange(8.0).reshape(2, 4)
        np.testing.assert_array_equal(
            rows_of_model(X, None, found[0]), FITTED[0].transform(X)
        )
