from collections import deque
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_prune import _validation as validation
from sklearn_prune._lazy import has


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (["a", "b", "a"], "classification"),
        ([True, False, True], "classification"),
        ([0.0, 1.0, 1.0], "classification"),
        (np.array([1, 2, None, 3], dtype=object)[[0, 1, 3]], "classification"),
        ([0.5, 1.0, 2.0], "regression"),
        (np.arange(21), "regression"),
        (np.array(["2026-01-01", "2026-01-02"], dtype="M8[D]"), "regression"),
        (["1", "2", "1"], "classification"),
        (np.array([str(i) for i in range(60)], dtype=object), "classification"),
        (np.arange(20), "classification"),
        (np.arange(1000) % 31, "classification"),
        (np.arange(1000) % 32, "regression"),
        (load_diabetes().target, "regression"),
        (load_digits().target, "classification"),
    ],
)
def test_task_is_read_off_the_target(y, task):
    assert validation.resolve_task("auto", np.asarray(y)) == task


def test_task_can_be_imposed():
    assert validation.resolve_task("regression", np.array([0, 1])) == "regression"
    assert validation.resolve_task("auto", None) is None
    with pytest.raises(ValueError, match="continuous"):
        validation.resolve_task("classification", np.array([0.5, 1.5]))


@pytest.mark.parametrize(
    ("weights", "got"),
    [
        ([1, 2], r"Got shape \(2,\) for 3 rows"),
        ([[1, 2, 3]], r"Got shape \(1, 3\) for 3 rows"),
        (1.0, r"Got shape \(\) for 3 rows"),
        ([1, -0.5, 2], "Got -0.5"),
        ([1, np.nan, 2], "Got NaN or infinity"),
        ([1, np.inf, 2], "Got NaN or infinity"),
        ([0, 0, 0], "Got only zeros"),
        (["a", "b", "c"], "Got dtype"),
        (np.ma.array([1.0, 2, 3], mask=[0, 1, 0]), "Got a masked entry"),
    ],
)
def test_bad_weights_are_refused_in_one_line(weights, got):
    with pytest.raises(ValueError, match=f"^sample_weight must hold .*{got}"):
        validation.check_weights(weights, 3)


def test_weights_with_an_imaginary_part_are_refused():
    with pytest.raises(ValueError, match=r"^sample_weight must be real\. Got .*complex"):
        validation.check_weights(np.ones(3) + 1j, 3)


@pytest.mark.parametrize(
    "groups",
    [
        np.array(["2026-01-01", "NaT", "NaT"], dtype="M8[D]"),
        np.array([1, "NaT", 2], dtype="m8[s]"),
        np.array(["a", None, "b"], dtype=object),
        [1.0, np.nan, 2.0],
        ["a", np.nan, "b"],
        np.ma.array([1, 2, 3], mask=[0, 1, 0]),
    ],
)
def test_missing_groups_are_refused(groups):
    with pytest.raises(ValueError, match=r"^groups must hold .* Got a missing one"):
        validation.check_groups(groups, 3)


def test_missing_groups_of_pandas_are_refused():
    pandas = pytest.importorskip("pandas")
    for groups in ([1, None, 2], ["a", None, "b"]):
        series = pandas.Series(groups, dtype="Int64" if groups[0] == 1 else "string")
        with pytest.raises(ValueError, match=r"^groups must hold .* Got a missing one"):
            validation.check_groups(series, 3)


def test_mixed_types_are_named():
    mixed = np.array([1, "a", 2.0], dtype=object)
    got = "must hold values that can be sorted.* Got float and int and str"
    with pytest.raises(ValueError, match=f"^groups {got}"):
        validation.check_groups(mixed, 3)
    with pytest.raises(ValueError, match=f"^y {got}"):
        validation.class_codes(mixed)


