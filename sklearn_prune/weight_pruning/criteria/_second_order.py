"""Rank parameters by how much the loss would rise without them."""

from sklearn_prune.weight_pruning.criteria._base import Criterion


class SecondOrderCriterion(Criterion):
    """Keep the units whose removal would raise the training loss most, to second order.

    For a weight w it is w**2 / (2 [H^-1]_ww) where the inverse Hessian H of the penalised
    loss is at hand (optimal brain surgeon [2]_: the others make up for what is lost) and
    H_ww w**2 / 2 where it is too large (optimal brain damage [1]_). For two sibling leaves
    of a tree it is the rise when they become one.

    See Also
    --------
    MagnitudeCriterion : Without the curvature.

    Notes
    -----
    Cost: O(n_samples * d**2 + d**3) for d weights with the inverse, O(n_samples * d)
    without.

    References
    ----------
    .. [1] LeCun, Denker, Solla (1990). Optimal brain damage. NeurIPS.
    .. [2] Hassibi, Stork (1993). Second order derivatives for network pruning: optimal
       brain surgeon. NeurIPS.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn_prune import PrunedRegressor
    >>> from sklearn_prune.weight_pruning import SecondOrderCriterion
    >>> X, y = load_diabetes(return_X_y=True)
    >>> PrunedRegressor(
    ...     Ridge(), SecondOrderCriterion(), unit="coefficient", keep=4
    ... ).fit(X, y).kept_
    array([2, 3, 6, 8])
    """

    needs = "removal_losses"

    def _scores(self, family, work, unit, context):
        return family.removal_losses(work, unit, context)
