"""Rank parameters by their size."""

import numpy as np

from sklearn_prune._returns import check_returned
from sklearn_prune.weight_pruning.criteria._base import Criterion, check_scope


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
    scope : {"auto", "layer", "global", "adaptive"}, default="auto"
        For nets: whether each layer loses the same share, or sizes compete over all
        layers; "adaptive" divides the square of each by the sum of those that are not
        smaller in its layer, so that small layers lose less [2]_. "auto" is "adaptive" for
        single weights and "layer" for what has many, whose norms depend on their number.
        "global" is for single weights only. Other models have one layer.

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
    .. [2] Lee, Park, Mo, Ahn, Shin (2021). Layer-adaptive sparsity for the
       magnitude-based pruning. ICLR.

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

    needs = "weights"

    def __init__(self, norm="l2", *, scope="auto"):
        self.norm = norm
        self.scope = scope

    def _by_layer(self, unit):
        check_scope(self.scope, ("auto", "layer", "global", "adaptive"), unit)
        return self.scope == "layer" or (self.scope == "auto" and unit != "weight")

    def _scores(self, family, work, unit, context):
        weights = family.weights(work, unit, context)
        wanted = "an array of shape (n_units, m)"
        check_returned(np.ndim(weights) == 2, family, "weights", wanted, weights)
        scores = norm_of(weights, self.norm, "norm")
        adaptive = self.scope == "adaptive" or (self.scope == "auto" and unit == "weight")
        if adaptive and family.has_layers:
            return _shares_of_rest(scores, family.table(work, unit, context).groups)
        return scores


def _shares_of_rest(sizes, layers):
    """Square of each size over the sum of those that are not smaller in its layer."""
    order = np.lexsort((-sizes, layers))
    squares = sizes[order] ** 2
    sums = np.cumsum(squares)
    starts = np.flatnonzero(np.diff(layers[order], prepend=-1))
    before = np.concatenate([[0.0], sums])[starts]
    sums -= np.repeat(before, np.diff(np.append(starts, len(sizes))))
    shares = np.empty(len(sizes))
    shares[order] = np.divide(squares, sums, out=np.zeros(len(sizes)), where=sums > 0)
    return shares


def norm_of(weights, norm, name):
    """L1 or L2 norm of each row of weights."""
    from sklearn_prune._sklearn_compat import InvalidParameterError

    if norm not in ("l1", "l2"):
        raise InvalidParameterError(
            f'{name} must be "l1" or "l2". Got {norm!r} instead. Write {name}="l2".'
        )
    return np.linalg.norm(weights, ord=1 if norm == "l1" else 2, axis=1)
