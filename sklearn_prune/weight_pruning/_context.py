"""What a family and a criterion may know: rows, weights, seed, how to fit and to score."""

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.utils import check_array
from sklearn.utils.class_weight import compute_sample_weight

from sklearn_prune._folds import explained_groups, splits_of_part
from sklearn_prune._meta import (
    Progress,
    clone_seeded,
    first_line,
    innermost,
    last_step,
    own_params,
    says_what_it_cannot,
    weight_parameter,
)
from sklearn_prune._seeds import derive_seed, seeded_globals
from sklearn_prune._sklearn_compat import (
    count_rows,
    take_rows,
    take_rows_of_params,
)


def _weighted_model(model):
    """The model whose class weights count: the one inside Pipelines, searches and such."""
    while True:
        inner = last_step(model)
        if inner is model:
            inner = None if hasattr(model, "class_weight") else _only_inner(model)
        if inner is None:
            return model
        model = inner


def _only_inner(model):
    """The one model inside that is trained on the same classes, or None."""
    one_problem_each = (OneVsRestClassifier, OneVsOneClassifier, OutputCodeClassifier)
    inner = getattr(model, "estimator", None)
    if isinstance(model, one_problem_each) or not hasattr(inner, "get_params"):
        return None
    return inner


@dataclass(frozen=True)
class PruningContext:
    """The rows that a model is pruned on, and the options of the pruning.

    Parameters
    ----------
    estimator : estimator
        The inner model, unfitted, or a FrozenEstimator.
    X, y : rows and targets
        As the user gave them.
    fit_params : dict
        Parameters for the inner fit, rows aligned.
    groups : ndarray of shape (n_samples,) or None
        Rows of one group stay in one inner fold.
    seed : int or None
        None where the user gave no seed: what needs one draws it.
    refit_params : dict
        Inner parameters that hold for the refit only.
    tolerance, scoring, cv, n_jobs, dropout
        As the meta-estimator has them.
    n_whole : int or None
        Number of rows of the whole, if the rows are a part of them.
    progress : Progress
        What callbacks follow.
    """

    estimator: object
    X: object
    y: object
    fit_params: dict = field(default_factory=dict)
    groups: object = None
    seed: int | None = None
    refit_params: dict = field(default_factory=dict)
    tolerance: float = 0.005
    scoring: object = None
    cv: object = 3
    n_jobs: int | None = None
    dropout: float = 0.0
    n_whole: int | None = None
    progress: object = Progress()

    @property
    def is_frozen(self):
        """Whether the inner model must not be fitted a first time."""
        return isinstance(self.estimator, FrozenEstimator)

    @cached_property
    def template(self):
        """The unfitted inner model with the parameters of the refit; read, not fitted."""
        inner = self.estimator.estimator if self.is_frozen else self.estimator
        return clone_seeded(inner, self.seed, "estimator").set_params(**self.refit_params)

    @property
    def is_classification(self):
        """Whether the inner model is a classifier."""
        return is_classifier(self.estimator)

    @cached_property
    def array(self):
        """X as a float64 or float32 array or CSR matrix; NaN passes."""
        return check_array(
            self.X,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
        )

    @cached_property
    def target(self):
        """y as an array, a single column flattened; floats where it is no label."""
        y = np.asarray(self.y)
        if y.dtype.kind == "O" and not self.is_classification:
            y = y.astype(np.float64)
        return y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y

    @cached_property
    def sample_weight(self):
        """Weights that the inner fit gets, as float64, or None."""
        name = weight_parameter(self.template)
        weights = self.fit_params.get(name) if name else None
        return None if weights is None else np.asarray(weights, dtype=np.float64).ravel()

    def row_weights(self):
        """Product of the sample weights and the class weights of the model, or None."""
        by_class, weights = self.class_weights(), self.sample_weight
        if by_class is None or weights is None:
            return weights if by_class is None else by_class
        return weights * by_class

    def class_weights(self):
        """Weights of the rows by the class weights of the inner model, or None.

        "balanced_subsample" counts as "balanced"; `scale_pos_weight` and `is_unbalance` are
        class weights.
        """
        return self._class_weights

    @cached_property
    def _class_weights(self):
        if not self.is_classification or self.target.ndim > 1:
            return None
        params = _weighted_model(self.template).get_params(deep=False)
        given = params.get("class_weight")
        if isinstance(given, str):
            given = "balanced"
        if given is not None:
            return compute_sample_weight(given, self.target)
        classes, codes, counts = np.unique(
            self.target, return_inverse=True, return_counts=True
        )
        if len(classes) != 2:
            return None
        ratio = params.get("scale_pos_weight")
        if params.get("is_unbalance"):
            return (counts.max() / counts)[codes]
        if ratio is None or ratio == 1:
            return None
        return np.array([1.0, ratio])[codes]

    def role_seed(self, role):
        """A seed for one use of randomness; 0 stands for a missing seed."""
        return derive_seed(0 if self.seed is None else self.seed, role)

    def fit(self, estimator=None, X=None, params=None):
        """Fit a clone of the template, or of another model, on the rows."""
        model = clone(self.template if estimator is None else estimator)
        X = self.X if X is None else X
        with seeded_globals(model, self.seed), self.asked("be fitted on parts of the rows"):
            return model.fit(
                X, self.y, **own_params(self.fit_params if params is None else params)
            )

    def fit_first(self, model=None):
        """The fitted inner model: the frozen one, or a seeded clone fitted on the rows."""
        if self.is_frozen:
            return self.estimator.estimator
        if model is None:
            model = clone_seeded(self.estimator, self.seed, "estimator")
        groups = explained_groups(model, self.fit_params)
        asked = self.asked("be fitted on parts of the rows")
        with seeded_globals(model, self.seed), groups, asked:
            try:
                return model.fit(self.X, self.y, **own_params(self.fit_params))
            except ValueError as error:
                # A class whose rows all weigh nothing is not there for the model.
                weights = self.sample_weight
                if type(error) is not ValueError or weights is None or weights.all():
                    raise
                raise ValueError(
                    f"{error} Rows of sample_weight 0 do not count."
                ) from error

    @contextmanager
    def asked(self, what):
        """Say of an error of the model that it is asked about a part of the rows."""
        try:
            yield
        except Exception as error:
            if self.n_whole is None or not says_what_it_cannot(error):
                raise
            name = type(innermost(self.estimator)).__name__
            raise ValueError(
                f"To be pruned, a model must {what}. Got {name}, which cannot with "
                f"{count_rows(self.X)} of {self.n_whole} rows: {first_line(error)}. Pass "
                "more rows, or write another cv, other parameters of it, or keep=1.0."
            ) from error

    def on(self, rows):
        """The same context with some of the rows, and the given splits of these."""
        cv, n = self.cv, count_rows(self.X)
        if isinstance(cv, list):
            labels = self.target if self.is_classification else None
            cv = splits_of_part(cv, rows, n, labels)
        return replace(
            self,
            cv=cv,
            estimator=_knowing_categories(self.estimator, self.X),
            n_whole=n if self.n_whole is None else self.n_whole,
            X=take_rows(self.X, rows),
            y=take_rows(self.y, rows),
            fit_params=take_rows_of_params(self.X, self.fit_params, rows),
            groups=None if self.groups is None else self.groups[rows],
        )


def _knowing_categories(estimator, X):
    """CategoricalNB that takes the categories of all rows, where it is fitted on a part."""
    if type(estimator).__name__ != "CategoricalNB" or np.ndim(estimator.min_categories):
        return estimator
    most = max(int(np.max(np.asarray(X))) + 1, estimator.min_categories or 0)
    return clone(estimator).set_params(min_categories=most)
