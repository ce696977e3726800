"""Faults in values: what is no number, or none that can be reckoned with."""

from functools import cache, partial

import numpy as np

from sklearn_prune._lazy import has
from tests.faults.inner import assert_as_inner
from tests.faults.subjects import (
    answer,
    answer_of_rows,
    assert_refuses_fit,
    assert_same_results,
    fault,
    mixed,
)

HUGE = 10**400
NO_SCALE = 2.0**1000  # a power of two: digits stay, squares overflow


def spoiled(X, value, row, dtype=None):
    """A copy with one other value."""
    X = np.array(X, dtype=dtype)
    X[row, 1] = value
    return X


def kept_and_dropped(subject, X, y):
    """A row that the subject keeps and one that it drops, where it drops rows."""
    if subject.kind not in ("subset", "transformer", "sampler"):
        return 0, len(X) - 1
    kept = subject.fit(X, y).sample_indices_
    return kept[0], np.setdiff1d(np.arange(len(X)), kept)[-1]


@cache
def usual_results(subject, task):
    """Results on the subject's own rows, as a plain array."""
    X, y = subject.rows(task)
    return subject.run(X, y)


def usual(subject, y):
    """The same, by the kind of y."""
    return usual_results(subject, "regression" if y.dtype.kind == "f" else "classification")


def as_inner(subject, fitted, X, y):
    assert_as_inner(subject, fitted, X, y)


def over_tasks(subject, check, tasks=None):
    """One cell from those for classes and for numbers."""
    return mixed(
        {f"{task} y": check(*subject.rows(task)) for task in tasks or subject.tasks}
    )


def unreadable(subject, X, y, bad, words):
    """Refused, or the rows that are kept without a look at X."""
    wanted = subject.results(subject.fit(X, y))

    def the_same_rows(fitted):
        assert not subject.predicts
        assert_same_results(subject.results(fitted), wanted)

    cells = [
        answer(subject, rows, y, the_same_rows, words=words) for rows in (bad, bad.tolist())
    ]
    assert cells[0] == cells[1], cells
    return cells[0]


def not_finite(subject, value, words):
    X, y = subject.rows()
    cells = {}
    for row in kept_and_dropped(subject, X, y):
        bad = spoiled(X, value, row)
        cells[f"fit, row {row}"] = answer(
            subject, bad, y, partial(as_inner, subject, X=bad, y=y), words=words
        )
    assert len(set(cells.values())) == 1, cells
    cells = {"fit": next(iter(cells.values()))}
    if subject.predicts:
        bad = spoiled(X, value, 3)
        fitted = subject.fit(X, y)
        cells["predict"] = answer_of_rows(
            subject,
            fitted,
            bad,
            lambda _: assert_as_inner(subject, fitted, X, y, bad),
            words=words,
        )
    return mixed(cells)


@fault(1, "NaN in X")
def nan_in_rows(subject):
    return not_finite(subject, np.nan, ("NaN", "missing"))


@fault(2, "infinity in X")
def infinity_in_rows(subject):
    return not_finite(subject, np.inf, ("infinity",))


def without_a_label(y):
    """Targets of which one is missing, in each container, and what it is called there."""
    numbers = np.where(np.arange(len(y)) == 5, np.nan, y)
    labels, days = y.astype(str).tolist(), np.arange(len(y)).astype("datetime64[D]")
    yield numbers, "NaN"
    for value, name in ((None, "None"), (np.nan, "NaN")):
        for plain in (y.tolist(), labels):
            bad = [*plain[:7], value, *plain[8:]]
            yield np.array(bad, dtype=object), name
            yield bad, "NaN" if plain is not labels and value is not None else name
    yield np.where(days == days[3], np.datetime64("NaT"), days), "NaT"
    yield np.ma.array(y, mask=days == days[3]), "masked"
    yield np.ma.array(labels, mask=days == days[3]), "masked"
    if has("pandas"):
        import pandas

        for dtype in ("Int64", "boolean", "string", "category"):
            kind = {"Int64": "i8", "boolean": "bool"}.get(dtype, "str")
            column = pandas.Series(np.asarray(y > 1, kind), dtype=dtype)
            yield column.where(np.arange(len(y)) != 5), "NaN" if kind == "i8" else ""
        yield pandas.Series(days).where(np.arange(len(y)) != 5), "NaT"
        yield [*labels[:5], pandas.NA, *labels[6:]], "NA"
    if has("polars"):
        import polars

        yield polars.Series([*labels[:5], None, *labels[6:]]), "None"


