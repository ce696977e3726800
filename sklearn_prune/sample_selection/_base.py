"""The base of every selector: validation, context, fitted attributes."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from difflib import get_close_matches
from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, column_or_1d, get_tags
from sklearn.utils.validation import validate_data

from sklearn_prune._docs import entries
from sklearn_prune._graph import neighbor_graph
from sklearn_prune._meta import all_or_nothing, clone_seeded, in_one_line, last_step
from sklearn_prune._ranking import Ranking, is_keep
from sklearn_prune._returns import check_ranking, check_returned
from sklearn_prune._seeds import draw_seed, limited_threads, seeded_globals
from sklearn_prune._sklearn_compat import (
    Interval,
    InvalidParameterError,
    StrOptions,
    count_rows,
    fit_context,
    take_rows,
)
from sklearn_prune._space import Space, measured_by, model_inside, rows_of_model
from sklearn_prune._validation import (
    canonical,
    check_any_rows,
    check_groups,
    check_magnitudes,
    check_same_length,
    check_target,
    check_weights,
    class_codes,
    count_named_rows,
    resolve_task,
)

TASK_OPTIONS = StrOptions({"auto", "classification", "regression"})
KEEP_OPTIONS = [
    Interval(Real, 0, 1, closed="right"),
    Interval(Integral, 2, None, closed="left"),
]
_PARTS = ("scores", "natural_size", "keys", "importances", "draws")

SELECTOR = entries("""
    keep : float in (0, 1] or int >= 2, default=0.5
        Fraction or number of rows, where no meta-estimator says it.
    metric : {"auto", "seuclidean", "euclidean", "cosine", "gower"}, default="auto"
        Distance between rows: Euclidean on standardised columns ("seuclidean") or on the
        columns as they are, cosine, or Gower's, which reads categories, times and missing
        values. "auto" is the metric of the model that the rows are for, on the columns
        that it sees, where that is a nearest-neighbour model, and "seuclidean" elsewhere.
    task : {"auto", "classification", "regression"}, default="auto"
        What y is, where no meta-estimator says it. "auto": strings, bools, and at most
        max(20, sqrt(n)) different integral values are classes.
    n_jobs : int or None, default=None
        Number of threads. The result does not depend on it.
    random_state : int, RandomState instance or None, default=None
        The seed. None takes that of the meta-estimator, if any.
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows by descending score, ties by position. Where there is a
        `natural_size_`, the rows that ``keep="auto"`` keeps come first.
    metric_ : str or callable
        The metric: `metric`, or for "auto" the one that was found.
