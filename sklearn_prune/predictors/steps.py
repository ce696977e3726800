"""Pipelines, and models of some columns."""

from copy import copy

import numpy as np

from .base import Compact, Delegating, inner_has
from .containers import CompactContainer
from .quantized import dense, is_sparse, take_columns


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
        from sklearn.utils.validation import validate_data

        if hasattr(X, "columns"):
            validate_data(self, X, reset=False, skip_check_array=True)
        else:
            finite = True
            if self.inner_.__sklearn_tags__().input_tags.allow_nan:
                finite = not getattr(self.inner_, "allows_infinity", False) and "allow-nan"
            X = validate_data(
                self,
                X,
                reset=False,
                dtype=None,
                accept_sparse=("csr", "csc"),
                ensure_all_finite=finite,
            )
        return take_columns(X, self.columns_)

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
    """Transformers as they were fitted, and the predictor of the last step."""

    _inner = property(lambda self: self.members_[0])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if getattr(self, "steps_", ()):
            tags.input_tags = self.steps_[0][1].__sklearn_tags__().input_tags
        return tags

    def _rows(self, X):
        plain = not hasattr(self.members_[0], "feature_names_in_")
        for _, step in self.steps_:
            finite = (
                plain
                and type(X) is np.ndarray
                and X.dtype.char == "d"
                and X.ndim == 2
                and len(X) > 0
                and np.isfinite(np.sum(X))
            )
            X = transformed(step, X, finite)
        return X

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


def transformed(step, X, finite):
    """X as the fitted transformer gives it; cheap ones skip the checks that X passes."""
    ours = type(step).__module__.startswith(("sklearn.", "sklearn_prune."))
    quick = _ON_ARRAYS.get(type(step).__name__) if finite and ours else None
    if (
        quick is not None
        and X.shape[1] == step.n_features_in_
        and not hasattr(step, "feature_names_in_")
    ):
        found = quick(step, X)
        if found is not None:
            return found
    return step.transform(X)


def _standardised(step, X):
    X = X - step.mean_ if step.with_mean else X
    return X / step.scale_ if step.with_std else X


def _scaled_to_range(step, X):
    X = X * step.scale_ + step.min_
    return np.clip(X, *step.feature_range) if step.clip else X


def _scaled_by_maximum(step, X):
    X = X / step.scale_
    return np.clip(X, -1.0, 1.0) if getattr(step, "clip", False) else X


def _scaled_robustly(step, X):
    X = X - step.center_ if step.with_centering else X
    return X / step.scale_ if step.with_scaling else X


def _imputed(step, X):
    """Nothing to fill in where all values are finite."""
    simple = isinstance(step.missing_values, float) and np.isnan(step.missing_values)
    if not simple or step.add_indicator or step._fit_dtype.kind != "f":
        return None
    return None if np.isnan(step.statistics_).any() else X


# The same arithmetic as in `transform`, on a finite float64 array of the right width.
_ON_ARRAYS = {
    "StandardScaler": _standardised,
    "MinMaxScaler": _scaled_to_range,
    "MaxAbsScaler": _scaled_by_maximum,
    "RobustScaler": _scaled_robustly,
    "SimpleImputer": _imputed,
    "ColumnSelector": lambda step, X: X[:, step.columns],
}
