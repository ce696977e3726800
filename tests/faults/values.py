"""Faults in values: what is no number, or none that can be reckoned with."""

import numpy as np

from tests.faults.inner import assert_as_inner
from tests.faults.subjects import (
    answer,
    answer_of_rows,
    assert_refuses_fit,
    assert_same_results,
    does_not_apply,
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


def over_tasks(subject, check, tasks=None):
    """One cell from those for classes and for numbers."""
    return mixed({f"{task} y": check(*subject.rows(task)) for task in tasks or subject.tasks})


def not_finite(subject, value, words):
    X, y = subject.rows()
    cells = {}
    for row in kept_and_dropped(subject, X, y):
        bad = spoiled(X, value, row)
        cells[f"fit, row {row}"] = answer(
            subject, bad, y, lambda fitted: assert_as_inner(subject, fitted, bad, y), words=words  # noqa: B023
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


@fault(3, "NaN or None in y")
def nan_in_target(subject):
    def check(X, y):
        numbers = np.where(np.arange(len(y)) == 5, np.nan, y)
        assert_refuses_fit(subject, X, numbers, ("y",), words=("NaN",))
        labels = np.array(y, dtype=object)
        labels[7] = None
        return assert_refuses_fit(subject, X, labels, ("y",), words=("None", "NaN"))

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
        cell = assert_refuses_fit(subject, bad, y, ("X",))
        assert_refuses_fit(subject, bad.tolist(), y, ("X",))
        target = np.array(y, dtype=object)
        target[5] = HUGE
        assert_refuses_fit(subject, X, target, ("y",))
        return cell

    return over_tasks(subject, check)


@fault(6, "float16")
def half_precision(subject):
    def check(X, y):
        half = X.astype(np.float16)
        y = y.astype(np.float16) if y.dtype.kind == "f" else y
        wanted = subject.run(half.astype(np.float64), y.astype(np.float64))
        found = subject.run(half, y)
        return assert_same_results(found, wanted, rtol=1e-4, atol=1e-4)

    return over_tasks(subject, check)


@fault(7, "float32, which stays so where the model keeps it")
def single_precision(subject):
    def check(X, y):
        single = X.astype(np.float32)
        wanted = subject.run(single.astype(np.float64), y)
        fitted = subject.fit(single, y)
        assert_as_inner(subject, fitted, single, y, rtol=1e-4, atol=1e-4)
        results = subject.results(fitted, single)
        return assert_same_results(results, wanted, rtol=1e-3, atol=1e-3)

    return over_tasks(subject, check)


@fault(8, "numbers as objects")
def numbers_as_objects(subject):
    def check(X, y):
        return assert_same_results(subject.run(X.astype(object), y), subject.run(X, y))

    return over_tasks(subject, check)


@fault(9, "strings in X")
def strings_in_rows(subject):
    X, y = subject.rows()
    bad = spoiled(X, "red", 5, dtype=object)
    assert_refuses_fit(subject, bad.tolist(), y)
    return assert_refuses_fit(subject, bad, y)


@fault(10, "complex numbers")
def complex_numbers(subject):
    def check(X, y):
        assert_refuses_fit(subject, X + 1j, y, ("X", "Complex"), words=("Complex",))
        return assert_refuses_fit(subject, X, y + 1j, ("y",), words=("Complex",))

    return over_tasks(subject, check)


@fault(11, "numbers whose squares overflow, or all but vanish")
def extreme_numbers(subject):
    def check(X, y):
        cells = {}
        for name, scale in (("huge", NO_SCALE), ("tiny", 2.0**-1060)):
            extreme = X * scale
            cells[name] = answer(
                subject, extreme, y, lambda fitted: assert_as_inner(subject, fitted, extreme, y)  # noqa: B023
            )
        return mixed(cells)

    return over_tasks(subject, check)