""")


@dataclass(frozen=True)
class RankingContext:
    """What a selector may know beside the rows: filled by whoever calls it.

    Parameters
    ----------
    task : {"classification", "regression"} or None
        What y is. None lets the selector decide.
    seed : int or None
        The seed of a selector whose own `random_state` is None.
    budget : int or None
        Number of rows that will be kept, where it is known.
    estimator : estimator or None
        The unfitted model that the kept rows are for.
    sample_weight : ndarray of shape (n_samples,), float64, or None
        Weights of the rows.
    groups : array-like of shape (n_samples,) or None
        Groups of rows that belong together.
    memory : str, joblib.Memory or None
        Where the neighbour graph is cached.
    transformed : bool
        Whether transformers before the selector have made the rows: those of the model are
        then left out.
    labels : ndarray of shape (n_classes,) or None
        The labels of the user, in the order of the codes in y; None for regression.
    """

    task: str | None = None
    seed: int | None = None
    budget: int | None = None
    estimator: object = None
    sample_weight: np.ndarray | None = None
    groups: object = None
    memory: object = None
    transformed: bool = False
    labels: object = None

    def neighbor_model(self):
        """Find the nearest-neighbour model that the rows are for.

        Returns
        -------
        (list of transformers, estimator) or None
            The transformers of its Pipeline and the model, unfitted; None where the rows
            are for no such model.
        """
        found = None if self.estimator is None else model_inside(self.estimator)
        return ([], found[1]) if found and self.transformed else found

    def measured_rows(self, X, y=None, *, owner="This method"):
        """Measure rows as the nearest-neighbour model does that they are for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows as the model reads them. Its transformers are fitted on them.
        y : array-like of shape (n_samples,), default=None
            Targets, for transformers that read them.
        owner : str, default="This method"
            Named in errors.

        Returns
        -------
        rows : ndarray, CSR matrix or MixedRows
            The rows that the model compares, or all distances between them.
        metric : str
            Their metric in :meth:`neighbor_graph`.
        name : str or callable
            The metric of the model.
        """
        seeded = replace(
            self, estimator=clone_seeded(self.estimator, self.seed, "estimator")
        )
        steps, model = seeded.neighbor_model()
        if steps:
            with seeded_globals(seeded.estimator, self.seed):
                X = rows_of_model(X, y, steps, self.sample_weight)
            finite = "allow-nan" if get_tags(model).input_tags.allow_nan else True
            floats = [np.float64, np.float32]
            X = check_array(X, accept_sparse="csr", dtype=floats, ensure_all_finite=finite)
            X = canonical(X)
            check_magnitudes(X)
        return measured_by(model, X, owner=owner)

    def neighbor_graph(self, X, k, *, metric="seuclidean", n_jobs=None):
        """Find the k nearest neighbours of each row, once for all methods that ask.

        Parameters
        ----------
        X : ndarray, CSR matrix or MixedRows of shape (n_samples, n_features)
            Checked rows.
        k : int
            Number of neighbours; at most n_samples - 1 are found.
        metric : str, default="seuclidean"
            "seuclidean" (Euclidean on standardised columns), "euclidean", "cosine",
            "gower", or "auto": that of the nearest-neighbour model that the rows are for,
            if any, on its columns, else "seuclidean".
        n_jobs : int or None, default=None
            Number of threads.

        Returns
        -------
        NeighborGraph
            `indices` and `distances` of shape (n_samples, k), nearest first.
        """
        if metric == "auto":
            metric = "seuclidean"
            if self.neighbor_model() is not None:
                X, metric, _ = self.measured_rows(X, owner="The neighbour graph")
        return neighbor_graph(X, k, metric=metric, memory=self.memory, n_jobs=n_jobs)


class SampleSelector(BaseEstimator, ABC):
    """Base class of selectors: estimators whose `fit` ranks the rows it is given.

    A subclass writes ``_rank(X, y, context)`` and returns a
    :class:`~sklearn_prune.sample_selection.Ranking`. It is given rows and targets that are
    checked already: y holds class codes from 0, or floats for regression.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows, most worth keeping first.
    scores_ : ndarray of shape (n_samples,), float
        Larger is more worth keeping; only where the method has scores.
    natural_size_ : int
        Number of rows that ``keep="auto"`` keeps; only where the method has its own.
    """

    #: Whether y must be given.
    requires_y = False
    #: Whether missing values in X are read.
    allow_nan = False
    #: Whether the Ranking has a `natural_size`, so that ``keep="auto"`` has a meaning.
    has_natural_size = False
    #: Whether rows are drawn with known probabilities, for inverse-probability weights.
    draws_rows = False
    #: Whether the ranking depends on the number of rows that will be kept.
    budget_dependent = False
    #: Whether the ranking depends on the model that the kept rows are for.
    reads_estimator = False
    #: Whether the places of rows decide, by random keys, folds or blocks. Otherwise rows in
    #: another order are ranked alike, up to ties, where nothing is approximated for size.
    order_dependent = False
    #: Whether y may have several columns, which the method does not read.
    takes_several_targets = False
    #: Whether a row of weight w has the score of w equal rows together.
    weights_repeat = False

    __metadata_request__fit = {"groups": True}
    _parameter_constraints = {}

    @all_or_nothing
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, sample_weight=None, groups=None):
        """Rank the rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,), default=None
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Their weights, for methods that have a weighted form.
        groups : array-like of shape (n_samples,), default=None
            Groups of rows that belong together, for methods that respect them.

        Returns
        -------
        self : SampleSelector
            The fitted selector. It keeps no copy of X.

        Raises
        ------
        ValueError
            If X, y or the weights are not what the method can read, or y is missing
            where it is needed.
        """
        context = self.__dict__.get("_context", RankingContext())
        count_named_rows("X", X)
        X = self._check_rows(canonical(X))
        check_any_rows(X)
        check_same_length(X, y=y, groups=groups)
        if sample_weight is not None:
            sample_weight = check_weights(sample_weight, count_rows(X))
        if groups is not None:
            groups = check_groups(groups, count_rows(X))
        if y is None and self.requires_y:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. "
                "Call fit(X, y), or use a selector that reads no y: RandomSelector()."
            )
        target = check_target(y)
        if y is not None and not get_tags(self).target_tags.multi_output:
            target = check_target(self._check_column(y))
        y = target
        task, labels = self._resolve_task(context.task, y), None
        if task == "classification" and y is not None and y.ndim == 1:
            y, labels = class_codes(y)
        elif task == "regression" and y is not None:
            y = y.astype(np.float64)
            check_magnitudes(y, "y")
        context = replace(
            context, task=task, sample_weight=sample_weight, groups=groups, labels=labels
        )
        with limited_threads(1):
            ranking = self._rank(self._place(X, target, context), y, context)
        ranking = check_ranking(ranking, count_rows(X), self)
        sized = ranking.natural_size is not None or not self.has_natural_size
        wanted = "Ranking(order, natural_size=n), since has_natural_size is true"
        check_returned(sized, self, "_rank", wanted, ranking, "one without natural_size")
        self._store(ranking)
        return self

    @abstractmethod
    def _rank(self, X, y, context):
        """Return the Ranking of the rows."""

    def _check_rows(self, X):
        """Return X as the method reads it: by default a float array or CSR matrix."""
        what, step = _unreadable_kind(X)
        if what is not None:
            raise ValueError(self._say_unreadable(what, step))
        try:
            X = validate_data(
                self,
                X,
                accept_sparse="csr",
                dtype=[np.float64, np.float32],
                ensure_all_finite="allow-nan" if self.allow_nan else True,
            )
            check_magnitudes(X)
            return X
        except ValueError as error:
            if "could not convert string" not in str(error):
                raise
            what, step = "strings", "OneHotEncoder()"
            if isinstance(next(iter(X)), str | bytes):
                what, step = "texts", "TfidfVectorizer()"
            raise ValueError(self._say_unreadable(what, step)) from error

    def _place(self, X, y, context):
        """Return checked rows as `_rank` reads them; y holds the targets as they came."""
        return X

    def _space_of(self, X, y, context):
        """The space in which distances between rows are measured, whatever is ranked by."""
        return Space.of(SampleSelector._check_rows(self, X), owner=type(self).__name__)

    def _part_of_model(self, context):
        """What the ranking depends on in the model that the rows are for."""
        return context.estimator if self.reads_estimator else None

    def _draws_unseeded(self, context):
        """Whether something random in that model has no seed and none of the selector's."""
        return False

    def _say_unreadable(self, what, step):
        name = type(self).__name__
        return (
            "X must be a numeric array or CSR matrix of shape (n_samples, n_features) for "
            f"{name}. Got {what}. Rank what a transformer makes of them: "
            f"selector=make_pipeline({step}, {name}())."
        )

    def _check_column(self, y):
        """Return y as one column, with scikit-learn's warning where it came as 2-d."""
        if getattr(y, "ndim", 1) == 2 and y.shape[1] > 1:
            raise ValueError(
                f"{type(self).__name__} reads one column of targets. Got y of shape "
                f"{y.shape}. Use HerdingSelector(), or fit one model for each column."
            )
        return column_or_1d(y, warn=True)

    def _seed(self, context):
        """The selector's own seed, else the wrapper's, else a drawn one."""
        own = getattr(self, "random_state", None)
        return draw_seed(context.seed if own is None else own)

    def _resolve_task(self, imposed, y):
        """The task: what the wrapper imposes, else the selector's setting, else by y."""
        if imposed is not None:
            return imposed
        return resolve_task(getattr(self, "task", "auto"), y)

    def _store(self, ranking):
        for name in _PARTS:
            self.__dict__.pop(f"{name}_", None)
            if getattr(ranking, name) is not None:
                setattr(self, f"{name}_", getattr(ranking, name))
        self.order_ = ranking.order

    @property
    def ranking(self):
        """The fitted attributes as one Ranking."""
        parts = {name: getattr(self, f"{name}_", None) for name in _PARTS}
        return Ranking(self.order_, **parts)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.allow_nan
        tags.target_tags.required = self.requires_y
        tags.target_tags.multi_output = self.takes_several_targets
        return tags


