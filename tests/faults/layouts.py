"""Faults in layout: memory orders and containers that hold the same numbers."""

from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import scipy.sparse as sp

from tests.conftest import as_frame
from tests.faults import subjects
from tests.faults.inner import assert_as_inner
from tests.faults.values import over_tasks, usual

FORMATS = (sp.csr_matrix, sp.csc_array, sp.coo_matrix)
#: Their default model is another one for sparse rows, which cannot be centred, or trees,
#: which break ties between thresholds otherwise there.
OTHER_IF_SPARSE = {
    "AutoSelector",
    "ConfidentLearningSelector",
    "CoverageCentricSelector",
    "DataOOBSelector",
    "EL2NSelector",
    "ForgettingSelector",
    "LossSelector",
    "MarginSelector",
}


@subjects.fault(21, "Fortran order")
def fortran_order(subject):
    return same_as_plain(subject, np.asfortranarray)


@subjects.fault(22, "a read-only memory map")
def memory_map(subject):
    return same_as_plain(subject, mapped)


def mapped(values):
    """A read-only map of the values in a file."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        np.save(Path(folder) / "values.npy", values)
        return np.load(Path(folder) / "values.npy", mmap_mode="r")


@subjects.fault(23, "strides: every second row and column of a larger array")
def strided(subject):
    def spread(values):
        wide = np.full(
            tuple(2 * n for n in values.shape),
            np.nan if values.dtype.kind == "f" else -1,
            values.dtype,
        )
        view = wide[tuple(slice(None, None, 2) for _ in values.shape)]
        view[...] = values
        return view

    cell = same_as_plain(subject, spread)
    assert same_as_plain(subject, backwards) == cell
    return cell


def backwards(values):
    """A view with negative strides."""
    return values[::-1].copy()[::-1]


def same_as_plain(subject, wrap):
    """The same result as on a plain array, and the input as it was."""

    def check(X, y):
        rows, target = wrap(X), wrap(y)
        found = subject.run(rows, target)
        np.testing.assert_array_equal(rows, X)
        np.testing.assert_array_equal(target, y)
        return subjects.assert_same_results(found, usual(subject, y), rtol=1e-6, atol=1e-9)

    return over_tasks(subject, check)


def sparse_rows(subject, task):
    """Rows of which about half of the entries are zero, and their targets."""
    X, y = subject.rows(task)
    return np.maximum(X - 3.0, 0.0), y


def same_or_refused(subject, X, y, wanted, **tolerance):
    """Refused, or the same result as another input had."""
    return subjects.answer(
        subject,
        X,
        y,
        lambda fitted: subjects.assert_same_results(
            subject.results(fitted, X), wanted(), **tolerance
        ),
        ("X", "sparse", "Sparse", "indices"),
    )


@subjects.fault(24, "sparse X: CSR, CSC, COO, arrays and matrices")
def sparse_formats(subject):
    def check(X, y):
        X = np.maximum(X - 3.0, 0.0)
        cell = same_or_refused_as_dense(subject, X, y)
        wanted = cache(lambda: subject.run(sp.csr_array(X), y))
        for container in FORMATS:
            rows = container(X)
            found = same_or_refused(subject, rows, y, wanted, rtol=1e-6)
            assert found == cell, (container, found, cell)
        return cell

    return over_tasks(subject, check, subject.tasks[:1])


def same_or_refused_as_dense(subject, X, y):
    rows = sp.csr_array(X)

    def right(fitted):
        assert_as_inner(subject, fitted, rows, y, rtol=1e-5, atol=1e-6)
        if subject.kind == "selector" and subject.name not in OTHER_IF_SPARSE:
            found, wanted = subject.results(fitted), subject.run(X, y)
            np.testing.assert_array_equal(found["order_"], wanted["order_"])

    return subjects.answer(subject, rows, y, right, ("X", "sparse", "Sparse"))


@subjects.fault(25, "sparse X with indices of 64 bits")
def long_indices(subject):
    def check(X, y):
        X = sp.csr_array(np.maximum(X - 3.0, 0.0))
        long = X.copy()
        long.indices, long.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
        cell = same_or_refused(subject, long, y, lambda: subject.run(X, y), rtol=1e-9)
        assert long.indices.dtype == long.indptr.dtype == np.int64
        return cell

    return over_tasks(subject, check)


@subjects.fault(26, "sparse X with explicit zeros and duplicates")
def not_canonical(subject):
    def check(X, y):
        X = sp.csr_array(np.maximum(X - 3.0, 0.0))
        rows = with_duplicates(X)
        before = [part.copy() for part in (rows.data, rows.indices, rows.indptr)]
        cell = same_or_refused(subject, rows, y, lambda: subject.run(X, y), rtol=1e-6)
        after = (rows.data, rows.indices, rows.indptr)
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(other, one)
        return cell

    return over_tasks(subject, check)


def with_duplicates(X):
    """The same matrix, each entry in two halves, last columns first, and stored zeros."""
    n_columns, data, indices, indptr = X.shape[1], [], [], [0]
    for row in X.toarray():
        for column in reversed(range(n_columns)):
            data += [row[column] / 2, row[column] / 2]
            indices += [column, column]
        indptr.append(len(data))
    rows = sp.csr_array((data, indices, indptr), shape=X.shape)
    assert not rows.has_canonical_format
    return rows


@subjects.fault(27, "pandas: nullable, categorical and Arrow columns, missing values")
def pandas_types(subject):
    pandas = pytest.importorskip("pandas")

    def check(X, y):
        frame = as_frame(np.round(X, 1), "pandas")
        wanted = subject.run(frame.to_numpy(), y)
        types = {name: "Float64" if name < "x2" else "category" for name in frame}
        frames, targets = [frame.astype(types)], [pandas.Series(y).convert_dtypes()]
        frames, targets = with_arrow(pandas, frames, targets, frame, y)
        for rows, target in zip(frames, targets, strict=True):
            if "HistGradient" in subject.name and "category" in rows.dtypes.to_list():
                fitted = subject.fit(rows, target)  # which splits categories as such
                assert_as_inner(subject, fitted, rows, target)
                continue
            found = subject.run(rows, target)
            subjects.assert_same_results(found, wanted, rtol=1e-6, atol=1e-9)
        missing = frame.astype("Float64")
        missing.iloc[5, 1] = pandas.NA
        return missing_as_nan(subject, missing, frame, y, (5, 1), pandas)

    return over_tasks(subject, check)


def with_arrow(pandas, frames, targets, frame, y):
    """Also columns of Arrow, where there is pyarrow."""
    try:
        import pyarrow
    except ImportError:
        return frames, targets
    del pyarrow
    kind = "double[pyarrow]" if y.dtype.kind == "f" else "int64[pyarrow]"
    return [*frames, frame.astype("double[pyarrow]")], [
        *targets,
        pandas.Series(y).astype(kind),
    ]


def missing_as_nan(subject, missing, frame, y, place, pandas):
    """A missing value counts as NaN, and is refused in y."""
    plain = frame.to_numpy(copy=True)
    plain[place] = np.nan
    target = pandas.Series(y).convert_dtypes()
    target.iloc[3] = pandas.NA
    subjects.assert_refuses_fit(subject, frame, target, ("y",), words=("NA", "NaN"))
    try:
        wanted = subject.run(plain, y)
    except ValueError:
        subjects.assert_refuses_fit(subject, missing, y, ("X",), words=("NA", "NaN"))
        return subjects.mixed(
            {"values": subjects.RIGHT, "missing values": subjects.REFUSED}
        )
    found = subject.run(missing, y)
    return subjects.assert_same_results(found, wanted, rtol=1e-6, atol=1e-9)


@subjects.fault(28, "polars frames and series")
def polars_frames(subject):
    polars = pytest.importorskip("polars")

    def check(X, y):
        wanted = usual(subject, y)
        frame = as_frame(X, "polars")
        found = subject.run(frame, polars.Series("y", y))
        return subjects.assert_same_results(found, wanted, rtol=1e-6, atol=1e-9)

    return over_tasks(subject, check)


@subjects.fault(29, "tensors")
def tensors(subject):
    torch = pytest.importorskip("torch")

    def check(X, y):
        rows, target = torch.tensor(X), torch.tensor(y)
        names = ("X", "tensor")

        def right(fitted):
            found = subject.results(fitted, X)
            subjects.assert_same_results(found, usual(subject, y), rtol=1e-6, atol=1e-9)

        cells = {"on the CPU": subjects.answer(subject, rows, target, right, names)}
        followed = rows.clone().requires_grad_()
        cells["with gradients"] = subjects.answer(subject, followed, y, right, names)
        elsewhere = torch.empty(X.shape, device="meta")
        if subject.kind != "comparison":  # which copies tensors to the CPU
            cells["on a device"] = subjects.answer(subject, elsewhere, y, right, names)
        if subject.predicts:
            fitted = subject.fit(X, y)
            for tensor in (followed, elsewhere):
                subjects.assert_refused(partial(subject.results, fitted, tensor), names)
        return subjects.mixed(cells)

    return over_tasks(subject, check)
