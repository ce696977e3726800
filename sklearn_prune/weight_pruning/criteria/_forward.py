"""Rank the points of a kernel expansion by forward selection and backward elimination."""

import numpy as np

from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune.weight_pruning.criteria._base import Criterion


class ForwardSelectionCriterion(Criterion):
    """Keep the support vectors that together fit the kernel machine best.

    Orthogonal forward selection [1]_: one after another that row is added which lowers the
    squared errors plus the penalty of the model most, with the coefficients of all of them
    refitted. Backward elimination then orders the rows that were added [2]_. It is the
    default of regressors.

    Parameters
    ----------
    move_points : bool, default=True
        Whether the refit may move the kept rows, where it can; they are then where points
        start. False keeps rows of the training data, which lose more when few are left.

    See Also
    --------
    CoverageCriterion : Cheaper, and as good where the refit moves the points.
    MagnitudeCriterion : Cheaper, and worse where the points stay.

    Notes
    -----
    The squared errors are those of the targets; for classifiers, of indicators of the
    classes. Cost: O(n_samples * n_points**2) time and O(n_points**2) memory, for n_points
    support vectors of the full model. At most 2,000 of them, drawn at random, are
    candidates; the others follow by the size of their coefficients.

    References
    ----------
    .. [1] Chen, Cowan, Grant (1991). Orthogonal least squares learning algorithm for radial
       basis function networks. IEEE Transactions on Neural Networks 2.
    .. [2] Couvreur, Bresler (2000). On the optimality of the backward greedy algorithm for
       the subset selection problem. SIAM Journal on Matrix Analysis and Applications 21.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.kernel_ridge import KernelRidge
    >>> from sklearn_prune import PrunedRegressor
    >>> from sklearn_prune.weight_pruning import ForwardSelectionCriterion
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = PrunedRegressor(
    ...     KernelRidge(kernel="rbf"), ForwardSelectionCriterion(move_points=False),
    ...     unit="support_vector", keep=20,
    ... ).fit(X, y)
    >>> bool((model.estimator_.X_fit_ == X[model.kept_]).all())
    True
    """

    needs = "forward_order"

    def __init__(self, *, move_points=True):
        self.move_points = move_points

    def rank_units(self, family, work, unit, context):
        """Rank by forward selection and backward elimination.

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
            The working form, which says whether its points may be moved.
        ranking : Ranking
            The order of its units.
        """
        if not isinstance(self.move_points, bool | np.bool_):
            raise InvalidParameterError(
                f"move_points must be True or False. Got {self.move_points!r} instead. "
                "Write move_points=True."
            )
        return family.forward_order(work, unit, bool(self.move_points), context)
