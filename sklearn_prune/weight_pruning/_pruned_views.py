"""What a fitted PrunedClassifier or PrunedRegressor shows and answers."""

from copy import deepcopy

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_prune._meta import clone_seeded, routing_enabled
from sklearn_prune._validation import canonical
from sklearn_prune.weight_pruning._family import restored

DELEGATED = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
)


def delegate_has(name):
    """Check for `available_if`: the compact form or the unfitted model has the method."""

    def check(owner):
        inner = owner.__dict__.get("compact_", owner.estimator)
        getattr(inner, name)  # its own AttributeError says more than ours
        return True

    return available_if(check)


class FittedViews:
    """Views of what the fit has set, and predictions of the compact form."""

    @property
    def kept_(self):
        """Sorted ids of the units that are left, of shape (n_kept,), int."""
        return np.flatnonzero(self.get_support())

    def get_support(self, indices=False):
        """Mask of the units that are left.

        Parameters
        ----------
        indices : bool, default=False
            Whether to return their ids instead.

        Returns
        -------
        ndarray of shape (n_units,), bool, or of shape (n_kept,), int
            True for the units that are left, or their sorted ids.
        """
        check_is_fitted(self)
        mask = np.unpackbits(self._support, count=self.n_units_).astype(bool)
        return np.flatnonzero(mask) if indices else mask

    @property
    def estimator_(self):
        """The pruned model as the class of the inner model, a new one on each access."""
        if "compact_" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__} has no estimator_ before fit. Call fit(X, y)."
            )
        inner = self.estimator
        inner = inner.estimator if isinstance(inner, FrozenEstimator) else inner
        template = clone_seeded(inner, None, "estimator")
        return restored(self._family, deepcopy(self.compact_), template)

    def __dir__(self):
        # scikit-learn's HTML repr reads all that is listed here, which would rebuild it.
        return [
            name
            for name in object.__dir__(self)
            if name != "estimator_" and hasattr(self, name)
        ]

    @property
    def coef_(self):
        """Coefficients of all features, zeros for what is gone, where the model has any."""
        return self._compact_or_error("coef_").coef_

    @property
    def intercept_(self):
        """Intercepts, where the model has any."""
        return self._compact_or_error("intercept_").intercept_

    @property
    def feature_importances_(self):
        """Importances of all features, zeros for what is gone, where the model has any."""
        if self.__dict__.get("_importances") is None:
            raise AttributeError(
                f"{type(self).__name__} has no feature_importances_ around this model."
            )
        return self._importances

    def _compact_or_error(self, name):
        if "compact_" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no {name} before fit.")
        return self.compact_

    @delegate_has("predict")
    def predict(self, X, **params):
        """Predict with the compact form.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        **params : dict
            Parameters that `predict` of the inner model takes, such as `return_std`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted targets.
        """
        return self._ask("predict", X, params)

    def _ask(self, method, X, params):
        compact = self.__dict__.get("compact_")
        if compact is None:
            check_is_fitted(self)
        if params and routing_enabled():
            params = process_routing(self, method, **params).estimator[method]
        return getattr(compact, method)(canonical(X), **params)

    def __sklearn_is_fitted__(self):
        return "compact_" in self.__dict__
