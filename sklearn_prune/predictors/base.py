"""What every predictor shares: standing alone, checking rows quickly, its arrays.

Importing numba takes as long as numpy needs for some millions of steps. Compiled kernels
are therefore used where it is imported already, where there is more to do than that, or on
request.
"""

import sys
from copy import copy, deepcopy
from functools import cache, update_wrapper
from importlib import import_module
from types import MethodType

import numpy as np

from .frames import REALS, as_scipy, checked
from .quantized import QuantizedArray, Stored, is_sparse

WORTH_AN_IMPORT = 5_000_000  # pairs of a row and a tree
EITHER = REALS  # a `_dtype` under which single precision stays


class LoadError(ValueError):
    """A file is not loaded: it is damaged, too large, too new, or holds foreign types."""

    __module__ = __package__


class available_if:
    """Decorate a method that only those objects have on which a check holds."""

    def __init__(self, check):
        self.check = check

    def __call__(self, method):
        self.method = method
        return update_wrapper(self, method)

    def __get__(self, predictor, owner=None):
        if predictor is None:
            return self.method
        if not self.check(predictor):
            raise AttributeError(
                f"{type(predictor).__name__!r} object has no attribute "
                f"{self.method.__name__!r}"
            )
        return MethodType(self.method, predictor)


def copy_attributes(source, target, *names):
    """Set on the target those attributes that the source has, and return the target."""
    for name in names or ("classes_", "n_features_in_", "feature_names_in_"):
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))
    return target


class Estimator(Stored):
    """What scikit-learn asks of an estimator, without its base class.

    Nothing of scikit-learn is imported until one of its functions asks for it.
    """

    def __sklearn_tags__(self):
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            input_tags=InputTags(),
            transformer_tags=None,
            regressor_tags=None,
            classifier_tags=None,
        )

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_features_in_")

    def __repr__(self):
        values = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({values})"

    def _repr_html_(self):
        try:
            from sklearn.utils import estimator_html_repr
        except ImportError:
            from html import escape

            return f"<pre>{escape(repr(self))}</pre>"
        return estimator_html_repr(self)


class Compact(Estimator):
    """A fitted predictor that holds the parameters of one model and nothing else.

    It has no constructor arguments: a family fills its attributes. A subclass names by
    `_parameters` the attributes whose arrays are what `predict` reads, and by
    `_quantizable` those of them that may be rounded. One with `classes_` classifies.
    """

    _parameters = ()
    _quantizable = ()
    _made_here = ("_compiled",)  # what stays in this process
    _allow_nan = False
    _accept_sparse = ("csr",)
    _dtype = np.float64
    _compiled = False

    def __init__(self):
        self._compiled = True  # a loaded predictor is made without this call

    def __getstate__(self):
        return {
            name: value for name, value in vars(self).items() if name not in self._made_here
        }

    def __setstate__(self, state):
        vars(self).update(
            (name, value) for name, value in state.items() if name not in self._made_here
        )

    def __copy__(self):
        other = object.__new__(type(self))
        vars(other).update(self.__getstate__(), _compiled=self._compiled)
        return other

    def __deepcopy__(self, memo):
        other = memo[id(self)] = object.__new__(type(self))
        vars(other).update(deepcopy(self.__getstate__(), memo), _compiled=self._compiled)
        return other

    def warm_up(self):
        """Use compiled kernels from now on, and compile them.

        A predictor that was loaded computes by numpy, so that its first answer needs no
        compiler. Compiled kernels are faster for many rows. Scores of kernel machines and
        of nets with few or rounded weights then differ in the last bits.

        Returns
        -------
        self : object
            The predictor.
        """
        self._use_kernels()
        for part in _predictors_in(self):
            part._compile()
        return self

    def _use_kernels(self):
        """Compute by compiled kernels, as where the model was fitted."""
        for part in _predictors_in(self):
            part._compiled = True

    def _compile(self):
        """Call the kernels that `predict` calls."""

    def fit(self, X, y=None, **fit_params):
        """Raise TypeError: a predictor is fitted already and cannot be trained."""
        raise TypeError(
            f"A predictor cannot be trained. Got {type(self).__name__}.fit. Write "
            "FrozenEstimator(model) to hand it to scikit-learn. To train or prune again, "
            "use the model that it was made of."
        )

    def get_params(self, deep=True):
        """An empty dict: a predictor has no parameters to set."""
        return {}

    def set_params(self, **params):
        """Return the predictor; raise ValueError for any parameter."""
        if params:
            raise ValueError(
                f"A predictor has no parameters. Got {', '.join(params)}. Set them on the "
                "model that is pruned, and fit it again."
            )
        return self

    def __sklearn_clone__(self):
        return self

    def __sklearn_tags__(self):
        from sklearn.utils import ClassifierTags, RegressorTags

        tags = super().__sklearn_tags__()
        classifies = hasattr(self, "classes_")
        tags.estimator_type = "classifier" if classifies else "regressor"
        tags.classifier_tags = ClassifierTags() if classifies else None
        tags.regressor_tags = None if classifies else RegressorTags()
        tags.target_tags.required = True
        tags.input_tags.sparse = bool(self._accept_sparse)
        tags.input_tags.allow_nan = self._allow_nan
        tags.requires_fit = False
        return tags

    def _check(self, X):
        """X as an array of the right width and dtype; refuse what scikit-learn refuses.

        A plain float array takes a few microseconds.
        """
        if self._is_plain(X):
            stays = self._dtype is EITHER or X.dtype == self._dtype
            return X if stays else self._narrow(X)
        return self._read(X)

    def _read(self, X):
        """X as an array, by all checks; a matrix of scipy if it is sparse."""
        finite = "allow-nan" if self._allow_nan else True
        sparse = bool(self._accept_sparse)
        return as_scipy(checked(self, X, self._dtype, finite=finite, sparse=sparse))

    def _is_plain(self, X):
        """Whether X is a float array without anything to refuse."""
        return (
            self._fits(X)
            and X.shape[0] > 0
            and (not np.isinf(X).any() if self._allow_nan else _is_finite(X))
        )

    def _fits(self, X):
        """Whether X is a float array of the right width, and names do not matter."""
        return (
            type(X) is np.ndarray
            and X.dtype.char in "fd"
            and X.ndim == 2
            and X.shape[1] == self.n_features_in_
            and not hasattr(self, "feature_names_in_")
        )

    def _is_ready(self, X):
        """Whether compiled code may read X as it is, if its values are not refused."""
        return self._fits(X) and X.flags.carray and X.dtype.isnative and len(X) > 0

    def _narrow(self, X):
        """X in the dtype of the predictor, if its values fit."""
        with np.errstate(over="ignore"):
            narrow = X.astype(self._dtype)
        if narrow.dtype.itemsize < X.dtype.itemsize and np.isinf(narrow).any():
            return self._read(narrow)  # refuses it
        return narrow

    def _classifies(self):
        return hasattr(self, "classes_")

    def score(self, X, y, sample_weight=None):
        """Accuracy of a classifier, R2 of a regressor, on rows X with targets y."""
        predicted = self.predict(X)
        predicted, y = (
            a.toarray() if is_sparse(a) else np.asarray(a) for a in (predicted, y)
        )
        if predicted.size != y.size or len(predicted) != len(y):
            raise ValueError(
                f"y must have the shape of what predict gives, {predicted.shape}. Got "
                f"{y.shape}. Pass the targets of the rows of X."
            )
        predicted, y = predicted.reshape(len(y), -1), y.reshape(len(y), -1)
        if self._classifies():
            return float(np.average((predicted == y).all(axis=1), weights=sample_weight))
        weights = 1.0 if sample_weight is None else np.asarray(sample_weight)[:, None]
        mean = np.average(y, axis=0, weights=sample_weight)
        error = (weights * (y - predicted) ** 2).sum(axis=0, dtype=np.float64)
        spread = (weights * (y - mean) ** 2).sum(axis=0, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(spread == 0, error == 0, 1 - error / spread)
        return float(np.mean(found))

    def quantized(self, quantizer):
        """A copy whose quantizable arrays are rounded and stored small."""
        small = copy(self)
        for name in self._quantizable:
            values = getattr(self, name, None)
            if values is not None:
                setattr(small, name, quantizer.quantize(values))
        return small

    def n_parameters(self):
        """Number of stored numbers that `predict` reads."""
        return sum(np.size(values) for values in self._stored())

    def n_nonzero(self):
        """Number of those that are not zero."""
        return sum(int(np.count_nonzero(values)) for values in self._stored())

    def _stored(self):
        for name in self._parameters:
            values = getattr(self, name, None)
            if isinstance(values, QuantizedArray):
                values = values.dense()
            if values is not None:
                yield np.asarray(values)


def _predictors_in(thing):
    """A predictor and those that it consists of."""
    pending, seen = [thing], set()
    while pending:
        part = pending.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, Compact):
            yield part
        if isinstance(part, Stored | dict):
            pending.extend((part if isinstance(part, dict) else vars(part)).values())
        elif isinstance(part, list | tuple):
            pending.extend(part)


