"""What C does to rows one after the other, and what is read as codes."""

from math import prod

import numpy as np

from sklearn_prune.persistence.export.c.containers import Around
from sklearn_prune.persistence.export.c.steps import Steps
from sklearn_prune.persistence.export.c.transformers import WRITERS
from sklearn_prune.persistence.export.c.writer import Program
from sklearn_prune.predictors import as_numbers, column, is_frame, names_of
from sklearn_prune.weight_pruning import exporters


def plan(program, compact):
    """What is done to rows, as stages, and the writer of what reads them then."""
    categories = categories_of(compact, program.precision)
    steps = Steps(program, WRITERS, categories)
    rows, writer = _followed(steps, compact, steps.rows(n_inputs(compact)))
    for origin, own in sorted(categories.items()):
        values = np.array(own.known)
        if len(values):
            kind = None if values.dtype.kind in "U" else "double"
            program.publish(f"categories_{origin}", values, kind)
    return steps.finished(rows, writer), writer


def _followed(steps, compact, rows):
    """Rows in front of the last predictor, and its writer."""
    if hasattr(compact, "inner_"):
        return _followed(steps, compact.inner_, rows.take(compact.columns_))
    if hasattr(compact, "steps_"):
        rows = steps.chain(compact.steps_, rows)
        return _followed(steps, compact.members_[0], rows)
    kinds = exporters("c")
    for cls in type(compact).__mro__:
        if cls.__name__ in kinds:
            break
    else:
        kind = type(getattr(compact, "model_", compact)).__name__
        kind = kind.removeprefix("Compact")
        raise TypeError(
            "to_c writes trees, forests, boosting, linear models, kernel machines and "
            f"nets, behind scalers, imputers and encoders. Got {kind}. Use save() or "
            "to_onnx() instead."
        )
    writer = kinds[cls.__name__](steps.program, compact)
    if isinstance(writer, Around):
        rows, inner = _followed(steps, compact.members_[0], rows)
        writer.take(inner)
        return rows, writer
    return writer.prepared(steps, rows), writer


class _NoProgram(Program):
    """Takes tables and functions, and forgets them."""

    def _nothing(self, *_):
        pass

    table = add = publish = _nothing


def categories_of(compact, precision="double"):
    """The input columns that C reads as codes.

    Parameters
    ----------
    compact : Compact
        A predictor that to_c writes.
    precision : {"double", "float"}
        As of to_c.

    Returns
    -------
    dict of int to Categories
    """
    steps = Steps(_NoProgram("model", precision, "speed"), WRITERS)
    _followed(steps, compact, steps.rows(n_inputs(compact)))
    for origin, own in steps.categories.items():
        own.missing = steps.fills.get(origin)
    return steps.categories


def n_inputs(compact):
    """Number of columns of a row in C."""
    if getattr(compact, "n_features_in_", None) is not None:
        return compact.n_features_in_
    shape = getattr(compact, "input_shape_", None)
    if shape is None and hasattr(compact, "layers_"):
        shape = getattr(compact.layers_[0].weights, "shape", ())[1:]
        if len(shape) != 1 or compact.columns_ is not None:
            raise TypeError(
                "to_c writes nets whose rows have a known shape. Got a net without "
                "input_shape_. Write compact(model).input_shape_ = X.shape[1:], and pass "
                "that form."
            )
    return prod(map(int, shape or (0,)))


def coded(compact, X):
    """Rows as the C of a predictor reads them.

    Parameters
    ----------
    compact : Compact
        A predictor that to_c writes.
    X : array, frame, dict of columns or list of rows
        Rows as the predictor reads them.

    Returns
    -------
    ndarray of float64, of shape (n_samples, n_features)
        Texts are codes, positions in the arrays ``NAME_categories_K``, or -1 where they are
        not there; missing values are NaN. Columns that are not read may be NaN too.
    """
    categories, width = categories_of(compact), n_inputs(compact)
    if getattr(compact, "n_features_in_", None) is None:
        return np.asarray(X, dtype=np.float64).reshape(len(X), width)
    names = names_of(X)
    own = getattr(compact, "feature_names_in_", None)
    by_values = names is not None or is_frame(X)
    rows = X if by_values or hasattr(X, "dtype") else np.array(X, dtype=object)
    found = []
    for place in range(width):
        at = place if own is None or names is None else own[place]
        if own is not None and names is not None and at not in names:
            found.append(None)  # of a column that is not read
            continue
        values = column(rows, at)
        known = categories.get(place)
        if known is not None and (known.arrays or by_values):
            found.append(known.codes(values.tolist()))
            continue
        try:
            found.append(as_numbers(values, np.float64))
        except ValueError:
            found.append(None)
    n = next(len(values) for values in found if values is not None)
    return np.stack([np.full(n, np.nan) if v is None else v for v in found], axis=1)
