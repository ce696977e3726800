"""Rank rows by how well models that were fitted without them predict them."""

from copy import deepcopy
from numbers import Integral, Real

import numpy as np
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import get_tags, indexable
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter, validate_data

from sklearn_prune._meta import (
    clone_seeded,
    has_tags,
    in_one_line,
    last_step,
    pipeline_prefix,
    routing_enabled,
)
from sklearn_prune._ranking import Ranking
from sklearn_prune._seeds import derive_seed, is_torch_model, seeded_torch
from sklearn_prune._sklearn_compat import Interval, StrOptions, take_rows
from sklearn_prune._validation import check_groups, check_readable_rows, class_codes
from sklearn_prune.sample_selection._base import RankingContext, SampleSelector

OTHER_KIND = {"classification": "regressor", "regression": "classifier"}


class RefittingSelector(SampleSelector):
    """Base of selectors that fit a model anew on parts of the rows.

    The model is the selector's own `estimator`, else the one that the kept rows are for.
    Where there is neither, or that one does not predict, a subclass has a default.
    The model is given rows and labels as they came.
    """

    requires_y = True
    allow_nan = True
    reads_estimator = True

    def _given_model(self):
        """The selector's model, else the wrapped one; None where the default is used."""
        if self.estimator is not None:
            return self.estimator
        wrapped = self.__dict__.get("_context", RankingContext()).estimator
        return wrapped if hasattr(wrapped, "predict") else None

    def _check_rows(self, X):
        model = self._given_model()
        if model is None:
            return super()._check_rows(X)
        self._check_model(model)
        validate_data(self, X, skip_check_array=True)
        check_readable_rows(X, model)
        return indexable(X)[0]

    def _resolve_task(self, imposed, y):
        task = super()._resolve_task(imposed, y)
        self.__dict__.pop("classes_", None)
        if task == "classification":
            self.classes_ = class_codes(y)[1]
        return task

    def _check_model(self, model):
        name, unfitted = type(self).__name__, DecisionTreeClassifier()
        if not has_tags(model) or not hasattr(model, "predict"):
            raise TypeError(
                f"{name} needs an estimator that predicts. Got {in_one_line(model)} of "
                f"type {type(model).__name__}. Write {name}({unfitted})."
            )
        if is_frozen(model):
            raise ValueError(
                f"{name} fits the model anew on parts of the rows, which a FrozenEstimator "
                f"does not allow. Got {in_one_line(model)}. Give the selector an unfitted "
                f"model: {name}({unfitted})."
            )

    def _check_kind(self, model, task):
        if get_tags(model).estimator_type == OTHER_KIND[task]:
            raise ValueError(
                f"{type(self).__name__} needs a model for {task}, which is what y asks "
                f"for. Got {in_one_line(model)}. Pass another estimator, or set task."
            )

    def _units(self, n, context):
        """Codes of the units that stay together, and which of them train models."""
        counted = np.ones(n, dtype=bool)
        if context.sample_weight is not None:
            counted = context.sample_weight > 0
        units, what = np.arange(n), "rows"
        if context.groups is not None:
            units, what = check_groups(context.groups, n), "groups"
            counted = np.bincount(units, counted) > 0
        if np.count_nonzero(counted) < 2:
            raise ValueError(
                f"{type(self).__name__} judges each row by a model that was fitted on "
                f"others and needs at least 2 {what} of positive weight. Got "
                f"{np.count_nonzero(counted)}, n_samples = {n}. Use RandomSelector()."
            )
        return units, counted

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if has_tags(self.estimator):
            tags.input_tags = deepcopy(get_tags(self.estimator).input_tags)
        return tags


