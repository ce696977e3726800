"""Rank rows by what a penalised linear model that has not seen them says of them."""

from numbers import Real

import numpy as np

from sklearn_prune._docs import fill
from sklearn_prune._ranking import Ranking
from sklearn_prune._sklearn_compat import Interval, StrOptions
from sklearn_prune.sample_selection._base import SELECTOR, TASK_OPTIONS, SampleSelector
from sklearn_prune.sample_selection._design import Design
from sklearn_prune.sample_selection._leave_one_out import (
    lasso_leave_one_out,
    ridge_leave_one_out,
)
from sklearn_prune.sample_selection._refitting import class_is_elsewhere, neutral_scores

_NOISE = 1e-12  # of a margin, in units of the targets or robust standard deviations


class _PenaltySelector(SampleSelector):
    """Values are leave-one-out margins; a subclass says of which linear model."""

    requires_y = True
    has_natural_size = True
    allow_nan = True

    def _rank(self, X, y, context):
        n = len(y)
        weights = np.ones(n) if context.sample_weight is None else context.sample_weight
        design = Design.standardized(X, context.sample_weight)
        if context.task == "regression":
            predictions = self._leave_one_out(design, y[:, None], weights)[:, 0]
            values = residual_values(y - predictions, y, weights > 0)
            return Ranking.from_scores(values, first=values >= -_NOISE)
        targets = one_against_rest(y)
        if not targets.shape[1]:
            return Ranking.from_scores(np.ones(n), first=np.ones(n, dtype=bool))
        values = own_margin(self._leave_one_out(design, targets, weights), y)
        class_weights = np.bincount(y, weights)
        present = np.count_nonzero(class_weights)
        share = np.divide(
            class_weights.sum(),
            present * class_weights,
            out=np.zeros_like(class_weights),
            where=class_weights > 0,
        )
        balanced = own_margin(self._leave_one_out(design, targets, weights * share[y]), y)
        known = class_is_elsewhere(y, np.arange(n), weights > 0)
        kept = (values >= -_NOISE) | (balanced >= -_NOISE) | ~known
        values = neutral_scores(values, known, y, context, self)
        return Ranking.from_scores(values, first=kept)


@fill(SELECTOR)
class L2PenaltySelector(_PenaltySelector):
    """Keep the rows that a ridge-penalised linear model agrees with unseen.

    The value of a row is its leave-one-out margin: the score of its own class minus the
    best other score, under one-against-rest models fitted without the row [1]_ [2]_. For
    regression it is 2.5 minus the absolute leave-one-out residual in robust standard
    deviations. A negative value means that the model contradicts the row.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, as in ``Ridge(alpha)`` for ``loss="squared"`` and
        ``LogisticRegression(C=1 / alpha)`` for ``loss="logistic"``. Columns are
        standardised on the given rows; the intercept is not penalised. A missing value
        counts as the mean of its column.
    loss : {"squared", "logistic"}, default="squared"
        "squared" is exact; "logistic", for classes only, takes one Newton step from the
        fit on all rows to the fit without the row.
    {task}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        The values.
    natural_size_ : int
        Number of rows that are not contradicted. For classes, a row is left out only if its
        value is negative under the plain model and under the one with balanced class
        weights, so that small classes are kept.

    See Also
    --------
    L1PenaltySelector : The same under a sparse model.

    Notes
    -----
    O(n d^2) for d <= n and O(n^2 d) for d > n, in blocks of rows, with memory for
    min(n, d)^2 values and, while it standardises, for X in float64. Sparse rows with d > n
    cost O(n^3). 60,000 x 784 rows of ten classes take some ten seconds on one core. Where n
    and d both exceed 5,000, rows are left out by 20 random folds, and the models are fitted
    iteratively. "logistic" fits two logistic models for each class, which takes minutes on
    such data. The only row of a class cannot be scored: it gets the median score of the
    others, with a warning.

    A bad idea where labels are clean or classes far from linearly separable: the rows of
    largest margin are the easiest, and half of the rows is worse than a random half.

    References
    ----------
    .. [1] Allen (1974). The relationship between variable selection and data
       augmentation and a method for prediction. Technometrics 16.
    .. [2] Rad, Maleki (2020). A scalable estimate of the out-of-sample prediction error
       via approximate leave-one-out cross-validation. JRSS B 82.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import L2PenaltySelector
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # a wrong label
    >>> selector = L2PenaltySelector().fit(X, y)
    >>> int(selector.order_[-1])
    7
    """

    _parameter_constraints = {
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "loss": [StrOptions({"squared", "logistic"})],
        "task": [TASK_OPTIONS],
    }

    def __init__(self, alpha=1.0, *, loss="squared", task="auto"):
        self.alpha = alpha
        self.loss = loss
        self.task = task

    def _rank(self, X, y, context):
        if self.loss == "logistic" and context.task == "regression":
            raise ValueError(
                'loss="logistic" is for classes. Got a regression target. '
                'Write L2PenaltySelector(loss="squared").'
            )
        return super()._rank(X, y, context)

    def _leave_one_out(self, design, targets, weights):
        return ridge_leave_one_out(design, targets, weights, self.alpha, self.loss)


