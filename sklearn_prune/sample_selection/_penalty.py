"""Rank rows by what a penalised linear model that has not seen them says of them."""

from numbers import Real

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.special import expit

from sklearn_prune._ranking import Ranking
from sklearn_prune._sklearn_compat import Interval, StrOptions
from sklearn_prune.sample_selection._base import SampleSelector
from sklearn_prune.sample_selection._design import (
    MAX_SIDE,
    Design,
    Moments,
    pivoted_factor,
)

_TASKS = {"auto", "classification", "regression"}


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
            return Ranking.from_scores(values, first=values >= 0)
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
        return Ranking.from_scores(values, first=(values >= 0) | (balanced >= 0))


class L2PenaltySelector(_PenaltySelector):
    """Keep the rows that a ridge-penalised linear model agrees with unseen.

    The value of a row is its leave-one-out margin: the score of its own class minus the
    best other score, under one-against-rest models that were fitted without the row.
    For regression it is 2.5 minus the absolute leave-one-out residual in robust standard
    deviations. A negative value says that the model contradicts the row: its label is
    likely wrong, or it lies where a linear model is wrong.

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
    task : {"auto", "classification", "regression"}, default="auto"
        What y is, where no meta-estimator says it. "auto": strings, bools, and at most
        max(20, sqrt(n)) different integral values are classes.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows: those that ``keep="auto"`` keeps, then the others, both by
        descending value.
    scores_ : ndarray of shape (n_samples,), float
        The values.
    natural_size_ : int
        Number of rows that are not contradicted: for classes, a row is left out only
        where its value is negative under the plain model and under the one with balanced
        class weights, so that a small class is not deleted for being small.

    See Also
    --------
    L1PenaltySelector : The same under a sparse model.

    Notes
    -----
    O(n d^2) for d <= n and O(n^2 d) for d > n, in blocks of rows, with min(n, d)^2
    memory: 60,000 x 784 rows of ten classes take some ten seconds on one core. Where n
    and d are both above 5,000, a row is left out together with the others of one of 20
    random folds, and the models are fitted iteratively. "logistic" fits as many logistic
    models as there are classes, twice.

    A bad idea where labels are clean or classes far from linearly separable: rows of
    large margin are the easiest ones, and half of the rows chosen so is a worse training
    set than half of them at random.

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
        "task": [StrOptions(_TASKS)],
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
        if min(design.shape) > MAX_SIDE:
            return out_of_fold(design, targets, weights, self.alpha, self.loss)
        design = design.narrow()
        if self.loss == "squared":
            return squared_leave_one_out(design, targets, weights, self.alpha)
        return logistic_leave_one_out(design, targets, weights, self.alpha)


class L1PenaltySelector(_PenaltySelector):
    """Keep the rows that a sparse linear model agrees with unseen.

    The value of a row is its leave-one-out margin as in :class:`L2PenaltySelector`, under
    the lasso: the model without the row is taken to use the same features as the model
    with it, which makes the fit without the row a closed form.

    Parameters
    ----------
    alpha : float or "auto", default="auto"
        Strength of the penalty as in ``Lasso(alpha)``, on standardised columns. "auto"
        is 0.05 of the smallest strength that empties the model, for each class its own.
        A missing value counts as the mean of its column.
    task : {"auto", "classification", "regression"}, default="auto"
        What y is, where no meta-estimator says it. "auto": strings, bools, and at most
        max(20, sqrt(n)) different integral values are classes.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows: those that ``keep="auto"`` keeps, then the others, both by
        descending value.
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
    CSR input stays sparse.

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
        "task": [StrOptions(_TASKS)],
    }

    def __init__(self, alpha="auto", *, task="auto"):
        self.alpha = alpha
        self.task = task

    def _leave_one_out(self, design, targets, weights):
        coefs = lasso_coefs(design, targets, weights, self.alpha)
        predictions = np.empty_like(targets)
        for column, coef in enumerate(coefs.T):
            active = np.flatnonzero(coef)
            predictions[:, [column]] = squared_leave_one_out(
                design.columns(active),
                targets[:, [column]],
                weights,
                coef=coef[active, None],
            )
        return predictions


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


def leave_out(fitted, gradient, curvature, spread, fallback, least_slack=1e-12):
    """Scores without the own row, from one Newton step; exact for squared loss.

    Parameters
    ----------
    fitted : ndarray of shape (n, k)
        Scores of the fit on all rows.
    gradient, curvature : ndarray of shape (n, k)
        First and second derivative of each row's loss in its score.
    spread : ndarray of shape (n, k)
        x_i^T H^-1 x_i, intercept included, with the Hessian H of the fit.
    fallback : ndarray of shape (n, k) or float
        The score of a row whose own score depends on it entirely, so that one step does
        not tell what the others say.
    least_slack : float, default=1e-12
        The share of a score that the others must have in it for the step to tell.

    Returns
    -------
    ndarray of shape (n, k)
        The scores without the row.
    """
    slack = 1 - curvature * spread
    known = slack > least_slack
    step = np.divide(gradient * spread, slack, out=np.zeros_like(fitted), where=known)
    return np.where(known, fitted + step, fallback)