def without_a_label():
    """Targets without a label in row 1, and what is missing."""
    nan, nat, days = np.nan, np.datetime64("NaT"), np.array(["2026-01-01", "NaT"], "M8[D]")
    yield from ((kind(["a", nan]), "NaN") for kind in (list, tuple, deque))
    yield from (([label, None], "None") for label in ("a", b"a", 1, True, date.today()))
    yield from ((np.array([label, nan], object), "NaN") for label in ("a", 1, True))
    yield from ([[["a", "b"], ["c", nan]], "NaN"], [[np.str_("a"), nan], "NaN"])
    yield from (
        [days, "NaT"],
        [days - days[0], "NaT"],
        [list(days), "NaT"],
        [["a", nat], "NaT"],
    )
    yield from (([Decimal(1), Decimal(text)], text) for text in ("NaN", "sNaN"))
    for values in ([1, 2], [1.5, 2.5], ["a", "b"], days[:1].repeat(2)):
        yield np.ma.array(values, mask=[False, True]), "a masked entry"
    for missing, name in ((nan, "NaN"), (None, "None")):
        dtype = np.dtypes.StringDType(na_object=missing)
        yield np.array(["a", missing], dtype=dtype), name
    if has("pandas"):
        import pandas as pd

        yield from ([["a", pd.NA], "NA"], [["a", pd.NaT], "NaT"])
        for dtype in ("boolean", "string", "category", "period[D]", "datetime64[ns, UTC]"):
            value = {"b": True, "p": "2026-01-01", "d": days[0]}.get(dtype[0], "a")
            yield pd.Series([value, None], dtype=dtype), "NaN|NaT|NA"
            yield pd.Series([value, None], dtype=dtype).to_frame(), "NaN|NaT|NA"
        yield pd.Categorical(["a", None]), "NaN"
        if has("pyarrow"):
            for dtype, value in (
                ("bool", True),
                ("string", "a"),
                ("timestamp[us]", datetime(2026, 1, 1)),
            ):
                yield pd.Series([value, None], dtype=f"{dtype}[pyarrow]"), "NA|NaT|NaN"
    if has("polars"):
        import polars as pl

        for dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Date):
            value = {pl.Boolean: True, pl.Date: date.today()}.get(dtype, "a")
            yield pl.Series([value, None], dtype=dtype), "None|NaT"


def test_target_must_be_there_in_each_row():
    for y in ([1.0, np.nan], [True, np.nan], np.array([1, np.nan], "f2")):
        with pytest.raises(ValueError, match="y contains NaN"):
            validation.check_target(y)
    for y, name in without_a_label():
        with pytest.raises(ValueError, match=f"^y must .* Got ({name}) in row 1[.] Drop"):
            validation.check_target(y)
    for y in (
        ["nan", "None"],
        np.array(["nan"]),
        np.ma.array([1, 2]),
        [[1], [2]],
        ["<NA>"],
    ):
        assert len(validation.check_target(y)) == len(y)
    assert validation.check_target([[1], [2]]).shape == (2,)
    assert validation.check_target(csr_array([[0, 1], [1, 0]])).shape == (2, 2)


def test_lengths_are_named():
    with pytest.raises(ValueError, match=r"Got X with 3 and y with 2\. Pass one entry"):
        validation.check_same_length([1, 2, 3], y=[1, 2])


def test_quantiles_are_balanced_and_keep_ties_together():
    codes = validation.quantile_codes(np.arange(100.0))
    assert np.bincount(codes).tolist() == [10] * 10
    assert set(validation.quantile_codes(np.zeros(5))) == {0}
    y = np.repeat([0.0, 1.0, 2.0], [80, 10, 10])
    assert all(
        len(set(codes)) == 1 for codes in np.split(validation.quantile_codes(y), [80, 90])
    )


def spoiled(value, dtype=float):
    X = np.arange(12, dtype=dtype).reshape(6, 2)
    X[4, 1] = value
    return X


def data_frame(data):
    return pytest.importorskip("pandas").DataFrame(data)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("wrap", [np.asarray, csr_array, data_frame, np.ndarray.tolist])
def test_rows_are_refused_by_tags(wrap, value):
    with pytest.raises(ValueError, match="NaN|infinity"):
        validation.check_readable_rows(wrap(spoiled(value)), LogisticRegression())
    validation.check_readable_rows(wrap(spoiled(np.nan)), HistGradientBoostingClassifier())
    validation.check_readable_rows(wrap(spoiled(np.nan)), make_pipeline(SimpleImputer()))


@pytest.mark.parametrize("value", [np.nan, -np.inf])
@pytest.mark.parametrize(
    "wrap", [np.asarray, csr_array, data_frame, lambda X: X.astype(object)]
)
def test_rows_that_are_not_finite_are_found(wrap, value):
    assert validation.not_finite_rows(wrap(spoiled(value))).tolist() == [4]
    assert validation.not_finite_rows(wrap(spoiled(0.0))).tolist() == []


