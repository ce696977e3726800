import numpy as np
import pytest

from sklearn_prune.comparison.provenance.descriptions import describe_data
from tests.comparison.test_describe_data import changed_rows

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")


def frame():
    n = 130
    numbers = np.arange(n)
    return pd.DataFrame(
        {
            "float": numbers / 3,
            "missing": np.where(numbers % 7, numbers, np.nan),
            "int": numbers,
            "nullable": pd.array([None if i % 5 == 0 else i for i in numbers], "Int64"),
            "truth": pd.array([None if i % 5 == 0 else i % 2 for i in numbers], "boolean"),
            "text": [f"é{i}" for i in numbers],
            "string": pd.array([None if i % 5 == 0 else f"{i}" for i in numbers], "string"),
            "mixed": [i if i % 2 else f"{i}" for i in numbers],
            "category": pd.Categorical([f"c{i % 4}" for i in numbers]),
            "date": pd.date_range("2020-01-01", periods=n),
            "zone": pd.date_range("2020-01-01", periods=n, tz="Europe/Paris"),
            "duration": pd.timedelta_range("1h", periods=n),
            "period": pd.period_range("2020-01", periods=n, freq="M"),
            "interval": pd.interval_range(0, n),
            "sparse": pd.arrays.SparseArray(numbers % 2),
        }
    )


NEW_VALUES = {
    "nullable": pd.NA,
    "truth": pd.NA,
    "text": "new",
    "string": pd.NA,
    "mixed": None,
    "category": np.nan,
    "date": pd.NaT,
    "zone": pd.NaT,
    "duration": pd.NaT,
    "period": pd.NaT,
    "interval": pd.Interval(5, 6),
}


def test_a_frame_of_every_kind_of_column():
    X = frame()
    described = describe_data(X)
    assert [name for name, _ in described["columns"]] == list(X.columns)
    assert describe_data(X.copy()) == described
    assert describe_data(X.set_index(X["int"][::-1])) == described
    assert (
        describe_data(pd.concat([X[:50], X[50:]]).assign(sparse=X["sparse"])) == described
    )
    for name in X.columns:
        changed = X.copy()
        values = changed[name].astype(object)
        values.iloc[77] = NEW_VALUES.get(name, 5)
        changed[name] = values.astype(X[name].dtype)
        assert 77 in changed_rows(described, describe_data(changed)), name
        assert len(changed_rows(described, describe_data(changed))) <= 3, name


def test_columns_of_a_frame_count():
    X = frame()
    described = describe_data(X)
    assert describe_data(X.rename(columns={"int": "whole"})) != described
    assert describe_data(X[list(X.columns[::-1])]) != described
    assert describe_data(X.astype({"int": np.int32})) != described
    ordered = X.assign(category=X["category"].cat.as_ordered())
    more = X.assign(category=X["category"].cat.add_categories("new"))
    assert describe_data(ordered) != described
    assert describe_data(more) != described
    twice = pd.DataFrame(np.eye(3), columns=["a", "a", ("b", 1)])
    assert describe_data(twice)["columns"][2] == [{"tuple": ["b", 1]}, "float64"]


def test_a_frame_is_not_its_array():
    X = np.arange(12).reshape(3, 4)
    assert describe_data(pd.DataFrame(X))["sha256"] != describe_data(X)["sha256"]


@pytest.mark.parametrize("missing", [pd.NA, pd.NaT])
@pytest.mark.parametrize("other", [None, "nan", "None", 1.0])
def test_missing_values_among_objects(missing, other):
    objects = np.array([1, missing], dtype=object)
    assert describe_data(objects) != describe_data(np.array([1, other], dtype=object))


def test_a_column_is_the_array_that_it_holds():
    y = np.arange(9.0)
    shuffled = pd.Series(y, index=range(9, 0, -1), name="target")
    assert describe_data(shuffled) == describe_data(y)
    labels = pd.Series([3, 1, 3], dtype="category")
    assert describe_data(labels) == describe_data(labels.set_axis([5, 6, 7]))
    assert describe_data(labels) != describe_data(pd.Series([3, 1, 1], dtype="category"))


def test_arrow_columns():
    pytest.importorskip("pyarrow")
    X = pd.DataFrame({"a": [1, None, 3], "b": ["x", None, "z"]})
    X = X.astype({"a": "int64[pyarrow]", "b": "string[pyarrow]"})
    described = describe_data(X)
    X.loc[2, "b"] = "y"
    assert changed_rows(described, describe_data(X)) == {2}


def polars_frame():
    numbers = list(range(130))
    return pl.DataFrame(
        {
            "int": numbers,
            "missing": [None if i % 5 == 0 else i for i in numbers],
            "float": [float("nan") if i % 5 == 0 else i / 3 for i in numbers],
            "truth": [None if i % 5 == 0 else i % 2 == 0 for i in numbers],
            "text": [f"é{i}" for i in numbers],
            "lists": [[i, i] for i in numbers],
        }
    ).with_columns(
        pl.col("int").cast(pl.Date).alias("date"),
        pl.col("text").cast(pl.Categorical).alias("category"),
        pl.col("int").cast(pl.Decimal(10, 2)).alias("decimal"),
        pl.col("text").cast(pl.Enum([f"é{i}" for i in numbers])).alias("enum"),
    )


def test_a_polars_frame_of_every_kind_of_column():
    X = polars_frame()
    described = describe_data(X)
    in_pieces = pl.concat([X[:50], X[50:]], rechunk=False)
    assert describe_data(in_pieces) == described
    for name in X.columns:
        changed = X.with_columns(pl.col(name).reverse())
        assert describe_data(changed)["sha256"] != described["sha256"], name
        values = X[name].to_list()
        values[77] = None
        changed = X.with_columns(pl.Series(name, values, dtype=X[name].dtype))
        assert 77 in changed_rows(described, describe_data(changed)), name
        assert len(changed_rows(described, describe_data(changed))) <= 3, name
        column = describe_data(X[name])
        assert 77 in changed_rows(column, describe_data(changed[name])), name
