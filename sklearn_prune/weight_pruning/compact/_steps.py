"""A transformer that stands for fitted feature selection."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class ColumnSelector(SelectorMixin, BaseEstimator):
    """Select columns by position: what fitted feature selection does, without its scores.

    Parameters
    ----------
    columns : array-like of int
        Sorted positions of the columns to keep.
    """

    def __init__(self, columns):
        self.columns = columns

    @classmethod
    def of(cls, fitted, columns):
        """Fitted, for the columns that a fitted object takes."""
        step = cls(columns)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(fitted, name):
                setattr(step, name, getattr(fitted, name))
        return step

    def fit(self, X, y=None):
        """Learn the number and names of the columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The selector.
        """
        validate_data(self, X, skip_check_array=True)
        return self

    def _get_support_mask(self):
        check_is_fitted(self, "n_features_in_")
        mask = np.zeros(self.n_features_in_, dtype=bool)
        mask[self.columns] = True
        return mask

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = True
        return tags