def check_selector(selector):
    """Raise unless it is a selector, or a Pipeline that ends in one."""
    if isinstance(last_step(selector), SampleSelector):
        return
    example = (
        "Write selector=RandomSelector(), or make_pipeline(transformer, RandomSelector())."
    )
    if isinstance(selector, type) and issubclass(selector, SampleSelector):
        example = f"Write selector={selector.__name__}(), an instance."
    elif isinstance(selector, str) and (name := _selector_named(selector)):
        example = f"Write selector={name}()."
    elif is_keep(selector):
        example = f"Did you mean keep={selector!r}?"
    raise InvalidParameterError(
        "selector must be None, one of sklearn_prune.sample_selection, or a Pipeline that "
        f"ends in one. Got {in_one_line(selector)} instead. {example}"
    )


def _selector_named(text):
    """The name of the class of selectors that a text means, or None."""
    from sklearn_prune.sample_selection import __all__

    names = {name.lower(): name for name in __all__ if name.endswith("Selector")}
    asked = re.sub(r"[\W_]", "", text.lower()).removesuffix("selector") + "selector"
    found = get_close_matches(asked, names, n=1, cutoff=0.85)
    return names[found[0]] if found else None


def tags_within(selector, context):
    """Tags of a selector in a context; of a Pipeline, its own."""
    if isinstance(selector, SampleSelector):
        selector = copy(selector)
        selector._context = context
    return get_tags(selector)