def inner_has(method):
    """Decorate a method that only those objects have whose `_inner` has it."""
    return available_if(lambda self: hasattr(self._inner, method))


class Delegating:
    """Methods of the predictor `_inner`, which reads the rows that `_rows` gives."""

    def _rows(self, X):
        return X

    def __sklearn_tags__(self):
        inner = getattr(self, "_inner", None)
        return super().__sklearn_tags__() if inner is None else inner.__sklearn_tags__()

    def _classifies(self):
        inner = self._inner
        if isinstance(inner, Compact):
            return inner._classifies()
        from sklearn.base import is_classifier

        return is_classifier(inner)

    def predict(self, X, **params):
        """Predict as the inner predictor does."""
        return self._inner.predict(self._rows(X), **params)

    @inner_has("predict_proba")
    def predict_proba(self, X, **params):
        """Class probabilities."""
        return self._inner.predict_proba(self._rows(X), **params)

    @inner_has("predict_log_proba")
    def predict_log_proba(self, X, **params):
        """Logarithms of the class probabilities."""
        return self._inner.predict_log_proba(self._rows(X), **params)

    @inner_has("decision_function")
    def decision_function(self, X, **params):
        """Scores of the inner predictor."""
        return self._inner.decision_function(self._rows(X), **params)

    @inner_has("score_samples")
    def score_samples(self, X):
        """Log-likelihoods."""
        return self._inner.score_samples(self._rows(X))


def _is_finite(X):
    """Whether a float array is finite; False also where its squares add up to too much."""
    if X.flags.c_contiguous:
        flat = X.reshape(-1)
        return np.isfinite(np.dot(flat, flat))  # faster than a sum
    return np.isfinite(np.sum(X))


@cache
def kernels(module):
    """A module of compiled kernels of this folder, or None where numba cannot run.

    numba refuses to compile where it has no folder to write to.
    """
    try:
        return import_module(f".{module}", __package__)
    except (ImportError, RuntimeError):
        return None


@cache
def is_installed(package):
    """Whether a package can be imported."""
    from importlib.util import find_spec

    return find_spec(package) is not None


def kernels_for(module, n_steps):
    """The kernels if they may run for so many steps, else None."""
    if sys.modules.get("numba") is not None:
        return kernels(module)
    if n_steps > WORTH_AN_IMPORT and is_installed("numba"):
        return kernels(module)
    return None
