"""Predictors of containers that fit on out-of-fold predictions: stacking, calibration."""

import numpy as np

from .base import available_if
from .containers import CompactContainer
from .frames import as_csr, as_scipy, side_by_side
from .links import expit, softmax
from .quantized import count_rows, is_sparse


def stacked(predictions, methods, X, binary, passthrough):
    """The columns that the final predictor reads, side by side.

    `predictions` are those of each member by its method. X follows if `passthrough`. Where
    there are two classes, `binary`, the first column of probabilities is left out.
    """
    columns = []
    for found, method in zip(predictions, methods, strict=True):
        if found.ndim == 1:
            columns.append(found.reshape(-1, 1))
        else:
            first = 1 if binary and method == "predict_proba" else 0
            columns.append(found[:, first:])
    if passthrough:
        columns.append(X)
        if is_sparse(X):
            return as_scipy(side_by_side([as_csr(column) for column in columns]))
    return np.hstack(columns)


def _final_has(method):
    return available_if(lambda self: hasattr(self.final_, method))


class CompactStacking(CompactContainer):
    """Members, and `final_`, which reads what they predict; it is never rounded."""

    def _transform(self, X):
        predictions = [
            getattr(member, method)(X)
            for member, method in zip(self.members_, self.methods_, strict=True)
        ]
        binary = len(getattr(self, "classes_", ())) == 2
        return stacked(predictions, self.methods_, X, binary, self.passthrough_)

    def predict(self, X, **params):
        """Predict from what the members predict."""
        return self.final_.predict(self._transform(X), **params)

    def n_parameters(self):
        """Numbers of the members and of the final predictor."""
        return super().n_parameters() + self.final_.n_parameters()

    def n_nonzero(self):
        """Number of those that are not zero."""
        return super().n_nonzero() + self.final_.n_nonzero()


class CompactStackingRegressor(CompactStacking):
    """Stacked regressors."""


class CompactStackingClassifier(CompactStacking):
    """Stacked classifiers; labels inside are positions in `classes_`."""

    def predict(self, X, **params):
        """Predict labels from what the members predict."""
        return self.classes_[super().predict(X, **params)]

    @_final_has("predict_proba")
    def predict_proba(self, X):
        """Class probabilities of the final predictor."""
        return self.final_.predict_proba(self._transform(X))

    @_final_has("decision_function")
    def decision_function(self, X):
        """Scores of the final predictor."""
        return self.final_.decision_function(self._transform(X))


def response(classifier, X):
    """What a calibrator reads of a classifier, of shape (n_samples, n_columns)."""
    if hasattr(classifier, "decision_function"):
        found = classifier.decision_function(X)
    else:
        found = classifier.predict_proba(X)
        found = found[:, 1] if len(classifier.classes_) == 2 else found
    return found.reshape(-1, 1) if found.ndim == 1 else found


def _sigmoid(curve, scores):
    return expit(-(curve[0] * scores + curve[1]))


def _isotonic(curve, scores):
    at, values = curve
    scores = np.clip(scores.astype(at.dtype, copy=False), at[0], at[-1])
    if len(at) == 1:
        return values.repeat(scores.shape)
    if at.dtype == np.float64:
        return np.interp(scores, at, values)
    # As interp1d of scipy in single precision.
    above = np.clip(np.searchsorted(at, scores), 1, len(at) - 1)
    slopes = (values[above] - values[above - 1]) / (at[above] - at[above - 1])
    return (slopes * (scores - at[above - 1]) + values[above - 1]).astype(at.dtype)


def _logits(scores):
    """Scores of all classes; what looks like probabilities becomes logarithms."""
    if scores.shape[1] == 1:
        return np.concatenate([-scores, scores], axis=1)
    sums_to_one = np.all(np.isclose(np.sum(scores, axis=1), 1.0))
    if np.all((scores >= 0) & (scores <= 1)) and sums_to_one:
        return np.log(scores + 1e-12)
    return scores


class CompactCalibrated(CompactContainer):
    """The mean over folds of calibrated predictors.

    `curves_` holds for each member the numbers of its calibrators: slope and intercept,
    thresholds and values, or an inverse temperature.
    """

    def predict(self, X):
        """The class of the largest calibrated probability."""
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]

    def predict_proba(self, X):
        """Mean of the calibrated probabilities."""
        found = np.zeros((count_rows(X), len(self.classes_)))
        for member, curves in zip(self.members_, self.curves_, strict=True):
            found += self._calibrated(member, curves, X)
        found /= len(self.members_)
        return found

    def _calibrated(self, member, curves, X):
        scores = response(member, X)
        if self.method_ == "temperature":
            if scores.shape[1] == 1 and not hasattr(member, "decision_function"):
                scores = np.concatenate([1 - scores, scores], axis=1)
            found = softmax(curves[0][0] * _logits(scores))
        else:
            found = self._each_class(member, curves, scores)
        found[(found > 1.0) & (found <= 1.0 + 1e-5)] = 1.0
        return found

    def _each_class(self, member, curves, scores):
        n_classes = len(self.classes_)
        found = np.zeros((len(scores), n_classes))
        calibrated = _sigmoid if self.method_ == "sigmoid" else _isotonic
        if n_classes == 2:
            found[:, 1] = calibrated(curves[0], scores[:, 0])
            found[:, 0] = 1.0 - found[:, 1]
            return found
        columns = self._positions(member)
        for column, own, curve in zip(columns, scores.T, curves, strict=False):
            found[:, column] = calibrated(curve, own)
        sums = np.sum(found, axis=1)[:, np.newaxis]
        uniform = np.full_like(found, 1 / n_classes)
        return np.divide(found, sums, out=uniform, where=sums != 0)

    def _positions(self, member):
        """Positions in `classes_` of the member's classes, which may be codes."""
        own = member.classes_
        if len(own) == len(self.classes_):
            return np.arange(len(own))
        return np.searchsorted(self.classes_, own)

    def _stored(self):
        for curves in self.curves_:
            yield from curves
