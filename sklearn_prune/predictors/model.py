"""A fitted model kept as it is, where its kind has no smaller form."""

from copy import deepcopy

from .base import Compact, available_if
from .quantized import arrays_in


def _inner_has(method):
    return available_if(lambda self: hasattr(self.model_, method))


class CompactModel(Compact):
    """A fitted model of a kind that has no smaller form."""

    def __sklearn_is_fitted__(self):
        return hasattr(self, "model_")

    def __sklearn_tags__(self):
        if not hasattr(self, "model_"):
            return super().__sklearn_tags__()
        return self.model_.__sklearn_tags__()

    def predict(self, X, **params):
        """Predict as the model does."""
        return self.model_.predict(X, **params)

    @_inner_has("predict_proba")
    def predict_proba(self, X):
        """Class probabilities as the model gives them."""
        return self.model_.predict_proba(X)

    @_inner_has("predict_log_proba")
    def predict_log_proba(self, X):
        """Logarithms of the class probabilities."""
        return self.model_.predict_log_proba(X)

    @_inner_has("decision_function")
    def decision_function(self, X):
        """Scores as the model gives them."""
        return self.model_.decision_function(X)

    @_inner_has("score_samples")
    def score_samples(self, X):
        """Log-likelihoods as the model gives them."""
        return self.model_.score_samples(X)

    @property
    def coef_(self):
        """Coefficients, where the model has some."""
        return self.model_.coef_

    @property
    def intercept_(self):
        """Intercepts, where the model has some."""
        return self.model_.intercept_

    def restore(self):
        """A copy of the model."""
        return deepcopy(self.model_)

    def _stored(self):
        for array in arrays_in(self.model_):
            if array.dtype.kind in "biuf":
                yield array

    def quantized(self, quantizer):
        """Refuse: which of the arrays of an unknown model may be rounded is not known."""
        kind = "classifiers" if hasattr(self, "classes_") else "regressors"
        raise ValueError(
            "quantize rounds the parameters of a model with a compact form. Got "
            f"{type(self.model_).__name__}, which has none. Write quantize=None, or use "
            f"one of the {kind} that the guide lists."
        )
