"""Rows inside a file, with the answers of the model that was saved."""

import warnings

import numpy as np

from ..base import LoadError
from ..quantized import need

METHODS = ("predict_proba", "decision_function")


class DifferentAnswers(LoadError):
    """A loaded model gives other answers than the model that was saved."""


def answers_to(model, rows):
    """Labels, or None, and one score of each row, or None.

    The score is a predicted number, or the largest of a row of scores.
    """
    labels, scores = np.asarray(model.predict(rows)), None
    if labels.dtype.kind == "f":
        labels, scores = None, labels
    for method in METHODS if scores is None else ():
        if hasattr(model, method):
            scores = getattr(model, method)(rows)
            break
    if isinstance(scores, list):
        scores = scores[0]
    if scores is not None:
        scores = np.asarray(scores)
        scores = scores.reshape(len(scores), -1).max(axis=1)
    return labels, scores


def rows_of(columns, names, texts, *, frames=True):
    """Columns as what the model reads: texts, an array, or rows by their names.

    Names are those of a frame of pandas if `frames` and pandas is installed, else of a
    dict of columns.
    """
    if texts:
        return columns[0].tolist()
    if names is not None:
        named = dict(zip(names, columns, strict=True))
        if not frames:
            return named
        try:
            from pandas import DataFrame
        except ImportError:
            return named
        return DataFrame(named)
    if all(own.dtype.kind == "f" for own in columns):
        return np.stack(columns, axis=1)
    return np.stack([own.astype(object) for own in columns], axis=1)


def compared(model, witness, path, *, frames):
    """A sentence on how a model answers the witness rows; LoadError if a label differs.

    `frames` says whether parts of the model may read frames of pandas only.
    """
    if witness is None:
        raise LoadError(
            f"verify=True needs a file with witness rows. Got {path}, which has none. Save "
            "the model with witness=True."
        )
    columns = witness["columns"]
    columns = list(columns.T) if isinstance(columns, np.ndarray) else columns
    need(columns and all(type(own) is np.ndarray for own in columns), "witness rows")
    names = getattr(model, "feature_names_in_", None) if witness["names"] else None
    rows = rows_of(columns, names, witness["texts"], frames=frames)
    if witness["shape"]:
        rows = rows.reshape(-1, *witness["shape"])
    with warnings.catch_warnings(), np.errstate(all="ignore"):  # as `save` asks
        warnings.simplefilter("ignore")
        labels, scores = answers_to(model, rows)
    n_rows, wanted = len(columns[0]), witness["labels"]
    if wanted is not None:
        wanted = wanted[0][wanted[1]]
        different = np.asarray(labels).shape != wanted.shape or (labels != wanted).any()
        if different:
            raise DifferentAnswers(
                f"A loaded model must give the labels of the saved one on {n_rows} witness "
                f"rows. Got others of {path}. Report this with the file, and the versions "
                "of numpy and sklearn-prune."
            )
    ulps = _ulps(scores, witness["scores"], path)
    parts = [] if wanted is None else ["labels equal"]
    parts += [] if ulps is None else [f"scores within {ulps} ulp"]
    return f"{n_rows} witness rows: {', '.join(parts)}"


def _ulps(found, wanted, path):
    """The largest difference, in units in the last place of the wanted scores."""
    if wanted is None:
        return None
    need(found is not None and found.shape == wanted.shape, "scores of witness rows")
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    found, wanted = found[~same], wanted[~same]
    if not len(found):
        return 0
    with np.errstate(invalid="ignore"):
        ulps = np.abs(found.astype(float) - wanted) / np.spacing(np.abs(wanted))
    if not np.isfinite(ulps).all():
        raise DifferentAnswers(
            "A loaded model must give the scores of the saved one. Got other infinite or "
            f"missing ones of {path}. Report this with the file."
        )
    return int(np.ceil(ulps.max()))
