"""Predictors of boosting, and what differs between the libraries."""

from copy import copy
from operator import index
from typing import NamedTuple

import numpy as np

from .base import Compact, available_if
from .frames import (
    CSR,
    as_numbers,
    as_scipy,
    check_finite,
    check_names,
    check_shape,
    checked,
    column,
    is_frame,
    is_missing,
    is_named,
    n_rows,
    row_of_entry,
)
from .links import expit, softmax, softmax32, softmax_in_order
from .quantized import count_rows, is_sparse
from .trees import (
    LOGISTIC,
    REFUSE_INFINITE,
    REFUSE_NAN,
    TINY,
    TINY_IS_ZERO,
)


class Dialect(NamedTuple):
    """The conventions of one library.

    Parameters
    ----------
    float32 : bool, default=False
        Whether rows are read in single precision.
    allow_nan : bool, default=True
        Whether missing and infinite values are read.
    accept_sparse : bool, default=True
        Whether sparse matrices are read.
    absent_is_missing : bool, default=False
        Whether what a sparse matrix does not store is missing, instead of zero.
    tiny_is_zero : bool, default=False
        Whether numbers up to 1e-35 are read as zeros.
    columns_by_position : bool, default=False
        Whether a frame is read by position where the model has no feature names.
    encodes_arrays : bool, default=False
        Whether arrays too hold the values of categories, instead of their codes. Infinite
        values are then refused.
    refuses_unknown : bool, default=False
        Whether a category that the model does not know is an error, instead of missing.
    softmax : {"rows", "columns", "in order"}, default="rows"
        How the softmax adds up: as numpy does, in an array stored by rows or by columns,
        or from left to right. The sums are rounded differently.
    decides_by_scores : bool, default=False
        Whether the class is found from raw scores, instead of from probabilities.
    zero_is_positive : bool, default=False
        Whether a raw score of zero means the second of two classes.
    predicts_codes : bool, default=False
        Whether `predict` returns the codes of the classes, instead of their labels.
    options : tuple of str
        Parameters of `predict` and `predict_proba` besides X.
    """

    float32: bool = False
    allow_nan: bool = True
    accept_sparse: bool = True
    absent_is_missing: bool = False
    tiny_is_zero: bool = False
    columns_by_position: bool = False
    encodes_arrays: bool = False
    refuses_unknown: bool = False
    softmax: str = "rows"
    decides_by_scores: bool = False
    zero_is_positive: bool = False
    predicts_codes: bool = False
    options: tuple = ("raw_score",)


DIALECTS = {
    "gradient": Dialect(
        float32=True, allow_nan=False, decides_by_scores=True, zero_is_positive=True
    ),
    "hist": Dialect(
        accept_sparse=False,
        encodes_arrays=True,
        softmax="columns",
        decides_by_scores=True,
    ),
    "lightgbm": Dialect(
        tiny_is_zero=True,
        columns_by_position=True,
        softmax="in order",
        options=("raw_score", "start_iteration", "num_iteration", "validate_features"),
    ),
    "xgboost": Dialect(
        float32=True,
        absent_is_missing=True,
        refuses_unknown=True,
        predicts_codes=True,
        options=(
            *("raw_score", "output_margin", "iteration_range", "base_margin"),
            "validate_features",
        ),
    ),
}
# What compiled sums do with rows; see `trees.layouts`.
_FLAGS = {
    name: (0 if dialect.allow_nan else REFUSE_NAN | REFUSE_INFINITE)
    | (TINY_IS_ZERO if dialect.tiny_is_zero else 0)
    for name, dialect in DIALECTS.items()
}

_TITLES = {
    "gradient": "GradientBoosting",
    "hist": "HistGradientBoosting",
    "lightgbm": "LightGBM",
    "xgboost": "XGBoost",
}
METHODS = ("predict_proba", "predict_log_proba", "decision_function")


def _offers(method):
    return available_if(lambda self: method in self.methods_)


