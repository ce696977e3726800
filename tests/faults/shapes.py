"""Faults in shape: rows or columns that are missing, too many, or in another order."""

import numpy as np
import pytest

from tests.conftest import as_frame
from tests.faults.inner import assert_as_inner, fitted_inner
from tests.faults.subjects import (
    REFUSED,
    answer,
    assert_refused,
    assert_refuses_fit,
    assert_same_results,
    check_error,
    does_not_apply,
    fault,
    mixed,
)
from tests.faults.values import over_tasks

TAKES_NO_ROWS = does_not_apply("it is given no rows after fit")
ARRAY = ("X", "array")  # scikit-learn speaks of an array


@fault(12, "no rows")
def no_rows(subject):
    X, y = subject.rows()
    cells = {"fit": assert_refuses_fit(subject, X[:0], y[:0], ARRAY)}
    if subject.predicts:
        fitted = subject.fit(X, y)
        cells["predict"] = assert_refused(lambda: subject.results(fitted, X[:0]), ARRAY)
    return mixed(cells)


@fault(13, "a single row")
def single_row(subject):
    def check(X, y):
        def right(fitted):
            subject.results(fitted, X[:1])
            assert_as_inner(subject, fitted, X[:1], y[:1])

        names = ("X", "y", "rows", "samples", "sample", "classes", "class", "target")
        try:
            return answer(subject, X[:1], y[:1], right, names)
        except ValueError as error:  # nearest neighbours say it of the rows to predict
            check_error(error, ("n_samples_fit",))
            return REFUSED

    return over_tasks(subject, check)


@fault(14, "a single column")
def single_column(subject):
    def check(X, y):
        def right(fitted):
            assert_as_inner(subject, fitted, X[:, :1], y)
            if subject.kind in ("selector", "subset", "sampler"):
                same_with_a_constant_column(subject, fitted, X, y)

        return answer(subject, X[:, :1], y, right)

    return over_tasks(subject, check)


def same_with_a_constant_column(subject, fitted, X, y):
    """A column of zeros has no say, except where trees or first weights are drawn."""
    names = ("AutoSelector", "DataOOBSelector", "ForgettingSelector", "OutlierSelector")
    if subject.name in names:
        return
    wide = np.column_stack([X[:, 0], np.zeros(len(X))])
    found, wanted = subject.results(fitted), subject.results(subject.fit(wide, y))
    for key in ("order_", "kept"):
        if key in found:
            np.testing.assert_array_equal(found[key], wanted[key])


@fault(15, "X with one dimension")
def one_dimension(subject):
    X, y = subject.rows()
    cells = {"fit": answer(subject, X[:, 0], y, lambda _: same_rows(subject), ARRAY)}
    if subject.predicts:
        fitted = subject.fit(X, y)
        cells["predict"] = assert_refused(lambda: subject.results(fitted, X[0]), ARRAY)
    return mixed(cells)


def same_rows(subject):
    """Only what never looks at X takes anything for rows, and keeps the same ones."""
    assert subject.kind in ("selector", "sampler")
    X, y = subject.rows()
    wanted = subject.results(subject.fit(X, y))
    assert_same_results(subject.results(subject.fit(X[:, 0], y)), wanted)
    assert_same_results(subject.results(subject.fit(X[:, :0], y)), wanted)


@fault(16, "no columns")
def no_columns(subject):
    X, y = subject.rows()
    return answer(subject, X[:, :0], y, lambda _: same_rows(subject), ARRAY)


@fault(17, "X and y of different lengths")
def different_lengths(subject):
    def check(X, y):
        assert_refuses_fit(subject, X[:-1], y, ("X",), words=("39",))
        return assert_refuses_fit(subject, X, y[:-1], ("y",), words=("39",))

    return over_tasks(subject, check)


@fault(18, "another number of columns after fit")
def other_width(subject):
    if not subject.predicts:
        return TAKES_NO_ROWS
    fitted = subject.fit(*subject.rows())
    X, _ = subject.rows()
    for rows in (X[:, :3], np.column_stack([X, X])):
        assert_refused(lambda: subject.results(fitted, rows), ("X",))  # noqa: B023
    return REFUSED


@fault(19, "columns in another order after fit")
def other_order(subject):
    if not subject.predicts:
        return TAKES_NO_ROWS
    pytest.importorskip("pandas")
    X, y = subject.rows()
    frame = as_frame(X, "pandas")
    fitted = subject.fit(frame, y)
    assert_same_results(subject.results(fitted, frame), subject.run(X, y), rtol=1e-6)
    for columns in (["x3", "x2", "x1", "x0"], ["x0", "x1", "x2", "new"]):
        renamed = frame.set_axis(columns, axis=1) if "new" in columns else frame[columns]
        assert_refused(lambda: subject.results(fitted, renamed), ("feature",))  # noqa: B023
    return REFUSED


@fault(20, "y with two columns")
def two_targets(subject):
    def check(X, y):
        both = np.column_stack([y, y[::-1]])

        def right(fitted):
            if subject.predicts:
                model = fitted_inner(subject, X, both)
                assert_two_answers(subject, model, X, both)

        names = ("y", "target", "targets", "Multioutput", "multioutput", "multilabel")
        return answer(subject, X, both, right, names)

    return over_tasks(subject, check)


def assert_two_answers(subject, model, X, both):
    """With everything kept, those of the inner model."""
    whole = subject.fit(X, both, estimator=subject.make(keep=1.0))
    ask = "transform" if subject.kind == "transformer" else "predict"
    np.testing.assert_allclose(getattr(whole, ask)(X), getattr(model, ask)(X), rtol=1e-9)
