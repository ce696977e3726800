"""What compact forms made of others share, and the ones that hold a single other."""

from copy import copy

import numpy as np

from sklearn_prune.weight_pruning.compact._base import Compact, available_if
from sklearn_prune.weight_pruning.compact._rows import count_rows


class CompactContainer(Compact):
    """A predictor made of others: `members_`."""

    @classmethod
    def around(cls, members, model, **attributes):
        """The predictor of a fitted container, given the compact forms of its members."""
        compact = cls()
        compact.members_ = list(members)
        for name in ("classes_", "n_features_in_", "feature_names_in_"):
            if hasattr(model, name):
                setattr(compact, name, getattr(model, name))
        for name, value in attributes.items():
            setattr(compact, name, value)
        return compact

    def __sklearn_is_fitted__(self):
        return hasattr(self, "members_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        for member in getattr(self, "members_", ()):
            found = member.__sklearn_tags__().input_tags
            tags.input_tags.sparse &= found.sparse
            tags.input_tags.allow_nan = found.allow_nan
        return tags

    def _array(self, X):
        """X as an array or sparse matrix; its values are for the members to check."""
        if (
            type(X) is np.ndarray
            and X.dtype.char in "fd"
            and X.ndim == 2
            and X.shape[1] == self.n_features_in_
            and not hasattr(self, "feature_names_in_")
        ):
            return X
        from sklearn.utils.validation import validate_data

        return validate_data(
            self, X, accept_sparse=True, ensure_all_finite=False, reset=False
        )

    def quantized(self, quantizer):
        """A copy of quantized members."""
        small = copy(self)
        small.members_ = [member.quantized(quantizer) for member in self.members_]
        return small

    def n_parameters(self):
        """Number of stored numbers that `predict` reads, the members' included."""
        own = super().n_parameters()
        return own + sum(member.n_parameters() for member in self.members_)

    def n_nonzero(self):
        """Number of those that are not zero."""
        own = super().n_nonzero()
        return own + sum(member.n_nonzero() for member in self.members_)


def members_have(method):
    """Check for `available_if`: the first member has the method, as scikit-learn asks."""

    def check(self):
        getattr(self.members_[0], method)
        return True

    return available_if(check)


def positive_scores(member, method, X):
    """Scores of the positive class of a binary model."""
    found = getattr(member, method)(X)
    if method == "predict_proba":
        return found[:, 1]
    return np.ravel(found) if method == "decision_function" else found


class CompactConstant(Compact):
    """A binary predictor that has seen one class."""

    @classmethod
    def of(cls, value):
        """The predictor of one class, as an array of one 0 or 1."""
        compact = cls()
        compact.value_ = value
        return compact

    def __sklearn_is_fitted__(self):
        return hasattr(self, "value_")

    def predict(self, X):
        """The one class, for each row."""
        return np.repeat(self.value_, count_rows(X))

    def decision_function(self, X):
        """The one class, for each row."""
        return self.predict(X)

    def predict_proba(self, X):
        """Probability 1 for the one class."""
        value = self.value_.astype(np.float64)
        return np.repeat([np.hstack([1 - value, value])], count_rows(X), axis=0)

    def quantized(self, quantizer):
        """Itself: there is nothing to round."""
        return self


def transformed_back(transformer, values):
    """Undo a fitted transformer of targets; for cheap ones without checking the values."""
    kind = type(transformer).__name__
    if kind == "StandardScaler" and values.dtype == np.float64:
        values = values * transformer.scale_ if transformer.with_std else values
        return values + transformer.mean_ if transformer.with_mean else values
    if kind == "FunctionTransformer" and transformer.inv_kw_args is None:
        inverse = transformer.inverse_func
        return values if inverse is None else inverse(values)
    return transformer.inverse_transform(values)


class CompactTransformedTarget(CompactContainer):
    """A regressor whose predictions are transformed back."""

    def predict(self, X, **params):
        """Predict targets in their own units."""
        found = self.members_[0].predict(X, **params)
        found = found.reshape(-1, 1) if found.ndim == 1 else found
        found = transformed_back(self.transformer_, found)
        if self.target_dim_ == 1 and found.ndim == 2 and found.shape[1] == 1:
            found = found.squeeze(axis=1)
        return found


def inner_has(method):
    """Check for `available_if`: the only member has the method."""
    return available_if(lambda self: hasattr(self.members_[0], method))


class CompactThreshold(CompactContainer):
    """A binary classifier with a threshold of its own."""

    def __sklearn_tags__(self):
        if not hasattr(self, "members_"):
            return super().__sklearn_tags__()
        return self.members_[0].__sklearn_tags__()

    def predict(self, X):
        """The positive class from the threshold on, else the other."""
        scores = getattr(self.members_[0], self.method_)(X)
        if self.method_ == "predict_proba":
            scores = scores[:, self.positive_]
        elif self.positive_ == 0:
            scores = -scores
        labels = self.classes_[[1 - self.positive_, self.positive_]]
        return labels[(scores >= self.threshold_).astype(int)]

    @inner_has("predict_proba")
    def predict_proba(self, X):
        """Class probabilities of the member."""
        return self.members_[0].predict_proba(X)

    @inner_has("predict_log_proba")
    def predict_log_proba(self, X):
        """Logarithms of the class probabilities."""
        return self.members_[0].predict_log_proba(X)

    @inner_has("decision_function")
    def decision_function(self, X):
        """Scores of the member."""
        return self.members_[0].decision_function(X)
