"""Rank rows by how well models that were fitted without them predict them."""

from numbers import Integral, Real

import numpy as np
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.parallel import Parallel, delayed

from sklearn_prune._docs import fill
from sklearn_prune._meta import routing_enabled
from sklearn_prune._ranking import Ranking
from sklearn_prune._seeds import derive_seed
from sklearn_prune._sklearn_compat import Interval
from sklearn_prune.sample_selection._base import TASK_OPTIONS
from sklearn_prune.sample_selection._refitting import (
    REFITTING,
    RefittingSelector,
    neutral_scores,
    predict_unseen,
)


@fill(REFITTING)
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
    {task, n_jobs, random_state}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        The values. A row that is in every sample gets the mean value of the others
        that have a weight above 0.
    {classes_}

    See Also
    --------
    ForgettingSelector : Counts how often a row is unlearned while a model trains.

    Notes
    -----
    `n_estimators` fits and predictions of the model. With groups, whole groups are drawn,
    so no model has seen the group of the rows that it predicts. Rows of weight 0 are in no
    sample; the other weights are passed to fits that take them. A sample of one class
    predicts that class. A row gets the median score of the others, with a warning, if no
    sample without it holds its class.

    A bad idea for a small share of clean rows: those of high value are the easiest, often
    worse than random rows. Replace a slow model by a tree:
    ``DataOOBSelector(DecisionTreeClassifier())``.

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
        "task": [TASK_OPTIONS],
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
                context.groups,
                units,
                np.random.default_rng(bag_seed).choice(pool, size),
                bag_seed,
            )
            for bag_seed in seeds
        )
        totals, looks, known = np.zeros(n), np.zeros(n), np.zeros(n, dtype=bool)
        for rows, values, seen in bags:
            totals[rows] += values
            looks[rows] += 1
            known[rows] |= seen
        judged = looks > 0
        scores = np.divide(totals, looks, out=np.zeros(n), where=judged)
        others = judged
        if context.sample_weight is not None:
            others = judged & (context.sample_weight > 0)
        others = others & known
        scores[~judged] = scores[others].mean() if others.any() else 0.0
        scores = neutral_scores(scores, known | ~judged, y, context, self)
        return Ranking.from_scores(scores)


def _judge_bag(model, X, y, task, weights, groups, units, drawn, seed):
    """Rows out of the bag, how well they are predicted, and whether it has their class."""
    times = np.bincount(drawn, minlength=units.max() + 1)[units]
    train, test = np.repeat(np.arange(len(y)), times), np.flatnonzero(times == 0)
    predicted = predict_unseen(model, X, y, task, weights, groups, train, test, seed)
    if task == "classification":
        trains = train if weights is None else train[weights[train] > 0]
        seen = np.isin(y[test], y[trains])
        return test, (predicted == y[test]).astype(np.float64), seen
    return test, -((y[test] - predicted) ** 2), np.ones(len(test), dtype=bool)
