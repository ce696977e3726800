"""Pipelines, and models of some columns."""

from copy import copy

import numpy as np

from .base import Compact, Delegating, inner_has
from .containers import CompactContainer
from .frames import (
    check_names,
    check_width,
    checked,
    columns_of,
    is_frame,
    is_named,
    names_of,
    table,
)
from .quantized import dense, is_sparse, take_columns
from .transformers import transformed


class CompactColumns(Delegating, Compact):
    """Reads the columns that are left and hands them to the predictor that needs them."""

    _inner = property(lambda self: self.inner_)

    @classmethod
    def around(cls, inner, columns, n_features, names=None):
        """The predictor `inner`, asked with rows of all columns."""
        compact = cls()
        compact.inner_ = inner
        compact.columns_ = columns.astype(np.min_scalar_type(max(n_features - 1, 0)))
        compact.n_features_in_ = n_features
        if hasattr(inner, "classes_"):
            compact.classes_ = inner.classes_
        if names is not None:
            compact.feature_names_in_ = names
        return compact

    def _rows(self, X):
        if self._is_plain(X):
            return X[:, self.columns_]
        if is_named(X) and hasattr(self, "feature_names_in_"):
            rows = columns_of(X, self._needed(X))
            return rows if hasattr(self.inner_, "feature_names_in_") else table(rows)
        if not isinstance(X, np.ndarray) and is_frame(X):
            check_names(self, X)
            check_width(self, X.shape[1])
        else:
            finite = True
            if _allows_nan(self.inner_):
                finite = not getattr(self.inner_, "allows_infinity", False) and "allow-nan"
            X = checked(self, X, None, finite=finite, sparse=True)
        return take_columns(X, self.columns_)

    def _needed(self, X):
        """Names of the columns that are read, all of which X must have."""
        names = self.feature_names_in_[self.columns_]
        missing = sorted(set(names).difference(names_of(X)))
        if missing:
            raise ValueError(
                "X must have the columns that are read. Got none of the names "
                f"{', '.join(missing[:5])}. Add these columns."
            )
        return names

    @property
    def coef_(self):
        """Coefficients of all columns, zeros for those that are gone."""
        return at_columns(self.inner_.coef_, self.columns_, self.n_features_in_)

    @property
    def intercept_(self):
        """Intercepts of the inner predictor."""
        return self.inner_.intercept_

    def quantized(self, quantizer):
        """A copy around the quantized inner predictor."""
        small = copy(self)
        small.inner_ = self.inner_.quantized(quantizer)
        return small

    def n_parameters(self):
        """Number of stored numbers that the inner predictor reads."""
        return self.inner_.n_parameters()

    def n_nonzero(self):
        """Number of those that are not zero."""
        return self.inner_.n_nonzero()


class CompactPipeline(Delegating, CompactContainer):
    """Fitted transformers, in numpy forms where there are some, and the last predictor."""

    _inner = property(lambda self: self.members_[0])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if getattr(self, "steps_", ()):
            tags.input_tags = self.steps_[0][1].__sklearn_tags__().input_tags
        return tags

    def _rows(self, X):
        found = transformed(self.steps_, X)
        names = getattr(self.members_[0], "feature_names_in_", None)
        if names is None or found is X or type(found) is not np.ndarray:
            return found
        return dict(zip(names, found.T, strict=True))  # the model was fitted on frames

    @property
    def coef_(self):
        """Coefficients of the last step, of the columns of X that it reads, zeros else."""
        return behind_steps(self._inner.coef_, self.steps_)

    @property
    def intercept_(self):
        """Intercepts of the last step."""
        return self._inner.intercept_

    @inner_has("score")
    def score(self, X, y, sample_weight=None):
        """Score of the last step on transformed rows."""
        return self._inner.score(self._rows(X), y, sample_weight)


def _allows_nan(predictor):
    """Whether a predictor reads rows with missing values."""
    if getattr(predictor, "steps_", None):
        predictor = predictor.steps_[0][1]
    elif hasattr(predictor, "inner_"):
        return _allows_nan(predictor.inner_)
    elif hasattr(predictor, "members_"):
        return _allows_nan(predictor.members_[-1])
    predictor = getattr(predictor, "model_", predictor)
    if hasattr(predictor, "_allow_nan"):
        return predictor._allow_nan
    return predictor.__sklearn_tags__().input_tags.allow_nan  # of scikit-learn


def at_columns(values, columns, n_features):
    """Values of some columns, along the last axis, with zeros for the others."""
    values = dense(values)
    values = values.toarray() if is_sparse(values) else np.asarray(values)
    full = np.zeros((*values.shape[:-1], n_features), dtype=values.dtype)
    full[..., columns] = values
    return full


def behind_steps(values, steps):
    """Values of the columns that fitted transformers give, by the columns that they take.

    Columns are traced by their names, without the prefixes that ColumnTransformer and
    FeatureUnion put before them; those that are dropped have zeros. Raises AttributeError
    where a transformer makes columns of its own, or gives one of X twice.
    """
    for _, step in reversed(steps):
        plain = getattr(step, "func", step) is None  # FunctionTransformer()
        if step == "passthrough" or plain or hasattr(step, "fit_resample"):
            continue
        width = step.n_features_in_
        before = list(getattr(step, "feature_names_in_", [f"x{i}" for i in range(width)]))
        try:
            names = step.get_feature_names_out(before)
            if getattr(step, "verbose_feature_names_out", False) is True:
                names = [name.partition("__")[2] for name in names]
            columns = [before.index(name) for name in names]
            if len(set(columns)) < len(columns):
                raise ValueError("a column is given twice")
        except ValueError as error:
            raise AttributeError(
                f"{type(step).__name__} makes columns that are none of X, or gives one "
                "twice. Ask the last step of the Pipeline for its coefficients or "
                "importances."
            ) from error
        values = at_columns(values, columns, width)
    return values