@fill(SELECTOR)
class L1PenaltySelector(_PenaltySelector):
    """Keep the rows that a sparse linear model agrees with unseen.

    The value of a row is its leave-one-out margin as in :class:`L2PenaltySelector`, under
    the lasso. The model without the row is taken to use the same features as the model
    with it, which gives a closed form [1]_.

    Parameters
    ----------
    alpha : float or "auto", default="auto"
        Strength of the penalty as in ``Lasso(alpha)``, on standardised columns. "auto"
        is 0.05 of the smallest strength that empties the model, for each class its own.
        A missing value counts as the mean of its column.
    {task}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        The values.
    natural_size_ : int
        Number of rows that are not contradicted under the plain or the class-balanced
        model.

    See Also
    --------
    L2PenaltySelector : The same under a ridge model; exact, and usually as good.

    Notes
    -----
    O(n d^2) up to 5,000 features; beyond, coordinate descent on the rows themselves.
    CSR input stays sparse. The only row of a class gets the median score of the others.

    References
    ----------
    .. [1] Rad, Maleki (2020). A scalable estimate of the out-of-sample prediction error
       via approximate leave-one-out cross-validation. JRSS B 82.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import L1PenaltySelector
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # a wrong label
    >>> selector = L1PenaltySelector().fit(X, y)
    >>> int(selector.order_[-1])
    7
    """

    _parameter_constraints = {
        "alpha": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "task": [TASK_OPTIONS],
    }

    def __init__(self, alpha="auto", *, task="auto"):
        self.alpha = alpha
        self.task = task

    def _leave_one_out(self, design, targets, weights):
        return lasso_leave_one_out(design, targets, weights, self.alpha)


def one_against_rest(codes):
    """Targets of +1 for a class and -1 for the rest, one column for each class.

    Two classes need one column, that of the second; one class needs none.
    """
    n_classes = codes.max() + 1
    wanted = np.arange(n_classes) if n_classes > 2 else np.arange(1, n_classes)
    return np.where(codes[:, None] == wanted, 1.0, -1.0)


def own_margin(scores, codes):
    """Score of the own class minus the best other; two classes share one column."""
    if scores.shape[1] == 1:
        scores = np.hstack([-scores, scores])
    rows = np.arange(len(codes))
    own = scores[rows, codes]
    others = scores.copy()
    others[rows, codes] = -np.inf
    return own - others.max(axis=1)


def residual_values(residuals, y, counted):
    """2.5 minus the absolute residuals in robust deviations of the counted rows."""
    size = np.abs(residuals)
    rounding = 1e-10 * np.ptp(y) + 1e-14 * np.abs(y).max()  # what a perfect fit leaves
    size[size <= rounding] = 0.0
    deviation = 1.4826 * np.median(size[counted])
    if deviation == 0:
        deviation = np.sqrt(np.pi / 2) * size[counted].mean()
    return 2.5 - size / (deviation if deviation > 0 else 1.0)