def squared_leave_one_out(design, targets, weights, ridge=None, coef=None):
    """Leave-one-out scores under squared loss.

    Parameters
    ----------
    design : Design
        The rows, of shape (n, d).
    targets : ndarray of shape (n, k)
        What is fitted.
    weights : ndarray of shape (n,)
        Weights of the rows.
    ridge : float, optional
        L2 penalty. Without it the fit is `coef`, and a row's absence is felt through
        the unpenalised fit on the same columns.
    coef : ndarray of shape (d, k), optional
        Coefficients of the fit on all rows.

    Returns
    -------
    ndarray of shape (n, k)
        The score of each row without it.
    """
    moments = Moments(design, weights, targets)
    gram = moments.gram
    # Without a penalty, a row with a column of its own is fitted whatever it says.
    least_slack = 1e-6 if ridge is None else 1e-12
    if ridge is None:
        ridge = 1e-10 * max(np.trace(gram), 1e-300)  # collinear columns stay solvable
    ridge = max(ridge, 1e-14 * np.trace(gram))
    gram.flat[:: len(gram) + 1] += ridge
    factor = cholesky(gram, lower=True, overwrite_a=True)
    if coef is None:
        coef = solve_triangular(factor, moments.cross, lower=True)
        coef = solve_triangular(factor, coef, lower=True, trans=1)
    fitted, spread = np.empty_like(targets), np.empty((len(targets), 1))
    for rows, block in design.blocks():
        block -= moments.mean
        fitted[rows] = block @ coef + moments.target_mean
        spread[rows] = row_spread(factor, block, moments.total)
    gradient = weights[:, None] * (fitted - targets)
    rest = moments.total - weights[:, None]
    mean_of_others = np.divide(
        moments.total * moments.target_mean - weights[:, None] * targets,
        rest,
        out=np.zeros_like(targets),
        where=rest > 1e-12 * moments.total,
    )
    return leave_out(
        fitted, gradient, weights[:, None], spread, mean_of_others, least_slack
    )


def row_spread(factor, centred, total):
    """x^T H^-1 x for centred rows, H given by its Cholesky factor, plus the intercept."""
    whitened = solve_triangular(
        factor, centred.T, lower=True, overwrite_b=True, check_finite=False
    )
    return 1 / total + np.einsum("ij,ij->j", whitened, whitened)[:, None]


def logistic_leave_one_out(design, targets, weights, alpha):
    """Leave-one-out scores under L2-penalised logistic loss, one Newton step each."""
    from sklearn.linear_model import LogisticRegression

    rows_of = design.array()
    model = LogisticRegression(C=1 / alpha, tol=1e-6, max_iter=10_000)
    scores = np.empty_like(targets)
    for column, target in enumerate(targets.T):
        model.fit(rows_of, target, sample_weight=weights)
        fitted = model.decision_function(rows_of)
        gradient = -weights * target * expit(-target * fitted)
        curvature = weights * expit(fitted) * expit(-fitted)
        moments = Moments(design, curvature)
        ridge = max(alpha, 1e-14 * np.trace(moments.gram))
        moments.gram.flat[:: len(moments.gram) + 1] += ridge
        factor = cholesky(moments.gram, lower=True)
        spread = np.vstack(
            [
                row_spread(factor, block - moments.mean, moments.total)
                for _, block in design.blocks()
            ]
        )
        scores[:, [column]] = leave_out(
            fitted[:, None], gradient[:, None], curvature[:, None], spread, fallback=0.0
        )
    return scores


def out_of_fold(design, targets, weights, alpha, loss, n_folds=20):
    """Scores of models that were fitted without the row's fold, by iterative solvers."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import KFold

    rows = design.scaled()
    if loss == "squared":
        model, columns = Ridge(alpha, solver="sparse_cg", copy_X=False), [slice(None)]
    else:
        model = LogisticRegression(C=1 / alpha, max_iter=10_000)
        columns = range(targets.shape[1])
    predict = "predict" if loss == "squared" else "decision_function"
    scores = np.empty_like(targets)
    for train, test in KFold(n_folds, shuffle=True, random_state=0).split(rows):
        for column in columns:
            known = targets[train, column]
            if loss == "logistic" and np.ptp(known) == 0:
                scores[test, column] = known[0]  # a class that the others do not have
                continue
            model.fit(rows[train], known, sample_weight=weights[train])
            found = getattr(model, predict)(rows[test])
            scores[test, column] = found.reshape(scores[test, column].shape)
    return scores


def lasso_coefs(design, targets, weights, alpha):
    """Coefficients of one lasso for each column of targets, shape (d, k).

    Up to `MAX_SIDE` features the rows are replaced by as many rows as there are features
    with the same moments, on which the problem is the same.
    """
    from sklearn.linear_model import Lasso

    n, d = design.shape
    weights = weights * (n / weights.sum())
    if d <= MAX_SIDE:
        moments = Moments(design, weights, targets)
        cross = moments.cross
        rows, solved = pivoted_factor(moments.gram, cross)
        model = Lasso(fit_intercept=False, max_iter=10_000)
        fit_params, scale = {}, n / len(rows)
    else:
        mean_target = weights @ targets / n
        solved = targets
        cross = sum(
            block.T @ (weights[part, None] * (targets[part] - mean_target))
            for part, block in design.blocks()
        )
        rows = design.scaled(order="F")
        model = Lasso(max_iter=10_000)
        fit_params, scale = {"sample_weight": weights}, 1.0
    coefs = np.empty((d, targets.shape[1]))
    for column in range(targets.shape[1]):
        strength = alpha
        if alpha == "auto":
            strength = 0.05 * np.abs(cross[:, column]).max() / n
        noise = 1e-12 * np.abs(targets[:, column]).max()
        if alpha == "auto" and strength <= noise:  # nothing correlates with the target
            coefs[:, column] = 0.0
            continue
        model.set_params(alpha=scale * strength)
        coefs[:, column] = model.fit(rows, solved[:, column], **fit_params).coef_
    return coefs
