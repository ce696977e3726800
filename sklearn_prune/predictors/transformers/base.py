"""What fitted transformers share: names, checks, and what scikit-learn asks of them."""

import numpy as np

from ..base import Estimator, copy_attributes
from ..frames import as_scipy, check_names, check_ready, columns_of, is_named


def is_identity(step):
    """Whether a transformer gives rows as they come: FunctionTransformer()."""
    return getattr(step, "func", step) is None


def checked_rows(step, X):
    """Rows whose names were checked; those of dicts and structured arrays as an array."""
    names = getattr(step, "feature_names_in_", None)
    if names is not None or type(X) is not np.ndarray or X.dtype.names:
        check_names(step, X)
        if is_named(X):
            X = columns_of(X, names)
    return X


class CompactTransformer(Estimator):
    """A fitted transformer that holds what `transform` reads and nothing else.

    Its attributes are plain values, under the names that they have in scikit-learn.
    A subclass gives `_apply`, which reads rows whose names are checked.
    """

    __slots__ = ("_cache",)  # made of the attributes where it is first needed
    _sparse = False
    _reads_sparse = property(lambda self: self._sparse)  # what its tag says
    _allow_nan = False
    _attributes = ()

    @classmethod
    def reason(cls, fitted):
        """Why a fitted transformer of scikit-learn cannot have this form, or None."""
        return None

    @classmethod
    def of(cls, fitted):
        """The form of a fitted transformer of scikit-learn that has no `reason` against."""
        made = copy_attributes(fitted, cls(), "n_features_in_", "feature_names_in_")
        for name in cls._attributes:
            value = getattr(fitted, name)
            setattr(made, name, np.copy(value) if isinstance(value, np.ndarray) else value)
        return made

    def __sklearn_is_fitted__(self):
        return True

    def __getstate__(self):
        return self.__dict__

    def check_attributes(self):
        """Raise ValueError unless attributes that come from a file fit together."""

    def _made(self):
        """What is made of the attributes, once."""
        try:
            return self._cache
        except AttributeError:
            self._cache = self._make()
            return self._cache

    def transform(self, X):
        """What the fitted transformer gives for rows."""
        return as_scipy(self._start(X))

    def _start(self, X):
        """What `_apply` gives for rows as they come, after their names are checked."""
        return self._apply(checked_rows(self, X))

    def _ready(self, X, dtype, *, finite=True):
        """Rows as an array, or CSR where it is read, with scikit-learn's checks."""
        return check_ready(self, X, dtype, finite=finite, sparse=self._sparse)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that are given."""
        return self._names_in(input_features)

    def _names_in(self, names=None):
        own = getattr(self, "feature_names_in_", None)
        if names is None:
            if own is None:
                own = [f"x{number}" for number in range(self.n_features_in_)]
            return np.asarray(own, dtype=object)
        names = np.asarray(names, dtype=object)
        if own is not None and not np.array_equal(own, names):
            raise ValueError(
                "input_features must be the names in feature_names_in_. Write "
                "get_feature_names_out()."
            )
        if len(names) != self.n_features_in_:
            raise ValueError(
                f"input_features must have {self.n_features_in_} names. Got {len(names)}."
            )
        return names

    def _numbered(self, count):
        """Names such as pca0, of columns that are none of X."""
        stem = type(self).__name__.removeprefix("Compact").lower()
        return np.array([f"{stem}{number}" for number in range(count)], dtype=object)

    def fit(self, X, y=None, **params):
        """Raise TypeError: a transformer of a predictor cannot be trained."""
        raise TypeError(
            f"A step of a predictor cannot be trained. Got {type(self).__name__}.fit. Fit "
            "the model that it was made of."
        )

    def get_params(self, deep=True):
        """An empty dict: there are no parameters to set."""
        return {}

    def set_params(self, **params):
        """Return the transformer; raise ValueError for any parameter."""
        if params:
            raise ValueError(
                f"A step of a predictor has no parameters. Got {', '.join(params)}. Set "
                "them on the model that it was made of."
            )
        return self

    def __sklearn_clone__(self):
        return self

    def __sklearn_tags__(self):
        from sklearn.utils import TransformerTags

        tags = super().__sklearn_tags__()
        tags.transformer_tags = TransformerTags()
        tags.input_tags.sparse = self._reads_sparse
        tags.input_tags.allow_nan = self._allow_nan
        tags.requires_fit = False
        return tags
