"""Rank parameters by their size."""

import numpy as np

from sklearn_prune.weight_pruning.criteria._base import Criterion


class MagnitudeCriterion(Criterion):
    """Keep the units whose weights are large [1]_.

    What the weights of a unit are is the family's to say: a coefficient, the coefficients
    of a feature over all outputs, the dual coefficients of a support vector, the decrease
    of impurity at a node, the rows that a prototype serves. Coefficients are measured on
    columns of unit spread, so that the scale of a feature does not matter.

    Parameters
    ----------
    norm : {"l1", "l2"}, default="l2"
        What of the weights of a unit is compared: the sum of absolute values, or the
        root of the sum of squares. For units of one weight both are the same.

    See Also
    --------
    SecondOrderCriterion : Also reads how much the loss depends on each.

    Notes
    -----
    Cost: O(n_parameters). Two units that stand in for each other are both small: ranking
    in rounds helps (`IterativeSchedule`).

    References
    ----------
    .. [1] Han, Pool, Tran, Dally (2015). Learning both weights and connections for
       efficient neural networks. NeurIPS.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn_prune import PrunedRegressor
    >>> from sklearn_prune.weight_pruning import MagnitudeCriterion
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = PrunedRegressor(
    ...     Ridge(), MagnitudeCriterion(), unit="coefficient", keep=4
    ... ).fit(X, y)
    >>> model.kept_
    array([2, 3, 6, 8])
    """

    def __init__(self, norm="l2"):
        self.norm = norm

    def _scores(self, family, work, unit, context):
        return norm_of(family.weights(work, unit, context), self.norm, "norm")


def norm_of(weights, norm, name):
    """L1 or L2 norm of each row of weights."""
    from sklearn_prune._sklearn_compat import InvalidParameterError

    if norm not in ("l1", "l2"):
        raise InvalidParameterError(
            f'{name} must be "l1" or "l2". Got {norm!r} instead. Write {name}="l2".'
        )
    return np.linalg.norm(weights, ord=1 if norm == "l1" else 2, axis=1)
