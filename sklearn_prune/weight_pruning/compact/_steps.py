"""A transformer that stands for fitted feature selection."""

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import validate_data

from sklearn_prune.weight_pruning.compact._columns import take_columns


class SelectedColumns(TransformerMixin, BaseEstimator):
    """Hand on some of the columns: what a fitted selector does, without its scores.

    Parameters
    ----------
    columns : ndarray of shape (n_selected,), int
        Sorted positions.
    """

    def __init__(self, columns):
        self.columns = columns

    @classmethod
    def of(cls, selector):
        """From a fitted feature selector."""
        step = cls(selector.get_support(indices=True))
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(selector, name):
                setattr(step, name, getattr(selector, name))
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

    def transform(self, X):
        """Take the columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        array or sparse matrix of shape (n_samples, n_selected)
            The selected columns; what they hold is for the predictor to check.
        """
        X = validate_data(
            self, X, dtype=None, accept_sparse="csr", ensure_all_finite=False, reset=False
        )
        return take_columns(X, self.columns)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_features_in_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = True
        return tags
