"""A fitted model kept as it is, where its kind has no smaller form."""

from copy import deepcopy

from .base import Compact, Delegating
from .quantized import arrays_in


class CompactModel(Delegating, Compact):
    """A fitted model of a kind that has no smaller form."""

    _inner = property(lambda self: self.model_)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "model_")

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
            "quantize rounds the parameters of a model with its own predictor. Got "
            f"{type(self.model_).__name__}, which has none. Write quantize=None, or use "
            f"one of the {kind} that the guide lists."
        )
