"""Draw rows in proportion to a bound on their share of a linear model's loss."""

import numpy as np

from sklearn_prune._docs import fill
from sklearn_prune._ranking import budget_size
from sklearn_prune.sample_selection._base import KEEP_OPTIONS, TASK_OPTIONS, SampleSelector
from sklearn_prune.sample_selection._leverage import DRAWING, draw, leverages


@fill(DRAWING)
class SensitivitySelector(SampleSelector):
    """Draw rows in proportion to their greatest share in the loss of a linear model.

    The sensitivity of a row is the largest share that it has in the total loss under any
    coefficients [3]_. Rows drawn in proportion to a bound on it, with inverse-probability
    weights, estimate the loss of every linear model without bias: use
    ``weighting="inverse_probability"`` of the meta-estimator.

    The bound is, up to a common factor: for classes and logistic loss, the square root of
    the leverage in [1, X] plus 1 / n [1]_; for regression and squared loss, the leverage
    in [1, X, y] plus 1 / n [2]_.

    Parameters
    ----------
    keep : float in (0, 1] or int >= 2, default=0.5
        The fraction or number of rows that `inclusion_probabilities_` are for, where no
        meta-estimator says it. The order does not depend on it.
    {task, random_state}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        The bounds, scaled to add up to 1.
    {importances_, draws_}
    inclusion_probabilities_ : ndarray of shape (n_samples,), float
        About how likely a row is among the first that the budget allows:
        ``min(1, c * importances_)``, with c such that they add up to the budget.

    See Also
    --------
    LeverageSelector : Leverages themselves, without y.
    RandomSelector : Equal probabilities.

    Notes
    -----
    The cost is that of :class:`LeverageSelector`; where n and d both exceed 5,000,
    leverages are approximate. Columns may have any scale; a missing value counts as the
    mean of its column. In units of the smallest positive weight, a row of weight w has the
    bounds of w copies of it together; one of weight 0 comes last. No inverse probability
    exceeds some d times that of random rows, for classes some sqrt(d) times.

    On heavy-tailed features a tenth of the rows estimates a squared loss, and the
    least-squares coefficients, many times closer than random rows do. A logistic loss gains
    less, and the fitted model is about as good as one on random rows. It needs more rows
    the better the classes are separated [1]_.

    A bad idea where no row stands out, where outliers are errors, and for models that are
    not linear. Without the weights, the kept rows are not distributed like all of them.

    References
    ----------
    .. [1] Munteanu, Schwiegelshohn, Sohler, Woodruff (2018). On coresets for logistic
       regression. NeurIPS 31.
    .. [2] Drineas, Mahoney, Muthukrishnan (2006). Sampling algorithms for l2 regression
       and applications. SODA.
    .. [3] Langberg, Schulman (2010). Universal epsilon-approximators for integrals. SODA.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn_prune.sample_selection import SensitivitySelector
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> selector = SensitivitySelector(keep=0.1, random_state=0).fit(X, y)
    >>> round(float(selector.inclusion_probabilities_.sum()), 6)  # a tenth of 569 rows
    57.0
    """

    requires_y = True
    allow_nan = True
    draws_rows = True
    budget_dependent = True
    order_dependent = True
    weights_repeat = True

    _parameter_constraints = {
        "keep": KEEP_OPTIONS,
        "task": [TASK_OPTIONS],
        "random_state": ["random_state"],
    }

    def __init__(self, keep=0.5, *, task="auto", random_state=None):
        self.keep = keep
        self.task = task
        self.random_state = random_state

    def _rank(self, X, y, context):
        seed, n = self._seed(context), len(y)
        size = budget_size(self.keep, n) if context.budget is None else context.budget
        weights = np.ones(n) if context.sample_weight is None else context.sample_weight
        if context.task == "classification":
            copies = weights / weights[weights > 0].min()
            bounds = np.sqrt(copies * leverages(X, weights, seed=seed))
        else:
            bounds = leverages(X, weights, seed=seed, targets=y)
        bounds += weights / weights.sum()
        ranking = draw(bounds / bounds.sum(), seed)
        self.inclusion_probabilities_ = inclusion_probabilities(ranking.importances, size)
        return ranking


def inclusion_probabilities(importances, size):
    """Probabilities ``min(1, c * importances)`` that add up to `size`."""
    descending = np.sort(importances)[::-1]
    rest = np.cumsum(descending[::-1])[::-1]
    left = size - np.arange(len(rest))
    certain = np.argmax(left * descending <= rest)
    return np.minimum(1.0, left[certain] / rest[certain] * importances)