@fault(3, "a missing label: NaN, None, NaT, NA or masked, in each container")
def nan_in_target(subject):
    def check(X, y):
        for target, name in without_a_label(y):
            cell = assert_refuses_fit(subject, X, target, ("y",), words=(name,))
        return cell

    return over_tasks(subject, check)


@fault(4, "infinity in y")
def infinity_in_target(subject):
    def check(X, y):
        numbers = np.where(np.arange(len(y)) == 5, -np.inf, y)
        return assert_refuses_fit(subject, X, numbers, ("y",), words=("infinity",))

    return over_tasks(subject, check)


@fault(5, "an integer of 400 digits")
def huge_integer(subject):
    def check(X, y):
        bad = spoiled(X, HUGE, 5, dtype=object)
        cell = unreadable(subject, X, y, bad, words=("bits", "too large"))
        target = np.array(y, dtype=object)
        target[5] = HUGE
        assert_refuses_fit(subject, X, target, ("y", "target"))
        return cell

    return over_tasks(subject, check)


@fault(6, "float16")
def half_precision(subject):
    def check(X, y):
        half = X.astype(np.float16)
        wanted = subject.fit(half.astype(np.float64), y)
        fitted = subject.fit(half, y)
        # Some models compute in half precision, and so does the subject around them.
        assert_as_inner(subject, fitted, half, y, rtol=1e-2, atol=1e-2)
        return assert_same_results(
            subject.results(fitted), subject.results(wanted), rtol=1e-2, atol=1e-2
        )

    return over_tasks(subject, check)


@fault(7, "float32, which stays so where the model keeps it")
def single_precision(subject):
    def check(X, y):
        single = X.astype(np.float32)
        wanted = subject.run(single.astype(np.float64), y)
        fitted = subject.fit(single, y)
        assert_as_inner(subject, fitted, single, y, rtol=1e-4, atol=1e-4)
        results = subject.results(fitted, single)
        if subject.kind == "transformer":
            inner = fitted.transformer_.transform(single)
            assert results["transformed"].dtype == inner.dtype
        if subject.kind == "sampler":
            rows, _ = subject.make().fit_resample(single, y)
            assert rows.dtype == np.float32
        return assert_same_results(results, wanted, rtol=1e-3, atol=1e-3)

    return over_tasks(subject, check)


@fault(8, "numbers as objects")
def numbers_as_objects(subject):
    def check(X, y):
        return assert_same_results(subject.run(X.astype(object), y), usual(subject, y))

    return over_tasks(subject, check)


@fault(9, "strings in X")
def strings_in_rows(subject):
    X, y = subject.rows()
    bad = spoiled(X, "red", 5, dtype=object)
    return unreadable(subject, X, y, bad, words=("red", "strings"))


@fault(10, "complex numbers")
def complex_numbers(subject):
    def check(X, y):
        cell = unreadable(subject, X, y, X + 1j, words=("Complex", "complex"))
        assert_refuses_fit(subject, X, y + 1j, ("y",), words=("Complex",))
        return cell

    return over_tasks(subject, check)


@fault(11, "numbers whose squares overflow, or vanish")
def extreme_numbers(subject):
    cells = {}
    for task in subject.tasks:
        X, y = subject.rows(task)
        for name, scale in (("huge", NO_SCALE), ("tiny", 2.0**-1060)):
            extreme = X * scale
            right = partial(as_at_usual_scale, subject, X=X, y=y, extreme=extreme)
            cell = answer(subject, extreme, y, right)
            assert cells.setdefault(f"{name} X", cell) == cell
            if task == "regression":
                right = partial(as_inner, subject, X=X, y=y * scale)
                cells[f"{name} y"] = answer(subject, X, y * scale, right, ("y",))
    return mixed(cells)


def as_at_usual_scale(subject, fitted, X, y, extreme):
    """The model's own answer; a selector's order must not depend on the unit."""
    compact = getattr(fitted, "compact_", None)
    if not hasattr(compact, "n_neighbors_"):  # at one distance all, the first rows vote
        assert_as_inner(subject, fitted, extreme, y)
    if subject.kind == "selector" and type(subject.estimator).reads_estimator is not True:
        wanted = subject.results(subject.fit(X, y))
        np.testing.assert_array_equal(subject.results(fitted)["order_"], wanted["order_"])
