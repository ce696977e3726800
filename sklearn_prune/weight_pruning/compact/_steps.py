"""A transformer that stands for fitted feature selection."""

import numpy as np

from sklearn_prune.weight_pruning.compact._base import Estimator
from sklearn_prune.weight_pruning.compact._rows import take_columns


class ColumnSelector(Estimator):
    """Select columns by position: what fitted feature selection does, without its scores.

    Parameters
    ----------
    columns : array-like of int
        Sorted positions of the columns to keep.
    """

    _sklearn_output_config = {}

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

    def get_params(self, deep=True):
        """The columns, by name."""
        return {"columns": self.columns}

    def set_params(self, **params):
        """Set the columns."""
        unknown = sorted(params.keys() - {"columns"})
        if unknown:
            raise ValueError(
                f"The parameter of ColumnSelector is columns. Got {', '.join(unknown)}. "
                "Write columns=[0, 1]."
            )
        vars(self).update(params)
        return self

    def set_output(self, *, transform=None):
        """Choose the container of the output: "default", "pandas" or "polars"."""
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

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
        from sklearn.utils.validation import validate_data

        validate_data(self, X, skip_check_array=True)
        return self

    def transform(self, X):
        """The columns to keep."""
        from sklearn import get_config
        from sklearn.utils.validation import check_is_fitted, validate_data

        check_is_fitted(self)
        default = get_config()["transform_output"]
        output = self._sklearn_output_config.get("transform", default)
        stays = output != "default" and hasattr(X, "columns")
        rows = validate_data(
            self,
            X,
            dtype=None,
            accept_sparse="csr",
            ensure_all_finite=False,
            skip_check_array=stays,
            reset=False,
        )
        found = take_columns(rows, np.asarray(self.columns))
        if output == "default" or stays:
            return found
        from importlib import import_module

        names = self.get_feature_names_out().tolist()
        if output == "polars":
            return import_module(output).DataFrame(found, schema=names)
        return import_module(output).DataFrame(found, columns=names)

    def fit_transform(self, X, y=None):
        """Learn the number of columns, and keep some."""
        return self.fit(X).transform(X)

    def get_support(self, indices=False):
        """A mask, or the positions, of the columns to keep."""
        if indices:
            return np.array(self.columns)
        mask = np.zeros(self.n_features_in_, dtype=bool)
        mask[self.columns] = True
        return mask

    def get_feature_names_out(self, input_features=None):
        """Names of the columns to keep."""
        if input_features is None:
            numbered = [f"x{number}" for number in range(self.n_features_in_)]
            input_features = getattr(self, "feature_names_in_", numbered)
        return np.asarray(input_features, dtype=object)[self.columns]

    def __sklearn_tags__(self):
        from sklearn.utils import TransformerTags

        tags = super().__sklearn_tags__()
        tags.transformer_tags = TransformerTags()
        tags.input_tags.sparse = tags.input_tags.allow_nan = True
        return tags
