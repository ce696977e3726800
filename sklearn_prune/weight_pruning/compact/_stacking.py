"""Compact form of stacked predictors: members, and one that reads what they predict."""

import numpy as np

from sklearn_prune.weight_pruning.compact._base import available_if
from sklearn_prune.weight_pruning.compact._containers import CompactContainer
from sklearn_prune.weight_pruning.compact._rows import is_sparse


def stacked(predictions, methods, X, binary, passthrough):
    """The columns that the final predictor reads.

    Parameters
    ----------
    predictions : list of ndarray of shape (n_samples,) or (n_samples, n_columns)
        Of each member.
    methods : list of str
        The methods that gave them.
    X : rows
        What the members read.
    binary : bool
        Whether there are two classes: the first column of probabilities is left out.
    passthrough : bool
        Whether X itself follows.

    Returns
    -------
    ndarray or sparse matrix of shape (n_samples, n_columns)
        Side by side.
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
            from scipy.sparse import hstack

            return hstack(columns, format=X.format)
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
