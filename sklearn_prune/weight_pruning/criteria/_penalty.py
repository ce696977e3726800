"""Rank parameters by training under a penalty that makes the useless ones small."""

from sklearn_prune._ranking import Ranking
from sklearn_prune.weight_pruning.criteria._base import Criterion
from sklearn_prune.weight_pruning.criteria._magnitude import norm_of


class PenaltyCriterion(Criterion):
    """Train under an L1 or L2 penalty, then cut what it made small.

    Under L1, units leave one by one as the penalty grows [1]_; those that stay longest
    are kept. L2 shrinks all; the largest are kept. The parameters of a unit are penalised
    together where it has several.

    Parameters
    ----------
    penalty : {"l1", "l2"}, default="l1"
        The penalty.

    See Also
    --------
    MagnitudeCriterion : The size without a penalty.

    Notes
    -----
    Cost: one fit for each of some strengths of the penalty, warm-started.

    References
    ----------
    .. [1] Tibshirani (1996). Regression shrinkage and selection via the lasso. Journal of
       the Royal Statistical Society B 58.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn_prune import PrunedRegressor
    >>> from sklearn_prune.weight_pruning import PenaltyCriterion
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = PrunedRegressor(
    ...     LinearRegression(), PenaltyCriterion("l1"), unit="coefficient", keep=4
    ... ).fit(X, y)
    >>> model.kept_
    array([2, 3, 6, 8])
    """

    needs = "penalised"

    def __init__(self, penalty="l1"):
        self.penalty = penalty

    def rank_units(self, family, work, unit, context):
        """Train under the penalty and rank by what is left.

        Parameters
        ----------
        family : Family
            How this kind of model is pruned.
        work : object
            The working form of the model.
        unit : str
            The kind of unit.
        context : PruningContext
            Rows, targets, weights and seed.

        Returns
        -------
        work : object
            The working form trained under the penalty.
        ranking : Ranking
            The order of its units.
        """
        norm_of([[0.0]], self.penalty, "penalty")
        trained, strengths = family.penalised(work, unit, self.penalty, context)
        return trained, Ranking.from_scores(strengths)
