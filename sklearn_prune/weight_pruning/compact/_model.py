"""A fitted model kept as it is, where its kind has no smaller form."""

from copy import deepcopy

from sklearn.base import is_classifier
from sklearn.utils.metaestimators import available_if

from sklearn_prune._sizes import arrays_in
from sklearn_prune.weight_pruning.compact._base import Compact

# What some models keep of their training and never read again.
_OF_TRAINING = (
    *("_x_scores", "_y_scores", "x_scores_", "y_scores_"),  # partial least squares
    *("_optimizer", "_random_state"),  # nets
    "inlier_mask_",  # RANSAC
)


def compact_model(model):
    """The fitted model as a predictor among the compact forms; it is copied."""
    compact = CompactModel()
    compact.model_ = deepcopy(model)
    for name in _OF_TRAINING:
        compact.model_.__dict__.pop(name, None)
    for name in ("classes_", "n_features_in_", "feature_names_in_"):
        if hasattr(model, name):
            setattr(compact, name, getattr(model, name))
    return compact


def _inner_has(method):
    return available_if(lambda self: hasattr(self.model_, method))


class CompactModel(Compact):
    """A fitted model of a kind that has no smaller form."""

    def __sklearn_is_fitted__(self):
        return hasattr(self, "model_")

    def __sklearn_tags__(self):
        return (
            self.model_.__sklearn_tags__()
            if hasattr(self, "model_")
            else (super().__sklearn_tags__())
        )

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
        kind = "classifiers" if is_classifier(self) else "regressors"
        raise ValueError(
            "quantize rounds the parameters of a model with a compact form. Got "
            f"{type(self.model_).__name__}, which has none. Write quantize=None, or use "
            f"one of the {kind} that the guide lists."
        )
