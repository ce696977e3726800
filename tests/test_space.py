from datetime import datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.preprocessing import StandardScaler

from sklearn_prune import _space
from sklearn_prune._space import MixedRows, Space, column_numbers, standardized_rows
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
    for metric in ("euclidean", "cosine"):
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