class CompactBoosting(Compact):
    """The sum of trees, and what it means.

    Attributes
    ----------
    trees_ : FlatTrees
    start_ : ndarray of shape (n_outputs,)
        Raw score before the first tree; sums are made in its dtype.
    library_ : {"gradient", "hist", "lightgbm", "xgboost"}
        Whose `dialect` holds for input and ties.
    link_ : str
        How raw scores become what is predicted.
    slope_ : float
        Factor of the raw score inside the logistic function.
    divisor_ : int
        Raw scores are divided by it before they mean anything.
    missing_ : float
        Value that stands for a missing one, beside NaN.
    zeros_missing_ : ndarray of int, or None
        Columns in which zeros are missing.
    categories_ : dict of int to array, or None
        Values of a column that stand for their positions.
    methods_ : tuple of str
        What the fitted model offers besides `predict`.
    iterations_ : tuple of int, or None
        How many iterations are stored, and how many were fitted: more, where training
        went on after the best one. None where some were pruned, and for scikit-learn's.
    """

    iterations_ = categories_ = zeros_missing_ = None
    slope_, divisor_, missing_ = 1.0, 1, np.nan
    _made_here = ("_compiled", "_positions")

    def __sklearn_is_fitted__(self):
        return hasattr(self, "trees_")

    dialect = property(lambda self: DIALECTS[getattr(self, "library_", "hist")])
    _allow_nan = property(lambda self: self.dialect.allow_nan)
    allows_infinity = _allow_nan
    _accept_sparse = property(lambda self: self.dialect.accept_sparse and ("csr",))
    _dtype = property(lambda self: np.float32 if self.dialect.float32 else np.float64)

    def _check(self, X):
        coded = None if self.categories_ is None else self._coded(X)
        if self.dialect.allow_nan:
            with np.errstate(over="ignore"):  # XGBoost reads 1e300 as infinity
                X = self._check_shape(X) if coded is None else self._check_coded(coded)
        else:
            X = super()._check(X)
        if not np.isnan(self.missing_):
            X = np.where(np.equal(X, self.missing_), np.nan, X)
        if self.zeros_missing_ is not None:
            X = X.toarray() if is_sparse(X) else X.copy()
            part = X[:, self.zeros_missing_]
            X[:, self.zeros_missing_] = np.where(np.abs(part) <= TINY, np.nan, part)
        if self.dialect.tiny_is_zero and not is_sparse(X):
            tiny = (np.abs(X) <= TINY) & (X != 0)
            X = np.where(tiny, 0.0, X) if tiny.any() else X
        return X if X.dtype == self.trees_.dtype else X.astype(self.trees_.dtype)

    def _check_shape(self, X):
        """X as an array of the right width; missing and infinite values pass."""
        if self.dialect.absent_is_missing and is_sparse(X):
            X = _absent_as_missing(X)
        if self.dialect.columns_by_position and not hasattr(self, "feature_names_in_"):
            X = X.to_numpy() if hasattr(X, "to_numpy") else X
        if self._fits(X) and X.shape[0] > 0:
            return X.astype(np.float32) if self.dialect.float32 else X
        sparse = bool(self._accept_sparse)
        return as_scipy(checked(self, X, self._dtype, finite=False, sparse=sparse))

    def _check_coded(self, coded):
        check_shape(self, coded)
        return coded.astype(self._dtype, copy=False)

    def _coded(self, X):
        """An array with the positions of categories in place of their values.

        None where X holds the positions already.
        """
        by_columns = is_frame(X) or is_named(X)
        if is_sparse(X) or not (by_columns or self.dialect.encodes_arrays):
            return None
        if self.dialect.columns_by_position and hasattr(type(X), "iloc"):
            self._check_categorical(X)
        if not self.dialect.columns_by_position or hasattr(self, "feature_names_in_"):
            check_names(self, X)
        if not by_columns:
            X = np.asarray(X)
            check_shape(self, X)
        names = getattr(self, "feature_names_in_", None) if is_named(X) else None
        width = (
            X.shape[1] if hasattr(X, "shape") and not is_named(X) else self.n_features_in_
        )
        coded = np.empty((n_rows(X), width), dtype=np.float64)
        for number in range(width):
            values = column(X, number if names is None else names[number])
            codes = self._codes().get(number)
            if codes is None:
                coded[:, number] = as_numbers(values, np.float64)
                continue
            if self.dialect.encodes_arrays and values.dtype.kind == "f":
                check_finite(self, values, "allow-nan")  # as its encoder does
            found = [codes.get(value, np.nan) for value in values.tolist()]
            coded[:, number] = found
            if self.dialect.refuses_unknown:
                _refuse_unknown(number, values[np.isnan(coded[:, number])])
        return coded

    def _check_categorical(self, X):
        """Raise unless the categorical columns of a pandas frame are those of the fit."""
        for number, dtype in enumerate(X.dtypes):
            if getattr(dtype, "name", "") == "category" and number not in self.categories_:
                raise ValueError(
                    f"Categorical columns of X must be the columns "
                    f"{sorted(self.categories_)} as in the fit. Got column {number}. "
                    "Convert it to numbers if it had numbers in the fit. If it was "
                    "categorical there, write "
                    "PrunedClassifier(FrozenEstimator(model), keep=1.0).fit(X, y), which "
                    "reads the columns from the frame."
                )

    def _codes(self):
        """For each column of categories, the position of each value."""
        codes = self.__dict__.get("_positions")
        if codes is None:
            codes = self._positions = {
                number: {value: code for code, value in enumerate(values.tolist())}
                for number, values in self.categories_.items()
            }
        return codes

    def _raw(self, X):
        """Raw scores, of shape (n_samples, n_outputs)."""
        raw = self._quick(X)
        if raw is not None:
            return raw
        X = self._check(X)
        raw = np.empty((X.shape[0], self.trees_.n_outputs), dtype=self.start_.dtype)
        raw[:] = self.start_
        self.trees_.add_to(raw, X)
        return raw

    def _quick(self, X, flags=0):
        """Raw scores by one compiled call, or None where rows need more than that."""
        translates = self.categories_ is not None or self.zeros_missing_ is not None
        if translates or self.missing_ == self.missing_ or self.start_.ndim > 1:
            return None
        if not self._is_ready(X):
            return None
        return self.trees_.quick_sums(X, flags | _FLAGS[self.library_], self.start_)

    def _values(self, raw):
        """What the raw scores mean: a number, or the probabilities of all classes."""
        if self.divisor_ != 1:
            raw = raw / self.divisor_
        if self.link_ == "identity":
            return raw
        if self.link_ == "log":
            return np.exp(raw)
        if self.link_ == "sqrt":
            return np.sign(raw) * raw * raw
        if self.link_ == "log1p":
            return np.log1p(np.exp(raw))
        if self.link_ == "softmax" and raw.dtype == np.float32:
            return softmax32(raw)
        if self.link_ == "softmax" and self.dialect.softmax == "in order":
            return softmax_in_order(raw)
        if self.link_ == "softmax":
            # numpy adds up rows of many classes in another order by memory layout.
            layout = "F" if self.dialect.softmax == "columns" else "C"
            return softmax(np.asarray(raw, order=layout))
        return expit(raw if self.slope_ == 1.0 else self.slope_ * raw)

    def _asked(self, options, X):
        """The predictor that `options` ask for, and whether they ask for raw scores."""
        known, given = self.dialect.options, {}
        for name, value in options.items():
            off = value is None or value is False
            if name not in (*known, *(("pred_leaf", "pred_contrib") if off else ())):
                raise TypeError(
                    f"The compact form of {_TITLES[self.library_]} takes "
                    f"{', '.join(known)} besides X. Got {name}={value!r}. Ask the model "
                    "that it was made of."
                )
            if not off:
                given[name] = value
        asks_raw = bool(given.get("raw_score") or given.get("output_margin"))
        part = self
        if {"start_iteration", "num_iteration", "iteration_range"} & given.keys():
            part = part._of_iterations(*self._iteration_range(given), given)
        if "base_margin" in given:
            part = part._from_margins(given["base_margin"], X)
        return part, asks_raw

    def _iteration_range(self, given):
        """The first iteration that is asked for, and the one after the last."""
        n_stored, n_fitted = self.iterations_ or (0, 0)
        if "iteration_range" in given:
            first, last = (max(0, index(number)) for number in given["iteration_range"])
            return (first, last) if last else (0, n_stored)
        first = min(max(0, index(given.get("start_iteration", 0))), n_fitted)
        number = given.get("num_iteration")
        if number is None:
            return first, n_fitted if first else n_stored
        number = index(number)
        return first, min(first + number, n_fitted) if number > 0 else n_fitted

    def _of_iterations(self, first, last, given):
        """The predictor of some iterations."""
        what = ", ".join(f"{name}={given[name]!r}" for name in given if "iteration" in name)
        if self.iterations_ is None:
            raise ValueError(
                "Iterations can be chosen where none were pruned. Got "
                f"{what}. Write keep=1.0, or ask the model that this one was made of."
            )
        n_stored = self.iterations_[0]
        if not first <= last <= n_stored:
            raise ValueError(
                f"Iterations must be some of the {n_stored} that are stored, up to the "
                f"best one. Got {what}. Write a range within them."
            )
        part, size = copy(self), self.trees_.n_trees // n_stored
        part.trees_ = self.trees_.part(first * size, last * size)
        part.divisor_ = max(1, last - first) if self.divisor_ > 1 else self.divisor_
        return part

    def _from_margins(self, margins, X):
        """The predictor whose raw scores start from these, one for each row and output."""
        if self.iterations_ is None:
            raise ValueError(
                "base_margin takes the place of the base score, which pruned trees have "
                "changed. Got base_margin. Write keep=1.0, or ask the model that this one "
                "was made of."
            )
        n_outputs = self.trees_.n_outputs
        margins = np.asarray(margins, dtype=np.float32)
        if margins.size != count_rows(X) * n_outputs:
            raise ValueError(
                f"base_margin must hold {n_outputs} values for each row. Got the shape "
                f"{margins.shape} for {count_rows(X)} rows. Pass one for each row of X."
            )
        part = copy(self)
        part.start_ = margins.reshape(-1, n_outputs)
        return part

    def _scores(self, X):
        """Raw scores, of shape (n_samples,) where there is one output."""
        raw = self._raw(X)
        return raw.ravel() if raw.shape[1] == 1 else raw

    def predict(self, X, **options):
        """Predict labels or targets, of shape (n_samples,).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        **options
            ``raw_score=True`` gives what the trees add up to, before the link. Models of
            LightGBM take `start_iteration` and `num_iteration`, those of XGBoost
            `output_margin`, `iteration_range` and `base_margin`, with the meaning that
            they have there; iterations and margins only where nothing was pruned. Other
            options raise a TypeError.
        """
        if options:
            asked, as_raw = self._asked(options, X)
            return asked._scores(X) if as_raw else asked.predict(X)
        raw, dialect = self._raw(X), self.dialect
        if not hasattr(self, "classes_"):
            return self._values(raw).ravel()
        scores, middle = (
            (raw, 0.0) if dialect.decides_by_scores else (self._values(raw), 0.5)
        )
        if raw.shape[1] > 1:
            codes = np.argmax(scores, axis=1)
        else:
            above = scores >= middle if dialect.zero_is_positive else scores > middle
            codes = above.ravel().astype(int)
        return codes if dialect.predicts_codes else self.classes_[codes]

    @_offers("predict_proba")
    def predict_proba(self, X, **options):
        """Class probabilities, of shape (n_samples, n_classes); `options` as `predict`."""
        if options:
            asked, as_raw = self._asked(options, X)
            return asked._scores(X) if as_raw else asked.predict_proba(X)
        if self._is_plain_logit() and (found := self._quick(X, LOGISTIC)) is not None:
            return found
        raw = self._raw(X)
        if raw.shape[1] > 1:
            return self._values(raw)
        positive = self._values(raw.ravel())
        return np.stack([1 - positive, positive], axis=1)

    def _is_plain_logit(self):
        """Whether probabilities are the logistic function of one raw score as it is."""
        plain = self.link_ == "logit" and self.slope_ == 1.0 and self.divisor_ == 1
        of_one = self.start_.dtype == np.float64 and self.trees_.n_outputs == 1
        return plain and of_one

    @_offers("predict_log_proba")
    def predict_log_proba(self, X):
        """Logarithms of the class probabilities."""
        return np.log(self.predict_proba(X))

    @_offers("decision_function")
    def decision_function(self, X):
        """Raw scores, of shape (n_samples,) for two classes."""
        return self._scores(X)

    def quantized(self, quantizer):
        """A copy whose leaf values are rounded and stored small."""
        small = copy(self)
        values = np.asarray(self.trees_.table.values)
        small.trees_ = self.trees_.with_leaf_values(quantizer.quantize(values))
        return small

    def _compile(self):
        self.trees_.compile(self.start_.dtype)

    def n_parameters(self):
        """Two for each split, one for each leaf."""
        return self.trees_.n_parameters()

    def n_nonzero(self):
        """Those that are not zero; what a split asks for counts as such."""
        return self.trees_.n_nonzero()


class ScoredRows(CompactBoosting):
    """Predicts from raw scores that are known already, whatever X is."""

    @classmethod
    def of(cls, compact, raw):
        """The conventions of a predictor, with these raw scores."""
        scored = cls()
        vars(scored).update(vars(compact))
        scored.raw_ = raw
        return scored

    def _raw(self, X):
        return self.raw_

    def _quick(self, X, flags=0):
        return None


def _absent_as_missing(X):
    """A dense array with NaN where a sparse matrix holds nothing."""
    X = CSR.of(X)
    dense = np.full(X.shape, np.nan, dtype=np.float32)
    dense[row_of_entry(X), X.indices] = X.data
    return dense


def _refuse_unknown(number, values):
    """Raise if what has no position is not missing."""
    unknown = [value for value in values.tolist() if not is_missing(value)]
    if unknown:
        raise ValueError(
            f"Column {number} of X must hold categories of the fit. Got {unknown[0]!r}. "
            "Write a missing value in its place."
        )
