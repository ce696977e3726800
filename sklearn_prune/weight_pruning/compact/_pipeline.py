"""Fitted transformers before a compact predictor."""

import numpy as np

from sklearn_prune.weight_pruning.compact._containers import CompactContainer, inner_has


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


class CompactPipeline(CompactContainer):
    """Transformers as they were fitted, and the compact form of what comes last."""

    def __sklearn_tags__(self):
        if not hasattr(self, "members_"):
            return super().__sklearn_tags__()
        tags = self.members_[0].__sklearn_tags__()
        if self.steps_:
            tags.input_tags = self.steps_[0][1].__sklearn_tags__().input_tags
        return tags

    def _transform(self, X):
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

    def predict(self, X, **params):
        """Predict from transformed rows."""
        return self.members_[0].predict(self._transform(X), **params)

    @inner_has("predict_proba")
    def predict_proba(self, X, **params):
        """Class probabilities from transformed rows."""
        return self.members_[0].predict_proba(self._transform(X), **params)

    @inner_has("predict_log_proba")
    def predict_log_proba(self, X, **params):
        """Logarithms of the class probabilities."""
        return self.members_[0].predict_log_proba(self._transform(X), **params)

    @inner_has("decision_function")
    def decision_function(self, X, **params):
        """Scores from transformed rows."""
        return self.members_[0].decision_function(self._transform(X), **params)

    @inner_has("score_samples")
    def score_samples(self, X):
        """Log-likelihoods from transformed rows."""
        return self.members_[0].score_samples(self._transform(X))

    @inner_has("score")
    def score(self, X, y, sample_weight=None):
        """Score of the last step on transformed rows."""
        return self.members_[0].score(self._transform(X), y, sample_weight)