def test_missing_categories_are_found_in_frames():
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    data = {"number": [1.0, 2.0, np.inf], "text": ["a", None, "b"]}
    assert validation.not_finite_rows(pandas.DataFrame(data)).tolist() == [1, 2]
    assert validation.not_finite_rows(polars.DataFrame(data)).tolist() == [1, 2]


def test_decimals_are_numbers():
    frame = data_frame({"price": [Decimal("1.5"), Decimal("NaN"), Decimal(2)]})
    assert validation.not_finite_rows(frame).tolist() == [1]


def test_texts_and_tensors_of_texts_are_nobodys_business():
    assert validation.not_finite_rows(["some", "texts"]).size == 0
    validation.check_readable_rows(["some", "texts"], LogisticRegression())


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression()), np.nan),
        (make_pipeline(SimpleImputer(), LogisticRegression()), np.inf),
        (RandomForestClassifier(3), np.inf),
    ],
)
def test_the_model_refuses_a_dropped_row_itself(model, value):
    X, y = spoiled(value), [0, 1, 0, 1, 0, 1]
    kept = np.array([0, 1, 2, 3])
    validation.check_readable_rows(X, model)  # the tags do not tell
    model.fit(X[kept], np.take(y, kept))
    with pytest.raises(ValueError, match="contains"):
        validation.show_dropped_rows(model, X, kept)
    validation.show_dropped_rows(model, X, np.arange(6))  # no dropped row


def test_an_unknown_category_in_a_dropped_row_is_no_refusal():
    X, y = spoiled(np.nan), [0, 1, 0, 1, 0, 1]
    kept = np.array([0, 1, 2, 3])
    model = make_pipeline(OneHotEncoder(), LogisticRegression())
    model.fit(X[kept], np.take(y, kept))
    validation.show_dropped_rows(model, X, kept)


WHAT_SCORERS_RETURN = {
    "number": [0.5, 1, True, np.float32(0.5), np.array(0.5), Decimal("0.5")],
    "none": [None, {"a": 1.0}, "0.5", [0.5], np.array([0.5]), np.ones(3), (1, 2), 1j],
    "infinite": [np.nan, np.inf, -np.inf, np.float64("nan"), np.array(np.nan)],
}


@pytest.mark.parametrize("kind", WHAT_SCORERS_RETURN)
def test_a_score_is_one_number(kind):
    for value in WHAT_SCORERS_RETURN[kind]:
        if kind == "number":
            assert validation.check_score(value, "own") == float(value)
            continue
        with pytest.raises(ValueError, match=r"one finite number .* 'own'\. (Ret|Nam)"):
            validation.check_score(value, "own")
        if kind == "infinite":
            assert not np.isfinite(validation.check_score(value, "own", finite=False))


LABELS, NUMBERS = np.array([0, 1, 1]), np.array([0.5, 1.5, 2.5])


@pytest.mark.parametrize(
    ("predicted", "target", "reason"),
    [
        (np.ones((3, 2)), NUMBERS, r"shape \(3, 2\) for targets of shape \(3,\)"),
        (np.ones(2), NUMBERS, r"shape \(2,\)"),
        ([1.0, np.nan, 2.0], NUMBERS, "NaN or infinity for 1 of 3"),
        ([np.inf, np.nan, 2.0], NUMBERS, "NaN or infinity for 2 of 3"),
        (np.ones((3, 2)), np.column_stack([NUMBERS] * 3), "shape"),
        ([0.1, -0.7, 0.3], LABELS, r"Got 0\.1, a score that no threshold has made a label"),
        ([0.0, 0.3, 1.0], LABELS, r"Got 0\.3, a score"),
        (np.ones((3, 2)), LABELS, "shape"),
    ],
)
def test_predictions_that_are_no_answers(predicted, target, reason):
    with pytest.raises(ValueError, match=rf"^Model must predict one .*{reason}.*Use "):
        validation.check_predictions(
            predicted, target, "Model", classifies=target is LABELS
        )


def test_predictions_keep_the_shape_of_the_targets():
    column = validation.check_predictions(NUMBERS[:, None], NUMBERS, "M", classifies=False)
    assert column.shape == (3,)
    for labels in ([2, 2, 2], ["a", "b", "a"], [-1, 0, 1], [0.0, 1.0, 1.0]):
        validation.check_predictions(np.array(labels), LABELS, "M", classifies=True)