class DataOOBSelector(RefittingSelector):
    """Keep the rows that bagged models predict well without having seen them.

    Models are fitted on bootstrap samples. The value of a row is the mean, over the
    models whose sample does not hold it, of 1 for a right and 0 for a wrong class, or of
    minus the squared error [1]_. A wrong label gets a low value.

    Parameters
    ----------
    estimator : estimator, default=None
        The model to bag, which is cloned. None takes the model that the rows are for in
        a meta-estimator, and a decision tree otherwise.
    n_estimators : int, default=100
        Number of bootstrap samples.
    max_samples : float in (0, 1] or int, default=1.0
        Fraction or number of rows, or of groups where `groups` are given, to draw with
        replacement for each sample.
    task : {"auto", "classification", "regression"}, default="auto"
        What y is, where no meta-estimator says it. "auto": strings, bools, and at most
        max(20, sqrt(n)) different integral values are classes.
    n_jobs : int or None, default=None
        Number of bootstrap samples to work on at once.
    random_state : int, RandomState instance or None, default=None
        The seed of the samples and of each `random_state` in the model that is None.
        None takes that of the meta-estimator, if any.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows by descending value, ties by position.
    scores_ : ndarray of shape (n_samples,), float
        The values. A row that is in every sample gets the mean value of the others
        that have a weight above 0.
    classes_ : ndarray of shape (n_classes,)
        The labels in y, for classification.

    See Also
    --------
    ForgettingSelector : Counts how often a row is unlearned while a model trains.

    Notes
    -----
    `n_estimators` fits and predictions of the model; no copy of X but the sample that a
    model is fitted on. With groups, whole groups are drawn, so that no row is judged by
    a model that has seen its group. Rows of weight 0 are in no sample; the other weights
    go to the fits of models that take them. Where a sample has one class only, that
    class is predicted.

    A bad idea for a small share of clean rows: those of high value are the easiest ones,
    often worse than as many rows at random. A model that is slow to fit is better
    replaced by a tree: ``DataOOBSelector(DecisionTreeClassifier())``.

    References
    ----------
    .. [1] Kwon, Zou (2023). Data-OOB: out-of-bag estimate as a simple and efficient data
       value. ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import DataOOBSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # a wrong label
    >>> selector = DataOOBSelector(random_state=0).fit(X, y)
    >>> float(selector.scores_[7])
    0.0
    """

    _parameter_constraints = {
        "estimator": "no_validation",
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "max_samples": [
            Interval(Real, 0, 1, closed="right"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "task": [StrOptions({"auto", "classification", "regression"})],
        "n_jobs": [None, Integral],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=100,
        max_samples=1.0,
        task="auto",
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.task = task
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _rank(self, X, y, context):
        n, model = len(y), self._given_model()
        if model is None:
            tree = {"classification": DecisionTreeClassifier}
            model = tree.get(context.task, DecisionTreeRegressor)()
            if routing_enabled():
                model.set_fit_request(sample_weight=True)
        self._check_kind(model, context.task)
        units, counted = self._units(n, context)
        pool, size = np.flatnonzero(counted), self.max_samples
        if not isinstance(size, Integral):
            size = max(1, round(size * len(pool)))
        target = self.classes_[y] if context.task == "classification" else y
        seed = self._seed(context)
        seeds = [derive_seed(seed, f"bag {b}") for b in range(self.n_estimators)]
        bags = Parallel(n_jobs=self.n_jobs, return_as="generator")(
            delayed(_judge_bag)(
                model,
                X,
                target,
                context.task,
                context.sample_weight,
                units,
                np.random.default_rng(bag_seed).choice(pool, size),
                bag_seed,
            )
            for bag_seed in seeds
        )
        totals, looks = np.zeros(n), np.zeros(n)
        for rows, values in bags:
            totals[rows] += values
            looks[rows] += 1
        judged = looks > 0
        scores = np.divide(totals, looks, out=np.zeros(n), where=judged)
        others = judged
        if context.sample_weight is not None:
            others = judged & (context.sample_weight > 0)
        scores[~judged] = scores[others].mean() if others.any() else 0.0
        return Ranking.from_scores(scores)


def _judge_bag(model, X, y, task, weights, units, drawn, seed):
    """Positions of the rows that are out of the bag, and how well they are predicted."""
    times = np.bincount(drawn, minlength=units.max() + 1)[units]
    train, test = np.repeat(np.arange(len(y)), times), np.flatnonzero(times == 0)
    predicted = predict_unseen(model, X, y, task, weights, train, test, seed)
    if task == "classification":
        return test, (predicted == y[test]).astype(np.float64)
    return test, -((y[test] - predicted) ** 2)


def predict_unseen(model, X, y, task, weights, train, test, seed):
    """Predict rows by a clone of the model that is fitted on others.

    Parameters
    ----------
    model : estimator
        Unfitted; cloned, and seeded where its `random_state` is None.
    X, y : rows and targets
        As the model reads them.
    task : {"classification", "regression"}
        What y is.
    weights : ndarray of shape (n_samples,) or None
        Weights of the rows, for models that take them.
    train, test : ndarray, int
        Positions; training rows may repeat and those of weight 0 are left out.
    seed : int
        The seed of this fit.

    Returns
    -------
    ndarray of shape (n_test,)
        Labels or floats. Where there is one class to train on, that class.
    """
    if weights is not None:
        train = train[weights[train] > 0]
        weights = weights[train]
    target = y[train]
    if not len(test) or (task == "classification" and np.all(target == target[0])):
        return np.full(len(test), target[0])
    model = clone_seeded(model, seed, "estimator")
    pairwise = get_tags(model).input_tags.pairwise
    X_train, X_test = (
        take_rows(take_rows(X, rows), train, axis=1) if pairwise else take_rows(X, rows)
        for rows in (train, test)
    )
    params = weight_params(model, weights)
    labels, codes = np.unique(target, return_inverse=True)
    with seeded_torch(model, seed):
        try:
            model.fit(X_train, as_target(model, target), **params)
        except ValueError:
            # XGBoost takes classes from 0 without a gap, which a sample may have.
            if task == "regression" or len(labels) == len(np.unique(y)):
                raise
            model.fit(X_train, codes, **params)
            return labels[np.asarray(model.predict(X_test), dtype=np.intp)]
        return np.asarray(model.predict(X_test)).reshape(len(test))


def as_target(model, y):
    """The targets as the model reads them: nets want codes, or float32 and 2-d if real."""
    if not is_torch_model(model):
        return y
    names = (ancestor.__name__ for ancestor in type(last_step(model)).__mro__)
    if "NeuralNetBinaryClassifier" in names:
        return y.astype(np.float32)
    if y.dtype.kind != "f":
        return y
    return y.astype(np.int64) if is_classifier(model) else y.astype(np.float32)[:, None]


def weight_params(model, weights):
    """Parameters that hand the weights to the fit of a model that takes them."""
    if weights is None:
        return {}
    if routing_enabled():
        wanted = get_routing_for_object(model).consumes("fit", ["sample_weight"])
        return {"sample_weight": weights} if wanted else {}
    if not has_fit_parameter(last_step(model), "sample_weight"):
        return {}
    return {f"{pipeline_prefix(model)}sample_weight": weights}


def is_frozen(model):
    """Whether it, or the last step of a Pipeline, is a FrozenEstimator."""
    while not isinstance(model, FrozenEstimator) and getattr(model, "steps", None):
        model = model.steps[-1][1]
    return isinstance(model, FrozenEstimator)