@contextmanager
def lend_context(selector, context):
    """Let the selector, or the last step of a Pipeline, read `context` in its fit."""
    last = last_step(selector)
    last._context = context
    try:
        yield
    finally:
        del last._context


def _unreadable_kind(X):
    """What X is and a transformer that reads it, where a numeric method cannot."""
    if hasattr(X, "dtypes") and hasattr(X, "columns"):
        for column in range(X.shape[1]):
            values = np.asarray(take_rows(X, column, axis=1))
            if values.dtype.kind not in "biufO" or any(
                isinstance(value, str) for value in values if values.dtype.kind == "O"
            ):
                what = "a frame with columns that are not numeric"
                return what, "make_column_transformer(...)"
        return None, None
    if isinstance(X, Mapping) and not issparse(X):  # DOK matrices are dicts
        return "a dict of inputs", 'FunctionTransformer(lambda X: X["name"])'
    is_rows = isinstance(X, list | tuple) and len(X) > 0
    if is_rows and isinstance(X[0], dict):
        return "a list of dicts", "DictVectorizer()"
    ndim = 1 + np.ndim(X[0]) if is_rows else getattr(X, "ndim", 2)
    if ndim > 2:
        return (
            f"an array of {ndim} dimensions",
            "FunctionTransformer(lambda X: np.reshape(X, (len(X), -1)))",
        )
    return None, None
