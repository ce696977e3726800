"""Rank parameters by gradient times weight."""

from sklearn_prune.weight_pruning.criteria._base import Criterion


class TaylorCriterion(Criterion):
    """Keep the units whose removal moves the loss of single rows, to first order.

    The effect of a unit on one row is the gradient of the row's loss times the weight,
    summed over the weights of the unit; its score is the root mean square over the rows
    [1]_. At the optimum the mean itself is zero for all, which is why it is squared.

    See Also
    --------
    SecondOrderCriterion : The change of the whole loss, to second order.

    Notes
    -----
    Cost: one pass over the rows, O(n_samples * n_parameters).

    References
    ----------
    .. [1] Molchanov, Mallya, Tyree, Frosio, Kautz (2019). Importance estimation for neural
       network pruning. CVPR.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn_prune import PrunedRegressor
    >>> from sklearn_prune.weight_pruning import TaylorCriterion
    >>> X, y = load_diabetes(return_X_y=True)
    >>> PrunedRegressor(
    ...     Ridge(), TaylorCriterion(), unit="coefficient", keep=4
    ... ).fit(X, y).kept_
    array([2, 3, 6, 8])
    """

    needs = "gradient_effects"

    def _scores(self, family, work, unit, context):
        return family.gradient_effects(work, unit, context)
