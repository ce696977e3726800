"""What fitted transformers share, and those that select columns or map each value."""

import sys

import numpy as np

from ..base import Estimator, available_if, copy_attributes
from ..frames import (
    as_numbers,
    as_scipy,
    check_names,
    check_ready,
    column,
    columns_of,
    is_frame,
    is_named,
    is_sparse,
    table,
)
from ..quantized import take_columns


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
        names = ("n_features_in_", "feature_names_in_")
        return copy_attributes(fitted, cls(columns), *names)

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
        if not hasattr(self, "n_features_in_"):
            from sklearn.utils.validation import check_is_fitted

            check_is_fitted(self)
        output = self._sklearn_output_config.get("transform")
        if output is None:
            sklearn = sys.modules.get("sklearn")
            output = "default"
            if sklearn is not None:
                output = sklearn.get_config()["transform_output"]
        if output == "default":
            return as_scipy(self._start(X))
        if hasattr(X, "columns"):
            check_names(self, X)
            return take_columns(X, np.asarray(self.columns))
        from importlib import import_module

        names = self.get_feature_names_out().tolist()
        found = self._start(X)
        if output == "polars":
            return import_module(output).DataFrame(found, schema=names)
        return import_module(output).DataFrame(found, columns=names)

    def _start(self, X):
        return self._apply(checked_rows(self, X))

    def _apply(self, X):
        columns = np.asarray(self.columns)
        if isinstance(X, dict):
            names = list(X)
            check_ready(self, X, None, finite=False)
            return table({names[at]: X[names[at]] for at in columns.tolist()})
        return take_columns(check_ready(self, X, None, finite=False, sparse=True), columns)

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


class CompactIdentity(CompactTransformer):
    """FunctionTransformer without a function, and "passthrough": rows as they come."""

    _sparse = True
    func = None
    named = True

    @available_if(lambda self: self.named)
    def get_feature_names_out(self, input_features=None):
        """Names of the columns, which stay."""
        return self._names_in(input_features)

    def _start(self, X):
        return X

    def _apply(self, X):
        return X


class CompactFunction(CompactTransformer):
    """FunctionTransformer of a function of numpy such as np.log1p, by its name."""

    _sparse = True  # says its tag

    @classmethod
    def reason(cls, fitted):
        """Only functions of one argument that numpy has by name are stored."""
        for function in (fitted.func, fitted.inverse_func):
            if function is not None and not _is_ufunc(function):
                return "func is not a function of numpy such as np.log1p"
        if callable(fitted.feature_names_out):
            return "feature_names_out is a function"
        plain = not (fitted.kw_args or fitted.inv_kw_args)
        return None if plain else "it has keyword arguments"

    @classmethod
    def of(cls, fitted):
        """The form of a fitted FunctionTransformer, an identity without a function."""
        plain = not (fitted.func or fitted.inverse_func or fitted.validate)
        kind = CompactIdentity if plain else cls
        made = copy_attributes(fitted, kind(), "n_features_in_", "feature_names_in_")
        made.named = fitted.feature_names_out is not None
        if kind is cls:
            made.validate = bool(fitted.validate)
            made.function = getattr(fitted.func, "__name__", None)
            made.inverse = getattr(fitted.inverse_func, "__name__", None)
        return made

    def _start(self, X):
        if hasattr(self, "feature_names_in_"):
            return super()._start(X)
        return self._apply(columns_of(X, None) if is_named(X) else X)

    def _apply(self, X):
        X = self._ready(X, "numeric") if self.validate else X
        return self._called(self.function, X)

    def inverse_transform(self, X):
        """Undo `transform`, by the inverse function."""
        return self._called(self.inverse, X)

    @available_if(lambda self: self.named)
    def get_feature_names_out(self, input_features=None):
        """Names of the columns, which stay."""
        return self._names_in(input_features)

    def _called(self, name, X):
        if is_sparse(X):
            raise TypeError(
                "Sparse data was passed, but a function requires dense data. Write "
                "X.toarray()."
            )
        if name is None:
            return table(X)
        function = getattr(np, name)
        if isinstance(X, dict) or is_frame(X):  # column by column, each in its own dtype
            width = len(X) if isinstance(X, dict) else X.shape[1]
            columns = (_numbers(column(X, at)) for at in range(width))
            return table({str(at): function(own) for at, own in enumerate(columns)})
        return function(_numbers(table(X)))


def _numbers(values):
    return as_numbers(values, np.float64) if values.dtype == object else values


def _is_ufunc(function):
    name = getattr(function, "__name__", "")
    own = isinstance(function, np.ufunc) and getattr(np, name, None) is function
    return own and function.nin == function.nout == 1
