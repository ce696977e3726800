"""Choose few synthetic rows that reach many branches of a model, and ask the model."""

import pickle
import warnings

import numpy as np

from sklearn_prune.persistence.export import (
    TreeWalk,
    columns_of,
    reads_texts,
    tied,
    tree_forms,
    values_of,
    witness_rows,
)
from sklearn_prune.predictors import answers_to, rows_of

N_ROWS = 32
_CELLS = 256  # that differ from one base row, in all
_TIE = 1e-9  # of the scores of two labels, below which a row is left out


def witness_of(compact):
    """Rows and answers as a file holds them, or None if no row is accepted.

    The rows are made of the fitted model: values in its range and beyond, at thresholds
    and next to them, missing values, unknown categories. None is from training data.
    """
    if not hasattr(compact, "predict"):
        return None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:  # as a loaded model answers: by numpy
            return _witness_of(pickle.loads(pickle.dumps(compact)))
        except Exception:  # of whatever kind the model refuses its own values with
            return None


def _witness_of(compact):
    texts, shape = bool(reads_texts(compact)), None
    names = getattr(compact, "feature_names_in_", None)
    n_features = getattr(compact, "n_features_in_", None)
    if texts:
        kinds = [np.dtype(object)]
    elif n_features is None:
        shape = tuple(map(int, compact.input_shape_))
        rows = np.random.default_rng(0).normal(size=(8, int(np.prod(shape)))).round(1)
        columns = list(rows.astype(compact._dtype).T)
    else:
        lists = values_of(compact, n_features)
        kinds = [
            np.dtype(object if any(isinstance(v, str) for v in own) else float)
            for own in lists
        ]
    if shape is None:
        columns = _chosen(compact, kinds, texts)
    columns = _settled(compact, columns, names, texts, shape)
    rows = _made(columns, names, texts, shape)
    labels, scores = answers_to(compact, rows)
    if labels is not None:
        labels = list(np.unique(labels, return_inverse=True))
        labels[1] = labels[1].astype(np.uint8)
    if all(own.dtype == columns[0].dtype and own.dtype.kind == "f" for own in columns):
        columns = np.stack(columns, axis=1)
    return {
        "columns": columns,
        "names": names is not None,
        "texts": texts,
        "shape": shape,
        "labels": labels,
        "scores": scores,
    }


def _made(columns, names, texts, shape):
    rows = rows_of(columns, names, texts)
    return rows.reshape(-1, *shape) if shape else rows


def _chosen(compact, kinds, texts):
    """Columns of some rows of each sort that the model accepts."""
    found = witness_rows(compact.predict, compact, kinds, documents=texts)
    groups = [columns_of(rows) for rows, _ in found]
    numbers = all(kind.kind == "f" for kind in kinds)
    if numbers and not texts:
        allow_nan = compact.__sklearn_tags__().input_tags.allow_nan
        for form, own in list(tree_forms(compact, np.arange(len(kinds))))[:1]:
            walk = TreeWalk(form, np.float64, allow_nan=allow_nan, most=8)
            near = next(walk.rows())
            rows = np.zeros((len(near), len(kinds)))
            rows[:, own] = near[:, : len(own)]
            groups.insert(0, list(rows.T))
    share = -(-N_ROWS // len(groups))
    parts = []
    for columns in groups:
        at = np.unique(np.linspace(0, len(columns[0]) - 1, share).astype(int))
        parts.append([own[at] for own in columns])
    columns = [np.concatenate(own) for own in zip(*parts, strict=True)]
    return _near_a_base(columns) if numbers and not texts else columns


def _near_a_base(columns):
    """Rows that differ from the first one in few columns, so that they pack well."""
    rows = np.stack(columns, axis=1)
    base = np.nan_to_num(rows[-1])
    base = np.array([float(f"{value:.2g}") for value in base])
    few = max(4, _CELLS // len(rows))
    if rows.shape[1] > few:
        rng = np.random.default_rng(0)
        order = rng.permuted(np.tile(np.arange(rows.shape[1]), (len(rows), 1)), axis=1)
        kept = order < few
        kept[np.arange(len(rows)), np.argmax(rows != base, axis=1)] = True
        rows = np.where(kept, rows, base)
    return list(rows.T)


def _settled(compact, columns, names, texts, shape):
    """The rows that are accepted, and whose labels are sure."""
    rows = _made(columns, names, texts, shape)
    fine = np.ones(len(columns[0]), dtype=bool)
    if shape is None and isinstance(rows, np.ndarray):
        fine &= ~tied(compact, rows)
    if hasattr(compact, "classes_"):
        for method in ("decision_function", "predict_proba"):
            if hasattr(compact, method):
                fine &= is_sure(getattr(compact, method)(rows))
                break
    return [own[fine] for own in columns]


def is_sure(scores, tie=_TIE):
    """A mask of the rows whose two highest scores differ by more than `tie`."""
    if isinstance(scores, list):
        return np.all([is_sure(part, tie) for part in scores], axis=0)
    scores = np.asarray(scores)
    if scores.ndim == 1:
        return ~(np.abs(scores) < tie)
    highest = np.sort(scores, axis=1)[:, -2:]
    return ~(np.ptp(highest, axis=1) < tie * (1 + np.abs(highest[:, -1])))
